//! Ids and tokens out of time and randomness, both of which are handed in.

use model::Time;

/// A UUID of version 7 (RFC 9562): later ones sort later, by the millisecond, and 74 random bits
/// cannot be guessed.
pub fn sortable(now: Time, random: [u8; 10]) -> String {
    use std::fmt::Write;
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&(now.millis().max(0) as u64).to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// When a sortable id was made.
pub fn made(id: &str) -> Option<Time> {
    let millis = id.get(..8)?.to_string() + id.get(9..13)?;
    let millis = u64::from_str_radix(&millis, 16).ok()?;
    i64::try_from(millis).ok().map(Time::from_millis)
}

/// What a link carries: 192 random bits.
pub fn token(random: [u8; 24]) -> String {
    use std::fmt::Write;
    random.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_sort_by_time_are_uuids_and_differ_by_their_randomness(
            a in 0i64..281_474_976_710_655, b in 0i64..281_474_976_710_655,
            r in any::<[u8; 10]>(), s in any::<[u8; 10]>(),
        ) {
            let (x, y) = (sortable(Time::from_millis(a), r), sortable(Time::from_millis(b), s));
            prop_assert_eq!(made(&x), Some(Time::from_millis(a)));
            if a != b {
                prop_assert_eq!(a < b, x < y);
            }
            prop_assert_eq!(x.len(), 36);
            prop_assert_eq!(&x[14..15], "7");
            prop_assert!(matches!(&x[19..20], "8" | "9" | "a" | "b"));
            // 74 of the 80 bits count.
            let mut same = s;
            same[0] ^= 0x01;
            prop_assert_ne!(sortable(Time::from_millis(b), same), y);
        }
    }

    #[test]
    fn what_is_no_id_was_made_never() {
        for text in [
            "",
            "x",
            "0192",
            "zzzzzzzz-zzzz-7000-8000-000000000000",
            "€€€€€€",
        ] {
            assert_eq!(made(text), None, "{text}");
        }
        assert_eq!(token([0xab; 24]).len(), 48);
    }
}
