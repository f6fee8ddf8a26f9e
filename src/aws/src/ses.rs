//! Mail to single people: Amazon SES, version 2 of its API.

use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};
use ports::{Kind, Letter, Mail, Result, Retry};

use crate::config::Config;
use crate::error::{Error, invalid, port_error, unreadable};

mod convert;

const SEND: &str = "send mail to";

/// Mail on SES. The sender's identity has to be verified there.
#[derive(Debug, Clone)]
pub struct Ses {
    client: Client,
}

impl Ses {
    /// Makes no request.
    pub fn new(config: &Config) -> Ses {
        Ses {
            client: Client::new(config.sdk()),
        }
    }
}

#[async_trait]
impl Mail for Ses {
    /// The key does not make it once only: SES has no such notion, and a repeated attempt may
    /// reach the recipient twice. SES gives the mail its `Message-ID` and `Date`.
    async fn send(&self, letter: &Letter) -> Result<String> {
        // The subject of an error is shown; the address is a person's, so that only its domain is.
        let subject = convert::domain(&letter.to);
        let mail = convert::compose(letter).map_err(|why| invalid(SEND, &subject, why))?;
        let raw = RawMessage::builder().data(Blob::new(mail.data)).build();
        let raw = raw.map_err(|e| invalid(SEND, &subject, e.to_string()))?;
        let answer = self
            .client
            .send_email()
            .from_email_address(&letter.from)
            .destination(Destination::builder().to_addresses(mail.to).build())
            .content(EmailContent::builder().raw(raw).build())
            .send()
            .await;
        match answer.map_err(Error::from) {
            Ok(answer) => answer
                .message_id
                .ok_or_else(|| unreadable(SEND, subject, "the answer lacks the message's id")),
            Err(error) => {
                let unverified = convert::is_unverified(&error);
                let mut port = port_error(SEND, subject, error);
                if unverified {
                    (port.kind, port.retry) = (Kind::Denied, Retry::Never);
                }
                Err(port)
            }
        }
    }
}
