//! Anomaly bands: only as they were recorded, since the model behind them is Amazon's.

use model::{Comparison, MetricAlarm, Threshold};

/// A recorded band: one value for each of the series, NaN where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// The lower edge.
    pub lower: &'a [f64],
    /// The upper edge.
    pub upper: &'a [f64],
}

/// Turns an alarm on a band into one on a number: how far each value lies beyond the band, in the
/// direction that the alarm asks about, and the alarm that this is more than 0. A value without a
/// band is missing, as CloudWatch has no band until its model is trained. `None` where the
/// threshold is a number already.
pub fn beyond(
    alarm: &MetricAlarm,
    values: &[f64],
    band: &Recorded<'_>,
) -> Option<(MetricAlarm, Vec<f64>)> {
    let Threshold::Band { comparison, .. } = &alarm.threshold else {
        return None;
    };
    let far = |value: f64, lower: f64, upper: f64| match comparison {
        Comparison::Above => value - upper,
        Comparison::Below => lower - value,
        // `max` would take the one that is there where the other edge is missing.
        _ if lower.is_nan() || upper.is_nan() => f64::NAN,
        _ => (value - upper).max(lower - value),
    };
    let edges = band.lower.iter().zip(band.upper);
    let beyond = values
        .iter()
        .zip(edges)
        .map(|(value, (lower, upper))| far(*value, *lower, *upper))
        .collect();
    let alarm = MetricAlarm {
        threshold: Threshold::Number {
            comparison: Comparison::Greater,
            value: 0.0,
        },
        ..alarm.clone()
    };
    Some((alarm, beyond))
}
