//! X-Ray's ids and randomness for them.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use model::Time;

/// The two digits of every byte.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// A trace: `1-8hex-24hex`, the first eight being the second it began. The same 128 bits are an
/// OpenTelemetry trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub(crate) u128);

/// A segment or subsegment: 16 hex digits, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentId(pub(crate) u64);

impl TraceId {
    /// From its 128 bits; `None` for 0.
    pub fn from_bits(bits: u128) -> Option<TraceId> {
        (bits != 0).then_some(TraceId(bits))
    }

    /// Its 128 bits: 32 of epoch seconds, 96 random ones.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// A new trace that begins now.
    pub fn generate(now: Time) -> TraceId {
        let seconds = now.secs().clamp(1, i64::from(u32::MAX)) as u128;
        TraceId((seconds << 96) | (u128::from(random_u64()) << 32 | u128::from(random_u64() >> 32)))
    }

    /// The 35 characters of X-Ray's form.
    pub fn text(self) -> [u8; 35] {
        let mut text = [b'-'; 35];
        text[0] = b'1';
        let digits: [u8; 32] = hex(self.0.to_be_bytes());
        text[2..10].copy_from_slice(&digits[..8]);
        text[11..].copy_from_slice(&digits[8..]);
        text
    }
}

impl SegmentId {
    /// Stands for a caller that named no segment; never generated, never written.
    pub(crate) const NOBODY: SegmentId = SegmentId(u64::MAX);

    /// A new one.
    pub fn generate() -> SegmentId {
        SegmentId(random_u64().clamp(1, u64::MAX - 1))
    }

    /// From its 64 bits; `None` for 0.
    pub fn from_bits(bits: u64) -> Option<SegmentId> {
        (bits != 0).then_some(SegmentId(bits))
    }

    /// Its 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The 16 hex digits.
    pub fn text(self) -> [u8; 16] {
        hex(self.0.to_be_bytes())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ascii(&self.text()))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ascii(&self.text()))
    }
}

impl FromStr for TraceId {
    type Err = String;

    fn from_str(text: &str) -> Result<TraceId, String> {
        let parse = || {
            let (epoch, rest) = text.strip_prefix("1-")?.split_once('-')?;
            TraceId::from_bits((parse_hex(epoch, 8)? << 96) | parse_hex(rest, 24)?)
        };
        parse().ok_or_else(|| format!("`{text}` is not a trace id; expected 1-8hex-24hex"))
    }
}

impl FromStr for SegmentId {
    type Err = String;

    fn from_str(text: &str) -> Result<SegmentId, String> {
        parse_hex(text, 16)
            .and_then(|bits| SegmentId::from_bits(bits as u64))
            .ok_or_else(|| format!("`{text}` is not a segment id; expected 16 hex digits"))
    }
}

fn parse_hex(text: &str, digits: usize) -> Option<u128> {
    let ok = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    ok.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// Two digits a byte.
fn hex<const N: usize, const M: usize>(bytes: [u8; N]) -> [u8; M] {
    let mut digits = [0; M];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
    digits
}

pub(crate) fn ascii(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// 64 random bits of this thread's generator, for ids and sampling. Nothing here is a secret, so
/// the system's randomness seeds it once: a system call per id would cost more than all the rest.
pub(crate) fn random_u64() -> u64 {
    thread_local! {
        static STATE: Cell<[u64; 4]> = Cell::new(seed());
    }
    let mut s = STATE.get();
    // xoshiro256++ by Blackman and Vigna.
    let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
    let t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3].rotate_left(45);
    STATE.set(s);
    result
}

fn seed() -> [u64; 4] {
    let mut bytes = [0; 32];
    let filled = getrandom::fill(&mut bytes);
    let mut words = bytes
        .chunks_exact(8)
        .map(|word| word.iter().fold(0, |n, &b| n << 8 | u64::from(b)));
    let mut state = std::array::from_fn(|_| words.next().unwrap_or_default());
    // Should the system's randomness fail, ids still have to differ; and zeros would stay zeros.
    if filled.is_err() || state == [0; 4] {
        use std::hash::{BuildHasher, RandomState};
        state = std::array::from_fn(|i| {
            RandomState::new().hash_one((i, std::time::SystemTime::now())) | 1
        });
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_x_rays_form() {
        let id: TraceId = "1-5759e988-bd862e3fe1be46a994272793".parse().unwrap();
        assert_eq!(id.bits(), 0x5759e988bd862e3fe1be46a994272793);
        assert_eq!(id.to_string(), "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(
            "00f067aa0ba902b7".parse::<SegmentId>().unwrap().to_string(),
            "00f067aa0ba902b7"
        );
        for wrong in [
            "",
            "0000000000000000",
            "00f067aa0ba902b",
            "+0f067aa0ba902b7",
        ] {
            assert!(wrong.parse::<SegmentId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_new_trace_begins_with_its_second_and_differs() {
        let now = Time::from_secs(0x5759_e988);
        let ids: std::collections::HashSet<_> =
            (0..10_000).map(|_| TraceId::generate(now)).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(
            ids.iter()
                .all(|id| id.to_string().starts_with("1-5759e988-"))
        );
    }
}
