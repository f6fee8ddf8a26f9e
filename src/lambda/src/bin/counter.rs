//! The counter as a Lambda function. Reads `TABLE_NAME`, `PRIMARY_KEY`, `COUNTER_ATTR` and
//! `AWS_REGION`; its only right on the table is `dynamodb:UpdateItem`.
//!
//! EMF and JSON logs go to the standard output, which Lambda sends to the function's log group;
//! segments go to the X-Ray daemon beside it.

use std::sync::Arc;

use lambda::LateTables;
use telemetry::xray::XrayDaemon;
use telemetry::{Stdout, Telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let var = |name: &str| std::env::var(name).ok();
    let config = counter::Config::from_vars(var)?;
    let daemon = var("AWS_XRAY_DAEMON_ADDRESS");
    let daemon = XrayDaemon::address(daemon.as_deref().unwrap_or(XrayDaemon::ADDRESS))
        .ok_or("AWS_XRAY_DAEMON_ADDRESS is no `IP:PORT`")?;
    let telemetry = Telemetry::builder()
        .function(&var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| counter::SERVICE.into()))
        .lines(Arc::new(Stdout))
        .logs(Arc::new(Stdout))
        .segments(Arc::new(XrayDaemon::connect(daemon)?))
        .install()?;
    let router = counter::router(Arc::new(LateTables::default()), config, &telemetry);
    lambda::serve(router, telemetry).await
}
