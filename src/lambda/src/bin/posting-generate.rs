//! Generation as a Lambda function: invoked by the queue of pictures to be drawn, into which
//! EventBridge Scheduler puts `{"schedule": "posting-daily", "at": "<aws.scheduler.scheduled-time>",
//! "input": null}` at `cron(0 8 ? * MON-FRI *)` in America/New_York; `"input": {"date": "2026-01-14"}`
//! runs that date. The event source mapping has a batch size of 1 and reports partial failures; the
//! queue has a visibility timeout of 20 minutes and a `maxReceiveCount` of 2. Its rights:
//! `dynamodb:GetItem`, `PutItem` on the table of jobs; `s3:GetObject`, `PutObject` on the bucket;
//! `sqs:SendMessage` on its queue; `secretsmanager:GetSecretValue` on the secret of OpenAI.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry("posting-generate")?;
    let generator = lambda::posting::generator(&telemetry)?;
    lambda::serve_events(generator, telemetry).await
}
