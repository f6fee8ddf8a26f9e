//! Says every minute that the daemon lives, and how it is: namespace `Nightbell`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Datum, Dimensions, MetricId, Resolution, State, Time, Unit, Values};

use super::{Report, Task};
use crate::daemon::Daemon;

/// The heartbeat task.
pub struct Heartbeat(pub Arc<Daemon>);

/// The tasks without which nobody is told.
const NEEDED: &[&str] = &["receive", "respond"];
const PERIOD: Duration = Duration::from_secs(60);
/// A run that takes longer than this hangs: nothing that is waited for may take so long.
const HANGS: Duration = Duration::from_secs(180);

#[async_trait]
impl Task for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let wake = now.floor_to(PERIOD) + PERIOD;
        if let Some(why) = self.silent() {
            return Ok(Report { summary: why, wake });
        }
        let firing = match &self.0.duty {
            None => {
                let states = self.0.ports.alarms.states().await?;
                states.values().filter(|s| s.state == State::Alarm).count()
            }
            // What the journal knows: the account would have to be asked for every alarm.
            Some(_) => self.0.engine().firing(),
        };
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
            wake,
        })
    }
}

impl Heartbeat {
    /// Why there is no heartbeat. It says that people would be told, so that against AWS only who
    /// decides and sends has one, and only while that works.
    fn silent(&self) -> Option<String> {
        let duty = self.0.duty.as_ref()?;
        if duty.lease().is_none() {
            return Some("the daemon that decides and sends has the heartbeat".into());
        }
        let statuses = crate::http::api::telemetry::statuses(&self.0);
        NEEDED.iter().find_map(|name| {
            let status = statuses.get(name)?;
            if let Some(error) = &status.error {
                return Some(format!("no heartbeat while `{name}` fails: {error}"));
            }
            let hangs = status.began.is_some_and(|at| at + HANGS <= self.0.now());
            hangs.then(|| format!("no heartbeat while `{name}` hangs"))
        })
    }
}
