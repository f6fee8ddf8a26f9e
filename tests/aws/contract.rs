//! The contract suite of the ports on the AWS adapters.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Time;
use ports::contract::{self, Capabilities, Case, Run, Table};
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
