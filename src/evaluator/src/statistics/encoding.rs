//! A distribution as bytes: compact, versioned, and safe to read from a damaged file.
//!
//! `[version << 4 | kind] [count] [sum f64] [min f64] [max f64, unless all samples are one value]`,
//! then for pairs `[n] n * ([value f64] [count])`, for a sketch `[n] n * ([key - previous key] [count])`.
//! Integers are little-endian base 128. A count that is a whole number is twice that number as an
//! integer, any other is the integer 1 and eight bytes.

use super::sketch::Sketch;
use super::{Distribution, EXACT_VALUES, MAX_BUCKETS, Samples};

const VERSION: u8 = 1;
const EMPTY: u8 = 0;
const SAME: u8 = 1;
const EXACT: u8 = 2;
const SKETCH: u8 = 3;
const UNAVAILABLE: u8 = 4;

impl Distribution {
    /// Appends the distribution as bytes that [`Distribution::decode`] reads.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match &self.samples {
            _ if self.count == 0.0 => EMPTY,
            Samples::Same => SAME,
            Samples::Exact(_) => EXACT,
            Samples::Sketch(_) => SKETCH,
            Samples::Unavailable => UNAVAILABLE,
        };
        out.push(VERSION << 4 | kind);
        if kind == EMPTY {
            return;
        }
        put_count(out, self.count);
        put_f64(out, self.sum);
        put_f64(out, self.min);
        if kind != SAME {
            put_f64(out, self.max);
        }
        match &self.samples {
            Samples::Same | Samples::Unavailable => {}
            Samples::Exact(pairs) => {
                put_integer(out, pairs.len() as u64);
                for (value, count) in pairs {
                    put_f64(out, *value);
                    put_count(out, *count);
                }
            }
            Samples::Sketch(sketch) => {
                let buckets = sketch.buckets();
                put_integer(out, buckets.len() as u64);
                let mut previous = 0;
                for (key, count) in buckets {
                    put_integer(out, u64::from(key - previous));
                    put_count(out, count);
                    previous = key;
                }
            }
        }
    }

    /// Reads what [`Distribution::encode`] wrote, and nothing else: `None` for bytes of another
    /// version, cut short, with a rest, or that no distribution has.
    pub fn decode(bytes: &[u8]) -> Option<Distribution> {
        let mut input = Input(bytes);
        let tag = input.byte()?;
        if tag >> 4 != VERSION {
            return None;
        }
        let kind = tag & 0xf;
        if kind == EMPTY {
            return input.0.is_empty().then(Distribution::new);
        }
        let count = input.count()?;
        let sum = input.f64()?;
        let min = input.f64()?;
        let max = if kind == SAME { min } else { input.f64()? };
        let samples = match kind {
            SAME => Samples::Same,
            UNAVAILABLE => Samples::Unavailable,
            EXACT => {
                let mut pairs: Vec<(f64, f64)> = Vec::new();
                for _ in 0..input.length(EXACT_VALUES)? {
                    let pair = (input.f64()?, input.count()?);
                    if pairs.last().is_some_and(|last| last.0 >= pair.0) {
                        return None;
                    }
                    pairs.push(pair);
                }
                Samples::Exact(pairs)
            }
            SKETCH => {
                let mut buckets = Vec::new();
                let mut key = 0u32;
                for _ in 0..input.length(MAX_BUCKETS)? {
                    key = key.checked_add(input.integer()?.try_into().ok()?)?;
                    buckets.push((key, input.count()?));
                }
                Samples::Sketch(Box::new(Sketch::from_buckets(buckets)?))
            }
            _ => return None,
        };
        let negative = min < 0.0 && !matches!(samples, Samples::Unavailable);
        (input.0.is_empty() && min <= max && !negative).then_some(Distribution {
            count,
            sum,
            min,
            max,
            samples,
        })
    }
}

fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_integer(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_count(out: &mut Vec<u8>, count: f64) {
    // Whole numbers up to here are exact in a float.
    if count.fract() == 0.0 && count < 9e15 {
        put_integer(out, (count as u64) << 1);
    } else {
        put_integer(out, 1);
        put_f64(out, count);
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn f64(&mut self) -> Option<f64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*first)).filter(|v| v.is_finite())
    }

    fn integer(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self, most: usize) -> Option<usize> {
        let length = usize::try_from(self.integer()?).ok()?;
        (1..=most).contains(&length).then_some(length)
    }

    fn count(&mut self) -> Option<f64> {
        let count = match self.integer()? {
            1 => self.f64()?,
            whole if whole & 1 == 0 => (whole >> 1) as f64,
            _ => return None,
        };
        (count > 0.0).then_some(count)
    }
}
