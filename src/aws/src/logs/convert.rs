//! What CloudWatch Logs takes and what its answers mean.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, InputLogEvent, RejectedLogEventsInfo};
use model::{LogColumn, LogRole, LogTable, LogValue, Time};
use ports::{LogEvent, LogQuery};

/// `PutLogEvents`: at most this many events a call (API reference).
const EVENTS_PER_PUT: usize = 10_000;
/// `PutLogEvents`: at most this many bytes a call, each event counting 26 more than its text.
const BYTES_PER_PUT: usize = 1_048_576;
const BYTES_PER_EVENT: usize = 26;
/// `PutLogEvents`: the first and last event of a call lie at most this far apart.
const LONGEST_SPAN: Duration = Duration::from_secs(24 * 3600);
/// `FilterLogEvents` can begin with the newest event only where the span starts after this,
/// 2024-01-01 (API reference of `startFromHead`).
const NEWEST_FIRST_SINCE: Time = Time::from_secs(1_704_067_200);

/// The events of one `PutLogEvents`.
pub(super) type Batch = Vec<InputLogEvent>;

/// Cuts events into calls within the service's limits, oldest first.
pub(super) fn to_batches(mut events: Vec<LogEvent>) -> Result<Vec<Batch>, String> {
    events.sort_by_key(|e| e.at);
    let mut batches: Vec<Batch> = Vec::new();
    let (mut used, mut first) = (0, Time::EPOCH);
    for event in events {
        let size = event.message.len() + BYTES_PER_EVENT;
        if event.message.is_empty() {
            return Err(format!("the event at {} is empty", event.at));
        }
        if size > BYTES_PER_PUT {
            return Err(format!(
                "the event at {} has {} bytes; CloudWatch Logs takes {}",
                event.at,
                event.message.len(),
                BYTES_PER_PUT - BYTES_PER_EVENT
            ));
        }
        let at = event.at;
        let event = InputLogEvent::builder()
            .timestamp(at.millis())
            .message(event.message)
            .build()
            .map_err(|e| e.to_string())?;
        match batches.last_mut() {
            Some(batch)
                if batch.len() < EVENTS_PER_PUT
                    && used + size <= BYTES_PER_PUT
                    && at.since(first) < LONGEST_SPAN =>
            {
                batch.push(event);
                used += size;
            }
            _ => {
                batches.push(vec![event]);
                (used, first) = (size, at);
            }
        }
    }
    Ok(batches)
}

/// How many events of a call were not kept, in words; the indices are the service's: events before
/// an end index, or from a start index on.
pub(super) fn rejected(info: Option<&RejectedLogEventsInfo>, sent: usize) -> Option<String> {
    let info = info?;
    let count = |index: Option<i32>| usize::try_from(index.unwrap_or(0)).unwrap_or(0).min(sent);
    let too_new = info
        .too_new_log_event_start_index()
        .map_or(0, |start| sent - count(Some(start)));
    let parts: Vec<String> = [
        (
            count(info.too_old_log_event_end_index()),
            "older than 14 days",
        ),
        (
            count(info.expired_log_event_end_index()),
            "older than the group's retention",
        ),
        (too_new, "more than 2 hours ahead"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, why)| format!("{n} {why}"))
    .collect();
    (!parts.is_empty()).then(|| format!("of {sent} events were not kept: {}", parts.join(", ")))
}

/// One `FilterLogEvents` request.
#[derive(Debug, PartialEq)]
pub(super) struct Filter {
    /// Milliseconds, inclusive.
    pub(super) start: i64,
    /// Milliseconds, inclusive as the service has it.
    pub(super) end: i64,
    pub(super) pattern: Option<String>,
    pub(super) newest_first: bool,
}

/// The request for a query; none when nothing can match.
pub(super) fn to_filter(query: &LogQuery) -> Option<Filter> {
    if query.limit == 0 || query.span.length() == Duration::ZERO {
        return None;
    }
    Some(Filter {
        // The service takes no time before the epoch.
        start: query.span.start.millis().max(0),
        end: query.span.end.millis() - 1,
        pattern: to_pattern(&query.terms),
        newest_first: query.span.start >= NEWEST_FIRST_SINCE,
    })
}

/// Every term in quotes, which all must occur; quotes inside are escaped.
fn to_pattern(terms: &[String]) -> Option<String> {
    let quoted: Vec<String> = terms
        .iter()
        .filter(|t| !t.is_empty())
        .map(|t| format!("\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

/// Collects the newest matching events, whatever order they arrive in.
pub(super) struct Newest<'a> {
    query: &'a LogQuery,
    events: Vec<LogEvent>,
}

impl<'a> Newest<'a> {
    pub(super) fn new(query: &'a LogQuery) -> Newest<'a> {
        Newest {
            query,
            events: Vec::new(),
        }
    }

    /// Adds a page. What a filter pattern matches is the service's affair, so that every term is
    /// looked for once more.
    pub(super) fn take(&mut self, page: Vec<FilteredLogEvent>) {
        let query = self.query;
        let matching = page.into_iter().filter_map(|event| {
            let event = LogEvent {
                at: Time::from_millis(event.timestamp?),
                stream: event.log_stream_name.unwrap_or_default(),
                message: event.message.unwrap_or_default(),
            };
            let all = query
                .terms
                .iter()
                .all(|t| event.message.contains(t.as_str()));
            (all && query.span.contains(event.at)).then_some(event)
        });
        self.events.extend(matching);
        // Keeps memory within two limits however long the span is.
        if self.events.len() > query.limit.saturating_mul(2) {
            self.cut();
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= self.query.limit
    }

    pub(super) fn into_events(mut self) -> Vec<LogEvent> {
        self.cut();
        self.events
    }

    fn cut(&mut self) {
        self.events.sort_by_key(|e| std::cmp::Reverse(e.at));
        self.events.truncate(self.query.limit);
    }
}

/// What a query answered: columns in the order in which rows first show them, all texts.
pub(super) fn to_table(answer: GetQueryResultsOutput) -> LogTable {
    let mut table = LogTable::default();
    if let Some(statistics) = answer.statistics {
        table.scanned = statistics.records_scanned as usize;
        table.matched = statistics.records_matched as usize;
    }
    for fields in answer.results.unwrap_or_default() {
        let mut row = vec![LogValue::Missing; table.columns.len()];
        for field in fields {
            let name = field.field.unwrap_or_default();
            // A pointer to the whole event, of use to AWS's console only.
            if name == "@ptr" {
                continue;
            }
            let place = table.columns.iter().position(|c| c.name == name);
            let place = place.unwrap_or_else(|| {
                table.columns.push(LogColumn {
                    name,
                    role: LogRole::Field,
                });
                row.push(LogValue::Missing);
                table.columns.len() - 1
            });
            row[place] = field.value.map_or(LogValue::Missing, LogValue::Text);
        }
        table.rows.push(row);
    }
    let width = table.columns.len();
    for row in &mut table.rows {
        row.resize(width, LogValue::Missing);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Span;

    fn event(secs: i64, message: &str) -> LogEvent {
        LogEvent {
            at: Time::from_secs(secs),
            stream: String::new(),
            message: message.into(),
        }
    }

    #[test]
    fn events_are_cut_by_count_bytes_and_span() {
        let check = |events: Vec<LogEvent>, sizes: &[usize]| {
            let batches = to_batches(events).unwrap();
            let found: Vec<usize> = batches.iter().map(Vec::len).collect();
            assert_eq!(found, sizes);
            for batch in &batches {
                let bytes: usize = batch.iter().map(|e| e.message().len() + 26).sum();
                assert!(bytes <= BYTES_PER_PUT && batch.len() <= EVENTS_PER_PUT);
                assert!(batch.is_sorted_by_key(|e| e.timestamp()));
            }
        };
        check(vec![], &[]);
        check(vec![event(2, "b"), event(1, "a")], &[2]);
        check((0..10_001).map(|i| event(i, "x")).collect(), &[10_000, 1]);
        let half = "x".repeat(BYTES_PER_PUT / 2 - 26);
        check(vec![event(1, &half), event(2, &half)], &[2]);
        check(
            vec![event(1, &half), event(2, &half), event(3, "x")],
            &[2, 1],
        );
        check(
            vec![event(0, "x"), event(86_399, "x"), event(86_400, "x")],
            &[2, 1],
        );
        assert!(to_batches(vec![event(0, "")]).is_err());
        let error = to_batches(vec![event(0, &"x".repeat(BYTES_PER_PUT - 25))]).unwrap_err();
        assert!(error.contains("1048551 bytes"), "{error}");
    }

    #[test]
    fn events_that_were_not_kept_are_counted() {
        let check = |info: RejectedLogEventsInfo, expect: Option<&str>| {
            assert_eq!(rejected(Some(&info), 10).as_deref(), expect);
        };
        let info = RejectedLogEventsInfo::builder;
        check(info().build(), None);
        check(
            info().too_old_log_event_end_index(3).build(),
            Some("of 10 events were not kept: 3 older than 14 days"),
        );
        check(
            info()
                .expired_log_event_end_index(2)
                .too_new_log_event_start_index(9)
                .build(),
            Some(
                "of 10 events were not kept: 2 older than the group's retention, 1 more than 2 hours ahead",
            ),
        );
        assert_eq!(rejected(None, 10), None);
    }

    fn query(terms: &[&str], limit: usize) -> LogQuery {
        LogQuery {
            group: "/aws/lambda/demo-counter".into(),
            span: Span::new(
                Time::from_secs(1_800_000_000),
                Time::from_secs(1_800_003_600),
            ),
            terms: terms.iter().map(|t| (*t).to_owned()).collect(),
            limit,
        }
    }

    #[test]
    fn terms_are_quoted_and_the_end_is_exclusive() {
        let check = |terms: &[&str], pattern: Option<&str>| {
            let filter = to_filter(&query(terms, 5)).unwrap();
            assert_eq!(filter.pattern.as_deref(), pattern);
            assert_eq!(filter.end, 1_800_003_599_999);
            assert!(filter.newest_first);
        };
        check(&[], None);
        check(&[""], None);
        check(&["ERROR"], Some(r#""ERROR""#));
        check(&["ERROR", "a b"], Some(r#""ERROR" "a b""#));
        check(&[r#""level":"\"#], Some(r#""\"level\":\"\\""#));
        assert_eq!(to_filter(&query(&[], 0)), None);
    }

    #[test]
    fn a_span_that_begins_before_2024_is_read_from_its_start() {
        let mut old = query(&[], 5);
        old.span.start = Time::from_secs(-5);
        let filter = to_filter(&old).unwrap();
        assert_eq!((filter.start, filter.newest_first), (0, false));
    }

    #[test]
    fn the_newest_matching_events_are_kept_in_whatever_order_pages_come() {
        let query = query(&["x"], 3);
        let mut newest = Newest::new(&query);
        let found = |offset: i64, message: &str| {
            FilteredLogEvent::builder()
                .timestamp((1_800_000_000 + offset) * 1000)
                .message(message)
                .log_stream_name("s")
                .build()
        };
        newest.take((0..50).map(|i| found(i, "x")).collect());
        newest.take(vec![found(60, "y"), found(3_600, "x"), found(55, "x")]);
        let times: Vec<i64> = newest
            .into_events()
            .iter()
            .map(|e| e.at.secs() - 1_800_000_000)
            .collect();
        assert_eq!(times, [55, 49, 48]);
    }

    #[test]
    fn the_answer_of_a_query_is_a_table_without_pointers() {
        use aws_sdk_cloudwatchlogs::types::ResultField;
        let field =
            |name: &str, value: &str| ResultField::builder().field(name).value(value).build();
        let answer = GetQueryResultsOutput::builder()
            .results(vec![field("a", "1"), field("@ptr", "x")])
            .results(vec![field("b", "2")])
            .build();
        let table = to_table(answer);
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let text = |t: &str| LogValue::Text(t.into());
        assert_eq!(
            table.rows,
            [
                [text("1"), LogValue::Missing],
                [LogValue::Missing, text("2")]
            ]
        );
    }
}
