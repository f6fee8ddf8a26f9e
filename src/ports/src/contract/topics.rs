//! Topics take what a person can read.

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Kind, Publish, Topics};

/// The contract of [`Topics`]; the topic exists.
pub async fn topics(port: &dyn Topics, topic: &str, run: &Run) {
    let mut report = Report::new("topics", run);
    report
        .case(Case::PublishAnswersId, answers_id(port, topic, run))
        .await;
    report
        .case(Case::SameKeyOnce, same_key_once(port, topic, run))
        .await;
    report
        .case(Case::BadSubjects, bad_subjects(port, topic, run))
        .await;
    report.finish();
}

fn message(topic: &str, run: &Run, key: &str) -> Publish {
    Publish {
        topic: topic.to_owned(),
        subject: "ALARM: counter-errors".into(),
        body: "Visitors see a dash.\n\n▁▂█ since 10:04\n".into(),
        key: run.name(key),
        thread: run.name("INC-1"),
        attributes: Default::default(),
    }
}

async fn answers_id(port: &dyn Topics, topic: &str, run: &Run) -> Outcome {
    let one = done("publish", port.publish(&message(topic, run, "one")).await)?;
    let two = done("publish", port.publish(&message(topic, run, "two")).await)?;
    same(
        "ids are empty or alike",
        one.is_empty() || one == two,
        false,
    )
}

async fn same_key_once(port: &dyn Topics, topic: &str, run: &Run) -> Outcome {
    let twice = message(topic, run, "twice");
    let one = done("publish", port.publish(&twice).await)?;
    let two = done("publish again", port.publish(&twice).await)?;
    same("id", two, one)
}

async fn bad_subjects(port: &dyn Topics, topic: &str, run: &Run) -> Outcome {
    for (what, subject) in [
        ("a line break", "one\ntwo".to_owned()),
        ("100 characters", "x".repeat(100)),
        ("not ASCII", "schön".to_owned()),
    ] {
        let bad = Publish {
            subject,
            ..message(topic, run, what)
        };
        fails(what, port.publish(&bad).await, Kind::Invalid)?;
    }
    Ok(())
}
