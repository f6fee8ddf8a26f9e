//! Log events as JSON lines.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::TraceContextExt;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Subscriber;
use tracing::{Dispatch, Event};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::Now;
use crate::emf::{push_number, push_text};
use crate::scope::Scope;
use crate::xray::TraceId;

/// What a log line belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogScope<'a> {
    /// The function whose invocation wrote it, from the field `faas.name` of an enclosing span or
    /// from the process being that function; `None` is the daemon itself.
    pub function: Option<&'a str>,
}

/// Where log lines go.
pub trait LogSink: Send + Sync {
    /// Takes one line of JSON, without its line break: `timestamp`, `level`, `message`, `target`,
    /// and where there are some `function`, `request_id`, `trace_id` and `fields`.
    fn line(&self, scope: LogScope<'_>, line: &[u8]);
}

/// Writes every event as one line.
pub(crate) struct LogLayer {
    /// Here and not an `Option` of the layer, which would not hear of its dispatch.
    sink: Option<Arc<dyn LogSink>>,
    function: Option<String>,
    now: Now,
    dispatch: OnceLock<tracing::dispatcher::WeakDispatch>,
}

/// The function and request that a span belongs to, kept in the span.
#[derive(Default)]
struct Invocation {
    function: Option<String>,
    request: Option<String>,
}

impl LogLayer {
    pub fn new(sink: Option<Arc<dyn LogSink>>, function: Option<String>, now: Now) -> LogLayer {
        LogLayer {
            sink,
            function,
            now,
            dispatch: OnceLock::new(),
        }
    }

    /// From the request that is being worked on, else from the span that is current.
    fn trace(&self, span: Option<&Id>) -> Option<TraceId> {
        if let Some(scope) = Scope::current() {
            return Some(scope.trace);
        }
        let dispatch = self.dispatch.get()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(span?, &dispatch)?;
        let id = context.span().span_context().trace_id();
        TraceId::from_bits(u128::from_be_bytes(id.to_bytes()))
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let named = self.sink.is_some()
            && attributes
                .metadata()
                .fields()
                .iter()
                .any(|f| f.name().as_bytes().first_chunk() == Some(b"faas."));
        if let (true, Some(span)) = (named, ctx.span(id)) {
            let mut invocation = Invocation::default();
            attributes.record(&mut invocation);
            span.extensions_mut().insert(invocation);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let Some(sink) = &self.sink else {
            return;
        };
        thread_local! {
            static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
        }
        // Taken out, not borrowed: a field's Debug, or the sink, may log as well.
        let mut buffers = BUFFERS.replace(Buffers::new());
        let Buffers {
            line,
            fields,
            message,
            text,
        } = &mut buffers;
        line.clear();
        fields.clear();
        message.clear();
        event.record(&mut Fields {
            fields,
            message,
            text,
        });
        if message.is_empty() {
            message.push_str(event.metadata().name());
        }
        let (mut function, mut request) = (None, None);
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(invocation) = span.extensions().get::<Invocation>() {
                function = function.or_else(|| invocation.function.clone());
                request = request.or_else(|| invocation.request.clone());
            }
        }
        let function = function.as_deref().or(self.function.as_deref());
        let span = ctx.event_span(event).map(|span| span.id());
        let _ = write!(text_of(text), "{}", (self.now)());
        line.extend_from_slice(b"{\"timestamp\":");
        push_text(line, text);
        line.extend_from_slice(b",\"level\":\"");
        line.extend_from_slice(event.metadata().level().as_str().as_bytes());
        line.extend_from_slice(b"\",\"message\":");
        push_text(line, message);
        line.extend_from_slice(b",\"target\":");
        push_text(line, event.metadata().target());
        let mut member = |key: &[u8], value: Option<&str>| {
            if let Some(value) = value {
                line.extend_from_slice(key);
                push_text(line, value);
            }
        };
        member(b",\"function\":", function);
        member(b",\"request_id\":", request.as_deref());
        let trace = self.trace(span.as_ref()).map(TraceId::text);
        member(
            b",\"trace_id\":",
            trace.as_ref().map(|t| crate::xray::ascii(t)),
        );
        if !fields.is_empty() {
            line.extend_from_slice(b",\"fields\":{");
            line.extend_from_slice(fields);
            line.push(b'}');
        }
        line.push(b'}');
        sink.line(LogScope { function }, line);
        BUFFERS.set(buffers);
    }
}

struct Buffers {
    line: Vec<u8>,
    fields: Vec<u8>,
    message: String,
    text: String,
}

impl Buffers {
    const fn new() -> Buffers {
        Buffers {
            line: Vec::new(),
            fields: Vec::new(),
            message: String::new(),
            text: String::new(),
        }
    }
}

fn text_of(text: &mut String) -> &mut String {
    text.clear();
    text
}

/// Collects an event's message and its other fields, those as JSON members.
struct Fields<'b> {
    fields: &'b mut Vec<u8>,
    message: &'b mut String,
    text: &'b mut String,
}

impl Fields<'_> {
    fn key(&mut self, field: &Field) {
        if !self.fields.is_empty() {
            self.fields.push(b',');
        }
        push_text(self.fields, field.name());
        self.fields.push(b':');
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.key(field);
            push_text(self.fields, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.key(field);
        self.fields
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.key(field);
        self.fields
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.key(field);
        if value.is_finite() {
            push_number(self.fields, value);
        } else {
            push_text(self.fields, &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field);
        self.fields
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        text_of(self.text);
        let mut source = Some(value);
        while let Some(error) = source {
            let separator = if self.text.is_empty() { "" } else { ": " };
            let _ = write!(self.text, "{separator}{error}");
            source = error.source();
        }
        self.key(field);
        push_text(self.fields, self.text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = if field.name() == "message" {
            &mut *self.message
        } else {
            text_of(self.text)
        };
        let _ = write!(text, "{value:?}");
        if field.name() != "message" {
            self.key(field);
            push_text(self.fields, self.text);
        }
    }
}

impl Visit for Invocation {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "faas.name" => self.function = Some(value.into()),
            "faas.invocation_id" => self.request = Some(value.into()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name().starts_with("faas.") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}
