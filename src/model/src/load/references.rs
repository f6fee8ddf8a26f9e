//! What one file says of another: every reference must lead somewhere.

use std::collections::BTreeMap;

use crate::alarm::RunbookRef;
use crate::catalogue::{Catalogue, Declared};
use crate::format::alarms::{Found, OWN_LABELS, SEVERITIES};
use crate::format::dashboards;
use crate::format::layout::Laid;
use crate::format::project::ProjectFile;
use crate::format::routes::demanded;
use crate::glob::resolve;
use crate::load::Read;
use crate::metric::MetricId;
use crate::problem::{Place, Problem};
use crate::query;
use crate::report::{Mark, suggest};
use crate::rule;
use crate::runbook::{Act, Block, BlockKind, Live, Test};

impl Read<'_> {
    /// Reports every reference between files that leads nowhere.
    pub(super) fn check_references(&self, declared: &[Declared], problems: &mut Vec<Problem>) {
        self.check_names(problems);
        for file in &self.alarms {
            for found in &file.content.alarms {
                let mut checks = Checks {
                    read: self,
                    file: &file.path,
                    problems,
                };
                checks.runbook(found);
                checks.service(found);
                checks.children(found);
                if let Some(project) = self.project {
                    let catalogue = Catalogue::new(declared, &project.project);
                    checks.metrics(&catalogue, &found.metrics);
                }
            }
        }
        self.check_cycles(problems);
        self.check_routes(problems);
        self.check_suites(declared, problems);
        self.check_runbooks(declared, problems);
        if let Some(project) = self.project {
            let mut checks = Checks {
                read: self,
                file: &self.project_path,
                problems,
            };
            for (name, at) in &project.overrides {
                checks.alarm(name, *at);
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.alarms
            .iter()
            .flat_map(|f| f.content.names.iter().map(|(n, _)| n.as_str()))
    }

    fn check_names(&self, problems: &mut Vec<Problem>) {
        let mut first: BTreeMap<&str, Place> = BTreeMap::new();
        for file in &self.alarms {
            for (name, at) in &file.content.names {
                let place = place(&file.path, *at);
                match first.get(name.as_str()) {
                    Some(before) => problems.push(
                        Problem::error(place, format!("two alarms are called `{name}`"))
                            .help(format!("the first is at {before}; rename one")),
                    ),
                    None => {
                        first.insert(name, place);
                    }
                }
            }
        }
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for file in &self.dashboards {
            if let Some(before) = first.insert(&file.content.name, &file.path) {
                problems.push(
                    Problem::error(
                        Place::file(&file.path),
                        format!("two dashboards are called `{}`", file.content.name),
                    )
                    .help(format!("the first is {before}; rename one")),
                );
            }
        }
    }

    /// A composite that watches itself, directly or through others, is never evaluated again.
    fn check_cycles(&self, problems: &mut Vec<Problem>) {
        let mut children: BTreeMap<&str, (Vec<String>, Place)> = BTreeMap::new();
        for file in &self.alarms {
            for found in &file.content.alarms {
                if let Some(node) = &found.rule
                    && let Ok(references) = rule::references(node.raw().unwrap_or_default())
                {
                    let names = references
                        .into_iter()
                        .map(|r| name_of(&r.alarm).to_string());
                    let at = place(&file.path, node.at);
                    children.insert(&found.name, (names.collect(), at));
                }
            }
        }
        for (start, (_, at)) in &children {
            let mut seen: Vec<&str> = Vec::new();
            let mut next: Vec<&str> = vec![start];
            while let Some(name) = next.pop() {
                let Some((below, _)) = children.get(name) else {
                    continue;
                };
                if below.iter().any(|b| b == start) {
                    problems.push(
                        Problem::error(at.clone(), format!("`{start}` watches itself"))
                            .help(match name == *start {
                                true => "remove it from its own rule".to_string(),
                                false => format!("it does so through `{name}`; CloudWatch stops evaluating a cycle"),
                            }),
                    );
                    break;
                }
                for below in below {
                    if !seen.contains(&below.as_str()) {
                        seen.push(below);
                        next.push(below);
                    }
                }
            }
        }
    }

    fn check_routes(&self, problems: &mut Vec<Problem>) {
        let Some(file) = &self.routes else { return };
        let specs: Vec<_> = self.specs().collect();
        let mut labels: Vec<&str> = specs
            .iter()
            .flat_map(|s| s.labels.keys().map(String::as_str))
            .chain(OWN_LABELS.iter().copied())
            .collect();
        labels.sort_unstable();
        labels.dedup();
        let mut services: Vec<&str> = specs.iter().map(|s| s.service.as_str()).collect();
        let named = self.project.into_iter().flat_map(|p| &p.project.services);
        services.extend(named.map(String::as_str));
        let mut checks = Checks {
            read: self,
            file: &file.path,
            problems,
        };
        let complete = self.alarms_whole && !specs.is_empty();
        for (label, at) in &file.content.labels {
            checks.label(label, *at, &labels, complete);
        }
        for (matcher, at) in &file.content.matchers {
            checks.label(&matcher.label, *at, &labels, complete);
            let Some(value) = demanded(matcher) else {
                continue;
            };
            match matcher.label.as_str() {
                "alarm" => checks.alarm(value, *at),
                "service" if complete && !services.contains(&value) => {
                    let help = suggest(value, services.iter().copied(), "there are");
                    checks.error(*at, format!("there is no service `{value}`"), help);
                }
                "severity" if !SEVERITIES.contains(&value) => {
                    let help = suggest(value, SEVERITIES.iter().copied(), "there are");
                    checks.error(*at, format!("there is no severity `{value}`"), help);
                }
                _ => {}
            }
        }
    }

    fn check_suites(&self, declared: &[Declared], problems: &mut Vec<Problem>) {
        for file in &self.suites {
            let suite = &file.content.suite;
            let mut checks = Checks {
                read: self,
                file: &file.path,
                problems,
            };
            for (glob, at) in &suite.alarms {
                let path = resolve(&file.path, glob);
                // A file that exists but cannot be read has its own problem.
                let found = self
                    .alarms
                    .iter()
                    .any(|f| crate::glob::matches(&path, &f.path));
                if !found && self.alarms_whole {
                    let paths = self.alarms.iter().map(|f| f.path.as_str());
                    checks.problems.push(
                        Problem::error(at.clone(), format!("`{glob}` matches no alarm file")).help(
                            format!("looked for {path}; {}", suggest(&path, paths, "there are")),
                        ),
                    );
                }
            }
            let selected: Vec<_> = self
                .alarms
                .iter()
                .filter(|f| suite.selects(&f.path))
                .collect();
            let names = selected
                .iter()
                .flat_map(|f| f.content.names.iter().map(|(n, _)| n.as_str()));
            for (name, at) in &file.content.alarms {
                if !self.alarms_whole || names.clone().any(|n| n == name) {
                    continue;
                }
                let elsewhere = self
                    .alarms
                    .iter()
                    .find(|f| f.content.names.iter().any(|(n, _)| n == name));
                let help = match elsewhere {
                    Some(f) => format!("it is in {}; add that file to `alarms`", f.path),
                    None => suggest(name, names.clone(), "the files of this test have"),
                };
                checks.error(
                    *at,
                    format!("no alarm of this test is called `{name}`"),
                    help,
                );
            }
            for (routes, at) in &file.content.routes {
                let path = resolve(&file.path, routes);
                match &self.routes {
                    Some(file) if file.path == path => {}
                    Some(file) => {
                        let help = format!("there is {}", file.path);
                        checks.error(*at, format!("there is no routes file {path}"), help);
                    }
                    None => {
                        let help = "write the receivers and the route there".to_string();
                        checks.error(*at, format!("there is no usable routes file {path}"), help);
                    }
                }
            }
            if let Some(routes) = &self.routes {
                let receivers = routes.content.routes.receivers.keys().map(String::as_str);
                for (name, at) in &file.content.receivers {
                    if !receivers.clone().any(|r| r == name) {
                        let help = suggest(name, receivers.clone(), "there are");
                        checks.error(*at, format!("there is no receiver `{name}`"), help);
                    }
                }
            }
            if let Some(project) = self.project {
                let catalogue = Catalogue::new(declared, &project.project);
                checks.metrics(&catalogue, &file.content.metrics);
            }
            checks.fed(
                &selected
                    .iter()
                    .flat_map(|f| &f.content.alarms)
                    .collect::<Vec<_>>(),
                &file.content.metrics,
            );
        }
    }

    fn check_runbooks(&self, declared: &[Declared], problems: &mut Vec<Problem>) {
        let Some(project) = self.project else { return };
        let services = &project.project.services;
        let catalogue = Catalogue::new(declared, &project.project);
        for file in &self.runbooks {
            let mut checks = Checks {
                read: self,
                file: &file.path,
                problems,
            };
            for (service, at) in &file.content.services {
                if !services.contains(service) {
                    let names = services.iter().map(String::as_str);
                    let help = suggest(service, names, "there are");
                    checks.error(*at, format!("there is no service `{service}`"), help);
                }
            }
            let steps = file.content.runbook.steps.iter();
            for block in steps.flat_map(|s| &s.blocks) {
                if block.kind == BlockKind::QueryMetrics {
                    checks.queries(&catalogue, block);
                }
                checks.live(&catalogue, block);
            }
        }
    }

    /// Reports metrics of a dashboard that cannot exist.
    pub(super) fn check_dashboard(
        &self,
        file: &str,
        laid: &Laid,
        project: &ProjectFile,
        declared: &[Declared],
        problems: &mut Vec<Problem>,
    ) {
        let catalogue = Catalogue::new(declared, &project.project);
        let mut checks = Checks {
            read: self,
            file,
            problems,
        };
        checks.metrics(&catalogue, &dashboards::metrics(laid));
        for fault in crate::dashboard::faults(&laid.body) {
            let places = fault.widget.and_then(|i| laid.places.get(i));
            let metric = fault.metric.and_then(|m| places?.metrics.get(m).copied());
            let at = metric.or(places.map(|p| p.widget)).unwrap_or_default();
            problems.push(Problem {
                place: place(file, at),
                level: fault.level,
                message: fault.message,
                help: Some(fault.help),
            });
        }
    }
}

fn place(file: &str, at: Mark) -> Place {
    Place {
        file: file.into(),
        line: at.line,
        column: at.column,
    }
}

/// The name inside an alarm's ARN, or the name itself.
fn name_of(reference: &str) -> &str {
    match reference.starts_with("arn:") {
        true => reference
            .split_once(":alarm:")
            .map_or(reference, |(_, name)| name),
        false => reference,
    }
}

/// The checks of one file.
struct Checks<'r, 'a> {
    read: &'r Read<'a>,
    file: &'r str,
    problems: &'r mut Vec<Problem>,
}

impl Checks<'_, '_> {
    fn error(&mut self, at: Mark, message: String, help: String) {
        self.problems
            .push(Problem::error(place(self.file, at), message).help(help));
    }

    /// An alarm that must exist.
    fn alarm(&mut self, name: &str, at: Mark) {
        let names = self.read.names();
        if self.read.alarms_whole && !names.clone().any(|n| n == name) {
            let help = suggest(name, names, "there are");
            self.error(at, format!("there is no alarm `{name}`"), help);
        }
    }

    fn label(&mut self, label: &str, at: Mark, labels: &[&str], complete: bool) {
        if complete && !labels.contains(&label) {
            let help = suggest(label, labels.iter().copied(), "there are");
            self.problems.push(
                Problem::warning(
                    place(self.file, at),
                    format!("no alarm has the label `{label}`"),
                )
                .help(help),
            );
        }
    }

    fn runbook(&mut self, found: &Found) {
        let Some((RunbookRef { stem, heading }, at)) = &found.runbook else {
            return;
        };
        let runbooks = self.read.runbooks.iter().map(|f| &f.content.runbook);
        let Some(runbook) = runbooks.clone().find(|r| &r.stem == stem) else {
            if self.read.runbooks_whole {
                let stems = runbooks.map(|r| r.stem.as_str());
                let help = suggest(stem, stems, "there are");
                self.error(*at, format!("there is no runbook `{stem}`"), help);
            }
            return;
        };
        if let Some(heading) = heading
            && runbook.step(heading).is_none()
        {
            let slugs = runbook.steps.iter().map(|s| s.slug.as_str());
            let help = suggest(heading, slugs, "its headings are");
            self.error(
                *at,
                format!("runbook `{stem}` has no heading `#{heading}`"),
                help,
            );
        }
    }

    fn service(&mut self, found: &Found) {
        let Some(project) = self.read.project else {
            return;
        };
        let services = &project.project.services;
        let (service, named) = &found.service;
        if services.contains(service) {
            return;
        }
        let help = suggest(service, services.iter().map(String::as_str), "there are");
        match named {
            Some(at) => self.error(*at, format!("there is no service `{service}`"), help),
            None => self.problems.push(
                Problem::warning(
                    place(self.file, found.at),
                    format!(
                        "the alarm's file suggests the service `{service}`, which does not exist"
                    ),
                )
                .help(format!(
                    "add `service:` to the alarm or to the file's defaults; {help}"
                )),
            ),
        }
    }

    fn children(&mut self, found: &Found) {
        if let Some(node) = &found.rule {
            match rule::references(node.raw().unwrap_or_default()) {
                Ok(references) => {
                    for reference in references {
                        self.alarm(name_of(&reference.alarm), node.mark_in(reference.offset));
                    }
                }
                Err(e) => self.problems.push(Problem::error(
                    place(self.file, node.mark_in(e.offset)),
                    e.message,
                )),
            }
        }
        if let Some(node) = &found.suppressor {
            self.alarm(name_of(node.raw().unwrap_or_default()), node.at);
        }
    }

    /// A `query metrics` block holds one query a line.
    fn queries(&mut self, catalogue: &Catalogue<'_>, block: &Block) {
        for (number, line) in (block.place.line + 1..).zip(block.text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let indent = line.chars().take_while(|c| c.is_whitespace()).count() as u32;
            match query::parse(line) {
                Ok(stat) => {
                    let at = Mark {
                        line: number,
                        column: indent + 1,
                    };
                    self.metrics(catalogue, &[(stat.metric, at)]);
                }
                Err(error) => {
                    let at = Mark {
                        line: number,
                        column: error.column as u32,
                    };
                    let help = "a query is STAT(NAMESPACE/NAME{dim=\"value\"})[PERIOD], for example Sum(CloudResume/PageView{})[5m]";
                    self.error(at, error.message, help.into());
                }
            }
        }
    }

    /// What a live block names has to exist.
    fn live(&mut self, catalogue: &Catalogue<'_>, block: &Block) {
        let at = Mark {
            line: block.place.line + 1,
            column: 1,
        };
        let mut services: Vec<&String> = Vec::new();
        let mut alarms: Vec<&String> = Vec::new();
        match &block.live {
            Some(Live::Traces { service, .. }) => services.extend(service),
            Some(Live::Alarms {
                services: of,
                names,
                ..
            }) => {
                services.extend(of);
                alarms.extend(names);
            }
            Some(Live::Action(action)) => {
                if let Act::DisableAlarmActions { alarms: of, .. } = &action.act {
                    alarms.extend(of);
                }
                let verify = action.verify.iter().map(|(test, _)| test);
                for test in action.when.iter().chain(verify) {
                    match test {
                        Test::AlarmOk(name) => alarms.push(name),
                        Test::Metric { query, .. } => {
                            self.metrics(catalogue, &[(query.metric.clone(), at)]);
                        }
                    }
                }
                self.resource(&action.act, at);
            }
            _ => {}
        }
        for alarm in alarms {
            self.alarm(alarm, at);
        }
        let Some(project) = self.read.project else {
            return;
        };
        let known = &project.project.services;
        for service in services {
            if !known.contains(service) {
                let help = suggest(service, known.iter().map(String::as_str), "there are");
                self.error(at, format!("there is no service `{service}`"), help);
            }
        }
    }

    /// A queue or function that no service names is not wrong, but usually misspelt.
    fn resource(&mut self, act: &Act, at: Mark) {
        let (what, name) = match act {
            Act::Redrive { queue, .. } => ("queue", queue),
            Act::SetConcurrency { function, .. } | Act::Invoke { function, .. } => {
                ("function", function)
            }
            Act::DisableAlarmActions { .. } => return,
        };
        let Some(project) = self.read.project else {
            return;
        };
        let values = project.project.variables.values();
        if name.contains("${") || values.clone().any(|value| value == name) {
            return;
        }
        let help = suggest(name, values.map(String::as_str), "services name");
        self.problems.push(
            Problem::warning(
                place(self.file, at),
                format!("no service has the {what} `{name}`"),
            )
            .help(help),
        );
    }

    fn metrics(&mut self, catalogue: &Catalogue<'_>, metrics: &[(MetricId, Mark)]) {
        for (metric, at) in metrics {
            // What could not be looked up was reported already.
            let open = |text: &str| text.contains("${");
            if open(&metric.namespace) || open(&metric.name) {
                continue;
            }
            if let Err(unknown) = catalogue.look_up(metric) {
                let at = place(self.file, *at);
                let problem = match unknown.own {
                    true => Problem::error(at, unknown.message),
                    false => Problem::warning(at, unknown.message),
                };
                self.problems.push(problem.help(unknown.help));
            }
        }
    }

    /// A series that no alarm of the test reads is usually a typing error in its dimensions.
    fn fed(&mut self, alarms: &[&Found], series: &[(MetricId, Mark)]) {
        if !self.read.alarms_whole || alarms.iter().all(|f| f.metrics.is_empty()) {
            return;
        }
        for (metric, at) in series {
            let mut read = alarms.iter().flat_map(|f| &f.metrics);
            if !read.any(|(m, _)| m == metric) {
                self.problems.push(
                    Problem::warning(
                        place(self.file, *at),
                        format!("no alarm of this test reads {metric}"),
                    )
                    .help("a metric is its namespace, name and exact dimensions"),
                );
            }
        }
    }
}
