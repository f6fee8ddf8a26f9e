//! A letter as a MIME message, and what SES's errors mean.

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox, MultiPart, SinglePart};
use ports::{Attachment, Letter};

use crate::error::Error;

/// A letter ready to be handed over.
pub(super) struct Raw {
    /// The recipient as an address alone.
    pub(super) to: String,
    /// The message, RFC 5322.
    pub(super) data: Vec<u8>,
}

/// What follows the `@`; of what is no address nothing.
pub(super) fn domain(to: &str) -> String {
    let domain = to.trim_end_matches('>').rsplit_once('@').map(|(_, d)| d);
    let domain = domain.filter(|d| !d.contains(char::is_control));
    domain.map_or_else(|| "nobody".to_owned(), |d| format!("@{d}"))
}

/// A mail with the parts that the letter has: text, HTML beside it, pictures within the HTML, files
/// around all.
pub(super) fn compose(letter: &Letter) -> Result<Raw, String> {
    let to = address("to", &letter.to)?;
    let mut builder = Message::builder()
        .from(address("from", &letter.from)?)
        .to(to.clone())
        .subject(one_line("the subject", &letter.subject)?);
    for (name, value) in &letter.headers {
        let known = HeaderName::new_from_ascii(name.clone());
        let known = known.map_err(|_| format!("`{name}` is no name of a header"))?;
        let value = one_line(&format!("header `{name}`"), value)?;
        builder = builder.raw_header(HeaderValue::new(known, value));
    }
    let text = SinglePart::plain(letter.text.clone());
    let (inline, files): (Vec<_>, Vec<_>) = letter
        .attachments
        .iter()
        .partition(|a| a.inline.is_some() && letter.html.is_some());
    let parts = inline.into_iter().chain(files.iter().copied());
    for attachment in parts {
        one_line("an attachment's name", &attachment.name)?;
    }
    let body = match &letter.html {
        None => Body::One(text),
        Some(html) => {
            let html = SinglePart::html(html.clone());
            let pictures = letter.attachments.iter().filter(|a| a.inline.is_some());
            let pictures = pictures.map(part).collect::<Result<Vec<_>, _>>()?;
            let alternative = MultiPart::alternative().singlepart(text);
            Body::Several(if pictures.is_empty() {
                alternative.singlepart(html)
            } else {
                let related = MultiPart::related().singlepart(html);
                let related = pictures.into_iter().fold(related, MultiPart::singlepart);
                alternative.multipart(related)
            })
        }
    };
    let files = files.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let message = match body {
        Body::One(text) if files.is_empty() => builder.singlepart(text),
        Body::Several(parts) if files.is_empty() => builder.multipart(parts),
        body => {
            let mixed = match body {
                Body::One(text) => MultiPart::mixed().singlepart(text),
                Body::Several(parts) => MultiPart::mixed().multipart(parts),
            };
            builder.multipart(files.into_iter().fold(mixed, MultiPart::singlepart))
        }
    };
    Ok(Raw {
        to: to.email.to_string(),
        data: message.map_err(|e| e.to_string())?.formatted(),
    })
}

enum Body {
    One(SinglePart),
    Several(MultiPart),
}

fn part(attachment: &Attachment) -> Result<SinglePart, String> {
    let kind = ContentType::parse(&attachment.content_type).map_err(|_| {
        format!(
            "attachment `{}`: `{}` is no content type",
            attachment.name, attachment.content_type
        )
    })?;
    let part = match &attachment.inline {
        Some(id) => Part::new_inline_with_name(id.clone(), attachment.name.clone()),
        None => Part::new(attachment.name.clone()),
    };
    Ok(part.body(attachment.body.to_vec(), kind))
}

fn address(which: &str, text: &str) -> Result<Mailbox, String> {
    one_line(which, text)?;
    text.parse()
        .map_err(|e| format!("{which}: {text:?} is no mail address ({e})"))
}

/// A line break would begin another header.
fn one_line(which: &str, text: &str) -> Result<String, String> {
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return Err(format!("{which} is not one line"));
    }
    Ok(text.to_owned())
}

/// SES refuses an identity that is not verified with the code of any refused message.
pub(super) fn is_unverified(error: &Error) -> bool {
    matches!(error, Error::Refused { code, message, .. }
        if code == "MessageRejected" && message.contains("not verified"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn letter() -> Letter {
        Letter {
            from: "Nightbell <bell@example.org>".into(),
            to: "Zoë Reader <reader@example.org>".into(),
            subject: "Straßenfest".into(),
            text: "Bring a cake.\n".into(),
            html: None,
            headers: vec![(
                "List-Unsubscribe".into(),
                "<https://example.org/u/1>".into(),
            )],
            attachments: Vec::new(),
            key: "k".into(),
        }
    }

    fn attachment(name: &str, content_type: &str, inline: Option<&str>) -> Attachment {
        Attachment {
            name: name.into(),
            content_type: content_type.into(),
            body: Bytes::from_static(b"bytes"),
            inline: inline.map(str::to_owned),
        }
    }

    /// The content types of all parts in order, without their parameters.
    fn kinds(letter: &Letter) -> Vec<String> {
        let text = String::from_utf8(compose(letter).unwrap().data).unwrap();
        let lines = text
            .lines()
            .filter_map(|l| l.strip_prefix("Content-Type: "));
        let kind = |line: &str| line.split(';').next().unwrap_or_default().to_owned();
        lines.map(kind).collect()
    }

    #[test]
    fn a_letter_has_the_parts_that_it_needs() {
        let check = |html: bool, attachments: Vec<Attachment>, expect: &[&str]| {
            let letter = Letter {
                html: html.then(|| "<p>Bring a <b>cake</b>".into()),
                attachments,
                ..letter()
            };
            assert_eq!(kinds(&letter), expect);
        };
        let ics = || attachment("e.ics", "text/calendar; method=PUBLISH", None);
        let png = || attachment("c.png", "image/png", Some("chart"));
        check(false, vec![], &["text/plain"]);
        check(
            true,
            vec![],
            &["multipart/alternative", "text/plain", "text/html"],
        );
        check(
            false,
            vec![ics()],
            &["multipart/mixed", "text/plain", "text/calendar"],
        );
        check(
            true,
            vec![ics(), png()],
            &[
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "image/png",
                "text/calendar",
            ],
        );
        // A picture that no HTML shows is a file.
        check(
            false,
            vec![png()],
            &["multipart/mixed", "text/plain", "image/png"],
        );
    }

    #[test]
    fn headers_are_written_once_each() {
        let raw = compose(&letter()).unwrap();
        assert_eq!(raw.to, "reader@example.org");
        let text = String::from_utf8(raw.data).unwrap();
        for line in [
            "From: Nightbell <bell@example.org>\r\n",
            "List-Unsubscribe: <https://example.org/u/1>\r\n",
        ] {
            assert_eq!(text.matches(line).count(), 1, "{text}");
        }
        assert!(text.contains("Subject: =?utf-8?b?"), "{text}");
    }

    #[test]
    fn a_mail_of_an_incident_names_its_thread_and_holds_the_picture_that_it_shows() {
        let thread = "<INC-7F3K@example.org>";
        let raw = compose(&Letter {
            html: Some("<img src=\"cid:INC-7F3K-1.chart@example.org\">".into()),
            headers: ["In-Reply-To", "References"]
                .map(|name| (name.to_string(), thread.to_string()))
                .into(),
            attachments: vec![attachment(
                "chart.png",
                "image/png",
                Some("INC-7F3K-1.chart@example.org"),
            )],
            ..letter()
        });
        let text = String::from_utf8(raw.unwrap().data).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            "In-Reply-To: <INC-7F3K@example.org>",
            "References: <INC-7F3K@example.org>",
        ] {
            assert_eq!(head.lines().filter(|l| *l == line).count(), 1, "{head}");
        }
        for line in [
            "Content-ID: <INC-7F3K-1.chart@example.org>",
            "Content-Type: image/png",
            "Content-Disposition: inline; filename=\"chart.png\"",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn nobody_can_write_a_header_of_their_own() {
        let check = |spoil: fn(&mut Letter), expect: &str| {
            let mut letter = letter();
            spoil(&mut letter);
            let why = compose(&letter).err().unwrap();
            assert!(why.contains(expect), "{why}");
        };
        check(
            |l| l.to = "x@example.org\r\nBcc: y@z.org".into(),
            "to is not one line",
        );
        check(
            |l| l.from = "nobody".into(),
            "from: \"nobody\" is no mail address",
        );
        check(|l| l.subject = "a\nb".into(), "the subject is not one line");
        check(
            |l| l.headers[0].1 = "a\r\nBcc: b".into(),
            "List-Unsubscribe",
        );
        check(
            |l| l.headers[0].0 = "Bcc: b\r\nX".into(),
            "no name of a header",
        );
        check(
            |l| l.attachments = vec![attachment("a", "no type", None)],
            "no content type",
        );
        check(
            |l| l.attachments = vec![attachment("a\r\nb", "image/png", None)],
            "an attachment's name",
        );
    }

    #[test]
    fn an_error_shows_the_domain_and_not_the_person() {
        let check = |to: &str, expect: &str| assert_eq!(domain(to), expect);
        check("reader@example.org", "@example.org");
        check("Zoë Reader <reader@example.org>", "@example.org");
        check("nobody", "nobody");
        check("x@y\r\nz", "nobody");
    }

    /// The words are those of the developer guide's page on SES errors.
    #[test]
    fn an_identity_that_is_not_verified_is_told_from_other_refusals() {
        let check = |code: &str, message: &str, expect: bool| {
            let error = Error::Refused {
                code: code.into(),
                message: message.into(),
                status: 400,
                after: None,
            };
            assert_eq!(is_unverified(&error), expect, "{message}");
        };
        check(
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in region US-EAST-1: a@example.org",
            true,
        );
        check("MessageRejected", "Virus found", false);
        check("BadRequestException", "Missing final '@domain'", false);
    }
}
