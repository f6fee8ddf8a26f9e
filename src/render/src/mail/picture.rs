//! The last hour of what an alarm measures, as a picture.

use std::time::Duration;

use model::{Span, Threshold};

use super::{Context, Measure, Picture};
use crate::chart::{Horizontal, Legend};
use crate::number::clock;
use crate::{Chart, Series, Theme};

/// As wide as a mail is on a telephone, twice.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;

impl Measure {
    /// Nothing without a value: an empty chart says less than the sentence beside it.
    pub(super) fn picture(&self, alarm: &str, context: &Context) -> Option<Picture> {
        self.values.iter().flatten().next()?;
        let count = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let step = (self.covers / count).max(Duration::from_secs(1));
        let span = Span::new(self.end - self.covers, self.end);
        let starts = |i: usize| span.start + step * u32::try_from(i).unwrap_or(u32::MAX);
        let numbered = || self.values.iter().enumerate();
        let points = numbered().filter_map(|(i, v)| Some((starts(i), (*v)?)));
        let breaching = numbered()
            .filter(|(_, v)| v.is_some_and(|v| self.breaches(v)))
            .map(|(i, _)| Span::new(starts(i), starts(i) + step));
        let mut chart = Chart::new(alarm, span, self.unit);
        chart.breaching = breaching.collect();
        chart.series = vec![Series::new(alarm, 0, step, points)];
        if let Threshold::Number { value, .. } = &self.alarm.threshold {
            chart.horizontal.push(Horizontal::limit(*value));
        }
        chart.legend = Legend::Hidden;
        chart.zone = context.zone.clone();
        (chart.width, chart.height) = (WIDTH, HEIGHT);
        chart.theme = Theme::Light;
        Some(Picture {
            chart,
            alt: format!(
                "{alarm} until {}: now {}, limit {}",
                clock(self.end, &context.zone),
                self.now(),
                self.limit()
            ),
        })
    }
}
