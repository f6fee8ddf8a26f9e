//! The documents under way.
//!
//! Every document has a slot from its first span's start to its end, and the number of the slot
//! is in the lowest bits of the ids of all its spans: so a child finds the document of its parent
//! without a map, and two requests never wait for each other. Slots keep their buffers, so a busy
//! process soon allocates nothing here.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::SegmentSink;
use super::ids::{SegmentId, TraceId};
use super::record::{Kind, Segment, write_head};
use crate::sinks::held;

/// The largest document; X-Ray takes 64 KB, and one datagram holds a little less.
pub(crate) const MAX_DOCUMENT: usize = 64_000;

/// What is left for the document's own members when its parts are counted.
const MAX_PARTS: usize = MAX_DOCUMENT - 12_000;

/// More subsegments than this do not fit 64 KB anyway.
const MAX_FRAGMENTS: usize = 512;

/// Bits of an id that name its slot.
const SLOT_BITS: u32 = 14;
const CHUNK: usize = 256;
const CHUNKS: usize = (1 << SLOT_BITS) / CHUNK;

/// The documents of one tracer.
pub(crate) struct Parts {
    chunks: [OnceLock<Box<[Part]>>; CHUNKS],
    free: Mutex<Vec<u16>>,
    next: AtomicU32,
    dropped: AtomicU64,
    sink: Arc<dyn SegmentSink>,
}

/// The slot of a document under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u16);

#[derive(Default)]
struct Part {
    /// The trace's [`mark`]; 0 when the slot is free.
    trace: AtomicU64,
    shift: AtomicI64,
    finished: Mutex<Finished>,
}

/// The subsegments that have ended.
#[derive(Default)]
struct Finished {
    fragments: Vec<Fragment>,
    bytes: Vec<u8>,
}

/// A finished subsegment: its members, in `bytes`.
struct Fragment {
    id: SegmentId,
    parent: SegmentId,
    from: usize,
    to: usize,
    written: bool,
}

/// The head of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub trace: TraceId,
    pub parent: Option<SegmentId>,
    pub kind: Kind,
}

impl Parts {
    pub fn new(sink: Arc<dyn SegmentSink>) -> Parts {
        Parts {
            chunks: [const { OnceLock::new() }; CHUNKS],
            free: Mutex::default(),
            next: AtomicU32::new(0),
            dropped: AtomicU64::new(0),
            sink,
        }
    }

    /// Documents that were not begun because all 16,384 slots were taken.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Begins a document whose times are to be moved by `shift` microseconds. `None` when too many
    /// are under way.
    pub fn open(&'static self, trace: TraceId, shift: i64) -> Option<(Slot, SegmentId)> {
        let Some(slot) = self.take_free() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let part = self.part(slot);
        part.trace.store(mark(trace), Ordering::Relaxed);
        part.shift.store(shift, Ordering::Relaxed);
        Some((slot, slot.new_id()))
    }

    /// How far the times of a document are moved.
    pub fn shift(&self, slot: Slot) -> i64 {
        self.part(slot).shift.load(Ordering::Relaxed)
    }

    fn take_free(&'static self) -> Option<Slot> {
        let kept = SPARE.take();
        match kept.0 {
            Some((parts, slot)) if std::ptr::eq(parts, self) => {
                std::mem::forget(kept);
                return Some(slot);
            }
            // Dropping it gives it back to the tracer that it is of.
            _ => drop(kept),
        }
        let slot = held(&self.free).pop().or_else(|| {
            let taken = self
                .next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    (next < 1 << SLOT_BITS).then_some(next + 1)
                });
            taken.ok().map(|slot| slot as u16)
        });
        slot.map(Slot)
    }

    /// Adds a finished subsegment to the document in its slot; alone when that has ended or is
    /// full. Should another document of the same trace have the slot by now, then the subsegment
    /// finds no parent there and is sent alone when that ends.
    pub fn add(&self, slot: Slot, head: Head, id: SegmentId, write: impl FnOnce(&mut Vec<u8>)) {
        let parent = head.parent.unwrap_or(id);
        {
            let part = self.part(slot);
            let mut finished = held(&part.finished);
            if part.trace.load(Ordering::Relaxed) == mark(head.trace)
                && finished.fragments.len() < MAX_FRAGMENTS
                && finished.bytes.len() < MAX_PARTS
            {
                let Finished { bytes, fragments } = &mut *finished;
                let from = bytes.len();
                write(bytes);
                if bytes.len() <= MAX_PARTS {
                    let to = bytes.len();
                    fragments.push(Fragment {
                        id,
                        parent,
                        from,
                        to,
                        written: false,
                    });
                    return;
                }
                let alone = bytes.split_off(from);
                drop(finished);
                return self.send(head, |out| out.extend_from_slice(&alone));
            }
        }
        self.send(head, write);
    }

    /// Ends a document: one segment with its subsegments in it. What does not belong below it
    /// (its parent is still running) is sent on its own.
    pub fn close(&'static self, slot: Slot, head: Head, segment: &Segment<'_>) {
        with_buffer(|out| {
            let part = self.part(slot);
            let mut finished = held(&part.finished);
            // Under the lock, so that what ends from here on is sent alone.
            part.trace.store(0, Ordering::Relaxed);
            let Finished { fragments, bytes } = &mut *finished;
            write_head(out, head.trace, head.parent, head.kind);
            let members = out.len();
            segment.write_members(out);
            if out.len() + bytes.len() + 2 * fragments.len() + 20 > MAX_DOCUMENT {
                out.truncate(members);
                Segment {
                    metadata: &[],
                    other_metadata: &[],
                    ..segment.clone()
                }
                .write_members(out);
            }
            nest(fragments, bytes, segment.id, out);
            out.push(b'}');
            self.sink.segment(out);
            if fragments.iter().any(|f| !f.written) {
                self.send_rest(head.trace, fragments, bytes, out);
            }
            finished.reset();
        });
        SPARE.set(Spare(Some((self, slot))));
    }

    fn send_rest(
        &self,
        trace: TraceId,
        fragments: &mut [Fragment],
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) {
        for i in 0..fragments.len() {
            // A fragment whose parent waits here as well is written inside that parent.
            let parent = fragments[i].parent;
            if fragments[i].written || fragments.iter().any(|f| !f.written && f.id == parent) {
                continue;
            }
            let Fragment { id, from, to, .. } = fragments[i];
            fragments[i].written = true;
            out.clear();
            write_head(out, trace, Some(parent), Kind::Subsegment);
            out.extend_from_slice(&bytes[from..to]);
            nest(fragments, bytes, id, out);
            out.push(b'}');
            self.sink.segment(out);
        }
    }

    fn send(&self, head: Head, write: impl FnOnce(&mut Vec<u8>)) {
        with_buffer(|out| {
            write_head(out, head.trace, head.parent, Kind::Subsegment);
            write(out);
            out.push(b'}');
            self.sink.segment(out);
        });
    }

    fn part(&self, Slot(slot): Slot) -> &Part {
        let (chunk, index) = (usize::from(slot) / CHUNK, usize::from(slot) % CHUNK);
        &self.chunks[chunk].get_or_init(|| (0..CHUNK).map(|_| Part::default()).collect())[index]
    }
}

/// What tells the documents of two traces apart; never that of a free slot.
fn mark(trace: TraceId) -> u64 {
    (trace.0 as u64).max(1)
}

impl Finished {
    fn reset(&mut self) {
        self.fragments.clear();
        self.bytes.clear();
        // One large document must not cost its memory for ever in every slot.
        self.bytes.shrink_to(8 * 1024);
    }
}

/// Appends the subsegments of `parent`, each with its own in it.
fn nest(fragments: &mut [Fragment], bytes: &[u8], parent: SegmentId, out: &mut Vec<u8>) {
    let mut first = true;
    for i in 0..fragments.len() {
        if fragments[i].written || fragments[i].parent != parent {
            continue;
        }
        fragments[i].written = true;
        let Fragment { id, from, to, .. } = fragments[i];
        out.extend_from_slice(if std::mem::take(&mut first) {
            b",\"subsegments\":[{"
        } else {
            b",{"
        });
        out.extend_from_slice(&bytes[from..to]);
        nest(fragments, bytes, id, out);
        out.push(b'}');
    }
    if !first {
        out.push(b']');
    }
}

/// The slot that this thread freed last, kept for its next document: the list of free ones is
/// shared by all threads.
#[derive(Default)]
struct Spare(Option<(&'static Parts, Slot)>);

thread_local! {
    static SPARE: Cell<Spare> = const { Cell::new(Spare(None)) };
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some((parts, Slot(slot))) = self.0 {
            held(&parts.free).push(slot);
        }
    }
}

impl Slot {
    /// The slot of a span of this process.
    pub fn of(id: SegmentId) -> Slot {
        Slot((id.0 & ((1 << SLOT_BITS) - 1)) as u16)
    }

    /// An id for a span of the document in this slot.
    pub fn new_id(self) -> SegmentId {
        // With random bits above the slot's it is neither 0 nor NOBODY.
        let random = SegmentId::generate().0 >> SLOT_BITS;
        SegmentId(random.clamp(1, (1 << (64 - SLOT_BITS)) - 2) << SLOT_BITS | u64::from(self.0))
    }
}

/// A buffer that is used again, taken out while it is in use so that a sink may trace as well.
fn with_buffer(f: impl FnOnce(&mut Vec<u8>)) {
    thread_local! {
        static DOCUMENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let mut buffer = DOCUMENT.take();
    buffer.clear();
    f(&mut buffer);
    DOCUMENT.set(buffer);
}
