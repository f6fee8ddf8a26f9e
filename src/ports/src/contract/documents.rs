//! Documents keep items and count.

use serde_json::json;

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Document, Documents, Key, Kind};

/// The table that the suite may write to: it exists, and its partition key is a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The name of its key.
    pub key: String,
}

/// The contract of [`Documents`].
pub async fn documents(port: &dyn Documents, table: &Table, run: &Run) {
    let on = On { port, table, run };
    let mut report = Report::new("documents", run);
    report
        .case(Case::AddStartsFromNothing, add_starts_from_nothing(&on))
        .await;
    report.case(Case::AddGoesDown, add_goes_down(&on)).await;
    report.case(Case::AddIsAtomic, add_is_atomic(&on)).await;
    report
        .case(Case::AddKeepsTheRest, add_keeps_the_rest(&on))
        .await;
    report
        .case(Case::AddToTextIsInvalid, add_to_text_is_invalid(&on))
        .await;
    report
        .case(Case::ItemsAreReadBackWhole, items_are_read_back_whole(&on))
        .await;
    report.case(Case::PutReplaces, put_replaces(&on)).await;
    report
        .case(Case::PutOnlyIfAbsent, put_only_if_absent(&on))
        .await;
    report.case(Case::DeleteForgets, delete_forgets(&on)).await;
    report
        .case(Case::UnknownItemIsNone, unknown_item_is_none(&on))
        .await;
    report
        .case(Case::EmptyKeyIsInvalid, empty_key_is_invalid(&on))
        .await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Documents,
    table: &'a Table,
    run: &'a Run,
}

impl On<'_> {
    fn key(&self, what: &str) -> Key {
        Key {
            attribute: self.table.key.clone(),
            value: self.run.name(what),
        }
    }

    async fn add(&self, key: &Key, attribute: &str, by: i64) -> Result<i64, String> {
        done(
            "add",
            self.port.add(&self.table.name, key, attribute, by).await,
        )
    }

    async fn put(&self, key: &Key, item: &Document) -> Outcome {
        done(
            "put",
            self.port.put(&self.table.name, key, item, false).await,
        )
    }

    async fn get(&self, key: &Key) -> Result<Option<Document>, String> {
        done("get", self.port.get(&self.table.name, key).await)
    }
}

fn item(value: serde_json::Value) -> Document {
    value.as_object().cloned().unwrap_or_default()
}

async fn add_starts_from_nothing(on: &On<'_>) -> Outcome {
    let key = on.key("add");
    same("first add", on.add(&key, "visits", 1).await?, 1)?;
    same("second add", on.add(&key, "visits", 4).await?, 5)?;
    same("another attribute", on.add(&key, "clicks", 2).await?, 2)?;
    let want = item(json!({"visits": 5, "clicks": 2}));
    same("item", on.get(&key).await?, Some(want))
}

async fn add_goes_down(on: &On<'_>) -> Outcome {
    let key = on.key("down");
    same("add", on.add(&key, "n", -3).await?, -3)?;
    same("add of nothing", on.add(&key, "n", 0).await?, -3)
}

async fn add_is_atomic(on: &On<'_>) -> Outcome {
    let key = on.key("atomic");
    let adds = (0..20).map(|_| on.add(&key, "n", 1));
    let mut answers = futures::future::try_join_all(adds).await?;
    answers.sort_unstable();
    same("answers", answers, (1..=20).collect())
}

async fn add_keeps_the_rest(on: &On<'_>) -> Outcome {
    let key = on.key("rest");
    on.put(&key, &item(json!({"name": "home", "n": 5}))).await?;
    same("add", on.add(&key, "n", 2).await?, 7)?;
    let want = item(json!({"name": "home", "n": 7}));
    same("item", on.get(&key).await?, Some(want))?;
    on.put(&key, &item(json!({"n": 40}))).await?;
    same("add after put", on.add(&key, "n", 2).await?, 42)
}

async fn add_to_text_is_invalid(on: &On<'_>) -> Outcome {
    let key = on.key("text");
    let before = item(json!({"n": "seven"}));
    on.put(&key, &before).await?;
    let answer = on.port.add(&on.table.name, &key, "n", 1).await;
    fails("add", answer, Kind::Invalid)?;
    same("item", on.get(&key).await?, Some(before))
}

async fn items_are_read_back_whole(on: &On<'_>) -> Outcome {
    let key = on.key("whole");
    let whole = item(json!({
        "text": "line\nbreak, \"quotes\", ü",
        "largest": 9_007_199_254_740_992_i64,
        "small": -0.125,
        "yes": true,
        "nothing": null,
        "list": [1, "two", [3], {"four": 4}],
        "map": {"a": {"b": []}},
    }));
    on.put(&key, &whole).await?;
    same("item", on.get(&key).await?, Some(whole))
}

async fn put_replaces(on: &On<'_>) -> Outcome {
    let key = on.key("replace");
    on.add(&key, "n", 1).await?;
    on.put(&key, &item(json!({"a": 1, "b": 2}))).await?;
    let second = item(json!({"b": 3}));
    on.put(&key, &second).await?;
    same("item", on.get(&key).await?, Some(second))
}

async fn put_only_if_absent(on: &On<'_>) -> Outcome {
    let key = on.key("absent");
    let (first, second) = (item(json!({"by": "first"})), item(json!({"by": "second"})));
    let table = &on.table.name;
    done("first put", on.port.put(table, &key, &first, true).await)?;
    let answer = on.port.put(table, &key, &second, true).await;
    fails("second put", answer, Kind::Conflict)?;
    same("item", on.get(&key).await?, Some(first))
}

async fn delete_forgets(on: &On<'_>) -> Outcome {
    let key = on.key("delete");
    on.add(&key, "n", 9).await?;
    done("delete", on.port.delete(&on.table.name, &key).await)?;
    same("item", on.get(&key).await?, None)?;
    done("second delete", on.port.delete(&on.table.name, &key).await)?;
    same("add after delete", on.add(&key, "n", 1).await?, 1)
}

async fn unknown_item_is_none(on: &On<'_>) -> Outcome {
    same("item", on.get(&on.key("unknown")).await?, None)
}

async fn empty_key_is_invalid(on: &On<'_>) -> Outcome {
    let key = Key {
        value: String::new(),
        ..on.key("")
    };
    let table = &on.table.name;
    fails("add", on.port.add(table, &key, "n", 1).await, Kind::Invalid)?;
    let answer = on.port.put(table, &key, &Document::new(), false).await;
    fails("put", answer, Kind::Invalid)
}
