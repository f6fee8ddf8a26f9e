//! What there is in local mode: the mailbox and faults.

use std::time::Duration;

use model::Time;

/// A row of `/mailbox`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRow {
    /// Its id in the mailbox.
    pub id: String,
    /// When it was accepted.
    pub at: Time,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its first line.
    pub preview: String,
    /// Whether it answers an earlier one.
    pub reply: bool,
}

/// `/mailbox/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailPage {
    /// The mail.
    pub mail: MailRow,
    /// From whom.
    pub from: String,
    /// Its text.
    pub body: String,
    /// All mails of its thread in order of time, this one included.
    pub thread: Vec<MailRow>,
}

/// `/faults`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FaultsPage {
    /// What can be broken.
    pub services: Vec<String>,
    /// What is broken now.
    pub active: Vec<FaultRow>,
    /// What the form holds: as typed after a refusal, else the defaults.
    pub form: FaultForm,
}

/// The form of `/faults`, as text. It posts `service`, `error_rate`, `latency`, `for` and `csrf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultForm {
    /// Which service.
    pub service: String,
    /// 0 to 1.
    pub error_rate: String,
    /// A duration of the files' grammar, or empty.
    pub latency: String,
    /// A duration of the files' grammar.
    pub lasting: String,
}

impl Default for FaultForm {
    fn default() -> FaultForm {
        FaultForm {
            service: String::new(),
            error_rate: "1".into(),
            latency: String::new(),
            lasting: "5m".into(),
        }
    }
}

/// An active fault; its button posts `service` and `csrf` to `/faults/clear`.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRow {
    /// Which service.
    pub service: String,
    /// Share of requests that fail, 0 to 1.
    pub error_rate: f64,
    /// Added to every request.
    pub latency: Option<Duration>,
    /// When it ends by itself.
    pub until: Time,
}
