//! The hash chain of a timeline: nobody changes, removes or puts in an entry unseen.
//!
//! The hash of an entry is SHA-256 over the hash before it and the SHA-256 of the entry's JSON; the
//! first stands on 32 zero bytes. Entries stand in the order in which they became part of the
//! incident: a transition that arrived before its alarm joined comes directly before the joining.
//! [`Entry::Sealed`] writes the heads into the journal about once a minute, so whoever edits the
//! journal would have to write every later head anew, and those are also in mails that were sent.

use model::{Entry, Head, IncidentId};
use sha2::{Digest as _, Sha256};

use crate::engine::Engine;
use crate::receipt::Line;

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// An entry of a timeline and the hash of everything up to it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub sequence: i64,
    pub line: Line,
    pub hash: Digest,
}

/// The hash says what the line is.
impl PartialEq for Link {
    fn eq(&self, other: &Link) -> bool {
        (self.sequence, self.hash) == (other.sequence, other.hash)
    }
}

/// The hash of one entry.
pub(crate) fn digest(entry: &Entry) -> Digest {
    let mut text = Vec::with_capacity(640);
    // Writing plain data to memory cannot fail; if it did, the hash would be that of nothing.
    let _ = serde_json::to_writer(&mut text, entry);
    Sha256::digest(&text).into()
}

/// The hash of the chain after one more entry.
pub(crate) fn link(before: &Digest, entry: &Digest) -> Digest {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(entry);
    hash.finalize().into()
}

/// As it stands in the journal.
pub(crate) fn hex(hash: &Digest) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(64);
    for byte in hash {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// An entry of a timeline as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// In the journal.
    pub sequence: i64,
    /// What happened.
    pub entry: Entry,
    /// The hash of everything up to here, in hexadecimal digits.
    pub hash: String,
}

/// A timeline that is not what was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Whose timeline.
    pub incident: IncidentId,
    /// The journal's sequence of the seal.
    pub seal: i64,
    /// What was sealed.
    pub sealed: Head,
    /// The hash that the journal gives at that place; `None`: the timeline is shorter.
    pub found: Option<String>,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (incident, entries) = (&self.incident, self.sealed.entries);
        match &self.found {
            Some(_) => write!(
                f,
                "the first {entries} entries of {incident} are not those that entry {} of the \
                 journal sealed",
                self.seal
            ),
            None => write!(
                f,
                "{incident} has fewer than the {entries} entries that entry {} of the journal sealed",
                self.seal
            ),
        }
    }
}

/// Reads a journal, oldest entry first, and compares each seal with the entries. Empty: every
/// timeline is as it was sealed. Incidents whose beginning the journal no longer has are left out.
///
/// `engine`: a new one with any routes; afterwards it is the journal's fold.
pub fn verify<'j>(
    engine: &mut Engine,
    journal: impl IntoIterator<Item = (i64, &'j Entry)>,
) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (sequence, entry) in journal {
        engine.apply(sequence, entry);
        let Entry::Sealed { heads, .. } = entry else {
            continue;
        };
        for (incident, sealed) in heads {
            let Some(case) = engine.book.cases.get(incident) else {
                continue;
            };
            let place = usize::try_from(sealed.entries).unwrap_or(usize::MAX);
            let found = place.checked_sub(1).and_then(|i| case.timeline.get(i));
            let found = found.map(|link| hex(&link.hash));
            if found.as_ref() != Some(&sealed.hash) {
                broken.push(Broken {
                    incident: incident.clone(),
                    seal: sequence,
                    sealed: sealed.clone(),
                    found,
                });
            }
        }
    }
    broken
}
