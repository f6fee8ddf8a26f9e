//! Charts over time as SVG, in the manner of the console: thin lines, a grid barely there, gaps
//! that stay gaps, a dashed and labelled threshold, breaching spans tinted.
//!
//! A [`Chart`] is plain data and [`Chart::svg`] the only thing it does. Nothing in the picture
//! needs a script: hovering shows a `<title>` with all series at that time. For script and style
//! there are class names: `chart`, `plot`, `hover` (its `<rect>`s), `series`, `legend`.

mod axis;
pub(crate) mod draw;
mod hover;
mod legend;
pub(crate) mod paths;
mod spark;
mod stack;
mod states;

use std::time::Duration;

use jiff::tz::TimeZone;
use model::{Span, Time, Unit};

use crate::palette::{Ink, Theme};

pub use spark::Sparkline;
pub use states::States;

/// Which vertical axis a series or threshold belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Side {
    /// The left axis.
    #[default]
    Left,
    /// The right axis.
    Right,
}

/// The colour of a series or annotation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Colour {
    /// One of the eight, counted from 0; wraps around.
    Index(usize),
    /// `#rgb` or `#rrggbb`, as a dashboard body asks for it. Anything else is drawn in the first
    /// series colour.
    Hex(String),
}

impl Colour {
    /// The value of a `fill` or `stroke`; a hexadecimal colour is checked, so that nothing else
    /// passes.
    pub(crate) fn paint(&self, theme: Theme) -> String {
        match self {
            Colour::Index(i) => Ink::Series(*i).paint(theme),
            Colour::Hex(hex) => {
                let digits = hex.strip_prefix('#').unwrap_or_default();
                if matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    hex.clone()
                } else {
                    Ink::Series(0).paint(theme)
                }
            }
        }
    }
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Oldest first. `None` is a gap.
    pub points: Vec<(Time, Option<f64>)>,
    /// The period of the points: where two neighbours are further apart than one and a half of
    /// it there is a gap, so that points without data may be left out. `None`: only a `None`
    /// value is a gap.
    pub step: Option<Duration>,
    /// Its axis.
    pub side: Side,
}

impl Series {
    /// A series on the left axis from points of which those without data are left out.
    pub fn new(
        label: impl Into<String>,
        colour: usize,
        step: Duration,
        points: impl IntoIterator<Item = (Time, f64)>,
    ) -> Series {
        Series {
            label: label.into(),
            colour: Colour::Index(colour),
            points: points.into_iter().map(|(t, v)| (t, Some(v))).collect(),
            step: Some(step),
            side: Side::Left,
        }
    }

    /// The newest value.
    pub fn last(&self) -> Option<f64> {
        self.values().next_back()
    }

    /// All values that there are.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = f64> {
        self.points
            .iter()
            .filter_map(|(_, v)| *v)
            .filter(|v| v.is_finite())
    }
}

/// Which side of a threshold or instant is tinted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fill {
    /// Nothing.
    #[default]
    None,
    /// Above the value.
    Above,
    /// Below the value.
    Below,
}

/// A dashed horizontal line, or the band between two values.
#[derive(Debug, Clone, PartialEq)]
pub struct Horizontal {
    /// Where.
    pub value: f64,
    /// The other edge of a band.
    pub until: Option<f64>,
    /// What it says; the value when empty.
    pub label: String,
    /// `None`: the threshold colour.
    pub colour: Option<Colour>,
    /// What is tinted, where it is no band.
    pub fill: Fill,
    /// Its axis.
    pub side: Side,
}

impl Horizontal {
    /// A limit on the left axis, labelled `limit VALUE`.
    pub fn limit(value: f64) -> Horizontal {
        Horizontal {
            value,
            until: None,
            label: String::new(),
            colour: None,
            fill: Fill::None,
            side: Side::Left,
        }
    }
}

/// A vertical line at an instant, or the band between two.
#[derive(Debug, Clone, PartialEq)]
pub struct Vertical {
    /// When.
    pub at: Time,
    /// The other edge of a band.
    pub until: Option<Time>,
    /// What it says.
    pub label: String,
    /// `None`: the quieter text colour.
    pub colour: Option<Colour>,
}

/// One vertical axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// Lowest value; `None`: 0 where no value is below, else the smallest.
    pub min: Option<f64>,
    /// Highest value; `None`: the largest, rounded up.
    pub max: Option<f64>,
    /// Stands above the axis, before the unit.
    pub label: String,
    /// The unit of its values.
    pub unit: Unit,
}

/// Where the legend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Legend {
    /// At the ends of the lines where the labels fit, else below. A single series has none.
    #[default]
    Auto,
    /// Below the plot, even for a single series.
    Bottom,
    /// In a column at the right.
    Right,
    /// Nowhere.
    Hidden,
}

/// A chart over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Names the picture for those who do not see it; not drawn.
    pub title: String,
    /// The lines.
    pub series: Vec<Series>,
    /// The time that the horizontal axis covers.
    pub span: Span,
    /// The left axis.
    pub left: Axis,
    /// The right axis; drawn only when something belongs to it.
    pub right: Axis,
    /// Thresholds and bands.
    pub horizontal: Vec<Horizontal>,
    /// Instants and bands.
    pub vertical: Vec<Vertical>,
    /// Tinted stretches; the first series' points inside are marked.
    pub breaching: Vec<Span>,
    /// Areas on top of each other instead of lines.
    pub stacked: bool,
    /// Where the legend stands.
    pub legend: Legend,
    /// The zone of the time axis, named on it.
    pub zone: TimeZone,
    /// Width of the picture in CSS pixels; it scales.
    pub width: f64,
    /// Height of the picture in CSS pixels.
    pub height: f64,
    /// How it is coloured.
    pub theme: Theme,
}

impl Chart {
    /// An empty chart of 720 by 240 pixels in UTC.
    pub fn new(title: impl Into<String>, span: Span, unit: Unit) -> Chart {
        Chart {
            title: title.into(),
            series: Vec::new(),
            span,
            left: Axis {
                unit,
                ..Axis::default()
            },
            right: Axis::default(),
            horizontal: Vec::new(),
            vertical: Vec::new(),
            breaching: Vec::new(),
            stacked: false,
            legend: Legend::Auto,
            zone: TimeZone::UTC,
            width: 720.0,
            height: 240.0,
            theme: Theme::Page,
        }
    }

    /// The picture: one `<svg role="img">` element.
    pub fn svg(&self) -> String {
        draw::draw(self)
    }
}
