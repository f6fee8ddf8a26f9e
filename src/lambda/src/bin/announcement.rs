//! The announcement API as a Lambda function behind API Gateway. Reads the variables of
//! [`announcement::Config::from_vars`], `USER_POOL_ISSUER`, `CLIENT_ID` and `AWS_REGION`. Its rights:
//! `dynamodb:GetItem`, `PutItem`, `UpdateItem`, `DeleteItem`, `Query` on both tables and their indexes;
//! `ses:SendEmail` for its sender; `sns:Publish` for text messages, `sns:Subscribe`, `Unsubscribe`,
//! `ListSubscriptionsByTopic` on the topic.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry(announcement::SERVICE)?;
    let service = lambda::announcement::service(&telemetry)?;
    let router = announcement::router(service, &telemetry);
    lambda::serve(router, telemetry).await
}
