//! Mail and text messages to single people, into the mailbox of local mode.
//!
//! The row keeps the whole message and is durable before it is acknowledged; the `.eml` file
//! follows. What a crash left out is written at the next start.

use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox as Address, MultiPart, SinglePart};
use model::Time;
use ports::{Error, Kind, Letter as Mailed, Mail, Result, Texts};
use rusqlite::{Connection, OptionalExtension};

use super::failure::{closed, invalid, sql};
use super::mailbox::{DOMAIN, Filed, Letter, Mailbox, letter, random_id};

/// What a letter says by itself; a further field of one of these names would contradict it.
const OWN: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "mime-version",
];
/// SES's limit on a message, attachments included.
const MAIL_BYTES: usize = 40 << 20;
/// Ten messages of 160 characters: SNS's limit on one call.
const TEXT_CHARS: usize = 1_600;

/// A row that is to be made.
pub(super) struct Entry {
    pub key: String,
    pub to: String,
    pub thread: String,
    pub subject: String,
    pub body: String,
    /// The whole message; none where it follows from the row.
    pub eml: Option<Vec<u8>>,
}

#[async_trait]
impl Mail for Mailbox {
    async fn send(&self, mail: &Mailed) -> Result<String> {
        let failed = |why: String| invalid("mail", mail.to.as_str(), why);
        let id = random_id("mail", &mail.to)?;
        let at = self.store.clock.now();
        let to: Address = address(&mail.to).map_err(failed)?;
        let eml = compose(mail, &id, at).map_err(failed)?;
        if eml.len() > MAIL_BYTES {
            return Err(failed("a mail has at most 40 MB".into()));
        }
        let thread = mail
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("references"))
            .map_or(&mail.key, |(_, value)| value);
        self.enter(
            id,
            Entry {
                key: format!("mail:{}", mail.key),
                to: format!("mailto:{}", to.email),
                thread: thread.clone(),
                subject: mail.subject.clone(),
                body: mail.text.clone(),
                eml: Some(eml),
            },
        )
        .await
    }
}

#[async_trait]
impl Texts for Mailbox {
    async fn text(&self, phone: &str, body: &str, key: &str) -> Result<String> {
        check_phone(phone).map_err(|why| invalid("text", phone, why))?;
        if body.is_empty() || body.chars().count() > TEXT_CHARS {
            return Err(invalid(
                "text",
                phone,
                "a text message has 1 to 1,600 characters",
            ));
        }
        if key.is_empty() {
            return Err(invalid("text", phone, "a message needs a key"));
        }
        let id = random_id("text", phone)?;
        self.enter(
            id,
            Entry {
                key: format!("text:{key}"),
                to: format!("sms:{phone}"),
                thread: key.to_owned(),
                subject: format!("Text message to {phone}"),
                body: body.to_owned(),
                eml: None,
            },
        )
        .await
    }
}

impl Mailbox {
    /// Makes the row, once a key, and its file.
    pub(super) async fn enter(&self, id: String, entry: Entry) -> Result<String> {
        let at = self.store.clock.now();
        let work = self.store.writer.submit(4, move |session| {
            accept(session.conn, &id, at, entry).map_err(sql("put into", "mailbox"))
        });
        let (letter, filed) = work.await.unwrap_or_else(|_| Err(closed()))?;
        let id = letter.id.clone();
        if !filed {
            let mailbox = self.clone();
            // Reading what was just written, so that a second call with one key makes one file.
            let eml = letter.clone();
            let bytes = tokio::task::spawn_blocking(move || mailbox.eml(&eml)).await;
            let bytes = bytes.unwrap_or_else(|e| {
                Err(Error::new("put into", "mailbox", Kind::Unavailable).because(e))
            })?;
            self.file_away(letter, bytes, Filed::ToTheSystem).await?;
        }
        Ok(id)
    }
}

fn accept(conn: &Connection, id: &str, at: Time, entry: Entry) -> rusqlite::Result<(Letter, bool)> {
    let known = conn
        .prepare_cached(
            "SELECT id, at, topic, thread, subject, body, answers, filed FROM mail WHERE key = ?1",
        )?
        .query_row([&entry.key], |r| Ok((letter(r)?, r.get::<_, bool>(7)?)))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    conn.prepare_cached(
        "INSERT INTO mail (key, id, at, topic, thread, subject, body, filed, eml) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
    )?
    .execute((
        &entry.key,
        id,
        at.millis(),
        &entry.to,
        &entry.thread,
        &entry.subject,
        &entry.body,
        &entry.eml,
    ))?;
    let letter = Letter {
        id: id.to_owned(),
        at,
        topic: entry.to,
        thread: entry.thread,
        subject: entry.subject,
        body: entry.body,
        answers: None,
    };
    Ok((letter, false))
}

fn compose(mail: &Mailed, id: &str, at: Time) -> std::result::Result<Vec<u8>, String> {
    if mail.key.is_empty() {
        return Err("a mail needs a key".into());
    }
    if mail.subject.is_empty() || mail.subject.chars().any(char::is_control) {
        return Err("a subject is one line".into());
    }
    let mut builder = Message::builder()
        .from(address(&mail.from)?)
        .to(address(&mail.to)?)
        .subject(mail.subject.clone())
        .date(UNIX_EPOCH + at.since(Time::EPOCH))
        .message_id(Some(format!("<{id}@{DOMAIN}>")));
    for (name, value) in &mail.headers {
        let lower = name.to_ascii_lowercase();
        if OWN.contains(&lower.as_str()) || lower.starts_with("content-") {
            return Err(format!("the letter says `{name}` itself"));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("the header field `{name}` is one line"));
        }
        let name = HeaderName::new_from_ascii(name.clone())
            .map_err(|_| format!("`{}` names no header field", name.escape_debug()))?;
        builder = builder.raw_header(HeaderValue::new(name, value.clone()));
    }
    let text = SinglePart::plain(mail.text.clone());
    let message = match (&mail.html, mail.attachments.is_empty()) {
        (None, true) => builder.singlepart(text),
        (html, _) => builder.multipart(parts(mail, text, html.as_deref())?),
    };
    message.map(|m| m.formatted()).map_err(|e| e.to_string())
}

/// mixed(related(alternative(text, html), pictures), files), without the levels that are not needed.
fn parts(
    mail: &Mailed,
    text: SinglePart,
    html: Option<&str>,
) -> std::result::Result<MultiPart, String> {
    let mut whole = MultiPart::mixed().build();
    match html {
        None => whole = whole.singlepart(text),
        Some(html) => {
            let both = MultiPart::alternative()
                .singlepart(text)
                .singlepart(SinglePart::html(html.to_owned()));
            let mut related = MultiPart::related().multipart(both);
            for part in mail.attachments.iter().filter(|a| a.inline.is_some()) {
                related = related.singlepart(attached(part)?);
            }
            whole = whole.multipart(related);
        }
    }
    let beside = |a: &&ports::Attachment| a.inline.is_none() || html.is_none();
    for part in mail.attachments.iter().filter(beside) {
        whole = whole.singlepart(attached(part)?);
    }
    Ok(whole)
}

fn attached(part: &ports::Attachment) -> std::result::Result<SinglePart, String> {
    let kind = ContentType::parse(&part.content_type)
        .map_err(|_| format!("`{}` is no media type", part.content_type.escape_debug()))?;
    let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    if !plain(&part.name) || part.inline.as_deref().is_some_and(|id| !plain(id)) {
        return Err("an attachment has a name and an id of one line".into());
    }
    let builder = match &part.inline {
        Some(id) => Part::new_inline_with_name(id.clone(), part.name.clone()),
        None => Part::new(part.name.clone()),
    };
    Ok(builder.body(part.body.to_vec(), kind))
}

pub(super) fn address(text: &str) -> std::result::Result<Address, String> {
    // A line break could begin another header field.
    if text.chars().any(char::is_control) {
        return Err("an address is one line".into());
    }
    text.parse()
        .map_err(|_| format!("`{}` is no mail address", text.escape_debug()))
}

/// E.164: a plus and at most 15 digits, the first of them not 0.
pub(super) fn check_phone(phone: &str) -> std::result::Result<(), String> {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let fits = (2..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if fits {
        Ok(())
    } else {
        Err("a number is written +4915112345678 (E.164)".into())
    }
}
