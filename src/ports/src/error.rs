//! What can go wrong behind a port.

use std::fmt;
use std::time::Duration;

/// The answer of every port method.
pub type Result<T> = std::result::Result<T, Error>;

/// The kinds of failure that a caller may treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// There is no such thing.
    NotFound,
    /// A condition did not hold: somebody else was first.
    Conflict,
    /// The request can never work as it stands.
    Invalid,
    /// We may not.
    Denied,
    /// Too many requests.
    Throttled,
    /// Nobody answers, or the answer was an internal error.
    Unavailable,
    /// The disk or the quota is full.
    Full,
    /// Another process holds it.
    Locked,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It cannot.
    Never,
    /// With the caller's own backoff.
    Backoff,
    /// Not before this much time has passed.
    After(Duration),
}

/// A failed operation: names the operation and its subject, and stops there.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {subject}: {kind}")]
pub struct Error {
    /// What was tried, for example `put metrics`.
    pub operation: &'static str,
    /// On what, for example a table's name.
    pub subject: String,
    /// How it failed.
    pub kind: Kind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What the adapter was told.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error whose retry follows from its kind.
    pub fn new(operation: &'static str, subject: impl Into<String>, kind: Kind) -> Error {
        Error {
            operation,
            subject: subject.into(),
            kind,
            retry: match kind {
                Kind::Throttled | Kind::Unavailable | Kind::Full | Kind::Locked => Retry::Backoff,
                Kind::NotFound | Kind::Conflict | Kind::Invalid | Kind::Denied => Retry::Never,
            },
            source: None,
        }
    }

    /// The same error with what the adapter was told.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::NotFound => "not found",
            Kind::Conflict => "condition did not hold",
            Kind::Invalid => "invalid request",
            Kind::Denied => "access denied",
            Kind::Throttled => "throttled",
            Kind::Unavailable => "unavailable",
            Kind::Full => "no space left",
            Kind::Locked => "locked by another process",
        })
    }
}
