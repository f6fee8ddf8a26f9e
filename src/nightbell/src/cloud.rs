//! An account in the cloud: its ports, and who we are in it.

use std::sync::Arc;

#[cfg(feature = "aws")]
use crate::closed::Closed;
use ports::{ControlPlane, Delivery, Inventory, Leases, Metrics, Objects};

/// An account in one Region.
#[derive(Clone)]
pub struct Cloud {
    /// Alarms and dashboards.
    pub plane: Arc<dyn ControlPlane>,
    /// What else is there: each look is a new one, of one moment.
    pub look: Look,
    /// Values of metrics.
    pub metrics: Arc<dyn Metrics>,
    /// The hops between an alarm and the daemon.
    pub delivery: Arc<dyn Delivery>,
    /// Where sources in S3 are.
    pub objects: Arc<dyn Objects>,
    /// Its twelve digits.
    pub account: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// Where.
    pub region: String,
}

/// Makes an [`Inventory`].
#[derive(Clone)]
pub struct Look(pub Arc<dyn Fn() -> Box<dyn Inventory> + Send + Sync>);

impl Cloud {
    /// A look at what is there now.
    pub fn inventory(&self) -> Box<dyn Inventory> {
        (self.look.0)()
    }
}

/// Reads credentials and Region as every AWS tool does and asks who we are.
#[cfg(feature = "aws")]
pub async fn connect(region: &str) -> Result<Cloud, ports::Error> {
    let config = aws::connect(aws::Settings {
        region: Some(region.to_owned()),
        ..aws::Settings::default()
    })
    .await;
    let who = aws::identity(&config).await?;
    Ok(Cloud {
        plane: Arc::new(aws::ControlPlane::new(&config, None)),
        look: Look(Arc::new({
            let config = config.clone();
            move || Box::new(aws::Inventory::new(&config, None)) as Box<dyn Inventory>
        })),
        metrics: Arc::new(Closed::new(
            Arc::new(aws::CloudWatch::new(&config)),
            Arc::new(local::SystemClock),
        )),
        delivery: Arc::new(aws::Delivery::new(&config, None)),
        objects: Arc::new(aws::S3::new(&config)),
        account: who.account,
        partition: who.partition,
        region: region.to_owned(),
    })
}

/// There is no account to connect to: the commands say so before it comes to this.
#[cfg(not(feature = "aws"))]
pub async fn connect(region: &str) -> Result<Cloud, ports::Error> {
    Err(ports::Error::new(
        "connect to",
        region,
        ports::Kind::Invalid,
    ))
}

/// What the half that receives and responds is made of.
#[derive(Clone)]
pub struct Posts {
    /// Where things are kept and people are told.
    pub ports: crate::daemon::Ports,
    /// Who of several decides; beside the journal, which checks it.
    pub leases: Arc<dyn Leases>,
}

/// Of an account: the journal and its leases in `table`.
#[cfg(feature = "aws")]
pub async fn posts(region: &str, table: &str) -> Result<Posts, ports::Error> {
    let config = aws::connect(aws::Settings {
        region: Some(region.to_owned()),
        ..aws::Settings::default()
    })
    .await;
    let cloudwatch = Arc::new(aws::CloudWatch::new(&config));
    Ok(Posts {
        ports: crate::daemon::Ports {
            metrics: Arc::new(Closed::new(
                cloudwatch.clone(),
                Arc::new(local::SystemClock),
            )),
            logs: Arc::new(aws::Logs::new(&config)),
            traces: Arc::new(aws::XRay::new(&config)),
            alarms: Arc::new(crate::lately::Lately::new(cloudwatch)),
            journal: Arc::new(aws::Journal::new(&config, table)),
            topics: Arc::new(aws::Sns::new(&config)),
            mail: Arc::new(aws::Ses::new(&config)),
            secrets: Arc::new(aws::SecretsManager::new(&config)),
            queues: Arc::new(aws::Sqs::new(&config)),
            operations: Arc::new(aws::Operations::new(&config)),
            plane: Some(Arc::new(aws::ControlPlane::new(&config, None))),
        },
        leases: Arc::new(aws::Leases::new(&config, table)),
    })
}

/// There is no account: the commands say so before it comes to this.
#[cfg(not(feature = "aws"))]
pub async fn posts(region: &str, _: &str) -> Result<Posts, ports::Error> {
    Err(ports::Error::new(
        "connect to",
        region,
        ports::Kind::Invalid,
    ))
}

/// Who of several daemons writes: by a table, or this process alone.
#[cfg(feature = "aws")]
pub async fn leases(region: &str, table: Option<&str>) -> Arc<dyn Leases> {
    let Some(table) = table else {
        return Arc::new(local::Leases::default());
    };
    let config = aws::connect(aws::Settings {
        region: Some(region.to_owned()),
        ..aws::Settings::default()
    });
    Arc::new(aws::Leases::new(&config.await, table))
}

/// This process alone.
#[cfg(not(feature = "aws"))]
pub async fn leases(_: &str, _: Option<&str>) -> Arc<dyn Leases> {
    Arc::new(local::Leases::default())
}
