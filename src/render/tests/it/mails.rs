//! Mails word for word, and what no mail may ever be.

use insta::assert_snapshot;
use model::{Comparison, IncidentId, Missing, NotificationKind, Severity, Stat, Threshold, Unit};
use proptest::prelude::*;
use render::mail::{Alert, LogLine, Mail, Measure, RunbookStep, TraceLine};

use super::samples::*;

fn whole(mail: Mail) -> String {
    format!("Subject: {}\n\n{}", mail.subject, mail.body)
}

#[test]
fn an_alert_says_what_since_when_how_bad_and_what_to_do() {
    let mail = alert(NotificationKind::Opened).mail(&context());
    keeps_the_rules(&mail);
    assert_snapshot!("alert", whole(mail));
}

#[test]
fn a_repeat_says_how_long_it_has_been_open() {
    let mut alert = alert(NotificationKind::Repeat);
    alert.acknowledged = Some(("oncall".into(), at("08:15")));
    let mail = alert.mail(&context());
    keeps_the_rules(&mail);
    assert_snapshot!("repeat", whole(mail));
}

#[test]
fn an_alert_with_nothing_gathered_is_still_a_mail() {
    let mail = Alert {
        measure: None,
        logs: Vec::new(),
        traces: Vec::new(),
        runbook: None,
        also_in_alarm: Vec::new(),
        changed_lately: Vec::new(),
        acknowledge_link: None,
        missing: vec![
            "the last hour (took longer than 5 s)".into(),
            "log lines (took longer than 5 s)".into(),
        ],
        ..alert(NotificationKind::Escalated)
    }
    .mail(&context());
    keeps_the_rules(&mail);
    assert_snapshot!("bare", whole(mail));
}

#[test]
fn a_recovery_says_what_it_was_and_what_remains() {
    let mail = recovery().mail(&context());
    keeps_the_rules(&mail);
    assert_snapshot!("recovery", whole(mail));
}

#[test]
fn a_digest_has_a_line_an_incident_worst_first() {
    let mail = digest().mail(&context());
    keeps_the_rules(&mail);
    assert_snapshot!("digest", whole(mail));
}

#[test]
fn the_subject_says_what_was_measured() {
    let check = |measure: Measure, expect: &str| {
        let mut alert = alert(NotificationKind::Opened);
        alert.measure = Some(measure);
        let subject = alert.mail(&context()).subject;
        assert_eq!(subject, format!("[page] counter: {expect} (INC-7F3K)"));
    };
    let below = |value: f64| Threshold::Number {
        comparison: Comparison::Less,
        value,
    };
    check(measure(), "5 of the last 5 minutes had errors");
    check(
        Measure {
            values: vec![Some(0.0), Some(3.0), None, Some(4.0), None],
            ..measure()
        },
        "2 of the last 5 minutes had errors",
    );
    check(
        Measure {
            alarm: metric_alarm("Latency", Stat::Percentile(99.0), 60, over(2000.0)),
            unit: Unit::Milliseconds,
            values: vec![Some(20.0), Some(2310.0)],
            ..measure()
        },
        "Latency p99 2.31 s, limit 2 s",
    );
    check(
        Measure {
            alarm: metric_alarm("Errors", Stat::Sum, 300, over(1.0)),
            values: vec![Some(7.0)],
            ..measure()
        },
        "Errors 7, limit 1",
    );
    let mut silent = metric_alarm("PageView", Stat::Sum, 28_800, below(1.0));
    silent.missing = Missing::Breaching;
    check(
        Measure {
            alarm: silent,
            values: vec![None],
            covers: std::time::Duration::from_secs(28_800),
            ..measure()
        },
        "no PageView for 8 hours",
    );
}

#[test]
fn three_traces_at_most_are_told_each_with_where_it_failed_and_its_link() {
    let mut alert = alert(NotificationKind::Opened);
    alert.traces = [
        ("2,310 ms", "c1"),
        ("1,900 ms", "c2"),
        ("800 ms", "c3"),
        ("1 ms", "c4"),
    ]
    .map(|(length, ends)| trace(&format!("{length}, all of it in DynamoDB."), ends))
    .into();
    let mail = alert.mail(&context());
    keeps_the_rules(&mail);
    let at = mail.body.find("Slowest failing traces:").unwrap();
    let told: Vec<&str> = mail.body[at..].lines().skip(1).take(7).collect();
    let link = "  http://127.0.0.1:5000/traces/1-6a1f0b2c-8f3e4d5a6b7c8d9e0f1a2b";
    let expect = [
        "  2,310 ms, all of it in DynamoDB.".to_string(),
        format!("{link}c1"),
        "  1,900 ms, all of it in DynamoDB.".into(),
        format!("{link}c2"),
        "  800 ms, all of it in DynamoDB.".into(),
        format!("{link}c3"),
        String::new(),
    ];
    assert_eq!(told, expect, "{}", mail.body);
    for trace in &mut alert.traces {
        trace.failed = false;
    }
    assert!(alert.mail(&context()).body.contains("Slowest traces:"));
}

#[test]
fn formatted_mail_shows_the_last_hour_with_its_limit_and_where_it_broke() {
    let picture = alert(NotificationKind::Opened)
        .mail(&context())
        .picture
        .unwrap();
    assert_eq!(
        picture.alt,
        "counter-errors until 08:14 UTC (09:14 Berlin): now 37, limit 0"
    );
    let drawn = picture.chart.svg();
    let document = roxmltree::Document::parse(&drawn).unwrap();
    let texts: String = document.descendants().filter_map(|n| n.text()).collect();
    assert!(
        texts.contains("limit 0") && texts.contains("08:00"),
        "{texts}"
    );
    assert!(
        !drawn.contains("var("),
        "a mail has no page that says colours"
    );
    assert_eq!(picture.chart.breaching.len(), 5);
    // Without a value there is nothing to draw.
    let mut silent = alert(NotificationKind::Opened);
    silent.measure.as_mut().unwrap().values.fill(None);
    assert_eq!(silent.mail(&context()).picture, None);
}

#[test]
fn hostile_names_stay_on_their_line() {
    let mut alert = alert(NotificationKind::Opened);
    alert.incident.service = "a\r\nBcc: everybody@example.org\u{202e}".into();
    alert.incident.id = IncidentId("INC-1\nX-Evil: 1".into());
    alert.logs[0].text = "line one\nSubject: fake\u{0}\u{1b}[31m".into();
    let mail = alert.mail(&context());
    keeps_the_rules(&mail);
    assert!(
        mail.subject
            .starts_with("[page] a Bcc: everybody@example.org: 5 of")
    );
    assert!(!mail.body.lines().any(|l| l.starts_with("Subject:")));
}

/// The rules of every mail.
fn keeps_the_rules(mail: &Mail) {
    let (subject, body) = (&mail.subject, &mail.body);
    assert!(subject.len() < 100, "{} bytes: {subject}", subject.len());
    assert!(
        subject.bytes().all(|b| (b' '..=b'~').contains(&b)),
        "{subject:?}"
    );
    assert!(
        subject.starts_with('[') && subject.ends_with(')'),
        "{subject}"
    );
    for line in body.lines() {
        let lone_link = line.trim_start().starts_with("http") && !line.trim().contains(' ');
        assert!(line.chars().count() < 78 || lone_link, "{line}");
        assert!(!line.ends_with(' '), "{line:?}");
        assert!(
            !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
    assert!(
        !body.contains("\n\n\n") && !body.starts_with('\n'),
        "{body}"
    );
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z \n\r\t]{0,400}",
        "(https?://[a-z]{0,200} ){0,3}[x-z]{0,200}",
        "\\PC{0,120}",
    ]
}

proptest! {
    #[test]
    fn no_input_breaks_a_mail(
        texts in prop::collection::vec(any_text(), 14),
        values in prop::collection::vec(prop::option::of(any::<f64>()), 0..70),
        limit in any::<f64>(),
        kind in prop_oneof![
            Just(NotificationKind::Opened), Just(NotificationKind::Changed),
            Just(NotificationKind::Repeat), Just(NotificationKind::Escalated),
        ],
        severity in prop_oneof![Just(Severity::Page), Just(Severity::Ticket), Just(Severity::Info)],
    ) {
        let mut t = texts.iter().cycle();
        let mut next = || t.next().cloned().unwrap_or_default();
        let mut alert = alert(kind);
        alert.incident.service = next();
        alert.incident.id = IncidentId(next());
        alert.incident.severity = severity;
        alert.alarm = next();
        for alarm in alert.incident.alarms.values_mut() {
            alarm.description = next();
        }
        alert.notification.because = next();
        alert.notification.next = next();
        alert.measure = Some(Measure {
            alarm: metric_alarm(&next(), Stat::Sum, 60, over(limit)),
            unit: Unit::Bytes,
            values,
            covers: std::time::Duration::from_secs(3600),
            end: at("08:14"),
        });
        alert.logs = vec![
            LogLine { text: next(), count: 2, trace: Some(next()), link: Some(next()) },
            LogLine { text: next(), count: u64::MAX / 2, trace: None, link: None },
        ];
        alert.traces = [true, false, false, true]
            .map(|failed| TraceLine { sentence: next(), failed, link: Some(next()) })
            .into();
        alert.runbook = Some(RunbookStep {
            title: next(), number: 1, of: 1, heading: next(), markdown: next(),
        });
        alert.also_in_alarm = vec![(next(), at("08:00"))];
        alert.changed_lately = vec![(next(), at("08:00"))];
        alert.acknowledge_link = Some(next());
        alert.missing = vec![next()];
        let mail = alert.mail(&context());
        keeps_the_rules(&mail);
        if let Some(picture) = mail.picture {
            let drawn = picture.chart.svg();
            prop_assert!(roxmltree::Document::parse(&drawn).is_ok(), "{drawn}");
        }

        let mut recovery = recovery();
        recovery.incident.service = next();
        recovery.acknowledged = Some((next(), at("08:00")));
        recovery.resolved_by = Some(next());
        keeps_the_rules(&recovery.mail(&context()));

        let mut digest = digest();
        digest.incidents[2].service = next();
        keeps_the_rules(&digest.mail(&context()));
    }
}
