//! Alarms: the list, and a page each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use evaluator::composite::SuppressedBy;
use model::{AlarmSpec, Span, State as AlarmState, Time};
use ports::AlarmStatus;
use render::chart::Sparkline;

use super::{HOUR, Last, alarm_chart, missing, range, show};
use crate::console::view::{AlarmPage, AlarmRow, Link, Signal, Size, Svg, TransitionRow};
use crate::console::{pages, words};
use crate::daemon::Daemon;

/// How many transitions an alarm's page shows.
const HISTORY: usize = 50;

/// `/alarms`
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let states = daemon.ports.alarms.states().await?;
        let mut rows = Vec::new();
        for spec in &daemon.estate.alarms {
            rows.push(row(&daemon, spec, &states, frame.now).await);
        }
        Ok(pages::alarms(frame, &rows))
    })
    .await
}

/// `/alarms/{name}`
pub async fn one(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
    Query(last): Query<Last>,
) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let spec = daemon
            .spec(&name)
            .ok_or_else(|| missing("alarm", &name, ("/alarms", "All alarms")))?;
        let states = daemon.ports.alarms.states().await?;
        let status = states.get(&name);
        let (state, since) = known(status, frame.now);
        let length = last.or(HOUR * 3);
        let month = Span::new(
            frame.now - HOUR * 24 * 30,
            frame.now + Duration::from_secs(1),
        );
        let history = daemon.ports.alarms.history(&name, month, HISTORY).await?;
        let incident = daemon
            .engine()
            .incidents()
            .find(|i| i.resolved.is_none() && i.alarms.contains_key(&name))
            .map(|i| Link {
                href: format!("/incidents/{}", i.id),
                text: i.id.to_string(),
            });
        let page = AlarmPage {
            name: spec.name.clone(),
            state,
            since,
            reason: status.map(|s| s.reason.clone()).unwrap_or_default(),
            description: spec.description.clone(),
            service: spec.service.clone(),
            severity: spec.severity,
            chart_title: match spec.metric() {
                Some(alarm) => words::watched(&alarm.watch),
                None => "The alarms that it watches".into(),
            },
            chart: alarm_chart(&daemon, spec, length, Size::ALARM, frame).await,
            facts: words::configuration(spec),
            told: told(&daemon, spec),
            children: children(&daemon, spec, &states, frame.now).await,
            held: held(&daemon, spec, status),
            runbook: spec
                .runbook
                .as_ref()
                .and_then(|r| super::incidents::runbook_link(&daemon, r)),
            incident,
            history: history
                .into_iter()
                .map(|r| TransitionRow {
                    at: r.transition.at,
                    from: r.transition.from,
                    to: r.transition.to,
                    reason: r.transition.reason,
                })
                .collect(),
            range: range(
                format!("/alarms/{}", crate::http::segment(&spec.name)),
                length,
            ),
        };
        Ok(pages::alarm(frame, &page))
    })
    .await
}

async fn row(
    daemon: &Daemon,
    spec: &AlarmSpec,
    states: &BTreeMap<String, AlarmStatus>,
    now: Time,
) -> AlarmRow {
    let (state, since) = known(states.get(&spec.name), now);
    AlarmRow {
        name: spec.name.clone(),
        state,
        since,
        service: spec.service.clone(),
        severity: spec.severity,
        condition: words::condition(spec),
        signal: signal(daemon, spec, state, now).await,
    }
}

/// What a composite watches, in the order of its rule.
async fn children(
    daemon: &Daemon,
    spec: &AlarmSpec,
    states: &BTreeMap<String, AlarmStatus>,
    now: Time,
) -> Vec<AlarmRow> {
    let mut rows = Vec::new();
    for name in daemon.composites.children(&spec.name) {
        let Some(child) = daemon.spec(name) else {
            continue;
        };
        rows.push(row(daemon, child, states, now).await);
    }
    rows
}

/// Why nobody is told of what it does, if that is so.
fn held(daemon: &Daemon, spec: &AlarmSpec, status: Option<&AlarmStatus>) -> Option<String> {
    if !spec.actions_enabled {
        return Some("Its actions are disabled (actions_enabled: false): it changes its state, and nobody is told.".into());
    }
    let suppressor = daemon.composites.suppressor(&spec.name)?;
    let by = &suppressor.alarm;
    let hold = daemon.gate().hold(&spec.name)?;
    let until = hold.until.map_or_else(String::new, |at| {
        format!(" until {}", at.to_jiff().strftime("%H:%M:%S UTC"))
    });
    let firing = status.is_some_and(|s| s.state == AlarmState::Alarm);
    let what = if firing {
        "Nobody is told that it is in ALARM"
    } else {
        "Nobody is told of changes"
    };
    Some(match hold.by {
        SuppressedBy::Alarm => format!("{what}: it is suppressed while {by} is in ALARM."),
        SuppressedBy::WaitPeriod => {
            format!("{what} yet: it waits{until} whether {by} goes to ALARM.")
        }
        SuppressedBy::ExtensionPeriod => {
            format!("{what} yet: {by} left ALARM a short while ago, and suppresses it{until}.")
        }
    })
}

fn known(status: Option<&AlarmStatus>, now: Time) -> (AlarmState, Time) {
    status.map_or((AlarmState::InsufficientData, now), |s| (s.state, s.since))
}

async fn signal(daemon: &Daemon, spec: &AlarmSpec, state: AlarmState, now: Time) -> Signal {
    let Some(mut picture) = spark(daemon, spec, now).await else {
        return Signal::default();
    };
    let breaching = state == AlarmState::Alarm;
    picture.alarm = breaching;
    Signal {
        value: String::new(),
        spark: Svg(picture.svg()),
        breaching,
    }
}

/// The last hour of what an alarm watches with its limit; `None` for composites.
pub async fn spark(daemon: &Daemon, spec: &AlarmSpec, now: Time) -> Option<Sparkline> {
    let alarm = spec.metric()?;
    let period = Duration::from_secs(u64::from(alarm.period().max(1)));
    let span = crate::watched::complete(period, HOUR.max(period * 8), now);
    let series = daemon.watched(spec, span).await?.ok()?;
    let points = series.points.iter().map(|p| (p.at, p.value));
    let mut picture = Sparkline::new(
        words::condition(spec),
        span,
        period,
        crate::watched::unit(alarm),
        points,
    );
    if let model::Threshold::Number { value, .. } = &alarm.threshold {
        picture.limit = Some(*value);
    }
    (picture.width, picture.height) = (Size::SPARK.width, Size::SPARK.height);
    Some(picture)
}

fn told(daemon: &Daemon, spec: &AlarmSpec) -> Vec<String> {
    if !spec.actions_enabled {
        return vec!["Nobody: its actions are disabled.".into()];
    }
    let Some(routes) = &daemon.estate.routes else {
        return vec!["Nobody: there is no alarms/routes.yaml.".into()];
    };
    response::route(routes, &spec.routing_labels())
        .iter()
        .map(|m| {
            let when = match &m.route.active {
                Some(window) => format!(", in {window} only"),
                None if m.route.group_wait.is_zero() => ", at once".into(),
                None => format!(
                    ", after {}",
                    model::time::spell_duration(m.route.group_wait)
                ),
            };
            format!("{}{when} (route {})", m.route.receiver, m.path)
        })
        .collect()
}
