//! The posting path on DynamoDB, S3, SQS and Secrets Manager: the same service as in local mode, on
//! the other adapters, with the stand-ins for OpenAI and X.

use std::sync::Arc;
use std::time::Duration;

use ports::events::{ObjectCreated, QueueBatch, notification};
use ports::{Clock, Event, Handler, Invocation, NewMessage, NewObject, Objects, Queues, Receive};
use posting::audit::Audit;
use posting::job::Status;
use posting::jobs::Jobs;
use posting::oauth1::Credentials;
use posting::standin::{Reply, Turn, openai, x};
use posting::upstream::RealPauses;
use posting::{Config, Generator, Poster, Stand};
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::{boto, config};

fn settings(openai: &str, x: &str) -> Config {
    let vars = [
        ("JOBS_TABLE", "posting-jobs"),
        ("AUDIT_TABLE", "posting-audit"),
        ("BUCKET", "posting-pictures"),
        ("GENERATE_QUEUE", "posting-generate"),
        ("POST_QUEUE", "posting-post"),
        ("GENERATE_DEAD_LETTER_QUEUE", "posting-generate-dead"),
        ("POST_DEAD_LETTER_QUEUE", "posting-post-dead"),
        ("OPENAI_URL", openai),
        ("OPENAI_SECRET", "posting/openai"),
        ("X_URL", x),
        ("X_SECRET", "posting/x"),
    ];
    let find = |name: &str| {
        let found = vars.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_string())
    };
    Config::from_vars(find).unwrap()
}

async fn take(queues: &aws::Sqs, queue: &str) -> Vec<ports::Message> {
    let how = Receive {
        limit: 10,
        visibility: Some(Duration::ZERO),
        wait: Duration::ZERO,
    };
    queues.receive(queue, how).await.unwrap()
}

async fn hand(handler: &dyn Handler, queue: &str, messages: Vec<ports::Message>) -> bool {
    let batch = QueueBatch {
        queue: queue.into(),
        messages,
    };
    let done = handler
        .handle(Event::Queue(batch), &Invocation::default())
        .await;
    done.is_ok_and(|outcome| outcome.failed.is_empty())
}

#[tokio::test]
async fn the_posting_path_runs_on_dynamodb_s3_sqs_and_secrets_manager() {
    let clock = Arc::new(local::SystemClock);
    let credentials = Credentials {
        api_key: "key-of-posting".into(),
        api_secret: "secret-of-posting".into(),
        access_token: "token-of-posting".into(),
        access_token_secret: "token-secret-of-posting".into(),
    };
    let told = json!({
        "api_key": credentials.api_key, "api_secret": credentials.api_secret,
        "access_token": credentials.access_token, "access_token_secret": credentials.access_token_secret,
    });
    let painter = openai::start("sk-of-posting").await.unwrap();
    painter.state.draw_at(16);
    let network = x::start(credentials, clock.clone()).await.unwrap();
    let chosen = settings(&painter.url, &network.url);
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    for spec in [Jobs::spec(&chosen.jobs), Audit::spec(&chosen.audit)] {
        let mut attributes: Vec<&str> = vec![&spec.key];
        for index in &spec.indexes {
            attributes.extend([index.partition.as_str(), index.sort.as_str()]);
        }
        attributes.sort_unstable();
        attributes.dedup();
        let indexes: Vec<Value> = spec
            .indexes
            .iter()
            .map(|index| {
                json!({
                    "IndexName": index.name, "Projection": { "ProjectionType": "ALL" },
                    "KeySchema": [{ "AttributeName": index.partition, "KeyType": "HASH" },
                                  { "AttributeName": index.sort, "KeyType": "RANGE" }],
                })
            })
            .collect();
        boto(
            "dynamodb",
            "create_table",
            json!({
                "TableName": spec.name, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": spec.key, "KeyType": "HASH" }],
                "AttributeDefinitions": attributes.iter().map(|a| attribute(a)).collect::<Vec<_>>(),
                "GlobalSecondaryIndexes": indexes,
            }),
        );
    }
    let queues = &chosen.queues;
    for queue in [
        &queues.generate,
        &queues.post,
        &queues.generate_dead,
        &queues.post_dead,
    ] {
        boto("sqs", "create_queue", json!({ "QueueName": queue }));
    }
    boto("s3", "create_bucket", json!({ "Bucket": chosen.bucket }));
    for (name, value) in [
        ("posting/openai", "sk-of-posting".to_string()),
        ("posting/x", told.to_string()),
    ] {
        boto(
            "secretsmanager",
            "create_secret",
            json!({ "Name": name, "SecretString": value }),
        );
    }
    let connection = config().await;
    let sqs = aws::Sqs::new(&connection);
    let objects = Arc::new(aws::S3::new(&connection));
    let stand = Stand {
        items: Arc::new(aws::Tables::new(&connection)),
        objects: objects.clone(),
        queues: Arc::new(aws::Sqs::new(&connection)),
        secrets: Arc::new(aws::SecretsManager::new(&connection)),
        clock: clock.clone(),
        pauses: Arc::new(RealPauses),
    };
    let list = NewObject {
        bucket: chosen.bucket.clone(),
        key: chosen.days.clone(),
        body: r#"{"Prompt": "A ghost for \"{day}\"", "january": {"14": ["Dress Up Your Pet", "Hat"]}}"#.into(),
        content_type: "application/json".into(),
        cache_control: None,
        metadata: Default::default(),
        only_if_absent: false,
    };
    objects.put(&list).await.unwrap();
    let generator = Generator::new(stand.clone(), chosen.clone(), &Telemetry::off());
    let poster = Poster::new(stand.clone(), chosen.clone(), &Telemetry::off());
    let run = NewMessage {
        body: json!({ "run": "2026-01-14", "by": "ada" }).to_string(),
        ..NewMessage::default()
    };
    sqs.send(&queues.generate, &run).await.unwrap();
    let plan = take(&sqs, &queues.generate).await;
    assert!(hand(&generator, &queues.generate, plan.clone()).await);
    sqs.delete(&queues.generate, &plan[0].receipt)
        .await
        .unwrap();
    let pictures = take(&sqs, &queues.generate).await;
    assert_eq!(pictures.len(), 2);
    // Twice, as queues may: each is drawn once.
    for _ in 0..2 {
        assert!(hand(&generator, &queues.generate, pictures.clone()).await);
    }
    assert_eq!(painter.state.prompts().len(), 2);

    // The first post is made, and its answer is lost: it is found, and not made again.
    network.state.script.then(Turn {
        operation: x::CREATE,
        happens: true,
        reply: Reply::Half,
    });
    let jobs = Jobs::new(stand.items.clone(), &chosen.jobs);
    let listed = jobs.list(10, None).await.unwrap().jobs;
    assert_eq!(listed.len(), 2);
    assert!(
        listed.iter().all(|job| job.status == Status::Uploaded),
        "{listed:?}"
    );
    for job in &listed {
        let event = ObjectCreated {
            bucket: chosen.bucket.clone(),
            key: job.name.key(),
            size: 1,
            at: clock.now(),
        };
        let told = NewMessage {
            body: notification(&[event]).to_string(),
            ..NewMessage::default()
        };
        sqs.send(&queues.post, &told).await.unwrap();
    }
    let events = take(&sqs, &queues.post).await;
    assert_eq!(events.len(), 2);
    let mut well = 0;
    for event in &events {
        well += u8::from(hand(&poster, &queues.post, vec![event.clone()]).await);
    }
    assert_eq!(well, 1, "one answer was lost");
    for _ in 0..3 {
        for event in &events {
            assert!(hand(&poster, &queues.post, vec![event.clone()]).await);
        }
    }
    let mut texts: Vec<String> = network.state.posts().into_iter().map(|p| p.text).collect();
    texts.sort();
    assert_eq!(
        texts,
        ["National Dress Up Your Pet Day!", "National Hat Day!"]
    );
    let shown = jobs.gallery(10, None).await.unwrap().jobs;
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|job| job.post.is_some()), "{shown:?}");
    // A second run of the date draws and posts nothing.
    assert!(hand(&generator, &queues.generate, pictures).await);
    assert_eq!(
        (painter.state.prompts().len(), network.state.posts().len()),
        (2, 2)
    );
}
