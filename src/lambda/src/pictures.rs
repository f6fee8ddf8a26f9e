//! What the two functions of the image platform share.

use std::sync::Arc;

use async_trait::async_trait;
use aws::S3;
use ports::{Event, Failed, Handler, Invocation, Outcome};
use resize::{Config, Platform};
use telemetry::Telemetry;

use crate::clock::WallClock;
use crate::lately::{Late, LateTables};

/// The platform on DynamoDB and S3, which are reached for at the first call.
///
/// # Errors
/// Which variable is missing; see [`Config::from_vars`].
pub fn platform(telemetry: &Telemetry) -> Result<Arc<Platform>, String> {
    let config = Config::from_vars(|name| std::env::var(name).ok())?;
    let platform = Platform::new(
        Arc::new(LateTables::default()),
        Arc::new(Late::<S3>::default()),
        Arc::new(WallClock),
        config,
        telemetry,
    );
    platform
        .map(Arc::new)
        .map_err(|error| format!("the threads that decode pictures: {error}"))
}

/// The sweep: whatever schedule invokes it.
pub struct Sweep(pub Arc<Platform>);

#[async_trait]
impl Handler for Sweep {
    async fn handle(&self, _: Event, _: &Invocation) -> Result<Outcome, Failed> {
        match self.0.sweep().await {
            Ok(_) => Ok(Outcome::default()),
            Err(error) => Err(Failed(format!("the sweep of pictures: {error}"))),
        }
    }
}
