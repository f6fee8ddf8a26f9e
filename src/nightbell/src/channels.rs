//! The ways to a receiver: a topic, formatted mail, a signed webhook.
//!
//! Each takes a notification under its id. A receiver with several is told over all of them; what
//! one accepted is not sent there again when another one has to be tried anew, unless the process
//! ended in between: then at least once holds.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::route::{Receiver, Ses, Webhook};
use model::{Notification, Time};
use ports::{Attachment, Error, Kind, Letter, Publish, Retry, Secrets};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::daemon::Daemon;

/// The header that proves who sends a webhook: `t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`.
pub const SIGNATURE: &str = "x-nightbell-signature";
/// The header with the notification's id: a receiver that saw it before may drop the second.
pub const KEY: &str = "x-nightbell-id";
/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Receivers close idle connections themselves, often after a minute.
const KEPT: Duration = Duration::from_secs(15);
/// How much work a template may be, in minijinja's instructions.
const FUEL: u64 = 100_000;
/// No body of a webhook is longer.
const LONGEST: usize = 256 * 1024;

/// The templates that there are.
pub const TEMPLATES: &[&str] = &["slack"];
/// Slack's message shape, which others take, too. `tojson` keeps every text inside its quotes.
const SLACK: &str = r#"{"text": {{ subject | tojson }}, "blocks": [
{"type": "section", "text": {"type": "plain_text", "text": {{ subject | tojson }}}},
{"type": "section", "text": {"type": "plain_text", "text": {{ body[:2900] | tojson }}}},
{"type": "context", "elements": [{"type": "plain_text", "text": {{ ("Sent because " ~ because)[:2900] | tojson }}}]}
{%- if link %},
{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open the incident"}, "url": {{ link | tojson }}}]}
{%- endif %}
]}"#;

/// A notification as it goes out.
pub struct Message<'a> {
    /// Its facts.
    pub notification: &'a Notification,
    /// ASCII, one line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// What belongs together.
    pub thread: String,
    /// What formatted mail shows.
    pub picture: Option<Png>,
}

/// A picture as mail programs show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Png {
    /// The file.
    pub file: Bytes,
    /// How wide it is shown.
    pub width: u32,
    /// The same in words.
    pub alt: String,
}

impl Png {
    /// Draws a mail's picture, on a thread that may take its time. A mail without it says the same
    /// in its text, so that a picture that cannot be drawn holds nothing back.
    pub async fn draw(picture: render::mail::Picture) -> Option<Png> {
        let drawing = tokio::task::spawn_blocking(move || {
            let drawn = raster::png(&picture.chart.svg(), raster::Look::default());
            let file = drawn
                .inspect_err(|error| tracing::warn!(%error, "a mail goes without its picture"));
            Some(Png {
                file: file.ok()?.into(),
                width: picture.chart.width as u32,
                alt: picture.alt,
            })
        });
        drawing.await.ok().flatten()
    }
}

/// A way to a receiver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// A topic.
    Topic,
    /// Formatted mail to one address.
    Mail(String),
    /// An HTTP POST.
    Webhook,
}

/// The ways to a receiver, in the order in which they are tried.
pub fn channels(receiver: &Receiver) -> Vec<Channel> {
    let mut all = Vec::new();
    all.extend(receiver.sns.as_ref().map(|_| Channel::Topic));
    let people = receiver.ses.iter().flat_map(|ses| &ses.to);
    all.extend(people.cloned().map(Channel::Mail));
    all.extend(receiver.webhook.as_ref().map(|_| Channel::Webhook));
    all
}

/// Sends over one way; answers what the other side calls it.
pub async fn send(
    daemon: &Daemon,
    receiver: &Receiver,
    channel: &Channel,
    message: &Message<'_>,
) -> ports::Result<String> {
    let missing = || Error::new("send to", &*message.notification.receiver, Kind::Invalid);
    match channel {
        Channel::Topic => {
            let publish = Publish {
                topic: receiver.sns.clone().ok_or_else(missing)?,
                subject: message.subject.clone(),
                body: message.body.clone(),
                key: message.notification.id.0.clone(),
                thread: message.thread.clone(),
                attributes: Default::default(),
            };
            daemon.ports.topics.publish(&publish).await
        }
        Channel::Mail(to) => {
            let ses = receiver.ses.as_ref().ok_or_else(missing)?;
            daemon.ports.mail.send(&letter(ses, to, message)).await
        }
        Channel::Webhook => {
            let webhook = receiver.webhook.as_ref().ok_or_else(missing)?;
            post(daemon, webhook, message).await
        }
    }
}

/// The same text as the topic's mail, as HTML that keeps its lines, with the picture after its first
/// paragraph, threaded by the incident.
fn letter(ses: &Ses, to: &str, message: &Message<'_>) -> Letter {
    let domain = ses.from.rsplit('@').next().unwrap_or("nightbell");
    let domain = domain.trim_end_matches('>');
    let thread = format!("<{}@{domain}>", message.thread);
    let content = format!("{}.chart@{domain}", message.notification.id);
    let text = |text: &str| {
        format!(
            "<pre style=\"font:14px/1.5 ui-monospace,monospace;white-space:pre-wrap;margin:0 0 16px\">{}</pre>",
            escape(text)
        )
    };
    let body = message.body.trim_end();
    let inner = match &message.picture {
        None => text(body),
        Some(picture) => {
            let (first, rest) = body.split_once("\n\n").unwrap_or((body, ""));
            let image = format!(
                "<img src=\"cid:{}\" width=\"{}\" alt=\"{}\" style=\"display:block;max-width:100%;height:auto;margin:0 0 16px\">",
                escape(&content),
                picture.width,
                escape(&picture.alt)
            );
            format!("{}{image}{}", text(first), text(rest))
        }
    };
    let attachments = message.picture.iter().map(|picture| Attachment {
        name: "chart.png".into(),
        content_type: "image/png".into(),
        body: picture.file.clone(),
        inline: Some(content.clone()),
    });
    Letter {
        from: ses.from.clone(),
        to: to.into(),
        subject: message.subject.clone(),
        text: message.body.clone(),
        html: Some(format!("<!DOCTYPE html><html><body>{inner}</body></html>")),
        headers: vec![
            ("In-Reply-To".into(), thread.clone()),
            ("References".into(), thread),
        ],
        attachments: attachments.collect(),
        key: format!("{}/{to}", message.notification.id),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// What posts webhooks: no redirects, and connections that are kept for a while.
pub fn client() -> ports::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .pool_idle_timeout(KEPT)
        .build();
    client.map_err(|e| Error::new("make", "a client of webhooks", Kind::Unavailable).because(e))
}

async fn post(daemon: &Daemon, webhook: &Webhook, message: &Message<'_>) -> ports::Result<String> {
    let failed = |kind: Kind, why: String| Error::new("post to", "webhook", kind).because(why);
    let secrets = &*daemon.ports.secrets;
    let url = reveal(&webhook.url, secrets).await?;
    let link = match message.notification.incidents.first() {
        Some(id) => daemon.link(&format!("/incidents/{id}")),
        None => String::new(),
    };
    let body = body(webhook.template.as_deref(), message, &link)
        .map_err(|why| failed(Kind::Invalid, why))?;
    let mut request = daemon
        .hooks
        .post(url)
        .header("content-type", "application/json")
        .header(KEY, &message.notification.id.0);
    if let Some(secret) = &webhook.secret {
        let secret = reveal(secret, secrets).await?;
        request = request.header(SIGNATURE, signature(&secret, daemon.now(), &body));
    }
    // An address may hold a secret, so it stays out of the error.
    let answer = request.body(body).send().await;
    let status = answer
        .map_err(|e| failed(Kind::Unavailable, e.without_url().to_string()))?
        .status();
    match status.as_u16() {
        200..=299 => Ok(format!("webhook {status}")),
        408 | 425 | 429 | 500..=599 => Err(failed(
            Kind::Unavailable,
            format!("the receiver answers {status}"),
        )),
        _ => {
            let mut error = failed(Kind::Invalid, format!("the receiver answers {status}"));
            error.retry = Retry::Never;
            Err(error)
        }
    }
}

/// `t=SECONDS,v1=HEX` for a body.
pub fn signature(secret: &str, now: Time, body: &str) -> String {
    let seconds = now.secs();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digest = mac.finalize().into_bytes();
    format!("t={seconds},v1={}", digits(&digest))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The body of a webhook: our own shape, or that of a template by name. The error is a lowercase
/// fragment.
pub fn body(template: Option<&str>, message: &Message<'_>, link: &str) -> Result<String, String> {
    let notification = message.notification;
    let facts = json!({
        "id": notification.id,
        "kind": notification.kind,
        "receiver": notification.receiver,
        "incidents": notification.incidents,
        "alarms": notification.about,
        "at": notification.at,
        "subject": message.subject,
        "body": message.body,
        "because": notification.because,
        "next": notification.next,
        "link": link,
    });
    let source = match template {
        None => return Ok(facts.to_string()),
        Some("slack") => SLACK,
        Some(other) => {
            return Err(format!(
                "there is no template `{other}`; there is `slack`, and without one a body of our own"
            ));
        }
    };
    render(source, &facts)
}

fn render(source: &str, facts: &Value) -> Result<String, String> {
    let mut environment = minijinja::Environment::new();
    environment.set_fuel(Some(FUEL));
    let text = environment
        .render_str(source, minijinja::value::Serde(facts))
        .map_err(|e| format!("the template fails: {e}"))?;
    if text.len() > LONGEST {
        return Err(format!("the template makes more than {LONGEST} bytes"));
    }
    serde_json::from_str::<Value>(&text).map_err(|e| format!("the template makes no JSON: {e}"))?;
    Ok(text)
}

/// A text with its `${secret.name}` filled in.
async fn reveal(text: &str, secrets: &dyn Secrets) -> ports::Result<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    while let Some((before, after)) = rest.split_once("${secret.") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        if !known.contains_key(name) {
            let secret = secrets.get(name).await?;
            known.insert(name.into(), secret.reveal().into());
        }
        out += before;
        out += &known[name];
        rest = after;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{IncidentId, NotificationId, NotificationKind};

    use super::*;

    fn notification() -> Notification {
        Notification {
            id: NotificationId("INC-7F3K-1".into()),
            kind: NotificationKind::Opened,
            incidents: vec![IncidentId("INC-7F3K".into())],
            about: BTreeSet::from(["counter-errors".to_string()]),
            receiver: "hook".into(),
            at: Time::from_secs(1_000),
            because: "it is \"new\"".into(),
            next: "in 5 minutes".into(),
        }
    }

    fn message(notification: &Notification) -> Message<'_> {
        Message {
            notification,
            subject: "[page] counter: \"down\" \\ {{ 7 * 7 }}".into(),
            body: "line one\nline \"two\" <b> {% raw %} é\u{1}".repeat(500),
            thread: "INC-7F3K".into(),
            picture: None,
        }
    }

    #[test]
    fn whatever_a_message_says_slacks_shape_stays_whole_and_short_enough() {
        let notification = notification();
        let message = message(&notification);
        let link = "https://bell.example.org/incidents/INC-7F3K";
        let body = body(Some("slack"), &message, link).unwrap();
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["text"], message.subject);
        let blocks = read["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 4);
        // Slack refuses texts of more than 3,000 characters.
        let text = blocks[1]["text"]["text"].as_str().unwrap();
        assert!(message.body.starts_with(text) && text.chars().count() == 2_900);
        assert_eq!(blocks[3]["elements"][0]["url"], link);
        let without = super::body(Some("slack"), &message, "").unwrap();
        let without: Value = serde_json::from_str(&without).unwrap();
        assert_eq!(without["blocks"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn without_a_template_all_facts_are_there_and_an_unknown_one_is_said() {
        let notification = notification();
        let message = message(&notification);
        let read: Value = serde_json::from_str(&body(None, &message, "").unwrap()).unwrap();
        assert_eq!(read["id"], "INC-7F3K-1");
        assert_eq!(read["alarms"], json!(["counter-errors"]));
        let error = body(Some("slak"), &message, "").unwrap_err();
        assert!(
            error.contains("`slak`") && error.contains("`slack`"),
            "{error}"
        );
    }

    #[test]
    fn a_template_without_end_runs_out_of_fuel() {
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let error = render(endless, &json!({})).unwrap_err();
        assert!(error.contains("fuel"), "{error}");
        assert!(render("no json", &json!({})).is_err());
    }

    #[test]
    fn the_signature_is_that_of_the_time_and_the_body() {
        // printf '1000.{}' | openssl dgst -sha256 -hmac key
        let signed = signature("key", Time::from_secs(1_000), "{}");
        assert_eq!(
            signed,
            "t=1000,v1=c32de42341dece79a1511c9e7f74a2734112edcfcf48943c976faf07047065db"
        );
        assert_ne!(signed, signature("key", Time::from_secs(1_001), "{}"));
        assert_ne!(signed, signature("kez", Time::from_secs(1_000), "{}"));
        assert_ne!(signed, signature("key", Time::from_secs(1_000), "{ }"));
    }
}
