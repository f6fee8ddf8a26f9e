//! Queues, items, secrets, mail and subscriptions against scripted answers: what moto cannot give.
//!
//! The answers are written by hand after the API references. None was recorded.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

#[path = "wire/stand_in.rs"]
mod stand_in;

use std::collections::BTreeMap;
use std::time::Duration;

use aws::{Journal, Operations, S3, SecretsManager, Ses, Sns, Sqs, Tables};
use model::{Entry, IncidentId, Time};
use ports::{
    Access, Change, Condition, Documents, Endpoint, Items, Journal as _, Key, Kind, Letter, Mail,
    Objects, Operations as _, Queues, Receive, Retry, Secrets, Subscriptions, Write,
};
use serde_json::{Value, json as value};
use stand_in::{Answer, StandIn, json};

fn key() -> Key {
    Key {
        attribute: "pk".into(),
        value: "a".into(),
    }
}

/// An answer of the query protocol, which SNS speaks.
fn xml(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: &[("content-type", "text/xml")],
        body: body.into(),
    }
}

const URL: &str =
    r#"{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/demo-post-dlq"}"#;

fn dead_letters(waiting: u32) -> String {
    value!({ "Attributes": {
        "QueueArn": "arn:aws:sqs:us-east-1:000000000000:demo-post-dlq",
        "ApproximateNumberOfMessages": waiting.to_string(),
    } })
    .to_string()
}

#[tokio::test]
async fn a_redrive_moves_what_waits_at_the_given_rate() {
    let aws = StandIn::start(
        1,
        [
            json(200, URL),
            json(200, &dead_letters(7)),
            json(200, r#"{"TaskHandle":"t"}"#),
            json(200, &dead_letters(0)),
        ],
    )
    .await;
    let sqs = Sqs::new(&aws.config);
    assert_eq!(sqs.redrive("demo-post-dlq", 10).await.unwrap(), 7);
    // Nothing to move is no task; the address is known by now.
    assert_eq!(sqs.redrive("demo-post-dlq", 10).await.unwrap(), 0);
    assert_eq!(
        aws.targets(),
        [
            "GetQueueUrl",
            "GetQueueAttributes",
            "StartMessageMoveTask",
            "GetQueueAttributes"
        ]
    );
    let asked: Value = serde_json::from_str(&aws.body(2)).unwrap();
    assert_eq!(
        asked,
        value!({ "SourceArn": "arn:aws:sqs:us-east-1:000000000000:demo-post-dlq",
                 "MaxNumberOfMessagesPerSecond": 10 })
    );
    for rate in [0, 501] {
        let wrong = sqs.redrive("demo-post-dlq", rate).await.unwrap_err();
        assert_eq!(wrong.kind, Kind::Invalid);
    }
}

#[tokio::test]
async fn a_second_redrive_while_one_is_under_way_is_a_conflict() {
    let words = "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
    let refused = value!({ "__type": "com.amazonaws.sqs#InvalidParameterValue", "message": words });
    let script = [
        json(200, URL),
        json(200, &dead_letters(7)),
        json(400, &refused.to_string()),
    ];
    let aws = StandIn::start(1, script).await;
    let error = Sqs::new(&aws.config)
        .redrive("demo-post-dlq", 10)
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Conflict, Retry::Never));
}

#[tokio::test]
async fn stopping_a_redrive_cancels_the_task_that_runs_and_no_other() {
    // Only a task that runs has a handle.
    let tasks = value!({ "Results": [
        { "TaskHandle": "t", "Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 2 },
        { "Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7 },
        { "Status": "FAILED", "FailureReason": "CouldNotDetermineMessageSource" },
    ] });
    let aws = StandIn::start(
        1,
        [
            json(200, URL),
            json(200, &dead_letters(5)),
            json(200, &tasks.to_string()),
            json(200, r#"{"ApproximateNumberOfMessagesMoved":2}"#),
            json(200, &dead_letters(5)),
            json(200, "{}"),
        ],
    )
    .await;
    let sqs = Sqs::new(&aws.config);
    sqs.stop_redrive("demo-post-dlq").await.unwrap();
    // One that has ended, or never was, is no error.
    sqs.stop_redrive("demo-post-dlq").await.unwrap();
    assert_eq!(
        aws.targets(),
        [
            "GetQueueUrl",
            "GetQueueAttributes",
            "ListMessageMoveTasks",
            "CancelMessageMoveTask",
            "GetQueueAttributes",
            "ListMessageMoveTasks"
        ]
    );
    let asked: Value = serde_json::from_str(&aws.body(2)).unwrap();
    let arn = "arn:aws:sqs:us-east-1:000000000000:demo-post-dlq";
    assert_eq!(asked["SourceArn"], arn);
    let cancelled: Value = serde_json::from_str(&aws.body(3)).unwrap();
    assert_eq!(cancelled, value!({ "TaskHandle": "t" }));
}

#[tokio::test]
async fn a_redrive_that_cannot_be_stopped_is_an_error() {
    let running = r#"{"Results":[{"TaskHandle":"t","Status":"RUNNING"}]}"#;
    let denied = r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"no"}"#;
    let script = [
        json(200, URL),
        json(200, &dead_letters(5)),
        json(200, running),
        json(400, denied),
    ];
    let aws = StandIn::start(1, script).await;
    let error = Sqs::new(&aws.config).stop_redrive("demo-post-dlq").await;
    assert_eq!(error.unwrap_err().retry, Retry::Never);
}

#[tokio::test]
async fn a_long_poll_asks_for_everything_that_a_message_has() {
    let aws = StandIn::start(1, [json(200, URL), json(200, "{}")]).await;
    let how = Receive {
        limit: 10,
        visibility: Some(Duration::from_millis(1_500)),
        wait: Duration::from_secs(20),
    };
    let sqs = Sqs::new(&aws.config);
    assert_eq!(sqs.receive("demo-post", how).await.unwrap(), []);
    let asked: Value = serde_json::from_str(&aws.body(1)).unwrap();
    assert_eq!(asked["WaitTimeSeconds"], 20);
    assert_eq!(asked["VisibilityTimeout"], 2);
    assert_eq!(asked["MaxNumberOfMessages"], 10);
    assert_eq!(asked["MessageAttributeNames"], value!(["All"]));
    assert_eq!(
        asked["MessageSystemAttributeNames"],
        value!(["ApproximateReceiveCount", "SentTimestamp", "AWSTraceHeader"])
    );
}

#[tokio::test]
async fn a_conditional_write_whose_fate_is_unknown_is_not_sent_twice() {
    let broken = || json(500, r#"{"__type":"InternalServerError"}"#);
    let absent = Condition::Absent;
    let change = Change {
        set: value!({ "state": "new" }).as_object().unwrap().clone(),
        ..Change::default()
    };
    let aws = StandIn::start(
        3,
        [
            broken(),
            broken(),
            broken(),
            broken(),
            json(200, r#"{"Attributes":{}}"#),
        ],
    )
    .await;
    let tables = Tables::new(&aws.config);
    let unknown = |error: ports::Error| assert_eq!(error.kind, Kind::Unavailable);
    let key = key();
    unknown(
        tables
            .update("t", &key, &change, Some(&absent))
            .await
            .unwrap_err(),
    );
    unknown(tables.put("t", &key, &change.set, true).await.unwrap_err());
    unknown(tables.remove("t", &key, None).await.unwrap_err());
    assert_eq!(aws.targets(), ["UpdateItem", "PutItem", "DeleteItem"]);
    // What ends the same however often it is applied is tried again.
    tables.update("t", &key, &change, None).await.unwrap();
    assert_eq!(aws.targets().len(), 5);
}

#[tokio::test]
async fn adding_to_a_text_is_invalid_and_leaves_the_rest_to_dynamodb() {
    let words = "An operand in the update expression has an incorrect data type";
    let refused =
        value!({ "__type": "com.amazon.coral.validate#ValidationException", "message": words });
    let aws = StandIn::start(1, [json(400, &refused.to_string())]).await;
    let change = Change {
        set: value!({ "state": "new" }).as_object().unwrap().clone(),
        add: BTreeMap::from([("n".to_owned(), 1)]),
        ..Change::default()
    };
    let answer = Tables::new(&aws.config)
        .update("t", &key(), &change, None)
        .await;
    assert_eq!(answer.unwrap_err().kind, Kind::Invalid);
    // One request, which DynamoDB does whole or not at all.
    assert_eq!(aws.targets(), ["UpdateItem"]);
    let asked: Value = serde_json::from_str(&aws.body(0)).unwrap();
    assert_eq!(asked["UpdateExpression"], "SET #0 = :0 ADD #1 :1");
}

fn cancelled(codes: &[&str]) -> Answer {
    let reasons: Vec<_> = codes.iter().map(|code| value!({ "Code": code })).collect();
    let body = value!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled", "CancellationReasons": reasons,
    });
    json(400, &body.to_string())
}

#[tokio::test]
async fn a_transaction_that_others_were_in_the_way_of_goes_again_under_its_token() {
    let aws = StandIn::start(
        3,
        [
            cancelled(&["None", "TransactionConflict"]),
            json(200, "{}"),
            cancelled(&["ConditionalCheckFailed", "None"]),
        ],
    )
    .await;
    let tables = Tables::new(&aws.config);
    let put = |value: &str| Write::Put {
        table: "t".into(),
        key: Key {
            value: value.into(),
            ..key()
        },
        item: serde_json::Map::new(),
        condition: Some(Condition::Absent),
    };
    let writes = [put("a"), put("b")];
    tables.transact(&writes).await.unwrap();
    let token = |i: usize| -> Value {
        let body: Value = serde_json::from_str(&aws.body(i)).unwrap();
        body["ClientRequestToken"].clone()
    };
    assert!(token(0).is_string() && token(0) == token(1), "{}", token(0));
    // A condition that does not hold does not hold the next time either.
    let error = tables.transact(&writes).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Conflict, Retry::Never));
    assert_eq!(aws.targets().len(), 3);
    assert_ne!(token(2), token(0));
}

#[tokio::test]
async fn an_append_that_another_daemon_was_before_goes_behind_it() {
    let entry = Entry::Acknowledged {
        incident: IncidentId("INC-7F3K".into()),
        by: "web".into(),
        at: Time::from_secs(1),
    };
    let conflict = || json(400, r#"{"__type":"ConditionalCheckFailedException"}"#);
    let other = value!({ "Item": {
        "pk": { "S": "journal" }, "sk": { "N": "1" }, "count": { "N": "2" },
        "token": { "S": "another daemon's" }, "entries": { "S": "[]" },
    } });
    let last = value!({ "Items": [other["Item"].clone()] });
    let script = [
        conflict(),
        json(200, &other.to_string()),
        json(200, &last.to_string()),
        json(200, "{}"),
    ];
    let aws = StandIn::start(1, script).await;
    let journal = Journal::new(&aws.config, "demo-nightbell");
    assert_eq!(journal.append(&[entry]).await.unwrap(), 20_000);
    assert_eq!(aws.targets(), ["PutItem", "GetItem", "Query", "PutItem"]);
    let sent = |i: usize| -> Value { serde_json::from_str(&aws.body(i)).unwrap() };
    let number = |i: usize| sent(i)["Item"]["sk"]["N"].clone();
    assert_eq!((number(0), number(3)), (value!("1"), value!("2")));
    assert_eq!(sent(0)["Item"]["token"], sent(3)["Item"]["token"]);
}

/// The first attempt is written and its answer lost; the SDK's second meets what the first wrote.
#[tokio::test]
async fn a_journal_knows_its_own_batch_after_an_answer_was_lost() {
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Value>::new()));
    let table = kept.clone();
    let answer = move |headers: axum::http::HeaderMap, body: String| {
        let asked: Value = serde_json::from_str(&body).unwrap();
        let mut kept = table.lock().unwrap();
        let get = headers["x-amz-target"]
            .to_str()
            .unwrap()
            .ends_with(".GetItem");
        let (status, body) = match (get, kept.is_empty()) {
            (true, _) => (200, value!({ "Item": kept[0] })),
            (false, true) => {
                kept.push(asked["Item"].clone());
                (500, value!({ "__type": "InternalServerError" }))
            }
            (false, false) => (400, value!({ "__type": "ConditionalCheckFailedException" })),
        };
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        std::future::ready((status, body.to_string()))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = aws::connect(aws::Settings {
        region: Some("us-east-1".into()),
        endpoint: Some(endpoint),
        profile: None,
        keys: Some(aws::Keys {
            id: "id".into(),
            secret: "secret".into(),
        }),
        retries: Some(aws::Retries {
            attempts: 2,
            first_pause: Duration::from_millis(1),
        }),
    })
    .await;
    let entry = |by: &str| Entry::Acknowledged {
        incident: IncidentId("INC-7F3K".into()),
        by: by.into(),
        at: Time::from_secs(1),
    };
    let journal = Journal::new(&config, "demo-nightbell");
    let last = journal.append(&[entry("a"), entry("b")]).await.unwrap();
    assert_eq!(last, 10_001);
    assert_eq!(kept.lock().unwrap().len(), 1);
}

/// Nothing is asked: an address is signed here, from the time and the key alone.
#[tokio::test]
async fn a_signed_address_binds_whoever_writes_to_the_type_and_the_size() {
    let aws = StandIn::start(1, []).await;
    let s3 = S3::new(&aws.config);
    let check = async |access: Access, parts: &[&str]| {
        let minute = Duration::from_secs(60);
        let url = s3
            .sign("pictures", "a b/ü.png", &access, minute)
            .await
            .unwrap();
        for part in [
            "/pictures/a%20b/%C3%BC.png?",
            "X-Amz-Expires=60",
            "X-Amz-Signature=",
        ] {
            assert!(url.contains(part), "{part}: {url}");
        }
        for part in parts {
            assert!(url.contains(part), "{part}: {url}");
        }
    };
    check(Access::Get, &["X-Amz-SignedHeaders=host&"]).await;
    let put = Access::Put {
        content_type: "image/png".into(),
        size: 5,
    };
    let signed = "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost";
    check(put, &[signed]).await;
    assert!(aws.targets().is_empty());
}

fn secret(text: &str) -> Answer {
    json(
        200,
        &value!({ "Name": "demo/key", "SecretString": text }).to_string(),
    )
}

#[tokio::test]
async fn a_secret_is_asked_for_once_until_it_is_refused() {
    let aws = StandIn::start(1, [secret("old"), secret("new")]).await;
    let secrets = SecretsManager::new(&aws.config);
    for _ in 0..3 {
        assert_eq!(secrets.get("demo/key").await.unwrap().reveal(), "old");
    }
    assert_eq!(secrets.refresh("demo/key").await.unwrap().reveal(), "new");
    assert_eq!(secrets.get("demo/key").await.unwrap().reveal(), "new");
    assert_eq!(aws.targets().len(), 2);
    assert!(!format!("{secrets:?}").contains("new"));
}

#[tokio::test]
async fn a_sender_that_is_not_verified_is_denied() {
    let words = "Email address is not verified. The following identities failed the check in region US-EAST-1: bell@example.org";
    let body = value!({ "message": words }).to_string();
    let refused = Answer {
        status: 400,
        headers: &[
            ("content-type", "application/json"),
            ("x-amzn-errortype", "MessageRejected"),
        ],
        body: body.into(),
    };
    let aws = StandIn::start(1, [refused]).await;
    let letter = Letter {
        from: "bell@example.org".into(),
        to: "reader@example.org".into(),
        subject: "s".into(),
        text: "t".into(),
        html: None,
        headers: Vec::new(),
        attachments: Vec::new(),
        key: "k".into(),
    };
    let error = Ses::new(&aws.config).send(&letter).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Denied, Retry::Never));
    assert_eq!(
        error.to_string(),
        "send mail to @example.org: access denied"
    );
}

#[tokio::test]
async fn a_mail_address_waits_until_its_token_confirms_it() {
    let answer = |operation: &str, inner: &str| {
        xml(
            200,
            &format!(
                r#"<{operation}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><{operation}Result>{inner}</{operation}Result></{operation}Response>"#
            ),
        )
    };
    let arn = "arn:aws:sns:us-east-1:000000000000:demo:8f5f2f3c";
    let member = |arn: &str, name: &str| {
        format!(
            "<member><SubscriptionArn>{arn}</SubscriptionArn><Protocol>email</Protocol><Endpoint>{name}@example.org</Endpoint></member>"
        )
    };
    let aws = StandIn::start(
        1,
        [
            answer("Subscribe", "<SubscriptionArn>pending confirmation</SubscriptionArn>"),
            xml(400, "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>Invalid parameter: Token</Message></Error></ErrorResponse>"),
            answer("ConfirmSubscription", &format!("<SubscriptionArn>{arn}</SubscriptionArn>")),
            answer("ListSubscriptionsByTopic", &format!("<Subscriptions>{}</Subscriptions><NextToken>2</NextToken>", member("PendingConfirmation", "a"))),
            answer("ListSubscriptionsByTopic", &format!("<Subscriptions>{}</Subscriptions>", member(arn, "b"))),
            answer("GetSubscriptionAttributes", "<Attributes><entry><key>FilterPolicy</key><value>{}</value></entry></Attributes>"),
        ],
    )
    .await;
    let sns = Sns::new(&aws.config);
    let topic = "arn:aws:sns:us-east-1:000000000000:demo";
    let email = |name: &str| Endpoint::Email(format!("{name}@example.org"));
    assert_eq!(sns.subscribe(topic, &email("a"), None).await.unwrap(), None);
    let wrong = sns.confirm(topic, "no-such-token").await.unwrap_err();
    assert_eq!(wrong.kind, Kind::Invalid);
    assert_eq!(sns.confirm(topic, "token").await.unwrap(), arn);
    let all = sns.list(topic).await.unwrap();
    let told: Vec<_> = all
        .into_iter()
        .map(|s| (s.arn, s.endpoint, s.filter))
        .collect();
    assert_eq!(
        told,
        [
            (None, email("a"), None),
            (Some(arn.to_owned()), email("b"), Some("{}".to_owned())),
        ]
    );
}

/// An answer of Lambda.
fn plain(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: &[("content-type", "application/json")],
        body: body.into(),
    }
}

#[tokio::test]
async fn an_invocation_hands_over_its_payload_and_a_function_that_fails_is_an_error() {
    let script = [
        plain(200, r#"{"batchItemFailures":[]}"#),
        // A function's own failure comes with 200 and `X-Amz-Function-Error`.
        plain(
            200,
            r#"{"errorMessage":"no such job","errorType":"Lookup","stackTrace":[]}"#,
        ),
        plain(200, r#"{"errorMessage":"a word of the answer"}"#),
        Answer {
            headers: &[("x-amzn-errortype", "ResourceNotFoundException")],
            ..plain(
                404,
                r#"{"Type":"User","Message":"Function not found: absent"}"#,
            )
        },
    ];
    let aws = StandIn::start(1, script).await;
    let operations = Operations::new(&aws.config);
    let payload = value!({ "Records": [{ "messageId": "m-1" }] });
    let invoke = async |function: &str| operations.invoke(function, &payload).await;
    assert_eq!(
        invoke("fan-out").await.unwrap(),
        value!({ "batchItemFailures": [] })
    );
    assert_eq!(aws.targets(), ["invocations"]);
    let sent: Value = serde_json::from_str(&aws.body(0)).unwrap();
    assert_eq!(sent, payload);
    let failed = invoke("fan-out").await.unwrap_err();
    assert_eq!(failed.kind, Kind::Unavailable);
    assert!(failed.to_string().contains("fan-out"), "{failed}");
    let why = std::error::Error::source(&failed).map(ToString::to_string);
    let why = why.unwrap_or_else(|| failed.to_string());
    assert!(why.contains("the function failed: no such job"), "{why}");
    // What only looks like a failure is an answer.
    assert!(invoke("fan-out").await.is_ok());
    assert_eq!(invoke("absent").await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn a_limit_is_put_read_and_taken_away() {
    let script = [
        plain(200, "{}"),
        plain(200, r#"{"ReservedConcurrentExecutions":5}"#),
        plain(200, r#"{"ReservedConcurrentExecutions":5}"#),
        plain(204, ""),
        plain(
            400,
            r#"{"Type":"User","message":"decreases account's UnreservedConcurrentExecution below its minimum value of [100]."}"#,
        ),
    ];
    let aws = StandIn::start(1, script).await;
    let operations = Operations::new(&aws.config);
    assert_eq!(operations.concurrency("f").await.unwrap(), None);
    operations.set_concurrency("f", Some(5)).await.unwrap();
    let sent: Value = serde_json::from_str(&aws.body(1)).unwrap();
    assert_eq!(sent, value!({ "ReservedConcurrentExecutions": 5 }));
    assert_eq!(operations.concurrency("f").await.unwrap(), Some(5));
    operations.set_concurrency("f", None).await.unwrap();
    assert_eq!(aws.body(3), "");
    let refused = operations.set_concurrency("f", Some(999)).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind, refused.retry), (Kind::Invalid, Retry::Never));
}
