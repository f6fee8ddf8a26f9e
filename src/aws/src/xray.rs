//! Traces: AWS X-Ray.

use async_trait::async_trait;
use aws_sdk_xray::Client;
use aws_sdk_xray::types::TimeRangeType;
use ports::traces::TraceSummary;
use ports::{Result, TraceFilter, Traces};
use serde_json::Value;

use crate::config::Config;
use crate::error::{failed, unreadable};
use crate::to_sdk_time;

mod convert;

const PUT: &str = "put trace segments";
const SUMMARIES: &str = "list traces";
const GET: &str = "get trace";

/// Segment documents in X-Ray.
#[derive(Debug, Clone)]
pub struct XRay {
    client: Client,
}

impl XRay {
    /// Makes no request.
    pub fn new(config: &Config) -> XRay {
        XRay {
            client: Client::new(config.sdk()),
        }
    }
}

#[async_trait]
impl Traces for XRay {
    async fn put(&self, documents: Vec<String>) -> Result<()> {
        let sorted = convert::sort_out(documents);
        let mut refused = sorted.refused;
        for batch in sorted.batches {
            let subject = format!("{} documents", batch.len());
            let answer = self
                .client
                .put_trace_segments()
                .set_trace_segment_documents(Some(batch))
                .send()
                .await
                .map_err(failed(PUT, subject))?;
            let unprocessed = answer.unprocessed_trace_segments.unwrap_or_default();
            refused.extend(unprocessed.into_iter().map(convert::from_unprocessed));
        }
        convert::verdict(&refused).map_or(Ok(()), |(kind, subject, why)| {
            Err(ports::Error::new(PUT, subject, kind).because(why))
        })
    }

    async fn summaries(&self, filter: &TraceFilter) -> Result<Vec<TraceSummary>> {
        let mut found: Vec<TraceSummary> = Vec::new();
        for window in convert::windows(filter.span) {
            if found.len() >= filter.limit {
                break;
            }
            let mut pages = self
                .client
                .get_trace_summaries()
                .time_range_type(TimeRangeType::TraceId)
                .start_time(to_sdk_time(window.start))
                .end_time(to_sdk_time(window.end))
                .set_filter_expression(convert::to_expression(filter))
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(failed(SUMMARIES, convert::subject(filter)))?;
                let summaries = page.trace_summaries.unwrap_or_default();
                found.extend(
                    summaries
                        .into_iter()
                        .filter_map(convert::from_summary)
                        .filter(|s| filter.span.contains(s.start)),
                );
            }
        }
        found.sort_by(|a, b| b.start.cmp(&a.start).then_with(|| a.id.cmp(&b.id)));
        found.dedup_by(|a, b| a.id == b.id);
        found.truncate(filter.limit);
        Ok(found)
    }

    async fn get(&self, id: &str) -> Result<Vec<Value>> {
        let mut pages = self
            .client
            .batch_get_traces()
            .trace_ids(id)
            .into_paginator()
            .send();
        let mut documents = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(GET, id))?;
            for segment in page
                .traces
                .unwrap_or_default()
                .into_iter()
                .flat_map(|t| t.segments.unwrap_or_default())
            {
                let text = segment.document.unwrap_or_default();
                documents.push(
                    serde_json::from_str(&text).map_err(|e| unreadable(GET, id, e.to_string()))?,
                );
            }
        }
        convert::sort_by_start(&mut documents);
        Ok(documents)
    }
}
