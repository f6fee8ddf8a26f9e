//! Links in mails that do something: signed, expiring, single-use.
//!
//! A link names one act on one incident, the notification that carried it, and its end. Nothing is
//! kept of a link until it is used; then the timeline's entry carries its mark, which is what makes
//! a second use show. Opening one only shows what it would do: mail scanners open every link.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::{IncidentId, Notification, NotificationId, Time};
use ports::Secret;
use sha2::Sha256;

/// How long a link in a mail is good.
pub const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);
/// No token is longer.
const LONGEST: usize = 1_000;
/// Between the parts of a token; a part that held it would be another number of parts, which is
/// refused.
const APART: &str = "\0";
/// Bytes of a token's HMAC: half of SHA-256's, which is what RFC 2104 advises at the least.
const MAC: usize = 16;

/// What a link may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Acknowledges this incident.
    pub incident: IncidentId,
    /// Who was sent the link: who acts.
    pub receiver: String,
    /// In which mail.
    pub notification: NotificationId,
    /// First instant at which it is no longer good.
    pub expires: Time,
}

/// Why a token is no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It was not made here, or was changed.
    Forged,
    /// Its time is over.
    Expired(Time),
}

/// What signs links.
#[derive(Clone)]
pub struct Signer(Secret);

impl Signer {
    /// A signer with a key.
    pub fn new(key: Secret) -> Signer {
        Signer(key)
    }

    /// The token of the link in a notification's mail about an incident: as short as it can be, since
    /// it stands in a line of a mail.
    pub fn token(&self, incident: &IncidentId, notification: &Notification) -> String {
        let expires = (notification.at + GOOD_FOR).secs().to_string();
        let (receiver, id) = (&*notification.receiver, &*notification.id.0);
        let body = ["ack", &incident.0, receiver, id, &expires].join(APART);
        let mac = self.mac(&body).finalize().into_bytes();
        let text = URL_SAFE_NO_PAD.encode(&body);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(&mac[..MAC]))
    }

    /// What every form carries: a page of another origin cannot know it. The same in every daemon
    /// that has the key, since a load balancer sends a form to any of them.
    pub fn form_token(&self) -> String {
        // No link's body is this: theirs has parts.
        let mac = self.mac("forms of the console").finalize().into_bytes();
        mac.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Reads a token back; the comparison takes the same time for every wrong one.
    pub fn read(&self, token: &str, now: Time) -> Result<Link, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::Forged);
        }
        let (body, mac) = token.split_once('.').ok_or(Refused::Forged)?;
        let read = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Forged);
        let (body, mac) = (read(body)?, read(mac)?);
        let body = String::from_utf8(body).map_err(|_| Refused::Forged)?;
        if mac.len() != MAC {
            return Err(Refused::Forged);
        }
        self.mac(&body)
            .verify_truncated_left(&mac)
            .map_err(|_| Refused::Forged)?;
        let parts: Vec<&str> = body.split(APART).collect();
        let ["ack", incident, receiver, notification, expires] = parts[..] else {
            return Err(Refused::Forged);
        };
        let expires = expires.parse().map_err(|_| Refused::Forged)?;
        let expires = Time::from_secs(expires);
        if expires <= now {
            return Err(Refused::Expired(expires));
        }
        Ok(Link {
            incident: IncidentId(incident.into()),
            receiver: receiver.into(),
            notification: NotificationId(notification.into()),
            expires,
        })
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.reveal().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(b"nightbell mail link");
        mac.update(body.as_bytes());
        mac
    }
}

impl Link {
    /// Who acts, as the timeline says it: the mark at the end is the link's own.
    pub fn by(&self) -> String {
        use sha2::Digest;
        let hash = Sha256::digest(format!("{}\0{}", self.incident, self.notification));
        format!("{} (mail link {})", self.receiver, &hex(&hash)[..8])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::NotificationKind;

    use super::*;

    #[test]
    fn forms_are_good_in_every_daemon_with_the_key_and_are_no_links() {
        let of = |key: &str| Signer::new(Secret::new(key)).form_token();
        assert_eq!(of("a key"), of("a key"));
        assert_ne!(of("a key"), of("another"));
        assert_eq!(of("a key").len(), 64);
        let signer = Signer::new(Secret::new("a key"));
        let now = Time::from_secs(1_000);
        assert_eq!(signer.read(&signer.form_token(), now), Err(Refused::Forged));
    }

    #[test]
    fn a_link_is_what_was_signed_until_its_end_and_nothing_else() {
        let signer = Signer::new(Secret::new("a key"));
        let at = Time::from_secs(1_000_000);
        let notification = Notification {
            id: NotificationId("INC-7F3K-1".into()),
            kind: NotificationKind::Opened,
            incidents: vec![IncidentId("INC-7F3K".into())],
            about: BTreeSet::new(),
            receiver: "on.call".into(),
            at,
            because: String::new(),
            next: String::new(),
        };
        let incident = IncidentId("INC-7F3K".into());
        let token = signer.token(&incident, &notification);
        let link = signer.read(&token, at).unwrap();
        assert_eq!(
            (link.incident.clone(), &*link.receiver),
            (incident, "on.call")
        );
        let end = at + GOOD_FOR;
        let last = end - Duration::from_secs(1);
        assert!(signer.read(&token, last).is_ok());
        assert_eq!(signer.read(&token, end), Err(Refused::Expired(end)));
        let other = Signer::new(Secret::new("another key"));
        assert_eq!(other.read(&token, at), Err(Refused::Forged));
        // No change of a single character is taken, and no other shape.
        for i in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[i] = if changed[i] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != token {
                assert_eq!(signer.read(&changed, at), Err(Refused::Forged), "{changed}");
            }
        }
        for text in ["", ".", "61.62", "zz.zz", "é", &"a".repeat(5_000)] {
            assert_eq!(signer.read(text, at), Err(Refused::Forged), "{text}");
        }
    }
}
