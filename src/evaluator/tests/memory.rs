//! What a backtest needs beside its data: at most 64 KiB for each alarm in flight, however long the
//! history and whatever the alarm. One test alone, since the whole binary is counted.

use evaluator::backtest::{Series, Settings, backtest, strip, suggest};
use model::{
    Comparison, LowSamples, MetricAlarm, MetricId, MetricStat, Missing, Stat, Threshold, Time,
    Watch,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

const MOST: usize = 64 * 1024;

fn alarm(n: u32, period: u32, stat: Stat) -> MetricAlarm {
    MetricAlarm {
        watch: Watch::Metric(MetricStat {
            metric: MetricId::new("Test", "m", []),
            stat,
            period,
            unit: None,
            region: None,
        }),
        threshold: Threshold::Number {
            comparison: Comparison::Greater,
            value: 5.0,
        },
        evaluation_periods: n,
        datapoints_to_alarm: Some(n.div_ceil(2)),
        missing: Missing::Missing,
        low_samples: LowSamples::Ignore,
        warm_up: None,
    }
}

#[test]
fn a_backtest_needs_at_most_64_kib_beside_its_data_however_long_it_is() {
    // Up and down every few minutes, so that there are more transitions than are kept, with gaps.
    let values: Vec<f64> = (0..90 * 1440)
        .map(|i| match i {
            _ if i % 97 == 0 => f64::NAN,
            _ => f64::from(i / 7 % 2) * 10.0 + f64::from(i % 13) / 100.0,
        })
        .collect();
    let samples = vec![1000.0; values.len()];
    let check = |n: u32, period: u32, step: u32, stat: Stat| {
        let alarm = alarm(n, period, stat);
        let mut seen = Vec::new();
        for days in [30, 60, 90] {
            let count = days * 1440;
            let series = Series {
                start: Time::EPOCH,
                step,
                values: &values[..count],
                samples: Some(&samples[..count]),
            };
            COUNTED.reset_peak_usage();
            let before = COUNTED.current_usage();
            let outcome = backtest(&alarm, &series, &Settings::default()).unwrap();
            suggest(&alarm, &series, &Settings::default(), &[0, 1, 5]).unwrap();
            strip(&alarm, &series, &outcome, 72);
            let most = COUNTED.peak_usage() - before;
            assert!(outcome.evaluations > 0);
            assert!(
                most <= MOST,
                "{n} x {period} s by {step} s over {days} days: {most} bytes"
            );
            seen.push(most);
        }
        seen
    };
    check(1, 60, 60, Stat::Sum);
    check(15, 60, 60, Stat::Percentile(99.0));
    check(1440, 60, 60, Stat::Sum);
    check(8640, 10, 10, Stat::Sum);
    check(3, 300, 60, Stat::Sum);
    // A day that slides by minutes, and a week that is looked at each hour.
    check(1, 86_400, 60, Stat::Sum);
    let week = check(7, 86_400, 60, Stat::Percentile(50.0));
    // Not even the transitions grow with the history: they are counted, and the first are kept.
    assert!(week[2] <= week[0] + 1024, "{week:?}");
}
