//! Where lines, segments and log events go when nobody says otherwise.

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::emf::LineSink;
use crate::logs::{LogScope, LogSink};
use crate::xray::SegmentSink;

/// The standard output of this process: each line with one write, so that lines never mix.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdout;

impl Stdout {
    fn write(line: &[u8]) {
        thread_local! {
            static WHOLE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        WHOLE.with_borrow_mut(|whole| {
            whole.clear();
            whole.extend_from_slice(line);
            whole.push(b'\n');
            let mut out = std::io::stdout().lock();
            // There is nobody left to tell when the standard output is gone.
            let _ = out.write_all(whole).and_then(|()| out.flush());
        });
    }
}

impl LineSink for Stdout {
    fn line(&self, line: &[u8]) {
        Stdout::write(line);
    }
}

impl LogSink for Stdout {
    fn line(&self, _scope: LogScope<'_>, line: &[u8]) {
        Stdout::write(line);
    }
}

/// Takes everything and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

impl LineSink for Null {
    fn line(&self, _line: &[u8]) {}
}

impl LogSink for Null {
    fn line(&self, _scope: LogScope<'_>, _line: &[u8]) {}
}

impl SegmentSink for Null {
    fn segment(&self, _document: &[u8]) {}
}

/// Keeps everything, for tests.
#[derive(Debug, Default)]
pub struct Memory {
    lines: Mutex<Vec<String>>,
    logs: Mutex<Vec<(Option<String>, String)>>,
    segments: Mutex<Vec<String>>,
}

impl Memory {
    /// The EMF lines so far; they are forgotten.
    pub fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut *held(&self.lines))
    }

    /// The log lines so far with the function that each belongs to; they are forgotten.
    pub fn take_logs(&self) -> Vec<(Option<String>, String)> {
        std::mem::take(&mut *held(&self.logs))
    }

    /// The segment documents so far; they are forgotten.
    pub fn take_segments(&self) -> Vec<String> {
        std::mem::take(&mut *held(&self.segments))
    }
}

impl LineSink for Memory {
    fn line(&self, line: &[u8]) {
        held(&self.lines).push(String::from_utf8_lossy(line).into_owned());
    }
}

impl LogSink for Memory {
    fn line(&self, scope: LogScope<'_>, line: &[u8]) {
        held(&self.logs).push((
            scope.function.map(str::to_owned),
            String::from_utf8_lossy(line).into_owned(),
        ));
    }
}

impl SegmentSink for Memory {
    fn segment(&self, document: &[u8]) {
        held(&self.segments).push(String::from_utf8_lossy(document).into_owned());
    }
}

/// A lock whose data stays whole when a holder panics.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
