//! Random and mutated bodies and certificates: whatever the bytes, looking at them ends, nothing
//! panics, and nothing is genuine. Seeded; `NIGHTBELL_FUZZ_SECONDS` of CPU time, 2 when it is not set.

use std::time::Duration;

use cpu_time::ThreadTime;
use envelope::{Rules, open};
use model::Time;

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:demo";
const SEED: &str = r#"{"Type":"Notification","MessageId":"22b80b92","TopicArn":"arn:aws:sns:eu-central-1:123456789012:demo","Subject":null,"Message":"hello \u00fc","Timestamp":"2026-01-05T08:14:00.985Z","SignatureVersion":"2","Signature":"AAAA","SigningCertURL":"https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem","Token":"t","SubscribeURL":"http://a"}"#;
const PEM: &str =
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUYx0=\n-----END CERTIFICATE-----\n";
const PIECES: &[&str] = &[
    "{",
    "}",
    "\"",
    ",",
    ":",
    "null",
    "\\u0000",
    "[[[[[[[[",
    "SubscriptionConfirmation",
    "UnsubscribeConfirmation",
    "amazonaws.com",
    "https://",
    "/",
    "@",
    "1",
    "AAAA====",
    "é",
    "-----BEGIN CERTIFICATE-----",
    "MII",
    "\n",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn mutated(&mut self, text: &str) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for _ in 0..self.below(5) {
            let at = self.below(text.len());
            let until = (at + self.below(6)).min(text.len());
            let piece: Vec<char> = match self.below(2) {
                0 => Vec::new(),
                _ => PIECES[self.below(PIECES.len())].chars().collect(),
            };
            text.splice(at..until, piece);
        }
        text.into_iter().collect()
    }
}

#[test]
fn whatever_the_bytes_looking_ends_and_nothing_is_genuine() {
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(2);
    let limit = Duration::from_secs(seconds);
    let start = ThreadTime::now();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let rules = Rules {
        topics: [TOPIC.to_string()].into(),
        version_1: true,
    };
    let Some(now) = Time::parse("2026-01-05T08:14:02Z") else {
        panic!("a time");
    };
    let (mut rounds, mut opened) = (0u64, 0u64);
    while start.elapsed() < limit || rounds < 200 {
        rounds += 1;
        let body = random.mutated(SEED);
        if let Ok(message) = open(body.as_bytes(), Some("Notification"), &rules, now) {
            opened += 1;
            let host = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-";
            assert!(message.certificate().as_str().starts_with(host), "{body}");
            let file = random.mutated(PEM);
            assert!(
                message.verify(file.as_bytes(), now).is_err(),
                "{body}\n{file}"
            );
        }
        let _ = open(body.as_bytes(), None, &rules, now);
    }
    println!("fuzz_envelope: {rounds} inputs at the end, {opened} of them opened");
    assert!(opened > 10, "{opened} of {rounds} were opened");
}
