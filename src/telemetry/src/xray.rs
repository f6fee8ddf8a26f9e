//! OpenTelemetry spans as X-Ray segment documents.
//!
//! Spans are made with `tracing` and come through `tracing-opentelemetry` to our [`Tracer`], which
//! nests them into one document for each segment. A span is a segment when its kind is `server`
//! (`otel.kind = "server"`), when it says `xray.segment = true`, or when nobody called it;
//! otherwise it is a subsegment of its parent. Spans outside of any request (the daemon's own
//! work) make no documents unless they are segments by that rule.
//!
//! Fields that documents know, beside OpenTelemetry's semantic conventions: `xray.segment`,
//! `xray.origin`, `aws.operation`, `aws.table_name`, `aws.queue_url`, `aws.region`,
//! `aws.account_id`, `aws.request_id`, `aws.log.group.names`, `aws.xray.annotations` (keys of
//! fields that become annotations) and `aws.xray.metadata.<namespace>` (JSON).

mod convert;
mod daemon;
mod header;
mod ids;
mod parts;
pub mod record;
mod sampling;
mod tracer;

pub use daemon::XrayDaemon;
pub use header::{Decision, TRACE_HEADER, TraceHeader};
pub use ids::{SegmentId, TraceId};
pub(crate) use ids::{ascii, random_u64};
pub use sampling::{Sampler, Sampling};
pub(crate) use tracer::{Settings, UNDECIDED, context};
pub use tracer::{TraceSpan, Tracer};

/// Where finished segment documents go.
pub trait SegmentSink: Send + Sync {
    /// Takes one document: UTF-8 JSON of at most 64,000 bytes.
    fn segment(&self, document: &[u8]);
}
