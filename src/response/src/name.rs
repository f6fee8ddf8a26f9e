//! Ids that follow from what they name.

use model::route::Matcher;
use model::{IncidentId, NotificationId, NotificationKind, SilenceId, Time};

/// Crockford's base 32: no I, L, O or U, so that an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `INC-7F3K`: from group and opening time; longer until `taken` does not know it.
pub(crate) fn incident_id(
    group: &str,
    opened: Time,
    taken: impl Fn(&IncidentId) -> bool,
) -> IncidentId {
    let free = |digits: &str| {
        let id = IncidentId(format!("INC-{digits}"));
        (!taken(&id)).then_some(id)
    };
    short(group, opened, free)
}

/// `SIL-7F3K`: from matchers and the time of asking.
pub(crate) fn silence_id(
    matchers: &[Matcher],
    made: Time,
    taken: impl Fn(&SilenceId) -> bool,
) -> SilenceId {
    let free = |digits: &str| {
        let id = SilenceId(format!("SIL-{digits}"));
        (!taken(&id)).then_some(id)
    };
    let words: Vec<String> = matchers.iter().map(Matcher::words).collect();
    short(&words.join(","), made, free)
}

/// Four digits from what is named and when, and more until `free` takes them.
fn short<T>(text: &str, at: Time, free: impl Fn(&str) -> Option<T>) -> T {
    let (group, opened) = (text, at);
    let mut digits = String::new();
    for round in 0u64.. {
        let mut hash = hash(group, opened, round);
        // Twelve digits of five bits fit into one hash.
        for _ in 0..12 {
            digits.push(char::from(ALPHABET[(hash & 31) as usize]));
            hash >>= 5;
            if digits.len() >= 4
                && let Some(id) = free(&digits)
            {
                return id;
            }
        }
    }
    unreachable!("a longer id is always free")
}

/// `INC-7F3K-1JX0ZC8-opened-oncall-1`. The opening time keeps it unique even when the journal
/// has forgotten an incident of the same id.
pub(crate) fn notification_id(
    incident: &IncidentId,
    opened: Time,
    kind: NotificationKind,
    receiver: &str,
    ordinal: usize,
) -> NotificationId {
    let kind = match kind {
        NotificationKind::Opened => "opened",
        NotificationKind::Changed => "changed",
        NotificationKind::Repeat => "repeat",
        NotificationKind::Escalated => "escalated",
        NotificationKind::Recovered => "recovered",
        NotificationKind::Digest => "digest",
        NotificationKind::Reminder => "reminder",
        NotificationKind::Silence => "silence",
    };
    let opened = base32(opened.millis().max(0) as u64);
    NotificationId(format!("{incident}-{opened}-{kind}-{receiver}-{ordinal}"))
}

fn base32(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(ALPHABET[(number & 31) as usize]));
        number >>= 5;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// FNV-1a, then the finalizer of SplitMix64, because the low bits of FNV alone are weak.
fn hash(group: &str, opened: Time, round: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    eat(&opened.millis().to_le_bytes());
    eat(&round.to_le_bytes());
    eat(group.as_bytes());
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn incident_ids_are_short_stable_and_grow_only_when_taken() {
        let at = Time::from_secs(1_767_600_840);
        let id = incident_id("oncall{service=\"counter\"}", at, |_| false);
        assert_eq!(
            id,
            incident_id("oncall{service=\"counter\"}", at, |_| false)
        );
        let digits = id.0.strip_prefix("INC-").unwrap();
        assert_eq!(digits.len(), 4);
        assert!(digits.bytes().all(|b| ALPHABET.contains(&b)));
        let longer = incident_id("oncall{service=\"counter\"}", at, |taken| *taken == id);
        assert_eq!(longer.0.len(), id.0.len() + 1);
        assert!(longer.0.starts_with(&id.0));

        let mut taken = BTreeSet::new();
        for i in 0..20_000 {
            let id = incident_id(&format!("group {i}"), at, |id| taken.contains(id));
            assert!(taken.insert(id));
        }
        let short = taken.iter().filter(|id| id.0.len() == 8).count();
        assert!(short > 19_600, "{short}");
    }
}
