//! An incident of the counter, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use model::incident::IncidentAlarm;
use model::{
    Comparison, Incident, IncidentId, LowSamples, MetricAlarm, MetricId, MetricStat, Missing,
    Notification, NotificationId, NotificationKind, RunbookRef, Severity, Stat, State, Threshold,
    Time, Transition, Unit, Watch,
};
use render::mail::{Alert, Context, Digest, LogLine, Measure, Recovery, RunbookStep, TraceLine};

pub fn at(clock: &str) -> Time {
    Time::parse(&format!("2026-01-05T{clock}:00Z")).expect("a clock time")
}

pub fn context() -> Context {
    Context {
        now: at("08:16"),
        zone: TimeZone::get("Europe/Berlin").expect("bundled"),
        console_url: "http://127.0.0.1:5000".into(),
    }
}

pub fn incident_alarm(name: &str, state: State, since: &str, description: &str) -> IncidentAlarm {
    IncidentAlarm {
        state,
        since: at(since),
        last: Transition {
            alarm: name.into(),
            from: State::Ok,
            to: state,
            at: at("08:25"),
            reason: "Threshold Crossed".into(),
            reason_data: serde_json::Value::Null,
        },
        description: description.into(),
        severity: Severity::Page,
        runbook: Some(RunbookRef {
            stem: "counter-errors".into(),
            heading: None,
        }),
    }
}

pub fn incident() -> Incident {
    Incident {
        id: IncidentId("INC-7F3K".into()),
        group: "{}/service=counter".into(),
        service: "counter".into(),
        severity: Severity::Page,
        opened: at("08:14"),
        resolved: None,
        alarms: BTreeMap::from([
            (
                "counter-errors".into(),
                incident_alarm(
                    "counter-errors",
                    State::Alarm,
                    "08:14",
                    "Visitors see a dash instead of the count.",
                ),
            ),
            (
                "counter-latency".into(),
                incident_alarm(
                    "counter-latency",
                    State::Alarm,
                    "08:13",
                    "The count comes late.",
                ),
            ),
        ]),
    }
}

pub fn notification(kind: NotificationKind) -> Notification {
    Notification {
        id: NotificationId("n-1".into()),
        kind,
        incidents: vec![IncidentId("INC-7F3K".into())],
        about: BTreeSet::from(["counter-errors".to_owned()]),
        receiver: "oncall".into(),
        at: at("08:16"),
        because: "a new group opened for service counter (route oncall, waited 30 s).".into(),
        next: "on change, at most every 5 minutes; again at 12:14; to \"web\" at 08:29 \
               if nobody acknowledges."
            .into(),
    }
}

pub fn metric_alarm(name: &str, stat: Stat, period: u32, threshold: Threshold) -> MetricAlarm {
    MetricAlarm {
        watch: Watch::Metric(MetricStat {
            metric: MetricId::new("AWS/Lambda", name, [("FunctionName", "demo-counter")]),
            stat,
            period,
            unit: None,
            region: None,
        }),
        threshold,
        evaluation_periods: 3,
        datapoints_to_alarm: Some(2),
        missing: Missing::NotBreaching,
        low_samples: LowSamples::Evaluate,
        warm_up: None,
    }
}

pub fn over(value: f64) -> Threshold {
    Threshold::Number {
        comparison: Comparison::Greater,
        value,
    }
}

pub fn measure() -> Measure {
    let mut values = vec![Some(0.0); 55];
    values.extend([Some(12.0), Some(30.0), Some(33.0), Some(35.0), Some(37.0)]);
    Measure {
        alarm: metric_alarm("Errors", Stat::Sum, 60, over(0.0)),
        unit: Unit::Count,
        values,
        covers: Duration::from_secs(3600),
        end: at("08:14"),
    }
}

pub fn trace(sentence: &str, ends: &str) -> TraceLine {
    TraceLine {
        sentence: sentence.into(),
        failed: true,
        link: Some(format!(
            "http://127.0.0.1:5000/traces/1-6a1f0b2c-8f3e4d5a6b7c8d9e0f1a2b{ends}"
        )),
    }
}

pub fn alert(kind: NotificationKind) -> Alert {
    Alert {
        notification: notification(kind),
        incident: incident(),
        alarm: "counter-errors".into(),
        measure: Some(measure()),
        children: Vec::new(),
        logs: vec![LogLine {
            text: "ConditionalCheckFailed on table demo-visitors".into(),
            count: 23,
            trace: Some("1-6a1f0b2c-8f3e4d5a6b7c8d9e0f1a2bc2".into()),
            link: Some("http://127.0.0.1:5000/traces/1-6a1f0b2c-8f3e4d5a6b7c8d9e0f1a2bc2".into()),
        }],
        traces: vec![trace("2,310 ms, 2,288 of it in DynamoDB UpdateItem.", "c2")],
        runbook: Some(RunbookStep {
            title: "The counter answers errors".into(),
            number: 1,
            of: 4,
            heading: "Is it the table?".into(),
            markdown: "Look at **throttles** and the last deploy.\n\n```query metrics\nx\n```\n"
                .into(),
        }),
        also_in_alarm: vec![("posting-dlq".into(), at("07:55"))],
        changed_lately: vec![("function demo-counter version 41".into(), at("08:09"))],
        acknowledged: None,
        acknowledge_link: Some("http://127.0.0.1:5000/l/q8m2r4".into()),
        missing: vec!["the chart picture (took longer than 5 s)".into()],
    }
}

pub fn recovery() -> Recovery {
    let mut incident = incident();
    incident.resolved = Some(at("08:25"));
    for alarm in incident.alarms.values_mut() {
        alarm.state = State::Ok;
    }
    Recovery {
        notification: Notification {
            because: "all alarms of service counter are OK again (route oncall).".into(),
            next: "only when something goes to ALARM again".into(),
            ..notification(NotificationKind::Recovered)
        },
        incident,
        acknowledged: Some(("oncall".into(), at("08:18"))),
        resolved_by: None,
        still_in_alarm: vec![("posting-dlq".into(), at("07:55"))],
    }
}

pub fn digest() -> Digest {
    let mut ticket = incident();
    ticket.id = IncidentId("INC-2B9Q".into());
    ticket.service = "posting".into();
    ticket.severity = Severity::Ticket;
    ticket.opened = at("03:02");
    ticket.alarms = BTreeMap::from([(
        "no-page-views".into(),
        incident_alarm(
            "no-page-views",
            State::Alarm,
            "03:02",
            "Nobody has opened the page for eight hours.",
        ),
    )]);
    let mut over = incident();
    over.id = IncidentId("INC-5C1D".into());
    over.resolved = Some(at("08:15"));
    Digest {
        notification: Notification {
            because: "the window office-hours began".into(),
            next: String::new(),
            ..notification(NotificationKind::Digest)
        },
        incidents: vec![over, ticket, incident()],
    }
}
