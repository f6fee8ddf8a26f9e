//! The request that the current task works on, known without a span.
//!
//! Unsampled requests make no spans, which is what keeps them cheap; their log lines must carry
//! the trace id all the same. So the tower layer says on every poll which trace is being worked
//! on, and the tracer, the gate and the log layer ask here.

use std::cell::Cell;

use crate::xray::{SegmentId, TraceId};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub trace: TraceId,
    /// The caller's segment in another process.
    pub parent: Option<SegmentId>,
    pub sampled: bool,
}

thread_local! {
    static CURRENT: Cell<Option<Scope>> = const { Cell::new(None) };
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
