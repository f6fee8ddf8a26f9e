//! Histories: points from a file or a store, put on the grid of an alarm's evaluations.

use std::time::Duration;

use evaluator::backtest::Series;
use model::{Stat, Time};
use serde_json::Value;

/// Values with their time, in any order.
pub(in crate::cli) type Points = Vec<(Time, f64)>;

/// One series of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Set {
    /// What it is called: its Id and Label.
    pub(super) names: Vec<String>,
    pub(super) points: Points,
}

/// A history that can be backtested.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct History {
    start: Time,
    step: u32,
    values: Vec<f64>,
    samples: Option<Vec<f64>>,
    /// The lower and the upper edge of a recorded band.
    band: Option<(Vec<f64>, Vec<f64>)>,
}

/// Longer than any history: twenty years of minutes.
const MOST_VALUES: i64 = 10_500_000;

impl History {
    pub(in crate::cli) fn series(&self) -> Series<'_> {
        Series {
            start: self.start,
            step: self.step,
            values: &self.values,
            samples: self.samples.as_deref(),
        }
    }

    /// Points of a store, `step` seconds apart or a multiple of it, until the period that starts at
    /// `last`. The history starts with its first point, since a metric that did not exist yet was
    /// not missing, or `before` it.
    pub(in crate::cli) fn grid(
        points: &Points,
        samples: &Points,
        step: u32,
        before: Duration,
        last: Time,
    ) -> History {
        let start = points.iter().map(|(at, _)| *at).min().unwrap_or(last) - before;
        let index = |at: Time| (at.since(start).as_secs() / u64::from(step.max(1))) as usize;
        let count = match points.is_empty() {
            true => 0,
            false => index(last) + 1,
        };
        let place = |points: &Points| {
            let mut values = vec![f64::NAN; count];
            for (at, value) in points {
                if let Some(slot) = values.get_mut(index(*at)) {
                    *slot = *value;
                }
            }
            values
        };
        History {
            start,
            step,
            values: place(points),
            samples: (!samples.is_empty()).then(|| place(samples)),
            band: None,
        }
    }

    /// The edges of the band, if it has one.
    pub(super) fn edges(&self) -> Option<(&[f64], &[f64])> {
        let (lower, upper) = self.band.as_ref()?;
        Some((lower, upper))
    }

    /// Adds the band that was recorded: GetMetricData gives its two edges as two results of one
    /// Id. Which is which the values tell.
    pub(super) fn band(&mut self, sets: &[Set], id: &str) -> Result<(), String> {
        let found: Vec<&Set> = sets
            .iter()
            .filter(|set| set.names.iter().any(|name| name == id))
            .collect();
        let [a, b] = found.as_slice() else {
            return Err(format!(
                "its band `{id}` has {} edges in the file; expected the two results that GetMetricData gives for ANOMALY_DETECTION_BAND",
                found.len()
            ));
        };
        let place = |points: &Points| {
            let mut values = vec![f64::NAN; self.values.len()];
            for (at, value) in points.iter().filter(|(at, _)| *at >= self.start) {
                let index = at.since(self.start).as_secs() / u64::from(self.step.max(1));
                if let Some(slot) = values.get_mut(index as usize) {
                    *slot = *value;
                }
            }
            values
        };
        let (a, b) = (place(&a.points), place(&b.points));
        let edge = |pick: fn(f64, f64) -> f64| {
            let both = a.iter().zip(&b);
            both.map(|(a, b)| match a.is_nan() || b.is_nan() {
                true => f64::NAN,
                false => pick(*a, *b),
            })
            .collect()
        };
        self.band = Some((edge(f64::min), edge(f64::max)));
        Ok(())
    }

    /// Points of a file. They are the alarm's statistic over its period, or, where they are closer
    /// together than a period and the statistic allows it, are rolled up into periods that slide.
    pub(super) fn of(points: &Points, stat: Stat, period: u32) -> Result<History, String> {
        let mut points = points.clone();
        points.sort_by_key(|(at, _)| *at);
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
            return Err("there are no values".into());
        };
        let (first, last) = (*first, *last);
        let gaps = points.windows(2).map(|p| p[1].0.millis() - p[0].0.millis());
        let apart = gaps.fold(0, gcd);
        let millis = i64::from(period) * 1000;
        let step = match apart {
            _ if apart % millis == 0 => period,
            _ if apart % 1000 == 0 && millis % apart == 0 => (apart / 1000) as u32,
            _ => {
                return Err(format!(
                    "the values are not a whole number of periods of {period} s apart\n  help: give one value a period, or values of shorter periods that divide it"
                ));
            }
        };
        if (last.millis() - first.millis()) / (i64::from(step) * 1000) > MOST_VALUES {
            return Err(format!(
                "from {first} to {last} are too many periods of {step} s"
            ));
        }
        let cells = History::grid(&points, &Points::new(), step, Duration::ZERO, last);
        if step == period {
            return Ok(cells);
        }
        let join: fn(f64, f64) -> f64 = match stat {
            Stat::Sum | Stat::SampleCount => |a, b| a + b,
            Stat::Minimum => f64::min,
            Stat::Maximum => f64::max,
            _ => {
                return Err(format!(
                    "values {step} s apart cannot become the {stat} of {period} s\n  help: give one value a period"
                ));
            }
        };
        let values = cells
            .values
            .windows((period / step) as usize)
            .map(|period| {
                let real = period.iter().copied().filter(|v| !v.is_nan());
                real.reduce(join).unwrap_or(f64::NAN)
            })
            .collect();
        Ok(History { values, ..cells })
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

/// Reads a file: GetMetricData's JSON, or CSV with the header `timestamp,value`.
pub(super) fn read(text: &str) -> Result<Vec<Set>, String> {
    match text.trim_start().starts_with('{') {
        true => read_json(text),
        false => read_csv(text).map(|points| {
            let names = Vec::new();
            vec![Set { names, points }]
        }),
    }
}

fn read_csv(text: &str) -> Result<Points, String> {
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let unquoted = |cell: &str| cell.trim().trim_matches('"').to_owned();
    let header: Vec<String> = lines
        .next()
        .map(|(_, line)| {
            line.split(',')
                .map(|c| unquoted(c).to_lowercase())
                .collect()
        })
        .unwrap_or_default();
    let column = |name: &str| {
        header.iter().position(|c| c == name).ok_or_else(|| {
            format!(
                "line 1: there is no column `{name}`\n  help: the first line is `timestamp,value`"
            )
        })
    };
    let (when, what) = (column("timestamp")?, column("value")?);
    let mut points = Points::new();
    for (number, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let cells: Vec<String> = line.split(',').map(unquoted).collect();
        let cell = |column: usize| cells.get(column).map_or("", String::as_str);
        let at = time(cell(when)).ok_or_else(|| {
            format!(
                "line {number}: `{}` is not a time\n  help: write 2026-01-05T08:00:00Z, or seconds since 1970",
                cell(when)
            )
        })?;
        // An empty value is a missing point.
        if cell(what).is_empty() {
            continue;
        }
        let value = cell(what).parse().ok().filter(|v: &f64| v.is_finite());
        let value =
            value.ok_or_else(|| format!("line {number}: `{}` is not a number", cell(what)))?;
        points.push((at, value));
    }
    Ok(points)
}

/// RFC 3339, also with a blank for the `T` and without a zone (then UTC), or epoch seconds.
fn time(text: &str) -> Option<Time> {
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds
            .is_finite()
            .then(|| Time::from_millis((seconds * 1000.0) as i64));
    }
    let text = text.replacen(' ', "T", 1);
    Time::parse(&text).or_else(|| Time::parse(&format!("{text}Z")))
}

fn read_json(text: &str) -> Result<Vec<Set>, String> {
    let root: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let results = root["MetricDataResults"].as_array().ok_or(
        "there is no list `MetricDataResults`\n  help: it is what `aws cloudwatch get-metric-data` prints",
    )?;
    results.iter().map(read_result).collect()
}

fn read_result(result: &Value) -> Result<Set, String> {
    let id = result["Id"].as_str().unwrap_or("?");
    let list = |key: &str| {
        let list = result[key].as_array();
        list.ok_or_else(|| format!("result `{id}` has no list `{key}`"))
    };
    let (times, values) = (list("Timestamps")?, list("Values")?);
    if times.len() != values.len() {
        return Err(format!(
            "result `{id}` has {} timestamps and {} values",
            times.len(),
            values.len()
        ));
    }
    let at = |time_: &Value| match time_ {
        Value::String(text) => time(text),
        other => other.as_f64().and_then(|s| time(&s.to_string())),
    };
    let point = |(t, v): (&Value, &Value)| {
        let at = at(t).ok_or_else(|| format!("result `{id}`: {t} is not a time"))?;
        let value = v.as_f64();
        let value = value.ok_or_else(|| format!("result `{id}`: {v} is not a number"))?;
        Ok((at, value))
    };
    let names = ["Id", "Label"]
        .into_iter()
        .filter_map(|key| result[key].as_str());
    Ok(Set {
        names: names.map(str::to_owned).collect(),
        points: times
            .iter()
            .zip(values)
            .map(point)
            .collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_secs(seconds)
    }

    #[test]
    fn files_are_csv_or_the_answer_of_get_metric_data() {
        let check = |text: &str, expect: &[(i64, f64)]| {
            let expect: Points = expect.iter().map(|(s, v)| (at(*s), *v)).collect();
            assert_eq!(read(text).unwrap()[0].points, expect, "{text}");
        };
        check(
            "timestamp,value\n60,1\n\n120,2.5\n180,\n",
            &[(60, 1.0), (120, 2.5)],
        );
        check(
            "Unit,Value,Timestamp\r\nNone,\"3\",\"1970-01-01 00:01:00\"\r\n",
            &[(60, 3.0)],
        );
        check(
            "timestamp,value\n1970-01-01T01:01:00+01:00,-4e2",
            &[(60, -400.0)],
        );
        check(
            r#"{"MetricDataResults": [{"Id": "m1", "Label": "a", "Timestamps": ["1970-01-01T00:02:00+00:00", 60], "Values": [2, 1.5]}], "Messages": []}"#,
            &[(120, 2.0), (60, 1.5)],
        );
        let bad = |text: &str, expect: &str| {
            let why = read(text).unwrap_err();
            assert!(why.starts_with(expect), "{text}: {why}");
        };
        bad("", "line 1: there is no column `timestamp`");
        bad("timestamp\n1", "line 1: there is no column `value`");
        bad("timestamp,value\nnoon,1", "line 2: `noon` is not a time");
        bad("timestamp,value\n60,NaN", "line 2: `NaN` is not a number");
        bad("{}", "there is no list `MetricDataResults`");
        bad(
            r#"{"MetricDataResults": [{"Id": "m1", "Timestamps": [60], "Values": []}]}"#,
            "result `m1` has 1 timestamps and 0 values",
        );
    }

    #[test]
    fn points_of_a_file_come_onto_the_grid_of_the_alarm() {
        let check = |points: &[(i64, f64)], stat: Stat, period: u32, expect: &str| {
            let points: Points = points.iter().map(|(s, v)| (at(*s), *v)).collect();
            let told = match History::of(&points, stat, period) {
                Ok(h) => format!("{} by {}: {:?}", h.start.secs(), h.step, h.values),
                Err(why) => why.lines().next().unwrap_or_default().to_owned(),
            };
            assert_eq!(told, expect);
        };
        check(
            &[(180, 3.0), (60, 1.0)],
            Stat::Average,
            60,
            "60 by 60: [1.0, NaN, 3.0]",
        );
        check(&[(60, 1.0)], Stat::Average, 300, "60 by 300: [1.0]");
        check(
            &[(0, 1.0), (60, 2.0), (120, 4.0)],
            Stat::Sum,
            120,
            "0 by 60: [3.0, 6.0]",
        );
        check(
            &[(0, 1.0), (60, 2.0), (120, 4.0)],
            Stat::Minimum,
            120,
            "0 by 60: [1.0, 2.0]",
        );
        check(
            &[(0, 1.0), (60, 2.0), (120, 4.0)],
            Stat::Average,
            120,
            "values 60 s apart cannot become the Average of 120 s",
        );
        check(
            &[(0, 1.0), (61, 2.0)],
            Stat::Sum,
            60,
            "the values are not a whole number of periods of 60 s apart",
        );
        check(&[], Stat::Sum, 60, "there are no values");
    }
}
