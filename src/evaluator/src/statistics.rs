//! The samples of one metric, unit and period, and every CloudWatch statistic of them.
//!
//! [`Distribution`] keeps count, sum, minimum and maximum exactly. For percentiles and trimmed
//! statistics it keeps the samples themselves as (value, count) pairs while they are few, and
//! then a histogram with buckets of a fixed relative width: memory stays bounded, and a value
//! read from it is at most [`RELATIVE_ERROR`] away from the sample.
//!
//! CloudWatch's own rules, from its user guide: absolute bounds exclude the lower and include the
//! upper end; statistics of the distribution are not available when any value is negative, nor
//! for statistic sets whose samples cannot be told from the set.

mod encoding;
mod sketch;

use model::{Bound, Bounds, Stat, StatisticSet};

use self::sketch::Sketch;
pub use self::sketch::{MAX_BUCKETS, RELATIVE_ERROR};

/// Up to this many distinct values are kept exactly.
pub const EXACT_VALUES: usize = 32;

/// Where a percentile lies between two samples. CloudWatch's algorithm is **not published**; the
/// default always answers with a value that was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// The smallest sample such that at least p % of the samples are not above it.
    #[default]
    NearestRank,
    /// On the straight line between the two samples around rank `p / 100 * (count - 1)`.
    Linear,
}

/// The samples of one metric, unit and period.
///
/// An empty one, or one whose samples all have one value, has nothing on the heap.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    count: f64,
    sum: f64,
    min: f64,
    max: f64,
    samples: Samples,
}

#[derive(Debug, Clone, PartialEq)]
enum Samples {
    /// Every sample so far equals `min`; also the empty distribution.
    Same,
    /// (value, count), ascending and distinct.
    Exact(Vec<(f64, f64)>),
    /// Too many distinct values.
    Sketch(Box<Sketch>),
    /// A negative value, or a statistic set that hides its samples.
    Unavailable,
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution::new()
    }
}

impl Distribution {
    /// Without samples.
    pub const fn new() -> Distribution {
        Distribution {
            count: 0.0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            samples: Samples::Same,
        }
    }

    /// Adds `count` samples of one value. What `PutMetricData` refuses (a value that is not
    /// finite, a count that is not positive) adds nothing.
    #[inline]
    pub fn add(&mut self, value: f64, count: f64) {
        if !(value.is_finite() && count > 0.0 && count.is_finite()) {
            return;
        }
        // Makes -0 into 0, so that zero has one bucket.
        let value = value + 0.0;
        match &mut self.samples {
            Samples::Same if value == self.min => {}
            Samples::Sketch(sketch) if value >= 0.0 => sketch.add(value, count),
            Samples::Unavailable => {}
            _ => self.add_sample(value, count),
        }
        self.count += count;
        self.sum += value * count;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds a statistic set. Statistics of the distribution stay available only when its samples
    /// can be told: one sample, or all of one value (minimum = maximum, sum = minimum * count).
    /// A set that `PutMetricData` refuses adds nothing.
    pub fn add_set(&mut self, set: &StatisticSet) {
        let finite = [set.count, set.sum, set.min, set.max]
            .iter()
            .all(|v| v.is_finite());
        if !finite || set.count <= 0.0 || set.min > set.max {
            return;
        }
        let all = set.min * set.count;
        if set.min == set.max && (set.sum - all).abs() <= all.abs() * 1e-9 {
            return self.add(set.min, set.count);
        }
        self.samples = Samples::Unavailable;
        self.count += set.count;
        self.sum += set.sum;
        self.min = self.min.min(set.min + 0.0);
        self.max = self.max.max(set.max + 0.0);
    }

    /// Adds the samples of another distribution.
    pub fn merge(&mut self, other: &Distribution) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            return self.clone_from(other);
        }
        match (&mut self.samples, &other.samples) {
            (Samples::Unavailable, _) => {}
            (_, Samples::Unavailable) => self.samples = Samples::Unavailable,
            (Samples::Sketch(mine), Samples::Sketch(theirs)) => mine.merge(theirs),
            (_, Samples::Same) => {
                // Sums are added once, below, so that merging never changes their rounding.
                if !matches!(self.samples, Samples::Same) || other.min != self.min {
                    self.add_sample(other.min, other.count);
                }
            }
            (Samples::Same, theirs @ Samples::Exact(_)) => {
                let mine = (self.min, self.count);
                self.samples = theirs.clone();
                self.add_sample(mine.0, mine.1);
            }
            (_, Samples::Exact(pairs)) => {
                for (value, count) in pairs {
                    self.add_sample(*value, *count);
                }
            }
            (_, Samples::Sketch(theirs)) => {
                let mut sketch = theirs.clone();
                self.each(|value, count| sketch.add(value, count));
                self.samples = Samples::Sketch(sketch);
            }
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// A statistic, or `None` when there are no samples or it is not available.
    pub fn stat(&self, stat: Stat) -> Option<f64> {
        self.stat_by(stat, Interpolation::default())
    }

    /// A statistic with a rule of one's own for percentiles.
    pub fn stat_by(&self, stat: Stat, interpolation: Interpolation) -> Option<f64> {
        if self.count == 0.0 {
            return None;
        }
        if stat.needs_distribution() && !self.has_samples() {
            return None;
        }
        match stat {
            Stat::SampleCount => Some(self.count),
            Stat::Sum => Some(self.sum),
            Stat::Average => Some(self.sum / self.count),
            Stat::Minimum => Some(self.min),
            Stat::Maximum => Some(self.max),
            Stat::Percentile(p) => Some(self.percentile(p, interpolation)),
            Stat::TrimmedMean(b) => {
                let within = self.within(b);
                (within.count > 0.0).then(|| within.sum / within.count)
            }
            Stat::TrimmedCount(b) => Some(self.within(b).count),
            Stat::TrimmedSum(b) => Some(self.within(b).sum),
            Stat::PercentileRank(b) => Some(100.0 * self.within(b).count / self.count),
            Stat::WinsorizedMean(b) => {
                let w = self.within(b);
                let edge = |count: f64, value: f64| if count > 0.0 { count * value } else { 0.0 };
                let edges = edge(w.below, w.lower) + edge(w.above, w.upper);
                Some((w.sum + edges) / self.count)
            }
        }
    }

    /// `SampleCount`: zero when empty.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    /// Bytes on the heap, for callers that bound their memory.
    pub fn heap_bytes(&self) -> usize {
        match &self.samples {
            Samples::Same | Samples::Unavailable => 0,
            Samples::Exact(pairs) => pairs.capacity() * size_of::<(f64, f64)>(),
            Samples::Sketch(sketch) => sketch.heap_bytes() + size_of::<Sketch>(),
        }
    }

    fn has_samples(&self) -> bool {
        !matches!(self.samples, Samples::Unavailable) && self.min >= 0.0
    }

    /// Puts a sample that is not yet counted into `samples`.
    #[inline(never)]
    fn add_sample(&mut self, value: f64, count: f64) {
        if value < 0.0 {
            self.samples = Samples::Unavailable;
            return;
        }
        match &mut self.samples {
            Samples::Unavailable => {}
            Samples::Same if self.count == 0.0 || self.min == value => {}
            Samples::Same => {
                let (a, b) = ((self.min, self.count), (value, count));
                self.samples = Samples::Exact(if a.0 < b.0 { vec![a, b] } else { vec![b, a] });
            }
            Samples::Exact(pairs) => {
                let at = pairs.partition_point(|(v, _)| *v < value);
                if let Some(pair) = pairs.get_mut(at).filter(|pair| pair.0 == value) {
                    pair.1 += count;
                } else if pairs.len() < EXACT_VALUES {
                    pairs.insert(at, (value, count));
                } else {
                    let mut sketch = Box::new(Sketch::default());
                    for (value, count) in pairs.iter() {
                        sketch.add(*value, *count);
                    }
                    sketch.add(value, count);
                    self.samples = Samples::Sketch(sketch);
                }
            }
            Samples::Sketch(sketch) => sketch.add(value, count),
        }
    }

    /// The samples in ascending order as (value, count); none when they are not available.
    fn each(&self, mut f: impl FnMut(f64, f64)) {
        match &self.samples {
            Samples::Same if self.count > 0.0 => f(self.min, self.count),
            Samples::Same | Samples::Unavailable => {}
            Samples::Exact(pairs) => pairs.iter().for_each(|(v, c)| f(*v, *c)),
            // The extremes are known exactly, so no bucket's middle may lie beyond them.
            Samples::Sketch(s) => s.each(|v, c| f(v.clamp(self.min, self.max), c)),
        }
    }

    fn percentile(&self, p: f64, interpolation: Interpolation) -> f64 {
        // Percentages such as 99.9 have no exact binary form: a rank that is off by rounding must
        // not step over a sample.
        let slack = self.count * 1e-9;
        let first = |reached: &dyn Fn(f64) -> bool| {
            let (mut total, mut found) = (0.0, None);
            self.each(|value, count| {
                total += count;
                if found.is_none() && reached(total) {
                    found = Some(value);
                }
            });
            found.unwrap_or(self.max)
        };
        if p <= 0.0 {
            return self.min;
        }
        if p >= 100.0 {
            return self.max;
        }
        match interpolation {
            Interpolation::NearestRank => {
                let rank = p * self.count / 100.0;
                first(&|total| total + slack >= rank)
            }
            Interpolation::Linear => {
                let rank = p * (self.count - 1.0).max(0.0) / 100.0;
                let below = (rank + slack).floor();
                let low = first(&|total| total > below);
                let high = first(&|total| total > below + 1.0);
                low + (high - low) * (rank - below).max(0.0)
            }
        }
    }

    /// The part of the samples within bounds. Percent bounds cut the samples by rank and a sample
    /// on the cut counts in part, as in the interquartile mean of a count that four does not
    /// divide: how CloudWatch rounds there is not published.
    fn within(&self, bounds: Bounds) -> Within {
        let mut out = Within::default();
        let mut total = 0.0;
        let slack = self.count * 1e-9;
        self.each(|value, count| {
            let start = total;
            total += count;
            let below = match bounds.lower {
                None => 0.0,
                Some(Bound::Absolute(a)) if value > a => 0.0,
                Some(Bound::Absolute(_)) => count,
                Some(Bound::Percent(p)) => (p * self.count / 100.0 - start).clamp(0.0, count),
            };
            let above = match bounds.upper {
                None => 0.0,
                Some(Bound::Absolute(b)) if value <= b => 0.0,
                Some(Bound::Absolute(_)) => count,
                Some(Bound::Percent(p)) => (total - p * self.count / 100.0).clamp(0.0, count),
            };
            let inside = (count - below - above).max(0.0);
            let inside = if inside > slack { inside } else { 0.0 };
            out.below += below;
            out.above += above;
            out.count += inside;
            out.sum += value * inside;
            if inside > 0.0 {
                out.lower = out.lower.min(value);
                out.upper = value;
            }
        });
        if let Some(Bound::Absolute(a)) = bounds.lower {
            out.lower = a;
        }
        if let Some(Bound::Absolute(b)) = bounds.upper {
            out.upper = b;
        }
        out
    }
}

/// What [`Distribution::within`] found.
struct Within {
    /// Samples inside.
    count: f64,
    /// Their sum.
    sum: f64,
    /// Samples under the lower end.
    below: f64,
    /// Samples over the upper end.
    above: f64,
    /// The value at the lower end: the bound, or the smallest sample inside.
    lower: f64,
    /// The value at the upper end: the bound, or the largest sample inside.
    upper: f64,
}

impl Default for Within {
    fn default() -> Within {
        Within {
            count: 0.0,
            sum: 0.0,
            below: 0.0,
            above: 0.0,
            lower: f64::INFINITY,
            upper: 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
