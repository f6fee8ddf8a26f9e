//! What the functions of the announcement path share.

use std::sync::Arc;

use announcement::{Config, Notifier, Outlets, Service};
use async_trait::async_trait;
use aws::{Ses, Sns, Sqs};
use ports::{Endpoint, Result, Subscription, Subscriptions};
use telemetry::Telemetry;

use crate::clock::WallClock;
use crate::keys::people;
use crate::lately::{Late, LateTables};

/// The API on DynamoDB, SES, SNS and SQS, which are reached for at the first call. Reads
/// `USER_POOL_ISSUER` and `CLIENT_ID` beside what [`Config::from_vars`] names.
///
/// # Errors
/// Which variable is missing.
pub fn service(telemetry: &Telemetry) -> std::result::Result<Arc<Service>, lambda_http::Error> {
    let people = people(|name| std::env::var(name).ok())?;
    let people = people.ok_or("USER_POOL_ISSUER and CLIENT_ID are needed")?;
    Ok(Service::new(
        (Arc::new(LateTables::default()), outlets()),
        Arc::new(people),
        Arc::new(WallClock),
        config()?,
        telemetry,
    ))
}

/// What the stream, the queues and the schedule invoke.
///
/// # Errors
/// Which variable is missing.
pub fn notifier(telemetry: &Telemetry) -> std::result::Result<Arc<Notifier>, lambda_http::Error> {
    Ok(Arc::new(Notifier::new(
        Arc::new(LateTables::default()),
        outlets(),
        Arc::new(WallClock),
        config()?,
        telemetry,
    )))
}

fn config() -> std::result::Result<Config, lambda_http::Error> {
    Ok(Config::from_vars(|name| std::env::var(name).ok())?)
}

fn outlets() -> Outlets {
    let sns = Arc::new(Late::<Sns>::default());
    Outlets {
        mail: Arc::new(Late::<Ses>::default()),
        texts: sns.clone(),
        topics: sns.clone(),
        subscriptions: sns,
        queues: Arc::new(Late::<Sqs>::default()),
    }
}

#[async_trait]
impl Subscriptions for Late<Sns> {
    async fn subscribe(
        &self,
        topic: &str,
        endpoint: &Endpoint,
        filter: Option<&str>,
    ) -> Result<Option<String>> {
        self.it().await.subscribe(topic, endpoint, filter).await
    }

    async fn confirm(&self, topic: &str, token: &str) -> Result<String> {
        self.it().await.confirm(topic, token).await
    }

    async fn unsubscribe(&self, arn: &str) -> Result<()> {
        self.it().await.unsubscribe(arn).await
    }

    async fn list(&self, topic: &str) -> Result<Vec<Subscription>> {
        self.it().await.list(topic).await
    }
}
