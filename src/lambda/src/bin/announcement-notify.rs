//! What happens behind the announcement API, as a Lambda function: invoked by the stream of the table
//! of events, the queue of fan-outs (as a function of its own with one execution at a time, since
//! the account's quota is one process's), the queue of what SES says, and a schedule each hour. All
//! event source mappings report partial failures. Its rights are those of the API, and
//! `sqs:SendMessage` on the queue of fan-outs and the dead-letter queue.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry(announcement::SERVICE)?;
    let notifier = lambda::announcement::notifier(&telemetry)?;
    lambda::serve_events(notifier, telemetry).await
}
