//! The mailbox: files that any mail program opens, each once.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::{Publish, Topics};

fn open(dir: &Path) -> Store {
    let now = Time::parse("2026-01-05T08:00:30.250Z").unwrap();
    Store::open(dir, Arc::new(SteppedClock::new(now)), Limits::default()).unwrap()
}

fn message(key: &str, thread: &str) -> Publish {
    Publish {
        topic: "arn:aws:sns:us-east-1:000000000000:demo-oncall".into(),
        subject: format!("[ALARM] counter-errors {thread}"),
        body: "Visitors see a dash.\n\n▁▁▂█ 7 errors\n.\nFrom here on.\n".into(),
        key: key.into(),
        thread: thread.into(),
        attributes: Default::default(),
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("mailbox")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_file_is_a_whole_message_in_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mailbox = store.mailbox();
    let first = mailbox.publish(&message("1", "INC-1")).await.unwrap();
    let second = mailbox.publish(&message("2", "INC-1")).await.unwrap();
    let third = mailbox.publish(&message("3", "INC-1")).await.unwrap();
    let other = mailbox.publish(&message("4", "INC-2")).await.unwrap();
    let text = async |id: &str| {
        let letter = mailbox.read(id).await.unwrap().unwrap();
        String::from_utf8(std::fs::read(mailbox.file(&letter)).unwrap()).unwrap()
    };
    let lines = text(&second).await;
    for line in [
        "From: Nightbell <nightbell@nightbell.localhost>".to_owned(),
        "To: demo-oncall <demo-oncall@nightbell.localhost>".to_owned(),
        "Subject: [ALARM] counter-errors INC-1".to_owned(),
        "Date: Mon, 05 Jan 2026 08:00:30 +0000".to_owned(),
        format!("Message-ID: <{second}@nightbell.localhost>"),
        format!("In-Reply-To: <{first}@nightbell.localhost>"),
        format!("References: <{first}@nightbell.localhost>"),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "X-Nightbell-Thread: INC-1".to_owned(),
    ] {
        assert!(
            lines.lines().any(|l| l == line),
            "no line `{line}` in\n{lines}"
        );
    }
    assert!(
        text(&third)
            .await
            .contains(&format!("In-Reply-To: <{first}@"))
    );
    assert!(!text(&first).await.contains("In-Reply-To"));
    assert!(!text(&other).await.contains("In-Reply-To"));
    let ids: Vec<String> = mailbox
        .list(3)
        .await
        .unwrap()
        .into_iter()
        .map(|l| l.id)
        .collect();
    assert_eq!(
        ids,
        [other, third, second],
        "the newest three, newest first"
    );
    let read = mailbox.read(&first).await.unwrap().unwrap();
    assert_eq!(read.body, message("1", "INC-1").body);
    assert_eq!(mailbox.read("unknown").await.unwrap(), None);
}

#[tokio::test]
async fn the_same_key_makes_one_file_however_often_and_however_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mailbox = store.mailbox();
    let same = message("n-1", "INC-1");
    let (a, b, c) = tokio::join!(
        mailbox.publish(&same),
        mailbox.publish(&same),
        mailbox.publish(&same)
    );
    let id = a.unwrap();
    assert_eq!((b.unwrap(), c.unwrap()), (id.clone(), id.clone()));
    drop((store, mailbox));
    let store = open(dir.path());
    assert_eq!(store.mailbox().publish(&same).await.unwrap(), id);
    assert_eq!(files(dir.path()).len(), 1);
    assert_eq!(store.mailbox().list(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_crash_between_row_and_file_is_mended_with_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store
        .mailbox()
        .publish(&message("1", "INC-1"))
        .await
        .unwrap();
    store.close().await.unwrap();
    drop(store);
    let file = files(dir.path()).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    // As it stands when the process dies before the file has its name.
    std::fs::rename(&file, file.with_extension("eml.part")).unwrap();
    rusqlite::Connection::open(dir.path().join("nightbell.db"))
        .unwrap()
        .execute("UPDATE mail SET filed = 0", [])
        .unwrap();
    let store = open(dir.path());
    assert_eq!(files(dir.path()), std::slice::from_ref(&file));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert_eq!(
        store
            .mailbox()
            .publish(&message("1", "INC-1"))
            .await
            .unwrap(),
        id
    );
}

#[tokio::test]
async fn hostile_names_stay_within_the_folder_and_within_their_header() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let hostile = Publish {
        topic: "arn:x:../../etc/pass wd\r\nBcc: all@example.org".into(),
        thread: "INC-1\r\nBcc: all@example.org\r\n\r\nbody".into(),
        key: "../../../key".into(),
        ..message("", "")
    };
    store.mailbox().publish(&hostile).await.unwrap();
    let file = files(dir.path()).remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.lines().any(|l| l.starts_with("Bcc:")), "{text}");
    assert_eq!(files(dir.path()).len(), 1);
}
