//! Schedules, as EventBridge Scheduler has them: cron with a time zone, rates, and single times.
//!
//! The event goes into its target's queue in the transaction that remembers the due time, so that
//! each due time counts once, whenever the process dies. A cron time that a day of the zone does
//! not have is made up right after the gap; one that it has twice counts once.

use std::sync::Arc;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use model::Time;
use ports::{Error, Kind, NewMessage, Queues, Result};
use serde_json::Value;

use super::{AGAIN, Post, Shared, Target, event, queue_of};

/// When a target gets an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name; the last due time is remembered under it.
    pub name: String,
    /// When.
    pub when: When,
    /// An IANA time zone, for example `America/New_York`.
    pub zone: String,
    /// Who gets it.
    pub target: Target,
    /// What it gets. `<aws.scheduler.scheduled-time>` and `<aws.scheduler.schedule-arn>` in its
    /// texts are replaced, as EventBridge Scheduler does.
    pub input: Value,
    /// What happens to due times that passed while nothing ran.
    pub missed: Missed,
}

/// The times of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// AWS's six fields: minutes, hours, day of month, month, day of week (1 is Sunday), year.
    Cron(String),
    /// Again and again after this time.
    Rate(Duration),
    /// Once.
    At(Time),
}

/// What becomes of due times that passed while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// The newest of them is delivered once, late; how many there were is said.
    Once,
    /// None is delivered; how many there were is said.
    Said,
}

/// Why a schedule cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// A due time this late was missed: nothing ran when it came.
const LATE: Duration = Duration::from_secs(120);

pub(super) struct Timer {
    shared: Arc<Shared>,
    schedule: Schedule,
    times: Times,
    last: Time,
}

/// The times of a schedule, understood.
enum Times {
    Cron(Box<Cron>, TimeZone),
    Rate(Duration),
    At(Time),
}

impl When {
    /// Reads AWS's expressions: `cron(0 8 ? * MON-FRI *)`, `rate(5 minutes)`,
    /// `at(2026-01-05T08:00:00)`; the last in the zone given.
    pub fn parse(text: &str, zone: &str) -> std::result::Result<When, Unreadable> {
        let inner = |name: &str| {
            let rest = text.trim().strip_prefix(name)?.strip_prefix('(')?;
            rest.strip_suffix(')').map(str::trim)
        };
        let wrong = |why: String| Unreadable(format!("`{text}`: {why}"));
        if let Some(fields) = inner("cron") {
            cron(fields).map_err(wrong)?;
            return Ok(When::Cron(fields.to_owned()));
        }
        if let Some(rate) = inner("rate") {
            let (count, unit) = rate.split_once(' ').unwrap_or((rate, ""));
            let unit = match unit.trim().trim_end_matches('s') {
                "minute" => 60,
                "hour" => 3_600,
                "day" => 86_400,
                _ => return Err(wrong("a rate is in minutes, hours or days".into())),
            };
            let count: u64 = count
                .parse()
                .map_err(|_| wrong("it needs a number".into()))?;
            if count == 0 {
                return Err(wrong("it never comes".into()));
            }
            return Ok(When::Rate(Duration::from_secs(count.saturating_mul(unit))));
        }
        if let Some(at) = inner("at") {
            let local: jiff::civil::DateTime =
                at.parse().map_err(|e: jiff::Error| wrong(e.to_string()))?;
            let zoned = local.to_zoned(zone_of(zone).map_err(wrong)?);
            let zoned = zoned.map_err(|e| wrong(e.to_string()))?;
            return Ok(When::At(Time::from(zoned.timestamp())));
        }
        Err(wrong("write cron(...), rate(...) or at(...)".into()))
    }
}

impl Times {
    fn of(schedule: &Schedule) -> std::result::Result<Times, String> {
        Ok(match &schedule.when {
            When::Cron(fields) => Times::Cron(Box::new(cron(fields)?), zone_of(&schedule.zone)?),
            When::Rate(every) => Times::Rate((*every).max(Duration::from_secs(1))),
            When::At(at) => Times::At(*at),
        })
    }

    /// The first due time after `time`.
    fn after(&self, time: Time) -> Option<Time> {
        match self {
            Times::Cron(cron, zone) => {
                let from = time.to_jiff().to_zoned(zone.clone());
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(Time::from(next.timestamp()))
            }
            Times::Rate(every) => Some(time + *every),
            Times::At(at) => Some(*at).filter(|at| *at > time),
        }
    }

    /// The newest due time after `last` that is not after `now`, and how many there are.
    fn due(&self, last: Time, now: Time) -> Option<(Time, u64)> {
        if let Times::Rate(every) = self {
            let count = (now.since(last).as_millis() / every.as_millis().max(1)) as u64;
            let ahead = Duration::from_millis(every.as_millis() as u64 * count);
            return (count > 0).then(|| (last + ahead, count));
        }
        let (mut found, mut count) = (None, 0);
        let mut at = last;
        while let Some(next) = self.after(at).filter(|next| *next <= now) {
            (found, at) = (Some(next), next);
            count += 1;
        }
        found.map(|at| (at, count))
    }
}

impl Timer {
    pub async fn begin(shared: Arc<Shared>, schedule: Schedule) -> Result<Timer> {
        let failed = |why: String| {
            Error::new("schedule", schedule.name.as_str(), Kind::Invalid).because(why)
        };
        if schedule.name.is_empty() {
            return Err(failed("a schedule needs a name".into()));
        }
        let times = Times::of(&schedule).map_err(failed)?;
        shared
            .store
            .queues()
            .depth(&queue_of(&schedule.target))
            .await?;
        let now = shared.store.clock().now();
        // A single time that is past when it is first heard of is still due; cron begins now.
        let begin = match &times {
            Times::At(at) => now.min(*at - Duration::from_millis(1)),
            Times::Cron(..) | Times::Rate(_) => now,
        };
        let last = shared.store.last_due(&schedule.name, begin).await?;
        Ok(Timer {
            shared,
            schedule,
            times,
            last,
        })
    }

    pub async fn run(mut self, post: Arc<Post>) {
        let mut ears = post.ears();
        loop {
            let now = self.shared.store.clock().now();
            let next = match self.times.due(self.last, now) {
                None => self.times.after(self.last),
                Some((due, count)) => match self.act(due, count, now).await {
                    Ok(()) => {
                        self.last = due;
                        continue;
                    }
                    Err(e) => {
                        let schedule = self.schedule.name.as_str();
                        tracing::warn!(schedule, error = %e, "a schedule cannot act");
                        Some(now + AGAIN)
                    }
                },
            };
            if !post.rest(&self.shared, &mut ears, (0, next)).await {
                return;
            }
        }
    }

    async fn act(&self, due: Time, count: u64, now: Time) -> Result<()> {
        let name = self.schedule.name.as_str();
        let late = now.since(due) > LATE;
        if late || count > 1 {
            let delivered = !(late && self.schedule.missed == Missed::Said);
            tracing::warn!(schedule = name, missed = count, newest = %due, delivered, "a schedule was due while nothing ran");
            if !delivered {
                return self.shared.store.act(name, due, None).await;
            }
        }
        let mut input = self.schedule.input.clone();
        fill(&mut input, name, due);
        let message = NewMessage {
            body: match &self.schedule.target {
                // A queue gets a text as it is.
                Target::Queue(_) => input
                    .as_str()
                    .map_or_else(|| input.to_string(), str::to_owned),
                Target::Function(_) => input.to_string(),
            },
            attributes: event::trace_attribute(String::new()),
            delay: Duration::ZERO,
        };
        let queue = queue_of(&self.schedule.target);
        self.shared
            .store
            .act(name, due, Some((&queue, message)))
            .await
    }
}

/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>.
fn fill(input: &mut Value, schedule: &str, due: Time) {
    match input {
        Value::String(text) => {
            *text = text
                .replace("<aws.scheduler.scheduled-time>", &due.to_string())
                .replace(
                    "<aws.scheduler.schedule-arn>",
                    &format!(
                        "arn:aws:scheduler:us-east-1:000000000000:schedule/default/{schedule}"
                    ),
                );
        }
        Value::Array(list) => list.iter_mut().for_each(|v| fill(v, schedule, due)),
        Value::Object(map) => map.values_mut().for_each(|v| fill(v, schedule, due)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn cron(fields: &str) -> std::result::Result<Cron, String> {
    if fields.split_whitespace().count() != 6 {
        return Err("six fields: minutes hours day-of-month month day-of-week year".into());
    }
    CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        // Quartz's and AWS's weekdays begin with 1 for Sunday.
        .alternative_weekdays(true)
        .build()
        .parse(&format!("0 {fields}"))
        .map_err(|e| e.to_string())
}

fn zone_of(name: &str) -> std::result::Result<TimeZone, String> {
    TimeZone::get(name).map_err(|e| e.to_string())
}
