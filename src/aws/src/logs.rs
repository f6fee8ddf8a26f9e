//! Log groups: Amazon CloudWatch Logs.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::put_log_events::PutLogEventsOutput;
use aws_sdk_cloudwatchlogs::types::QueryStatus;
use model::LogTable;
use ports::{InsightsQuery, Kind, LogEvent, LogQuery, Result};

use crate::config::Config;
use crate::error::{Error, failed, invalid, port_error};

mod convert;

const PUT: &str = "put log events";
const QUERY: &str = "query log group";
const GROUPS: &str = "list log groups";
const INSIGHTS: &str = "run a Logs Insights query over";

/// How often the answer of a query is asked for, and the first wait; waits grow to a second.
const ROUNDS: u32 = 36;
const WAIT: std::time::Duration = std::time::Duration::from_millis(100);

/// Log groups in CloudWatch Logs.
#[derive(Debug, Clone)]
pub struct Logs {
    client: Client,
}

impl Logs {
    /// Makes no request.
    pub fn new(config: &Config) -> Logs {
        Logs {
            client: Client::new(config.sdk()),
        }
    }

    async fn put_batch(
        &self,
        group: &str,
        stream: &str,
        batch: &convert::Batch,
    ) -> std::result::Result<PutLogEventsOutput, Error> {
        self.client
            .put_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .set_log_events(Some(batch.clone()))
            .send()
            .await
            .map_err(Error::from)
    }

    /// Makes group and stream; that one of them exists already is what was wanted.
    async fn make(&self, group: &str, stream: &str) -> Result<()> {
        let made = self
            .client
            .create_log_group()
            .log_group_name(group)
            .send()
            .await;
        unless_there(made.map_err(Error::from), "create log group", group)?;
        let made = self
            .client
            .create_log_stream()
            .log_group_name(group)
            .log_stream_name(stream)
            .send()
            .await;
        unless_there(made.map_err(Error::from), "create log stream", stream)
    }
}

#[async_trait]
impl ports::Logs for Logs {
    /// As many `PutLogEvents` calls as its limits need, oldest events first. Events that the
    /// service will not keep (too old, too new, past the group's retention) are an `Invalid` error
    /// that counts them; the others of the same call are stored.
    async fn put(&self, group: &str, stream: &str, events: Vec<LogEvent>) -> Result<()> {
        let subject = format!("{group} {stream}");
        let batches = convert::to_batches(events).map_err(|why| invalid(PUT, &subject, why))?;
        for batch in batches {
            let answer = match self.put_batch(group, stream, &batch).await {
                Err(error) if error.kind() == Kind::NotFound => {
                    self.make(group, stream).await?;
                    self.put_batch(group, stream, &batch).await
                }
                answer => answer,
            };
            let answer = answer.map_err(|e| port_error(PUT, &subject, e))?;
            if let Some(why) = convert::rejected(answer.rejected_log_events_info(), batch.len()) {
                return Err(invalid(PUT, &subject, why));
            }
        }
        Ok(())
    }

    async fn query(&self, query: &LogQuery) -> Result<Vec<LogEvent>> {
        let mut newest = convert::Newest::new(query);
        let Some(ask) = convert::to_filter(query) else {
            return Ok(Vec::new());
        };
        let mut pages = self
            .client
            .filter_log_events()
            .log_group_name(&query.group)
            .start_time(ask.start)
            .end_time(ask.end)
            .set_filter_pattern(ask.pattern)
            .set_start_from_head(ask.newest_first.then_some(false))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = match page.map_err(Error::from) {
                Ok(page) => page,
                Err(error) if error.kind() == Kind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(port_error(QUERY, &query.group, error)),
            };
            newest.take(page.events.unwrap_or_default());
            if ask.newest_first && newest.is_full() {
                break;
            }
        }
        Ok(newest.into_events())
    }

    /// `StartQuery`, then `GetQueryResults` until it is complete.
    async fn insights(&self, query: &InsightsQuery) -> Result<Option<LogTable>> {
        let subject = query.groups.join(" ");
        let started = self
            .client
            .start_query()
            .set_log_group_names(Some(query.groups.clone()))
            .query_string(&query.text)
            // In seconds, the end included.
            .start_time(query.span.start.secs())
            .end_time(query.span.end.secs())
            .send()
            .await
            .map_err(failed(INSIGHTS, &subject))?;
        let id = started.query_id.unwrap_or_default();
        for round in 0..ROUNDS {
            let answer = self
                .client
                .get_query_results()
                .query_id(&id)
                .send()
                .await
                .map_err(failed(INSIGHTS, &subject))?;
            match answer.status() {
                Some(QueryStatus::Complete) => return Ok(Some(convert::to_table(answer))),
                Some(QueryStatus::Failed | QueryStatus::Cancelled | QueryStatus::Timeout) => {
                    return Err(invalid(INSIGHTS, &subject, "it did not end well"));
                }
                _ => tokio::time::sleep(WAIT * (round + 1).min(10)).await,
            }
        }
        // What nobody waits for any more need not be computed.
        let _ = self.client.stop_query().query_id(&id).send().await;
        Err(invalid(
            INSIGHTS,
            &subject,
            "it took more than half a minute; ask for a shorter time",
        ))
    }

    async fn groups(&self) -> Result<Vec<String>> {
        let mut pages = self.client.describe_log_groups().into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(GROUPS, "all"))?;
            let groups = page.log_groups.unwrap_or_default();
            names.extend(groups.into_iter().filter_map(|g| g.log_group_name));
        }
        names.sort();
        Ok(names)
    }
}

fn unless_there<T>(
    made: std::result::Result<T, Error>,
    operation: &'static str,
    subject: &str,
) -> Result<()> {
    match made {
        Ok(_) => Ok(()),
        Err(Error::Refused { code, .. }) if code == "ResourceAlreadyExistsException" => Ok(()),
        Err(error) => Err(port_error(operation, subject, error)),
    }
}
