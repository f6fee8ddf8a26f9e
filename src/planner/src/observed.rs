//! What was observed in an account, and whose it is.
//!
//! **The mark.** An alarm is the estate's when its tag [`ESTATE`] has the estate's name. A
//! dashboard is the estate's when its body holds the text widget of [`crate::board::Mark`].
//!
//! **While the tag index lags.** The bulk index of tags (`GetResources`) shows a new tag only
//! after a while, up to minutes. A dashboard's mark is in its body and never lags. For alarms
//! [`doubtful`] names those few whose tags must be asked for one by one (`ListTagsForResource`,
//! at once consistent): same-named alarms that seem unmarked but were configured a short while
//! ago. Until they are asked for they count as not ours, and what is not ours is never written.
//! Before an alarm is deleted its mark is asked for again in any case.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Time;
use model::observed::{ObservedAlarm, ObservedDashboard, Tags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::board;
use crate::desired::Desired;

/// The tag whose value is the estate's name.
pub const ESTATE: &str = "nightbell:estate";
/// The tag whose value is when the alarm was made; it goes when the alarm settles.
pub const BORN: &str = "nightbell:born";
/// The tag of a default alarm of a resource: `lambda.errors`.
pub const PACK: &str = "nightbell:pack";
/// What begins with this is ours to write and to remove.
pub const OURS: &str = "nightbell:";
/// How long the index of tags may lag behind.
pub const LAG: Duration = Duration::from_secs(15 * 60);

/// What one Region of an account holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Every alarm.
    pub alarms: Vec<ObservedAlarm>,
    /// Tags by ARN: of everything that carries the estate's mark, from the bulk index, overwritten
    /// with what was asked for one by one.
    pub tags: BTreeMap<String, Tags>,
    /// Every dashboard; the body where it was fetched. One whose body was not fetched counts as
    /// not ours.
    pub dashboards: Vec<Board>,
    /// How many custom metrics there are, where they were counted.
    pub custom_metrics: u64,
}

/// A dashboard with its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// As listed.
    pub listed: ObservedDashboard,
    /// As it was put.
    pub body: Option<String>,
}

/// Whose something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// It carries our mark.
    Ours,
    /// It carries another estate's mark.
    Other(String),
    /// It carries none.
    Nobody,
}

impl Observed {
    /// Whose an alarm is, by its tags.
    pub fn owner(&self, arn: &str, estate: &str) -> Owner {
        match self.tags.get(arn).and_then(|t| t.get(ESTATE)) {
            Some(value) if value == estate => Owner::Ours,
            Some(value) => Owner::Other(value.clone()),
            None => Owner::Nobody,
        }
    }

    /// The tags of something.
    pub fn tags_of(&self, arn: &str) -> Option<&Tags> {
        self.tags.get(arn)
    }

    /// When an alarm was made, while it has not settled.
    pub fn born(&self, arn: &str) -> Option<Time> {
        Time::parse(self.tags.get(arn)?.get(BORN)?)
    }
}

/// The ARNs whose tags must be asked for one by one before a plan is made: alarms of a desired
/// name that seem not to be ours but were configured within [`LAG`], and alarms of ours that the
/// index may have lost or kept by mistake for the same reason; and alarms of ours whose tags seem to differ.
pub fn doubtful(desired: &Desired, observed: &Observed, now: Time) -> Vec<String> {
    let fresh = observed
        .alarms
        .iter()
        .filter(|a| now.since(a.configured) <= LAG);
    // Tagging does not count as a configuration.
    let stale_tags = observed.alarms.iter().filter(|a| {
        let ours = observed.owner(&a.arn, &desired.estate) == Owner::Ours;
        let want = desired.alarms.get(&a.name).filter(|_| ours);
        want.is_some_and(|want| {
            let tags = observed.tags.get(&a.arn);
            crate::diff::tags_differ(want, tags.unwrap_or(&Tags::new())).is_some()
        })
    });
    fresh
        .filter(|a| {
            let ours = observed.owner(&a.arn, &desired.estate) == Owner::Ours;
            desired.alarms.contains_key(&a.name) != ours
        })
        .chain(stale_tags)
        .map(|a| a.arn.clone())
        .collect()
}

/// The names of dashboards whose bodies have to be fetched: all but those that are as they were
/// when their body was fetched last.
pub fn to_fetch(listed: &[ObservedDashboard], known: &BTreeMap<String, Board>) -> Vec<String> {
    listed
        .iter()
        .filter(|d| {
            let same = known.get(&d.name).filter(|k| k.body.is_some());
            !same.is_some_and(|k| k.listed.modified == d.modified && k.listed.size == d.size)
        })
        .map(|d| d.name.clone())
        .collect()
}

/// Of what the account holds of ours, and of what has one of the names: two plans of the same
/// files have the same fingerprint exactly if nothing of that was changed in between. States of
/// alarms do not count.
pub fn fingerprint<'a>(
    observed: &Observed,
    estate: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> String {
    let names: std::collections::BTreeSet<&str> = names.into_iter().collect();
    let mut hash = Sha256::new();
    let mut alarms: Vec<&ObservedAlarm> = observed
        .alarms
        .iter()
        .filter(|a| {
            names.contains(a.name.as_str()) || observed.owner(&a.arn, estate) == Owner::Ours
        })
        .collect();
    alarms.sort_by(|a, b| a.name.cmp(&b.name));
    for alarm in alarms {
        hash.update(alarm.arn.as_bytes());
        // The order of keys is the adapter's and always the same.
        hash.update(serde_json::to_vec(&alarm.body).unwrap_or_default());
        let owner = observed.tags.get(&alarm.arn).and_then(|t| t.get(ESTATE));
        hash.update(owner.map_or("", String::as_str).as_bytes());
        hash.update(b"\n");
    }
    let mut boards: Vec<&Board> = observed
        .dashboards
        .iter()
        .filter(|d| {
            let body = d.body.as_deref().unwrap_or_default();
            names.contains(d.listed.name.as_str())
                || board::Mark::read_text(body).is_some_and(|m| m.estate == estate)
        })
        .collect();
    boards.sort_by(|a, b| a.listed.name.cmp(&b.listed.name));
    for board in boards {
        hash.update(board.listed.name.as_bytes());
        hash.update(board.body.as_deref().unwrap_or_default().as_bytes());
        hash.update(b"\n");
    }
    hex(&hash.finalize()[..16])
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}
