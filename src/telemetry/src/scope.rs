//! The request that the current task works on, known without a span.
//!
//! Unsampled requests make no spans, which is what keeps them cheap; their log lines must carry
//! the trace id all the same. So the tower layer says on every poll which trace is being worked
//! on, and the tracer, the gate and the log layer ask here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderValue, Method, Uri};

use crate::sinks::held;
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
    /// Runs what lets go of the span; the first span that ends meanwhile takes this. A span that
    /// somebody else still holds, say a task that goes on after the answer, takes it when it ends.
    pub fn during(self, trace: TraceId, let_go: impl FnOnce()) {
        ENDING.set(Some(self));
        let_go();
        if let Some(ending) = ENDING.take() {
            let mut held_on = held(&HELD_ON);
            if held_on.len() == MOST_HELD_ON {
                held_on.pop_front();
            }
            held_on.push_back((trace, ending));
            HOLD_ONS.store(held_on.len(), Ordering::Relaxed);
        }
    }

    /// What the span that ends now is to say, if it is a request's.
    pub fn take(trace: TraceId, name: &str) -> Option<Ending> {
        if name != REQUEST {
            return None;
        }
        ENDING.take().or_else(|| {
            if HOLD_ONS.load(Ordering::Relaxed) == 0 {
                return None;
            }
            let mut held_on = held(&HELD_ON);
            let at = held_on.iter().position(|(t, _)| *t == trace)?;
            let found = held_on.remove(at);
            HOLD_ONS.store(held_on.len(), Ordering::Relaxed);
            found.map(|(_, ending)| ending)
        })
    }
}

/// The name of a request's own span.
pub(crate) const REQUEST: &str = "request";

/// More requests than this that somebody holds on to lose what their spans would have said.
const MOST_HELD_ON: usize = 256;

static HELD_ON: Mutex<VecDeque<(TraceId, Ending)>> = Mutex::new(VecDeque::new());
static HOLD_ONS: AtomicUsize = AtomicUsize::new(0);

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
