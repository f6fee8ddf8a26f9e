//! An account as files whose plan is empty.
//!
//! Every alarm is written in our form where that says the same, else as `native`. What is written
//! is read again and compared with what was observed before anybody sees it: an alarm that came
//! out different is written as `native`, and one that even so cannot be said is left out with the
//! reason. Alarms that carry an estate's mark have files already and are left out.

mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use model::load::{self, Files};
use model::observed::ObservedAlarm;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{Here, alarm_fields};
use crate::coverage::body_metrics;
use crate::desired::{Bell, Settings, desired};
use crate::observed::{ESTATE, Observed};

/// Alarms in one file.
const PER_FILE: usize = 100;

/// Files for what an account holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Imported {
    /// By path: `alarms/lambda.yaml`, `dashboards/main.json`. Not the project file.
    pub files: BTreeMap<String, String>,
    /// What the project file has to list under `metrics:`.
    pub metrics: BTreeMap<String, Vec<String>>,
    /// The services that the files suggest.
    pub services: Vec<String>,
    /// How many alarms had to be written as `native`.
    pub native: usize,
    /// What was left out, with the reason.
    pub left: BTreeMap<String, String>,
}

impl Imported {
    /// A project file for an estate that has none yet.
    pub fn project(&self, estate: &str, region: &str) -> String {
        let mut out = format!(
            "estate: {}\nregion: {}\nservices:{}\n",
            yaml::text(estate),
            yaml::text(region),
            if self.services.is_empty() { " {}" } else { "" }
        );
        for service in &self.services {
            out.push_str(&format!("  {}: {{}}\n", yaml::text(service)));
        }
        if !self.metrics.is_empty() {
            out.push_str("metrics:\n");
            for (namespace, names) in &self.metrics {
                let names: Vec<String> = names.iter().map(|n| yaml::escaped(n)).collect();
                out.push_str(&format!(
                    "  {}: [{}]\n",
                    yaml::text(namespace),
                    names.join(", ")
                ));
            }
        }
        out
    }
}

/// Writes everything that carries nobody's mark.
pub fn import(observed: &Observed, estate: &str, here: &Here) -> Imported {
    let mut out = Imported::default();
    let marked = |arn: &str| {
        observed
            .tags_of(arn)
            .is_some_and(|t| t.contains_key(ESTATE))
    };
    let mut alarms: Vec<&ObservedAlarm> =
        observed.alarms.iter().filter(|a| !marked(&a.arn)).collect();
    alarms.sort_by(|a, b| a.name.cmp(&b.name));
    for board in &observed.dashboards {
        let Some(body) = &board.body else { continue };
        if crate::board::Mark::read_text(body).is_some() {
            continue;
        }
        match serde_json::from_str::<Value>(body) {
            Ok(value) => {
                let text = serde_json::to_string_pretty(&value).unwrap_or_default();
                let path = format!("dashboards/{}.json", board.listed.name);
                out.files.insert(path, text + "\n");
            }
            Err(e) => {
                out.left.insert(
                    board.listed.name.clone(),
                    format!("its body is not JSON: {e}"),
                );
            }
        }
    }
    custom_metrics(&alarms, &mut out);
    let mut native: BTreeSet<&str> = alarms
        .iter()
        .filter(|a| !yaml::is_ours(&a.body))
        .map(|a| a.name.as_str())
        .collect();
    // First as said above, then what came out different as `native`; what still differs is left
    // out, and with it what watches it.
    for round in 0..8 {
        write(&alarms, &native, &mut out);
        let wrong = differing(&alarms, &out, estate, here);
        if wrong.is_empty() {
            break;
        }
        for (name, why) in wrong {
            if let Some(alarm) = alarms.iter().find(|a| a.name == name)
                && (!native.insert(&alarm.name) || round > 3)
            {
                alarms.retain(|a| a.name != name);
                out.left.insert(name, why);
            }
        }
    }
    native.retain(|n| alarms.iter().any(|a| a.name == *n));
    out.native = native.len();
    out
}

/// The metrics that are not AWS's own.
fn custom_metrics(alarms: &[&ObservedAlarm], out: &mut Imported) {
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for metric in alarms.iter().flat_map(|a| body_metrics(&a.body)) {
        if !metric.namespace.starts_with("AWS/") {
            metrics
                .entry(metric.namespace)
                .or_default()
                .insert(metric.name);
        }
    }
    let sorted = metrics
        .into_iter()
        .map(|(n, names)| (n, names.into_iter().collect()));
    out.metrics = sorted.collect();
}

/// One file for each namespace, alarms on the same thing beside each other.
fn write(alarms: &[&ObservedAlarm], native: &BTreeSet<&str>, out: &mut Imported) {
    out.files.retain(|path, _| !path.starts_with("alarms/"));
    let mut groups: BTreeMap<String, Vec<(String, &ObservedAlarm)>> = BTreeMap::new();
    for alarm in alarms {
        let metrics = body_metrics(&alarm.body);
        let group = match metrics.first() {
            Some(metric) => slug(metric.namespace.trim_start_matches("AWS/")),
            None if alarm.body.contains_key("AlarmRule") => "composites".into(),
            None => "other".into(),
        };
        let subject = metrics.first().and_then(|m| m.dimensions.iter().next());
        let subject = subject.map(|(_, value)| value.to_string());
        groups
            .entry(group)
            .or_default()
            .push((subject.unwrap_or_default(), alarm));
    }
    out.services = groups.keys().cloned().collect();
    for (group, mut list) in groups {
        list.sort_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
        for (i, chunk) in list.chunks(PER_FILE).enumerate() {
            let mut text = String::from("defaults: { actions: none }\nalarms:\n");
            let mut last = "";
            for (subject, alarm) in chunk {
                if subject != last && !subject.is_empty() {
                    text.push_str(&format!("  # {}\n", yaml::comment(subject)));
                }
                last = subject;
                match native.contains(alarm.name.as_str()) {
                    true => yaml::native(&alarm.body, &mut text),
                    false => yaml::ours(&alarm.body, &mut text),
                }
            }
            // Under a folder, so that every part belongs to the same service.
            let path = match (i, list.len() > PER_FILE) {
                (_, false) => format!("alarms/{group}.yaml"),
                (i, true) => format!("alarms/{group}/{}.yaml", i + 1),
            };
            out.files.insert(path, text);
        }
    }
}

/// Reads what was written: the alarms that are not as they were observed.
fn differing(
    alarms: &[&ObservedAlarm],
    out: &Imported,
    estate: &str,
    here: &Here,
) -> Vec<(String, String)> {
    let mut files = Files::new("nightbell.yaml");
    files.insert("nightbell.yaml", out.project(estate, &here.region));
    let of_alarms = out
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("alarms/"));
    for (path, text) in of_alarms.clone() {
        files.insert(path.clone(), text.clone());
    }
    let loaded = load::estate(&files, &[]);
    let settings = Settings {
        account: here.account.clone(),
        region: here.region.clone(),
        partition: here.partition.clone(),
        bell: Bell::None,
    };
    let read = loaded.estate.as_ref().map(|e| desired(e, &[], &settings));
    // An error spoils the alarm around its line.
    let mut spoiled: BTreeMap<&str, String> = BTreeMap::new();
    for problem in loaded
        .problems
        .iter()
        .filter(|p| p.level == model::Level::Error)
    {
        let text = out.files.get(&problem.place.file).map(String::as_str);
        let before = text
            .unwrap_or_default()
            .lines()
            .take(problem.place.line as usize);
        let head = |l: &'_ str| {
            l.strip_prefix(yaml::MARK)
                .or(l.strip_prefix(yaml::NATIVE))
                .map(str::to_string)
        };
        let marker = before.filter_map(head).last();
        let name = marker.and_then(|m| alarms.iter().find(|a| yaml::is_name(&a.name, &m)));
        if let Some(alarm) = name {
            spoiled.insert(&alarm.name, problem.message.clone());
        }
    }
    alarms
        .iter()
        .filter_map(|alarm| {
            if let Some(why) = spoiled.get(alarm.name.as_str()) {
                return Some((alarm.name.clone(), why.clone()));
            }
            let want = read.as_ref().and_then(|d| d.alarms.get(&alarm.name));
            let Some(want) = want else {
                return Some((alarm.name.clone(), "files cannot say it".into()));
            };
            let fields = alarm_fields(&want.body, &alarm.body, here);
            let first = fields.first()?;
            Some((
                alarm.name.clone(),
                format!("files cannot say its {}", first.name),
            ))
        })
        .collect()
}

/// A word that can be a service: a lower-case letter, then letters, digits and `_`.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    match out {
        "" => "other".into(),
        // These are files of another kind.
        "routes" | "packs" => format!("{out}_alarms"),
        _ if out.starts_with(|c: char| c.is_ascii_digit()) => format!("ns_{out}"),
        _ => out.into(),
    }
}

#[cfg(test)]
mod tests;
