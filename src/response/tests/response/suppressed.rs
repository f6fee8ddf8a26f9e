//! What CloudWatch itself holds back: it is recorded, opens nothing, and is told when it is let go.

use model::{Entry, NotificationKind, State, Time, Transition};
use response::receive::{Home, Received, parse};
use response::{Arrived, Asked, Current, Engine};
use serde_json::{Value, json};

use crate::script::{routes, seconds, spec, start};

const HOME: Home<'_> = Home {
    account: "123456789012",
    region: "us-east-1",
};
const NAME: &str = "counter-down";

/// An engine, its journal's length, and the alarm's file.
struct Case {
    engine: Engine,
    spec: model::AlarmSpec,
    told: Vec<NotificationKind>,
}

impl Case {
    fn new() -> Case {
        Case {
            engine: Engine::new(&routes("oncall wait=0s")),
            spec: spec(NAME),
            told: Vec::new(),
        }
    }

    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Entry::Notify { notification } = entry {
                self.told.push(notification.kind);
            }
            self.engine.apply(self.engine.sequence() + 1, entry);
        }
    }

    /// EventBridge's event of a composite, as AWS's page "Alarm events and EventBridge" shows one
    /// with a suppressor; then everything that is decided within ten minutes.
    fn event(&mut self, second: u64, (from, to): (State, State), suppressed: Option<&str>) {
        let at = start() + seconds(second);
        let mut state = json!({ "value": to, "reason": "tested", "timestamp": at });
        if let Some(by) = suppressed {
            state["actionsSuppressedBy"] = by.into();
            state["actionsSuppressedReason"] = format!("Actions suppressed by {by}").into();
        }
        let event = json!({
            "version": "0", "id": "d3dfc86d-384d-24c8-0345-9f7986db0b80",
            "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
            "account": "123456789012", "time": at, "region": "us-east-1", "resources": [],
            "detail": {
                "alarmName": NAME, "state": state,
                "previousState": { "value": from, "reason": "tested", "timestamp": at },
                "configuration": { "alarmRule": "ALARM(a)", "actionsSuppressor": "deploying",
                    "actionsSuppressorWaitPeriod": 120, "actionsSuppressorExtensionPeriod": 180 },
            },
        });
        let (path, Received::Transition(message)) = parse(&event.to_string()).unwrap() else {
            panic!("it is a transition");
        };
        let (transition, arrival) = message.arrive(path, &HOME);
        let arrived = self
            .engine
            .receive_over(arrival, &transition, Some(&self.spec), at);
        let Arrived::New(entry) = arrived else {
            panic!("it is new");
        };
        self.apply(&[*entry]);
        self.decide(at);
    }

    fn decide(&mut self, from: Time) {
        for later in [0, 60, 600] {
            let now = from + seconds(later);
            let entries = self.engine.decide(now).entries;
            self.apply(&entries);
        }
    }

    fn current(&self, second: u64, suppressed: Option<&str>) -> Current {
        Current {
            alarm: NAME.into(),
            state: Alarm,
            since: start() + seconds(second),
            reason: "tested".into(),
            reason_data: Value::Null,
            suppressed_by: suppressed.map(str::to_owned),
        }
    }

    fn catch_up(&self, current: &Current, second: u64) -> Vec<Entry> {
        let now = start() + seconds(second);
        self.engine.catch_up(
            std::slice::from_ref(current),
            &[],
            |_| Some(&self.spec),
            now,
        )
    }

    fn why(&self, second: u64) -> String {
        let asked = Asked::Alarm(NAME.into());
        let reasons = self.engine.why(&asked, start() + seconds(second));
        let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        words.join("; ")
    }
}

use State::{Alarm, Ok};

#[test]
fn a_suppressed_alarm_is_recorded_and_opens_nothing_and_why_says_so() {
    for (by, words) in [
        ("WaitPeriod", "waits for its suppressor"),
        ("Alarm", "its suppressor is in ALARM"),
        ("ExtensionPeriod", "after its suppressor left ALARM"),
    ] {
        let mut case = Case::new();
        case.event(0, (Ok, Alarm), Some(by));
        assert_eq!(case.told, [], "{by}");
        assert_eq!(case.engine.incidents().count(), 0);
        assert_eq!(case.engine.alarm(NAME).unwrap().state(), Alarm);
        let why = case.why(30);
        assert!(why.contains("was not told") && why.contains(words), "{why}");
        // It came and went under its suppressor: nobody hears of the end either.
        case.event(900, (Alarm, Ok), Some(by));
        assert_eq!(case.told, []);
        // What comes later without a suppressor is told as ever.
        case.event(2_000, (Ok, Alarm), None);
        assert_eq!(case.told, [NotificationKind::Opened]);
    }
}

#[test]
fn when_its_suppressor_lets_it_go_it_is_told_by_an_event_or_by_looking() {
    let mut case = Case::new();
    case.event(0, (Ok, Alarm), Some("WaitPeriod"));
    case.event(120, (Alarm, Alarm), Some("Alarm"));
    assert_eq!(case.told, []);
    case.event(1_000, (Alarm, Alarm), None);
    assert_eq!(case.told, [NotificationKind::Opened]);

    // No event said so: the API does.
    let mut case = Case::new();
    case.event(0, (Ok, Alarm), Some("WaitPeriod"));
    let held = case.current(0, Some("Alarm"));
    assert_eq!(case.catch_up(&held, 300), [], "it is known and still held");
    let free = case.current(0, None);
    let entries = case.catch_up(&free, 600);
    assert_eq!(entries.len(), 1, "{entries:?}");
    case.apply(&entries);
    case.decide(start() + seconds(600));
    assert_eq!(case.told, [NotificationKind::Opened]);
    assert_eq!(case.catch_up(&free, 900), [], "once");

    // An alarm that was missed and is suppressed is recorded as that.
    let mut case = Case::new();
    let entries = case.catch_up(&held, 300);
    assert_eq!(entries.len(), 1);
    case.apply(&entries);
    case.decide(start() + seconds(300));
    assert_eq!(case.told, []);
    assert!(case.why(900).contains("its suppressor is in ALARM"));
}

#[test]
fn an_incident_that_was_told_ends_though_a_suppressor_came_and_is_not_told_of_what_it_holds() {
    let mut case = Case::new();
    case.event(0, (Ok, Alarm), None);
    case.event(1_000, (Alarm, Ok), Some("Alarm"));
    use NotificationKind::{Opened, Recovered};
    assert_eq!(case.told, [Opened, Recovered], "a resolve is never lost");
    case.event(2_000, (Ok, Alarm), Some("Alarm"));
    assert_eq!(case.told, [Opened, Recovered]);
}

#[test]
fn an_alarm_whose_file_says_that_it_acts_on_nothing_tells_nobody_over_any_path() {
    let mut case = Case::new();
    case.spec.actions_enabled = false;
    case.event(0, (Ok, Alarm), None);
    assert_eq!(case.told, []);
    let why = case.why(30);
    assert!(why.contains("actions_enabled: false"), "{why}");
    assert_eq!(case.catch_up(&case.current(0, None), 600), []);
    // Our own evaluator's transitions pass a gate before they come here.
    let transition = Transition {
        alarm: NAME.into(),
        from: Alarm,
        to: Alarm,
        at: start() + seconds(700),
        reason: String::new(),
        reason_data: Value::Null,
    };
    let at = start() + seconds(700);
    let entry = case.engine.receive(&transition, Some(&case.spec), at);
    case.apply(&[entry.unwrap()]);
    case.decide(at);
    assert_eq!(case.told, [NotificationKind::Opened]);
}
