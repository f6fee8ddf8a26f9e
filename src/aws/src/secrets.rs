//! Secrets: AWS Secrets Manager.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use ports::{Result, Secret, Secrets};

use crate::config::Config;
use crate::error::{failed, invalid};

const GET: &str = "get secret";

/// Long enough for a busy function to ask seldom, short enough for a rotated secret to arrive.
const FRESH: Duration = Duration::from_secs(300);

/// Secrets on Secrets Manager, by name or ARN; each is asked for once in five minutes.
#[derive(Clone)]
pub struct SecretsManager {
    client: Client,
    known: Arc<Mutex<HashMap<String, (Instant, Secret)>>>,
}

/// Shows no secret, and not which are known.
impl std::fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsManager").finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// Makes no request.
    pub fn new(config: &Config) -> SecretsManager {
        SecretsManager {
            client: Client::new(config.sdk()),
            known: Arc::default(),
        }
    }

    fn known(&self, name: &str) -> Option<Secret> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, secret) = known.get(name)?;
        (read.elapsed() < FRESH).then(|| secret.clone())
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn get(&self, name: &str) -> Result<Secret> {
        match self.known(name) {
            Some(secret) => Ok(secret),
            None => self.refresh(name).await,
        }
    }

    async fn refresh(&self, name: &str) -> Result<Secret> {
        let answer = self.client.get_secret_value().secret_id(name).send().await;
        let answer = answer.map_err(failed(GET, name))?;
        let text = answer.secret_string;
        let text = text.ok_or_else(|| invalid(GET, name, "it is binary; store it as a text"))?;
        let secret = Secret::new(text);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), (Instant::now(), secret.clone()));
        Ok(secret)
    }
}
