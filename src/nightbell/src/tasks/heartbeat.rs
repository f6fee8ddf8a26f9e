//! Says every minute that the daemon lives, and how it is: namespace `Nightbell`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Datum, Dimensions, MetricId, Resolution, State, Time, Unit, Values};

use super::{Report, Task};
use crate::daemon::Daemon;

/// The heartbeat task.
pub struct Heartbeat(pub Arc<Daemon>);

const PERIOD: Duration = Duration::from_secs(60);

#[async_trait]
impl Task for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let states = self.0.ports.alarms.states().await?;
        let firing = states.values().filter(|s| s.state == State::Alarm).count();
        let open = self
            .0
            .incidents()
            .iter()
            .filter(|i| i.resolved.is_none())
            .count();
        let datum = |name: &str, value: f64| Datum {
            metric: MetricId {
                namespace: "Nightbell".into(),
                name: name.into(),
                dimensions: Dimensions::new([("Estate", self.0.estate.project.estate.as_str())]),
            },
            unit: Unit::Count,
            at: now,
            resolution: Resolution::Standard,
            values: Values::Single(value),
        };
        let data = vec![
            datum("Heartbeat", 1.0),
            datum("AlarmsInAlarm", firing as f64),
            datum("OpenIncidents", open as f64),
        ];
        self.0.ports.metrics.put(data).await?;
        Ok(Report {
            summary: format!("{firing} alarms in ALARM, {open} incidents open"),
            wake: now.floor_to(PERIOD) + PERIOD,
        })
    }
}
