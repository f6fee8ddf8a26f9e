//! Random rules of composites: the parser reads or refuses each, and what it reads can be judged,
//! written and read again. The seed is fixed; how long it runs, `NIGHTBELL_FUZZ_SECONDS` says.

use std::time::{Duration, Instant};

use evaluator::composite::{Precedence, Rule, Settings};
use model::State;

/// Pieces that a mutation puts in: the words of the grammar, and what breaks them.
const PIECES: [&str; 28] = [
    "ALARM(a)",
    "OK(\"b c\")",
    "INSUFFICIENT_DATA(",
    "AT_LEAST(",
    "2",
    "50%",
    "%",
    "99999999999",
    "1e9%",
    "NaN%",
    "NOT ",
    " AND ",
    " OR ",
    "TRUE",
    "FALSE",
    "(",
    ")",
    ",",
    "\"",
    "\\",
    " ",
    "arn:aws:cloudwatch:r:1:alarm:x",
    "\u{e9}",
    "\u{0}",
    "AT_LEAST(1, NOT OK, (a, b))",
    "((((",
    "))))",
    "NOT NOT NOT ",
];

/// The generator of Marsaglia's "Xorshift RNGs" with 64 bits.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn mutated(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len() + 1);
        match random.below(5) {
            0 => {
                let end = (at + 1 + random.below(8)).min(chars.len());
                chars.drain(at..end);
            }
            1 => {
                let end = (at + random.below(40)).min(chars.len());
                let copy: Vec<char> = chars[at..end].to_vec();
                let to = random.below(chars.len() + 1);
                chars.splice(to..to, copy);
            }
            2 if at < chars.len() => chars[at] = char::from(random.below(128) as u8),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.truncate(11_000);
    chars.into_iter().collect()
}

fn judge(text: &str) -> bool {
    let left = Settings {
        precedence: Precedence::LeftToRight,
        ..Settings::default()
    };
    let mut read = false;
    for settings in [Settings::default(), left] {
        let Ok(rule) = Rule::parse(text, &settings) else {
            continue;
        };
        read = true;
        let before = rule.is_true(&settings, |child| match child % 3 {
            0 => State::Alarm,
            1 => State::Ok,
            _ => State::InsufficientData,
        });
        rule.doubts(&settings);
        // A written rule quotes every name and may be longer than CloudWatch takes.
        if let Ok(again) = Rule::parse(&rule.to_string(), &settings) {
            assert_eq!(again.expression, rule.expression, "{text}");
            let after = again.is_true(&settings, |child| match child % 3 {
                0 => State::Alarm,
                1 => State::Ok,
                _ => State::InsufficientData,
            });
            assert_eq!(before, after, "{text}");
        }
    }
    read
}

#[test]
fn no_rule_brings_the_parser_down() {
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(2);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut corpus = vec![
        "ALARM(a) AND NOT (OK(b) OR INSUFFICIENT_DATA(\"c \\\"d\\\"\"))".to_string(),
        "AT_LEAST(2, NOT ALARM, (a, \"b c\", arn:aws:cloudwatch:r:1:alarm:d)) OR TRUE".into(),
        "AT_LEAST(50%, OK, (x)) AND FALSE".into(),
    ];
    let (mut runs, mut read) = (0u64, 0u64);
    // At least this many, however slow the machine is.
    while runs < 2_000 || Instant::now() < end {
        let text = mutated(&corpus[random.below(corpus.len())], &mut random);
        runs += 1;
        if judge(&text) {
            read += 1;
            let to = random.below(200);
            match corpus.get_mut(to) {
                Some(old) => *old = text,
                None => corpus.push(text),
            }
        }
    }
    // Mutations that are never read would test only the refusals.
    assert!(read * 50 > runs, "{read} of {runs} were read");
}
