//! Random and mutated expressions: whatever the text, reading and evaluating it ends, and nothing
//! panics. Seeded; `NIGHTBELL_FUZZ_SECONDS` of CPU time, 2 when it is not set.

use std::time::Duration;

use cpu_time::ThreadTime;
use evaluator::math::{
    FillEdges, Function, Grid, Inputs, LONGEST, Program, Settings, Value, check_alarm, parse,
};
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

const SEEDS: &[&str] = &[
    "IF(m1 >= 20, 100 * m2 / m1, 0)",
    "SUM(SLICE(SORT(METRICS(), AVG, DESC, 3), 0, 2)) ^ -m1",
    "FILL([m1, m2], LINEAR)",
    "FIRST(ANOMALY_DETECTION_BAND(m1, 2)) - LAST(REMOVE_EMPTY(METRICS(\"m\")))",
    "TIME_SERIES(STDDEV(m1) / PERIOD(m2)) + DIFF_TIME(RUNNING_SUM(m1)) - RATE(e1)",
    "m1 > 15 AND DAY(m2) < 6 OR -e1 == 1e3",
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

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        match self.below(4) {
            0 => {
                let len = self.below(40);
                let bytes: Vec<u8> = (0..len).map(|_| self.next() as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            1 => {
                let len = self.below(24);
                (0..len).map(|_| self.pick(WORDS)).collect()
            }
            2 => self.grown(4),
            _ => self.mutated(),
        }
    }

    /// A sentence of the grammar, right or wrong in its types.
    fn grown(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .pick(&["m1", "m2", "e1", "3", "0.25", "METRICS()"])
                .into();
        }
        match self.below(4) {
            0 => {
                let function = Function::ALL[self.below(Function::ALL.len())];
                let count = 1 + self.below(3);
                let arguments: Vec<String> = (0..count)
                    .map(|i| match (function, i) {
                        (Function::Sort, 1) => "AVG".into(),
                        (Function::Sort, 2) => "DESC".into(),
                        _ => self.grown(depth - 1),
                    })
                    .collect();
                format!("{function}({})", arguments.join(", "))
            }
            1 => format!("[{}, {}]", self.grown(depth - 1), self.grown(depth - 1)),
            2 => format!("-{}", self.grown(depth - 1)),
            _ => {
                let operator = self.pick(&["+", "-", "*", "/", "^", "<", "==", "AND", "OR"]);
                format!(
                    "({} {operator} {})",
                    self.grown(depth - 1),
                    self.grown(depth - 1)
                )
            }
        }
    }

    fn mutated(&mut self) -> String {
        let mut text: Vec<char> = self.pick(SEEDS).chars().collect();
        for _ in 0..=self.below(4) {
            let (at, other) = (self.below(text.len()), self.below(text.len()));
            match self.below(5) {
                0 if !text.is_empty() => {
                    text.remove(at);
                }
                1 => {
                    let word = self.pick(WORDS);
                    text.splice(at..at, word.chars());
                }
                2 if !text.is_empty() => text.swap(at, other),
                3 => text.truncate(at),
                _ => {
                    let (from, to) = (at.min(other), at.max(other));
                    let part: Vec<char> = text[from..to].to_vec();
                    for _ in 0..self.below(60) {
                        text.splice(from..from, part.iter().copied());
                    }
                }
            }
        }
        text.into_iter().collect()
    }
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

#[test]
fn no_text_makes_it_panic_or_run_for_ever() {
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let limit = Duration::from_secs(seconds.unwrap_or(2));
    let (mut random, mut evaluated) = (Random(0x9e37_79b9_7f4a_7c15), 0u32);
    let a = [1.0, f64::NAN, 3.0, -1.0, 0.0, 7e300, 2.0, f64::NAN];
    let b = [f64::NAN, f64::NAN, 0.5, 4.0, 1e-300, 9.0, -2.0, 8.0];
    let grid = Grid {
        start: Time::EPOCH,
        step: Duration::from_secs(60),
        len: a.len(),
    };
    let began = ThreadTime::now();
    while began.elapsed() < limit {
        let text = random.text();
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            if printed.chars().count() <= LONGEST {
                assert_eq!(parse(&printed).as_ref(), Ok(&expr), "{text:?} {printed:?}");
            }
        }
        let entries = [
            metric("m1"),
            metric("m2"),
            expression("e1", &random.text()),
            expression("out", &text),
        ];
        check_alarm(&entries, "out");
        let plain = [
            metric("m1"),
            metric("m2"),
            expression("e1", "[m1, m2]"),
            expression("out", &text),
        ];
        for entries in [&entries, &plain] {
            let Ok(program) = Program::query(entries, "out") else {
                continue;
            };
            let value = program.evaluate(&Inputs {
                grid,
                series: &[&a, &b],
                bands: &[],
                settings: Settings {
                    edges: FillEdges::Nearest,
                    ..Settings::default()
                },
            });
            for series in listed(&value) {
                assert_eq!(series.len(), 8, "{text:?}");
                assert!(series.iter().all(|v| !v.is_infinite()), "{text:?}");
            }
            evaluated += 1;
        }
    }
    // Of what is tried, enough makes sense.
    assert!(limit.is_zero() || evaluated > 100, "{evaluated}");
}
