//! Alarms: the list, and a page each.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
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
        daemon.local.pump.flush().await;
        let states = daemon.ports.alarms.states().await?;
        let mut rows = Vec::new();
        for spec in &daemon.estate.alarms {
            let (state, since) = known(states.get(&spec.name), frame.now);
            rows.push(AlarmRow {
                name: spec.name.clone(),
                state,
                since,
                service: spec.service.clone(),
                severity: spec.severity,
                condition: words::condition(spec),
                signal: signal(&daemon, spec, state, frame.now).await,
            });
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
        daemon.local.pump.flush().await;
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
            chart_title: spec
                .metric()
                .map(|m| words::watched(&m.watch))
                .unwrap_or_default(),
            chart: alarm_chart(&daemon, spec, length, Size::ALARM, frame).await,
            facts: words::configuration(spec),
            told: told(&daemon, spec),
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

/// The last hour of an alarm's metric with its limit; `None` for math and composites.
pub async fn spark(daemon: &Daemon, spec: &AlarmSpec, now: Time) -> Option<Sparkline> {
    let alarm = spec.metric()?;
    let model::Watch::Metric(stat) = &alarm.watch else {
        return None;
    };
    let period = Duration::from_secs(alarm.period().into());
    let span = Span::last(
        HOUR.max(period * 8),
        now.floor_to(period.min(Duration::from_secs(60))),
    );
    let series = daemon.watched(spec, span).await?.ok()?;
    let points = series.points.iter().map(|p| (p.at, p.value));
    let mut picture = Sparkline::new(
        words::condition(spec),
        span,
        period,
        crate::units::of(stat),
        points,
    );
    if let model::Threshold::Number { value, .. } = &alarm.threshold {
        picture.limit = Some(*value);
    }
    (picture.width, picture.height) = (Size::SPARK.width, Size::SPARK.height);
    Some(picture)
}

fn told(daemon: &Daemon, spec: &AlarmSpec) -> Vec<String> {
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
