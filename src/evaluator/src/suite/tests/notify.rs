use std::collections::BTreeSet;

use model::suite::{Event, ExpectNotify};

use super::*;

/// Tells `oncall` of every transition half a minute after it arrives.
#[derive(Default)]
struct HalfAMinute {
    now: Option<Time>,
    due: Vec<Told>,
    heard: Vec<String>,
}

impl Notifier for HalfAMinute {
    fn advance(&mut self, to: Time) -> Vec<Told> {
        assert!(self.now.is_none_or(|now| now <= to), "time went back");
        self.now = Some(to);
        let (out, rest) = self.due.drain(..).partition(|told| told.at <= to);
        self.due = rest;
        out
    }

    fn receive(&mut self, at: Time, alarm: &AlarmSpec, transition: &Transition) {
        assert_eq!(self.now, Some(at));
        self.heard.push(format!("{} {}", alarm.name, transition.to));
        self.due.push(Told {
            at: at + Duration::from_secs(30),
            receiver: "oncall".into(),
            about: BTreeSet::from([alarm.name.clone()]),
            text: transition.reason.clone(),
        });
    }

    fn event(&mut self, at: Time, event: &EventKind) {
        assert_eq!(self.now, Some(at));
        self.heard.push(match event {
            EventKind::Restart => "restart".into(),
            EventKind::Ack { alarm, by } => format!("{by} acks {alarm}"),
            other => format!("{other:?}"),
        });
    }
}

fn notification(from: Duration, to: Duration) -> ExpectNotify {
    ExpectNotify {
        between: (from, to),
        receiver: Some("oncall".into()),
        about: vec!["counter-errors".into()],
        contains: vec!["Threshold Crossed".into()],
        exact: true,
        place: Place::file("n"),
    }
}

pub(super) fn notified(case: &Case, alarms: &[AlarmSpec]) -> (CaseResult, Vec<String>) {
    let mut notifier = HalfAMinute::default();
    let result = run_with(case, alarms, &Settings::default(), Some(&mut notifier));
    (result, notifier.heard)
}

#[test]
fn notifications_are_asserted_through_the_seam() {
    let half = Duration::from_secs(30);
    let mut test = example();
    test.expect_notify = vec![notification(mins(14) + half, mins(14) + half)];
    test.expect_no_notify = vec![notification(mins(0), mins(14))];
    test.events = vec![
        Event {
            at: mins(15),
            what: EventKind::Ack {
                alarm: "counter-errors".into(),
                by: "oncall".into(),
            },
            place: Place::default(),
        },
        Event {
            at: mins(12),
            what: EventKind::Restart,
            place: Place::default(),
        },
    ];
    let (result, heard) = notified(&test, &[counter_errors()]);
    assert_eq!(result.outcome, Outcome::Passed);
    assert_eq!(
        heard,
        [
            "restart",
            "counter-errors ALARM",
            "oncall acks counter-errors",
            "counter-errors OK"
        ]
    );
    assert_eq!(result.told.len(), 2);

    let unplugged = run_one(&test, counter_errors());
    let why = "notifications are asserted, and this run sends none";
    assert_eq!(unplugged.outcome, Outcome::Unsupported(why.into()));
}

#[test]
fn missing_and_unwanted_notifications_fail_with_what_came() {
    let mut test = example();
    test.expect_notify = vec![notification(mins(16), mins(17))];
    test.expect_no_notify = vec![ExpectNotify {
        receiver: None,
        about: Vec::new(),
        contains: Vec::new(),
        exact: false,
        ..notification(mins(0), mins(15))
    }];
    let (result, _) = notified(&test, &[counter_errors()]);
    assert_eq!(
        failed(&result),
        [
            "no notification to oncall about only counter-errors containing \"Threshold Crossed\" \
             between 16m and 17m; there were 14m30s to oncall about counter-errors, 19m30s to \
             oncall about counter-errors",
            "a notification came, expected none between 0s and 15m; 14m30s to oncall about \
             counter-errors",
        ]
    );
}

#[test]
fn transitions_can_arrive_twice_and_out_of_order() {
    let mut other = counter_errors();
    other.name = "another".into();
    let alarms = [counter_errors(), other];
    let event = |at, what| Event {
        at,
        what,
        place: Place::default(),
    };
    let mut test = example();
    test.initial_state.insert("another".into(), State::Ok);
    let (_, heard) = notified(&test, &alarms);
    let in_order = [
        "counter-errors ALARM",
        "another ALARM",
        "counter-errors OK",
        "another OK",
    ];
    assert_eq!(heard, in_order);
    test.events = vec![
        event(mins(1), EventKind::Reorder(mins(1))),
        event(mins(16), EventKind::Duplicate("another".into())),
    ];
    let (_, heard) = notified(&test, &alarms);
    assert_eq!(
        heard,
        [
            "another ALARM",
            "counter-errors ALARM",
            "another ALARM",
            "another OK",
            "counter-errors OK",
        ]
    );
}
