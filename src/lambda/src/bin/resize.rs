//! The image platform as a Lambda function behind API Gateway. Reads the variables of
//! [`resize::Config::from_vars`] and `AWS_REGION`. Its rights: `dynamodb:GetItem`, `PutItem`,
//! `UpdateItem`, `DeleteItem`, `Query` on the table and its index; `s3:GetObject`, `PutObject`, `DeleteObject`,
//! `ListBucket` on the bucket.

use std::sync::Arc;

use resize::NoAdmins;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry(resize::SERVICE)?;
    let platform = lambda::pictures::platform(&telemetry)?;
    let router = resize::router(platform, Arc::new(NoAdmins), &telemetry);
    lambda::serve(router, telemetry).await
}
