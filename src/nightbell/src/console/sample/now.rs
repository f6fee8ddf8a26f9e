//! Now.

use super::*;

impl Sample<'_> {
    pub(super) fn now(&self) -> NowPage {
        NowPage {
            incidents: vec![
                IncidentCard {
                    id: incident_id(),
                    service: self.t("counter"),
                    severity: Severity::Page,
                    opened: ago(14),
                    what: self.t("Visitors see a dash instead of the count."),
                    measure: self.t("Errors, sum per minute: 37, limit: more than 0, in 2 of 3 minutes."),
                    spark: self.spark("errors", Unit::Count, true, errors).spark,
                    alarms: self.alarm_marks(),
                    doing: vec![
                        self.t("Mail to oncall accepted at 08:14 UTC"),
                        self.t("Mail to web at 08:29 UTC if nobody acknowledges"),
                    ],
                    acknowledged: None,
                    runbook: Some(self.runbook_link()),
                },
                IncidentCard {
                    id: IncidentId(self.t("INC-2Q9D")),
                    service: self.t("posting"),
                    severity: Severity::Ticket,
                    opened: ago(6),
                    what: self.t("A picture waits in the dead-letter queue."),
                    measure: self.t("ApproximateNumberOfMessagesVisible, maximum per minute: 1, limit: more than 0."),
                    spark: self.spark("dead letters", Unit::Count, true, |i| f64::from(i > 52)).spark,
                    alarms: vec![AlarmMark {
                        name: self.t("posting-dlq-depth"),
                        state: State::Alarm,
                        since: ago(6),
                    }],
                    doing: vec![self.t("Held until 08:00 UTC on Monday: outside office-hours")],
                    acknowledged: Some(Acknowledged {
                        by: self.t("web"),
                        at: ago(2),
                    }),
                    runbook: None,
                },
            ],
            others: vec![ago(9)],
            services: self.services(true),
            events: self.events(),
            last_resolved: None,
        }
    }

    pub(super) fn now_quiet(&self) -> NowPage {
        NowPage {
            services: self.services(false),
            events: self.events().split_off(5),
            last_resolved: Some(ago(190)),
            ..NowPage::default()
        }
    }

    pub(super) fn services(&self, wrong: bool) -> Vec<ServiceRow> {
        let row = |name: &str, state: State, since: Option<u64>, base: f64, salt: u64| {
            let bad = state == State::Alarm;
            ServiceRow {
                name: self.t(name),
                state,
                since: since.map(ago),
                href: Some("/dashboards/counter".into()),
                traffic: self.spark("traffic", Unit::Count, false, |i| {
                    (base * (1.0 + 0.5 * noise(i, salt))).round()
                }),
                errors: self.spark("errors", Unit::Count, bad, |i| {
                    if bad { errors(i) } else { 0.0 }
                }),
                p99: self.spark("p99", Unit::Milliseconds, bad, |i| {
                    if bad && i >= 46 {
                        2_100.0 + 300.0 * noise(i, salt)
                    } else {
                        20.0 + base / 10.0 * noise(i, salt + 1)
                    }
                }),
                saturation: self.spark("saturation", Unit::Percent, false, |i| {
                    4.0 + 6.0 * noise(i, salt + 2)
                }),
            }
        };
        let mut rows = vec![
            row(
                "counter",
                if wrong { State::Alarm } else { State::Ok },
                wrong.then_some(14),
                118.0,
                1,
            ),
            row("posting", State::Ok, None, 6.0, 5),
            row("resize", State::Ok, None, 41.0, 9),
            row("announcement", State::InsufficientData, Some(200), 12.0, 13),
        ];
        rows[3].p99 = Signal::default();
        rows[3].saturation = Signal::default();
        rows
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let event = |minutes, kind, text: &str, link: Option<(&str, &str)>| Event {
            at: ago(minutes),
            kind,
            text: self.t(text),
            detail: None,
            link: link.map(|(href, text)| Link {
                href: href.into(),
                text: self.t(text),
            }),
        };
        let mut events = vec![
            event(
                2,
                EventKind::Acknowledged,
                "by web",
                Some(("/incidents/INC-2Q9D", "INC-2Q9D")),
            ),
            event(
                6,
                EventKind::Held,
                "nobody is told about posting: outside office-hours, looked at again on Monday 08:00 UTC",
                None,
            ),
            event(
                13,
                EventKind::Alarm(State::Alarm),
                "counter-latency",
                Some(("/alarms/counter-latency", "alarm")),
            ),
            event(
                14,
                EventKind::Mail,
                "to oncall: Visitors see a dash instead of the count.",
                Some(("/mailbox/1", "mail")),
            ),
            event(
                14,
                EventKind::Opened,
                "counter",
                Some(("/incidents/INC-7F3K", "INC-7F3K")),
            ),
            event(
                16,
                EventKind::Fault,
                "counter fails every request, for 30 minutes",
                None,
            ),
            event(
                19,
                EventKind::Change,
                "function demo-counter version 41",
                None,
            ),
            event(
                190,
                EventKind::Resolved,
                "counter recovered after 11 minutes",
                Some(("/incidents/INC-0M4T", "INC-0M4T")),
            ),
            event(
                200,
                EventKind::Alarm(State::InsufficientData),
                "announcement-quiet",
                None,
            ),
            event(
                1_300,
                EventKind::Failed,
                "mail to hook was not accepted",
                None,
            ),
        ];
        events[2].detail = Some(self.t(
            "Threshold Crossed: 3 out of the last 5 datapoints [2310.0 (05/01/26 08:14:00)] were greater than the threshold (2000.0)",
        ));
        events[9].detail = Some(self.t("503 from https://example.org/hook; again at 10:50 UTC"));
        events
    }
}
