//! Putting the parts together: one [`Telemetry`] for a process, or several in its tests.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use model::Time;
use opentelemetry::TraceFlags;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::emf::{LineSink, Refused};
use crate::logs::{LogLayer, LogSink};
use crate::scope::Scope;
use crate::service::Service;
use crate::sinks::Null;
use crate::xray::{
    Decision, Sampler, Sampling, SegmentId, SegmentSink, Settings, TraceHeader, TraceId, Tracer,
    UNDECIDED, context, random_u64,
};

/// A clock.
pub type Now = Arc<dyn Fn() -> Time + Send + Sync>;

/// Where a process emits to. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry(Arc<Shared>);

struct Shared {
    lines: Arc<dyn LineSink>,
    sampler: Sampler,
    now: Option<Now>,
    tracer: Option<Tracer>,
    function: bool,
}

/// The parts of a [`Telemetry`].
pub struct Builder {
    lines: Arc<dyn LineSink>,
    segments: Option<Arc<dyn SegmentSink>>,
    logs: Option<Arc<dyn LogSink>>,
    sampling: Sampling,
    function: Option<String>,
    now: Option<Now>,
    level: LevelFilter,
    annotate: Vec<String>,
    version: Option<String>,
}

impl Telemetry {
    /// Parts that emit nothing yet.
    pub fn builder() -> Builder {
        Builder {
            lines: Arc::new(Null),
            segments: None,
            logs: None,
            sampling: Sampling::default(),
            function: None,
            now: None,
            level: LevelFilter::INFO,
            annotate: vec!["http.route".into()],
            version: None,
        }
    }

    /// Emits nothing.
    pub fn off() -> Telemetry {
        Telemetry::builder().sampling(Sampling::Never).parts().0
    }

    /// What the routes of a service emit; see [`crate::service::declared`].
    ///
    /// # Panics
    /// When the namespace is none: 1 to 256 letters, digits and `._#:/-`.
    pub fn service(&self, namespace: &'static str, name: &str) -> Service {
        Service::new(self.clone(), namespace, name)
    }

    /// Writes one line with a buffer that is used again.
    pub fn line(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Refused>) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let mut line = LINE.take();
        line.clear();
        match write(&mut line) {
            Ok(()) => self.0.lines.line(&line),
            Err(refused) => tracing::warn!(?refused, "a metric was left out"),
        }
        LINE.set(line);
    }

    /// The time, as this process sees it.
    pub fn now(&self) -> Time {
        match &self.0.now {
            Some(now) => now(),
            None => system_now(),
        }
    }

    /// Waits for nothing today: every sink gets its data at once. Shells call it before a process
    /// is frozen or ends.
    pub fn flush(&self) {}

    /// Segments that were given up because too many were under way at once.
    pub fn dropped_segments(&self) -> u64 {
        self.0.tracer.as_ref().map_or(0, Tracer::dropped)
    }

    /// Whether this process is one function, whose segment Lambda makes.
    pub(crate) fn is_function(&self) -> bool {
        self.0.function
    }

    /// Whether segments go anywhere.
    pub(crate) fn traces(&self) -> bool {
        self.0.tracer.is_some()
    }

    pub(crate) fn sample(&self, now: Time) -> bool {
        // Without a sink for segments a span would be made for nobody.
        let chance = || (random_u64() >> 11) as f64 / (1u64 << 53) as f64;
        self.traces() && self.0.sampler.decide(now, chance())
    }
}

impl Builder {
    /// Where EMF lines go.
    pub fn lines(mut self, sink: Arc<dyn LineSink>) -> Builder {
        self.lines = sink;
        self
    }

    /// Where segment documents go.
    pub fn segments(mut self, sink: Arc<dyn SegmentSink>) -> Builder {
        self.segments = Some(sink);
        self
    }

    /// Where log lines go.
    pub fn logs(mut self, sink: Arc<dyn LogSink>) -> Builder {
        self.logs = Some(sink);
        self
    }

    /// Which traces that begin here are recorded.
    pub fn sampling(mut self, sampling: Sampling) -> Builder {
        self.sampling = sampling;
        self
    }

    /// This process is one function: its log lines say so, and its requests are parts of the
    /// segment that Lambda makes.
    pub fn function(mut self, name: &str) -> Builder {
        self.function = Some(name.into());
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, now: Now) -> Builder {
        self.now = Some(now);
        self
    }

    /// The least important events and spans that still count; `INFO` unless told otherwise.
    pub fn level(mut self, level: LevelFilter) -> Builder {
        self.level = level;
        self
    }

    /// Keys of span fields that become X-Ray annotations, beside `http.route`.
    pub fn annotate<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Builder {
        self.annotate.extend(keys.into_iter().map(Into::into));
        self
    }

    /// The version of the service, for its segments.
    pub fn version(mut self, version: &str) -> Builder {
        self.version = Some(version.into());
        self
    }

    /// Makes this the process's telemetry. An error when there is one already.
    pub fn install(self) -> Result<Telemetry, tracing::dispatcher::SetGlobalDefaultError> {
        let (telemetry, dispatch) = self.parts();
        tracing::dispatcher::set_global_default(dispatch)?;
        Ok(telemetry)
    }

    /// Makes this the telemetry of the current thread until the guard is dropped.
    pub fn scoped(self) -> (Telemetry, tracing::dispatcher::DefaultGuard) {
        let (telemetry, dispatch) = self.parts();
        (telemetry, tracing::dispatcher::set_default(&dispatch))
    }

    /// The telemetry and the subscriber that has to be in force where it is used.
    pub fn parts(self) -> (Telemetry, Dispatch) {
        let tracer = self.segments.map(|sink| {
            let settings = Settings {
                sampling: self.sampling,
                annotate: self.annotate,
                version: self.version,
                now: self.now.clone(),
            };
            Tracer::new(sink, settings)
        });
        // Everything that costs time and that documents have no member for is off.
        let spans = tracer.map(|tracer| {
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_context_activation(false)
                .with_location(false)
                .with_threads(false)
                .with_level(false)
                .with_target(false)
                .with_tracked_inactivity(false)
        });
        let now = self.now.clone().unwrap_or_else(|| Arc::new(system_now));
        let logs = LogLayer::new(self.logs, self.function.clone(), now);
        // One layer made of four: each layer that is put on a subscriber costs on every call.
        let subscriber = tracing_subscriber::registry()
            .with(logs.and_then(spans).and_then(Gate).and_then(self.level));
        let shared = Shared {
            lines: self.lines,
            sampler: Sampler::new(self.sampling),
            now: self.now,
            tracer,
            function: self.function.is_some(),
        };
        (Telemetry(Arc::new(shared)), Dispatch::new(subscriber))
    }
}

/// Says that a span was called by another process: the span's trace becomes that of the header.
/// Has to come before the span is entered or gets a child. A header that says nothing changes nothing.
pub fn accept_trace_header(span: &Span, header: &str) {
    let Some(header) = TraceHeader::parse(header) else {
        return;
    };
    let flags = match header.decision {
        Decision::Sampled => TraceFlags::SAMPLED,
        Decision::NotSampled => TraceFlags::NOT_SAMPLED,
        Decision::Undecided => UNDECIDED,
    };
    // OpenTelemetry knows no trace without a parent, so a caller that names none gets an id that
    // stands for it.
    let parent = header.parent.unwrap_or(SegmentId::NOBODY);
    let local = context(header.trace, parent, flags);
    let remote = SpanContext::new(
        local.trace_id(),
        local.span_id(),
        flags,
        true,
        TraceState::NONE,
    );
    // It fails only where there is nothing to tell: without a tracer, or for a disabled span.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
}

/// What to send along with a call made in this span; empty without a trace.
pub fn trace_header(span: &Span) -> String {
    header_of(span).map_or_else(String::new, |h| h.to_string())
}

pub(crate) fn header_of(span: &Span) -> Option<TraceHeader> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    Some(TraceHeader {
        trace: TraceId::from_bits(u128::from_be_bytes(context.trace_id().to_bytes()))?,
        parent: SegmentId::from_bits(u64::from_be_bytes(context.span_id().to_bytes()))
            .filter(|&p| p != SegmentId::NOBODY),
        decision: if context.is_sampled() {
            Decision::Sampled
        } else {
            Decision::NotSampled
        },
    })
}

/// Lets no span be made in a request that is not sampled.
struct Gate;

impl<S: Subscriber> Layer<S> for Gate {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() {
            Interest::sometimes()
        } else {
            Interest::always()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _ctx: Context<'_, S>) -> bool {
        !metadata.is_span() || Scope::current().is_none_or(|scope| scope.sampled)
    }
}

fn system_now() -> Time {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_millis(since.as_millis() as i64)
}
