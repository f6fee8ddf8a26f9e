//! `nightbell.yaml` and `services.auto.yaml`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::alarm::ActionShape;
use crate::estate::{Budget, Canary, Ignore, Override, Project, SignIn, Sources};
use crate::format::grammar::{ALARM_NAME, BALANCER, WEB};
use crate::report::{Mark, Report};
use crate::shape::{Fields, Shape, Table, check, may, need};
use crate::time::Time;
use crate::variables::{Variables, is_identifier};
use crate::yaml::{Node, ScalarKind, Value};

/// The words of `actions`.
pub(crate) const ACTIONS: &[&str] = &["none", "direct"];

pub(crate) static PROJECT: Table = Table {
    name: "project",
    doc: "The project file, nightbell.yaml.",
    keys: &[
        need(
            "estate",
            Shape::Text,
            "Owner mark on everything that Nightbell creates.",
        ),
        need("region", Shape::Text, "Default region."),
        may(
            "console_url",
            Shape::Grammar(&WEB),
            "Base of links in mails; http://127.0.0.1:5000 by default.",
        ),
        may(
            "sources",
            Shape::Table(&SOURCES),
            "Folders or s3:// prefixes.",
        ),
        need(
            "services",
            Shape::Map(&Shape::Map(&Shape::ScalarOrMap)),
            "What ${service.key} and ${service.kind.key} refer to.",
        ),
        may(
            "metrics",
            Shape::Map(&Shape::List(&Shape::Text)),
            "Foreign custom metrics that alarms may name, by namespace.",
        ),
        may("actions", Shape::Words(ACTIONS), "Default for alarms."),
        may(
            "budget",
            Shape::Table(&BUDGET),
            "What alarms and dashboards may cost.",
        ),
        may(
            "canary",
            Shape::Table(&CANARY),
            "An alarm that is drilled by itself.",
        ),
        may(
            "coverage",
            Shape::Table(&COVERAGE),
            "What nobody needs to watch.",
        ),
        may(
            "overrides",
            Shape::List(&Shape::Table(&OVERRIDE)),
            "Drift that is kept for a while.",
        ),
        may(
            "sign_links_with",
            Shape::Secret,
            "The key that signs links in mails.",
        ),
        may(
            "sign_in",
            Shape::Table(&SIGN_IN),
            "The load balancer that signs people in.",
        ),
        may("sns", Shape::Table(&SNS), "Messages of SNS over HTTPS."),
    ],
};

static SNS: Table = Table {
    name: "sns",
    doc: "Which messages of SNS are taken over HTTPS.",
    keys: &[may(
        "accept_signature_version_1",
        Shape::Bool,
        "Those signed with SHA-1, too; false by default.",
    )],
};

static SIGN_IN: Table = Table {
    name: "sign_in",
    doc: "The load balancer that signs people in (OIDC), and what they may do.",
    keys: &[
        need(
            "load_balancer",
            Shape::Grammar(&BALANCER),
            "Its ARN; another balancer's word does not count.",
        ),
        need(
            "issuer",
            Shape::Grammar(&WEB),
            "The issuer, as its listener is configured.",
        ),
        need(
            "client",
            Shape::Text,
            "The client id, as its listener is configured.",
        ),
        may(
            "claim",
            Shape::Text,
            "The claim that says what a person belongs to; `groups` by default.",
        ),
        need(
            "roles",
            Shape::Table(&ROLES),
            "Which values of the claim give which role; the highest holds.",
        ),
    ],
};

static ROLES: Table = Table {
    name: "roles",
    doc: "Values of the claim; \"*\" is everybody who is signed in.",
    keys: &[
        may("viewer", Shape::List(&Shape::Text), "Who looks."),
        may(
            "responder",
            Shape::List(&Shape::Text),
            "Who acknowledges, resolves, notes, silences.",
        ),
        may(
            "admin",
            Shape::List(&Shape::Text),
            "Who sets states, breaks things on purpose, makes tokens.",
        ),
    ],
};

static SOURCES: Table = Table {
    name: "sources",
    doc: "Where the files are.",
    keys: &[
        may(
            "alarms",
            Shape::Text,
            "Alarms, their tests, routes and packs.",
        ),
        may("dashboards", Shape::Text, "Dashboards."),
        may("runbooks", Shape::Text, "Runbooks."),
    ],
};

static CANARY: Table = Table {
    name: "canary",
    doc: "An alarm that is drilled by itself, so that it is known how long a mail takes.",
    keys: &[
        need(
            "alarm",
            Shape::Text,
            "Which; whoever its route names is told.",
        ),
        may(
            "every",
            Shape::Duration,
            "How often, 10m to 7d; 1d by default.",
        ),
    ],
};

static BUDGET: Table = Table {
    name: "budget",
    doc: "US dollars a month.",
    keys: &[
        may("monthly_usd", Shape::Number, "In all."),
        may("increase_usd", Shape::Number, "More than now."),
    ],
};

static COVERAGE: Table = Table {
    name: "coverage",
    doc: "Coverage of resources by alarms.",
    keys: &[may(
        "ignore",
        Shape::List(&Shape::Table(&IGNORE)),
        "Resources that nobody needs to watch.",
    )],
};

static IGNORE: Table = Table {
    name: "ignore",
    doc: "A resource that nobody needs to watch.",
    keys: &[
        need("resource", Shape::Text, "ARN with *."),
        need("reason", Shape::Text, "Why."),
        may("until", Shape::Date, "The last day, in UTC."),
    ],
};

static OVERRIDE: Table = Table {
    name: "override",
    doc: "Drift that is kept for a while.",
    keys: &[
        need("alarm", Shape::Grammar(&ALARM_NAME), "Which alarm."),
        need("keep_drift_until", Shape::Instant, "Until when."),
        need("reason", Shape::Text, "Why."),
    ],
};

/// A project file and what later checks need of it.
#[derive(Debug)]
pub(crate) struct ProjectFile {
    pub(crate) project: Project,
    /// The alarms of `overrides`, with their places.
    pub(crate) overrides: Vec<(String, Mark)>,
}

/// Reads the tree of the project file; `auto` is the tree of `services.auto.yaml`, checked before.
pub(crate) fn decode(
    mut root: Node,
    auto: Option<&Node>,
    report: &mut Report,
) -> Option<ProjectFile> {
    let mut variables = BTreeMap::new();
    if let Some(services) = root.get("services") {
        check_services(services, report);
        flatten(services, &mut variables);
    }
    let mut services: Vec<String> = names(root.get("services"));
    if let Some(auto) = auto {
        flatten(auto, &mut variables);
        for name in names(Some(auto)) {
            if !services.contains(&name) {
                services.push(name);
            }
        }
    }
    Variables(Some(&variables)).fill(&mut root, &["services"], report);
    check(&root, &Shape::Table(&PROJECT), report);

    let fields = Fields::new(&root, &PROJECT);
    let sources = fields.table("sources", &SOURCES);
    let source = |key: &str| {
        sources
            .and_then(|s| s.string(key))
            .map_or_else(|| key.to_string(), |s| s.trim_end_matches('/').to_string())
    };
    let budget = fields.table("budget", &BUDGET);
    let overrides: Vec<Fields<'_>> = fields
        .items("overrides")
        .iter()
        .map(|n| Fields::new(n, &OVERRIDE))
        .collect();
    let project = Project {
        estate: fields.string("estate")?,
        region: fields.string("region")?,
        console_url: fields
            .text("console_url")
            .unwrap_or("http://127.0.0.1:5000")
            .trim_end_matches('/')
            .to_string(),
        sources: Sources {
            alarms: source("alarms"),
            dashboards: source("dashboards"),
            runbooks: source("runbooks"),
        },
        services,
        metrics: fields
            .entries("metrics")
            .iter()
            .map(|(k, n)| {
                let names = n.items().iter().filter_map(Node::raw).map(str::to_string);
                (k.text.clone(), names.collect())
            })
            .collect(),
        actions: actions(fields.text("actions")).unwrap_or_default(),
        budget: Budget {
            monthly_usd: budget.and_then(|b| b.number("monthly_usd")),
            increase_usd: budget.and_then(|b| b.number("increase_usd")),
        },
        ignore: fields
            .table("coverage", &COVERAGE)
            .map_or(&[][..], |c| c.items("ignore"))
            .iter()
            .filter_map(|n| ignore(Fields::new(n, &IGNORE)))
            .collect(),
        overrides: overrides
            .iter()
            .filter_map(|o| {
                Some(Override {
                    alarm: o.string("alarm")?,
                    keep_drift_until: Time::parse(o.text("keep_drift_until")?)?,
                    reason: o.string("reason")?,
                })
            })
            .collect(),
        sign_links_with: fields.string("sign_links_with"),
        canary: fields.table("canary", &CANARY).and_then(|c| {
            Some(Canary {
                alarm: c.string("alarm")?,
                every: c
                    .duration("every")
                    .unwrap_or(Duration::from_secs(86_400))
                    .clamp(Duration::from_secs(600), Duration::from_secs(7 * 86_400)),
            })
        }),
        sign_in: fields.table("sign_in", &SIGN_IN).and_then(|s| {
            let roles = s.table("roles", &ROLES)?;
            Some(SignIn {
                load_balancer: s.string("load_balancer")?,
                issuer: s.string("issuer")?,
                client: s.string("client")?,
                claim: s.string("claim").unwrap_or_else(|| "groups".into()),
                viewer: roles.strings("viewer"),
                responder: roles.strings("responder"),
                admin: roles.strings("admin"),
            })
        }),
        sns_version_1: fields
            .table("sns", &SNS)
            .is_some_and(|s| s.flag("accept_signature_version_1")),
        variables,
    };
    let canary = fields.table("canary", &CANARY);
    let canary = canary.and_then(|c| Some((c.string("alarm")?, c.get("alarm")?.at)));
    Some(ProjectFile {
        overrides: overrides
            .iter()
            .filter_map(|o| Some((o.string("alarm")?, o.get("alarm")?.at)))
            .chain(canary)
            .collect(),
        project,
    })
}

/// Reports what is wrong in `services`, or in the whole of `services.auto.yaml`.
pub(crate) fn check_services(services: &Node, report: &mut Report) {
    for (service, kinds) in services.entries() {
        identifier(service, report);
        if service.text == "secret" {
            report.error_with(
                service.at,
                "a service cannot be called `secret`",
                Some("`${secret.NAME}` refers to secrets; choose another name".into()),
            );
        }
        for (kind, value) in kinds.entries() {
            identifier(kind, report);
            for (key, _) in value.entries() {
                identifier(key, report);
            }
        }
    }
    let mut found = Vec::new();
    texts(services, &mut found);
    for (at, text) in found {
        if text.contains("${") {
            report.error_with(
                at,
                "a service's value cannot refer to another",
                Some("write the value itself, or let Terraform write services.auto.yaml".into()),
            );
        }
    }
}

fn identifier(key: &crate::yaml::Key, report: &mut Report) {
    if !is_identifier(&key.text) {
        report.error_with(
            key.at,
            format!("`{}` cannot be referred to as `${{...}}`", key.text),
            Some("expected a lower-case letter, then lower-case letters, digits or `_`".into()),
        );
    }
}

fn texts<'a>(node: &'a Node, into: &mut Vec<(Mark, &'a str)>) {
    match &node.value {
        Value::Scalar(s) => into.push((node.at, &s.text)),
        Value::List(items) => items.iter().for_each(|n| texts(n, into)),
        Value::Map(entries) => entries.iter().for_each(|(_, n)| texts(n, into)),
    }
}

fn names(services: Option<&Node>) -> Vec<String> {
    services
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|(k, _)| k.text.clone())
        .collect()
}

/// `counter: { function: f }` becomes `counter.function`; later files override key by key.
fn flatten(services: &Node, into: &mut BTreeMap<String, String>) {
    let mut put = |name: String, node: &Node| {
        if let Some(s) = node.scalar().filter(|s| s.kind() != ScalarKind::Null) {
            into.insert(name, s.text.clone());
        }
    };
    for (service, kinds) in services.entries() {
        for (kind, value) in kinds.entries() {
            let name = format!("{}.{}", service.text, kind.text);
            for (key, value) in value.entries() {
                put(format!("{name}.{}", key.text), value);
            }
            put(name, value);
        }
    }
}

fn ignore(fields: Fields<'_>) -> Option<Ignore> {
    // The whole last day counts, so the end is the next midnight.
    let until = fields
        .parse::<Date>("until")
        .and_then(|d| d.tomorrow().ok())
        .and_then(|d| d.to_zoned(TimeZone::UTC).ok())
        .map(|z| Time::from(z.timestamp()));
    Some(Ignore {
        resource: fields.string("resource")?,
        reason: fields.string("reason")?,
        until,
    })
}

/// Reads `none` or `direct`.
pub(crate) fn actions(text: Option<&str>) -> Option<ActionShape> {
    match text? {
        "none" => Some(ActionShape::None),
        "direct" => Some(ActionShape::Direct),
        _ => None,
    }
}
