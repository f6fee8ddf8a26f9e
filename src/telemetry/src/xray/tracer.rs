//! The tracer: OpenTelemetry's traits over documents under way.
//!
//! It takes the place of the SDK's tracer, processor and exporter: a span is written as soon as it
//! ends, into the document that it belongs to, and nothing waits in a queue.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use model::Time;
use opentelemetry::trace::{
    Event, Span, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceState,
};
use opentelemetry::{Context, KeyValue, SpanId, TraceFlags, Value};

use super::SegmentSink;
use super::convert::{Finished, SEGMENT, convert};
use super::ids::{SegmentId, TraceId, random_u64};
use super::parts::{Head, Parts, Slot};
use super::record::{Kind, Micros};
use super::sampling::{Sampler, Sampling};
use crate::Now;
use crate::scope::{Ending, Scope};

/// The flag of a remote parent that leaves the decision to us (`Sampled=?`).
pub(crate) const UNDECIDED: TraceFlags = TraceFlags::new(0b10);

/// Makes spans that end as X-Ray segment documents.
///
/// It lives as long as its process: a count of references would be the one thing that all spans
/// of all threads write to.
#[derive(Clone, Copy)]
pub struct Tracer(&'static Shared);

struct Shared {
    parts: Parts,
    sampler: Sampler,
    annotate: Vec<String>,
    version: Option<String>,
    now: Option<Now>,
}

/// The settings of a [`Tracer`].
#[derive(Default)]
pub(crate) struct Settings {
    pub sampling: Sampling,
    pub annotate: Vec<String>,
    pub version: Option<String>,
    pub now: Option<Now>,
}

/// A span on its way to a document.
pub struct TraceSpan {
    context: SpanContext,
    recording: Option<Recording>,
}

struct Recording {
    tracer: Tracer,
    slot: Slot,
    /// The first of its document.
    root: Option<Kind>,
    parent: Option<SegmentId>,
    kind: SpanKind,
    name: Cow<'static, str>,
    start: SystemTime,
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
    status: Status,
}

/// Where a span that starts belongs.
enum Start {
    /// Into the document of a span of this process.
    Below { trace: TraceId, parent: SegmentId },
    /// Into a document of its own.
    Root {
        trace: TraceId,
        parent: Option<SegmentId>,
        segment: bool,
    },
    /// Nowhere; the context goes on to its children.
    Unrecorded(SpanContext),
}

impl Tracer {
    pub(crate) fn new(sink: Arc<dyn SegmentSink>, settings: Settings) -> Tracer {
        let Settings {
            sampling,
            annotate,
            version,
            now,
        } = settings;
        Tracer(Box::leak(Box::new(Shared {
            parts: Parts::new(sink),
            sampler: Sampler::new(sampling),
            annotate,
            version,
            now,
        })))
    }

    /// Segments that were given up because too many were under way at once.
    pub fn dropped(&self) -> u64 {
        self.0.parts.dropped()
    }

    fn start(&self, own_segment: bool, parent: &SpanContext, at: SystemTime) -> Start {
        let sample = || {
            let chance = (random_u64() >> 11) as f64 / (1u64 << 53) as f64;
            self.0.sampler.decide(self.time(at), chance)
        };
        let ids = || {
            let trace = TraceId::from_bits(u128::from_be_bytes(parent.trace_id().to_bytes()))?;
            Some((
                trace,
                SegmentId::from_bits(u64::from_be_bytes(parent.span_id().to_bytes()))?,
            ))
        };
        if let Some((trace, caller)) = ids() {
            let undecided = parent.is_remote() && parent.trace_flags() == UNDECIDED;
            return if !(parent.is_sampled() || undecided && sample()) {
                Start::Unrecorded(context(trace, caller, TraceFlags::NOT_SAMPLED))
            } else if parent.is_remote() || own_segment {
                Start::Root {
                    trace,
                    parent: Some(caller).filter(|&c| c != SegmentId::NOBODY),
                    segment: own_segment,
                }
            } else {
                Start::Below {
                    trace,
                    parent: caller,
                }
            };
        }
        match Scope::current() {
            Some(Scope {
                trace,
                parent,
                sampled: true,
                server,
            }) => Start::Root {
                trace,
                parent,
                segment: own_segment || server,
            },
            Some(_) => Start::Unrecorded(SpanContext::NONE),
            // Spans of work that nobody asked for make no traces, unless they say so.
            None if own_segment => {
                let trace = TraceId::generate(self.time(at));
                if sample() {
                    Start::Root {
                        trace,
                        parent: None,
                        segment: true,
                    }
                } else {
                    let id = SegmentId::generate();
                    Start::Unrecorded(context(trace, id, TraceFlags::NOT_SAMPLED))
                }
            }
            None => Start::Unrecorded(SpanContext::NONE),
        }
    }

    fn time(&self, at: SystemTime) -> Time {
        match &self.0.now {
            Some(now) => now(),
            None => Time::from_millis((micros(at) / 1000) as i64),
        }
    }

    /// How far this process's clock is from the system's.
    fn shift(&self, at: SystemTime) -> i64 {
        self.0
            .now
            .as_ref()
            .map_or(0, |now| now().millis() * 1000 - micros(at) as i64)
    }
}

impl opentelemetry::trace::Tracer for Tracer {
    type Span = TraceSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent_cx: &Context) -> TraceSpan {
        let start = builder.start_time.unwrap_or_else(SystemTime::now);
        let kind = builder.span_kind.unwrap_or(SpanKind::Internal);
        let attributes = builder.attributes.unwrap_or_default();
        let says = |a: &KeyValue| a.key.as_str() == SEGMENT && a.value == Value::Bool(true);
        let own_segment = kind == SpanKind::Server || attributes.iter().any(says);
        let (trace, parent, place, root) =
            match self.start(own_segment, parent_cx.span().span_context(), start) {
                Start::Unrecorded(context) => {
                    return TraceSpan {
                        context,
                        recording: None,
                    };
                }
                Start::Below { trace, parent } => {
                    let slot = Slot::of(parent);
                    (trace, Some(parent), Some((slot, slot.new_id())), None)
                }
                Start::Root {
                    trace,
                    parent,
                    segment,
                } => {
                    let kind = if segment || parent.is_none() {
                        Kind::Segment
                    } else {
                        Kind::Subsegment
                    };
                    (
                        trace,
                        parent,
                        self.0.parts.open(trace, self.shift(start)),
                        Some(kind),
                    )
                }
            };
        let Some((slot, id)) = place else {
            let context = context(trace, SegmentId::generate(), TraceFlags::NOT_SAMPLED);
            return TraceSpan {
                context,
                recording: None,
            };
        };
        TraceSpan {
            context: context(trace, id, TraceFlags::SAMPLED),
            recording: Some(Recording {
                tracer: *self,
                slot,
                root,
                parent,
                kind,
                name: builder.name,
                start,
                attributes,
                events: builder.events.unwrap_or_default(),
                status: Status::Unset,
            }),
        }
    }
}

impl Recording {
    fn finish(&self, context: &SpanContext, end: SystemTime) {
        let trace = TraceId(u128::from_be_bytes(context.trace_id().to_bytes()));
        let id = SegmentId(u64::from_be_bytes(context.span_id().to_bytes()));
        let Shared {
            parts,
            annotate,
            version,
            now,
            ..
        } = self.tracer.0;
        let shift = if now.is_some() {
            parts.shift(self.slot)
        } else {
            0
        };
        let moved = |at: SystemTime| Micros(micros(at).saturating_add_signed(shift));
        let kind = self.root.unwrap_or(Kind::Subsegment);
        let head = Head {
            trace,
            parent: self.parent,
            kind,
        };
        let request = Ending::take(trace, &self.name);
        let finished = Finished {
            id,
            kind,
            span_kind: &self.kind,
            name: &self.name,
            start: moved(self.start),
            end: moved(end),
            attributes: &self.attributes,
            events: &self.events,
            status: &self.status,
            annotate,
            version: version.as_deref(),
            request: request.as_ref(),
        };
        convert(&finished, |segment| match self.root {
            Some(_) => parts.close(self.slot, head, segment),
            None => parts.add(self.slot, head, id, |out| segment.write_members(out)),
        });
    }
}

impl Span for TraceSpan {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        if let Some(recording) = &mut self.recording {
            recording
                .events
                .push(Event::new(name, timestamp, attributes, 0));
        }
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(recording) = &mut self.recording {
            match recording
                .attributes
                .iter_mut()
                .find(|a| a.key == attribute.key)
            {
                Some(former) => *former = attribute,
                None => recording.attributes.push(attribute),
            }
        }
    }

    /// `Ok` is final, and `Unset` never takes anything back (OpenTelemetry's specification).
    fn set_status(&mut self, status: Status) {
        if let Some(recording) = &mut self.recording
            && status > recording.status
        {
            recording.status = status;
        }
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(recording) = &mut self.recording {
            recording.name = new_name.into();
        }
    }

    /// X-Ray has no links.
    fn add_link(&mut self, _context: SpanContext, _attributes: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(recording) = &self.recording {
            recording.finish(&self.context, timestamp);
            self.recording = None;
        }
    }
}

impl Drop for TraceSpan {
    fn drop(&mut self) {
        if self.recording.is_some() {
            self.end();
        }
    }
}

pub(crate) fn context(trace: TraceId, id: SegmentId, flags: TraceFlags) -> SpanContext {
    let trace = opentelemetry::TraceId::from_bytes(trace.0.to_be_bytes());
    let id = SpanId::from_bytes(id.0.to_be_bytes());
    SpanContext::new(trace, id, flags, false, TraceState::NONE)
}

fn micros(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros() as u64
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Tracer as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::Memory;

    fn tracer() -> (Tracer, Arc<Memory>) {
        let memory = Arc::new(Memory::default());
        (
            Tracer::new(
                memory.clone(),
                Settings {
                    sampling: Sampling::Always,
                    ..Settings::default()
                },
            ),
            memory,
        )
    }

    fn root(tracer: &Tracer) -> Context {
        let builder = tracer.span_builder("root").with_kind(SpanKind::Server);
        Context::new().with_span(builder.start_with_context(tracer, &Context::new()))
    }

    fn below(tracer: &Tracer, name: &'static str, parent: &Context) -> Context {
        parent.with_span(tracer.span_builder(name).start_with_context(tracer, parent))
    }

    fn shapes(memory: &Memory) -> Vec<Value> {
        fn shape(segment: &Value) -> Value {
            let parts: Vec<Value> = segment["subsegments"]
                .as_array()
                .into_iter()
                .flatten()
                .map(shape)
                .collect();
            json!([segment["name"], parts])
        }
        let documents = memory.take_segments();
        documents
            .iter()
            .map(|d| serde_json::from_str::<Value>(d).unwrap())
            .map(|d| json!([d["type"], shape(&d)]))
            .collect()
    }

    #[test]
    fn a_part_that_outlives_its_document_is_sent_alone() {
        let (tracer, memory) = tracer();
        let root = root(&tracer);
        let late = below(&tracer, "late", &root);
        below(&tracer, "early part", &late).span().end();
        root.span().end();
        assert_eq!(
            shapes(&memory),
            [
                json!([null, ["root", []]]),
                json!(["subsegment", ["early part", []]]),
            ]
        );
        below(&tracer, "late part", &late).span().end();
        late.span().end();
        below(&tracer, "after all", &root).span().end();
        assert_eq!(
            shapes(&memory),
            [
                json!(["subsegment", ["late part", []]]),
                json!(["subsegment", ["late", []]]),
                json!(["subsegment", ["after all", []]]),
            ]
        );
    }

    #[test]
    fn a_slot_that_is_used_again_does_not_take_the_parts_of_its_former_document() {
        let (tracer, memory) = tracer();
        let first = root(&tracer);
        let late = below(&tracer, "late", &first);
        first.span().end();
        let second = root(&tracer);
        let (a, b) = (
            first.span().span_context().span_id(),
            second.span().span_context().span_id(),
        );
        assert_eq!(a.to_bytes()[7], b.to_bytes()[7], "the slot is the same");
        late.span().end();
        second.span().end();
        assert_eq!(
            shapes(&memory),
            [
                json!([null, ["root", []]]),
                json!(["subsegment", ["late", []]]),
                json!([null, ["root", []]]),
            ]
        );
    }

    #[test]
    fn documents_under_way_are_bounded_and_what_is_beyond_is_counted() {
        let (tracer, memory) = tracer();
        let many: Vec<Context> = (0..(1 << 14) + 3).map(|_| root(&tracer)).collect();
        assert_eq!(tracer.dropped(), 3);
        drop(many);
        assert_eq!(
            memory.take_segments().len(),
            1 << 14,
            "a span that is dropped has ended"
        );
        root(&tracer).span().end();
        assert_eq!(shapes(&memory).len(), 1);
    }

    #[test]
    fn a_span_changes_until_it_ends() {
        let (tracer, memory) = tracer();
        let context = root(&tracer);
        let span = context.span();
        span.set_attribute(KeyValue::new("a", 1));
        span.set_attribute(KeyValue::new("a", 2));
        span.set_status(Status::error("broken"));
        span.set_status(Status::Unset);
        span.update_name("renamed");
        span.end();
        span.set_attribute(KeyValue::new("b", 1));
        span.end();
        let documents = memory.take_segments();
        assert_eq!(documents.len(), 1);
        let document: Value = serde_json::from_str(&documents[0]).unwrap();
        assert_eq!(document["name"], "renamed");
        assert_eq!(document["fault"], true);
        assert_eq!(document["cause"]["exceptions"][0]["message"], "broken");
        assert_eq!(document["metadata"]["default"], json!({ "a": 2 }));
    }
}
