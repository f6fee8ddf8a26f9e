//! Logs are found by time and terms.

use std::time::Duration;

use model::{Span, Time};

use super::{Case, Outcome, Report, Run, done, same};
use crate::{LogEvent, LogQuery, Logs};

/// The contract of [`Logs`].
pub async fn logs(port: &dyn Logs, run: &Run) {
    let on = On { port, run };
    let mut report = Report::new("logs", run);
    report
        .case(Case::EventsNewestFirst, newest_first(&on))
        .await;
    report.case(Case::TermsMustAllOccur, all_terms(&on)).await;
    report.case(Case::SpansAreHalfOpen, half_open(&on)).await;
    report.case(Case::EventsHaveStreams, streams(&on)).await;
    report
        .case(Case::UnknownGroupIsEmpty, unknown_group(&on))
        .await;
    report.case(Case::GroupsAreListed, groups(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Logs,
    run: &'a Run,
}

impl On<'_> {
    fn group(&self, what: &str) -> String {
        format!("/contract/{}", self.run.name(what))
    }

    /// A second within the last minutes.
    fn at(&self, second: u64) -> Time {
        self.run.minutes_ago(5) + Duration::from_secs(second)
    }

    fn events(&self, messages: &[(u64, &str)]) -> Vec<LogEvent> {
        let event = |(second, message): &(u64, &str)| LogEvent {
            at: self.at(*second),
            stream: String::new(),
            message: (*message).to_owned(),
        };
        messages.iter().map(event).collect()
    }

    async fn put(&self, group: &str, messages: &[(u64, &str)]) -> Outcome {
        let put = self.port.put(group, "one", self.events(messages)).await;
        done("put", put)
    }

    async fn expect(&self, query: LogQuery, want: &[&str]) -> Outcome {
        self.run
            .eventually(async || {
                let got = done("query", self.port.query(&query).await)?;
                let got: Vec<&str> = got.iter().map(|e| e.message.as_str()).collect();
                same("messages", got, want.to_vec())
            })
            .await
    }

    fn query(&self, group: &str) -> LogQuery {
        LogQuery {
            group: group.to_owned(),
            span: self.run.last_minutes(10),
            terms: Vec::new(),
            limit: 100,
        }
    }
}

async fn newest_first(on: &On<'_>) -> Outcome {
    let group = on.group("newest");
    on.put(&group, &[(0, "a"), (1, "b")]).await?;
    on.put(&group, &[(2, "c"), (3, "d")]).await?;
    on.expect(on.query(&group), &["d", "c", "b", "a"]).await?;
    let two = LogQuery {
        limit: 2,
        ..on.query(&group)
    };
    on.expect(two, &["d", "c"]).await
}

async fn all_terms(on: &On<'_>) -> Outcome {
    let group = on.group("terms");
    let lines = [
        (0, "ERROR cannot reach table"),
        (1, "error cannot reach table"),
        (2, "ERROR cannot reach queue"),
    ];
    on.put(&group, &lines).await?;
    let with = |terms: &[&str]| LogQuery {
        terms: terms.iter().map(|t| (*t).to_owned()).collect(),
        ..on.query(&group)
    };
    on.expect(with(&["ERROR"]), &[lines[2].1, lines[0].1])
        .await?;
    on.expect(with(&["ERROR", "table"]), &[lines[0].1]).await?;
    on.expect(with(&["ERROR", "nowhere"]), &[]).await
}

async fn half_open(on: &On<'_>) -> Outcome {
    let group = on.group("span");
    on.put(&group, &[(10, "first"), (20, "second"), (30, "third")])
        .await?;
    let between = LogQuery {
        span: Span::new(on.at(10), on.at(30)),
        ..on.query(&group)
    };
    on.expect(between, &["second", "first"]).await
}

async fn streams(on: &On<'_>) -> Outcome {
    let group = on.group("streams");
    for (stream, messages) in [("left", [(0, "a")]), ("right", [(1, "b")])] {
        let put = on.port.put(&group, stream, on.events(&messages)).await;
        done("put", put)?;
    }
    let query = on.query(&group);
    on.run
        .eventually(async || {
            let got = done("query", on.port.query(&query).await)?;
            let got: Vec<(Time, String)> = got.into_iter().map(|e| (e.at, e.stream)).collect();
            let want = vec![(on.at(1), "right".into()), (on.at(0), "left".into())];
            same("times and streams", got, want)
        })
        .await
}

async fn unknown_group(on: &On<'_>) -> Outcome {
    on.expect(on.query(&on.group("never")), &[]).await
}

async fn groups(on: &On<'_>) -> Outcome {
    let mut want = vec![on.group("listed-b"), on.group("listed-a")];
    for group in &want {
        on.put(group, &[(0, "hello")]).await?;
    }
    want.sort();
    let mine = on.group("listed");
    on.run
        .eventually(async || {
            let mut got = done("groups", on.port.groups().await)?;
            got.retain(|g| g.starts_with(&mine));
            same("groups", got, want.clone())
        })
        .await
}
