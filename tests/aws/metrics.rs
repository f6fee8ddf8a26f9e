//! The five plain statistics, ours against moto's GetMetricData over random data: single values,
//! values with counts, statistic sets, gaps, several metrics and periods.

use std::time::Duration;

use evaluator::statistics::Distribution;
use model::{MetricId, MetricStat, Span, Stat, StatisticSet, Time, Values};
use ports::{Metrics, SeriesQuery};

use crate::{config, datum, hour};

/// The generator of Marsaglia's "Xorshift RNGs" with 64 bits, seeded: every run sees the same data.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Halves and quarters of both signs, so that sums are exact in any order.
    fn value(&mut self) -> f64 {
        (self.below(4_000) as f64 - 1_000.0) / 4.0
    }

    fn values(&mut self) -> Values {
        match self.below(4) {
            0 | 1 => Values::Single(self.value()),
            2 => {
                let count = 1 + self.below(6);
                let pairs = (0..count).map(|_| (self.value(), 1.0 + self.below(9) as f64));
                Values::Counted(pairs.collect())
            }
            _ => {
                let (a, b) = (self.value(), self.value());
                let count = 1.0 + self.below(20) as f64;
                Values::Statistics(StatisticSet {
                    count,
                    sum: (a + b) / 2.0 * count,
                    min: a.min(b),
                    max: a.max(b),
                })
            }
        }
    }
}

const METRICS: usize = 10;
const MINUTES: u64 = 120;
const STATS: [Stat; 5] = [
    Stat::SampleCount,
    Stat::Sum,
    Stat::Average,
    Stat::Minimum,
    Stat::Maximum,
];

/// What our evaluator makes of the same data: a value for every period that has any.
fn ours(data: &[(Time, Values)], span: Span, stat: &MetricStat) -> Vec<(Time, f64)> {
    let period = Duration::from_secs(stat.period.into());
    let mut out = Vec::new();
    let mut from = span.start;
    while from < span.end {
        let mut seen = Distribution::new();
        for (_, values) in data
            .iter()
            .filter(|(at, _)| *at >= from && *at < from + period)
        {
            match values {
                Values::Single(value) => seen.add(*value, 1.0),
                Values::Counted(pairs) => pairs.iter().for_each(|(v, n)| seen.add(*v, *n)),
                Values::Statistics(set) => seen.add_set(set),
            }
        }
        out.extend(seen.stat(stat.stat).map(|value| (from, value)));
        from = from + period;
    }
    out
}

#[tokio::test]
async fn the_plain_statistics_of_random_data_are_those_of_get_metric_data() {
    let cloudwatch = aws::CloudWatch::new(&config().await);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let start = hour();
    let metrics: Vec<(MetricId, Vec<(Time, Values)>)> = (0..METRICS)
        .map(|number| {
            // Some metrics are busy, some have whole hours without data.
            let sparse = 1 + number as u64 * number as u64;
            let count = 12 + random.below(24);
            let data = (0..count).map(|_| {
                let minute = random.below(MINUTES) / sparse * sparse;
                let at = start + Duration::from_secs(60 * minute + random.below(60));
                (at, random.values())
            });
            let name = format!("m{number}");
            let id = match number % 3 {
                0 => MetricId::new("Differential", &name, [("Service", "counter")]),
                _ => MetricId::new(
                    "Differential",
                    &name,
                    [("Service", "counter"), ("Stage", "prod")],
                ),
            };
            (id, data.collect())
        })
        .collect();
    for (metric, data) in &metrics {
        let data = data
            .iter()
            .map(|(at, values)| datum(metric, *at, values.clone()));
        cloudwatch.put(data.collect()).await.unwrap();
    }
    // Periods that begin on the hour and others that do not: buckets are anchored at the start.
    let mut compared = 0;
    for (period, offset) in [(60, 0), (60, 17), (300, 0), (300, 120), (3_600, 60)] {
        let from = start + Duration::from_secs(offset);
        let periods = (MINUTES * 60 - offset) / u64::from(period);
        let span = Span::new(
            from,
            from + Duration::from_secs(periods * u64::from(period)),
        );
        let queries: Vec<SeriesQuery> = metrics
            .iter()
            .flat_map(|(metric, _)| {
                STATS.map(|stat| SeriesQuery {
                    stat: MetricStat {
                        metric: metric.clone(),
                        stat,
                        period,
                        unit: None,
                        region: None,
                    },
                    span,
                })
            })
            .collect();
        let answers = cloudwatch.get(&queries).await.unwrap();
        for (number, (query, answer)) in queries.iter().zip(&answers).enumerate() {
            let expect = ours(&metrics[number / STATS.len()].1, span, &query.stat);
            let told: Vec<(Time, f64)> = answer.points.iter().map(|p| (p.at, p.value)).collect();
            let same = told.len() == expect.len()
                && told.iter().zip(&expect).all(|((at, a), (when, b))| {
                    at == when && (a - b).abs() <= 1e-9 * b.abs().max(1.0)
                });
            assert!(
                same,
                "{} {} of {period} s from {from}\n  told {told:?}\nexpect {expect:?}",
                query.stat.stat, query.stat.metric
            );
            compared += told.len();
        }
    }
    // Enough to mean something.
    assert!(compared > 1_500, "{compared}");
}
