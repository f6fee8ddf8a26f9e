//! The request that the current task works on, known without a span.
//!
//! Unsampled requests make no spans, which is what keeps them cheap; their log lines must carry
//! the trace id all the same. So the tower layer says on every poll which trace is being worked
//! on, and the tracer, the gate and the log layer ask here.

use std::cell::{Cell, RefCell};

use http::{HeaderValue, Method, Uri};

use crate::xray::{SegmentId, TraceId};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub trace: TraceId,
    /// The caller's segment in another process.
    pub parent: Option<SegmentId>,
    pub sampled: bool,
    /// The request is a segment of its own and not a part of its caller's.
    pub server: bool,
}

/// What a request's own span is to say when it ends. Fields of `tracing` would each be copied to
/// the heap on the way to the document that they are written into anyway.
#[derive(Debug)]
pub(crate) struct Ending {
    pub service: &'static str,
    pub method: Method,
    pub uri: Uri,
    pub route: Option<&'static str>,
    pub agent: Option<HeaderValue>,
    pub status: u16,
}

thread_local! {
    static CURRENT: Cell<Option<Scope>> = const { Cell::new(None) };
    static ENDING: RefCell<Option<Ending>> = const { RefCell::new(None) };
}

impl Ending {
    /// Runs what ends the span; the first span that ends meanwhile takes this.
    pub fn during(self, end: impl FnOnce()) {
        ENDING.set(Some(self));
        end();
        ENDING.set(None);
    }

    pub fn take() -> Option<Ending> {
        ENDING.take()
    }
}

/// Puts the former scope back when dropped.
pub(crate) struct Entered(Option<Scope>);

impl Scope {
    pub fn current() -> Option<Scope> {
        CURRENT.get()
    }

    pub fn enter(self) -> Entered {
        Entered(CURRENT.replace(Some(self)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
