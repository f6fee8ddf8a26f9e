//! The gallery and the admin's API as a Lambda function behind API Gateway, with the authorizer
//! `posting-authorizer` on `/api/admin/*` and a CDN in front that adds the header `X-Origin-Verify`.
//! Reads the variables of [`posting::Config::from_vars`], `USER_POOL_ISSUER` and `CLIENT_ID`. Its
//! rights: `dynamodb:GetItem`, `PutItem`, `UpdateItem`, `Query` on the tables of jobs and of the audit
//! and their indexes; `s3:GetObject` on the bucket (which its signed addresses need); `sqs:SendMessage`
//! on both queues; `secretsmanager:GetSecretValue` on the secrets of the origin and of X.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry(posting::SERVICE)?;
    let service = lambda::posting::service(&telemetry)?;
    let router = posting::router(service, &telemetry);
    lambda::serve(router, telemetry).await
}
