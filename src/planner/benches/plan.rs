//! `cargo bench -p planner --bench plan`: desired, diff and rendering of a large estate, and the
//! memory that it takes. `--tiny` runs each once at a small size.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;
use model::load::{self, Files};
use model::observed::ObservedAlarm;
use model::{State, Time};
use planner::desired::Bell;
use planner::{Observed, Options, Quotas, Settings};

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let sizes: &[usize] = if tiny { &[30] } else { &[3_000, 10_000] };
    for &n in sizes {
        run(n, if tiny { 1 } else { 15 });
    }
}

fn run(n: usize, times: usize) {
    let mut text = String::from("alarms:\n");
    for i in 0..n {
        text.push_str(&format!(
            "  - {{ name: alarm-{i}, description: It fails., metric: {{ namespace: AWS/Lambda, name: Errors, dimensions: {{ FunctionName: f{i} }}, stat: Sum, period: 1m }}, threshold: \"> {i}\", datapoints: 2 of 3, missing: notBreaching }}\n"
        ));
    }
    let files = Files::new("nightbell.yaml")
        .with(
            "nightbell.yaml",
            "estate: demo\nregion: us-east-1\nservices: { all: {} }\n",
        )
        .with("alarms/all.yaml", text);
    let estate = load::estate(&files, &[]).estate.unwrap();
    let settings = Settings {
        account: "123456789012".into(),
        region: "us-east-1".into(),
        partition: "aws".into(),
        bell: Bell::None,
    };
    let now = Time::from_secs(1_700_000_000);
    let desired = planner::desired(&estate, &[], &settings);
    // Echoed with defaults, floats and another order, so that nothing is equal at first sight.
    let mut observed = Observed::default();
    for (name, want) in &desired.alarms {
        let arn = desired.here.alarm_arn(name);
        let mut body = want.body.clone();
        for key in ["Threshold", "Period", "EvaluationPeriods"] {
            let float = body[key].as_f64().unwrap();
            body.insert(key.into(), float.into());
        }
        body.insert("ActionsEnabled".into(), true.into());
        for key in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
            body.insert(key.into(), serde_json::json!([]));
        }
        observed.tags.insert(arn.clone(), want.tags.clone());
        observed.alarms.push(ObservedAlarm {
            name: name.clone(),
            arn,
            body,
            state: State::Ok,
            since: now,
            configured: Time::EPOCH,
        });
    }
    let options = Options::at(now);
    let empty = planner::plan(&desired, &observed, &options);
    assert!(
        !empty.has_changes() && empty.unchanged == n,
        "nothing was changed"
    );
    for alarm in observed.alarms.iter_mut().step_by(10) {
        alarm.body.insert("Threshold".into(), (-1.0).into());
    }
    let changed = planner::plan(&desired, &observed, &options);
    assert_eq!(changed.lines.len(), n.div_ceil(10));

    let report = |what: &str, times: &[Duration]| {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let (min, max) = (ms(times[0]), ms(times[times.len() - 1]));
        let median = ms(times[times.len() / 2]);
        println!("{n:>6} alarms  {what:<28} median {median:8.2} ms  min {min:8.2}  max {max:8.2}");
    };
    report(
        "desired",
        &measure(times, || {
            _ = black_box(planner::desired(&estate, &[], &settings))
        }),
    );
    report(
        "plan, a tenth differs",
        &measure(times, || {
            _ = black_box(planner::plan(&desired, &observed, &options))
        }),
    );
    report(
        "doubtful tags",
        &measure(times, || {
            _ = black_box(planner::doubtful(&desired, &observed, now))
        }),
    );
    report(
        "text and Markdown",
        &measure(times, || {
            let quotas = Quotas::default();
            black_box(planner::show::text(
                &changed,
                &quotas,
                planner::show::Colour::Plain,
            ));
            black_box(planner::show::markdown(&changed, &quotas));
        }),
    );
    if let Some(kib) = peak() {
        println!(
            "{n:>6} alarms  peak resident memory of all this: {} MiB",
            kib / 1024
        );
    }
}

/// CPU times, shortest first.
fn measure(times: usize, mut run: impl FnMut()) -> Vec<Duration> {
    let mut out: Vec<Duration> = (0..times)
        .map(|_| {
            let start = ProcessTime::now();
            run();
            start.elapsed()
        })
        .collect();
    out.sort();
    out
}

fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
