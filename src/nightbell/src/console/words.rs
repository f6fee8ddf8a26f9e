//! Words: the headings that are sentences, and an alarm's configuration.

use std::time::Duration;

use model::Time;
use model::time::spell_duration;
use model::{
    ActionShape, AlarmKind, AlarmSpec, LowSamples, MetricAlarm, MetricStat, Missing, Threshold,
    Watch,
};

use super::clock::about;
use super::marks::count;
use super::view::{Counts, Fact, FaultRow, Frame, IncidentsPage, NowPage, TracesPage};

/// What an alarm watches against what: `Errors, sum per minute: more than 0 in 2 of 3 minutes`.
pub fn condition(spec: &AlarmSpec) -> String {
    match &spec.kind {
        AlarmKind::Metric(alarm) => format!(
            "{}: {} {}",
            watched(&alarm.watch),
            limit(&alarm.threshold),
            window(alarm)
        ),
        AlarmKind::Composite { rule, .. } => rule.clone(),
    }
}

/// What a chart of the alarm shows: `Errors, sum per minute`; for metric math the label or id.
pub fn watched(watch: &Watch) -> String {
    match watch {
        Watch::Metric(stat) => measured(stat),
        Watch::Math { entries, watch } => entries
            .iter()
            .find(|e| e.id == *watch)
            .and_then(|e| e.label.clone())
            .unwrap_or_else(|| watch.clone()),
    }
}

/// `more than 0`.
pub fn limit(threshold: &Threshold) -> String {
    match threshold {
        Threshold::Number { comparison, value } => format!("{} {value}", comparison.words()),
        Threshold::Band { comparison, id } => format!("{} {id}", comparison.words()),
    }
}

/// `in 2 of 3 minutes`, `in every one of 3 periods of 5 minutes`.
pub fn window(alarm: &MetricAlarm) -> String {
    let (m, n, period) = (alarm.m(), alarm.evaluation_periods, alarm.period());
    match (m, n, period) {
        (1, 1, _) => format!("in {}", one(period)),
        (_, _, 60) if m == n => format!("in {n} minutes in a row"),
        (_, _, 60) => format!("in {m} of {n} minutes"),
        _ if m == n => format!("in {n} periods of {} in a row", spelled(period)),
        _ => format!("in {m} of {n} periods of {}", spelled(period)),
    }
}

/// Everything that the alarm's file says, in the order in which a reader asks.
pub fn configuration(spec: &AlarmSpec) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut say = |name: &str, value: String| {
        facts.push(Fact {
            name: name.into(),
            value,
        });
    };
    match &spec.kind {
        AlarmKind::Metric(alarm) => {
            say(
                "ALARM when",
                format!(
                    "{} is {} {}",
                    watched(&alarm.watch),
                    limit(&alarm.threshold),
                    window(alarm)
                ),
            );
            match &alarm.watch {
                Watch::Metric(stat) => {
                    say(
                        "Metric",
                        format!("{} in {}", stat.metric.name, stat.metric.namespace),
                    );
                    for (name, value) in stat.metric.dimensions.iter() {
                        say(name, value.to_string());
                    }
                    say(
                        "Statistic",
                        format!("{} over {}", stat.stat, spelled(stat.period)),
                    );
                    if let Some(unit) = stat.unit {
                        say("Unit", unit.to_string());
                    }
                }
                Watch::Math { entries, watch } => {
                    for entry in entries {
                        let source = match &entry.source {
                            model::MathExpression::Metric(stat) => {
                                format!(
                                    "{} of {} over {}",
                                    stat.stat,
                                    stat.metric,
                                    spelled(stat.period)
                                )
                            }
                            model::MathExpression::Expression { expression, .. } => {
                                expression.clone()
                            }
                        };
                        let mark = if entry.id == *watch { " (watched)" } else { "" };
                        say(&format!("{}{mark}", entry.id), source);
                    }
                }
            }
            say("Missing data", missing(alarm.missing).into());
            if alarm.low_samples == LowSamples::Ignore {
                say(
                    "Few samples",
                    "keep the state until there are enough".into(),
                );
            }
            if let Some(warm_up) = alarm.warm_up {
                say(
                    "Warm-up",
                    format!("no action in the first {}", spell_duration(warm_up)),
                );
            }
        }
        AlarmKind::Composite { rule, suppressor } => {
            say("ALARM when", rule.clone());
            if let Some(s) = suppressor {
                say(
                    "Suppressed by",
                    format!(
                        "{}, waiting {}, {} longer after it ends",
                        s.alarm,
                        spell_duration(s.wait),
                        spell_duration(s.extension)
                    ),
                );
            }
        }
    }
    for (name, value) in &spec.labels {
        say(&format!("Label {name}"), value.clone());
    }
    if let Some(region) = &spec.region {
        say("Region", region.clone());
    }
    say(
        "Actions",
        match spec.actions {
            ActionShape::None => "none of its own: Nightbell routes its transitions".into(),
            ActionShape::Direct => "the receiver's topic, directly, and Nightbell".into(),
        },
    );
    say("File", spec.place.to_string());
    facts
}

/// CloudWatch's `TreatMissingData` in words.
fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::Missing => "INSUFFICIENT_DATA when all of it is missing (missing)",
        Missing::Ignore => "keep the state (ignore)",
        Missing::Breaching => "counts as breaching (breaching)",
        Missing::NotBreaching => "counts as within the limit (notBreaching)",
    }
}

/// `2 incidents open, the oldest for 14 minutes`; what is known where none is.
pub(super) fn now_title(page: &NowPage, frame: &Frame) -> String {
    let counts = frame.counts;
    let opened = page.incidents.iter().map(|i| i.opened);
    open_title(opened.chain(page.others.iter().copied()), frame.now).unwrap_or_else(|| {
        match (counts.alarms, counts.alarm, counts.insufficient_data) {
            (0, ..) => "Nothing is watched yet".into(),
            (_, 0, 0) => "Nothing is wrong".into(),
            (_, 0, _) => "No incident is open".into(),
            (_, n, _) => format!("{} in ALARM, no incident open", count(n, "alarm", "alarms")),
        }
    })
}

/// The sentence under it: how the alarms stand.
pub(super) fn now_lead(page: &NowPage, frame: &Frame) -> String {
    let mut lead = standing(frame.counts);
    if page.incidents.is_empty() {
        match page.last_resolved {
            Some(at) => lead.push_str(&format!(
                " The last incident ended {} ago.",
                about(frame.now.since(at))
            )),
            None => lead.push_str(" There has been no incident."),
        }
    }
    lead
}

/// `1 of 5 alarms is in ALARM`.
pub(super) fn alarms_title(counts: Counts) -> String {
    match (counts.alarm, counts.insufficient_data) {
        (0, 0) if counts.alarms == 0 => "Alarms".into(),
        (0, 0) => "All alarms are OK".into(),
        (0, n) => format!(
            "{} of {} without enough data",
            n,
            count(counts.alarms, "alarm", "alarms")
        ),
        (1, _) => format!(
            "1 of {} is in ALARM",
            count(counts.alarms, "alarm", "alarms")
        ),
        (n, _) => format!(
            "{n} of {} are in ALARM",
            count(counts.alarms, "alarm", "alarms")
        ),
    }
}

/// As on Now; without an open one just the word.
pub(super) fn incidents_title(page: &IncidentsPage, now: Time) -> String {
    let open = page.rows.iter().filter(|r| r.resolved.is_none());
    let opened = open.map(|r| r.opened).chain(page.others.iter().copied());
    open_title(opened, now).unwrap_or_else(|| match page.rows.as_slice() {
        [] => "Incidents".into(),
        _ => "No incident is open".into(),
    })
}

/// How many of the traces shown failed.
pub(super) fn traces_title(page: &TracesPage) -> String {
    use super::view::Outcome;
    let failed = page
        .traces
        .iter()
        .filter(|t| t.outcome != Outcome::Ok)
        .count();
    match (failed, page.filter.failed) {
        (0, _) => "Traces".into(),
        (n, true) => format!("The last {} that failed", count(n, "trace", "traces")),
        (n, false) => format!(
            "{n} of the last {} failed",
            count(page.traces.len(), "trace", "traces")
        ),
    }
}

/// What is broken on purpose now.
pub(super) fn faults_title(active: &[FaultRow]) -> String {
    match active {
        [] => "Faults".into(),
        [one] => format!("{} is broken on purpose", one.service),
        many => format!("{} services are broken on purpose", many.len()),
    }
}

fn open_title(opened: impl Iterator<Item = Time> + Clone, now: Time) -> Option<String> {
    let oldest = about(now.since(opened.clone().min()?));
    Some(match opened.count() {
        1 => format!("1 incident open for {oldest}"),
        n => format!("{n} incidents open, the oldest for {oldest}"),
    })
}

fn standing(counts: Counts) -> String {
    let all = count(counts.alarms, "alarm", "alarms");
    match (counts.alarm, counts.insufficient_data) {
        (0, 0) if counts.alarms == 0 => "No alarm is configured.".into(),
        (0, 0) if counts.alarms == 1 => "The one alarm is OK.".into(),
        (0, 0) => format!("All {all} are OK."),
        (0, n) => format!("No alarm is in ALARM; {n} of {all} without enough data."),
        (a, 0) => format!("{a} of {all} in ALARM."),
        (a, n) => format!("{a} of {all} in ALARM, {n} without enough data."),
    }
}

fn measured(stat: &MetricStat) -> String {
    format!(
        "{}, {} per {}",
        stat.metric.name,
        stat.stat.to_string().to_lowercase(),
        match stat.period {
            60 => "minute".to_string(),
            3_600 => "hour".into(),
            86_400 => "day".into(),
            secs => spelled(secs),
        }
    )
}

fn one(period: u32) -> String {
    match period {
        60 => "one minute".into(),
        3_600 => "one hour".into(),
        secs => spelled(secs),
    }
}

fn spelled(secs: u32) -> String {
    spell_duration(Duration::from_secs(secs.into()))
}

#[cfg(test)]
mod tests {
    use model::{Comparison, MetricId, Stat};

    use super::*;

    fn alarm(m: Option<u32>, n: u32, period: u32, threshold: (Comparison, f64)) -> MetricAlarm {
        MetricAlarm {
            watch: Watch::Metric(MetricStat {
                metric: MetricId::new("AWS/Lambda", "Errors", [("FunctionName", "demo-counter")]),
                stat: Stat::Sum,
                period,
                unit: None,
                region: None,
            }),
            threshold: Threshold::Number {
                comparison: threshold.0,
                value: threshold.1,
            },
            evaluation_periods: n,
            datapoints_to_alarm: m,
            missing: Missing::NotBreaching,
            low_samples: LowSamples::Evaluate,
            warm_up: None,
        }
    }

    #[test]
    fn an_alarm_reads_as_a_sentence() {
        let check = |alarm: MetricAlarm, sentence: &str| {
            let words = format!(
                "{} is {} {}",
                watched(&alarm.watch),
                limit(&alarm.threshold),
                window(&alarm)
            );
            assert_eq!(words, sentence);
        };
        let above = (Comparison::Greater, 0.0);
        check(
            alarm(Some(2), 3, 60, above),
            "Errors, sum per minute is more than 0 in 2 of 3 minutes",
        );
        check(
            alarm(None, 3, 60, (Comparison::GreaterOrEqual, 5.0)),
            "Errors, sum per minute is at least 5 in 3 minutes in a row",
        );
        check(
            alarm(None, 1, 300, above),
            "Errors, sum per 5 minutes is more than 0 in 5 minutes",
        );
        check(
            alarm(None, 1, 60, above),
            "Errors, sum per minute is more than 0 in one minute",
        );
        check(
            alarm(Some(2), 3, 10, above),
            "Errors, sum per 10 seconds is more than 0 in 2 of 3 periods of 10 seconds",
        );
        check(
            alarm(None, 8, 3_600, (Comparison::Less, 1.0)),
            "Errors, sum per hour is less than 1 in 8 periods of 1 hour in a row",
        );
    }

    #[test]
    fn how_alarms_stand_is_said_in_one_sentence() {
        let check = |alarms, alarm, insufficient_data, title: &str, sentence: &str| {
            let counts = Counts {
                alarms,
                alarm,
                insufficient_data,
                ..Counts::default()
            };
            assert_eq!(alarms_title(counts), title);
            assert_eq!(standing(counts), sentence);
        };
        check(0, 0, 0, "Alarms", "No alarm is configured.");
        check(1, 0, 0, "All alarms are OK", "The one alarm is OK.");
        check(5, 0, 0, "All alarms are OK", "All 5 alarms are OK.");
        check(
            5,
            0,
            2,
            "2 of 5 alarms without enough data",
            "No alarm is in ALARM; 2 of 5 alarms without enough data.",
        );
        check(
            5,
            1,
            0,
            "1 of 5 alarms is in ALARM",
            "1 of 5 alarms in ALARM.",
        );
        check(
            5,
            3,
            1,
            "3 of 5 alarms are in ALARM",
            "3 of 5 alarms in ALARM, 1 without enough data.",
        );
    }
}
