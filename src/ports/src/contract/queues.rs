//! Queues deliver at least once, hide what is worked on, and part with what fails.
//!
//! No case waits for a time to pass: a message is given back by hiding it for no time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::Kind;
use crate::{Depth, Message, NewMessage, QueueSpec, Queues, Receive, Redrive};

const MAX_RECEIVES: u32 = 2;

/// The queues that [`queues`] works on; the adapter's test makes them, in this order. Each case
/// has one of its own.
pub fn queue_specs(run: &Run) -> Vec<QueueSpec> {
    let plain = |name: &str| QueueSpec {
        name: run.name(name),
        visibility: Duration::from_secs(600),
        retention: Duration::from_secs(86_400),
        redrive: None,
    };
    let failing = |name: &str, dead_letter: &str| QueueSpec {
        redrive: Some(Redrive {
            dead_letter: run.name(dead_letter),
            max_receives: MAX_RECEIVES,
        }),
        ..plain(name)
    };
    let mut specs: Vec<QueueSpec> = PLAIN.iter().map(|name| plain(name)).collect();
    specs.extend([
        plain("letters-dlq"),
        failing("letters", "letters-dlq"),
        plain("return-dlq"),
        failing("return", "return-dlq"),
    ]);
    specs
}

const PLAIN: &[&str] = &[
    "travel", "hidden", "again", "deleted", "receipts", "delayed", "limited", "bad",
];

/// The contract of [`Queues`] on the queues of [`queue_specs`].
pub async fn queues(port: &dyn Queues, run: &Run) {
    let on = On { port, run };
    let mut report = Report::new("queues", run);
    report.case(Case::MessagesTravel, travel(&on)).await;
    report.case(Case::ReceivedIsHidden, hidden(&on)).await;
    report.case(Case::GivenBackComesAgain, again(&on)).await;
    report.case(Case::DeletedStaysAway, deleted(&on)).await;
    report.case(Case::OldReceipts, old_receipts(&on)).await;
    report.case(Case::DelayedIsNotDue, delayed(&on)).await;
    report.case(Case::ReceivesAreLimited, limited(&on)).await;
    report.case(Case::DeadLetters, dead_letters(&on)).await;
    report
        .case(Case::DeadLettersReturn, dead_letters_return(&on))
        .await;
    report.case(Case::BadMessages, bad_messages(&on)).await;
    report.case(Case::UnknownQueue, unknown_queue(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Queues,
    run: &'a Run,
}

const AT_ONCE: Receive = Receive {
    limit: 10,
    visibility: None,
    wait: Duration::ZERO,
};

impl On<'_> {
    async fn send(&self, queue: &str, body: &str) -> Result<String, String> {
        let message = NewMessage {
            body: body.into(),
            ..NewMessage::default()
        };
        done(
            "send",
            self.port.send(&self.run.name(queue), &message).await,
        )
    }

    async fn receive(&self, queue: &str) -> Result<Vec<Message>, String> {
        done(
            "receive",
            self.port.receive(&self.run.name(queue), AT_ONCE).await,
        )
    }

    /// Looks until exactly one message is there.
    async fn one(&self, queue: &str) -> Result<Message, String> {
        let mut got = None;
        self.run
            .eventually(async || {
                let mut messages = self.receive(queue).await?;
                same("messages", messages.len(), 1)?;
                got = messages.pop();
                Ok(())
            })
            .await?;
        got.ok_or_else(|| "no message".into())
    }

    async fn give_back(&self, queue: &str, message: &Message) -> Outcome {
        let queue = self.run.name(queue);
        let back = self.port.extend(&queue, &message.receipt, Duration::ZERO);
        done("give back", back.await)
    }

    async fn delete(&self, queue: &str, message: &Message) -> Outcome {
        let queue = self.run.name(queue);
        done("delete", self.port.delete(&queue, &message.receipt).await)
    }

    async fn depth(&self, queue: &str, want: Depth) -> Outcome {
        let queue = self.run.name(queue);
        self.run
            .eventually(async || same("depth", done("depth", self.port.depth(&queue).await)?, want))
            .await
    }
}

async fn travel(on: &On<'_>) -> Outcome {
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let message = NewMessage {
        body: "{\"day\": \"Dress Up Your Pet\", \"ü\": \"line\\nbreak\"}\n".into(),
        attributes: BTreeMap::from([
            ("kind".to_owned(), "generate".to_owned()),
            ("AWSTraceHeader".to_owned(), trace.to_owned()),
        ]),
        delay: Duration::ZERO,
    };
    let id = done("send", on.port.send(&on.run.name("travel"), &message).await)?;
    let got = on.one("travel").await?;
    same("id", got.id, id)?;
    same("body", got.body, message.body)?;
    same("attributes", got.attributes, message.attributes)?;
    same("receives", got.receives, 1)?;
    let near = got.sent.since(on.run.now).max(on.run.now.since(got.sent));
    same("sent lately", near < Duration::from_secs(3_600), true)
}

async fn hidden(on: &On<'_>) -> Outcome {
    on.send("hidden", "one").await?;
    on.one("hidden").await?;
    same("while hidden", on.receive("hidden").await?.len(), 0)?;
    let in_flight = Depth {
        in_flight: 1,
        ..Depth::default()
    };
    on.depth("hidden", in_flight).await
}

async fn again(on: &On<'_>) -> Outcome {
    let id = on.send("again", "one").await?;
    for receives in 1..4 {
        let got = on.one("again").await?;
        same("id", &got.id, &id)?;
        same("receives", got.receives, receives)?;
        on.give_back("again", &got).await?;
    }
    let visible = Depth {
        visible: 1,
        ..Depth::default()
    };
    on.depth("again", visible).await
}

async fn deleted(on: &On<'_>) -> Outcome {
    on.send("deleted", "one").await?;
    let got = on.one("deleted").await?;
    on.delete("deleted", &got).await?;
    on.depth("deleted", Depth::default()).await?;
    same("afterwards", on.receive("deleted").await?.len(), 0)
}

async fn old_receipts(on: &On<'_>) -> Outcome {
    on.send("receipts", "one").await?;
    let old = on.one("receipts").await?;
    on.give_back("receipts", &old).await?;
    let new = on.one("receipts").await?;
    on.delete("receipts", &new).await?;
    on.delete("receipts", &new).await?;
    let queue = on.run.name("receipts");
    let answer = on
        .port
        .extend(&queue, &new.receipt, Duration::from_secs(60))
        .await;
    fails("extend after delete", answer, Kind::Conflict)
}

async fn delayed(on: &On<'_>) -> Outcome {
    let message = NewMessage {
        body: "later".into(),
        delay: Duration::from_secs(900),
        ..NewMessage::default()
    };
    done(
        "send",
        on.port.send(&on.run.name("delayed"), &message).await,
    )?;
    let delayed = Depth {
        delayed: 1,
        ..Depth::default()
    };
    on.depth("delayed", delayed).await?;
    same("before its time", on.receive("delayed").await?.len(), 0)
}

async fn limited(on: &On<'_>) -> Outcome {
    let mut sent = BTreeSet::new();
    for n in 0..5 {
        sent.insert(on.send("limited", &n.to_string()).await?);
    }
    let queue = on.run.name("limited");
    let mut seen = BTreeSet::new();
    on.run
        .eventually(async || {
            for _ in 0..5 {
                let two = Receive {
                    limit: 2,
                    ..AT_ONCE
                };
                let got = done("receive", on.port.receive(&queue, two).await)?;
                same("more than asked for", got.len() > 2, false)?;
                seen.extend(got.into_iter().map(|m| m.id));
            }
            same("all of them", &seen, &sent)
        })
        .await
}

async fn dead_letters(on: &On<'_>) -> Outcome {
    let body = "fails";
    on.send("letters", body).await?;
    for receives in 1..=MAX_RECEIVES {
        let got = on.one("letters").await?;
        same("receives", got.receives, receives)?;
        on.give_back("letters", &got).await?;
    }
    // The receive that would be one too many moves it.
    on.run
        .eventually(async || {
            same("once more", on.receive("letters").await?.len(), 0)?;
            on.depth("letters", Depth::default()).await
        })
        .await?;
    let dead = on.one("letters-dlq").await?;
    same("body", dead.body.as_str(), body)
}

async fn dead_letters_return(on: &On<'_>) -> Outcome {
    let message = NewMessage {
        body: "comes back".into(),
        attributes: BTreeMap::from([("kind".to_owned(), "post".to_owned())]),
        delay: Duration::ZERO,
    };
    done("send", on.port.send(&on.run.name("return"), &message).await)?;
    for _ in 0..MAX_RECEIVES {
        let got = on.one("return").await?;
        on.give_back("return", &got).await?;
    }
    same("once more", on.receive("return").await?.len(), 0)?;
    let visible = Depth {
        visible: 1,
        ..Depth::default()
    };
    on.depth("return-dlq", visible).await?;
    let moving = on.port.redrive(&on.run.name("return-dlq"), 10).await;
    same("will move", done("redrive", moving)?, 1)?;
    let got = on.one("return").await?;
    same("body", got.body, message.body)?;
    same("attributes", got.attributes, message.attributes)?;
    same("receives", got.receives, 1)?;
    on.depth("return-dlq", Depth::default()).await
}

async fn bad_messages(on: &On<'_>) -> Outcome {
    let queue = on.run.name("bad");
    let bad = |body: String, delay: u64, attributes: usize| NewMessage {
        body,
        attributes: (0..attributes)
            .map(|n| (format!("a{n}"), "x".to_owned()))
            .collect(),
        delay: Duration::from_secs(delay),
    };
    for (what, message) in [
        ("an empty body", bad(String::new(), 0, 0)),
        ("256 KiB and one byte", bad("x".repeat(262_145), 0, 0)),
        ("a delay of over 15 minutes", bad("x".into(), 901, 0)),
        ("eleven attributes", bad("x".into(), 0, 11)),
    ] {
        fails(what, on.port.send(&queue, &message).await, Kind::Invalid)?;
    }
    for (what, limit, wait) in [
        ("none at a time", 0, 0),
        ("eleven at a time", 11, 0),
        ("a wait of 21 seconds", 1, 21),
    ] {
        let how = Receive {
            limit,
            visibility: None,
            wait: Duration::from_secs(wait),
        };
        fails(what, on.port.receive(&queue, how).await, Kind::Invalid)?;
    }
    Ok(())
}

async fn unknown_queue(on: &On<'_>) -> Outcome {
    let queue = on.run.name("nowhere");
    let message = NewMessage {
        body: "x".into(),
        ..NewMessage::default()
    };
    fails("send", on.port.send(&queue, &message).await, Kind::NotFound)?;
    fails(
        "receive",
        on.port.receive(&queue, AT_ONCE).await,
        Kind::NotFound,
    )?;
    fails("depth", on.port.depth(&queue).await, Kind::NotFound)
}
