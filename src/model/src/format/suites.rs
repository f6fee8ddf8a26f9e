//! Unit tests: `alarms/**/*.test.yaml`.

mod tables;

use std::time::Duration;

use crate::alarm::State;
use crate::format::alarms::metric_id;
use crate::format::routes::matchers;
use crate::metric::MetricId;
use crate::report::{Mark, Report};
use crate::shape::{Fields, Shape, check};
use crate::suite::{
    Case, Event, EventKind, ExpectNotify, ExpectState, ExpectTransitions, Sample, SeriesSpec,
    Suite, parse_values,
};
use crate::time::{Time, parse_duration};
use crate::yaml::Node;

use self::tables::{
    EVENT, EXPECT, NOTIFY, SERIES, SET_STATE, SILENCE, TEST, TRANSITION, UNSILENCE,
};

pub(crate) use self::tables::SUITE;

/// 2000-01-01T00:00:00Z, where a test begins that does not say.
const START: Time = Time::from_secs(946_684_800);

/// A suite with the places of what it refers to.
#[derive(Debug)]
pub(crate) struct SuiteFile {
    pub(crate) suite: Suite,
    /// Alarm names.
    pub(crate) alarms: Vec<(String, Mark)>,
    pub(crate) routes: Vec<(String, Mark)>,
    pub(crate) receivers: Vec<(String, Mark)>,
    pub(crate) metrics: Vec<(MetricId, Mark)>,
}

/// Reads the tree of a test file, after look-up.
pub(crate) fn decode(root: &Node, report: &mut Report) -> SuiteFile {
    check(root, &Shape::Table(&SUITE), report);
    let fields = Fields::new(root, &SUITE);
    let mut file = SuiteFile {
        suite: Suite {
            place: crate::problem::Place::file(report.file.clone()),
            alarms: fields
                .items("alarms")
                .iter()
                .filter_map(|n| Some((n.raw()?.to_string(), report.place(n.at))))
                .collect(),
            tests: Vec::new(),
        },
        alarms: Vec::new(),
        routes: Vec::new(),
        receivers: Vec::new(),
        metrics: Vec::new(),
    };
    for node in fields.items("tests") {
        let case = Reader {
            file: &mut file,
            report,
        }
        .case(Fields::new(node, &TEST));
        file.suite.tests.extend(case);
    }
    let tests = &file.suite.tests;
    for (i, case) in tests.iter().enumerate() {
        if let Some(first) = tests[..i].iter().find(|c| c.name == case.name) {
            report.problems.push(
                crate::problem::Problem::error(
                    case.place.clone(),
                    format!("two tests are called `{}`", case.name),
                )
                .help(format!(
                    "the first is on line {}; rename one",
                    first.place.line
                )),
            );
        }
    }
    file
}

struct Reader<'r> {
    file: &'r mut SuiteFile,
    report: &'r mut Report,
}

impl Reader<'_> {
    fn case(&mut self, fields: Fields<'_>) -> Option<Case> {
        let asserts = [
            "expect",
            "expect_transitions",
            "expect_notify",
            "expect_no_notify",
        ];
        if asserts.iter().all(|key| fields.get(key).is_none()) {
            self.report.warn_with(
                fields.node.at,
                "this test asserts nothing",
                Some(format!("add one of {}", asserts.join(", "))),
            );
        }
        if let Some(node) = fields.get("routes") {
            let named = node.raw().map(|r| (r.to_string(), node.at));
            self.file.routes.extend(named);
        } else if let Some(node) = fields
            .get("expect_notify")
            .or_else(|| fields.get("expect_no_notify"))
        {
            self.report.error_with(
                node.at,
                "notifications are asserted, but no routes are given",
                Some("add `routes: routes.yaml` to the test".into()),
            );
        }
        let interval = fields
            .duration("interval")
            .unwrap_or(Duration::from_secs(60));
        if interval.is_zero() {
            self.report.error(
                fields.get("interval")?.at,
                "`interval` must be longer than zero",
            );
        }
        let initial_state = fields
            .entries("initial_state")
            .iter()
            .filter_map(|(key, node)| {
                self.file.alarms.push((key.text.clone(), key.at));
                Some((key.text.clone(), node.raw()?.parse().ok()?))
            })
            .collect();
        Some(Case {
            name: fields.string("name")?,
            place: self.report.place(fields.get("name")?.at),
            start: fields.text("start").and_then(Time::parse).unwrap_or(START),
            interval,
            initial_state,
            series: self.all(fields.items("series"), Reader::series),
            routes: fields.string("routes"),
            events: self.all(fields.items("events"), Reader::event),
            expect: self.all(fields.items("expect"), Reader::expect),
            expect_transitions: fields
                .entries("expect_transitions")
                .iter()
                .map(|(key, list)| {
                    self.file.alarms.push((key.text.clone(), key.at));
                    self.transitions(key, list)
                })
                .collect(),
            expect_notify: self.all(fields.items("expect_notify"), Reader::notify),
            expect_no_notify: self.all(fields.items("expect_no_notify"), Reader::notify),
            until: fields.duration("until"),
            allow_unsupported: fields.flag("allow_unsupported"),
        })
    }

    fn all<T>(&mut self, nodes: &[Node], read: fn(&mut Self, &Node) -> Option<T>) -> Vec<T> {
        nodes.iter().filter_map(|n| read(self, n)).collect()
    }

    fn alarm(&mut self, node: Option<&Node>) -> Option<String> {
        let node = node?;
        let name = node.raw()?.to_string();
        self.file.alarms.push((name.clone(), node.at));
        Some(name)
    }

    fn series(&mut self, node: &Node) -> Option<SeriesSpec> {
        let fields = Fields::new(node, &SERIES);
        let values = fields.get("values")?;
        let samples = match parse_values(values.raw()?) {
            Ok(samples) => samples,
            Err(e) => {
                self.report.error(values.mark_in(e.offset), e.message);
                return None;
            }
        };
        let whole = samples
            .iter()
            .any(|s| matches!(s, Sample::Raw(_) | Sample::Set(_)));
        if let Some(stat) = fields.get("stat").filter(|_| whole) {
            self.report.error_with(
                stat.at,
                "`stat` says that each value is one number, but the values hold raw samples or statistic sets",
                Some("remove `stat`".into()),
            );
        }
        let metric_node = fields.get("metric")?;
        let metric = metric_id(metric_node)?;
        let at = metric_node.get("name").unwrap_or(metric_node).at;
        self.file.metrics.push((metric.clone(), at));
        Some(SeriesSpec {
            metric,
            stat: fields.parse("stat"),
            unit: fields.parse("unit"),
            values: samples,
            place: self.report.place(values.at),
        })
    }

    fn event(&mut self, node: &Node) -> Option<Event> {
        let (key, table) = EVENT.decide(node)?;
        let fields = Fields::new(node, table);
        let by = |fields: Fields<'_>| fields.string("by").unwrap_or_else(|| "test".into());
        let what = match key {
            "silence" => {
                let silence = fields.table("silence", &SILENCE)?;
                EventKind::Silence {
                    matchers: self.matchers(silence.get("match")),
                    length: silence.duration("for")?,
                    by: by(silence),
                    reason: silence.string("reason").unwrap_or_default(),
                }
            }
            "unsilence" => {
                let silence = fields.table("unsilence", &UNSILENCE)?;
                EventKind::Unsilence(self.matchers(silence.get("match")))
            }
            "deploy" => {
                let labels = fields.entries("deploy").iter();
                let read = labels.filter_map(|(k, v)| Some((k.text.clone(), v.raw()?.to_string())));
                EventKind::Deploy(read.collect())
            }
            "ack" => EventKind::Ack {
                alarm: self.alarm(fields.get("ack"))?,
                by: by(fields),
            },
            "unack" => EventKind::Unack(self.alarm(fields.get("unack"))?),
            "set_state" => {
                let set = fields.table("set_state", &SET_STATE)?;
                EventKind::SetState {
                    alarm: self.alarm(set.get("alarm"))?,
                    state: set.parse("state")?,
                }
            }
            "duplicate" => EventKind::Duplicate(self.alarm(fields.get("duplicate"))?),
            "reorder" => EventKind::Reorder(fields.duration("reorder")?),
            _ => {
                if fields.get("restart")?.scalar()?.as_bool() == Some(false) {
                    self.report.error_with(
                        node.at,
                        "`restart: false` does nothing",
                        Some("remove the event".into()),
                    );
                }
                EventKind::Restart
            }
        };
        Some(Event {
            at: fields.duration("at")?,
            what,
            place: self.report.place(node.at),
        })
    }

    fn matchers(&mut self, node: Option<&Node>) -> Vec<crate::route::Matcher> {
        let read = matchers(node, self.report);
        read.into_iter().map(|(m, _)| m).collect()
    }

    fn expect(&mut self, node: &Node) -> Option<ExpectState> {
        let fields = Fields::new(node, &EXPECT);
        Some(ExpectState {
            at: fields.duration("at")?,
            alarm: self.alarm(fields.get("alarm"))?,
            state: fields.parse("state")?,
            place: self.report.place(node.at),
        })
    }

    fn transitions(&mut self, key: &crate::yaml::Key, list: &Node) -> ExpectTransitions {
        let mut read: Vec<(Duration, State)> = Vec::new();
        for node in list.items() {
            let fields = Fields::new(node, &TRANSITION);
            let Some(at) = fields.duration("at") else {
                continue;
            };
            let Some(to) = fields.parse("to") else {
                continue;
            };
            if read.last().is_some_and(|(before, _)| *before > at) {
                self.report.error_with(
                    node.at,
                    "transitions must stand in order of time",
                    Some("move this one up".into()),
                );
            }
            read.push((at, to));
        }
        ExpectTransitions {
            alarm: key.text.clone(),
            list: read,
            place: self.report.place(key.at),
        }
    }

    fn notify(&mut self, node: &Node) -> Option<ExpectNotify> {
        let fields = Fields::new(node, &NOTIFY);
        let between = fields.get("between")?;
        let times: Vec<Duration> = between
            .items()
            .iter()
            .filter_map(|n| parse_duration(n.raw()?))
            .collect();
        let [from, to] = times[..] else {
            if times.len() == between.items().len() {
                self.report.error_with(
                    between.at,
                    "`between` needs two times",
                    Some("for example [20m, 21m]".into()),
                );
            }
            return None;
        };
        if from > to {
            self.report
                .error(between.at, "`between` ends before it begins");
        }
        for node in fields.items("about") {
            self.alarm(Some(node));
        }
        if let Some(node) = fields.get("receiver") {
            let named = node.raw().map(|r| (r.to_string(), node.at));
            self.file.receivers.extend(named);
        }
        Some(ExpectNotify {
            between: (from, to),
            receiver: fields.string("receiver"),
            about: fields.strings("about"),
            contains: fields.strings("contains"),
            exact: fields.flag("exact"),
            place: self.report.place(node.at),
        })
    }
}
