//! Random and mutated searches: the parser reads or refuses each, and what it reads can be looked
//! for. Seeded; `NIGHTBELL_FUZZ_SECONDS` of CPU time, 2 when it is not set.

use std::time::Duration;

use cpu_time::ThreadTime;
use evaluator::search::{LONGEST, parse};
use model::{Dimensions, MetricId};

const PIECES: &[&str] = &[
    "{",
    "}",
    ",",
    "AWS/Lambda",
    "FunctionName",
    "\"",
    "\\",
    "\\\"",
    "(",
    ")",
    "=",
    "==",
    " ",
    "MetricName=",
    "Namespace = ",
    "count",
    "CustomCount1",
    "AND",
    " AND ",
    "OR",
    " OR ",
    "NOT",
    " NOT ",
    "\"t2.micro\"",
    "i-12",
    "-",
    "é",
    "É",
    "ß",
    "\u{0}",
    "\u{301}",
    "１",
    ":aws.AccountId=",
    "{AWS/EC2,InstanceId}",
    "'",
    "\n",
];

const SEEDS: &[&str] = &[
    "{AWS/Lambda,FunctionName} MetricName=\"Errors\" OR (MetricName=\"Invocations\" AND (ProjectA OR ProjectB))",
    "{\"My Namespace\", \"Dimension@Name\"}, \"Custom:Name[Special_Characters\"",
    "NOT Namespace=AWS NOT \"ProjectA\" network-errors",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn text(&mut self) -> String {
        if self.below(2) == 0 {
            let length = self.below(16);
            return (0..length)
                .map(|_| PIECES[self.below(PIECES.len())])
                .collect();
        }
        let mut chars: Vec<char> = SEEDS[self.below(SEEDS.len())].chars().collect();
        for _ in 0..=self.below(4) {
            let at = self.below(chars.len() + 1);
            let end = (at + self.below(6)).min(chars.len());
            let piece = PIECES[self.below(PIECES.len())].chars();
            chars.splice(at..end, piece);
        }
        chars.into_iter().collect()
    }
}

#[test]
fn whatever_the_search_says_it_is_read_or_refused_at_a_place_in_it() {
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS");
    let limit = Duration::from_secs(seconds.ok().and_then(|s| s.parse().ok()).unwrap_or(2));
    let metrics = [
        MetricId {
            namespace: "AWS/Lambda".into(),
            name: "Errors".into(),
            dimensions: Dimensions::new([("FunctionName", "ProjectA-42")]),
        },
        MetricId {
            namespace: "My Namespace".into(),
            name: "CustomCount1é".into(),
            dimensions: Dimensions::new([("Dimension@Name", "ßÉ\u{301}１")]),
        },
    ];
    let (mut random, mut read, mut refused) = (Random(0x2545_f491_4f6c_dd1d), 0u32, 0u32);
    let began = ThreadTime::now();
    while began.elapsed() < limit {
        let text = random.text();
        match parse(&text) {
            Ok(search) => {
                read += 1;
                for metric in &metrics {
                    search.matches(metric);
                }
            }
            Err(error) => {
                refused += 1;
                let length = text.chars().count().min(LONGEST);
                assert!(
                    (1..=length + 1).contains(&error.column),
                    "{text:?}: {error}"
                );
            }
        }
    }
    // Of what is tried, enough makes sense, and enough does not.
    assert!(
        limit.is_zero() || (read > 100 && refused > 100),
        "{read}, {refused}"
    );
}
