//! `/metrics`: the daemon's own health in Prometheus's text format.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use model::State as AlarmState;

use super::api::telemetry::statuses;
use super::problem::Problem;
use crate::daemon::Daemon;

/// Answers the exposition.
pub async fn metrics(State(daemon): State<Arc<Daemon>>) -> Result<Response, Problem> {
    let states = daemon.ports.alarms.states().await?;
    let usage = match &daemon.local {
        Some(local) => Some(local.store.usage().await?),
        None => None,
    };
    let mut out = Exposition::default();
    out.family("nightbell_build_info", "gauge", "The version that runs.");
    out.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    out.family("nightbell_alarms", "gauge", "Alarms by state.");
    for state in [
        AlarmState::Ok,
        AlarmState::Alarm,
        AlarmState::InsufficientData,
    ] {
        let count = states.values().filter(|s| s.state == state).count();
        out.sample(&[("state", state.as_str())], count as f64);
    }
    out.family(
        "nightbell_incidents_open",
        "gauge",
        "Incidents that are not resolved.",
    );
    let open = daemon
        .incidents()
        .iter()
        .filter(|i| i.resolved.is_none())
        .count();
    out.sample(&[], open as f64);
    let lost = daemon.local.as_ref().map(|local| local.pump.lost());
    let (dropped, failed) = lost.unwrap_or_default();
    for (name, help, value) in [
        (
            "nightbell_evaluations_total",
            "Evaluations of alarms.",
            daemon.counts.evaluations.load(Ordering::Relaxed),
        ),
        (
            "nightbell_transitions_total",
            "Transitions recorded.",
            daemon.counts.transitions.load(Ordering::Relaxed),
        ),
        (
            "nightbell_notifications_sent_total",
            "Notifications accepted by their receiver.",
            daemon.counts.sent.load(Ordering::Relaxed),
        ),
        (
            "nightbell_notifications_failed_total",
            "Notifications that were not accepted.",
            daemon.counts.send_failures.load(Ordering::Relaxed),
        ),
        (
            "nightbell_telemetry_dropped_total",
            "Lines, data and segments lost because the way to the store was full.",
            dropped,
        ),
        (
            "nightbell_telemetry_refused_total",
            "Lines, data and segments that the store refused.",
            failed,
        ),
    ] {
        out.family(name, "counter", help);
        out.sample(&[], value as f64);
    }
    if let Some(usage) = usage {
        out.family(
            "nightbell_store_bytes",
            "gauge",
            "Size of the data folder's database.",
        );
        out.sample(&[], usage.database_bytes as f64);
        out.family(
            "nightbell_metric_series",
            "gauge",
            "Different metrics and units that are kept.",
        );
        out.sample(&[], usage.series as f64);
    }
    if let Some(spared) = daemon.ports.metrics.spared() {
        for (name, help, value) in [
            (
                "nightbell_metrics_asked_total",
                "Metrics of the account that were asked for.",
                spared.asked,
            ),
            (
                "nightbell_metrics_spared_total",
                "Of these answered from the cache of closed periods, without a request.",
                spared.metrics,
            ),
            (
                "nightbell_metric_calls_spared_total",
                "Calls of GetMetricData that were not made.",
                spared.calls,
            ),
            (
                "nightbell_metric_periods_spared_total",
                "Periods that came from the cache.",
                spared.periods,
            ),
        ] {
            out.family(name, "counter", help);
            out.sample(&[], value as f64);
        }
    }
    let tasks = statuses(&daemon);
    out.family("nightbell_task_runs_total", "counter", "Runs of a task.");
    for (name, status) in &tasks {
        out.sample(&[("task", name)], status.runs as f64);
    }
    out.family(
        "nightbell_task_failures_total",
        "counter",
        "Runs of a task that failed.",
    );
    for (name, status) in &tasks {
        out.sample(&[("task", name)], status.failures as f64);
    }
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        out.text,
    )
        .into_response())
}

#[derive(Default)]
struct Exposition {
    text: String,
    name: &'static str,
}

impl Exposition {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(
                self.text,
                "{}{label}=\"{text}\"",
                if i == 0 { '{' } else { ',' }
            );
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}
