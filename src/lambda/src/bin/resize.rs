//! The image platform as a Lambda function behind API Gateway. Reads the variables of
//! [`resize::Config::from_vars`] and `AWS_REGION`; with `USER_POOL_ISSUER` and `CLIENT_ID` the pool's
//! administrators may do everything. Its rights: `dynamodb:GetItem`, `PutItem`,
//! `UpdateItem`, `DeleteItem`, `Query` on the table and its index; `s3:GetObject`, `PutObject`, `DeleteObject`,
//! `ListBucket` on the bucket.

use std::sync::Arc;

use resize::{Admins, NoAdmins};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry(resize::SERVICE)?;
    let platform = lambda::pictures::platform(&telemetry)?;
    let admins: Arc<dyn Admins> = match lambda::keys::people(|name| std::env::var(name).ok())? {
        Some(people) => Arc::new(people),
        None => Arc::new(NoAdmins),
    };
    let router = resize::router(platform, admins, &telemetry);
    lambda::serve(router, telemetry).await
}
