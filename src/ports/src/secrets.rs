//! Secrets: read at the moment of use, shown nowhere.

use std::fmt;

use async_trait::async_trait;

use crate::Result;

/// A secret text. It shows itself to nobody who does not ask by [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself; never for a log, a trace, an error or a mail.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where secrets come from: Secrets Manager, or the environment and a file in local mode.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The present value; `NotFound` when there is none.
    async fn get(&self, name: &str) -> Result<Secret>;

    /// The value read anew, after the one that [`Secrets::get`] gave was refused where it was
    /// used: an adapter may remember values for minutes.
    async fn refresh(&self, name: &str) -> Result<Secret> {
        self.get(name).await
    }
}
