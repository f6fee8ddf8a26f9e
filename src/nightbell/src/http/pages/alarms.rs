//! Alarms: the list, and a page each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use evaluator::composite::SuppressedBy;
use model::{AlarmSpec, Span, State as AlarmState, Time};
use ports::{AlarmStatus, Recorded};
use render::Theme;
use render::chart::{Sparkline, States};
use serde::Deserialize;

use super::{HOUR, Last, alarm_chart, missing, range, show};
use crate::console::view::{
    AlarmPage, AlarmRow, AlarmsFilter, AlarmsPage, Fact, Frame, Link, Paging, Signal, Size, Svg,
    TransitionRow,
};
use crate::console::{pages, words};
use crate::daemon::Daemon;

/// How many transitions an alarm's page shows.
const HISTORY: usize = 50;

/// Rows of a page: each has a picture, and a page has to stay under 100 KB.
const ROWS: usize = 40;

/// What `/alarms` can be asked.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    state: Option<String>,
    service: Option<String>,
    q: Option<String>,
    page: Option<String>,
}

/// `/alarms`
pub async fn list(State(daemon): State<Arc<Daemon>>, Query(query): Query<ListQuery>) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let states = daemon.ports.alarms.states().await?;
        let filter = AlarmsFilter {
            state: query.state.unwrap_or_default(),
            service: query.service.unwrap_or_default(),
            words: query.q.unwrap_or_default(),
        };
        let words = filter.words.to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut services: Vec<String> = Vec::new();
        let mut found = Vec::new();
        for (place, spec) in daemon.estate.alarms.iter().enumerate() {
            if !services.contains(&spec.service) {
                services.push(spec.service.clone());
            }
            let (state, _) = known(states.get(&spec.name), frame.now);
            let text = || format!("{} {}", spec.name, spec.description).to_lowercase();
            let passes = (filter.state.is_empty() || state.to_string() == filter.state)
                && (filter.service.is_empty() || spec.service == filter.service)
                && (words.is_empty() || words.iter().all(|word| text().contains(word)));
            if passes {
                found.push((state, spec.severity, spec.name.as_str(), place));
            }
        }
        services.sort();
        pages::by_urgency(&mut found);
        let wanted = query.page.and_then(|p| p.parse().ok()).unwrap_or(1);
        let (paging, shown) = Paging::of(found.len(), ROWS, wanted, |page| {
            let encode = crate::http::segment;
            format!(
                "/alarms?state={}&service={}&q={}&page={page}",
                encode(&filter.state),
                encode(&filter.service),
                encode(&filter.words)
            )
        });
        let mut rows = Vec::new();
        for (.., place) in &found[shown] {
            rows.push(row(&daemon, &daemon.estate.alarms[*place], &states, frame.now).await);
        }
        let page = AlarmsPage {
            rows,
            found: found.len(),
            filter,
            services,
            paging,
        };
        Ok(pages::alarms(frame, &page))
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
        let noise = noise(&daemon, spec, frame.now).await?;
        let shown = Span::last(length, frame.now);
        let page = AlarmPage {
            noise,
            tests: super::proofs::tests(&daemon, &name),
            backtest: super::proofs::backtest(&daemon, spec),
            delivery: super::proofs::delivery(&daemon, &name),
            states: Svg(standing(&history, state, shown, frame)),
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

/// How it stood over a time, as a strip.
fn standing(history: &[Recorded], now: AlarmState, span: Span, frame: &Frame) -> String {
    // From the newest on backwards: before a transition it stood as the transition says.
    let mut stretches = Vec::new();
    let (mut end, mut state) = (span.end, now);
    for recorded in history {
        let t = &recorded.transition;
        if t.at <= span.start {
            break;
        }
        stretches.push((Span::new(t.at.min(end), end), state));
        (end, state) = (t.at.min(end), t.from);
    }
    stretches.push((Span::new(span.start.min(end), end), state));
    stretches.reverse();
    let strip = States {
        span,
        stretches,
        zone: frame.zone.clone(),
        width: Size::ALARM.width,
        theme: Theme::Page,
    };
    strip.svg()
}

/// What it did to people within 30 days, and what it costs.
async fn noise(daemon: &Daemon, spec: &AlarmSpec, now: Time) -> ports::Result<Vec<Fact>> {
    const MOST: usize = 10_000;
    let span = Span::new(now - HOUR * 24 * 30, now + Duration::from_secs(1));
    let history = daemon.ports.alarms.history(&spec.name, span, MOST).await?;
    let mut times = 0;
    let mut short = 0;
    let mut alarmed = Duration::ZERO;
    let mut end = now;
    for recorded in &history {
        let t = &recorded.transition;
        if t.to == AlarmState::Alarm {
            let lasted = end.since(t.at);
            times += 1;
            alarmed += lasted;
            // Still lasting is not a flap.
            short += usize::from(end != now && lasted < Duration::from_secs(300));
        }
        end = t.at;
    }
    let incidents: Vec<_> = daemon
        .incidents()
        .into_iter()
        .filter(|i| i.opened >= span.start && i.alarms.contains_key(&spec.name))
        .collect();
    let mut acknowledged = 0;
    for incident in &incidents {
        acknowledged += usize::from(super::incidents::was_acknowledged(daemon, &incident.id));
    }
    let fact = |name: &str, value: String| Fact {
        name: name.into(),
        value,
    };
    let mut facts = vec![
        fact(
            "Fired",
            match times {
                0 => "not once".into(),
                1 => format!("once, {}", model::time::spell_duration(whole(alarmed))),
                n => format!(
                    "{n} times, {} together",
                    model::time::spell_duration(whole(alarmed))
                ),
            },
        ),
        fact(
            "Flapped",
            match short {
                0 => "not once".into(),
                n => format!("{n} times over within 5 minutes"),
            },
        ),
        fact(
            "Incidents",
            match incidents.len() {
                0 => "none".into(),
                n => format!("{n}, of which {acknowledged} acknowledged"),
            },
        ),
        fact(
            "Useless",
            match incidents.len() - acknowledged {
                0 => "none".into(),
                n => format!("{n} that nobody acknowledged"),
            },
        ),
    ];
    let cents = planner::cost::alarm_cents(&planner::desired::body(&daemon.estate, spec));
    let costs = planner::cost::dollars(cents as f64 / 100.0);
    facts.push(fact("Costs on AWS", format!("{costs} a month")));
    Ok(facts)
}

/// Whole minutes, or what is less than one.
fn whole(d: Duration) -> Duration {
    match d.as_secs() {
        0..60 => Duration::from_secs(d.as_secs()),
        secs => Duration::from_secs(secs / 60 * 60),
    }
}
