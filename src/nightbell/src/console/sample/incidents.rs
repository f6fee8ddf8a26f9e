//! Incidents and runbooks.

use super::*;

impl Sample<'_> {
    pub(super) fn incidents_page(&self) -> IncidentsPage {
        IncidentsPage {
            rows: self.incidents(),
            others: Vec::new(),
            paging: Paging {
                page: 2,
                pages: 2,
                previous: Some("/incidents?page=1".into()),
                next: None,
            },
        }
    }

    pub(super) fn incidents(&self) -> Vec<IncidentRow> {
        let row = |id: &str, service: &str, severity, what: &str, opened, resolved: Option<u64>| {
            IncidentRow {
                id: IncidentId(self.t(id)),
                service: self.t(service),
                severity,
                what: self.t(what),
                opened: ago(opened),
                resolved: resolved.map(ago),
                acknowledged: resolved.map(|at| Acknowledged {
                    by: self.t("oncall"),
                    at: ago(at + 4),
                }),
                alarms: 2,
            }
        };
        vec![
            row(
                "INC-7F3K",
                "counter",
                Severity::Page,
                "Visitors see a dash instead of the count.",
                14,
                None,
            ),
            row(
                "INC-2Q9D",
                "posting",
                Severity::Ticket,
                "A picture waits in the dead-letter queue.",
                6,
                None,
            ),
            row(
                "INC-0M4T",
                "counter",
                Severity::Page,
                "Visitors see a dash instead of the count.",
                201,
                Some(190),
            ),
            row(
                "INC-9XA2",
                "resize",
                Severity::Page,
                "Uploads take longer than ten seconds.",
                4_000,
                Some(3_950),
            ),
        ]
    }

    pub(super) fn steps(&self) -> Vec<StepView> {
        let step = |heading: &str, slug: &str, current, markdown: &str| StepView {
            heading: self.t(heading),
            slug: self.t(slug),
            body: Html(render::markdown::html(&self.t(markdown))),
            current,
        };
        vec![
            step(
                "Is it the table?",
                "is-it-the-table",
                true,
                "Look at throttles and at the last deploy. A table that throttles shows `ProvisionedThroughputExceeded`.\n\n```query metrics\nSum(AWS/DynamoDB/ThrottledRequests{TableName=\"demo-visitors\"})[1m]\n```\n\n```expect\n0 in every minute\n```\n\n- If it throttles, go on with **Raise the capacity**.\n- Else look at the function.\n\n",
            ),
            step(
                "Is it the function?",
                "is-it-the-function",
                false,
                "Compare `Errors` with `Invocations`. All of them: a deploy. Some: the store.\n\n",
            ),
            step(
                "Raise the capacity",
                "raise-the-capacity",
                false,
                "```action set-capacity\ntable: demo-visitors\nto: 50\n```\n\n",
            ),
            step(
                "Tell people",
                "tell-people",
                false,
                "Write what you saw on the incident.\n\n",
            ),
        ]
    }

    pub(super) fn runbook(&self) -> RunbookView {
        RunbookView {
            stem: self.t("counter-errors"),
            title: self.t("The counter answers errors"),
            owner: self.t("web"),
            services: vec![self.t("counter")],
            severity: Some(Severity::Page),
            reviewed: Some("2025-12-01".into()),
            intro: Html(render::markdown::html(&self.t("The resume page shows a dash instead of the number of visitors. Nobody loses data: a visit that is not counted is gone, all others stand."))),
            steps: self.steps(),
            source: self.t("runbooks/counter-errors.md"),
            alarms: self.alarm_marks(),
        }
    }

    pub(super) fn incident(&self) -> IncidentPage {
        IncidentPage {
            id: incident_id(),
            service: self.t("counter"),
            severity: Severity::Page,
            what: self.t("Visitors see a dash instead of the count."),
            opened: ago(14),
            resolved: None,
            acknowledged: None,
            measure: self.t("Errors, sum per minute: 37, limit: more than 0, in 2 of 3 minutes."),
            alarms: self.alarm_marks(),
            chart_title: self.t("Errors, sum per minute"),
            chart: self.chart(Size::INCIDENT),
            logs: Evidence::Found(self.log_lines()),
            trace: Evidence::Found(self.trace_view()),
            changes: vec![self.events().swap_remove(6)],
            runbook: Some(self.runbook()),
            work: vec![StepWork {
                number: 2,
                heading: "Give the table room".into(),
                action: "redrive".into(),
                state: "proposed by ada: 12 messages of demo-dead would go back".into(),
                buttons: vec![("approve", "Approve redrive".into()), ("refuse", "Refuse".into())],
            }],
            notifications: vec![
                NotificationRow {
                    at: ago(13),
                    kind: NotificationKind::Changed,
                    receiver: self.t("hook"),
                    because: self.t("counter-latency joined the group"),
                    next: self.t("on change, at most every 5 minutes"),
                    delivery: Delivery::Failed {
                        error: self.t("503 from example.org"),
                        retry_at: Some(now() + MINUTE),
                    },
                    mail: None,
                },
                NotificationRow {
                    at: ago(14),
                    kind: NotificationKind::Opened,
                    receiver: self.t("oncall"),
                    because: self.t("a new group opened for service counter (route oncall, waited 30 s)"),
                    next: self.t("on change, at most every 5 minutes; again at 12:14 UTC; to \"web\" at 08:29 if nobody acknowledges"),
                    delivery: Delivery::Sent(ago(14)),
                    mail: Some(Link {
                        href: "/mailbox/1".into(),
                        text: "mail".into(),
                    }),
                },
            ],
            timeline: self.events().split_off(2),
            actions: vec![IncidentAction::Acknowledge, IncidentAction::Resolve],
        }
    }

    pub(super) fn incident_bare(&self) -> IncidentPage {
        IncidentPage {
            resolved: Some(ago(3)),
            acknowledged: Some(Acknowledged {
                by: self.t("oncall"),
                at: ago(10),
            }),
            chart: Picture::Empty(self.t("The metric has no data in this time.")),
            logs: Evidence::Nothing(
                self.t("No error line in /aws/lambda/demo-counter since 08:09 UTC."),
            ),
            trace: Evidence::Failed(self.t("list traces: unavailable")),
            changes: Vec::new(),
            runbook: None,
            notifications: Vec::new(),
            actions: Vec::new(),
            ..self.incident()
        }
    }

    pub(super) fn link(&self) -> LinkPage {
        LinkPage {
            title: "Acknowledge INC-7F3K?".into(),
            detail: self.t("Somebody of oncall takes care of counter"),
            incident: IncidentId(self.t("INC-7F3K")),
            button: Some("Acknowledge".into()),
        }
    }

    pub(super) fn silences(&self) -> Vec<SilenceRow> {
        ["active", "pending", "ended"]
            .into_iter()
            .map(|state| SilenceRow {
                id: self.t("SIL-7F3K"),
                what: self.t("service = counter"),
                by: self.t("ana"),
                reason: self.t("we move the table"),
                from: ago(20),
                until: ago(2),
                state,
            })
            .collect()
    }

    pub(super) fn runbooks(&self) -> Vec<RunbookRow> {
        [
            (
                "counter-errors",
                "The counter answers errors",
                Some("2025-12-01"),
            ),
            ("counter-quiet", "Nobody visits any more", None),
        ]
        .into_iter()
        .map(|(stem, title, reviewed)| RunbookRow {
            stem: self.t(stem),
            title: self.t(title),
            owner: self.t("web"),
            services: vec![self.t("counter")],
            steps: 4,
            reviewed: reviewed.map(Into::into),
            alarms: 3,
            overdue: reviewed.is_none(),
            used: None,
            drilled: None,
        })
        .collect()
    }
}
