//! Random expressions of metric math: whatever the text, reading and evaluating it ends, nothing
//! panics, and no result is infinite. `fuzz/harness.rs` says how inputs come about.

#[path = "fuzz/harness.rs"]
mod harness;

use std::time::Duration;

use evaluator::math::{
    FillEdges, Function, Grid, Inputs, LONGEST, Program, Settings, Value, check_alarm, parse,
};
use harness::{Random, Seen, Target, shape, words};
use model::{MathEntry, MathExpression, MetricId, MetricStat, Stat, Time};

const WORDS: &[&str] = &[
    "m1",
    "m2",
    "e1",
    "zz",
    "0",
    "1",
    "2.5",
    "1e308",
    ".5",
    "9e",
    "(",
    ")",
    "[",
    "]",
    ",",
    "+",
    "-",
    "*",
    "/",
    "^",
    "<",
    "<=",
    "==",
    "=",
    "!=",
    "!",
    "&&",
    "||",
    "&",
    "AND",
    "OR",
    "\"m\"",
    "\"",
    "'",
    "REPEAT",
    "LINEAR",
    "ASC",
    "DESC",
    "IF(",
    "SUM(",
    "METRICS()",
    "METRICS(\"1\")",
    "é",
    "\u{0}",
    "“",
    " ",
    "\n",
];

/// A sentence of the grammar, right or wrong in its types.
fn grown(random: &mut Random) -> String {
    fn part(random: &mut Random, depth: usize) -> String {
        if depth == 0 {
            return random
                .pick(&["m1", "m2", "e1", "3", "0.25", "METRICS()"])
                .into();
        }
        match random.below(4) {
            0 => {
                let function = Function::ALL[random.below(Function::ALL.len())];
                let count = 1 + random.below(3);
                let arguments: Vec<String> = (0..count)
                    .map(|i| match (function, i) {
                        (Function::Sort, 1) => "AVG".into(),
                        (Function::Sort, 2) => "DESC".into(),
                        _ => part(random, depth - 1),
                    })
                    .collect();
                format!("{function}({})", arguments.join(", "))
            }
            1 => format!("[{}, {}]", part(random, depth - 1), part(random, depth - 1)),
            2 => format!("-{}", part(random, depth - 1)),
            _ => {
                let operator = random.pick(&["+", "-", "*", "/", "^", "<", "==", "AND", "OR"]);
                let (a, b) = (part(random, depth - 1), part(random, depth - 1));
                format!("({a} {operator} {b})")
            }
        }
    }
    part(random, 4)
}

fn listed<'a>(value: &'a Value<'_>) -> Vec<&'a [f64]> {
    match value {
        Value::Scalar(_) => Vec::new(),
        Value::Series(series) => vec![series],
        Value::Array(all) => all.iter().map(|series| series.as_ref()).collect(),
    }
}

fn metric(id: &str) -> MathEntry {
    MathEntry {
        id: id.into(),
        source: MathExpression::Metric(MetricStat {
            metric: MetricId::new("Test", id, []),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        }),
        label: None,
    }
}

fn expression(id: &str, text: &str) -> MathEntry {
    MathEntry {
        id: id.into(),
        source: MathExpression::Expression {
            expression: text.into(),
            period: None,
        },
        label: None,
    }
}

fn judge(text: &str) -> Seen {
    let a = [1.0, f64::NAN, 3.0, -1.0, 0.0, 7e300, 2.0, f64::NAN];
    let b = [f64::NAN, f64::NAN, 0.5, 4.0, 1e-300, 9.0, -2.0, 8.0];
    let grid = Grid {
        start: Time::EPOCH,
        step: Duration::from_secs(60),
        len: a.len(),
    };
    let printed = match parse(text) {
        Ok(expr) => {
            let printed = expr.to_string();
            if printed.chars().count() <= LONGEST {
                assert_eq!(parse(&printed).as_ref(), Ok(&expr), "{text:?} {printed:?}");
            }
            printed
        }
        Err(fault) => return Seen::refused(&fault.message),
    };
    let (mut seen, mut sound) = (Seen::refused(""), false);
    // Once beside an array, once beside an expression that is the very text.
    for e1 in ["[m1, m2]", text] {
        let entries = [
            metric("m1"),
            metric("m2"),
            expression("e1", e1),
            expression("out", text),
        ];
        check_alarm(&entries, "out");
        let program = match Program::query(&entries, "out") {
            Ok(program) => program,
            Err(fault) => {
                // It was read; that its types do not fit is another thing to see.
                if !sound {
                    seen = Seen::read((words(&printed).len(), shape(&fault.message)));
                }
                continue;
            }
        };
        let mut gaps = 0;
        for edges in [FillEdges::Nearest, FillEdges::default()] {
            let value = program.evaluate(&Inputs {
                grid,
                series: &[&a, &b],
                bands: &[],
                settings: Settings {
                    edges,
                    ..Settings::default()
                },
            });
            for series in listed(&value) {
                assert_eq!(series.len(), a.len(), "{text:?}");
                assert!(series.iter().all(|v| !v.is_infinite()), "{text:?}");
                gaps += series.iter().filter(|v| v.is_nan()).count();
            }
        }
        let kind = format!("{:?}", program.kind());
        seen = Seen::read((words(&printed), kind, gaps.min(4)));
        sound = true;
    }
    seen
}

#[test]
fn no_expression_makes_it_panic_or_run_for_ever() {
    let target = Target {
        name: "math",
        pieces: WORDS,
        longest: 2_000,
        grow: grown,
    };
    harness::run(&target, judge);
}
