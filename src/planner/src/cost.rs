//! What alarms and dashboards cost a month.
//!
//! List prices of us-east-1 in US dollars, from secondary sources, noted 2026-11; other Regions
//! differ by a few percent. The free tier of a new account (10 alarm metrics) is left out, because
//! whoever shares the account uses it too; the three free dashboards are counted, by account.

use model::observed::ObservedAlarm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical::number;

/// Where the prices are from, for reports.
pub const PRICES_AS_OF: &str = "list prices of us-east-1, 2026-11";

/// Cents a month: a standard alarm metric, a high-resolution one, a composite, a dashboard, a
/// custom metric.
const STANDARD: u64 = 10;
const HIGH: u64 = 30;
const COMPOSITE: u64 = 50;
const DASHBOARD: u64 = 300;
/// Dashboards of an account that cost nothing.
const FREE_DASHBOARDS: u64 = 3;
/// Cents and how many custom metrics of an account cost that.
const CUSTOM: [(f64, u64); 4] = [
    (30.0, 10_000),
    (10.0, 240_000),
    (5.0, 750_000),
    (2.0, u64::MAX),
];

/// What an estate costs a month, by kind. Money is in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Monthly {
    /// Alarms with a period of a minute and more.
    pub standard_alarms: u64,
    /// The metrics that they look at, which is what is paid for.
    pub standard_metrics: u64,
    /// Alarms with a shorter period.
    pub high_alarms: u64,
    /// Their metrics.
    pub high_metrics: u64,
    /// Composites.
    pub composites: u64,
    /// Dashboards of the estate.
    pub dashboards: u64,
    /// Dashboards of others, which use the free ones first.
    pub other_dashboards: u64,
    /// Custom metrics, where they were counted.
    pub custom_metrics: u64,
}

impl Monthly {
    /// Of alarm bodies and numbers of dashboards.
    pub fn of<'a>(
        alarms: impl IntoIterator<Item = &'a Map<String, Value>>,
        dashboards: usize,
        other_dashboards: usize,
    ) -> Monthly {
        let mut out = Monthly {
            dashboards: dashboards as u64,
            other_dashboards: other_dashboards as u64,
            ..Monthly::default()
        };
        for body in alarms {
            out.add(body);
        }
        out
    }

    /// Adds an alarm.
    pub fn add(&mut self, body: &Map<String, Value>) {
        match (body.contains_key("AlarmRule"), metrics(body)) {
            (true, _) => self.composites += 1,
            (false, (n, false)) => {
                self.standard_alarms += 1;
                self.standard_metrics += n;
            }
            (false, (n, true)) => {
                self.high_alarms += 1;
                self.high_metrics += n;
            }
        }
    }

    /// Cents for alarms.
    pub fn alarm_cents(&self) -> u64 {
        self.standard_metrics * STANDARD + self.high_metrics * HIGH + self.composites * COMPOSITE
    }

    /// Cents for the estate's dashboards.
    pub fn dashboard_cents(&self) -> u64 {
        let paid = |n: u64| n.saturating_sub(FREE_DASHBOARDS);
        (paid(self.dashboards + self.other_dashboards) - paid(self.other_dashboards)) * DASHBOARD
    }

    /// Cents for custom metrics.
    pub fn metric_cents(&self) -> u64 {
        let mut left = self.custom_metrics;
        let mut cents = 0.0;
        for (price, many) in CUSTOM {
            let here = left.min(many);
            cents += here as f64 * price;
            left -= here;
        }
        cents.round() as u64
    }

    /// All of it in US dollars.
    pub fn usd(&self) -> f64 {
        (self.alarm_cents() + self.dashboard_cents() + self.metric_cents()) as f64 / 100.0
    }
}

/// Cents a month for one alarm.
pub fn alarm_cents(body: &Map<String, Value>) -> u64 {
    let mut one = Monthly::default();
    one.add(body);
    one.alarm_cents()
}

/// The number of metrics that are paid for, and whether they are high resolution.
fn metrics(body: &Map<String, Value>) -> (u64, bool) {
    let period = |v: Option<&Value>| v.and_then(number).unwrap_or(60.0);
    let Some(Value::Array(entries)) = body.get("Metrics").filter(|m| m.is_array()) else {
        return (1, period(body.get("Period")) < 60.0);
    };
    let mut count = 0;
    let mut high = false;
    for entry in entries {
        if let Some(stat) = entry.get("MetricStat").filter(|m| m.is_object()) {
            count += 1;
            high |= period(stat.get("Period")) < 60.0;
        }
        // An anomaly band adds its two edges (pricing page: three metrics for such an alarm).
        let expression = entry.get("Expression").and_then(Value::as_str);
        if expression.is_some_and(|e| e.contains("ANOMALY_DETECTION_BAND")) {
            count += 2;
        }
        // Metrics Insights is paid by the metrics that it finds, of which at least one is here.
        if expression.is_some_and(|e| e.trim_start().to_uppercase().starts_with("SELECT")) {
            count += 1;
        }
    }
    (count.max(1), high)
}

/// A suggestion that saves money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saving {
    /// The alarms that it is about.
    pub alarms: Vec<String>,
    /// US dollars a month.
    pub usd: f64,
    /// What to do.
    pub advice: String,
}

/// Alarms that differ in one dimension only can become one metric math or Metrics Insights alarm,
/// and alarms that are the same but for their name are one too many.
pub fn savings(alarms: &[ObservedAlarm]) -> Vec<Saving> {
    let mut same: std::collections::BTreeMap<String, Vec<&ObservedAlarm>> = Default::default();
    for alarm in alarms {
        if alarm.body.contains_key("AlarmRule") {
            continue;
        }
        let mut body = alarm.body.clone();
        for key in ["AlarmName", "AlarmDescription"] {
            body.remove(key);
        }
        let key = crate::canonical::alarm(&body, &crate::canonical::Here::default());
        same.entry(key.to_string()).or_default().push(alarm);
    }
    same.into_values()
        .filter(|group| group.len() > 1)
        .map(|group| Saving {
            alarms: group.iter().map(|a| a.name.clone()).collect(),
            usd: group[1..].iter().map(|a| alarm_cents(&a.body)).sum::<u64>() as f64 / 100.0,
            advice: "they watch the same with the same limit and tell the same people; keep one"
                .into(),
        })
        .collect()
}

/// `$1,234.50`; always two decimals.
pub fn dollars(usd: f64) -> String {
    let cents = (usd.abs() * 100.0).round() as u64;
    let whole = (cents / 100).to_string();
    let mut grouped = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(c);
    }
    let sign = if usd < 0.0 && cents > 0 { "-" } else { "" };
    format!("{sign}${grouped}.{:02}", cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn an_alarm_costs_what_its_metrics_cost() {
        let check = |value: Value, cents: u64| assert_eq!(alarm_cents(&body(value)), cents);
        check(json!({"MetricName": "Errors", "Period": 60}), 10);
        check(json!({"MetricName": "Fault", "Period": 10.0}), 30);
        check(json!({"AlarmRule": "ALARM(a)"}), 50);
        let m = |p: u32| json!({"Id": "m", "MetricStat": {"Period": p}});
        let math = json!({"Id": "e", "Expression": "a/b"});
        check(json!({"Metrics": [m(60), m(60), math]}), 20);
        check(json!({"Metrics": [m(10), m(10), math]}), 60);
        let band = json!({"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(m, 2)"});
        check(json!({"Metrics": [m(300), band]}), 30);
    }

    #[test]
    fn dashboards_cost_from_the_fourth_of_the_account_on() {
        let check = |ours: usize, others: usize, usd: f64| {
            assert_eq!(Monthly::of([], ours, others).usd(), usd);
        };
        check(3, 0, 0.0);
        check(4, 0, 3.0);
        check(2, 2, 3.0);
        check(1, 9, 3.0);
        check(0, 9, 0.0);
    }

    #[test]
    fn custom_metrics_get_cheaper() {
        let check = |n: u64, usd: f64| {
            let monthly = Monthly {
                custom_metrics: n,
                ..Monthly::default()
            };
            assert_eq!(monthly.usd(), usd);
        };
        check(100, 30.0);
        check(10_000, 3_000.0);
        check(20_000, 4_000.0);
        assert_eq!(dollars(1_234_567.5), "$1,234,567.50");
        assert_eq!(dollars(-0.1), "-$0.10");
    }
}
