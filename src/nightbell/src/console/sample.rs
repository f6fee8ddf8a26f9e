//! Every page with rich values, for the tests: an evening on which the counter's table throttles.
//!
//! [`pages`] appends a mark to everything that a user or a service could have written, so that a
//! test can look for it.

mod alarms;
mod incidents;
mod now;
mod telemetry;

use std::time::Duration;

use jiff::tz::TimeZone;
use model::{IncidentId, NotificationKind, Severity, Span, State, Time, Unit};
use render::chart::{Chart, Horizontal, Series, Sparkline};

use super::pages;
use super::view::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Every page with its name; `mark` is appended to every text that is not Nightbell's own.
pub(crate) fn pages(mark: &str) -> Vec<(&'static str, Html)> {
    let s = Sample { mark };
    let (frame, quiet) = (s.frame(), s.quiet_frame());
    vec![
        ("now", pages::now(&frame, &s.now())),
        ("now-quiet", pages::now(&quiet, &s.now_quiet())),
        ("now-empty", pages::now(&s.new_frame(), &NowPage::default())),
        ("dashboards", pages::dashboards(&frame, &s.dashboards())),
        ("dashboard", pages::dashboard(&frame, &s.dashboard())),
        ("alarms", pages::alarms(&frame, &s.alarms_page())),
        ("alarm", pages::alarm(&frame, &s.alarm())),
        (
            "alarm-composite",
            pages::alarm(&frame, &s.alarm_composite()),
        ),
        ("alarm-failed", pages::alarm(&frame, &s.alarm_failed())),
        ("incidents", pages::incidents(&frame, &s.incidents_page())),
        ("incident", pages::incident(&frame, &s.incident())),
        ("incident-bare", pages::incident(&quiet, &s.incident_bare())),
        ("link", pages::link(&frame, &s.link())),
        ("silences", pages::silences(&frame, &s.silences())),
        ("runbooks", pages::runbooks(&frame, &s.runbooks())),
        ("runbook", pages::runbook(&frame, &s.runbook())),
        ("traces", pages::traces(&frame, &s.traces())),
        ("trace", pages::trace(&frame, &s.trace())),
        ("logs", pages::logs(&frame, &s.logs())),
        ("logs-answer", pages::logs(&frame, &s.logs_answer())),
        ("explore", pages::explore(&frame, &s.explore())),
        ("map", pages::map(&frame, &s.map())),
        ("mailbox", pages::mailbox(&frame, &s.mails())),
        ("mailbox-empty", pages::mailbox(&quiet, &[])),
        ("mail", pages::mail(&frame, &s.mail())),
        ("faults", pages::faults(&frame, &s.faults())),
        ("coverage", pages::coverage(&frame, &s.coverage())),
        ("plan", pages::plan(&s.signed_in(), &s.plan())),
        (
            "tasks",
            pages::tasks(&frame, &s.tasks(), Some(&s.t("Of 10 metrics, 4"))),
        ),
        ("reference", pages::reference(&frame, &s.reference())),
        ("problem", pages::problem(&frame, &s.problem())),
    ]
}

/// The frame of the pages.
pub(crate) fn frame() -> Frame {
    Sample { mark: "" }.frame()
}

struct Sample<'a> {
    mark: &'a str,
}

/// `08:28` of a January morning.
fn now() -> Time {
    Time::from_secs(1_767_601_680)
}

fn ago(minutes: u64) -> Time {
    now() - MINUTE * minutes as u32
}

/// A repeatable wobble in 0..1.
fn noise(i: u64, salt: u64) -> f64 {
    let x = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd1b5_4a32_d192_ed03);
    ((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / f64::from(1 << 24)
}

fn last_hour(value: impl Fn(u64) -> f64) -> Vec<(Time, f64)> {
    (0..60).map(|i| (ago(60 - i), value(i))).collect()
}

fn errors(i: u64) -> f64 {
    if i < 46 {
        0.0
    } else {
        22.0 + (18.0 * noise(i, 3)).round()
    }
}

fn incident_id() -> IncidentId {
    IncidentId("INC-7F3K".into())
}

impl Sample<'_> {
    fn t(&self, text: &str) -> String {
        format!("{text}{}", self.mark)
    }

    fn frame(&self) -> Frame {
        Frame {
            estate: self.t("demo"),
            mode: Mode::Local,
            now: now(),
            zone: TimeZone::get("Europe/Berlin").expect("the bundled database has Berlin"),
            counts: Counts {
                incidents: 2,
                alarm: 2,
                insufficient_data: 1,
                alarms: 14,
                mails: 3,
                faults: 1,
            },
            csrf: self.t("f3a9c1"),
            notice: None,
            person: None,
        }
    }

    fn signed_in(&self) -> Frame {
        Frame {
            mode: Mode::Aws,
            person: Some(self.t("paula@example.org")),
            ..self.frame()
        }
    }

    fn coverage(&self) -> CoveragePage {
        let finding = |kind: &str, name: &str, what: &str| CoverageFinding {
            kind: self.t(kind),
            name: self.t(name),
            what: self.t(what),
        };
        CoveragePage {
            at: Some(ago(1)),
            percent: Some(92.5),
            findings: vec![
                finding("alarm", "counter-errors", "has no runbook"),
                finding(
                    "queue",
                    "arn:aws:sqs:us-east-1:000000000000:demo",
                    "watched by nobody",
                ),
            ],
            resources: 12,
            alarms: 28,
            recommended: vec![(self.t("demo-counter"), self.t("ConcurrentExecutions"))],
            unwatched: vec![(self.t("CloudResume"), self.t("PageView"))],
        }
    }

    fn plan(&self) -> PlanPage {
        PlanPage {
            at: Some(ago(1)),
            writer: self.t("This daemon writes."),
            changes: vec![PlanChange {
                sign: '~',
                kind: "alarm".into(),
                name: self.t("counter-errors"),
                reason: self.t("the threshold differs"),
                risk: Some(self.t("it may fire at once")),
            }],
            blocked: vec![self.t("legacy")],
            drift: vec![PlanDrift {
                name: self.t("counter-5xx"),
                fields: self.t("Threshold"),
                by: Some(self.t("arn:aws:iam::1:user/paula")),
                at: Some(ago(20)),
                fate: self.t("brought back"),
            }],
            quiet: vec![(self.t("counter-new"), ago(0))],
            unchanged: 40,
            monthly: Some("$4.20".into()),
            text: Some(self.t("~ alarm counter-errors")),
            problems: vec![self.t("throttled")],
        }
    }

    fn quiet_frame(&self) -> Frame {
        Frame {
            counts: Counts {
                alarms: 14,
                insufficient_data: 1,
                ..Counts::default()
            },
            notice: Some(Notice::Done(self.t("The fault of counter is cleared."))),
            ..self.frame()
        }
    }

    fn new_frame(&self) -> Frame {
        Frame {
            counts: Counts::default(),
            notice: Some(Notice::Refused(
                self.t("`1.5` is not an error rate; expected 0 to 1"),
            )),
            zone: TimeZone::UTC,
            ..self.frame()
        }
    }

    fn range(&self, path: &str) -> Range {
        Range {
            chosen: HOUR,
            path: path.into(),
            keep: Vec::new(),
        }
    }

    fn spark(&self, title: &str, unit: Unit, alarm: bool, value: impl Fn(u64) -> f64) -> Signal {
        let mut spark = Sparkline::new(
            self.t(title),
            Span::last(HOUR, now()),
            MINUTE,
            unit,
            last_hour(value),
        );
        spark.alarm = alarm;
        (spark.width, spark.height) = (Size::SPARK.width, Size::SPARK.height);
        Signal {
            value: String::new(),
            spark: Svg(spark.svg()),
            breaching: alarm,
        }
    }

    fn chart(&self, wide: Size) -> Picture {
        Picture::Drawn {
            wide: self.drawn(wide),
            narrow: self.drawn(Size::NARROW),
        }
    }

    fn drawn(&self, size: Size) -> Svg {
        let mut chart = Chart::new(
            self.t("Errors, sum per minute"),
            Span::last(HOUR, now()),
            Unit::Count,
        );
        chart
            .series
            .push(Series::new(self.t("Errors"), 0, MINUTE, last_hour(errors)));
        chart.horizontal.push(Horizontal::limit(0.0));
        chart.breaching.push(Span::new(ago(14), now()));
        chart.zone = self.frame().zone;
        chart.width = size.width;
        chart.height = size.height;
        Svg(chart.svg())
    }

    fn alarm_marks(&self) -> Vec<AlarmMark> {
        vec![
            AlarmMark {
                name: self.t("counter-errors"),
                state: State::Alarm,
                since: ago(14),
            },
            AlarmMark {
                name: self.t("counter-latency"),
                state: State::Alarm,
                since: ago(13),
            },
        ]
    }

    fn runbook_link(&self) -> Link {
        Link {
            href: "/runbooks/counter-errors#is-it-the-table".into(),
            text: self.t("Is it the table?"),
        }
    }
}
