//! CloudWatch dashboard bodies: read leniently, asked what they need, drawn.
//!
//! [`Board::parse`] turns a body into widgets with exact places and reports what it could not
//! use; [`Board::queries`] says what to fetch; [`Board::html`] and [`Board::svg`] draw the
//! answers. Unknown keys are ignored, as in CloudWatch. What cannot be drawn says so in its
//! place.

mod body;
mod draw;
mod explorer;
mod label;
mod logs;
mod metrics;
mod place;
mod shapes;
mod states;
mod table;
mod variables;
mod views;
mod words;

use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use model::{LogTable, MathEntry, MetricStat, Span, State, Time, Unit};

use crate::palette::Theme;

pub use body::{MetricWidget, PeriodOverride, Summary, View, Widget, WidgetKind};
pub use explorer::ExplorerWidget;
pub use label::{Facts, fill};
pub use logs::{LogWidget, answer_chart, answer_html};
pub use metrics::{Entry, Source};
pub use states::{AlarmOrder, AlarmWidget};
pub use variables::{Choices, Variable, VariableInput, VariableKind, VariableSearch, variables};

/// One dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// In the order of the body.
    pub widgets: Vec<Widget>,
    /// `start` and `end` as the body says them: ISO 8601 or, for the start, `-PT3H`.
    pub start: Option<String>,
    /// See `start`.
    pub end: Option<String>,
    /// `periodOverride`
    pub periods: PeriodOverride,
    /// What its reader can choose.
    pub variables: Vec<Variable>,
}

/// One series that a board needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Under this key [`Data::series`] holds the answer. Equal queries of several widgets have
    /// one key.
    pub key: String,
    /// Metric, statistic and period.
    pub stat: MetricStat,
    /// The board's span, its start rounded down to the period.
    pub span: Span,
}

/// One expression that a board shows: metric math or SEARCH, which the caller computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Computation {
    /// Under this key [`Data::computed`] holds the answer.
    pub key: String,
    /// All entries of its widget, with one period.
    pub entries: Vec<MathEntry>,
    /// The id of the one that is shown.
    pub watch: String,
    /// What SEARCH finds is to be read with this period at least, in seconds, so that a long time
    /// has no more points than can be drawn.
    pub at_least: u32,
    /// The board's span, its start rounded down to the period.
    pub span: Span,
}

/// What became of a [`Computation`].
#[derive(Debug, Clone, PartialEq)]
pub enum Computed {
    /// One for each series of the result.
    Lines(Vec<Line>),
    /// It could not be computed or fetched; said in its place.
    Failed(String),
}

/// A series that was computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What tells it from the others of its expression; empty where nothing does.
    pub name: String,
    /// The metric that it is, where it is one.
    pub origin: Option<MetricStat>,
    /// The unit of its values.
    pub unit: Unit,
    /// How far its points are apart.
    pub step: Duration,
    /// Oldest first, points without data left out.
    pub points: Vec<(Time, f64)>,
}

/// One Logs Insights query that a board shows, which the caller runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LogsQuery {
    /// Under this key [`Data::logs`] holds the answer.
    pub key: String,
    /// Its text, with its `SOURCE`s.
    pub query: String,
    /// The board's span.
    pub span: Span,
}

/// What became of a [`LogsQuery`].
#[derive(Debug, Clone, PartialEq)]
pub enum LogAnswer {
    /// Its answer.
    Table(LogTable),
    /// It could not be understood or run; said in its place.
    Failed(String),
}

/// What became of a [`Query`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Oldest first, points without data left out.
    Points(Vec<(Time, f64)>),
    /// The fetch failed; drawn where the chart would be.
    Failed(String),
}

/// An alarm as an alarm widget shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmState {
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// Where its page is; only used in HTML.
    pub link: Option<String>,
}

/// Everything that drawing a board needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The time shown.
    pub span: Span,
    /// By [`Query::key`]. A key that is not there is drawn as "no data".
    pub series: HashMap<String, Answer>,
    /// By [`Computation::key`].
    pub computed: HashMap<String, Computed>,
    /// By [`LogsQuery::key`].
    pub logs: HashMap<String, LogAnswer>,
    /// Units by [`Query::key`], where they are known; the others are drawn bare.
    pub units: HashMap<String, Unit>,
    /// By alarm name; an ARN in the body is looked up by its last part.
    pub alarms: HashMap<String, AlarmState>,
    /// The zone of time axes, where a widget does not say another.
    pub zone: TimeZone,
    /// How it is coloured. Use [`Theme::Page`] for [`Board::html`].
    pub theme: Theme,
}

impl Data {
    /// Nothing yet, in UTC.
    pub fn new(span: Span) -> Data {
        Data {
            span,
            series: HashMap::new(),
            computed: HashMap::new(),
            logs: HashMap::new(),
            units: HashMap::new(),
            alarms: HashMap::new(),
            zone: TimeZone::UTC,
            theme: Theme::Page,
        }
    }
}

impl Board {
    /// Reads a body. The strings say what was not understood, each with its path
    /// (`/widgets/3/properties/metrics/0`); the rest is drawn all the same.
    pub fn parse(body: &serde_json::Value) -> (Board, Vec<String>) {
        Board::choose(body, &Choices::default())
    }

    /// As [`Board::parse`], with what is known of its variables put in.
    pub fn choose(body: &serde_json::Value, choices: &Choices) -> (Board, Vec<String>) {
        let (variables, more) = variables(body, choices);
        let (mut board, mut problems) = match variables.is_empty() {
            true => body::parse(body),
            false => body::parse(&variables::chosen(body, &variables)),
        };
        board.variables = variables;
        problems.extend(more);
        (board, problems)
    }

    /// Its metric widgets, those of explorers too.
    fn metric_widgets(&self) -> impl Iterator<Item = &MetricWidget> {
        self.widgets.iter().flat_map(|widget| match &widget.kind {
            WidgetKind::Metric(metric) => std::slice::from_ref(&**metric),
            WidgetKind::Explorer(explorer) => explorer.charts.as_slice(),
            _ => &[],
        })
    }

    /// What must be fetched to draw the board over `span`; each series once.
    pub fn queries(&self, span: Span) -> Vec<Query> {
        let mut queries: Vec<Query> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for metric in self.metric_widgets() {
            for query in metric.queries(self.periods, span) {
                if seen.insert(query.key.clone()) {
                    queries.push(query);
                }
            }
        }
        queries
    }

    /// What must be computed to draw the board over `span`; each expression once.
    pub fn computations(&self, span: Span) -> Vec<Computation> {
        let mut all: Vec<Computation> = Vec::new();
        for metric in self.metric_widgets() {
            for computation in metric.computations(self.periods, span) {
                if !all.iter().any(|other| other.key == computation.key) {
                    all.push(computation);
                }
            }
        }
        all
    }

    /// What must be asked of the logs to draw the board over `span`; each query once.
    pub fn log_queries(&self, span: Span) -> Vec<LogsQuery> {
        let mut all: Vec<LogsQuery> = Vec::new();
        for widget in &self.widgets {
            if let WidgetKind::Log(log) = &widget.kind {
                let key = log.key(span);
                if !log.query.trim().is_empty() && !all.iter().any(|other| other.key == key) {
                    all.push(LogsQuery {
                        key,
                        query: log.query.clone(),
                        span,
                    });
                }
            }
        }
        all
    }

    /// The alarms whose states the board shows, by name, each once.
    pub fn alarms(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for widget in &self.widgets {
            let list: &[String] = match &widget.kind {
                WidgetKind::Alarm(widget) => &widget.alarms,
                WidgetKind::Metric(m) => &m.alarms,
                _ => &[],
            };
            for name in list {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names
    }

    /// The board as HTML: `<div class="board">` of one `<section class="widget">` a widget,
    /// placed by the classes that [`Board::css`] defines.
    pub fn html(&self, data: &Data) -> String {
        draw::html(self, data)
    }

    /// The picture of one metric widget, at a size in CSS pixels; none where it is no such widget.
    pub fn picture(&self, widget: usize, data: &Data, size: (f64, f64)) -> Option<String> {
        match &self.widgets.get(widget)?.kind {
            WidgetKind::Metric(m) => Some(views::picture(m, self, data, size, data.theme)),
            _ => None,
        }
    }

    /// The places of this board's widgets as a style sheet: a 24-column grid, rows as in the
    /// body, one column on narrow screens. To be served as a file of its own or under a nonce.
    pub fn css(&self) -> String {
        place::css(self)
    }

    /// One picture of the entire board, for previews and mails.
    pub fn svg(&self, data: &Data) -> String {
        draw::svg(self, data)
    }

    /// A whole HTML document of the board with its style inside, for a file.
    pub fn page(&self, name: &str, data: &Data) -> String {
        draw::page(self, name, data)
    }
}
