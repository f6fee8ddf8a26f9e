//! `StateReason` and `StateReasonData` in CloudWatch's words.
//!
//! AWS does not document the wording; it is that of alarm messages found in public. Where no
//! message was found (a state that rests on filled points alone while the real ones say
//! otherwise), the same sentence is built with the count 0.

use model::{Comparison, MetricAlarm, Missing, State, Threshold, Time, Watch};
use serde_json::{Value, json};

use super::{Basis, Kept, Slot, Verdict};

/// A sentence lists at most this many points, and says so from this many on.
const LISTED: usize = 5;

impl Verdict<'_> {
    /// `StateReason`, for a state that changed. A kept state keeps its reason; what is returned
    /// for one says why it was kept, in our words.
    pub fn reason(&self) -> String {
        let alarm = self.evaluation.alarm;
        match (self.basis, self.state) {
            (Basis::Kept(why), _) => kept(why).to_owned(),
            (_, State::InsufficientData) => format!(
                "Insufficient Data: {} unknown.",
                counted(self.filled, "datapoint was", "datapoints were")
            ),
            _ if self.real == 0 => format!(
                "Threshold Crossed: no datapoints were received for {} and {}.",
                counted(alarm.evaluation_periods, "period", "periods"),
                self.treated()
            ),
            (_, state) => self.crossed(state),
        }
    }

    /// `StateReasonData`: what was evaluated, for programs.
    pub fn reason_data(&self) -> Value {
        let alarm = self.evaluation.alarm;
        let real: Vec<(&Slot, f64)> = self.points().map(|(slot, v, _)| (slot, v)).collect();
        let mut data = serde_json::Map::new();
        data.insert("version".into(), "1.0".into());
        data.insert("queryDate".into(), stamp(self.evaluation.now).into());
        if let Some((oldest, _)) = real.last() {
            data.insert("startDate".into(), stamp(oldest.start).into());
        }
        if let Watch::Metric(metric) = &alarm.watch {
            if let Some(unit) = metric.unit {
                data.insert("unit".into(), unit.as_str().into());
            }
            data.insert("statistic".into(), metric.stat.to_string().into());
        }
        data.insert("period".into(), alarm.period().into());
        let recent: Vec<f64> = real.iter().rev().map(|(_, v)| *v).collect();
        data.insert("recentDatapoints".into(), recent.into());
        if let Threshold::Number { value, .. } = alarm.threshold {
            data.insert("threshold".into(), value.into());
        }
        data.insert("evaluatedDatapoints".into(), self.evaluated().into());
        Value::Object(data)
    }

    fn crossed(&self, state: State) -> String {
        let alarm = self.evaluation.alarm;
        let alarmed = state == State::Alarm;
        let listed: Vec<String> = self
            .points()
            .filter(|(_, _, breaches)| *breaches == alarmed)
            .map(|(slot, value, _)| format!("{} ({})", double(value), short_stamp(slot.start)))
            .collect();
        let count = listed.len();
        let (n, m) = (alarm.evaluation_periods, alarm.m());
        let mut text = String::from("Threshold Crossed: ");
        match alarm.datapoints_to_alarm {
            Some(_) => text += &format!("{count} out of the last {n} datapoints"),
            None => text += &counted(count as u32, "datapoint", "datapoints"),
        }
        let recent = listed[..count.min(LISTED)].join(", ");
        if (1..LISTED).contains(&count) {
            text += &format!(" [{recent}]");
        }
        text += if count == 1 { " was " } else { " were " };
        text += if alarmed { "" } else { "not " };
        text += &than(alarm);
        if self.filled > 0 && matches!(self.missing, Missing::Breaching | Missing::NotBreaching) {
            text += &format!(" and {}", self.treated());
        }
        if count >= LISTED {
            text +=
                &format!(". The most recent datapoints which crossed the threshold: [{recent}]");
        }
        if alarm.datapoints_to_alarm.is_some() {
            let (least, way) = match alarmed {
                true => (m, "OK -> ALARM"),
                false => ((n + 1).saturating_sub(m), "ALARM -> OK"),
            };
            let least = counted(least, "datapoint", "datapoints");
            text += &format!(" (minimum {least} for {way} transition)");
        }
        text + "."
    }

    fn treated(&self) -> String {
        let as_what = match self.missing {
            Missing::Breaching => "Breaching",
            _ => "NonBreaching",
        };
        let count = counted(
            self.filled,
            "missing datapoint was",
            "missing datapoints were",
        );
        format!("{count} treated as [{as_what}]")
    }

    /// The evaluated points and the filled ones, newest first; which of the missing periods are
    /// filled is not published, ours are the newest.
    fn evaluated(&self) -> Vec<Value> {
        let (mut real, mut filled) = (self.real, self.filled);
        let mut out = Vec::new();
        for slot in self.evaluation.slots.iter().rev() {
            let timestamp = stamp(slot.start);
            match slot.value {
                Some(value) if real > 0 => {
                    real -= 1;
                    out.push(match slot.samples {
                        Some(samples) => {
                            json!({"timestamp": timestamp, "sampleCount": samples, "value": value})
                        }
                        None => json!({"timestamp": timestamp, "value": value}),
                    });
                }
                None if filled > 0 => {
                    filled -= 1;
                    out.push(json!({ "timestamp": timestamp }));
                }
                _ => {}
            }
        }
        out
    }
}

fn kept(why: Kept) -> &'static str {
    match why {
        Kept::WarmUp => "State kept: the alarm warms up.",
        Kept::AllMissing => "State kept: every datapoint is missing, and missing data is ignored.",
        Kept::OnlyBreaching => {
            "State kept: too few datapoints, all breaching, and missing data is ignored."
        }
        Kept::Premature => "State kept: the breaching datapoints are too recent.",
        Kept::LowSamples => "State kept: too few samples for the percentile.",
    }
}

/// `greater than the threshold (21.0)`.
fn than(alarm: &MetricAlarm) -> String {
    match &alarm.threshold {
        Threshold::Number { comparison, value } => {
            let words = match comparison {
                Comparison::Greater | Comparison::Above => "greater than",
                Comparison::GreaterOrEqual => "greater than or equal to",
                Comparison::Less | Comparison::Below => "less than",
                Comparison::LessOrEqual => "less than or equal to",
                Comparison::Outside => "outside",
            };
            format!("{words} the threshold ({})", double(*value))
        }
        Threshold::Band { id, .. } => format!("outside the band {id}"),
    }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `26/02/26 10:13:50`
fn short_stamp(at: Time) -> String {
    at.to_jiff().strftime("%d/%m/%y %H:%M:%S").to_string()
}

/// `2026-02-26T10:13:50.000+0000`
fn stamp(at: Time) -> String {
    at.to_jiff()
        .strftime("%Y-%m-%dT%H:%M:%S.%3f+0000")
        .to_string()
}

/// A number as Java writes a double: `21.0`, `1.0E10`, `1.0E-4`.
fn double(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::double;

    #[test]
    fn numbers_read_as_java_writes_them() {
        for (value, text) in [
            (21.0, "21.0"),
            (0.0, "0.0"),
            (-3.5, "-3.5"),
            (0.524033991396324, "0.524033991396324"),
            (1223375.0, "1223375.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (1e-4, "1.0E-4"),
            (0.001, "0.001"),
        ] {
            assert_eq!(double(value), text);
        }
    }
}
