//! Posting as a Lambda function: invoked by the queue that the bucket sends the events of new
//! pictures to (prefix `images/`, suffix `.jpg`), and each five minutes by a schedule, which has it
//! look at how the path stands. The event source mapping and the queue are as those of generation.
//! Its rights: `dynamodb:GetItem`, `PutItem`, `Query` on the table of jobs and its indexes;
//! `s3:GetObject` on the bucket; `sqs:GetQueueAttributes` on both dead-letter queues;
//! `secretsmanager:GetSecretValue` on the secret of X.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry("posting-post")?;
    let poster = lambda::posting::poster(&telemetry)?;
    lambda::serve_events(poster, telemetry).await
}
