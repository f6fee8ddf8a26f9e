//! Random rules of composites: the parser reads or refuses each, and what it reads can be judged,
//! written and read again. `fuzz/harness.rs` says how inputs come about.

#[path = "fuzz/harness.rs"]
mod harness;

use evaluator::composite::{Fraction, Precedence, Rule, Settings};
use harness::{Random, Seen, Target, words};
use model::State;

const PIECES: &[&str] = &[
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

/// A sentence of the grammar.
fn grown(random: &mut Random) -> String {
    fn part(random: &mut Random, depth: usize) -> String {
        let state = random.pick(&["ALARM", "OK", "INSUFFICIENT_DATA"]);
        let name = random.pick(&[
            "a",
            "b",
            "\"c d\"",
            "\"e\\\"f\"",
            "arn:aws:cloudwatch:r:1:alarm:g",
        ]);
        match random.below(if depth == 0 { 2 } else { 7 }) {
            0 | 1 => format!("{state}({name})"),
            2 => random.pick(&["TRUE", "FALSE"]).to_owned(),
            3 => format!("NOT {}", part(random, depth - 1)),
            4 => {
                let quota = random.pick(&["1", "2", "3", "50%", "33.3%", "100%"]);
                let not = random.pick(&["", "NOT "]);
                format!("AT_LEAST({quota}, {not}{state}, (a, {name}, b))")
            }
            _ => {
                let word = random.pick(&["AND", "OR"]);
                let (a, b) = (part(random, depth - 1), part(random, depth - 1));
                match random.below(2) {
                    0 => format!("({a} {word} {b})"),
                    _ => format!("{a} {word} {b}"),
                }
            }
        }
    }
    part(random, 4)
}

fn judge(text: &str) -> Seen {
    let left = Settings {
        precedence: Precedence::LeftToRight,
        fraction: Fraction::Down,
        ..Settings::default()
    };
    let state = |child: usize| match child % 3 {
        0 => State::Alarm,
        1 => State::Ok,
        _ => State::InsufficientData,
    };
    let mut seen = None;
    for settings in [left, Settings::default()] {
        let rule = match Rule::parse(text, &settings) {
            Ok(rule) => rule,
            Err(error) => {
                seen = Some(Seen::refused(&error.to_string()));
                continue;
            }
        };
        let before = rule.is_true(&settings, state);
        let doubts = rule.doubts(&settings).len();
        // A written rule quotes every name and may be longer than CloudWatch takes.
        let written = rule.to_string();
        if let Ok(again) = Rule::parse(&written, &settings) {
            assert_eq!(again.expression, rule.expression, "{text}");
            assert_eq!(before, again.is_true(&settings, state), "{text}");
        }
        seen = Some(Seen::read((words(&written), before, doubts.min(1))));
    }
    seen.unwrap_or_else(|| Seen::refused(""))
}

#[test]
fn no_rule_brings_the_parser_down() {
    let target = Target {
        name: "rule",
        pieces: PIECES,
        longest: 11_000,
        grow: grown,
    };
    harness::run(&target, judge);
}
