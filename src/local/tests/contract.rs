//! Every adapter of the local store keeps the contract of its port, without a gap.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::sync::Arc;

use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::contract::{self, Capabilities, Run, Table};

struct Kept {
    // Removed with everything in it when the test ends.
    _dir: tempfile::TempDir,
    store: Store,
    run: Run,
}

fn kept() -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let now = Time::parse("2026-01-05T08:00:30Z").unwrap();
    let clock = Arc::new(SteppedClock::new(now));
    let store = Store::open(dir.path(), clock, Limits::default()).unwrap();
    Kept {
        _dir: dir,
        store,
        run: Run::new("local", now, Capabilities::all()),
    }
}

#[tokio::test]
async fn tables_keep_the_contract_of_documents() {
    let kept = kept();
    let table = Table {
        name: "demo-visitors".into(),
        key: "pk".into(),
    };
    contract::documents(&kept.store.tables(), &table, &kept.run).await;
}

#[tokio::test]
async fn the_metric_store_keeps_the_contract_of_metrics() {
    let kept = kept();
    contract::metrics(&kept.store.metrics(), &kept.run).await;
}

#[tokio::test]
async fn log_groups_keep_the_contract_of_logs() {
    let kept = kept();
    contract::logs(&kept.store.logs(), &kept.run).await;
}

#[tokio::test]
async fn segments_keep_the_contract_of_traces() {
    let kept = kept();
    contract::traces(&kept.store.traces(), &kept.run).await;
}

#[tokio::test]
async fn alarm_states_keep_the_contract_of_alarms() {
    let kept = kept();
    contract::alarms(&kept.store.alarms(), &kept.run).await;
}

#[tokio::test]
async fn the_ledger_keeps_the_contract_of_the_journal() {
    let kept = kept();
    contract::journal(&kept.store.journal(), &kept.run).await;
}

#[tokio::test]
async fn the_mailbox_keeps_the_contract_of_topics() {
    let kept = kept();
    let topic = "arn:aws:sns:us-east-1:000000000000:demo-oncall";
    contract::topics(&kept.store.mailbox(), topic, &kept.run).await;
}

#[tokio::test]
async fn tables_keep_the_contract_of_items() {
    let kept = kept();
    let tables = kept.store.tables();
    let spec = contract::items_table(&kept.run);
    tables.define(&spec).await.unwrap();
    contract::items(&tables, &kept.run).await;
    let table = Table {
        name: spec.name,
        key: spec.key,
    };
    contract::documents(&tables, &table, &kept.run).await;
}

#[tokio::test]
async fn buckets_keep_the_contract_of_objects() {
    let kept = kept();
    contract::objects(&kept.store.objects(), "demo-images", &kept.run).await;
}

#[tokio::test]
async fn queues_keep_the_contract_of_queues() {
    let kept = kept();
    let queues = kept.store.queues();
    for spec in contract::queue_specs(&kept.run) {
        queues.define(&spec).await.unwrap();
    }
    contract::queues(&queues, &kept.run).await;
}

#[tokio::test]
async fn environment_and_file_keep_the_contract_of_secrets() {
    let kept = kept();
    let environment = local::LocalSecrets::with(kept.store.dir(), |name| {
        (name == "NIGHTBELL_SECRET_X_API").then(|| "from the environment".into())
    });
    contract::secrets(&environment, "x/api", "from the environment", &kept.run).await;
    let file = kept.store.dir().join(local::secrets::FILE);
    std::fs::write(&file, r#"{"x/api": "from the file"}"#).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let secrets = local::LocalSecrets::with(kept.store.dir(), |_| None);
    contract::secrets(&secrets, "x/api", "from the file", &kept.run).await;
    contract::secrets(&environment, "x/api", "from the environment", &kept.run).await;
}

#[tokio::test]
async fn the_mailbox_keeps_the_contract_of_mail_and_texts() {
    let kept = kept();
    let mailbox = kept.store.mailbox();
    contract::mail(&mailbox, "Ivent <events@example.org>", &kept.run).await;
    contract::texts(&mailbox, &kept.run).await;
}

#[tokio::test]
async fn subscriptions_keep_their_contract() {
    let kept = kept();
    let topic = "arn:aws:sns:us-east-1:000000000000:demo-events";
    contract::subscriptions(&kept.store.subscriptions(), topic, &kept.run).await;
}

#[tokio::test]
async fn leases_in_memory_keep_the_contract_of_leases() {
    contract::leases(&local::Leases::default(), &kept().run).await;
}
