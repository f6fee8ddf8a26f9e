//! What an alarm of a test reads: the series of one metric, or of each that its math needs.

use std::collections::VecDeque;

use model::suite::Case;
use model::{Place, Span, Time};

use super::series::Feed;
use crate::alarm::{Settings, Slot, Source};
use crate::math::{self, Program};

/// What an alarm reads.
pub(super) enum Input<'a> {
    Metric(Feed<'a>),
    Math {
        program: &'a Program,
        feeds: Vec<Feed<'a>>,
        settings: math::Settings,
    },
}

/// The slots of the latest evaluation, from which the next goes on.
#[derive(Default)]
pub(super) struct Filled {
    pub slots: Vec<Slot>,
    /// The newest slot of this evaluation and of earlier ones, as far back as a window reaches.
    pub newest: VecDeque<Slot>,
    /// Of each series that math needs.
    parts: Vec<Filled>,
}

impl<'a> Input<'a> {
    /// Finds the series of a test for a source; the error names the one that contradicts the alarm.
    pub fn new(
        case: &'a Case,
        source: &'a Source<'_>,
        settings: &Settings,
    ) -> Result<Self, (Place, String)> {
        match source {
            Source::Metric(stat) => Feed::new(case, stat, settings).map(Input::Metric),
            Source::Math(program) => {
                let needs = program.needs().iter();
                let feeds = needs.map(|stat| Feed::new(case, stat, settings));
                Ok(Input::Math {
                    program,
                    feeds: feeds.collect::<Result<_, _>>()?,
                    settings: settings.math,
                })
            }
        }
    }

    /// Why nothing reaches the alarm, if nothing does.
    pub fn unfed(&self) -> Option<String> {
        match self {
            Input::Metric(feed) => feed.unfed.clone(),
            Input::Math { feeds, .. } => {
                let why: Option<Vec<&str>> = feeds.iter().map(|f| f.unfed.as_deref()).collect();
                why.filter(|all| !all.is_empty()).map(|all| all.join("; "))
            }
        }
    }

    /// Makes the slots those of `window` as they look at `now`.
    pub fn fill(&self, filled: &mut Filled, window: Span, now: Time) {
        match self {
            Input::Metric(feed) => feed.fill(filled, window, now),
            Input::Math {
                program,
                feeds,
                settings,
            } => {
                filled.parts.resize_with(feeds.len(), Filled::default);
                let series: Vec<Vec<f64>> = feeds
                    .iter()
                    .zip(&mut filled.parts)
                    .map(|(feed, part)| {
                        feed.fill(part, window, now);
                        let values = part.slots.iter().map(|slot| slot.value.unwrap_or(f64::NAN));
                        values.collect()
                    })
                    .collect();
                filled.slots = program.slots(window, &series, *settings);
            }
        }
    }
}
