//! One function a page: a view model in, a whole HTML document out.
//!
//! The functions decide nothing but words and order; the templates stand in `templates/`.

use std::time::Duration;

use askama::Template;
use model::time::format_duration;
use model::{Severity, State};

use super::assets;
use super::clock::{Clock, escape};
use super::marks;
use super::view::{
    AlarmPage, AlarmsPage, CoveragePage, DashboardPage, DashboardRow, Delivery, Evidence,
    ExplorePage, FaultsPage, Frame, Html, IncidentAction, IncidentPage, IncidentsPage, LinkPage,
    LogsAsked, LogsFound, LogsPage, MailPage, MailRow, MapPage, Mode, Notice, NowPage, Picture,
    PlanPage, Problem, Range, ReferencePage, RunbookRow, RunbookView, SilenceRow, TaskRow,
    TestOutcome, TracePage, TraceRow, TracesPage,
};
use super::words;

/// `/`: is anything wrong, where, since when, what is being done.
pub fn now(frame: &Frame, page: &NowPage) -> Html {
    #[derive(Template)]
    #[template(path = "now.html")]
    struct Now<'a> {
        base: Base<'a>,
        lead: String,
        page: &'a NowPage,
    }
    render(&Now {
        base: Base::new(frame, Some(Here::Now), words::now_title(page, frame)),
        lead: words::now_lead(page, frame),
        page,
    })
}

/// `/dashboards`
pub fn dashboards(frame: &Frame, rows: &[DashboardRow]) -> Html {
    #[derive(Template)]
    #[template(path = "dashboards.html")]
    struct Dashboards<'a> {
        base: Base<'a>,
        rows: &'a [DashboardRow],
    }
    render(&Dashboards {
        base: Base::new(frame, Some(Here::Dashboards), "Dashboards".into()),
        rows,
    })
}

/// `/dashboards/{name}`
pub fn dashboard(frame: &Frame, page: &DashboardPage) -> Html {
    #[derive(Template)]
    #[template(path = "dashboard.html")]
    struct Dashboard<'a> {
        base: Base<'a>,
        page: &'a DashboardPage,
        range_text: String,
    }
    render(&Dashboard {
        range_text: format_duration(page.range.chosen),
        base: Base::new(frame, Some(Here::Dashboards), page.name.clone()).inside(),
        page,
    })
}

/// `/plan`: what differs, and what was changed by hand.
pub fn plan(frame: &Frame, page: &PlanPage) -> Html {
    #[derive(Template)]
    #[template(path = "plan.html")]
    struct Plan<'a> {
        base: Base<'a>,
        page: &'a PlanPage,
    }
    let title = match (page.problems.len(), page.drift.len(), page.changes.len()) {
        (0, 0, 0) => "Plan and drift".to_owned(),
        (0, 0, 1) => "1 change is to be made".to_owned(),
        (0, 0, n) => format!("{n} changes are to be made"),
        (0, 1, _) => "1 thing was changed by hand".to_owned(),
        (0, n, _) => format!("{n} things were changed by hand"),
        _ => "The account cannot be kept".to_owned(),
    };
    render(&Plan {
        base: Base::new(frame, Some(Here::Plan), title),
        page,
    })
}

/// `/coverage`: what nobody watches.
pub fn coverage(frame: &Frame, page: &CoveragePage) -> Html {
    #[derive(Template)]
    #[template(path = "coverage.html")]
    struct Coverage<'a> {
        base: Base<'a>,
        page: &'a CoveragePage,
    }
    let title = match page.percent {
        Some(percent) => format!("{percent} % is covered"),
        None => "Coverage".to_owned(),
    };
    render(&Coverage {
        base: Base::new(frame, Some(Here::Coverage), title),
        page,
    })
}

/// `/alarms`, whose form asks with `state`, `service`, `q` and `page`.
pub fn alarms(frame: &Frame, page: &AlarmsPage) -> Html {
    #[derive(Template)]
    #[template(path = "alarms.html")]
    struct Alarms<'a> {
        base: Base<'a>,
        page: &'a AlarmsPage,
    }
    render(&Alarms {
        base: Base::new(frame, Some(Here::Alarms), words::alarms_title(frame.counts)),
        page,
    })
}

/// The order of a list of alarms: what is wrong comes first, then by name.
pub fn by_urgency(rows: &mut [(State, Severity, &str, usize)]) {
    rows.sort_by_key(|(state, severity, name, _)| (marks::urgency(*state), *severity, *name));
}

/// `/alarms/{name}`
pub fn alarm(frame: &Frame, page: &AlarmPage) -> Html {
    #[derive(Template)]
    #[template(path = "alarm.html")]
    struct Alarm<'a> {
        base: Base<'a>,
        page: &'a AlarmPage,
    }
    render(&Alarm {
        base: Base::new(frame, Some(Here::Alarms), page.name.clone()).inside(),
        page,
    })
}

/// `/incidents`, in the order given: open ones first, then newest first.
pub fn incidents(frame: &Frame, page: &IncidentsPage) -> Html {
    #[derive(Template)]
    #[template(path = "incidents.html")]
    struct Incidents<'a> {
        base: Base<'a>,
        page: &'a IncidentsPage,
    }
    render(&Incidents {
        base: Base::new(
            frame,
            Some(Here::Incidents),
            words::incidents_title(page, frame.now),
        ),
        page,
    })
}

/// `/tasks`
pub fn tasks(frame: &Frame, rows: &[TaskRow], spared: Option<&str>) -> Html {
    #[derive(Template)]
    #[template(path = "tasks.html")]
    struct Tasks<'a> {
        base: Base<'a>,
        rows: &'a [TaskRow],
        spared: Option<&'a str>,
        failing: usize,
    }
    let failing = rows.iter().filter(|r| r.error.is_some()).count();
    let title = match failing {
        0 => "Tasks".to_owned(),
        1 => "1 task fails".to_owned(),
        n => format!("{n} tasks fail"),
    };
    render(&Tasks {
        base: Base::new(frame, None, title),
        rows,
        spared,
        failing,
    })
}

/// `/reference`
pub fn reference(frame: &Frame, page: &ReferencePage) -> Html {
    #[derive(Template)]
    #[template(path = "reference.html")]
    struct Reference<'a> {
        base: Base<'a>,
        page: &'a ReferencePage,
    }
    render(&Reference {
        base: Base::new(frame, None, "The API".into()),
        page,
    })
}

/// `/incidents/{id}`
pub fn incident(frame: &Frame, page: &IncidentPage) -> Html {
    #[derive(Template)]
    #[template(path = "incident.html")]
    struct Incident<'a> {
        base: Base<'a>,
        page: &'a IncidentPage,
    }
    render(&Incident {
        base: Base::new(frame, Some(Here::Incidents), page.what.clone()).inside(),
        page,
    })
}

/// `/l/{token}`: a page that asks before a link in a mail does anything.
pub fn link(frame: &Frame, page: &LinkPage) -> Html {
    #[derive(Template)]
    #[template(path = "link.html")]
    struct Asking<'a> {
        base: Base<'a>,
        page: &'a LinkPage,
    }
    render(&Asking {
        base: Base::new(frame, Some(Here::Incidents), page.title.clone()).inside(),
        page,
    })
}

/// `/silences`: those that hold come first.
pub fn silences(frame: &Frame, rows: &[SilenceRow]) -> Html {
    #[derive(Template)]
    #[template(path = "silences.html")]
    struct Silences<'a> {
        base: Base<'a>,
        rows: &'a [SilenceRow],
    }
    render(&Silences {
        base: Base::new(frame, Some(Here::Incidents), "Silences".into()).inside(),
        rows,
    })
}

/// `/runbooks`
pub fn runbooks(frame: &Frame, rows: &[RunbookRow]) -> Html {
    #[derive(Template)]
    #[template(path = "runbooks.html")]
    struct Runbooks<'a> {
        base: Base<'a>,
        rows: &'a [RunbookRow],
    }
    render(&Runbooks {
        base: Base::new(frame, Some(Here::Runbooks), "Runbooks".into()),
        rows,
    })
}

/// `/runbooks/{stem}`
pub fn runbook(frame: &Frame, page: &RunbookView) -> Html {
    #[derive(Template)]
    #[template(path = "runbook.html")]
    struct Runbook<'a> {
        base: Base<'a>,
        page: &'a RunbookView,
    }
    render(&Runbook {
        base: Base::new(frame, Some(Here::Runbooks), page.title.clone()).inside(),
        page,
    })
}

/// `/traces`, with `?failed=1` for those that failed.
pub fn traces(frame: &Frame, page: &TracesPage) -> Html {
    #[derive(Template)]
    #[template(path = "traces.html")]
    struct Traces<'a> {
        base: Base<'a>,
        page: &'a TracesPage,
        range: Range,
        all: String,
        failed: String,
        range_text: String,
        bars: Vec<Bar<'a>>,
    }
    let filter = &page.filter;
    let keep = |failed: bool| {
        let mut keep = Vec::new();
        for (name, value) in [
            ("service", &filter.service),
            ("q", &filter.words),
            ("slower", &filter.slower),
        ] {
            if !value.is_empty() {
                keep.push((name.to_owned(), value.clone()));
            }
        }
        if failed {
            keep.push(("failed".into(), "1".into()));
        }
        Range {
            keep,
            ..page.range.clone()
        }
    };
    let (all, failed) = (keep(false), keep(true));
    render(&Traces {
        base: Base::new(frame, Some(Here::Explore), words::traces_title(page)),
        page,
        all: all.href(all.chosen),
        failed: failed.href(failed.chosen),
        range_text: format_duration(page.range.chosen),
        range: if filter.failed { failed } else { all },
        bars: Bar::all(&page.traces),
    })
}

/// `/traces/{id}`
pub fn trace(frame: &Frame, page: &TracePage) -> Html {
    #[derive(Template)]
    #[template(path = "trace.html")]
    struct Trace<'a> {
        base: Base<'a>,
        page: &'a TracePage,
    }
    let title = if page.summary.request.is_empty() {
        page.summary.name.clone()
    } else {
        page.summary.request.clone()
    };
    render(&Trace {
        base: Base::new(frame, Some(Here::Explore), title).inside(),
        page,
    })
}

/// `/map`
pub fn map(frame: &Frame, page: &MapPage) -> Html {
    #[derive(Template)]
    #[template(path = "map.html")]
    struct Map<'a> {
        base: Base<'a>,
        page: &'a MapPage,
    }
    render(&Map {
        base: Base::new(frame, Some(Here::Explore), "Service map".into()),
        page,
    })
}

/// `/explore`, whose forms ask with `q` (several), `find`, `stat`, `period` and `range`.
pub fn explore(frame: &Frame, page: &ExplorePage) -> Html {
    #[derive(Template)]
    #[template(path = "explore.html")]
    struct Explore<'a> {
        base: Base<'a>,
        page: &'a ExplorePage,
        range_text: String,
    }
    render(&Explore {
        base: Base::new(frame, Some(Here::Explore), "Explore".into()),
        range_text: format_duration(page.range.chosen),
        page,
    })
}

/// The address of a page with its range and what it keeps.
pub fn range_href(range: &Range) -> String {
    range.href(range.chosen)
}

/// `/logs`, whose form asks with `group`, `q` or `query`, and `range`.
pub fn logs(frame: &Frame, page: &LogsPage) -> Html {
    #[derive(Template)]
    #[template(path = "logs.html")]
    struct Logs<'a> {
        base: Base<'a>,
        page: &'a LogsPage,
        range_text: String,
        words: Option<&'a str>,
        by_words: String,
        by_query: String,
    }
    let keep = |name: &str, text: &str| {
        let keep = vec![
            ("group".to_owned(), page.group.clone()),
            (name.to_owned(), text.to_owned()),
        ];
        let range = Range {
            keep,
            ..page.range.clone()
        };
        range.href(range.chosen)
    };
    let words = match &page.asked {
        LogsAsked::Words(text) => Some(text.as_str()),
        LogsAsked::Query(_) => None,
    };
    render(&Logs {
        base: Base::new(frame, Some(Here::Explore), "Logs".into()),
        range_text: format_duration(page.range.chosen),
        words,
        by_words: keep("q", words.unwrap_or_default()),
        by_query: keep("query", FIRST_QUERY),
        page,
    })
}

/// What the field of queries holds before somebody asks.
const FIRST_QUERY: &str = "fields @timestamp, @message\n| sort @timestamp desc\n| limit 50";

/// `/mailbox`, newest first.
pub fn mailbox(frame: &Frame, rows: &[MailRow]) -> Html {
    #[derive(Template)]
    #[template(path = "mailbox.html")]
    struct Mailbox<'a> {
        base: Base<'a>,
        rows: &'a [MailRow],
    }
    render(&Mailbox {
        base: Base::new(frame, Some(Here::Mailbox), "Mailbox".into()),
        rows,
    })
}

/// `/mailbox/{id}`
pub fn mail(frame: &Frame, page: &MailPage) -> Html {
    #[derive(Template)]
    #[template(path = "mail.html")]
    struct Mail<'a> {
        base: Base<'a>,
        page: &'a MailPage,
        body: Html,
    }
    render(&Mail {
        base: Base::new(frame, Some(Here::Mailbox), page.mail.subject.clone()).inside(),
        page,
        body: letter(&page.body),
    })
}

/// `/faults`
pub fn faults(frame: &Frame, page: &FaultsPage) -> Html {
    #[derive(Template)]
    #[template(path = "faults.html")]
    struct Faults<'a> {
        base: Base<'a>,
        page: &'a FaultsPage,
    }
    render(&Faults {
        base: Base::new(frame, Some(Here::Faults), words::faults_title(&page.active)),
        page,
    })
}

/// `/login`; nothing of the estate is on it.
pub fn login(refused: bool) -> Html {
    #[derive(Template)]
    #[template(path = "login.html")]
    struct Login {
        refused: bool,
        style: &'static str,
        icon: &'static str,
    }
    render(&Login {
        refused,
        style: &assets::STYLE.href,
        icon: &assets::ICON.href,
    })
}

/// A page that could not be had.
pub fn problem(frame: &Frame, problem: &Problem) -> Html {
    #[derive(Template)]
    #[template(path = "problem.html")]
    struct Page<'a> {
        base: Base<'a>,
        problem: &'a Problem,
    }
    render(&Page {
        base: Base::new(frame, None, problem.title.clone()),
        problem,
    })
}

/// What the layout shows around a page.
struct Base<'a> {
    frame: &'a Frame,
    clock: Clock<'a>,
    title: String,
    rail: Vec<Entry>,
    style: &'static str,
    script: &'static str,
    icon: &'static str,
}

impl<'a> Base<'a> {
    fn new(frame: &'a Frame, here: Option<Here>, title: String) -> Base<'a> {
        Base {
            frame,
            clock: Clock::of(frame),
            title,
            rail: Here::rail(frame, here),
            style: &assets::STYLE.href,
            script: &assets::SCRIPT.href,
            icon: &assets::ICON.href,
        }
    }

    /// The same on a page below one that the rail names.
    fn inside(mut self) -> Base<'a> {
        for entry in &mut self.rail {
            entry.exact = false;
        }
        self
    }
}

/// The pages that the rail names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    Now,
    Dashboards,
    Alarms,
    Incidents,
    Runbooks,
    Explore,
    Mailbox,
    Faults,
    Coverage,
    Plan,
}

/// A line of the rail.
struct Entry {
    href: &'static str,
    icon: &'static str,
    text: &'static str,
    current: bool,
    /// Whether the page is this very one, not one below it.
    exact: bool,
    count: usize,
    counted: &'static str,
    urgent: bool,
}

impl Here {
    fn rail(frame: &Frame, here: Option<Here>) -> Vec<Entry> {
        let counts = frame.counts;
        let line = |at: Here, href, icon, text, (count, counted, urgent)| Entry {
            href,
            icon,
            text,
            current: here == Some(at),
            exact: true,
            count,
            counted,
            urgent,
        };
        const QUIET: (usize, &str, bool) = (0, "", false);
        let kept = vec![
            line(Here::Coverage, "/coverage", "dashboards", "Coverage", QUIET),
            line(Here::Plan, "/plan", "runbooks", "Plan", QUIET),
        ];
        if frame.mode == Mode::Keeper {
            return kept;
        }
        let mut rail = vec![
            line(Here::Now, "/", "now", "Now", QUIET),
            line(
                Here::Dashboards,
                "/dashboards",
                "dashboards",
                "Dashboards",
                QUIET,
            ),
            line(Here::Explore, "/explore", "traces", "Explore", QUIET),
            line(
                Here::Alarms,
                "/alarms",
                "bell",
                "Alarms",
                (counts.alarm, "in ALARM", true),
            ),
            line(
                Here::Incidents,
                "/incidents",
                "incidents",
                "Incidents",
                (counts.incidents, "open", true),
            ),
            line(Here::Runbooks, "/runbooks", "runbooks", "Runbooks", QUIET),
        ];
        match frame.mode {
            Mode::Aws | Mode::Keeper => rail.extend(kept),
            // There is no account that could differ from the files.
            Mode::Local => rail.extend(kept.into_iter().take(1)),
        }
        if frame.mode == Mode::Local {
            rail.push(line(
                Here::Mailbox,
                "/mailbox",
                "mailbox",
                "Mailbox",
                (
                    counts.mails,
                    if counts.mails == 1 { "mail" } else { "mails" },
                    false,
                ),
            ));
            rail.push(line(
                Here::Faults,
                "/faults",
                "faults",
                "Faults",
                (counts.faults, "active", false),
            ));
        }
        rail
    }
}

/// A link of a time range.
struct Choice {
    text: String,
    href: String,
    current: bool,
}

impl Range {
    /// The links; a range that is not among those offered stands in front.
    fn choices(&self) -> Vec<Choice> {
        let choice = |text: String, length: Duration| Choice {
            text,
            href: self.href(length),
            current: length == self.chosen,
        };
        let mut list: Vec<Choice> = Range::OFFERED
            .iter()
            .map(|(text, length)| choice((*text).into(), *length))
            .collect();
        if !list.iter().any(|c| c.current) {
            list.insert(0, choice(format_duration(self.chosen), self.chosen));
        }
        list
    }

    /// The address of the page with this range.
    fn href(&self, length: Duration) -> String {
        let mut href = format!("{}?range={}", self.path, format_duration(length));
        for (name, value) in &self.keep {
            href.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        href
    }
}

/// A trace with its duration as a share of the longest in the list.
struct Bar<'a> {
    row: &'a TraceRow,
    percent: String,
}

impl Bar<'_> {
    fn all(rows: &[TraceRow]) -> Vec<Bar<'_>> {
        let longest = rows
            .iter()
            .filter_map(|r| r.duration)
            .fold(f64::MIN_POSITIVE, f64::max);
        rows.iter()
            .map(|row| Bar {
                row,
                percent: format!(
                    "{:.1}",
                    (row.duration.unwrap_or(0.0) / longest * 100.0).clamp(0.8, 100.0)
                ),
            })
            .collect()
    }
}

/// A mail's text as HTML: every `http:` and `https:` address is a link, and a chart of block
/// characters keeps to one line in a face of even width.
fn letter(text: &str) -> Html {
    let mut out = String::with_capacity(text.len() * 2);
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let blocks = rest
            .find(|c: char| !matches!(c, '▁'..='█' | '·'))
            .unwrap_or(rest.len());
        let (len, open, close) = if let Some(len) = address(rest) {
            let url = escape(&rest[..len]);
            (len, format!("<a href=\"{url}\" rel=\"noopener\">"), "</a>")
        } else if rest[..blocks].chars().count() >= 4 {
            (blocks, "<span class=\"blocks\">".into(), "</span>")
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push_str(&escape(&std::mem::take(&mut plain)));
        out.push_str(&open);
        out.push_str(&escape(&rest[..len]));
        out.push_str(close);
        rest = &rest[len..];
    }
    out.push_str(&escape(&plain));
    Html(out)
}

/// The length of the address that the text begins with, without the punctuation after it.
fn address(text: &str) -> Option<usize> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
        .unwrap_or(text.len());
    let url = text[..end].trim_end_matches(['.', ',', ';', ':', ')', '!', '?', '\'']);
    Some(url.len())
}

/// Percent-encodes a part of a query.
fn encode(text: &str) -> String {
    askama::filters::urlencode_strict(text)
        .map(|t| t.to_string())
        .unwrap_or_default()
}

fn render(template: &impl Template) -> Html {
    Html(
        template
            .render()
            .expect("a template's values format without errors and a String takes every write"),
    )
}
