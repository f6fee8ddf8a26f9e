//! Functions that events invoke.

use std::sync::Arc;

use lambda_http::lambda_runtime::{Diagnostic, LambdaEvent};
use lambda_http::{Context, Error};
use ports::{Handler, Invocation, events};
use serde_json::Value;
use telemetry::Telemetry;
use tracing::Instrument;

/// Handles events until the environment is taken down. As in [`crate::serve`], everything that an
/// invocation emitted has left the process before its answer does.
pub async fn serve_events(handler: Arc<dyn Handler>, telemetry: Telemetry) -> Result<(), Error> {
    let service = lambda_http::lambda_runtime::service_fn(move |event: LambdaEvent<Value>| {
        let (handler, telemetry) = (handler.clone(), telemetry.clone());
        async move {
            let answer = invoke_event(&*handler, &event.payload, &event.context).await;
            telemetry.flush();
            answer
        }
    });
    lambda_http::lambda_runtime::run(service).await
}

/// One invocation, as [`events::invoke`] has it, within the trace that Lambda began for it.
pub async fn invoke_event(
    handler: &dyn Handler,
    payload: &Value,
    context: &Context,
) -> Result<Value, Unhandled> {
    let invocation = Invocation {
        request: context.request_id.clone(),
        trace: context.xray_trace_id.clone(),
    };
    let span = tracing::info_span!(
        "invoke",
        otel.kind = "server",
        otel.name = %context.env_config.function_name,
        xray.segment = true,
        faas.invocation_id = %invocation.request,
        otel.status_code = tracing::field::Empty,
    );
    if let Some(trace) = &invocation.trace {
        telemetry::accept_trace_header(&span, trace);
    }
    let answer = events::invoke(handler, payload, &invocation);
    answer.instrument(span.clone()).await.map_err(|failed| {
        span.record("otel.status_code", "ERROR");
        tracing::error!(parent: &span, error = %failed, "the event was not handled");
        Unhandled(failed.to_string())
    })
}

/// An event that was not handled; Lambda brings it again as its source's retries say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unhandled(String);

/// What Lambda shows of a failed invocation.
impl From<Unhandled> for Diagnostic {
    fn from(unhandled: Unhandled) -> Diagnostic {
        Diagnostic {
            error_type: "Unhandled".into(),
            error_message: unhandled.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use ports::{Event, Failed, Outcome};
    use serde_json::json;
    use std::sync::Mutex;

    /// Answers as it was told, and remembers what it was asked.
    struct Told {
        answer: Result<Outcome, Failed>,
        seen: Mutex<Vec<(Event, Invocation)>>,
    }

    #[async_trait]
    impl Handler for Told {
        async fn handle(&self, event: Event, invocation: &Invocation) -> Result<Outcome, Failed> {
            self.seen.lock().unwrap().push((event, invocation.clone()));
            self.answer.clone()
        }
    }

    async fn invoke(payload: &Value, answer: Result<Outcome, Failed>) -> Result<Value, String> {
        let told = Told {
            answer,
            seen: Mutex::default(),
        };
        let mut context = Context::default();
        context.request_id = "8f5f2f3c".into();
        context.xray_trace_id = Some("Root=1-65a0b1c2-0123456789abcdef01234567".into());
        let answer = invoke_event(&told, payload, &context).await;
        for (_, invocation) in told.seen.into_inner().unwrap() {
            assert_eq!(invocation.request, "8f5f2f3c");
            assert_eq!(invocation.trace, context.xray_trace_id);
        }
        answer.map_err(|e| e.to_string())
    }

    fn queue() -> Value {
        json!({ "Records": [{
            "messageId": "m-1", "receiptHandle": "r-1", "body": "b", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:demo-post",
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1767600000123" },
            "messageAttributes": {},
        }] })
    }

    fn schedule() -> Value {
        json!({ "schedule": "daily", "at": "2026-01-05T08:00:00Z", "input": null })
    }

    #[tokio::test]
    async fn parts_that_failed_come_again_and_the_rest_does_not() {
        let some = |ids: &[&str]| {
            Ok(Outcome {
                failed: ids.iter().map(|id| (*id).to_owned()).collect(),
            })
        };
        let items = |ids: &[&str]| {
            let items = ids.iter().map(|id| json!({ "itemIdentifier": id }));
            json!({ "batchItemFailures": items.collect::<Vec<_>>() })
        };
        assert_eq!(invoke(&queue(), some(&[])).await, Ok(items(&[])));
        assert_eq!(invoke(&queue(), some(&["m-1"])).await, Ok(items(&["m-1"])));
        assert_eq!(invoke(&schedule(), some(&[])).await, Ok(Value::Null));
    }

    #[tokio::test]
    async fn what_has_no_parts_fails_as_a_whole() {
        let failed = || Err(Failed("no answer from upstream".into()));
        for payload in [queue(), schedule()] {
            let why = invoke(&payload, failed()).await.unwrap_err();
            assert_eq!(why, "no answer from upstream");
        }
        let some = Outcome {
            failed: vec!["x".into()],
        };
        let why = invoke(&schedule(), Ok(some)).await.unwrap_err();
        assert_eq!(why, "x failed");
    }

    #[tokio::test]
    async fn what_is_no_event_reaches_no_handler() {
        let why = invoke(&json!({ "hello": 1 }), Ok(Outcome::done())).await;
        let why = why.unwrap_err();
        assert!(why.starts_with("unreadable event: "), "{why}");
    }
}
