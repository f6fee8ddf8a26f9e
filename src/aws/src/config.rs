//! Where AWS is and who we are there.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;

/// What stands here overrides what the environment says; the default leaves everything to it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Instead of `AWS_REGION` and the profile's region.
    pub region: Option<String>,
    /// Instead of `AWS_ENDPOINT_URL`: one address for every service.
    pub endpoint: Option<String>,
    /// Instead of `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Instead of the credential chain.
    pub keys: Option<Keys>,
    /// How often a request is sent at most, and the longest first pause between two attempts.
    pub retries: Option<Retries>,
}

/// A fixed access key.
#[derive(Clone)]
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret: String,
}

/// Never shows the secret.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Limits of the SDK's retryer.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// The longest pause before the second attempt; it doubles from there.
    pub first_pause: Duration,
}

/// How the adapters reach AWS; cheap to clone, makes no request by itself.
#[derive(Debug, Clone)]
pub struct Config {
    sdk: SdkConfig,
}

/// Reads the `AWS_*` variables and profiles as every AWS tool does (`AWS_ENDPOINT_URL` too). Makes
/// no request, except that a machine without any region setting asks its instance metadata.
pub async fn connect(settings: Settings) -> Config {
    // An answer takes milliseconds; these bounds only keep a lost packet from holding a task.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
    if let Some(region) = settings.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint) = settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(profile) = settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(keys) = settings.keys {
        loader = loader.credentials_provider(Credentials::new(
            keys.id,
            keys.secret,
            None,
            None,
            "settings",
        ));
    }
    if let Some(retries) = settings.retries {
        loader = loader.retry_config(
            RetryConfig::standard()
                .with_max_attempts(retries.attempts)
                .with_initial_backoff(retries.first_pause),
        );
    }
    Config {
        sdk: loader.load().await,
    }
}

impl Config {
    /// The region, where one was found.
    pub fn region(&self) -> Option<&str> {
        self.sdk.region().map(Region::as_ref)
    }

    pub(crate) fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }
}
