//! The counter as a Lambda function. Reads `TABLE_NAME`, `PRIMARY_KEY`, `COUNTER_ATTR` and
//! `AWS_REGION`; its only right on the table is `dynamodb:UpdateItem`.
//!
//! EMF and JSON logs go to the standard output, which Lambda sends to the function's log group;
//! segments go to the X-Ray daemon beside it.

use std::sync::Arc;

use lambda::LateTables;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let var = |name: &str| std::env::var(name).ok();
    let config = counter::Config::from_vars(var)?;
    let telemetry = lambda::telemetry(counter::SERVICE)?;
    let router = counter::router(Arc::new(LateTables::default()), config, &telemetry);
    lambda::serve(router, telemetry).await
}
