//! `/`: is anything wrong, where, since when, what is being done.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use model::{
    Dimensions, Incident, MetricId, MetricStat, Span, Stat, State as AlarmState, Time, Unit,
};
use ports::SeriesQuery;
use render::chart::Sparkline;

use super::{HOUR, Refusal, show};
use crate::console::pages;
use crate::console::view::{
    Event, EventKind, IncidentCard, Link, NowPage, ServiceRow, Signal, Size, Svg,
};
use crate::daemon::Daemon;
use crate::services::Gateway;

const MINUTE: Duration = Duration::from_secs(60);
/// How many things that happened the page shows.
const EVENTS: usize = 10;
/// How many incidents have a card; in a storm the list of incidents shows the others.
const CARDS: usize = 8;

/// Answers the page.
pub async fn page(
    State(daemon): State<Arc<Daemon>>,
    Extension(gateway): Extension<Gateway>,
) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let incidents: Vec<Incident> = daemon.incidents();
        let mut open: Vec<&Incident> = incidents.iter().filter(|i| i.resolved.is_none()).collect();
        open.sort_by_key(|i| (i.severity, i.opened));
        let others = open.split_off(open.len().min(CARDS));
        let mut cards = Vec::new();
        for incident in open {
            cards.push(card(&daemon, incident, frame.now).await);
        }
        let mut services = Vec::new();
        for name in names(&daemon, &gateway) {
            services.push(service(&daemon, &name, frame.now).await?);
        }
        let page = NowPage {
            incidents: cards,
            others: others.iter().map(|i| i.opened).collect(),
            services,
            events: events(&daemon, frame.now).await?,
            last_resolved: incidents.iter().filter_map(|i| i.resolved).max(),
        };
        Ok(pages::now(frame, &page))
    })
    .await
}

/// The services whose signals are shown: those that run here, or those of the account with an API.
fn names(daemon: &Daemon, gateway: &Gateway) -> Vec<String> {
    if daemon.local.is_some() {
        return gateway.names().map(str::to_string).collect();
    }
    let keys = daemon.estate.project.variables.keys();
    keys.filter_map(|key| key.strip_suffix(".api").map(str::to_string))
        .collect()
}

async fn card(daemon: &Daemon, incident: &Incident, now: Time) -> IncidentCard {
    let lead = crate::evidence::leading(incident, &daemon.estate.alarms).unwrap_or_default();
    let alarm = incident.alarms.get(lead);
    let mut measure = String::new();
    let mut spark = Svg::default();
    if let Some(spec) = daemon.spec(lead)
        && let Some(spec) = crate::evidence::speaker(daemon, spec).await
    {
        if let Some(measured) = crate::evidence::measure(daemon, spec, HOUR, now).await {
            measure = super::incidents::measure_words(spec, &measured);
        }
        if let Some(mut picture) = super::alarms::spark(daemon, spec, now).await {
            picture.alarm = true;
            spark = Svg(picture.svg());
        }
    }
    let told: Vec<String> = super::incidents::notifications(daemon, &incident.id)
        .iter()
        .map(|n| format!("{} was told at {}", n.receiver, n.at.clock()))
        .collect();
    IncidentCard {
        id: incident.id.clone(),
        service: incident.service.clone(),
        severity: incident.severity,
        opened: incident.opened,
        what: alarm.map(|a| a.description.clone()).unwrap_or_default(),
        measure,
        spark,
        alarms: super::incidents::marks(incident),
        doing: told.into_iter().rev().take(3).rev().collect(),
        acknowledged: super::incidents::acknowledged(daemon, incident),
        runbook: alarm.and_then(|a| super::incidents::runbook_link(daemon, a.runbook.as_ref()?)),
    }
}

async fn service(daemon: &Daemon, name: &str, now: Time) -> Result<ServiceRow, Refusal> {
    let named = |key: &str| {
        daemon
            .estate
            .project
            .variables
            .get(&format!("{name}.{key}"))
            .cloned()
            .unwrap_or_default()
    };
    let api = |metric: &str, stat: Stat| {
        query(
            "AWS/ApiGateway",
            metric,
            ("ApiName", &named("api")),
            stat,
            now,
        )
    };
    // Of several functions the one behind the API.
    let function = match named("function") {
        none if none.is_empty() => named("functions.gallery"),
        function => function,
    };
    let queries = [
        api("Count", Stat::Sum),
        api("5XXError", Stat::Sum),
        api("Latency", Stat::Percentile(99.0)),
        query(
            "AWS/Lambda",
            "ConcurrentExecutions",
            ("FunctionName", &function),
            Stat::Maximum,
            now,
        ),
    ];
    let answers = daemon.ports.metrics.get(&queries).await?;
    let states = daemon.ports.alarms.states().await?;
    let own: Vec<_> = daemon
        .estate
        .alarms
        .iter()
        .filter(|a| a.service == name)
        .filter_map(|a| Some((a, states.get(&a.name)?)))
        .collect();
    let rank = |s: AlarmState| match s {
        AlarmState::Alarm => 0,
        AlarmState::Ok => 1,
        // A new alarm waits for data; that is no trouble of the service's.
        AlarmState::InsufficientData => 2,
    };
    let worst = own
        .iter()
        .min_by_key(|(_, status)| (rank(status.state), status.since));
    let breaching = |metric: &str| {
        own.iter().any(|(spec, status)| {
            status.state == AlarmState::Alarm
                && matches!(spec.metric().map(|m| &m.watch), Some(model::Watch::Metric(s)) if s.metric.name == metric)
        })
    };
    let signal = |index: usize, title: &str, unit: Unit, zero: bool, bad: bool| {
        let span = queries[index].span;
        let mut points: Vec<(Time, f64)> = answers[index]
            .points
            .iter()
            .map(|p| (p.at, p.value))
            .collect();
        if zero && let Some(&(first, _)) = points.first() {
            // No request is no error: from the first one on, a gap would hide that somebody looked.
            let mut at = first;
            let mut filled = Vec::new();
            while at < span.end {
                let value = points
                    .iter()
                    .find(|(t, _)| *t == at)
                    .map_or(0.0, |(_, v)| *v);
                filled.push((at, value));
                at = at + MINUTE;
            }
            points = filled;
        }
        let mut picture = Sparkline::new(format!("{name}: {title}"), span, MINUTE, unit, points);
        picture.alarm = bad;
        (picture.width, picture.height) = (Size::SPARK.width, Size::SPARK.height);
        Signal {
            value: String::new(),
            spark: Svg(picture.svg()),
            breaching: bad,
        }
    };
    let state = worst.map_or(AlarmState::InsufficientData, |(_, s)| s.state);
    Ok(ServiceRow {
        name: name.into(),
        state,
        since: worst
            .filter(|_| state != AlarmState::Ok)
            .map(|(_, s)| s.since),
        href: daemon
            .estate
            .dashboard(name)
            .map(|d| format!("/dashboards/{}", d.name)),
        traffic: signal(
            0,
            "requests a minute",
            Unit::Count,
            true,
            breaching("PageView"),
        ),
        errors: signal(
            1,
            "failed requests a minute",
            Unit::Count,
            true,
            breaching("5XXError") || breaching("Errors") || breaching("Fault"),
        ),
        p99: signal(
            2,
            "99 % are faster than this",
            Unit::Milliseconds,
            false,
            breaching("Latency"),
        ),
        saturation: signal(3, "concurrent executions", Unit::Count, true, false),
    })
}

fn query(
    namespace: &str,
    name: &str,
    dimension: (&str, &str),
    stat: Stat,
    now: Time,
) -> SeriesQuery {
    // The minute under way would look like a drop.
    let end = now.floor_to(MINUTE);
    SeriesQuery {
        stat: MetricStat {
            metric: MetricId {
                namespace: namespace.into(),
                name: name.into(),
                dimensions: Dimensions::new([dimension]),
            },
            stat,
            period: 60,
            unit: None,
            region: None,
        },
        span: Span::last(HOUR, end),
    }
}

async fn events(daemon: &Daemon, now: Time) -> Result<Vec<Event>, Refusal> {
    let mut events: Vec<Event> = Vec::new();
    let span = Span::new(now - HOUR * 24 * 30, now + Duration::from_secs(1));
    // The last ten transitions are of the ten alarms that changed last.
    let states = daemon.ports.alarms.states().await?;
    let mut latest: Vec<(&String, Time)> = states.iter().map(|(n, s)| (n, s.since)).collect();
    latest.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
    latest.truncate(EVENTS);
    for (name, _) in latest {
        for recorded in daemon.ports.alarms.history(name, span, EVENTS).await? {
            let t = recorded.transition;
            // An alarm that gets its first data and is fine is no news.
            if (t.from, t.to) == (AlarmState::InsufficientData, AlarmState::Ok) {
                continue;
            }
            events.push(Event {
                at: t.at,
                kind: EventKind::Alarm(t.to),
                text: format!("{} went from {} to {}", t.alarm, t.from, t.to),
                detail: None,
                link: Some(Link {
                    href: format!("/alarms/{}", crate::http::segment(&t.alarm)),
                    text: t.alarm,
                }),
            });
        }
    }
    let recent = crate::http::api::incidents::sorted(daemon);
    let open = recent.iter().filter(|i| i.resolved.is_none());
    let over = recent.iter().filter(|i| i.resolved.is_some());
    let incidents: Vec<_> = open
        .take(CARDS * 3)
        .chain(over.take(EVENTS))
        .map(|i| i.id.clone())
        .collect();
    for id in &incidents {
        let link = Link {
            href: format!("/incidents/{id}"),
            text: id.to_string(),
        };
        let own = super::incidents::timeline(daemon, id);
        events.extend(
            own.into_iter()
                .filter(|e| !matches!(e.kind, EventKind::Alarm(_)))
                .map(|e| Event {
                    link: Some(link.clone()),
                    ..e
                }),
        );
    }
    events.sort_by_key(|e| std::cmp::Reverse(e.at));
    events.truncate(EVENTS);
    Ok(events)
}
