//! Mail and text messages to single people: SES, and SNS by telephone number.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// One mail to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// From whom: an address, or `Name <address>`.
    pub from: String,
    /// To whom.
    pub to: String,
    /// UTF-8, no line break.
    pub subject: String,
    /// The text for everybody.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// Further header fields, for example `List-Unsubscribe` (RFC 8058) or `References`.
    pub headers: Vec<(String, String)>,
    /// Files beside it, and pictures that the HTML shows by `cid:`.
    pub attachments: Vec<Attachment>,
    /// The same key is sent once where the channel can know (local mode), and at least once
    /// elsewhere.
    pub key: String,
}

/// A file beside a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its type, for example `text/calendar; method=PUBLISH`.
    pub content_type: String,
    /// What it holds.
    pub body: Bytes,
    /// The id by which the HTML shows it; without one it is a file.
    pub inline: Option<String>,
}

/// Where mails go.
#[async_trait]
pub trait Mail: Send + Sync {
    /// Hands a mail over; durable when this returns. Answers the message id. `Invalid` when the
    /// address can never work, `Denied` when the sender is not verified.
    async fn send(&self, letter: &Letter) -> Result<String>;
}

/// Where text messages go.
#[async_trait]
pub trait Texts: Send + Sync {
    /// Sends a text message to a number in E.164 syntax. `key` as in [`Letter`].
    async fn text(&self, phone: &str, body: &str, key: &str) -> Result<String>;
}
