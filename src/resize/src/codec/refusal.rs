//! Why a file is not accepted: the caller's fault, told so that they can mend it.

use std::fmt;

use super::Format;

/// Why a file is not accepted. Nothing of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No bytes.
    Empty,
    /// More bytes than are taken.
    TooManyBytes {
        /// At most so many.
        limit: u64,
    },
    /// The content is none of the formats, whatever its name says.
    UnknownFormat,
    /// A format that is read, in a way that is not: the words say which.
    Unsupported(Format, &'static str),
    /// A side is too long.
    SideTooLong {
        /// Pixels, as stored.
        width: u32,
        /// Pixels, as stored.
        height: u32,
        /// At most so many.
        limit: u32,
    },
    /// Too many pixels.
    TooManyPixels {
        /// Pixels, as stored.
        width: u32,
        /// Pixels, as stored.
        height: u32,
        /// At most so many in all.
        limit: u64,
    },
    /// Decoding would take too much memory.
    TooMuchMemory {
        /// Bytes.
        needed: u64,
        /// At most so many.
        limit: u64,
    },
    /// The file ends before the picture does.
    Truncated,
    /// The file contradicts itself: the words say how.
    Broken(&'static str),
}

impl Refusal {
    /// All reasons, as metrics and answers name them.
    pub const REASONS: [&'static str; 9] = [
        "empty",
        "too-many-bytes",
        "unknown-format",
        "unsupported",
        "side-too-long",
        "too-many-pixels",
        "too-much-memory",
        "truncated",
        "broken",
    ];

    /// One word for it: few values, for metrics and programs.
    pub fn reason(&self) -> &'static str {
        let [
            empty,
            bytes,
            unknown,
            unsupported,
            side,
            pixels,
            memory,
            truncated,
            broken,
        ] = Refusal::REASONS;
        match self {
            Refusal::Empty => empty,
            Refusal::TooManyBytes { .. } => bytes,
            Refusal::UnknownFormat => unknown,
            Refusal::Unsupported(..) => unsupported,
            Refusal::SideTooLong { .. } => side,
            Refusal::TooManyPixels { .. } => pixels,
            Refusal::TooMuchMemory { .. } => memory,
            Refusal::Truncated => truncated,
            Refusal::Broken(_) => broken,
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
        match self {
            Refusal::Empty => f.write_str("the file is empty"),
            Refusal::TooManyBytes { limit } => {
                write!(f, "the file is larger than {} MiB", megabytes(*limit))
            }
            Refusal::UnknownFormat => {
                f.write_str("the content is no JPEG, PNG, WebP or GIF picture")
            }
            Refusal::Unsupported(format, how) => {
                write!(
                    f,
                    "the {} picture uses {how}, which is not read here; save it without",
                    match format {
                        Format::Jpeg => "JPEG",
                        Format::Png => "PNG",
                        Format::Webp => "WebP",
                        Format::Gif => "GIF",
                    }
                )
            }
            Refusal::SideTooLong {
                width,
                height,
                limit,
            } => write!(
                f,
                "the picture is {width} x {height} pixels; a side may have at most {limit}"
            ),
            Refusal::TooManyPixels {
                width,
                height,
                limit,
            } => write!(
                f,
                "the picture is {width} x {height} pixels; at most {} million are taken",
                limit / 1_000_000
            ),
            Refusal::TooMuchMemory { needed, limit } => write!(
                f,
                "decoding the picture would take {} MiB of memory; at most {} are given",
                megabytes(*needed),
                megabytes(*limit)
            ),
            Refusal::Truncated => {
                f.write_str("the file ends before the picture does; it was cut off on its way")
            }
            Refusal::Broken(how) => write!(f, "the picture is broken: {how}"),
        }
    }
}
