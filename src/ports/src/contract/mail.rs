//! Mail and text messages are taken when they can reach somebody.

use bytes::Bytes;

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Attachment, Kind, Letter, Mail, Texts};

/// The contract of [`Mail`]; `from` may send.
pub async fn mail(port: &dyn Mail, from: &str, run: &Run) {
    let mut report = Report::new("mail", run);
    report
        .case(Case::MailAnswersId, answers_id(port, from, run))
        .await;
    report
        .case(Case::MailSameKeyOnce, same_key_once(port, from, run))
        .await;
    report
        .case(Case::MailBadAddress, bad_address(port, from, run))
        .await;
    report.finish();
}

/// The contract of [`Texts`].
pub async fn texts(port: &dyn Texts, run: &Run) {
    let mut report = Report::new("texts", run);
    report
        .case(Case::TextAnswersId, text_answers(port, run))
        .await;
    report
        .case(Case::TextBadNumber, bad_number(port, run))
        .await;
    report.finish();
}

fn letter(from: &str, run: &Run, key: &str) -> Letter {
    Letter {
        from: from.into(),
        to: "Zoë Reader <reader@example.org>".into(),
        subject: "Straßenfest on Saturday".into(),
        text: "Bring a cake.\n".into(),
        html: Some("<p>Bring a <b>cake</b>. <img src=\"cid:logo\" alt=\"\"></p>".into()),
        headers: vec![
            (
                "List-Unsubscribe".into(),
                "<https://example.org/u/1>".into(),
            ),
            (
                "List-Unsubscribe-Post".into(),
                "List-Unsubscribe=One-Click".into(),
            ),
        ],
        attachments: vec![
            Attachment {
                name: "event.ics".into(),
                content_type: "text/calendar; method=PUBLISH".into(),
                body: Bytes::from_static(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
                inline: None,
            },
            Attachment {
                name: "logo.png".into(),
                content_type: "image/png".into(),
                body: Bytes::from_static(b"\x89PNG\r\n\x1a\n"),
                inline: Some("logo".into()),
            },
        ],
        key: run.name(key),
    }
}

async fn answers_id(port: &dyn Mail, from: &str, run: &Run) -> Outcome {
    let one = done("send", port.send(&letter(from, run, "one")).await)?;
    let mut plain = letter(from, run, "two");
    (plain.html, plain.attachments) = (None, Vec::new());
    let two = done("send", port.send(&plain).await)?;
    same(
        "ids are empty or alike",
        one.is_empty() || one == two,
        false,
    )
}

async fn same_key_once(port: &dyn Mail, from: &str, run: &Run) -> Outcome {
    let twice = letter(from, run, "twice");
    let one = done("send", port.send(&twice).await)?;
    let two = done("send again", port.send(&twice).await)?;
    same("id", two, one)
}

async fn bad_address(port: &dyn Mail, from: &str, run: &Run) -> Outcome {
    for to in ["", "nobody", "a@b@c", "x@example.org\r\nBcc: y@example.org"] {
        let bad = Letter {
            to: to.into(),
            ..letter(from, run, &format!("to {to:?}"))
        };
        fails(&format!("to {to:?}"), port.send(&bad).await, Kind::Invalid)?;
    }
    let bad = Letter {
        subject: "one\r\nBcc: y@example.org".into(),
        ..letter(from, run, "subject")
    };
    fails(
        "a subject of two lines",
        port.send(&bad).await,
        Kind::Invalid,
    )?;
    let bad = Letter {
        headers: vec![("X-A".into(), "b\r\nBcc: y@example.org".into())],
        ..letter(from, run, "header")
    };
    fails(
        "a header of two lines",
        port.send(&bad).await,
        Kind::Invalid,
    )
}

async fn text_answers(port: &dyn Texts, run: &Run) -> Outcome {
    let key = run.name("text");
    let id = port.text("+4915112345678", "Straßenfest on Saturday", &key);
    same("id is empty", done("text", id.await)?.is_empty(), false)
}

async fn bad_number(port: &dyn Texts, run: &Run) -> Outcome {
    for phone in [
        "",
        "015112345678",
        "+49 151 1234",
        "+0123456789",
        "+12345678901234567",
    ] {
        let answer = port.text(phone, "x", &run.name(phone)).await;
        fails(&format!("{phone:?}"), answer, Kind::Invalid)?;
    }
    Ok(())
}
