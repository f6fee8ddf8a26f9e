//! Silences: alarms that nobody is told of for a while, because somebody said so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::route::Matcher;
use crate::time::Time;

/// `SIL-7F3K`, in Crockford's base 32, unique among the silences that the journal knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SilenceId(pub String);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Alarms whose labels match stay quiet from `from` until `until`. What they do is recorded all
/// the same, and what is still open at the end is told then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    /// All must hold. None at all matches nothing: nobody silences everything by leaving out.
    pub matchers: Vec<Matcher>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// First instant inside.
    pub from: Time,
    /// First instant after.
    pub until: Time,
    /// What made it.
    #[serde(default)]
    pub origin: SilenceOrigin,
}

impl Silence {
    /// `service = counter, severity != page`
    pub fn words(&self) -> String {
        let matchers: Vec<String> = self.matchers.iter().map(Matcher::words).collect();
        matchers.join(", ")
    }
}

/// What made a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceOrigin {
    /// A person, with a command or on the console.
    #[default]
    Person,
    /// A rule of `mute`, because of a deploy.
    Deploy,
    /// A runbook's action.
    Runbook,
}
