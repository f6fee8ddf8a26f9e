//! Log queries: run by AWS where there is Logs Insights, else by our own engine over the events at
//! hand.

use evaluator::insights::{Event, Fault, Query, Source};
use model::{LogRole, LogTable, LogValue, Span, Time};
use ports::{InsightsQuery, LogEvent, LogQuery, Logs};

/// As many events of a group as one query looks at.
const EVENTS: usize = 50_000;
/// As many groups as one query looks at; Insights takes 50.
const GROUPS: usize = 50;

/// A query and where it looks.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Its text.
    pub text: &'a str,
    /// The groups of a query that names none.
    pub groups: &'a [String],
    /// When.
    pub span: Span,
    /// Now.
    pub now: Time,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// The query cannot be understood.
    Query(Fault),
    /// It says no group, or one that there is not.
    Groups(String),
    /// The logs could not be read.
    Port(ports::Error),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Query(fault) => write!(f, "the query cannot be run: {fault}"),
            Refusal::Groups(why) => f.write_str(why),
            Refusal::Port(error) => error.fmt(f),
        }
    }
}

impl From<ports::Error> for Refusal {
    fn from(error: ports::Error) -> Refusal {
        Refusal::Port(error)
    }
}

/// The answer to a query.
///
/// # Errors
/// See [`Refusal`].
pub async fn ask(logs: &dyn Logs, asked: &Asked<'_>) -> Result<LogTable, Refusal> {
    let (sources, text) = Query::split(asked.text).map_err(Refusal::Query)?;
    let groups = resolve(logs, &sources, asked.groups).await?;
    let understood = Query::parse(asked.text);
    let elsewhere = InsightsQuery {
        groups: groups.clone(),
        text: text.to_owned(),
        span: asked.span,
    };
    if let Some(mut table) = logs.insights(&elsewhere).await? {
        if let Ok(query) = &understood {
            given_roles(&mut table, query);
        }
        return Ok(table);
    }
    let query = understood.map_err(Refusal::Query)?;
    let terms = query.terms();
    let mut events: Vec<(usize, LogEvent)> = Vec::new();
    let mut cut = false;
    for (place, group) in groups.iter().enumerate() {
        let found = logs
            .query(&LogQuery {
                group: group.clone(),
                span: asked.span,
                terms: terms.clone(),
                limit: EVENTS,
            })
            .await?;
        cut |= found.len() >= EVENTS;
        events.extend(found.into_iter().map(|event| (place, event)));
    }
    if groups.len() > 1 {
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event.at));
    }
    let now = asked.now;
    // A regular expression over many events takes its time, which others need not wait for.
    let ran = tokio::task::spawn_blocking(move || {
        let all: Vec<Event<'_>> = events
            .iter()
            .map(|(place, event)| Event {
                at: event.at,
                group: &groups[*place],
                stream: &event.stream,
                message: &event.message,
            })
            .collect();
        let mut table = query.run(&all, now);
        if cut {
            let note = format!(
                "Only the newest {EVENTS} events of a group were looked at; ask for a shorter time."
            );
            table.notes.insert(0, note);
        }
        table
    });
    ran.await
        .map_err(|_| Refusal::Groups("the query could not be run to its end".into()))
}

/// The groups that a query looks at.
async fn resolve(
    logs: &dyn Logs,
    sources: &[Source],
    otherwise: &[String],
) -> Result<Vec<String>, Refusal> {
    let mut groups: Vec<String> = Vec::new();
    let mut known = None;
    for source in sources {
        match source {
            Source::Group(name) => groups.push(name.clone()),
            Source::Prefix(prefix) => {
                let all = match &known {
                    Some(all) => all,
                    None => known.insert(logs.groups().await?),
                };
                groups.extend(all.iter().filter(|g| g.starts_with(prefix)).cloned());
            }
        }
    }
    if sources.is_empty() {
        groups.extend_from_slice(otherwise);
    }
    groups.sort();
    groups.dedup();
    match groups.len() {
        0 if sources.is_empty() => Err(Refusal::Groups(
            "the query says no log group: begin it with SOURCE '/aws/lambda/...' |".into(),
        )),
        0 => Err(Refusal::Groups(
            "no log group begins with that prefix".into(),
        )),
        n if n > GROUPS => Err(Refusal::Groups(format!(
            "the query looks at {n} log groups; at most {GROUPS}: say fewer, or a longer prefix"
        ))),
        _ => Ok(groups),
    }
}

/// What AWS answers are texts; the query tells what they stand for.
fn given_roles(table: &mut LogTable, query: &Query) {
    let told = query.columns();
    for (place, column) in table.columns.iter_mut().enumerate() {
        let Some(told) = told.iter().find(|c| c.name == column.name) else {
            continue;
        };
        column.role = told.role;
        for row in &mut table.rows {
            let value = &mut row[place];
            let read = match (told.role, &*value) {
                (LogRole::Time, LogValue::Text(text)) => moment(text).map(LogValue::Time),
                (LogRole::Measure, value) => value.number().map(LogValue::Number),
                _ => None,
            };
            if let Some(read) = read {
                *value = read;
            }
        }
    }
}

/// `2026-01-05 08:00:00.000`, in UTC.
fn moment(text: &str) -> Option<Time> {
    Time::parse(&format!("{}Z", text.trim().replacen(' ', "T", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_answers_gets_its_meaning_from_the_query() {
        let query = Query::parse("stats count(*) as n by bin(5m)").unwrap();
        let text = |t: &str| LogValue::Text(t.into());
        let field = |name: &str| model::LogColumn {
            name: name.into(),
            role: LogRole::Field,
        };
        let mut table = LogTable {
            columns: vec![field("bin(5m)"), field("n"), field("other")],
            rows: vec![vec![text("2026-01-05 08:00:00.000"), text("12"), text("x")]],
            ..LogTable::default()
        };
        given_roles(&mut table, &query);
        assert_eq!(table.columns[0].role, LogRole::Time);
        assert_eq!(
            table.rows[0],
            [
                LogValue::Time(Time::from_secs(1_767_600_000)),
                LogValue::Number(12.0),
                text("x")
            ]
        );
    }
}
