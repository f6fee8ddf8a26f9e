//! A series in memory: its newest buckets.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use evaluator::statistics::Distribution;
use model::{MetricId, Unit};

/// How wide a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Width {
    /// 1 s, kept 3 hours.
    Second,
    /// 60 s, kept 15 days.
    Minute,
    /// 300 s, kept 63 days.
    FiveMinutes,
    /// 3600 s, kept 455 days.
    Hour,
}

impl Width {
    /// Finest first.
    pub const ALL: [Width; 4] = [
        Width::Second,
        Width::Minute,
        Width::FiveMinutes,
        Width::Hour,
    ];

    pub const fn seconds(self) -> i64 {
        match self {
            Width::Second => 1,
            Width::Minute => 60,
            Width::FiveMinutes => 300,
            Width::Hour => 3_600,
        }
    }

    /// The start of the bucket that holds a second.
    pub const fn floor(self, second: i64) -> i64 {
        second.div_euclid(self.seconds()) * self.seconds()
    }
}

/// One metric and unit.
pub(crate) struct Series {
    /// Its row.
    pub id: i64,
    pub metric: MetricId,
    pub unit: Unit,
    /// Whether its row is committed.
    pub saved: AtomicBool,
    pub memory: Mutex<Memory>,
}

/// The buckets of a series that memory owns.
#[derive(Default)]
pub(crate) struct Memory {
    pub fine: Tier,
    pub coarse: Tier,
    /// Whether it stands in the list of changed series.
    pub listed: bool,
}

/// The buckets of one width.
pub(crate) struct Tier {
    /// From this second on, memory is the truth.
    pub line: i64,
    /// By start.
    pub buckets: VecDeque<Bucket>,
}

impl Default for Tier {
    fn default() -> Tier {
        Tier {
            line: i64::MIN,
            buckets: VecDeque::new(),
        }
    }
}

/// The samples of one stretch of time.
pub(crate) struct Bucket {
    /// In seconds.
    pub start: i64,
    /// Whether the disk lacks something of it.
    pub changed: bool,
    /// What was counted for it when it was last looked at.
    pub counted: u32,
    pub samples: Distribution,
}

/// What a bucket without anything on the heap takes, the slack of the queue included.
pub(crate) const BUCKET_BYTES: usize = 2 * size_of::<Bucket>();

/// What became of a datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    InMemory,
    /// Its bucket belongs to the disk.
    BeforeTheLine,
    /// It needs a bucket, and there is no room for one.
    NoRoom,
}

impl Series {
    pub fn new(id: i64, metric: MetricId, unit: Unit) -> Series {
        Series {
            id,
            metric,
            unit,
            saved: AtomicBool::new(false),
            memory: Mutex::default(),
        }
    }

    /// A series that has rows: memory owns what starts at or after the lines.
    pub fn known(id: i64, metric: MetricId, unit: Unit, lines: [i64; 2]) -> Series {
        let tier = |line| Tier {
            line,
            ..Tier::default()
        };
        Series {
            saved: AtomicBool::new(true),
            memory: Mutex::new(Memory {
                fine: tier(lines[0]),
                coarse: tier(lines[1]),
                listed: false,
            }),
            ..Series::new(id, metric, unit)
        }
    }
}

impl Memory {
    /// The tier of a width that data come in with.
    pub fn tier(&mut self, width: Width) -> &mut Tier {
        match width {
            Width::Second => &mut self.fine,
            Width::Minute | Width::FiveMinutes | Width::Hour => &mut self.coarse,
        }
    }
}

impl Tier {
    /// Adds to the bucket that starts at `start`; says, too, whether it was made for that.
    #[inline]
    pub fn keep(
        &mut self,
        start: i64,
        may_grow: bool,
        add: impl FnOnce(&mut Distribution),
    ) -> (Kept, bool) {
        if let Some(newest) = self.buckets.back_mut()
            && newest.start == start
        {
            newest.changed = true;
            add(&mut newest.samples);
            return (Kept::InMemory, false);
        }
        if start < self.line {
            return (Kept::BeforeTheLine, false);
        }
        let at = self.buckets.partition_point(|b| b.start < start);
        if let Some(bucket) = self.buckets.get_mut(at)
            && bucket.start == start
        {
            bucket.changed = true;
            add(&mut bucket.samples);
            return (Kept::InMemory, false);
        }
        if !may_grow {
            return (Kept::NoRoom, false);
        }
        let mut bucket = Bucket {
            start,
            changed: true,
            counted: BUCKET_BYTES as u32,
            samples: Distribution::new(),
        };
        add(&mut bucket.samples);
        self.buckets.insert(at, bucket);
        (Kept::InMemory, true)
    }

    /// Lets go of committed buckets before `line` and moves the line there, or as far as the
    /// disk has caught up; answers how many went and their bytes.
    pub fn evict(&mut self, line: i64) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        while let Some(oldest) = self.buckets.front() {
            if oldest.start >= line {
                break;
            }
            if oldest.changed {
                self.line = self.line.max(oldest.start);
                return (count, bytes);
            }
            count += 1;
            bytes += oldest.counted as usize;
            self.buckets.pop_front();
        }
        self.line = self.line.max(line);
        if self.buckets.capacity() > 4 * self.buckets.len() + 4 {
            self.buckets.shrink_to(2 * self.buckets.len());
        }
        (count, bytes)
    }
}
