//! What the pages show: plain values that the shell fills in.
//!
//! Nothing here is fetched or decided. A picture is drawn elsewhere and arrives as [`Svg`] or
//! [`Html`]; every `String` is text and is escaped.

mod alarms;
mod explore;
mod incidents;
mod keeper;
mod local;
mod now;
mod pages;
mod telemetry;

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use model::{Severity, State, Time};

pub use alarms::*;
pub use explore::*;
pub use incidents::*;
pub use keeper::*;
pub use local::*;
pub use now::*;
pub use pages::*;
pub use telemetry::*;

/// Markup that is safe to show as it is: made by `render`, never by a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Html(pub String);

/// A drawn picture, as an `<svg>` element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Svg(pub String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}
impl askama::filters::HtmlSafe for Svg {}

/// A picture or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// It could be drawn. A picture scales with its text, so it is drawn twice, and the style
    /// shows the one that is legible.
    Drawn {
        /// For a screen: [`Size::ALARM`] or [`Size::INCIDENT`].
        wide: Svg,
        /// For a telephone: [`Size::NARROW`].
        narrow: Svg,
    },
    /// The query failed: the error as a sentence.
    Failed(String),
    /// There is nothing to draw: why, as a sentence.
    Empty(String),
}

/// The size in CSS pixels at which a picture of a page is to be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Size {
    /// The chart of an alarm's page.
    pub const ALARM: Size = Size {
        width: 980.0,
        height: 280.0,
    };
    /// The chart of an incident's page, beside its runbook.
    pub const INCIDENT: Size = Size {
        width: 700.0,
        height: 240.0,
    };
    /// A sparkline in a row, its value included.
    pub const SPARK: Size = Size {
        width: 148.0,
        height: 28.0,
    };
    /// Either chart on a narrow screen.
    pub const NARROW: Size = Size {
        width: 300.0,
        height: 200.0,
    };
}

/// What every page shares.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The estate's name.
    pub estate: String,
    /// Which pages there are.
    pub mode: Mode,
    /// When the page is made.
    pub now: Time,
    /// The zone that is shown beside UTC.
    pub zone: TimeZone,
    /// The numbers in the rail.
    pub counts: Counts,
    /// The token that every form carries.
    pub csrf: String,
    /// What the last request did or why it did not, as a sentence.
    pub notice: Option<Notice>,
    /// Whom a load balancer signed in; forms do not ask for a name then.
    pub person: Option<String>,
}

/// Where the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `nightbell up`: with mailbox and faults.
    Local,
    /// `nightbell serve`.
    Aws,
    /// `nightbell serve` without a journal: it keeps the account and tells nobody.
    Keeper,
}

/// The numbers in the rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Open incidents.
    pub incidents: usize,
    /// Alarms in ALARM.
    pub alarm: usize,
    /// Alarms in INSUFFICIENT_DATA.
    pub insufficient_data: usize,
    /// All alarms.
    pub alarms: usize,
    /// Mails in the mailbox.
    pub mails: usize,
    /// Active faults.
    pub faults: usize,
}

/// A sentence about the last request, at the top of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It was done.
    Done(String),
    /// It was not done, and why.
    Refused(String),
}

/// The time range of a page, with what else its links must keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// How far back the page looks.
    pub chosen: Duration,
    /// Path of the page, already percent-encoded.
    pub path: String,
    /// Other query parameters that stay, as they were read.
    pub keep: Vec<(String, String)>,
}

impl Range {
    /// What the links offer, CloudWatch's own choice.
    pub const OFFERED: [(&'static str, Duration); 6] = [
        ("1h", Duration::from_secs(3_600)),
        ("3h", Duration::from_secs(3 * 3_600)),
        ("12h", Duration::from_secs(12 * 3_600)),
        ("1d", Duration::from_secs(86_400)),
        ("3d", Duration::from_secs(3 * 86_400)),
        ("7d", Duration::from_secs(7 * 86_400)),
    ];
}

/// A name and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// For example `Condition`.
    pub name: String,
    /// For example `Sum of Errors is more than 0`.
    pub value: String,
}

/// A link with its words. The target is a path of the console, percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// For example `/incidents/INC-7F3K`.
    pub href: String,
    /// For example `INC-7F3K`.
    pub text: String,
}

/// An alarm and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmMark {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Time,
}

/// Who took an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Time,
}

/// A signal's present value and its recent past.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Signal {
    /// The present value with its unit, `37/min`; empty when there is none, or when the sparkline
    /// carries it at its right end.
    pub value: String,
    /// The sparkline, [`Size::SPARK`]; empty when there is nothing to draw.
    pub spark: Svg,
    /// Whether an alarm on it is in ALARM.
    pub breaching: bool,
}

/// A piece of evidence, or why it is not there.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence<T> {
    /// Here it is.
    Found(T),
    /// There is none: where was looked, as a sentence.
    Nothing(String),
    /// It could not be had: why, as a sentence.
    Failed(String),
}

/// A trace drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceView {
    /// `1-8hex-24hex`.
    pub id: String,
    /// What it says, for example `2,310 ms, 2,288 of it in DynamoDB UpdateItem`.
    pub sentence: String,
    /// The waterfall, as `render` draws it.
    pub waterfall: Html,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What kind of thing.
    pub kind: EventKind,
    /// What, as a sentence without a full stop.
    pub text: String,
    /// More of it, for example a reason.
    pub detail: Option<String>,
    /// Where to read on.
    pub link: Option<Link>,
}

/// The kinds of event; each has a mark and a word of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// An alarm went to this state.
    Alarm(State),
    /// An incident began.
    Opened,
    /// An incident ended.
    Resolved,
    /// Somebody took it.
    Acknowledged,
    /// A mail was decided or sent.
    Mail,
    /// Nobody was told, and why.
    Held,
    /// Something could not be done.
    Failed,
    /// A fault was injected or cleared.
    Fault,
    /// A deploy, a configuration, a start.
    Change,
    /// Somebody wrote something.
    Note,
}

/// Log lines that say the same, or one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The newest of them.
    pub at: Time,
    /// How many there were.
    pub count: usize,
    /// `ERROR`, `WARN`, `INFO`; empty when the line does not say.
    pub level: String,
    /// The text.
    pub text: String,
    /// The trace it belongs to.
    pub trace: Option<String>,
}

/// A runbook beside an incident, or on its own page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookView {
    /// File stem.
    pub stem: String,
    /// Its title.
    pub title: String,
    /// Who keeps it.
    pub owner: String,
    /// Which services it is for.
    pub services: Vec<String>,
    /// For which severity.
    pub severity: Option<Severity>,
    /// When it was last reviewed, `2026-01-05`.
    pub reviewed: Option<String>,
    /// What stands before the first step.
    pub intro: Html,
    /// Its steps.
    pub steps: Vec<StepView>,
    /// The file.
    pub source: String,
    /// Which alarms point here.
    pub alarms: Vec<AlarmMark>,
}

/// One step of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// Its heading.
    pub heading: String,
    /// Its anchor.
    pub slug: String,
    /// What to do, rendered.
    pub body: Html,
    /// Whether this is where to begin; it stands open.
    pub current: bool,
}

/// A page that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// What, for example `There is no alarm "x"`.
    pub title: String,
    /// Why, and the way out.
    pub detail: String,
    /// Where to go.
    pub link: Option<Link>,
}
