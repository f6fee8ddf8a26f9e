//! Dashboards and alarms.

use super::*;

impl Sample<'_> {
    pub(super) fn dashboards(&self) -> Vec<DashboardRow> {
        ["counter", "posting", "resize"]
            .iter()
            .enumerate()
            .map(|(i, name)| DashboardRow {
                name: self.t(name),
                widgets: 6 + i,
                source: self.t(&format!("dashboards/{name}.yaml")),
            })
            .collect()
    }

    pub(super) fn dashboard(&self) -> DashboardPage {
        let body = serde_json::json!({"widgets": [
            {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2,
             "properties": {"markdown": self.t("## The counter\nOne function, one table, one number.")}},
            {"type": "metric", "x": 0, "y": 2, "width": 12, "height": 6, "properties": {
                "title": self.t("Page views"), "stat": "Sum", "period": 60, "view": "timeSeries",
                "metrics": [["CloudResume", "PageView"]]}},
            {"type": "metric", "x": 12, "y": 2, "width": 12, "height": 6, "properties": {
                "title": "Invocations and errors", "stat": "Sum", "period": 60,
                "metrics": [["AWS/Lambda", "Invocations", "FunctionName", "demo-counter"], [".", "Errors", ".", "."]],
                "annotations": {"horizontal": [{"label": "limit", "value": 1}]}}},
            {"type": "metric", "x": 0, "y": 8, "width": 16, "height": 6, "properties": {
                "title": "API latency", "period": 60, "stat": "p50",
                "metrics": [["AWS/ApiGateway", "Latency", "ApiName", "demo-counter-api"],
                            ["...", {"stat": "p99"}]]}},
            {"type": "metric", "x": 16, "y": 8, "width": 8, "height": 6, "properties": {
                "title": "Visitors today", "view": "singleValue", "sparkline": true, "stat": "Sum",
                "period": 300, "metrics": [["CloudResume", "PageView"]]}}
        ]});
        let (board, problems) = render::dashboard::Board::parse(&body);
        let span = Span::last(3 * HOUR, now());
        let mut data = render::dashboard::Data::new(span);
        data.zone = self.frame().zone;
        for (salt, query) in board.queries(span).into_iter().enumerate() {
            let scale = 40.0 / (1.0 + salt as f64);
            let step = Duration::from_secs(query.stat.period.into());
            let n = (query.span.length().as_secs() / step.as_secs().max(1)).min(2_000);
            let points = (0..n)
                .map(|i| {
                    let at = query.span.start + step * i as u32;
                    (at, (scale * (1.0 + noise(i, salt as u64))).round())
                })
                .collect();
            data.series
                .insert(query.key, render::dashboard::Answer::Points(points));
        }
        DashboardPage {
            name: self.t("counter"),
            source: self.t("dashboards/counter.yaml"),
            grid: Html(board.html(&data)),
            places: "/dashboards/counter.css".into(),
            problems: problems.into_iter().chain([self.t("a problem")]).collect(),
            variables: vec![
                VariableChoice {
                    id: "fn".into(),
                    label: self.t("Function"),
                    written: false,
                    values: vec![(self.t("demo-counter"), self.t("The counter"))],
                    chosen: self.t("demo-counter"),
                },
                VariableChoice {
                    id: "stage".into(),
                    label: self.t("Stage"),
                    written: true,
                    values: Vec::new(),
                    chosen: self.t("prod"),
                },
            ],
            range: Range {
                chosen: 3 * HOUR,
                ..self.range("/dashboards/counter")
            },
        }
    }

    pub(super) fn alarms_page(&self) -> AlarmsPage {
        AlarmsPage {
            rows: self.alarms(),
            found: 80,
            filter: AlarmsFilter {
                state: "ALARM".into(),
                service: self.t("counter"),
                words: self.t("errors"),
            },
            services: vec![self.t("counter")],
            paging: Paging {
                page: 1,
                pages: 2,
                previous: None,
                next: Some("/alarms?page=2".into()),
            },
        }
    }

    pub(super) fn tasks(&self) -> Vec<TaskRow> {
        let row = |name: &str, error| TaskRow {
            name: name.into(),
            summary: self.t("14 alarms evaluated"),
            error,
            last: Some(ago(1)),
            next: ago(0),
            running: false,
            runs: 12,
            failures: 1,
        };
        vec![
            row("evaluate", None),
            row("respond", Some(self.t("the topic refused it"))),
        ]
    }

    pub(super) fn reference(&self) -> ReferencePage {
        ReferencePage {
            description: self.t("Metrics and alarms."),
            groups: vec![OperationGroup {
                name: "alarms".into(),
                description: self.t("What is watched"),
                operations: vec![OperationView {
                    id: "list".into(),
                    method: "GET".into(),
                    path: self.t("/api/v1/alarms"),
                    summary: self.t("List alarms"),
                    description: self.t("All of them."),
                    parameters: vec![ParameterView {
                        name: self.t("limit"),
                        place: "query".into(),
                        kind: "integer".into(),
                        required: true,
                        what: self.t("At most this many."),
                    }],
                    body: Some("AlarmBody".into()),
                    answers: vec![("200".into(), self.t("alarms"))],
                    example: self.t("curl x"),
                }],
            }],
            schemas: vec![("AlarmBody".into(), self.t("{}"))],
        }
    }

    pub(super) fn alarms(&self) -> Vec<AlarmRow> {
        let row = |name: &str, state, minutes, severity, condition: &str, signal| AlarmRow {
            name: self.t(name),
            state,
            since: ago(minutes),
            service: self.t(name.split('-').next().unwrap_or(name)),
            severity,
            condition: self.t(condition),
            signal,
        };
        let calm = |unit, base: f64, salt| {
            self.spark("last hour", unit, false, move |i| {
                base * (0.6 + 0.4 * noise(i, salt))
            })
        };
        vec![
            row(
                "counter-quiet",
                State::Ok,
                9_000,
                Severity::Ticket,
                "PageView, sum per hour: less than 1 in 8 periods of 1 hour in a row",
                calm(Unit::Count, 118.0, 2),
            ),
            row(
                "counter-5xx",
                State::Ok,
                400,
                Severity::Page,
                "5XXError, sum per minute: more than 0 in 3 of 5 minutes",
                calm(Unit::Count, 0.0, 3),
            ),
            row(
                "counter-latency",
                State::Alarm,
                13,
                Severity::Page,
                "Latency, p99 per minute: more than 2000 in 3 of 5 minutes",
                self.spark("last hour", Unit::Milliseconds, true, |i| {
                    if i < 46 {
                        28.0 + 9.0 * noise(i, 4)
                    } else {
                        2_100.0 + 300.0 * noise(i, 4)
                    }
                }),
            ),
            row(
                "counter-errors",
                State::Alarm,
                14,
                Severity::Page,
                "Errors, sum per minute: more than 0 in 2 of 3 minutes",
                self.spark("last hour", Unit::Count, true, errors),
            ),
            row(
                "announcement-quiet",
                State::InsufficientData,
                200,
                Severity::Ticket,
                "PageView, sum per hour: less than 1 in 8 periods of 1 hour in a row",
                Signal::default(),
            ),
            row(
                "resize-latency",
                State::Ok,
                51_000,
                Severity::Ticket,
                "Latency, p99 per minute: more than 4000 in 3 of 5 minutes",
                calm(Unit::Milliseconds, 640.0, 6),
            ),
        ]
    }

    pub(super) fn alarm(&self) -> AlarmPage {
        let fact = |name: &str, value: &str| Fact {
            name: self.t(name),
            value: self.t(value),
        };
        AlarmPage {
            name: self.t("counter-errors"),
            state: State::Alarm,
            since: ago(14),
            reason: self.t("Threshold Crossed: 2 out of the last 3 datapoints [37.0 (05/01/26 08:13:00), 22.0 (05/01/26 08:12:00)] were greater than the threshold (0.0) (minimum 2 datapoints for OK -> ALARM transition)."),
            description: self.t("Visitors see a dash instead of the count."),
            service: self.t("counter"),
            severity: Severity::Page,
            chart_title: self.t("Errors, sum per minute"),
            chart: self.chart(Size::ALARM),
            children: Vec::new(),
            held: None,
            facts: vec![
                fact("ALARM when", "Errors, sum per minute is more than 0 in 2 of 3 minutes"),
                fact("Metric", "Errors in AWS/Lambda"),
                fact("FunctionName", "demo-counter"),
                fact("Statistic", "Sum over 1 minute"),
                fact("Missing data", "counts as within the limit (notBreaching)"),
                fact("Actions", "none of its own: Nightbell routes its transitions"),
                fact("File", "alarms/counter.yaml:4:5"),
            ],
            told: vec![
                self.t("oncall, 30 seconds after the first alarm of a service, then every 4 hours"),
                self.t("web, if nobody acknowledges within 15 minutes"),
            ],
            runbook: Some(self.runbook_link()),
            incident: Some(Link {
                href: "/incidents/INC-7F3K".into(),
                text: self.t("INC-7F3K"),
            }),
            noise: vec![Fact {
                name: "Fired".into(),
                value: self.t("3 times"),
            }],
            tests: Some(vec![
                TestRow {
                    name: self.t("two bad minutes of three page"),
                    place: self.t("alarms/counter.test.yaml:4:5"),
                    outcome: TestOutcome::Passed,
                },
                TestRow {
                    name: self.t("one bad minute does not"),
                    place: self.t("alarms/counter.test.yaml:14:5"),
                    outcome: TestOutcome::Failed(self.t("at 3m the state was ALARM, not OK")),
                },
                TestRow {
                    name: self.t("a band holds"),
                    place: self.t("alarms/counter.test.yaml:24:5"),
                    outcome: TestOutcome::Unsupported(self.t("the model is Amazon's")),
                },
            ]),
            backtest: Some(BacktestView {
                at: ago(3),
                last: "14 days".into(),
                facts: vec![fact("Fired", "3 times, 1 hour 4 minutes together")],
                strip: (self.t("▁▁▁▂▁▁▁█▁▁▁"), self.t("       ^   ")),
            }),
            delivery: vec![
                Proof {
                    at: ago(13),
                    text: self.t("oncall accepted \u{201c}alarm\u{201d} 2 seconds after it was decided, as 18ab"),
                    good: true,
                    link: Some(Link {
                        href: "/mailbox/18ab".into(),
                        text: self.t("the mail"),
                    }),
                },
                Proof {
                    at: ago(90),
                    text: self.t("hook did not accept it: 503"),
                    good: false,
                    link: None,
                },
            ],
            states: Svg::default(),
            history: [(14, State::Ok, State::Alarm), (190, State::Alarm, State::Ok), (201, State::Ok, State::Alarm), (9_000, State::InsufficientData, State::Ok)]
                .into_iter()
                .map(|(minutes, from, to)| TransitionRow {
                    at: ago(minutes),
                    from,
                    to,
                    reason: self.t("Threshold Crossed: 2 out of the last 3 datapoints were greater than the threshold (0.0)."),
                })
                .collect(),
            range: self.range("/alarms/counter-errors"),
        }
    }

    pub(super) fn alarm_composite(&self) -> AlarmPage {
        AlarmPage {
            name: self.t("counter-down"),
            chart_title: "The alarms that it watches".into(),
            chart: Picture::Empty(String::new()),
            children: self.alarms().split_off(2),
            held: Some(self.t(
                "Nobody is told that it is in ALARM: it is suppressed while deploying is in ALARM.",
            )),
            ..self.alarm()
        }
    }

    pub(super) fn alarm_failed(&self) -> AlarmPage {
        AlarmPage {
            name: self.t("announcement-quiet"),
            state: State::InsufficientData,
            since: ago(200),
            chart: Picture::Failed(
                self.t("get metrics AWS/Lambda Errors: throttled; tried 3 times, next try in 20 s"),
            ),
            noise: vec![Fact {
                name: "Fired".into(),
                value: self.t("3 times"),
            }],
            tests: None,
            backtest: None,
            delivery: Vec::new(),
            states: Svg::default(),
            history: Vec::new(),
            told: Vec::new(),
            incident: None,
            runbook: None,
            ..self.alarm()
        }
    }
}
