//! Traces, logs, mails, faults.

use super::*;

impl Sample<'_> {
    pub(super) fn log_lines(&self) -> Vec<LogLine> {
        let line = |minutes, count, level: &str, text: &str| LogLine {
            at: ago(minutes) + Duration::from_millis(7_123),
            count,
            level: level.into(),
            text: self.t(text),
            trace: Some(self.t("1-695b74c8-8f3a0b5c9d1e2f3a4b5c6dc2")),
        };
        vec![
            line(
                1,
                23,
                "ERROR",
                "ProvisionedThroughputExceeded on table demo-visitors",
            ),
            line(
                1,
                2,
                "ERROR",
                "visit not counted: store unavailable, answered 503",
            ),
            line(3, 1, "WARN", "retrying UpdateItem, attempt 3 of 3"),
        ]
    }

    fn document(&self) -> serde_json::Value {
        serde_json::json!({
            "trace_id": "1-695b74c8-8f3a0b5c9d1e2f3a4b5c6dc2", "id": "0000000000000001",
            "name": self.t("demo-counter-api"), "start_time": 1_767_601_640.0, "end_time": 1_767_601_642.31, "fault": true,
            "http": {"request": {"method": "GET", "url": self.t("/count")}, "response": {"status": 503}},
            "subsegments": [{"id": "0000000000000002", "name": self.t("demo-counter"), "fault": true,
                "start_time": 1_767_601_640.006, "end_time": 1_767_601_642.302,
                "subsegments": [
                    {"id": "0000000000000004", "name": "auth", "start_time": 1_767_601_640.007, "end_time": 1_767_601_640.010},
                    {"id": "0000000000000003", "name": "DynamoDB", "namespace": "aws", "fault": true,
                    "start_time": 1_767_601_640.012, "end_time": 1_767_601_642.3,
                    "aws": {"operation": "UpdateItem", "table_name": self.t("demo-visitors")},
                    "annotations": {"tenant": self.t("acme")}, "metadata": {"default": {"note": self.t("x")}},
                    "cause": {"exceptions": [{"id": "0000000000000009", "message": self.t("store unavailable"), "type": "Throttled"}]}}]}]
        })
    }

    pub(super) fn trace_view(&self) -> TraceView {
        let documents = [self.document()];
        TraceView {
            id: self.t("1-695b74c8-8f3a0b5c9d1e2f3a4b5c6dc2"),
            sentence: self.t("2,310 ms, 2,288 of it in DynamoDB UpdateItem."),
            waterfall: Html(render::trace::Waterfall::new(&documents).html()),
        }
    }

    pub(super) fn trace_row(&self, i: u64) -> TraceRow {
        let outcome = match i % 5 {
            0 => Outcome::Fault,
            3 if i > 8 => Outcome::Throttle,
            4 if i > 8 => Outcome::Error,
            _ => Outcome::Ok,
        };
        TraceRow {
            id: self.t(&format!("1-695b74c8-8f3a0b5c9d1e2f3a4b5c6d{i:02x}")),
            at: ago(i / 3) + Duration::from_millis(i * 311),
            name: self.t("demo-counter-api"),
            request: self.t("GET /count"),
            status: Some(match outcome {
                Outcome::Ok => 200,
                Outcome::Fault => 503,
                Outcome::Error => 404,
                Outcome::Throttle => 429,
            }),
            duration: (i != 2).then(|| {
                if outcome == Outcome::Fault {
                    2.31
                } else {
                    0.012 + 0.9 * noise(i, 8)
                }
            }),
            outcome,
        }
    }

    pub(super) fn traces(&self) -> TracesPage {
        TracesPage {
            traces: (0..14).map(|i| self.trace_row(i)).collect(),
            filter: TracesFilter {
                failed: false,
                service: self.t("demo-counter"),
                words: self.t("count"),
                slower: self.t("100"),
            },
            services: vec![self.t("demo-counter"), self.t("demo-counter-api")],
            range: self.range("/traces"),
        }
    }

    pub(super) fn trace(&self) -> TracePage {
        TracePage {
            trace: self.trace_view(),
            details: Html(render::trace::details(&[self.document()])),
            summary: self.trace_row(0),
            logs: Evidence::Found(
                self.log_lines()
                    .into_iter()
                    .map(|line| LogLine {
                        trace: None,
                        ..line
                    })
                    .collect(),
            ),
        }
    }

    pub(super) fn logs(&self) -> LogsPage {
        LogsPage {
            groups: vec![
                self.t("/aws/lambda/demo-counter"),
                self.t("/nightbell/gateway"),
            ],
            group: self.t("/aws/lambda/demo-counter"),
            asked: LogsAsked::Words(self.t("ERROR")),
            found: LogsFound::Lines(Evidence::Found(
                self.log_lines().into_iter().cycle().take(9).collect(),
            )),
            limit: 200,
            range: self.range("/logs"),
        }
    }

    pub(super) fn logs_answer(&self) -> LogsPage {
        let query = self.t("stats count(*) as n by bin(5m), level");
        let column = |name: &str, role| model::LogColumn {
            name: self.t(name),
            role,
        };
        let row = |minutes, level: &str, n| {
            vec![
                model::LogValue::Time(ago(minutes)),
                model::LogValue::Text(self.t(level)),
                model::LogValue::Number(n),
            ]
        };
        let table = model::LogTable {
            columns: vec![
                column("bin(5m)", model::LogRole::Time),
                column("level", model::LogRole::Group),
                column("n", model::LogRole::Measure),
            ],
            rows: vec![
                row(5, "ERROR", 4.0),
                row(10, "ERROR", 7.0),
                row(10, "INFO", 70.0),
            ],
            scanned: 812,
            matched: 81,
            notes: vec![self.t("The first of many.")],
        };
        let data = render::dashboard::Data::new(Span::last(HOUR, ago(0)));
        let drawn = |size: Size| {
            let size = (size.width, size.height);
            Svg(render::dashboard::answer_chart(&table, &data, size).unwrap_or_default())
        };
        LogsPage {
            asked: LogsAsked::Query(query.clone()),
            found: LogsFound::Answer(Box::new(LogsAnswer {
                sentence: self.t("81 of 812 events, 3 rows."),
                chart: Some(Picture::Drawn {
                    wide: drawn(Size::ALARM),
                    narrow: drawn(Size::NARROW),
                }),
                table: Html(render::dashboard::answer_html(&table)),
                copies: vec![CopyForm {
                    name: self.t("As an API call"),
                    text: query,
                }],
            })),
            ..self.logs()
        }
    }

    pub(super) fn map(&self) -> MapPage {
        let documents = [self.document()];
        let map = render::map::ServiceMap::new([documents.as_slice()], 60.0);
        let drawn = |direction| Svg(map.svg(direction, render::Theme::Page));
        MapPage {
            picture: Some(Picture::Drawn {
                wide: drawn(render::map::Direction::Across),
                narrow: drawn(render::map::Direction::Down),
            }),
            services: vec![MapRow {
                name: self.t("demo-counter-api"),
                rate: "1.2/min".into(),
                failed: "4 %".into(),
                mean: "12 ms".into(),
                longest: "2.3 s".into(),
                calls: self.t("demo-counter"),
                traces: "/traces?service=demo-counter-api".into(),
            }],
            sentence: self.t("Of 12 traces."),
            range: self.range("/map"),
        }
    }

    pub(super) fn explore(&self) -> ExplorePage {
        ExplorePage {
            lines: vec![
                QueryLine {
                    id: "m1".into(),
                    text: self.t("Sum(CloudResume/PageView{})[1m]"),
                    error: None,
                },
                QueryLine {
                    id: "m2".into(),
                    text: self.t("100 * (m1"),
                    error: Some(self.t("expected `)`")),
                },
            ],
            next: "m3".into(),
            chart: Some(self.chart(Size::ALARM)),
            copies: vec![CopyForm {
                name: "As a widget".into(),
                text: self.t("{}"),
            }],
            find: self.t("lambda"),
            stat: self.t("Sum"),
            period: self.t("1m"),
            metrics: vec![MetricChoice {
                namespace: self.t("AWS/Lambda"),
                name: self.t("Errors"),
                dimensions: self.t("FunctionName demo-counter"),
                add: "/explore?q=x".into(),
            }],
            total: 3,
            namespaces: vec![
                (self.t("AWS/Lambda"), 2, "/explore?find=AWS".into()),
                (self.t("CloudResume"), 1, "/explore?find=Cloud".into()),
            ],
            range: self.range("/explore"),
        }
    }

    pub(super) fn mails(&self) -> Vec<MailRow> {
        let row = |id: &str, minutes, to: &str, subject: &str, preview: &str, reply| MailRow {
            id: self.t(id),
            at: ago(minutes),
            to: self.t(to),
            subject: self.t(subject),
            preview: self.t(preview),
            reply,
        };
        vec![
            row(
                "3",
                3,
                "oncall@localhost",
                "[ok] counter: recovered after 11 minutes (INC-7F3K)",
                "Visitors see the count again.",
                true,
            ),
            row(
                "2",
                9,
                "oncall@localhost",
                "[page] counter: 2 alarms, errors and latency (INC-7F3K)",
                "Visitors see a dash instead of the count.",
                true,
            ),
            row(
                "1",
                14,
                "oncall@localhost",
                "[page] counter: 5 of the last 5 minutes had errors (INC-7F3K)",
                "Visitors see a dash instead of the count.",
                false,
            ),
        ]
    }

    pub(super) fn mail(&self) -> MailPage {
        let mut thread = self.mails();
        thread.reverse();
        MailPage {
            mail: thread[0].clone(),
            from: self.t("nightbell@localhost"),
            body: self.t("Visitors see a dash instead of the count.\n\ncounter-errors went to ALARM at 08:14 UTC (09:14 Berlin), 2 minutes ago.\nErrors, sum per minute: 37, limit: more than 0, in 2 of 3 minutes.\n\nlast hour  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▅█▇█  now 37, limit 0\n\nAlso in ALARM: counter-latency (since 08:13).\n\nWhat the logs say (23 lines like this, newest first):\n  ProvisionedThroughputExceeded on table demo-visitors\n  trace 1-695b74c8-8f3a0b5c9d1e2f3a4b5c6dc2\n  http://127.0.0.1:5000/traces/1-695b74c8-8f3a0b5c9d1e2f3a4b5c6dc2\n\nSlowest failing trace: 2,310 ms, 2,288 of it in DynamoDB UpdateItem.\n\nDo this first (runbook \"The counter answers errors\", step 1 of 4):\n  Is it the table? Look at throttles and the last deploy.\n  http://127.0.0.1:5000/incidents/INC-7F3K\n\nSent because a new group opened for service counter (route oncall, waited\n30 s). Next mail: on change, at most every 5 minutes; again at 12:14; to\n\"web\" at 08:29 if nobody acknowledges.\n"),
            thread,
        }
    }

    pub(super) fn faults(&self) -> FaultsPage {
        FaultsPage {
            services: vec![self.t("counter"), self.t("posting")],
            active: vec![FaultRow {
                service: self.t("counter"),
                error_rate: 0.25,
                latency: Some(Duration::from_millis(1_500)),
                until: now() + MINUTE * 4,
            }],
            form: FaultForm {
                latency: self.t("3 s"),
                ..FaultForm::default()
            },
        }
    }

    pub(super) fn problem(&self) -> Problem {
        Problem {
            status: 404,
            title: self.t("There is no alarm \"counter-erors\""),
            detail: self.t("The nearest name is \"counter-errors\"."),
            link: Some(Link {
                href: "/alarms".into(),
                text: self.t("All alarms"),
            }),
        }
    }
}
