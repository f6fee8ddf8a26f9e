//! The `X-Amzn-Trace-Id` header.

use std::fmt;

use super::ids::{SegmentId, TraceId, ascii};

/// The header's name, in the lower case of HTTP/2.
pub const TRACE_HEADER: &str = "x-amzn-trace-id";

/// Whether a trace is recorded, as far as the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decision {
    /// `Sampled=1`.
    Sampled,
    /// `Sampled=0`.
    NotSampled,
    /// `Sampled=?`, or nothing: whoever reads it decides.
    #[default]
    Undecided,
}

/// What a trace header says: `Root=1-…;Parent=…;Sampled=1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceHeader {
    /// `Root`: the trace.
    pub trace: TraceId,
    /// `Parent`: the segment or subsegment that calls.
    pub parent: Option<SegmentId>,
    /// `Sampled`.
    pub decision: Decision,
}

impl TraceHeader {
    /// Reads a header. Fields may come in any order; `Self` and `Lineage`, which load balancers
    /// and Lambda add, and unknown ones are passed over. `None` without a usable `Root`; a
    /// `Parent` that is no segment id counts as none.
    pub fn parse(text: &str) -> Option<TraceHeader> {
        let (mut trace, mut parent, mut decision) = (None, None, Decision::Undecided);
        for field in text.split(';') {
            let Some((name, value)) = field.trim().split_once('=') else {
                continue;
            };
            match name {
                "Root" => trace = value.parse().ok(),
                "Parent" => parent = value.parse().ok(),
                "Sampled" => {
                    decision = match value {
                        "1" => Decision::Sampled,
                        "0" => Decision::NotSampled,
                        _ => Decision::Undecided,
                    }
                }
                _ => {}
            }
        }
        Some(TraceHeader {
            trace: trace?,
            parent,
            decision,
        })
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root=")?;
        f.write_str(ascii(&self.trace.text()))?;
        if let Some(parent) = self.parent {
            f.write_str(";Parent=")?;
            f.write_str(ascii(&parent.text()))?;
        }
        f.write_str(match self.decision {
            Decision::Sampled => ";Sampled=1",
            Decision::NotSampled => ";Sampled=0",
            Decision::Undecided => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_x_ray_writes_it() {
        let check = |text: &str, expect: Option<&str>| {
            let read = TraceHeader::parse(text).map(|h| h.to_string());
            assert_eq!(read.as_deref(), expect, "{text}");
        };
        let whole = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        check(whole, Some(whole));
        check(
            "Sampled=0;Root=1-5759e988-bd862e3fe1be46a994272793",
            Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"),
        );
        check(
            "Self=1-67891234-12456789abcdef012345678; Root=1-67891233-abcdef012345678912345678;Lineage=a87bd80c:1;Sampled=?",
            Some("Root=1-67891233-abcdef012345678912345678"),
        );
        check(
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=nonsense",
            Some("Root=1-5759e988-bd862e3fe1be46a994272793"),
        );
        for unusable in [
            "",
            "Root=",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000",
            "Root=1-5759e98é-bd862e3fe1be46a99427279",
            "Parent=53995c3f42cd8ad8",
            "root=1-5759e988-bd862e3fe1be46a994272793",
        ] {
            check(unusable, None);
        }
    }
}
