//! The estate: `nightbell.yaml` and everything that its sources hold.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alarm::{ActionShape, AlarmSpec};
use crate::dashboard::Dashboard;
use crate::packs::Packs;
use crate::route::Routes;
use crate::runbook::Runbook;
use crate::time::Time;

/// `nightbell.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Owner mark on everything that Nightbell creates.
    pub estate: String,
    /// Default region.
    pub region: String,
    /// Base of links in mails, without a slash at the end.
    pub console_url: String,
    /// Folders or `s3://` prefixes.
    pub sources: Sources,
    /// What `${service.key}` refers to, flattened: `counter.function`, `posting.queues.generate`.
    /// Local defaults and `services.auto.yaml` are merged in.
    pub variables: BTreeMap<String, String>,
    /// The names under `services`.
    pub services: Vec<String>,
    /// Foreign custom metrics that alarms may name, by namespace.
    pub metrics: BTreeMap<String, Vec<String>>,
    /// Default for alarms.
    pub actions: ActionShape,
    /// `budget`.
    pub budget: Budget,
    /// `coverage.ignore`.
    pub ignore: Vec<Ignore>,
    /// `overrides`.
    pub overrides: Vec<Override>,
    /// `${secret.link_key}`, unresolved.
    pub sign_links_with: Option<String>,
    /// `canary`: an alarm that is drilled again and again.
    pub canary: Option<Canary>,
    /// `sign_in`: the load balancer that signs people in.
    pub sign_in: Option<SignIn>,
    /// `sns.accept_signature_version_1`: messages over HTTPS that are signed with SHA-1 are taken.
    pub sns_version_1: bool,
}

/// The load balancer that signs people in, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Its ARN.
    pub load_balancer: String,
    /// The OIDC issuer that its listener asks.
    pub issuer: String,
    /// The client that it is to the issuer.
    pub client: String,
    /// The claim that says what a person belongs to.
    pub claim: String,
    /// Which values of the claim let somebody look; `*` is everybody who is signed in.
    pub viewer: Vec<String>,
    /// Which let somebody respond.
    pub responder: Vec<String>,
    /// Which let somebody do everything.
    pub admin: Vec<String>,
}

/// An alarm that is drilled by itself, so that it is known how long a mail takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Which.
    pub alarm: String,
    /// How often, from midnight UTC on.
    pub every: std::time::Duration,
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Alarms, their tests, routes and packs.
    pub alarms: String,
    /// Dashboards.
    pub dashboards: String,
    /// Runbooks.
    pub runbooks: String,
}

/// What the alarms and dashboards may cost, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// In all, per month.
    pub monthly_usd: Option<f64>,
    /// More than now, per month.
    pub increase_usd: Option<f64>,
}

/// A resource that nobody needs to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignore {
    /// ARN with `*`.
    pub resource: String,
    /// Why.
    pub reason: String,
    /// Until when (the day's end in UTC).
    pub until: Option<Time>,
}

/// Drift that is kept for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Override {
    /// Which alarm.
    pub alarm: String,
    /// Until when.
    pub keep_drift_until: Time,
    /// Why.
    pub reason: String,
}

/// Everything that the files desire.
#[derive(Debug, Clone, PartialEq)]
pub struct Estate {
    /// `nightbell.yaml`.
    pub project: Project,
    /// By name, in the order of files and in them.
    pub alarms: Vec<AlarmSpec>,
    /// `alarms/routes.yaml`; without the file: one receiver-less root.
    pub routes: Option<Routes>,
    /// `alarms/packs.yaml`.
    pub packs: Packs,
    /// In order of name.
    pub dashboards: Vec<Dashboard>,
    /// In order of stem.
    pub runbooks: Vec<Runbook>,
}

impl Estate {
    /// The alarm of this name.
    pub fn alarm(&self, name: &str) -> Option<&AlarmSpec> {
        self.alarms.iter().find(|a| a.name == name)
    }

    /// The runbook of this stem.
    pub fn runbook(&self, stem: &str) -> Option<&Runbook> {
        self.runbooks.iter().find(|r| r.stem == stem)
    }

    /// The dashboard of this name.
    pub fn dashboard(&self, name: &str) -> Option<&Dashboard> {
        self.dashboards.iter().find(|d| d.name == name)
    }
}
