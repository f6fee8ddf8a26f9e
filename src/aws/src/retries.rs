//! Which failed attempts the SDK's retryer may repeat.

use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

/// Forbids the second attempt of a write that is not idempotent, unless the service itself said
/// that it did nothing: a 4xx such as throttling.
#[derive(Debug)]
pub(crate) struct OnlyWhenNotApplied;

impl ClassifyRetry for OnlyWhenNotApplied {
    fn classify_retry(&self, ctx: &InterceptorContext) -> RetryAction {
        let unknown_fate = match ctx.output_or_error() {
            Some(Err(error)) => {
                error.is_timeout_error()
                    || error.is_connector_error()
                    || error.is_response_error()
                    || ctx.response().is_some_and(|r| r.status().is_server_error())
            }
            _ => false,
        };
        if unknown_fate {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "only when not applied"
    }
}

/// Repeats a transaction that was cancelled only because others wrote the same items meanwhile;
/// the SDK takes every cancelled transaction for final.
#[derive(Debug)]
pub(crate) struct WhenOthersWereInTheWay;

impl ClassifyRetry for WhenOthersWereInTheWay {
    fn classify_retry(&self, ctx: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = ctx.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let cancelled = error
            .as_operation_error()
            .and_then(|e| e.downcast_ref::<TransactWriteItemsError>());
        match cancelled {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                if only_conflicts(cancelled.cancellation_reasons().iter().map(|r| r.code())) =>
            {
                RetryAction::transient_error()
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "when others were in the way"
    }
}

fn only_conflicts<'a>(codes: impl Iterator<Item = Option<&'a str>>) -> bool {
    let mut conflicts = 0;
    for code in codes.flatten() {
        match code {
            "None" => {}
            "TransactionConflict" => conflicts += 1,
            _ => return false,
        }
    }
    conflicts > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transaction_that_others_were_in_the_way_of_is_sent_again() {
        let check = |codes: &[&str], expect: bool| {
            let codes = codes.iter().map(|c| Some(*c));
            assert_eq!(only_conflicts(codes), expect);
        };
        check(&["None", "TransactionConflict"], true);
        check(&["ConditionalCheckFailed", "TransactionConflict"], false);
        check(&["None"], false);
        check(&[], false);
    }
}
