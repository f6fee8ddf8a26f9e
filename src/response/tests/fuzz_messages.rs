//! Random and mutated messages, matchers and routes' labels: whatever the text, reading it ends, and
//! nothing panics. Seeded; `NIGHTBELL_FUZZ_SECONDS` of CPU time, 2 when it is not set.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics fails, which is what it is for"
)]

use std::time::Duration;

use cpu_time::ThreadTime;
use model::route::Matcher;
use model::{Entry, Time};
use response::receive::{Home, Received, parse, parse_message};
use response::{Arrived, Engine};

#[path = "response/script.rs"]
mod script;

const SEEDS: &[&str] = &[
    r#"{"version":"0","detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch","account":"123456789012","time":"2026-01-05T08:14:00Z","region":"us-east-1","resources":["arn"],"detail":{"alarmName":"counter-errors","state":{"value":"ALARM","reason":"because","reasonData":"{\"a\":[1.5e300,0.1]}","timestamp":"2026-01-05T08:14:00.985+0000","actionsSuppressedBy":"WaitPeriod"},"previousState":{"value":"OK"},"configuration":{"alarmRule":"ALARM(a)"},"alarmContributor":{"id":"x","attributes":{"a":"b"}}}}"#,
    r#"{"AlarmName":"counter-errors","AWSAccountId":"123456789012","NewStateValue":"INSUFFICIENT_DATA","OldStateValue":"ALARM","StateChangeTime":"2026-01-05T08:14:00.985+0000","AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:counter-errors","Trigger":{"Metrics":[{"Expression":"a"}]}}"#,
    r#"{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-1:1:t","Message":"{\"AlarmName\":\"a\",\"NewStateValue\":\"OK\",\"StateChangeTime\":\"2026-01-05T08:14:00Z\"}"}"#,
];

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "\\u0000",
    "null",
    "1e999",
    "-0.0",
    "é",
    "\u{202e}",
    "ALARM",
    "OK",
    "INSUFFICIENT_DATA",
    "alarmName",
    "detail",
    "state",
    "value",
    "timestamp",
    "+0000",
    "9999-12-31T23:59:59Z",
    "-9999-01-01T00:00:00.000+2359",
    "2026-01-05T08:14:00.985+0000",
    "aws.cloudwatch",
    "AlarmName",
    "Message",
    "TopicArn",
    "=~ (",
    "!= ",
    "=~ .*",
    "!~ [a-z]{1,9}",
    "= ",
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// A seed with some of its characters removed, doubled, or replaced by pieces.
fn mutated(random: &mut Random) -> String {
    let mut text: Vec<char> = SEEDS[random.below(SEEDS.len())].chars().collect();
    for _ in 0..1 + random.below(6) {
        let at = random.below(text.len());
        let until = (at + random.below(8)).min(text.len());
        let piece: Vec<char> = match random.below(3) {
            0 => Vec::new(),
            1 => text[at..until].iter().flat_map(|c| [*c, *c]).collect(),
            _ => PIECES[random.below(PIECES.len())].chars().collect(),
        };
        text.splice(at..until, piece);
    }
    text.into_iter().collect()
}

fn pieces(random: &mut Random) -> String {
    let n = random.below(12);
    (0..n).map(|_| PIECES[random.below(PIECES.len())]).collect()
}

#[test]
fn whatever_the_message_reading_it_ends_and_what_it_says_can_be_stored() {
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(2);
    let limit = Duration::from_secs(seconds);
    let start = ThreadTime::now();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let engine = Engine::new(&script::routes("oncall"));
    let (mut rounds, mut transitions) = (0u64, 0u64);
    while start.elapsed() < limit || rounds < 200 {
        rounds += 1;
        let text = match random.below(4) {
            0 => pieces(&mut random),
            _ => mutated(&mut random),
        };
        let _ = parse_message(&text);
        if let Ok((path, Received::Transition(message))) = parse(&text) {
            transitions += 1;
            let (transition, arrival) = message.arrive(path, &Home::default());
            let now = Time::from_secs(1_767_600_000);
            let Arrived::New(entry) = engine.receive_over(arrival, &transition, None, now) else {
                panic!("nothing is known yet");
            };
            // What is hashed is what is read back.
            let Ok(stored) = serde_json::to_string(&entry) else {
                panic!("{entry:?} cannot be stored");
            };
            match serde_json::from_str::<Entry>(&stored) {
                Ok(again) => assert_eq!(again, *entry, "{stored}"),
                Err(error) => panic!("{error}: {stored}"),
            }
            let mut engine = engine.clone();
            engine.apply(1, &entry);
            engine.decide(now);
        }
        // Matchers take any text, and what they take reads back the same.
        let value = pieces(&mut random);
        if let Ok(matcher) = Matcher::parse("service", &value) {
            matcher.holds(&text);
            let stored = serde_json::to_string(&matcher).unwrap_or_default();
            if let Ok(again) = serde_json::from_str::<Matcher>(&stored) {
                assert_eq!(again, matcher, "{stored}");
            }
        }
    }
    println!("fuzz_messages: {rounds} inputs at the end, {transitions} of them transitions");
    assert!(
        transitions > 10,
        "{transitions} of {rounds} were transitions"
    );
}
