//! How a request can fail.

use std::time::Duration;

use crate::codec::Refusal;

/// How a request can fail.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file is not accepted; nothing of it was stored.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The request says something that it cannot mean.
    #[error("{0}")]
    Invalid(String),
    /// The body is larger than a request may be; the number is the limit in bytes.
    #[error(
        "a request holds at most {} MiB; ask for an upload address with POST /uploads",
        limit.div_ceil(1 << 20)
    )]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Nobody said who they are.
    #[error(
        "this needs the owner token that the upload returned, as `Authorization: Bearer TOKEN`"
    )]
    Unauthorized,
    /// It is somebody else's.
    #[error("the token is not that of an owner of this image")]
    Forbidden,
    /// Something else is going on with it.
    #[error("{0}")]
    Conflict(&'static str),
    /// This client asked too often.
    #[error("too many requests from this address; try again in {} s", wait.as_secs())]
    TooMany {
        /// When to come back.
        wait: Duration,
    },
    /// Everybody together asked too often.
    #[error("too many pictures are being worked on; try again in {} s", wait.as_secs())]
    Busy {
        /// When to come back.
        wait: Duration,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] ports::Error),
}

impl From<crate::pool::Busy> for Failure {
    fn from(_: crate::pool::Busy) -> Failure {
        Failure::Busy {
            wait: Duration::from_secs(5),
        }
    }
}
