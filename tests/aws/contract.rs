//! The contract suite of the ports on the AWS adapters.

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Entry, IncidentId, Time};
use ports::contract::{self, Capabilities, Case, Run, Table};
use ports::{Journal as _, Kind, Leases as _, QueueSpec};
use serde_json::json;
use toml_edit::DocumentMut;

use crate::moto::root;
use crate::{boto, config, table};

struct Listed {
    case: Case,
    reason: String,
    double: String,
}

fn gaps() -> Vec<Listed> {
    let document: DocumentMut = include_str!("gaps.toml").parse().unwrap();
    let Some(list) = document.get("gap") else {
        return Vec::new();
    };
    let list = list.as_array_of_tables().expect("gaps are [[gap]] tables");
    list.iter()
        .map(|gap| {
            let text = |key: &str| {
                let text = gap.get(key).and_then(|v| v.as_str());
                text.unwrap_or_else(|| panic!("a gap lacks `{key}`: {:?}", gap.get("case")))
            };
            let case = text("case");
            assert!(["moto", "aws"].contains(&text("holds")), "{case}");
            // What AWS itself does not hold needs no double; what only moto lacks does.
            assert!(text("double") != "none" || text("holds") == "aws", "{case}");
            Listed {
                case: case.parse().unwrap(),
                reason: text("reason").into(),
                double: text("double").into(),
            }
        })
        .collect()
}

fn run(prefix: &str) -> Run {
    let capabilities = gaps().into_iter().fold(Capabilities::all(), |all, gap| {
        all.without(gap.case, gap.reason)
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Run::new(
        prefix,
        Time::from_millis(now.as_millis() as i64),
        capabilities,
    )
}

#[test]
fn every_gap_is_listed_once_and_its_double_exists() {
    let gaps = gaps();
    for (i, gap) in gaps.iter().enumerate() {
        assert!(
            gaps[..i].iter().all(|g| g.case != gap.case),
            "{} twice",
            gap.case
        );
        if gap.double == "none" {
            continue;
        }
        let (file, name) = gap.double.split_once("::").expect("a double is file::name");
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(
            text.contains(&format!("fn {name}(")),
            "{}: no test {}",
            gap.case,
            gap.double
        );
    }
}

#[tokio::test]
async fn dynamodb_keeps_the_contract_of_documents() {
    table("contract");
    let tables = aws::Tables::new(&config().await);
    let table = Table {
        name: "contract".into(),
        key: "pk".into(),
    };
    contract::documents(&tables, &table, &run("documents")).await;
}

#[tokio::test]
async fn cloudwatch_keeps_the_contract_of_metrics() {
    contract::metrics(&aws::CloudWatch::new(&config().await), &run("metrics")).await;
}

#[tokio::test]
async fn cloudwatch_keeps_the_contract_of_alarms() {
    contract::alarms(&aws::CloudWatch::new(&config().await), &run("alarms")).await;
}

#[tokio::test]
async fn cloudwatch_logs_keeps_the_contract_of_logs() {
    contract::logs(&aws::Logs::new(&config().await), &run("logs")).await;
}

#[tokio::test]
async fn x_ray_keeps_the_contract_of_traces() {
    contract::traces(&aws::XRay::new(&config().await), &run("traces")).await;
}

#[tokio::test]
async fn sns_keeps_the_contract_of_topics() {
    let topic = boto("sns", "create_topic", json!({ "Name": "contract" }));
    let topic = topic["TopicArn"].as_str().unwrap();
    contract::topics(&aws::Sns::new(&config().await), topic, &run("topics")).await;
}

#[tokio::test]
async fn dynamodb_keeps_the_contract_of_items() {
    let run = run("items");
    let spec = contract::items_table(&run);
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let mut attributes = vec![attribute(&spec.key)];
    let mut indexes = Vec::new();
    for index in &spec.indexes {
        attributes.extend([attribute(&index.partition), attribute(&index.sort)]);
        indexes.push(json!({
            "IndexName": index.name, "Projection": { "ProjectionType": "ALL" },
            "KeySchema": [{ "AttributeName": index.partition, "KeyType": "HASH" },
                          { "AttributeName": index.sort, "KeyType": "RANGE" }],
        }));
    }
    boto(
        "dynamodb",
        "create_table",
        json!({
            "TableName": spec.name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": spec.key, "KeyType": "HASH" }],
            "AttributeDefinitions": attributes, "GlobalSecondaryIndexes": indexes,
        }),
    );
    contract::items(&aws::Tables::new(&config().await), &run).await;
}

#[tokio::test]
async fn s3_keeps_the_contract_of_objects() {
    boto("s3", "create_bucket", json!({ "Bucket": "contract" }));
    let s3 = aws::S3::new(&config().await);
    contract::objects(&s3, "contract", &run("objects")).await;
}

/// Makes a queue as its specification says; its dead-letter queue exists.
pub fn queue(spec: &QueueSpec) {
    let mut attributes = json!({
        "VisibilityTimeout": spec.visibility.as_secs().to_string(),
        "MessageRetentionPeriod": spec.retention.as_secs().to_string(),
    });
    if let Some(redrive) = &spec.redrive {
        let arn = format!("arn:aws:sqs:us-east-1:123456789012:{}", redrive.dead_letter);
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": redrive.max_receives });
        attributes["RedrivePolicy"] = policy.to_string().into();
    }
    let name = &spec.name;
    boto(
        "sqs",
        "create_queue",
        json!({ "QueueName": name, "Attributes": attributes }),
    );
}

#[tokio::test]
async fn sqs_keeps_the_contract_of_queues() {
    let run = run("queues");
    contract::queue_specs(&run).iter().for_each(queue);
    contract::queues(&aws::Sqs::new(&config().await), &run).await;
}

#[tokio::test]
async fn secrets_manager_keeps_the_contract_of_secrets() {
    let (name, value) = ("contract/key", "not really a secret");
    let secret = json!({ "Name": name, "SecretString": value });
    boto("secretsmanager", "create_secret", secret);
    let secrets = aws::SecretsManager::new(&config().await);
    contract::secrets(&secrets, name, value, &run("secrets")).await;
}

#[tokio::test]
async fn ses_keeps_the_contract_of_mail() {
    let identity = json!({ "EmailIdentity": "bell@example.com" });
    boto("sesv2", "create_email_identity", identity);
    let ses = aws::Ses::new(&config().await);
    contract::mail(&ses, "Nightbell <bell@example.com>", &run("mail")).await;
}

#[tokio::test]
async fn sns_keeps_the_contract_of_texts_and_subscriptions() {
    let sns = aws::Sns::new(&config().await);
    contract::texts(&sns, &run("texts")).await;
    let topic = boto("sns", "create_topic", json!({ "Name": "subscribed" }));
    let topic = topic["TopicArn"].as_str().unwrap();
    contract::subscriptions(&sns, topic, &run("subscriptions")).await;
}

/// A table of the daemon's own: journal and leases.
fn ledger(name: &str) {
    let attribute =
        |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    boto(
        "dynamodb",
        "create_table",
        json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
            "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "N")],
        }),
    );
}

#[tokio::test]
async fn dynamodb_keeps_the_contract_of_the_journal() {
    ledger("journal");
    contract::journal(
        &aws::Journal::new(&config().await, "journal"),
        &run("journal"),
    )
    .await;
}

#[tokio::test]
async fn dynamodb_keeps_the_contract_of_leases() {
    ledger("leases");
    contract::leases(&aws::Leases::new(&config().await, "leases"), &run("leases")).await;
}

fn noted(by: String) -> Entry {
    Entry::Acknowledged {
        incident: IncidentId("INC-7F3K".into()),
        by,
        at: Time::from_secs(1),
    }
}

/// Eight daemons append at the same time, large and small, and none knows of the others.
#[tokio::test]
async fn many_daemons_append_to_one_journal_and_nothing_is_lost_or_doubled() {
    ledger("many-daemons");
    let config = config().await;
    let appends = (0..8).map(async |daemon| {
        let journal = aws::Journal::new(&config, "many-daemons");
        let mut last = 0;
        for n in 0..6 {
            // Every third append takes two items, which a transaction holds together.
            let long = if n % 3 == 2 { 200_000 } else { 0 };
            let entries: Vec<_> = (0..2)
                .map(|i| noted(format!("{daemon}-{n}-{i}{}", " ".repeat(long))))
                .collect();
            let sequence = journal.append(&entries).await.unwrap();
            assert!(sequence > last, "{sequence} follows {last}");
            last = sequence;
        }
    });
    futures::future::join_all(appends).await;
    let reader = aws::Journal::new(&config, "many-daemons");
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let some = reader.read(after, 7).await.unwrap();
        let Some((last, _)) = some.last() else { break };
        after = *last;
        read.extend(some.into_iter().map(|(_, entry)| entry));
    }
    // Appends do not mix, and each daemon's come in its order.
    let by: Vec<String> = read
        .iter()
        .map(|entry| match entry {
            Entry::Acknowledged { by, .. } => by.trim_end().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(by.len(), 8 * 6 * 2);
    for pair in by.chunks(2) {
        let append = pair[0].strip_suffix("-0").expect("an append begins");
        assert_eq!(pair[1], format!("{append}-1"));
    }
    for daemon in 0..8 {
        let own = by.iter().filter(|by| by.starts_with(&format!("{daemon}-")));
        let want: Vec<_> = (0..6)
            .flat_map(|n| (0..2).map(move |i| format!("{daemon}-{n}-{i}")))
            .collect();
        assert_eq!(own.cloned().collect::<Vec<_>>(), want);
    }
}

#[tokio::test]
async fn a_holder_that_lost_its_lease_appends_nothing_any_more() {
    ledger("fenced");
    let config = config().await;
    let leases = aws::Leases::new(&config, "fenced");
    let journal = aws::Journal::new(&config, "fenced");
    let now = Time::from_secs(1_767_600_000);
    let length = std::time::Duration::from_secs(15);
    let claim = async |holder: &str, now| {
        let claim = ports::Claim {
            name: "respond".into(),
            holder: holder.into(),
            now,
            length,
        };
        leases.claim(&claim).await.unwrap().granted().unwrap()
    };
    let under = |lease| ports::Precondition {
        last: None,
        lease: Some(lease),
    };
    let first = claim("a", now).await;
    let entry = [noted("a".into())];
    let last = journal.append_if(&entry, under(&first)).await.unwrap();
    let second = claim("b", now + length).await;
    let lost = journal.append_if(&entry, under(&first)).await.unwrap_err();
    assert_eq!(lost.kind, Kind::Conflict);
    let entry = [noted("b".into())];
    journal.append_if(&entry, under(&second)).await.unwrap();
    let read = journal.read(last, 10).await.unwrap();
    let read: Vec<_> = read.into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(read, entry);
}

#[tokio::test]
async fn cloudwatch_keeps_the_contract_of_the_control_plane() {
    let topic = boto("sns", "create_topic", json!({ "Name": "control-plane" }));
    let topic = topic["TopicArn"].as_str().unwrap();
    let plane = aws::ControlPlane::new(&config().await, None);
    contract::control_plane(&plane, topic, &run("control-plane")).await;
}
