//! The second step: certificate and signature.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use model::Time;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::Refused;
use crate::open::{CERTIFICATE, Kind, Opened};

/// A message that SNS signed for a topic of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Genuine {
    /// Something was published. Whether its id was taken before is for [`Replays`](crate::Replays)
    /// to say: a message that was is answered 200 and does nothing.
    Notification {
        /// `MessageId`
        id: String,
        /// The topic's ARN.
        topic: String,
        /// What was published.
        message: String,
    },
    /// Call ConfirmSubscription with the topic and the token. The address that the message names
    /// for this is not handed out: it is never to be fetched.
    Confirm {
        /// `MessageId`
        id: String,
        /// The topic's ARN.
        topic: String,
        /// What proves that this address got the message.
        token: String,
    },
    /// The subscription was ended, which nobody here asked for.
    Unsubscribed {
        /// `MessageId`
        id: String,
        /// The topic's ARN.
        topic: String,
    },
}

impl Opened {
    /// Checks the message with the certificate's file. A file that is no good certificate is
    /// [`Refused::NotNow`] where it may be a fetch that went wrong, and never kept.
    pub fn verify(&self, file: &[u8], now: Time) -> Result<Genuine, Refused> {
        if file.len() > CERTIFICATE {
            return Err(Refused::NotNow(format!(
                "the certificate has {} bytes; none of SNS has more than {CERTIFICATE}",
                file.len()
            )));
        }
        let unreadable = || Refused::NotNow("the certificate's file cannot be read".into());
        let pems: Vec<Pem> = Pem::iter_from_buffer(file)
            .collect::<Result<_, _>>()
            .map_err(|_| unreadable())?;
        let certificates: Vec<X509Certificate<'_>> = pems
            .iter()
            .filter(|pem| pem.label == "CERTIFICATE")
            .map(|pem| X509Certificate::from_der(&pem.contents).map(|(_, c)| c))
            .collect::<Result<_, _>>()
            .map_err(|_| unreadable())?;
        let Some(own) = certificates.first() else {
            return Err(unreadable());
        };
        self.check_certificate(own, now)?;
        check_chain(&certificates, now)?;
        let scheme = match self.sha_1 {
            true => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            false => &RSA_PKCS1_2048_8192_SHA256,
        };
        let key = &own.public_key().subject_public_key.data;
        let signed = |names: &[&str]| {
            let text = self.string_to_sign(names);
            good(scheme, key, text.as_bytes(), &self.signature)
        };
        let genuine = match self.kind {
            Kind::Notification => signed(NOTIFICATION),
            Kind::SubscriptionConfirmation => signed(CONFIRMATION),
            // AWS's guide and AWS's validator in JavaScript differ in what is signed here.
            Kind::UnsubscribeConfirmation => signed(CONFIRMATION) || signed(WITHOUT_TOKEN),
        };
        if !genuine {
            return Err(Refused::Forged(
                "the signature does not fit the message".into(),
            ));
        }
        let text = |name: &str| self.fields.get(name).cloned().unwrap_or_default();
        let (id, topic) = (self.id.clone(), self.topic.arn().to_string());
        Ok(match self.kind {
            Kind::Notification => Genuine::Notification {
                id,
                topic,
                message: text("Message"),
            },
            Kind::SubscriptionConfirmation => Genuine::Confirm {
                id,
                topic,
                token: text("Token"),
            },
            Kind::UnsubscribeConfirmation => Genuine::Unsubscribed { id, topic },
        })
    }

    fn check_certificate(&self, own: &X509Certificate<'_>, now: Time) -> Result<(), Refused> {
        let secs = now.secs();
        let validity = own.validity();
        if secs < validity.not_before.timestamp() || validity.not_after.timestamp() < secs {
            return Err(Refused::Forged(format!(
                "the certificate is not valid at {now}"
            )));
        }
        let host = self.topic.host();
        let suffix = host.trim_start_matches("sns.");
        let suffix = suffix.split_once('.').map_or("", |(_, suffix)| suffix);
        let names = [format!("sns.{suffix}"), host.clone()];
        let common = own
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok())
            .any(|name| names.iter().any(|n| n == name));
        let alternative = own
            .subject_alternative_name()
            .ok()
            .flatten()
            .is_some_and(|found| {
                found.value.general_names.iter().any(|name| match name {
                    GeneralName::DNSName(name) => names.iter().any(|n| n == name),
                    _ => false,
                })
            });
        if !common && !alternative {
            return Err(Refused::Forged(format!(
                "the certificate is not one of {}",
                names[0]
            )));
        }
        match own.public_key().parsed() {
            Ok(PublicKey::RSA(key)) if key.key_size() >= 2048 => Ok(()),
            Ok(PublicKey::RSA(key)) => Err(Refused::Forged(format!(
                "the certificate's key has {} bits; 2048 are the least",
                key.key_size()
            ))),
            _ => Err(Refused::Forged("the certificate's key is not RSA".into())),
        }
    }

    /// Name and value of each field, a line each, in the order of bytes; absent ones are left out.
    fn string_to_sign(&self, names: &[&str]) -> String {
        let mut text = String::new();
        for name in names {
            if let Some(value) = self.fields.get(*name) {
                text.push_str(name);
                text.push('\n');
                text.push_str(value);
                text.push('\n');
            }
        }
        text
    }
}

const NOTIFICATION: &[&str] = &[
    "Message",
    "MessageId",
    "Subject",
    "Timestamp",
    "TopicArn",
    "Type",
];
const CONFIRMATION: &[&str] = &[
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];
const WITHOUT_TOKEN: &[&str] = &[
    "Message",
    "MessageId",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "TopicArn",
    "Type",
];

/// If the file carries more than one certificate, each has to be signed by the next.
fn check_chain(certificates: &[X509Certificate<'_>], now: Time) -> Result<(), Refused> {
    for pair in certificates.windows(2) {
        let (below, above) = (&pair[0], &pair[1]);
        let validity = above.validity();
        let valid = (validity.not_before.timestamp()..=validity.not_after.timestamp())
            .contains(&now.secs());
        let key = &above.public_key().subject_public_key.data;
        let signature = &below.signature_value.data;
        let signed = below.issuer() == above.subject()
            && good(
                &RSA_PKCS1_2048_8192_SHA256,
                key,
                below.tbs_certificate.as_ref(),
                signature,
            );
        if !valid || !signed || !above.is_ca() {
            return Err(Refused::Forged(
                "the certificate's chain does not hold together".into(),
            ));
        }
    }
    Ok(())
}

fn good(scheme: &'static RsaParameters, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(scheme, key)
        .verify(text, signature)
        .is_ok()
}
