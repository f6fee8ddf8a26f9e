//! SNS's signed envelope over HTTPS: which messages are genuine, ours, and new.
//!
//! Nothing here waits or reads a clock: `now`, the certificate and what was seen before are
//! arguments. A message goes through two steps, because the certificate has to be fetched between
//! them, and everything that can be checked without the network comes first:
//!
//! 1. [`open`] reads the body: size, depth, doubled keys, kind, topic (must be allowed *before any
//!    network use*), time, and the address of the certificate, which the sender chose and which is
//!    therefore held to one host and one shape.
//! 2. [`Opened::verify`] checks certificate and signature, and answers what the message asks for.
//!
//! The rules follow <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>,
//! tightened where verifiers were fooled before. The caller keeps four more of them: it follows no
//! redirect, waits at most 2 seconds, and reads at most [`CERTIFICATE`] bytes; it never fetches
//! `SubscribeURL` but calls ConfirmSubscription with the token, at the endpoint of the topic's region
//! (unsigned, so that `AuthenticateOnUnsubscribe`, which needs a signed request, is not set); it
//! answers 2xx only after what it learnt is durable; and it answers [`Refused::status`], so that a
//! certificate that could not be fetched just now is a 503, which SNS tries again.
//! It is no part of ring 0, because cryptography is neither small nor ours.

mod address;
mod cache;
mod open;
mod verify;

pub use address::{Address, Topic};
pub use cache::{Certificates, Replays};
pub use open::{BODY, CERTIFICATE, Kind, Opened, Rules, open};
pub use verify::Genuine;

/// Why a message is not taken. A lowercase fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than a message can be.
    TooLong(String),
    /// It is no message of SNS.
    Malformed(String),
    /// It is not from SNS, not ours, or not from now. SNS does not try it again, so this is said
    /// only where we are sure.
    Forged(String),
    /// It cannot be judged now; the fault is ours.
    NotNow(String),
}

impl Refused {
    /// The status that makes SNS do the right thing: it drops a message on 4xx and tries again on
    /// 5xx.
    pub fn status(&self) -> u16 {
        match self {
            Refused::TooLong(_) => 413,
            Refused::Malformed(_) => 400,
            Refused::Forged(_) => 403,
            Refused::NotNow(_) => 503,
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Refused::TooLong(why)
        | Refused::Malformed(why)
        | Refused::Forged(why)
        | Refused::NotNow(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Refused {}
