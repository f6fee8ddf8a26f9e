//! Metrics and alarms: Amazon CloudWatch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, HistoryItemType, ScanBy};
use model::{Datum, MetricId, Span, Time, Transition};
use ports::{Alarms, MetricFilter, Metrics, Recorded, Result, Series, SeriesQuery};

use crate::config::Config;
use crate::error::{failed, invalid, port_error, unreadable};
use crate::to_sdk_time;

mod convert;

const PUT: &str = "put metrics";
const GET: &str = "get metrics";
const LIST: &str = "list metrics";
const STATES: &str = "describe alarms";
const HISTORY: &str = "describe alarm history";

/// Metrics and alarm states in CloudWatch.
///
/// CloudWatch evaluates its alarms itself and keeps their history for 30 days, so the writing half
/// of [`Alarms`] has no meaning here: `create`, `delete` and `record` refuse with the way out.
#[derive(Debug)]
pub struct CloudWatch {
    sdk: SdkConfig,
    home: Client,
    /// Clients for queries that name another region, made at their first use.
    abroad: Mutex<HashMap<String, Client>>,
}

impl CloudWatch {
    /// Makes no request.
    pub fn new(config: &Config) -> CloudWatch {
        CloudWatch {
            sdk: config.sdk().clone(),
            home: Client::new(config.sdk()),
            abroad: Mutex::default(),
        }
    }

    fn client(&self, region: Option<&str>) -> Client {
        let Some(region) = region else {
            return self.home.clone();
        };
        if self.sdk.region().is_some_and(|r| r.as_ref() == region) {
            return self.home.clone();
        }
        // A poisoned map holds whole clients all the same.
        let mut abroad = self.abroad.lock().unwrap_or_else(PoisonError::into_inner);
        abroad
            .entry(region.to_owned())
            .or_insert_with(|| {
                let conf = aws_sdk_cloudwatch::config::Builder::from(&self.sdk)
                    .region(Region::new(region.to_owned()))
                    .build();
                Client::from_conf(conf)
            })
            .clone()
    }

    async fn get_one_call(
        &self,
        call: &convert::Call,
        queries: &[SeriesQuery],
        answers: &mut [Series],
    ) -> Result<()> {
        let client = self.client(call.region.as_deref());
        let entries: Vec<_> = call
            .entries
            .iter()
            .map(|&i| convert::to_query(i, &queries[i].stat))
            .collect();
        let subject = || convert::subject(call, queries);
        let mut pages = client
            .get_metric_data()
            .set_metric_data_queries(Some(entries))
            .start_time(to_sdk_time(call.span.start))
            .end_time(to_sdk_time(call.span.end))
            .scan_by(ScanBy::TimestampAscending)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(GET, subject()))?;
            for result in page.metric_data_results.unwrap_or_default() {
                convert::take_result(result, queries, answers)
                    .map_err(|refused| port_error(GET, subject(), refused))?;
            }
        }
        Ok(())
    }

    async fn transitions(&self, ask: Ask<'_>) -> Result<Vec<Recorded>> {
        let subject = ask.name.unwrap_or("all alarms");
        let mut pages = self
            .home
            .describe_alarm_history()
            .set_alarm_name(ask.name.map(str::to_owned))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .history_item_type(HistoryItemType::StateUpdate)
            .set_start_date(ask.start.map(to_sdk_time))
            .set_end_date(ask.end.map(to_sdk_time))
            .scan_by(ask.order.clone())
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(HISTORY, subject))?;
            for item in page.alarm_history_items.unwrap_or_default() {
                let recorded =
                    convert::from_history(item).map_err(|why| unreadable(HISTORY, subject, why))?;
                if (ask.keep)(&recorded) {
                    found.push(recorded);
                }
            }
            // One more than asked for, so that a millisecond is not cut in two before sorting.
            if found.len() > ask.limit
                && found[ask.limit - 1..]
                    .iter()
                    .any(|r| r.transition.at != found[ask.limit - 1].transition.at)
            {
                break;
            }
        }
        found.sort_by_key(|r| r.sequence);
        if ask.order == ScanBy::TimestampDescending {
            found.reverse();
        }
        found.truncate(ask.limit);
        Ok(found)
    }
}

/// What to read of the history.
struct Ask<'a> {
    name: Option<&'a str>,
    start: Option<Time>,
    end: Option<Time>,
    order: ScanBy,
    limit: usize,
    keep: &'a (dyn Fn(&Recorded) -> bool + Sync),
}

#[async_trait]
impl Metrics for CloudWatch {
    /// As many `PutMetricData` calls as its limits need. An error names the namespace of the first
    /// call that failed; earlier calls have had their effect.
    async fn put(&self, data: Vec<Datum>) -> Result<()> {
        let batches =
            convert::to_batches(data).map_err(|(subject, why)| invalid(PUT, subject, why))?;
        for batch in batches {
            self.home
                .put_metric_data()
                .namespace(&batch.namespace)
                .set_metric_data(Some(batch.data))
                .send()
                .await
                .map_err(failed(PUT, &batch.namespace))?;
        }
        Ok(())
    }

    /// Queries that share span and region travel together, 500 a `GetMetricData`.
    async fn get(&self, queries: &[SeriesQuery]) -> Result<Vec<Series>> {
        let mut answers = vec![Series::default(); queries.len()];
        for call in convert::to_calls(queries) {
            self.get_one_call(&call, queries, &mut answers).await?;
        }
        for series in &mut answers {
            series.points.sort_by_key(|p| p.at);
        }
        Ok(answers)
    }

    async fn list(&self, filter: &MetricFilter) -> Result<Vec<MetricId>> {
        let subject = || filter.namespace.clone().unwrap_or("all".into());
        let mut pages = self
            .home
            .list_metrics()
            .set_namespace(filter.namespace.clone())
            .set_metric_name(filter.name.clone())
            .set_dimensions(convert::to_dimension_filters(filter))
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(LIST, subject()))?;
            found.extend(
                page.metrics
                    .unwrap_or_default()
                    .into_iter()
                    .map(convert::from_metric),
            );
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

#[async_trait]
impl Alarms for CloudWatch {
    /// `created` is when the alarm's configuration last changed, which is the nearest that
    /// CloudWatch tells.
    async fn states(&self) -> Result<ports::AlarmStates> {
        let mut pages = self
            .home
            .describe_alarms()
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100)
            .into_paginator()
            .send();
        let mut states = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(STATES, "all"))?;
            let metric = page.metric_alarms.unwrap_or_default();
            let composite = page.composite_alarms.unwrap_or_default();
            let known = metric
                .into_iter()
                .map(convert::Described::from)
                .chain(composite.into_iter().map(convert::Described::from));
            for alarm in known {
                let (name, status) =
                    convert::from_alarm(alarm).map_err(|why| unreadable(STATES, "all", why))?;
                states.insert(name, status);
            }
        }
        Ok(Arc::new(states))
    }

    async fn create(&self, names: &[String], _at: Time) -> Result<()> {
        not_ours(
            "create alarms",
            names.first().map(String::as_str),
            "in AWS mode an alarm comes into being with its whole spec; use `nightbell apply`",
        )
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        not_ours(
            "delete alarms",
            names.first().map(String::as_str),
            "in AWS mode alarms are removed by their plan; use `nightbell apply`",
        )
    }

    async fn record(&self, transitions: &[Transition]) -> Result<()> {
        not_ours(
            "record transitions",
            transitions.first().map(|t| t.alarm.as_str()),
            "in AWS mode CloudWatch evaluates alarms and keeps their history",
        )
    }

    /// Reaches back 30 days at most. A sequence is made of the transition's millisecond and name,
    /// so that it is the same in every reading. CloudWatch shows a transition some seconds late:
    /// a reader that must not miss one listens to EventBridge and uses this to catch up, from an
    /// `after` that lies a few minutes back.
    async fn after(&self, after: i64, limit: usize) -> Result<Vec<Recorded>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let start = convert::time_of(after);
        self.transitions(Ask {
            name: None,
            start: (start > Time::EPOCH).then_some(start),
            end: None,
            order: ScanBy::TimestampAscending,
            limit,
            keep: &|r| r.sequence > after,
        })
        .await
    }

    async fn history(&self, name: &str, span: Span, limit: usize) -> Result<Vec<Recorded>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.transitions(Ask {
            name: Some(name),
            start: Some(span.start),
            end: Some(span.end),
            order: ScanBy::TimestampDescending,
            limit,
            keep: &|r| span.contains(r.transition.at),
        })
        .await
    }
}

/// Nothing to do is done; anything else has a way out that is not this one.
fn not_ours(operation: &'static str, subject: Option<&str>, way_out: &str) -> Result<()> {
    match subject {
        None => Ok(()),
        Some(subject) => Err(invalid(operation, subject, way_out)),
    }
}
