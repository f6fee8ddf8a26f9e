//! A histogram of values that are not negative, with buckets of a fixed relative width.

/// The largest relative distance between a sample and the value read back for it: half of a
/// bucket's width, a 64th of a power of two.
pub const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// More buckets than this are not kept. They span a factor of four thousand million when the
/// data leave no gap; beyond that the smallest values share a bucket.
pub const MAX_BUCKETS: usize = 2048;

/// How many bits of a float's mantissa name its bucket.
const MANTISSA_BITS: u32 = 6;
const SHIFT: u32 = 52 - MANTISSA_BITS;

/// Counts by bucket. A bucket's key is the exponent and the first bits of the mantissa: keys
/// ascend with values, the key of a value takes one shift, and zero has key 0 to itself (it
/// shares it only with numbers under 1e-321).
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sketch {
    /// Ascending.
    keys: Vec<u32>,
    /// Parallel to `keys`.
    counts: Vec<f64>,
}

impl Sketch {
    #[inline]
    pub fn add(&mut self, value: f64, count: f64) {
        self.add_key((value.to_bits() >> SHIFT) as u32, count);
    }

    pub fn merge(&mut self, other: &Sketch) {
        for (key, count) in other.buckets() {
            self.add_key(key, count);
        }
    }

    /// (middle, count) of every bucket, ascending.
    pub fn each(&self, mut f: impl FnMut(f64, f64)) {
        for (key, count) in self.buckets() {
            let low = f64::from_bits(u64::from(key) << SHIFT);
            let high = f64::from_bits((u64::from(key) + 1) << SHIFT);
            let middle = match key {
                0 => 0.0,
                _ if high.is_finite() => low + (high - low) / 2.0,
                _ => low,
            };
            f(middle, count);
        }
    }

    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (u32, f64)> {
        self.keys.iter().copied().zip(self.counts.iter().copied())
    }

    /// From ascending keys; `None` when they are not, or not keys of finite values.
    pub fn from_buckets(buckets: Vec<(u32, f64)>) -> Option<Sketch> {
        let ascending = buckets.windows(2).all(|w| w[0].0 < w[1].0);
        let finite = buckets
            .last()
            .is_none_or(|(key, _)| u64::from(*key) < f64::INFINITY.to_bits() >> SHIFT);
        (ascending && finite && buckets.len() <= MAX_BUCKETS).then(|| {
            let (keys, counts) = buckets.into_iter().unzip();
            Sketch { keys, counts }
        })
    }

    pub fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<u32>() + self.counts.capacity() * size_of::<f64>()
    }

    #[inline]
    fn add_key(&mut self, key: u32, count: f64) {
        let at = self.keys.partition_point(|k| *k < key);
        if self.keys.get(at) == Some(&key) {
            self.counts[at] += count;
        } else {
            self.insert(at, key, count);
        }
    }

    #[inline(never)]
    fn insert(&mut self, at: usize, key: u32, count: f64) {
        self.keys.insert(at, key);
        self.counts.insert(at, count);
        if self.keys.len() > MAX_BUCKETS {
            // The large values are the ones that alarms ask for; zero stays what it is.
            let lowest = usize::from(self.keys[0] == 0);
            self.keys.remove(lowest);
            let moved = self.counts.remove(lowest);
            self.counts[lowest] += moved;
        }
    }
}
