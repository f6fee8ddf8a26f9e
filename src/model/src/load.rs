//! From the texts of a project's files to the estate that they desire, and everything wrong in them.
//!
//! Nothing is read from a disk here: a shell gathers the files and names them relative to the
//! project. Every file is read as far as it can be, then the references between them are checked.

mod references;

use std::collections::BTreeMap;

use crate::alarm::{ActionShape, AlarmSpec};
use crate::catalogue::Declared;
use crate::dashboard::Dashboard;
use crate::estate::Estate;
use crate::format::alarms::{self, AlarmFile, Outside};
use crate::format::dashboards::{self, Content, Draft};
use crate::format::layout::{self, Ground};
use crate::format::packs;
use crate::format::project::{self, ProjectFile};
use crate::format::routes::{self, RoutesFile};
use crate::format::runbooks::{self, RunbookFile};
use crate::format::suites::{self, SuiteFile};
use crate::packs::Packs;
use crate::problem::{Level, Place, Problem};
use crate::report::{Mark, Report};
use crate::shape::{Shape, check};
use crate::suite::Suite;
use crate::variables::Variables;
use crate::yaml::{self, Node};

/// The files of a project by path, `/` between folders, relative to the folder of the project file.
#[derive(Debug, Clone, Default)]
pub struct Files {
    project: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// No files yet; `project` is the path of the project file, usually `nightbell.yaml`.
    pub fn new(project: impl Into<String>) -> Files {
        Files {
            project: project.into(),
            files: BTreeMap::new(),
        }
    }

    /// Adds a file. What is under `s3://` sources goes under `alarms/`, `dashboards/`, `runbooks/`.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), content.into());
    }

    /// The same, to write a project in one expression.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Files {
        self.insert(path, content);
        self
    }

    /// The paths and contents in order of path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(p, c)| (p.as_str(), c.as_slice()))
    }

    /// The path of `services.auto.yaml`, which stands beside the project file.
    fn auto(&self) -> String {
        match self.project.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/services.auto.yaml"),
            None => "services.auto.yaml".into(),
        }
    }
}

/// What the files say, and what is wrong in them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `None` where the project file cannot be used. With errors in other files it holds what
    /// could be read: good enough to show, not to apply.
    pub estate: Option<Estate>,
    /// In order of path.
    pub suites: Vec<Suite>,
    /// In order of place, each once.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Whether something cannot be used as it stands: exit code 65.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.level == Level::Error)
    }
}

/// Reads and checks everything. `declared` are the metrics that our own code emits.
pub fn estate(files: &Files, declared: &[Declared]) -> Loaded {
    let mut problems = Vec::new();
    let project = read_project(files, &mut problems);
    let read = Read::all(files, project.as_ref(), &mut problems);
    read.check_references(declared, &mut problems);
    let estate = project
        .as_ref()
        .map(|project| read.estate(project, declared, &mut problems));
    let suites = read.suites.into_iter().map(|f| f.content.suite).collect();
    problems.sort();
    problems.dedup();
    Loaded {
        estate,
        suites,
        problems,
    }
}

fn read_project(files: &Files, problems: &mut Vec<Problem>) -> Option<ProjectFile> {
    let Some(content) = files.files.get(&files.project) else {
        problems.push(
            Problem::error(Place::file(&files.project), "there is no project file").help(
                "create it with `estate: demo`, `region: us-east-1` and `services: {}`, or name another with --config",
            ),
        );
        return None;
    };
    let mut auto_report = Report::new(&files.auto());
    let auto = files.files.get(&files.auto()).and_then(|content| {
        let auto = tree(content, &mut auto_report)?;
        if let Some((key, _)) = auto.entries().iter().find(|(k, _)| k.text == "services") {
            auto_report.error_with(
                key.at,
                "unknown key `services`",
                Some("this file holds what stands under `services:`, without that line".into()),
            );
        }
        check(
            &auto,
            &Shape::Map(&Shape::Map(&Shape::ScalarOrMap)),
            &mut auto_report,
        );
        project::check_services(&auto, &mut auto_report);
        Some(auto)
    });
    let mut report = Report::new(&files.project);
    let project = tree(content, &mut report)
        .and_then(|root| project::decode(root, auto.as_ref(), &mut report));
    problems.append(&mut auto_report.problems);
    problems.append(&mut report.problems);
    project
}

fn tree(content: &[u8], report: &mut Report) -> Option<Node> {
    yaml::parse(text(content, report)?, report)
}

fn text<'a>(content: &'a [u8], report: &mut Report) -> Option<&'a str> {
    match std::str::from_utf8(content) {
        Ok(text) => Some(text),
        Err(e) => {
            let before = String::from_utf8_lossy(&content[..e.valid_up_to()]);
            let line = before.rsplit('\n').next().unwrap_or("");
            report.error_with(
                Mark {
                    line: before.matches('\n').count() as u32 + 1,
                    column: line.chars().count() as u32 + 1,
                },
                "not UTF-8 text",
                Some("save the file as UTF-8".into()),
            );
            None
        }
    }
}

/// What one file held.
#[derive(Debug)]
struct File<T> {
    path: String,
    content: T,
}

/// Every file as far as it could be read.
#[derive(Debug, Default)]
struct Read<'a> {
    project: Option<&'a ProjectFile>,
    project_path: String,
    alarms: Vec<File<AlarmFile>>,
    routes: Option<File<RoutesFile>>,
    packs: Packs,
    suites: Vec<File<SuiteFile>>,
    dashboards: Vec<File<Draft>>,
    runbooks: Vec<File<RunbookFile>>,
    /// Whether every alarm file and every runbook could be read: only then can a name be called
    /// unknown.
    alarms_whole: bool,
    runbooks_whole: bool,
}

impl<'a> Read<'a> {
    fn all(
        files: &Files,
        project: Option<&'a ProjectFile>,
        problems: &mut Vec<Problem>,
    ) -> Read<'a> {
        let mut read = Read {
            project,
            project_path: files.project.clone(),
            alarms_whole: true,
            runbooks_whole: true,
            ..Read::default()
        };
        let folder = |get: fn(&crate::estate::Sources) -> &String, default: &str| {
            let named = project.map_or(default, |p| get(&p.project.sources).as_str());
            let folder = if named.starts_with("s3://") {
                default
            } else {
                named
            };
            format!("{}/", folder.trim_start_matches("./"))
        };
        let alarms = folder(|s| &s.alarms, "alarms");
        let dashboards = folder(|s| &s.dashboards, "dashboards");
        let runbooks = folder(|s| &s.runbooks, "runbooks");
        for (path, content) in files.iter() {
            let mut report = Report::new(path);
            if let Some(inside) = path.strip_prefix(&alarms) {
                read.alarm_folder(inside, content, &mut report);
            } else if path.starts_with(&dashboards) {
                read.dashboard(path, content, &mut report);
            } else if let Some(inside) = path.strip_prefix(&runbooks) {
                read.runbook(inside, content, &mut report);
            }
            problems.append(&mut report.problems);
        }
        read
    }

    fn variables(&self) -> Variables<'a> {
        Variables(self.project.map(|p| &p.project.variables))
    }

    /// The tree of a file after look-up.
    fn filled(&self, content: &[u8], verbatim: &[&str], report: &mut Report) -> Option<Node> {
        let mut root = tree(content, report)?;
        self.variables().fill(&mut root, verbatim, report);
        Some(root)
    }

    fn alarm_folder(&mut self, inside: &str, content: &[u8], report: &mut Report) {
        let path = report.file.clone();
        if inside.ends_with(".yml") {
            report.warn_with(
                Mark::default(),
                "this file is not read",
                Some("rename it to end in .yaml".into()),
            );
        }
        if !inside.ends_with(".yaml") {
            return;
        }
        if inside.ends_with(".test.yaml") {
            if let Some(root) = self.filled(content, &[], report) {
                self.suites.push(File {
                    path,
                    content: suites::decode(&root, report),
                });
            }
            return;
        }
        match inside {
            "routes.yaml" => {
                self.routes = self
                    .filled(content, &[], report)
                    .and_then(|root| routes::decode(&root, report))
                    .map(|content| File { path, content });
            }
            "packs.yaml" => {
                if let Some(root) = self.filled(content, &[], report) {
                    self.packs = packs::decode(&root, report);
                }
            }
            _ if inside.ends_with("/routes.yaml") || inside.ends_with("/packs.yaml") => {
                report.error_with(
                    Mark::default(),
                    "this file has its place directly under the alarms folder",
                    Some("move it up; there is one for the whole estate".into()),
                );
            }
            _ => {
                let Some(root) = self.filled(content, &["native"], report) else {
                    self.alarms_whole = false;
                    return;
                };
                let stem = inside.trim_end_matches(".yaml");
                let outside = Outside {
                    service: stem.split_once('/').map_or(stem, |(folder, _)| folder),
                    actions: self
                        .project
                        .map_or(ActionShape::None, |p| p.project.actions),
                };
                self.alarms.push(File {
                    path,
                    content: alarms::decode(&root, outside, report),
                });
            }
        }
    }

    fn dashboard(&mut self, path: &str, content: &[u8], report: &mut Report) {
        let stem = path.rsplit('/').next().unwrap_or(path);
        let draft = if let Some(stem) = stem.strip_suffix(".json") {
            text(content, report).and_then(|t| dashboards::decode_json(t, stem, report))
        } else if stem.ends_with(".yaml") {
            let variables = self.variables();
            tree(content, report).and_then(|n| dashboards::decode_yaml(n, variables, report))
        } else {
            None
        };
        self.dashboards.extend(draft.map(|content| File {
            path: path.into(),
            content,
        }));
    }

    fn runbook(&mut self, inside: &str, content: &[u8], report: &mut Report) {
        // Runbooks stand directly in their folder, because a reference is a stem.
        let Some(stem) = inside.strip_suffix(".md").filter(|s| !s.contains('/')) else {
            return;
        };
        if stem.eq_ignore_ascii_case("readme") {
            return;
        }
        let variables = self.variables();
        let read =
            text(content, report).and_then(|text| runbooks::decode(text, stem, variables, report));
        match read {
            Some(content) => self.runbooks.push(File {
                path: report.file.clone(),
                content,
            }),
            None => self.runbooks_whole = false,
        }
    }

    fn specs(&self) -> impl Iterator<Item = &AlarmSpec> {
        self.alarms
            .iter()
            .flat_map(|f| f.content.alarms.iter().filter_map(|a| a.spec.as_ref()))
    }

    fn estate(
        &self,
        project: &ProjectFile,
        declared: &[Declared],
        problems: &mut Vec<Problem>,
    ) -> Estate {
        let specs: Vec<&AlarmSpec> = self.specs().collect();
        let ground = Ground {
            project: &project.project,
            alarms: &specs,
        };
        let mut dashboards = Vec::new();
        for file in &self.dashboards {
            let mut report = Report::new(&file.path);
            let made;
            let laid = match &file.content.content {
                Content::Body(laid) => laid,
                Content::Rows(rows) => {
                    made = layout::lay_out(rows, ground, &mut report);
                    &made
                }
            };
            problems.append(&mut report.problems);
            self.check_dashboard(&file.path, laid, project, declared, problems);
            dashboards.push(Dashboard {
                name: file.content.name.clone(),
                body: laid.body.clone(),
                place: Place::file(&file.path),
            });
        }
        dashboards.sort_by(|a, b| a.name.cmp(&b.name));
        let runbooks = self.runbooks.iter().map(|f| f.content.runbook.clone());
        Estate {
            project: project.project.clone(),
            alarms: self.specs().cloned().collect(),
            routes: self.routes.as_ref().map(|f| {
                let mut routes = f.content.routes.clone();
                let objectives = self.alarms.iter().flat_map(|f| &f.content.inhibit);
                routes.inhibit.extend(objectives.cloned());
                routes
            }),
            packs: self.packs.clone(),
            dashboards,
            runbooks: runbooks.collect(),
        }
    }
}
