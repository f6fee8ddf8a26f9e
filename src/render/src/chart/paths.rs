//! Points to path data, no finer than the eye can see.

use std::time::Duration;

use model::Time;

use crate::svg::push_tenths;

/// Points are merged into columns of this width in CSS pixels, each keeping its lowest and
/// highest: about the width of a line.
const COLUMN: f64 = 2.0;

/// How instants and values become coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) start: i64,
    pub(crate) length: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Map {
    pub(crate) fn x(&self, at: Time) -> f64 {
        let share = at.millis().saturating_sub(self.start) as f64 / self.length;
        self.left + share.clamp(-10.0, 10.0) * self.width
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(-10.0, 10.0);
        self.top + (1.0 - share) * self.height
    }

    /// Whether an instant is near enough to the plot for its line to reach into it.
    fn near(&self, x: f64) -> bool {
        x >= self.left - self.width * 0.05 && x <= self.left + self.width * 1.05
    }
}

/// Cuts points into runs without a gap and hands each run's coordinates to `each`.
pub(crate) fn runs(
    points: impl Iterator<Item = (Time, Option<f64>)>,
    step: Option<Duration>,
    map: &Map,
    mut each: impl FnMut(&[(f64, f64)]),
) {
    let reach = step.map_or(i64::MAX, |s| s.as_millis() as i64 * 3 / 2);
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut column = Column::default();
    let mut last = i64::MIN;
    for (at, value) in points {
        let x = map.x(at);
        if !map.near(x) {
            continue;
        }
        let value = value.filter(|v| v.is_finite());
        if value.is_none() || at.millis().saturating_sub(last) > reach {
            column.flush(&mut run);
            if !run.is_empty() {
                each(&run);
                run.clear();
            }
        }
        if let Some(value) = value {
            column.push(x, map.y(value), &mut run);
            last = at.millis();
        }
    }
    column.flush(&mut run);
    if !run.is_empty() {
        each(&run);
    }
}

/// The lowest and highest point of the present column, in the order they came.
#[derive(Default)]
struct Column {
    number: i64,
    lowest: Option<(usize, f64, f64)>,
    highest: Option<(usize, f64, f64)>,
    count: usize,
}

impl Column {
    fn push(&mut self, x: f64, y: f64, run: &mut Vec<(f64, f64)>) {
        let number = (x / COLUMN).floor() as i64;
        if self.count > 0 && number != self.number {
            self.flush(run);
        }
        self.number = number;
        if self.lowest.is_none_or(|(_, _, low)| y < low) {
            self.lowest = Some((self.count, x, y));
        }
        if self.highest.is_none_or(|(_, _, high)| y > high) {
            self.highest = Some((self.count, x, y));
        }
        self.count += 1;
    }

    fn flush(&mut self, run: &mut Vec<(f64, f64)>) {
        if let (Some(a), Some(b)) = (self.lowest.take(), self.highest.take()) {
            let (first, second) = if a.0 <= b.0 { (a, b) } else { (b, a) };
            run.push((first.1, first.2));
            if first.0 != second.0 {
                run.push((second.1, second.2));
            }
        }
        self.count = 0;
    }
}

/// Appends a run as a line. A single point becomes a short dash.
pub(crate) fn push_line(out: &mut String, run: &[(f64, f64)]) {
    match run {
        [] => {}
        [(x, y)] => {
            out.push('M');
            push_tenths(out, x - 1.2);
            out.push(' ');
            push_tenths(out, *y);
            out.push_str("h2.4");
        }
        [first, rest @ ..] => {
            out.push('M');
            let mut pen = Pen::at(*first);
            push_tenths(out, first.0);
            out.push(' ');
            push_tenths(out, first.1);
            for point in rest {
                pen.to(out, *point);
            }
            pen.lift(out);
        }
    }
}

/// Appends the area between `upper` (left to right) and `lower` (of the same instants).
pub(crate) fn push_area(out: &mut String, upper: &[(f64, f64)], lower: &[(f64, f64)]) {
    let Some(first) = upper.first() else { return };
    out.push('M');
    push_tenths(out, first.0);
    out.push(' ');
    push_tenths(out, first.1);
    let mut pen = Pen::at(*first);
    for point in upper[1..].iter().chain(lower.iter().rev()) {
        pen.to(out, *point);
    }
    pen.lift(out);
    out.push('z');
}

/// Writes relative moves in whole tenths, so that rounding never adds up, and joins level ones.
struct Pen {
    x: i64,
    y: i64,
    /// A level move not yet written.
    level: i64,
    command: char,
}

impl Pen {
    fn at(point: (f64, f64)) -> Pen {
        Pen {
            x: tenths(point.0),
            y: tenths(point.1),
            level: 0,
            command: 'M',
        }
    }

    fn to(&mut self, out: &mut String, point: (f64, f64)) {
        let (x, y) = (tenths(point.0), tenths(point.1));
        let (dx, dy) = (x - self.x, y - self.y);
        (self.x, self.y) = (x, y);
        if dy == 0 && (self.level == 0 || (self.level > 0) == (dx > 0)) {
            self.level += dx;
            return;
        }
        self.lift(out);
        if dy == 0 {
            self.level = dx;
            return;
        }
        if self.command == 'l' {
            if dx >= 0 {
                out.push(' ');
            }
        } else {
            out.push('l');
            self.command = 'l';
        }
        push_tenths(out, dx as f64 / 10.0);
        if dy >= 0 {
            out.push(' ');
        }
        push_tenths(out, dy as f64 / 10.0);
    }

    fn lift(&mut self, out: &mut String) {
        if self.level != 0 {
            out.push('h');
            push_tenths(out, self.level as f64 / 10.0);
            self.level = 0;
            self.command = 'h';
        }
    }
}

fn tenths(value: f64) -> i64 {
    (value * 10.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Map {
        Map {
            left: 0.0,
            top: 0.0,
            width: 100.0,
            height: 100.0,
            start: 0,
            length: 100_000.0,
            low: 0.0,
            high: 100.0,
        }
    }

    fn path(points: &[(i64, Option<f64>)], step: Option<u64>) -> String {
        let mut out = String::new();
        let points = points.iter().map(|(t, v)| (Time::from_secs(*t), *v));
        runs(points, step.map(Duration::from_secs), &map(), |run| {
            push_line(&mut out, run)
        });
        out
    }

    #[test]
    fn level_stretches_are_one_move_and_gaps_stay_gaps() {
        let some = |t: i64, v: f64| (t, Some(v));
        assert_eq!(
            path(
                &[some(0, 0.0), some(10, 0.0), some(20, 0.0), some(30, 50.0)],
                None
            ),
            "M0 100h20l10-50"
        );
        assert_eq!(
            path(
                &[some(0, 0.0), some(10, 0.0), (20, None), some(30, 50.0)],
                None
            ),
            "M0 100h10M28.8 50h2.4"
        );
        assert_eq!(
            path(
                &[some(0, 0.0), some(10, 0.0), some(30, 0.0), some(40, 0.0)],
                Some(10)
            ),
            "M0 100h10M30 100h10"
        );
        assert_eq!(path(&[(0, Some(f64::NAN))], None), "");
    }

    #[test]
    fn a_column_keeps_its_lowest_and_highest() {
        let points: Vec<(Time, Option<f64>)> = (0..100_000)
            .map(|i| {
                let value = match i {
                    50_000 => 100.0,
                    50_001 => 0.0,
                    _ => 50.0,
                };
                (Time::from_millis(i), Some(value))
            })
            .collect();
        let mut all = Vec::new();
        runs(points.into_iter(), None, &map(), |run| {
            all.extend_from_slice(run)
        });
        assert!(all.len() <= 120, "{} points", all.len());
        assert!(all.iter().any(|p| p.1 == 0.0) && all.iter().any(|p| p.1 == 100.0));
        assert!(all.windows(2).all(|w| w[0].0 <= w[1].0), "time goes right");
    }
}
