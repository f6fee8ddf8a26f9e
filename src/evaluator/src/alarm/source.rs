//! Where an alarm's points come from: one metric, or metric math over several.

use std::fmt;

use model::{AlarmKind, MetricAlarm, MetricStat, Span, Threshold, Time, Watch};

use super::{Settings, Slot, Unsupported, slots};
use crate::math::{Fault, FaultKind, Program};

/// Where the points of a metric alarm come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source<'a> {
    /// The metric as it is.
    Metric(&'a MetricStat),
    /// What an expression makes of several.
    Math(Box<Program>),
}

/// Why an alarm cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unjudged {
    /// A composite has no points: [`crate::composite`] judges it by the states of others.
    Composite,
    /// It is of a kind that is not modelled.
    Unsupported(Unsupported),
    /// Its math is wrong, or only AWS can answer it.
    Math(Fault),
}

impl Unjudged {
    /// Whether CloudWatch would refuse the alarm as well.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Unjudged::Math(fault) if fault.kind == FaultKind::Invalid)
    }
}

impl fmt::Display for Unjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unjudged::Composite => f.write_str(
                "a composite watches the states of other alarms and has no points of its own",
            ),
            Unjudged::Unsupported(why) => why.fmt(f),
            Unjudged::Math(fault) => write!(f, "metric math: {fault}"),
        }
    }
}

impl std::error::Error for Unjudged {}

/// The metric alarm with the source of its points, for callers that fetch all of
/// [`Source::needs`].
///
/// # Errors
/// Composites, anomaly bands, and math that is wrong or needs what only AWS has.
pub fn source(kind: &AlarmKind) -> Result<(&MetricAlarm, Source<'_>), Unjudged> {
    let AlarmKind::Metric(alarm) = kind else {
        return Err(Unjudged::Composite);
    };
    if let Threshold::Band { .. } = alarm.threshold {
        return Err(Unjudged::Unsupported(Unsupported::Band));
    }
    let source = Source::of(&alarm.watch).map_err(Unjudged::Math)?;
    Ok((alarm, source))
}

impl<'a> Source<'a> {
    /// Where the points of something watched come from, whatever they are compared with.
    ///
    /// # Errors
    /// Math that is wrong or needs what only AWS has.
    pub fn of(watch: &'a Watch) -> Result<Source<'a>, Fault> {
        Ok(match watch {
            Watch::Metric(stat) => Source::Metric(stat),
            Watch::Math { entries, watch } => {
                Source::Math(Box::new(Program::compile(entries, watch)?))
            }
        })
    }

    /// The series to fetch over the alarm's window.
    pub fn needs(&self) -> &[MetricStat] {
        match self {
            Source::Metric(stat) => std::slice::from_ref(stat),
            Source::Math(program) => program.needs(),
        }
    }

    /// The slots of a window, from the points (stamp, value, sample count) of each of
    /// [`Source::needs`]. A series that is not given has no points.
    pub fn slots(
        &self,
        alarm: &MetricAlarm,
        window: Span,
        series: &[Vec<(Time, f64, Option<f64>)>],
        settings: &Settings,
    ) -> Vec<Slot> {
        match self {
            Source::Metric(_) => {
                let points = series.first().into_iter().flatten().copied();
                slots(alarm, window, points)
            }
            Source::Math(program) => {
                let grid = program.grid(window);
                let aligned: Vec<Vec<f64>> = series
                    .iter()
                    .map(|points| grid.align(points.iter().map(|(at, value, _)| (*at, *value))))
                    .collect();
                program.slots(window, &aligned, settings.math)
            }
        }
    }
}
