//! The local mailbox.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use local::Letter;

use super::{missing, show};
use crate::console::pages;
use crate::console::view::{MailPage, MailRow};
use crate::daemon::Daemon;

/// How many mails the list shows.
const ROWS: usize = 200;

/// `/mailbox`
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| {
        let letters = daemon.local()?.mailbox.list(ROWS).await?;
        let rows: Vec<MailRow> = letters.iter().map(row).collect();
        Ok(pages::mailbox(frame, &rows))
    })
    .await
}

/// `/mailbox/{id}`, and `/mailbox/{id}.eml`: the file itself.
pub async fn one(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Response {
    if let Some(stem) = id.strip_suffix(".eml")
        && let Some(local) = &daemon.local
        && let Ok(Some(letter)) = local.mailbox.read(stem).await
        && let Ok(bytes) = local.mailbox.eml(&letter)
    {
        // As text: a browser shows it, and cannot take it for a page.
        return ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response();
    }
    show(&daemon, async |frame| {
        let mailbox = &daemon.local()?.mailbox;
        let letter = mailbox.read(&id).await?;
        let letter = letter.ok_or_else(|| missing("mail", &id, ("/mailbox", "The mailbox")))?;
        let mut thread: Vec<Letter> = mailbox
            .list(ROWS)
            .await?
            .into_iter()
            .filter(|l| l.thread == letter.thread)
            .collect();
        thread.sort_by_key(|l| l.at);
        let page = MailPage {
            mail: row(&letter),
            from: "Nightbell <nightbell@nightbell.localhost>".into(),
            thread: thread.iter().map(row).collect(),
            body: letter.body,
        };
        Ok(pages::mail(frame, &page))
    })
    .await
}

fn row(letter: &Letter) -> MailRow {
    let first = letter.body.lines().find(|l| !l.trim().is_empty());
    MailRow {
        id: letter.id.clone(),
        at: letter.at,
        to: letter
            .topic
            .rsplit(':')
            .next()
            .unwrap_or(&letter.topic)
            .to_string(),
        subject: letter.subject.clone(),
        preview: first.unwrap_or_default().chars().take(160).collect(),
        reply: letter.answers.is_some(),
    }
}
