//! What PutMetricAlarm refuses, whatever format an alarm was written in.

use crate::alarm::{MathExpression, MetricAlarm, MetricStat, Threshold, Watch};
use crate::metric::Stat;
use crate::report::{Mark, Report, suggest};

pub(super) fn watches_percentile(alarm: &MetricAlarm) -> bool {
    let percentile = |m: &MetricStat| matches!(m.stat, Stat::Percentile(_));
    match &alarm.watch {
        Watch::Metric(m) => percentile(m),
        Watch::Math { entries, .. } => entries
            .iter()
            .any(|e| matches!(&e.source, MathExpression::Metric(m) if percentile(m))),
    }
}

/// What a rule of PutMetricAlarm is about, so that each format can place it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aspect {
    Datapoints,
    Threshold,
    Watch,
    Metrics,
}

/// Reports what PutMetricAlarm refuses, whatever format an alarm was written in.
pub(crate) fn judge(alarm: &MetricAlarm, report: &mut Report, at: impl Fn(Aspect) -> Mark) {
    let (m, n) = (alarm.m(), alarm.evaluation_periods);
    if n == 0 || m == 0 {
        report.error(at(Aspect::Datapoints), "at least one datapoint is needed");
    } else if m > n {
        report.error(
            at(Aspect::Datapoints),
            format!("{m} of {n} can never be reached: datapoints to alarm are at most the evaluation periods"),
        );
    }
    let period = u64::from(alarm.period());
    let (limit, words) = match period {
        3600.. => (7 * 86_400, "7 days"),
        _ => (86_400, "1 day, or 7 days where the period is at least 1h"),
    };
    if u64::from(n) * period > limit {
        report.error_with(
            at(Aspect::Datapoints),
            format!("{n} periods of {period} s look back further than CloudWatch allows"),
            Some(format!(
                "evaluation periods times period is at most {words}"
            )),
        );
    }
    let Watch::Math { entries, watch } = &alarm.watch else {
        if let Threshold::Band { id, .. } = &alarm.threshold {
            report.error_with(
                at(Aspect::Threshold),
                format!("`{id}` is an anomaly band, which needs `metrics`"),
                Some(format!("add the entry {id}: {{ expression: \"ANOMALY_DETECTION_BAND(...)\" }} to `metrics`")),
            );
        }
        return;
    };
    let ids = || entries.iter().map(|e| e.id.as_str());
    if !ids().any(|id| id == watch) {
        report.error_with(
            at(Aspect::Watch),
            format!("`watch` names `{watch}`, which is not among the metrics"),
            Some(suggest(watch, ids(), "there are")),
        );
    }
    if let Threshold::Band { id, .. } = &alarm.threshold {
        let band = entries.iter().find(|e| &e.id == id);
        let right = band.is_some_and(|e| matches!(&e.source, MathExpression::Expression { expression, .. } if expression.contains("ANOMALY_DETECTION_BAND")));
        if !right {
            report.error_with(
                at(Aspect::Threshold),
                format!("`{id}` is not an anomaly band among the metrics"),
                Some(
                    "name the id of an entry with `expression: ANOMALY_DETECTION_BAND(...)`".into(),
                ),
            );
        }
    }
    let periods: Vec<u32> = entries
        .iter()
        .filter_map(|e| match &e.source {
            MathExpression::Metric(m) => Some(m.period),
            MathExpression::Expression { .. } => None,
        })
        .collect();
    if periods.len() > 10 {
        report.error(
            at(Aspect::Metrics),
            format!(
                "{} metrics in one alarm; CloudWatch takes 10",
                periods.len()
            ),
        );
    }
    if periods.windows(2).any(|p| p[0] != p[1]) {
        report.error_with(
            at(Aspect::Metrics),
            "the metrics of an alarm must have one period",
            Some("give all of them the same `period`".into()),
        );
    }
}
