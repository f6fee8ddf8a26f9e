//! The announcement path on DynamoDB, SQS, SES and SNS: the same service as in local mode, on the
//! other adapters.

use std::sync::Arc;

use announcement::event::NewEvent;
use announcement::jobs::{About, JobId};
use announcement::register::{Created, Fresh, Once, Register};
use announcement::subscriber::{Channel, NewSubscription, Step};
use announcement::{Config, Notifier, Outlets, ids};
use ports::events::{QueueBatch, StreamBatch, StreamRecord};
use ports::{Clock, Event, Handler, Invocation, Queues, Receive};
use serde_json::json;
use telemetry::Telemetry;

use crate::{boto, config};

fn settings(topic: &str) -> Config {
    let vars = [
        ("EVENTS_TABLE", "announced"),
        ("SUBSCRIPTIONS_TABLE", "subscribed"),
        ("PUBLIC_URL", "https://example.org/prod"),
        ("FAN_OUT_QUEUE", "announcement-fan-out"),
        ("DEAD_LETTER_QUEUE", "announcement-dead"),
        ("MAIL_FROM", "Events <events@example.com>"),
        ("TOPIC_ARN", topic),
    ];
    let find = |name: &str| {
        let found = vars.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_string())
    };
    Config::from_vars(find).unwrap()
}

#[tokio::test]
async fn the_announcement_path_runs_on_dynamodb_sqs_ses_and_sns() {
    let topic = boto("sns", "create_topic", json!({ "Name": "announced" }));
    let chosen = settings(topic["TopicArn"].as_str().unwrap());
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    for spec in chosen.tables.specs() {
        let index = &spec.indexes[0];
        boto(
            "dynamodb",
            "create_table",
            json!({
                "TableName": spec.name, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": spec.key, "KeyType": "HASH" }],
                "AttributeDefinitions": [attribute(&spec.key), attribute(&index.partition), attribute(&index.sort)],
                "GlobalSecondaryIndexes": [{
                    "IndexName": index.name, "Projection": { "ProjectionType": "ALL" },
                    "KeySchema": [{ "AttributeName": index.partition, "KeyType": "HASH" },
                                  { "AttributeName": index.sort, "KeyType": "RANGE" }],
                }],
            }),
        );
    }
    for queue in [&chosen.queue, &chosen.dead_letters] {
        boto("sqs", "create_queue", json!({ "QueueName": queue }));
    }
    let identity = json!({ "EmailIdentity": "events@example.com" });
    boto("sesv2", "create_email_identity", identity);
    let connection = config().await;
    let items = Arc::new(aws::Tables::new(&connection));
    let queues = Arc::new(aws::Sqs::new(&connection));
    let sns = Arc::new(aws::Sns::new(&connection));
    let outlets = Outlets {
        mail: Arc::new(aws::Ses::new(&connection)),
        texts: sns.clone(),
        topics: sns.clone(),
        subscriptions: sns,
        queues: queues.clone(),
    };
    let clock = Arc::new(local::SystemClock);
    let register = Register::new(items.clone(), chosen.tables.clone());
    let (queue, dead) = (chosen.queue.clone(), chosen.dead_letters.clone());
    let notifier = Notifier::new(items, outlets, clock.clone(), chosen, &Telemetry::off());
    let now = clock.now();

    for (n, address) in ["ann@example.org", "bob@example.org"].iter().enumerate() {
        let new = NewSubscription::read(&json!({ "email": address })).unwrap();
        let fresh = Fresh {
            id: ids::sortable(now, [n as u8; 10]),
            token: ids::token([n as u8; 24]),
            channel: Channel::Mail,
        };
        let id = fresh.id.clone();
        register.ask(new, fresh, "owner", now).await.unwrap();
        register.step(&id, Step::Confirm, now).await.unwrap();
    }
    let body =
        json!({ "title": "Open day", "description": "All are welcome.", "date": "2030-03-14" });
    let once = Once {
        by: "paula".into(),
        key: "k".into(),
        body: body.to_string().into(),
    };
    let new = || NewEvent::read(&body, now).unwrap();
    let id = ids::sortable(now, [7; 10]);
    let first = register
        .create(id.clone(), new(), Some(&once), now)
        .await
        .unwrap();
    assert!(matches!(first, Created::Fresh(_)));
    let again = register
        .create("other".into(), new(), Some(&once), now)
        .await
        .unwrap();
    assert!(matches!(again, Created::Again(event) if event.id == id));

    let batch = StreamBatch {
        table: "announced".into(),
        records: vec![StreamRecord {
            sequence: "1".into(),
            key: id.clone(),
            old: None,
            new: body.as_object().cloned(),
            at: now,
            expired: false,
            trace: None,
        }],
    };
    let none = Invocation::default();
    // Twice, as streams may: the job is one.
    for _ in 0..2 {
        let handed = notifier
            .handle(Event::Stream(batch.clone()), &none)
            .await
            .unwrap();
        assert!(handed.failed.is_empty());
    }
    let how = Receive {
        limit: 10,
        visibility: None,
        wait: Default::default(),
    };
    let messages = queues.receive(&queue, how).await.unwrap();
    assert_eq!(messages.len(), 1);
    // Twice, as queues may: nobody is told again.
    for _ in 0..2 {
        let batch = QueueBatch {
            queue: queue.clone(),
            messages: messages.clone(),
        };
        let done = notifier.handle(Event::Queue(batch), &none).await.unwrap();
        assert!(done.failed.is_empty());
    }
    let job = JobId::new(About::Announcement, &id);
    let job = notifier.job(&job).await.unwrap().unwrap();
    assert_eq!(
        (job.done, job.published, job.told, job.failed),
        (true, true, 2, 0)
    );
    assert_eq!(queues.depth(&dead).await.unwrap().visible, 0);
}
