//! The walk over a history. Two ways give the same answers: blocks of 64 values as bits, for the
//! alarms whose evaluation range fits into a word, and counters at the two ends of the range for
//! all others. Both pass over blocks in which an alarm that is OK sees nothing that could change it.

use std::time::Duration;

use model::{MetricAlarm, Missing, State};

use super::tally::{Evaluated, Tally};
use super::{Before, Refused, Series, Settings};
use crate::alarm::{self, Premature};

/// How many values are looked at together.
const BLOCK: usize = 64;

/// What an alarm makes of its evaluation range.
pub(super) struct Rules {
    n: usize,
    m: usize,
    range: usize,
    missing: Missing,
    premature: Premature,
}

/// What there is in an evaluation range.
struct Seen {
    /// Real points evaluated, N at most.
    real: usize,
    /// How many of them breach.
    breaching: usize,
    /// Whether one of them has too few samples.
    low: bool,
    /// The age of the oldest of them in periods, the newest slot being 1.
    oldest: usize,
}

impl Rules {
    pub(super) fn of(alarm: &MetricAlarm, settings: &alarm::Settings) -> Rules {
        let n = alarm.evaluation_periods.max(1);
        Rules {
            n: n as usize,
            m: alarm.m().clamp(1, n) as usize,
            range: settings.range.periods(alarm.evaluation_periods) as usize,
            missing: alarm::treatment(alarm, settings),
            premature: settings.premature,
        }
    }

    /// The state after an evaluation, as [`alarm::evaluate`] decides it once the alarm is warm.
    fn decide(&self, previous: State, seen: &Seen) -> State {
        let Seen {
            real, breaching, ..
        } = *seen;
        let compared = |breaching: usize| match breaching >= self.m {
            true => State::Alarm,
            false => State::Ok,
        };
        if seen.low {
            return previous;
        }
        if real == self.n {
            return compared(breaching);
        }
        match self.missing {
            Missing::Breaching => compared(breaching + self.n - real),
            Missing::NotBreaching => compared(breaching),
            Missing::Missing if real == 0 => State::InsufficientData,
            Missing::Ignore if real == 0 => previous,
            Missing::Missing | Missing::Ignore if breaching < real => compared(breaching),
            Missing::Ignore => previous,
            Missing::Missing if seen.oldest >= self.m => State::Alarm,
            Missing::Missing => match self.premature {
                Premature::Ok => State::Ok,
                Premature::InsufficientData => State::InsufficientData,
                Premature::Keep => previous,
            },
        }
    }
}

/// Where to walk.
pub(super) struct Walk<'a> {
    values: &'a [f64],
    /// Sample counts and how many are enough, for an alarm that ignores low counts.
    samples: Option<(&'a [f64], f64)>,
    /// How many values lie between the neighbours of a range: a period in steps.
    stride: usize,
    /// The newest value of the first evaluation.
    first: usize,
    /// How many values lie between evaluations.
    every: usize,
    /// The newest value of the first evaluation after the warm-up.
    warm: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        alarm: &MetricAlarm,
        series: &Series<'a>,
        settings: &Settings,
    ) -> Result<Walk<'a>, Refused> {
        let (period, step) = (alarm.period().max(1), series.step);
        if step == 0 || period % step != 0 {
            return Err(Refused::Step { step, period });
        }
        let stride = (period / step) as usize;
        let millis = i64::from(step) * 1000;
        let newest = series.start + Duration::from_secs(period.into());
        let until = |ahead: i64| (ahead.max(0) as u64).div_ceil(millis as u64) as usize;
        let cadence = alarm::cadence(alarm).as_millis() as i64;
        let (mut first, mut every) = (0, 1);
        if cadence > millis {
            every = (cadence / millis) as usize;
            // The first value that ends at or after a full minute or hour.
            let past = newest.millis().rem_euclid(cadence);
            first = match past < millis {
                true => 0,
                false => until(cadence - past),
            };
        }
        if settings.before == Before::Unknown {
            let range = settings.alarm.range.periods(alarm.evaluation_periods) as usize;
            let whole = (range - 1) * stride;
            first += whole.saturating_sub(first).div_ceil(every) * every;
        }
        let warm = alarm.warm_up.map_or(0, |length| {
            let end = settings.created + length;
            until(end.millis().saturating_sub(newest.millis()))
        });
        let enough = alarm::enough_samples(alarm);
        Ok(Walk {
            values: series.values,
            samples: series
                .samples
                .filter(|_| enough > 0.0)
                .map(|samples| (samples, enough)),
            stride,
            first,
            every,
            warm,
        })
    }

    /// Which values are the newest of an evaluation.
    pub(super) fn evaluated(&self) -> Evaluated {
        let count = self.values.len().saturating_sub(self.first);
        Evaluated {
            first: self.first,
            every: self.every,
            count: count.div_ceil(self.every),
        }
    }

    /// Walks, telling every change of state.
    pub(super) fn run(&self, rules: &Rules, breaches: impl Fn(f64) -> bool, tally: &mut Tally) {
        if self.stride == 1 && self.every == 1 && rules.range <= BLOCK && self.samples.is_none() {
            self.run_bits(rules, breaches, tally);
        } else {
            self.run_counters(rules, breaches, tally);
        }
    }

    fn run_bits(&self, rules: &Rules, breaches: impl Fn(f64) -> bool, tally: &mut Tally) {
        let start = self.first.max(self.warm);
        let mut bits = Bits::new(rules);
        for (number, block) in self.values.chunks(BLOCK).enumerate() {
            let index = number * BLOCK;
            if let Ok(block) = <&[f64; BLOCK]>::try_from(block)
                && index >= start
            {
                bits.block(block, index, &breaches, tally);
                continue;
            }
            for (index, &value) in (index..).zip(block) {
                bits.push(!value.is_nan(), breaches(value));
                if index >= start {
                    tally.see(index, rules.decide(tally.state, &bits.seen()));
                }
            }
        }
    }

    fn run_counters(&self, rules: &Rules, breaches: impl Fn(f64) -> bool, tally: &mut Tally) {
        let Walk { stride, every, .. } = *self;
        let start = self.first.max(self.warm);
        let low = |index: usize| {
            self.samples.is_some_and(|(samples, enough)| {
                samples.get(index).is_some_and(|count| *count < enough)
            })
        };
        let reach = (rules.range - 1) * stride;
        let mut ends = vec![Ends::default(); stride];
        // One after the newest value that is missing, breaches or has too few samples. Before the
        // first value everything is missing.
        let mut noisy = 0;
        let mut next = self.first;
        let mut behind = false;
        for (number, block) in self.values.chunks(BLOCK).enumerate() {
            let from = number * BLOCK;
            let past_quiet = tally.state == State::Ok && from >= noisy + reach + stride;
            if past_quiet && self.samples.is_none() && quiet(block, &breaches) {
                behind = true;
                continue;
            }
            if behind {
                behind = false;
                for (phase, ends) in ends.iter_mut().enumerate() {
                    let newest = (from - 1 - phase) / stride;
                    *ends = Ends {
                        first: (newest + 1 - rules.n) as u32,
                        real: rules.n as u32,
                        breaching: 0,
                        low: 0,
                    };
                }
                if next < from {
                    next += (from - next).div_ceil(every) * every;
                }
            }
            let (mut row, mut next_phase) = (from / stride, from % stride);
            for (index, &value) in (from..).zip(block) {
                if next_phase == stride {
                    (row, next_phase) = (row + 1, 0);
                }
                let phase = next_phase;
                next_phase += 1;
                let ends = &mut ends[phase];
                let place = |row: u32| row as usize * stride + phase;
                let drop = |ends: &mut Ends| {
                    let first = place(ends.first);
                    ends.real -= 1;
                    ends.breaching -= u32::from(breaches(self.values[first]));
                    ends.low -= u32::from(low(first));
                    if ends.real > 0 {
                        ends.first += 1;
                        while self.values[place(ends.first)].is_nan() {
                            ends.first += 1;
                        }
                    }
                };
                if value.is_nan() {
                    noisy = index + 1;
                } else {
                    if ends.real == 0 {
                        ends.first = row as u32;
                    }
                    let (breaching, low) = (breaches(value), low(index));
                    ends.real += 1;
                    ends.breaching += u32::from(breaching);
                    ends.low += u32::from(low);
                    if breaching || low {
                        noisy = index + 1;
                    }
                    if ends.real as usize > rules.n {
                        drop(ends);
                    }
                }
                // One value enters at a time, so one at most is too old.
                if ends.real > 0 && ends.first as usize + rules.range <= row {
                    drop(ends);
                }
                if index != next {
                    continue;
                }
                next += every;
                if index >= start {
                    let seen = Seen {
                        real: ends.real as usize,
                        breaching: ends.breaching as usize,
                        low: ends.low > 0,
                        oldest: row - ends.first as usize + 1,
                    };
                    tally.see(index, rules.decide(tally.state, &seen));
                }
            }
        }
    }
}

/// Whether every value is there and none breaches.
fn quiet(block: &[f64], breaches: &impl Fn(f64) -> bool) -> bool {
    let mut quiet = true;
    for &value in block {
        quiet &= !value.is_nan() & !breaches(value);
    }
    quiet
}

/// The evaluation range of one phase of a sliding window, as counters. Small, since a window of a
/// day that slides by minutes has 1,440 phases.
#[derive(Clone, Copy, Default)]
struct Ends {
    /// The oldest real value that is evaluated, if there is one: which of the values of its phase.
    first: u32,
    real: u32,
    breaching: u32,
    low: u32,
}

/// The evaluation range as bits, the newest lowest.
struct Bits<'a> {
    rules: &'a Rules,
    /// Of each value: whether it is there.
    present: u64,
    /// Of each value that is there: whether it breaches.
    breaching: u64,
    /// N bits.
    evaluated: u64,
    /// As many bits as the range has periods.
    range: u64,
}

/// As many low bits.
fn low_bits(count: usize) -> u64 {
    match count {
        0 => 0,
        _ => u64::MAX >> (BLOCK - count.min(BLOCK)),
    }
}

impl Bits<'_> {
    fn new(rules: &Rules) -> Bits<'_> {
        Bits {
            rules,
            present: 0,
            breaching: 0,
            evaluated: low_bits(rules.n),
            range: low_bits(rules.range),
        }
    }

    #[inline]
    fn push(&mut self, present: bool, breaching: bool) {
        self.present = self.present << 1 | u64::from(present);
        if present {
            self.breaching = self.breaching << 1 | u64::from(breaching);
        }
    }

    fn seen(&self) -> Seen {
        let there = self.present & self.range;
        let real = (there.count_ones() as usize).min(self.rules.n);
        Seen {
            real,
            breaching: (self.breaching & low_bits(real)).count_ones() as usize,
            low: false,
            // Only asked for with fewer than N real points, which are then all in the range.
            oldest: BLOCK - there.leading_zeros() as usize,
        }
    }

    /// Takes 64 values, evaluating after each.
    fn block(
        &mut self,
        block: &[f64; BLOCK],
        index: usize,
        breaches: &impl Fn(f64) -> bool,
        tally: &mut Tally,
    ) {
        let resting = tally.state == State::Ok && self.breaching & self.evaluated == 0;
        if resting && self.present & self.range == self.range && quiet(block, breaches) {
            self.present = u64::MAX;
            self.breaching = 0;
            return;
        }
        let (mut there, mut over) = (0u64, 0u64);
        for (bit, &value) in block.iter().enumerate() {
            there |= u64::from(!value.is_nan()) << bit;
            over |= u64::from(breaches(value)) << bit;
        }
        // No range that ends in this block has more gaps than these.
        let gaps = (!self.present & self.range >> 1).count_ones() + there.count_zeros();
        let whole = gaps as usize <= self.rules.range - self.rules.n;
        if whole && resting && over == 0 {
            self.present = there.reverse_bits();
            self.breaching = match there.count_ones() {
                64 => 0,
                count => self.breaching << count,
            };
        } else if whole && tally.state != State::InsufficientData {
            self.compare(there, over, index, tally);
        } else {
            for bit in 0..BLOCK {
                self.push(there >> bit & 1 == 1, over >> bit & 1 == 1);
                let state = self.rules.decide(tally.state, &self.seen());
                tally.see(index + bit, state);
            }
        }
    }

    /// Takes 64 values that leave N real ones in every range: a gap then changes nothing, and all
    /// that counts is how many of the newest N real values breach.
    fn compare(&mut self, there: u64, over: u64, index: usize, tally: &mut Tally) {
        let Rules { n, m, .. } = *self.rules;
        let mut count = (self.breaching & self.evaluated).count_ones() as usize;
        let mut alarm = tally.state == State::Alarm;
        for bit in 0..BLOCK {
            if there >> bit & 1 == 1 {
                let breaching = over >> bit & 1;
                count += breaching as usize;
                count -= (self.breaching >> (n - 1) & 1) as usize;
                self.breaching = self.breaching << 1 | breaching;
            }
            if (count >= m) != alarm {
                alarm = !alarm;
                tally.see(index + bit, if alarm { State::Alarm } else { State::Ok });
            }
        }
        self.present = there.reverse_bits();
    }
}
