//! What X-Ray takes and what its answers mean.

use std::time::Duration;

use aws_sdk_xray::types::{TraceSummary as SdkSummary, UnprocessedTraceSegment};
use model::{Span, Time};
use ports::traces::TraceSummary;
use ports::{Kind, TraceFilter};
use serde_json::Value;

use crate::from_sdk_time;

/// Documents a `PutTraceSegments`; the batch of AWS's own daemon.
const DOCUMENTS_PER_PUT: usize = 50;
/// The longest document (developer guide).
const BYTES_PER_DOCUMENT: usize = 64 * 1024;
/// X-Ray refuses long time frames; a quarter of a day is within what it takes.
const LONGEST_WINDOW: Duration = Duration::from_secs(6 * 3600);

/// A document that was not stored.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    id: String,
    code: String,
    message: String,
}

/// Documents in batches, and those that X-Ray would not take.
#[derive(Debug, PartialEq)]
pub(super) struct Sorted {
    pub(super) batches: Vec<Vec<String>>,
    pub(super) refused: Vec<Refused>,
}

/// Only documents that can be stored travel, so that one bad document cannot spoil its batch.
pub(super) fn sort_out(documents: Vec<String>) -> Sorted {
    let mut sorted = Sorted {
        batches: Vec::new(),
        refused: Vec::new(),
    };
    for document in documents {
        if let Err(refused) = usable(&document) {
            sorted.refused.push(refused);
            continue;
        }
        match sorted.batches.last_mut() {
            Some(batch) if batch.len() < DOCUMENTS_PER_PUT => batch.push(document),
            _ => sorted.batches.push(vec![document]),
        }
    }
    sorted
}

/// The required fields of the developer guide's segment documents.
fn usable(document: &str) -> Result<(), Refused> {
    let refused = |id: &str, code: &str, message: String| {
        Err(Refused {
            id: id.into(),
            code: code.into(),
            message,
        })
    };
    let value: Value = match serde_json::from_str(document) {
        Ok(value) => value,
        Err(e) => return refused("?", "ParseError", e.to_string()),
    };
    let id = value["id"].as_str().unwrap_or("?");
    if document.len() > BYTES_PER_DOCUMENT {
        return refused(id, "SegmentTooLarge", format!("{} bytes", document.len()));
    }
    let hex = |text: Option<&str>, length: usize| {
        text.is_some_and(|t| t.len() == length && t.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let trace_id = value["trace_id"].as_str().unwrap_or_default();
    let trace_ok = trace_id.strip_prefix("1-").is_some_and(|rest| {
        rest.split_once('-')
            .is_some_and(|(epoch, unique)| hex(Some(epoch), 8) && hex(Some(unique), 24))
    });
    let missing = [
        (
            "name",
            value["name"].as_str().is_some_and(|n| !n.is_empty()),
        ),
        ("id", hex(value["id"].as_str(), 16)),
        ("trace_id", trace_ok),
        ("start_time", value["start_time"].is_number()),
        (
            "end_time",
            value["end_time"].is_number() || value["in_progress"] == Value::Bool(true),
        ),
    ]
    .into_iter()
    .find(|(_, good)| !good);
    match missing {
        Some((field, _)) => refused(id, "MissingOrInvalid", field.into()),
        None => Ok(()),
    }
}

/// A document that X-Ray did not process.
pub(super) fn from_unprocessed(segment: UnprocessedTraceSegment) -> Refused {
    Refused {
        id: segment.id.unwrap_or_else(|| "?".into()),
        code: segment.error_code.unwrap_or_default(),
        message: segment.message.unwrap_or_default(),
    }
}

/// Kind, subject and reason of the error for refused documents. Only where every one of them was
/// throttled can the same call succeed later.
pub(super) fn verdict(refused: &[Refused]) -> Option<(Kind, String, String)> {
    if refused.is_empty() {
        return None;
    }
    let throttled = refused
        .iter()
        .all(|r| r.code.to_ascii_lowercase().contains("throttl"));
    let ids: Vec<&str> = refused.iter().take(5).map(|r| r.id.as_str()).collect();
    let more = match refused.len() - ids.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let why: Vec<String> = refused
        .iter()
        .take(5)
        .map(|r| format!("{}: {} {}", r.id, r.code, r.message))
        .collect();
    Some((
        if throttled {
            Kind::Throttled
        } else {
            Kind::Invalid
        },
        format!("{}{more}", ids.join(", ")),
        why.join("; "),
    ))
}

/// The span in stretches that X-Ray takes, newest first. They begin on whole seconds, since that is
/// all that a trace id says of its start.
pub(super) fn windows(span: Span) -> impl Iterator<Item = Span> {
    let first = span.start.floor_to(Duration::from_secs(1));
    let mut end = span.end;
    std::iter::from_fn(move || {
        if end <= span.start {
            return None;
        }
        let start = first.max((end - LONGEST_WINDOW).floor_to(Duration::from_secs(1)));
        let window = Span::new(start, end);
        end = start;
        Some(window)
    })
}

/// The filter in X-Ray's expression language.
pub(super) fn to_expression(filter: &TraceFilter) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(service) = &filter.service {
        let quoted = service.replace('\\', "\\\\").replace('"', "\\\"");
        parts.push(format!("service(\"{quoted}\")"));
    }
    if filter.failed {
        parts.push("(fault OR error OR throttle)".into());
    }
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

/// What a listing is about, for an error.
pub(super) fn subject(filter: &TraceFilter) -> String {
    filter.service.clone().unwrap_or_else(|| "all".into())
}

/// A listed trace; one without an id is nothing.
pub(super) fn from_summary(summary: SdkSummary) -> Option<TraceSummary> {
    let id = summary.id?;
    let http = summary.http;
    let request = http.as_ref().and_then(|h| {
        let url = h.http_url.as_deref()?;
        Some(match h.http_method.as_deref() {
            Some(method) => format!("{method} {url}"),
            None => url.to_owned(),
        })
    });
    let name = summary
        .entry_point
        .and_then(|e| e.name)
        .or_else(|| summary.service_ids?.into_iter().find_map(|s| s.name));
    Some(TraceSummary {
        start: match &summary.start_time {
            Some(time) => from_sdk_time(time),
            None => epoch_of(&id).unwrap_or(Time::EPOCH),
        },
        duration: summary
            .duration
            .filter(|_| !summary.is_partial.unwrap_or(false)),
        name: name.unwrap_or_default(),
        request,
        status: http
            .and_then(|h| h.http_status)
            .and_then(|s| u16::try_from(s).ok()),
        fault: summary.has_fault.unwrap_or(false),
        error: summary.has_error.unwrap_or(false),
        throttle: summary.has_throttle.unwrap_or(false),
        id,
    })
}

/// The second in a trace id: `1-8hex-24hex`.
fn epoch_of(id: &str) -> Option<Time> {
    let hex = id.strip_prefix("1-")?.get(..8)?;
    i64::from_str_radix(hex, 16).ok().map(Time::from_secs)
}

/// Orders a trace's documents by their start; equal starts keep a parent before its children as
/// X-Ray sent them.
pub(super) fn sort_by_start(documents: &mut [Value]) {
    documents.sort_by(|a, b| {
        let start = |d: &Value| d["start_time"].as_f64().unwrap_or(f64::MAX);
        start(a).total_cmp(&start(b))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_xray::primitives::DateTime;
    use aws_sdk_xray::types::{Http, ServiceId};

    const ID: &str = "1-67891233-abcdef012345678912345678";

    fn document(id: &str) -> String {
        format!(
            r#"{{"name":"counter","id":"{id}","trace_id":"{ID}","start_time":1.0,"end_time":1.5}}"#
        )
    }

    #[test]
    fn documents_travel_fifty_at_a_time_and_unusable_ones_do_not_travel() {
        let good: Vec<String> = (0..51).map(|i| document(&format!("{i:016x}"))).collect();
        let mut all = good.clone();
        all.insert(3, "not json".into());
        all.push(document("short"));
        let sorted = sort_out(all);
        let sizes: Vec<usize> = sorted.batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [50, 1]);
        assert_eq!(sorted.batches.concat(), good);
        let (kind, subject, why) = verdict(&sorted.refused).unwrap();
        assert_eq!((kind, subject.as_str()), (Kind::Invalid, "?, short"));
        assert!(why.contains("short: MissingOrInvalid id"), "{why}");
    }

    #[test]
    fn each_required_field_is_required() {
        let check = |change: fn(&mut Value), expect: Option<&str>| {
            let mut value: Value = serde_json::from_str(&document("00000000000000ab")).unwrap();
            change(&mut value);
            let found = usable(&value.to_string()).err().map(|r| r.message);
            assert_eq!(found.as_deref(), expect);
        };
        check(|_| {}, None);
        check(|v| v["name"] = "".into(), Some("name"));
        check(|v| v["id"] = "00000000000000zz".into(), Some("id"));
        check(|v| v["trace_id"] = "67891233".into(), Some("trace_id"));
        check(|v| v["start_time"] = "1".into(), Some("start_time"));
        check(|v| v["end_time"] = Value::Null, Some("end_time"));
        check(
            |v| {
                v["end_time"] = Value::Null;
                v["in_progress"] = true.into();
            },
            None,
        );
        let large = format!("{}{}", document("00000000000000ab"), " ".repeat(65_536));
        assert_eq!(usable(&large).unwrap_err().code, "SegmentTooLarge");
    }

    #[test]
    fn only_documents_that_were_all_throttled_are_worth_another_try() {
        let check = |codes: &[&str], expect: Option<Kind>| {
            let refused: Vec<Refused> = codes
                .iter()
                .map(|code| {
                    from_unprocessed(
                        UnprocessedTraceSegment::builder()
                            .id("ab")
                            .error_code(*code)
                            .build(),
                    )
                })
                .collect();
            assert_eq!(verdict(&refused).map(|v| v.0), expect);
        };
        check(&[], None);
        check(&["ThrottledException"], Some(Kind::Throttled));
        check(&["Throttling", "InvalidSegment"], Some(Kind::Invalid));
        check(&["InvalidSegment"], Some(Kind::Invalid));
        let many: Vec<Refused> = (0..7)
            .map(|i| Refused {
                id: i.to_string(),
                code: String::new(),
                message: String::new(),
            })
            .collect();
        assert_eq!(verdict(&many).unwrap().1, "0, 1, 2, 3, 4 and 2 more");
    }

    #[test]
    fn a_long_span_is_asked_for_in_windows_newest_first() {
        let check = |hours: i64, lengths: &[u64]| {
            let span = Span::new(Time::from_secs(0), Time::from_secs(hours * 3600));
            let windows: Vec<Span> = windows(span).collect();
            let found: Vec<u64> = windows
                .iter()
                .map(|w| w.length().as_secs() / 3600)
                .collect();
            assert_eq!(found, lengths);
            assert!(windows.windows(2).all(|w| w[0].start == w[1].end));
        };
        check(0, &[]);
        check(-1, &[]);
        check(1, &[1]);
        check(6, &[6]);
        check(14, &[6, 6, 2]);

        let odd = Span::new(Time::from_millis(1_700), Time::from_millis(2_300));
        let windows: Vec<Span> = windows(odd).collect();
        assert_eq!(
            windows,
            [Span::new(Time::from_secs(1), Time::from_millis(2_300))]
        );
    }

    #[test]
    fn filters_are_written_in_x_rays_language() {
        let check = |service: Option<&str>, failed: bool, expect: Option<&str>| {
            let filter = TraceFilter {
                span: Span::new(Time::EPOCH, Time::EPOCH),
                failed,
                service: service.map(str::to_owned),
                limit: 1,
            };
            assert_eq!(to_expression(&filter).as_deref(), expect);
        };
        check(None, false, None);
        check(None, true, Some("(fault OR error OR throttle)"));
        check(
            Some("a"),
            true,
            Some(r#"service("a") AND (fault OR error OR throttle)"#),
        );
        check(Some(r#"a"\"#), false, Some(r#"service("a\"\\")"#));
    }

    #[test]
    fn a_summary_keeps_what_a_list_shows() {
        let full = SdkSummary::builder()
            .id(ID)
            .start_time(DateTime::from_millis(1_736_970_000_250))
            .duration(0.5)
            .has_fault(true)
            .http(
                Http::builder()
                    .http_method("GET")
                    .http_url("http://x/count")
                    .http_status(500)
                    .build(),
            )
            .entry_point(ServiceId::builder().name("demo-counter-api").build())
            .build();
        assert_eq!(
            from_summary(full).unwrap(),
            TraceSummary {
                id: ID.into(),
                start: Time::from_millis(1_736_970_000_250),
                duration: Some(0.5),
                name: "demo-counter-api".into(),
                request: Some("GET http://x/count".into()),
                status: Some(500),
                fault: true,
                error: false,
                throttle: false,
            }
        );
        let bare = SdkSummary::builder()
            .id(ID)
            .duration(0.5)
            .is_partial(true)
            .build();
        let bare = from_summary(bare).unwrap();
        assert_eq!(bare.start, Time::from_secs(0x6789_1233));
        assert_eq!(
            (bare.duration, bare.request, bare.status),
            (None, None, None)
        );
        assert_eq!(from_summary(SdkSummary::builder().build()), None);
    }
}
