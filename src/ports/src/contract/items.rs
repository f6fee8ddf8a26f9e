//! Items change on conditions, stand in indexes, and are written together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::items::IndexSpec;
use crate::{
    Change, Condition, Document, Item, ItemPage, Items, Key, Kind, Query, Result as PortResult,
    TableSpec, Write,
};

/// The table that [`items`] writes to; the adapter's test makes it. All three attributes are texts.
pub fn items_table(run: &Run) -> TableSpec {
    TableSpec {
        name: run.name("table"),
        key: "id".into(),
        indexes: vec![IndexSpec {
            name: "by-shelf".into(),
            partition: "shelf".into(),
            sort: "at".into(),
        }],
        expires: None,
        stream: false,
    }
}

/// The contract of [`Items`] on the table of [`items_table`].
pub async fn items(port: &dyn Items, run: &Run) {
    let on = On {
        port,
        table: items_table(run).name,
        run,
    };
    let mut report = Report::new("items", run);
    report.case(Case::UpdateChanges, update_changes(&on)).await;
    report
        .case(Case::UpdateConditions, update_conditions(&on))
        .await;
    report
        .case(Case::UpdateOfTextIsInvalid, update_of_text(&on))
        .await;
    report.case(Case::RemoveAnswers, remove_answers(&on)).await;
    report
        .case(Case::TransactAllOrNone, transact_all_or_none(&on))
        .await;
    report
        .case(Case::TransactItemTwice, transact_item_twice(&on))
        .await;
    report.case(Case::QueryInOrder, query_in_order(&on)).await;
    report.case(Case::QueryPages, query_pages(&on)).await;
    report.case(Case::IndexFollows, index_follows(&on)).await;
    report.case(Case::ScanFindsAll, scan_finds_all(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Items,
    table: String,
    run: &'a Run,
}

impl On<'_> {
    fn key(&self, what: &str) -> Key {
        Key {
            attribute: "id".into(),
            value: self.run.name(what),
        }
    }

    async fn put(&self, key: &Key, value: Value) -> Outcome {
        let item = document(value);
        done("put", self.port.put(&self.table, key, &item, false).await)
    }

    async fn holds(&self, what: &str, key: &Key, want: Option<Value>) -> Outcome {
        let got = done("get", self.port.get(&self.table, key).await)?;
        same(what, got, want.map(document))
    }

    async fn update(
        &self,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> PortResult<Document> {
        self.port.update(&self.table, key, change, condition).await
    }

    fn query(&self, shelf: &str) -> Query {
        Query {
            table: self.table.clone(),
            index: "by-shelf".into(),
            partition: Value::from(self.run.name(shelf)),
            from: None,
            to: None,
            descending: false,
            limit: 100,
            cursor: None,
        }
    }

    async fn found(&self, query: &Query) -> Result<ItemPage, String> {
        done("query", self.port.query(query).await)
    }

    /// Waits until a query answers these sort values.
    async fn answers(&self, what: &str, query: &Query, want: &[&str]) -> Outcome {
        self.run
            .eventually(async || same(what, ats(&self.found(query).await?.items), owned(want)))
            .await
    }

    async fn fill(&self, shelf: &str, ats: &[&str]) -> Outcome {
        for at in ats {
            let key = self.key(&format!("{shelf}-{at}"));
            self.put(
                &key,
                json!({"shelf": self.run.name(shelf), "at": at, "n": 1}),
            )
            .await?;
        }
        Ok(())
    }
}

fn document(value: Value) -> Document {
    value.as_object().cloned().unwrap_or_default()
}

fn ats(items: &[Item]) -> Vec<String> {
    let at = |i: &Item| i.document["at"].as_str().unwrap_or("?").to_owned();
    items.iter().map(at).collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

fn set(value: Value) -> Change {
    Change {
        set: document(value),
        ..Change::default()
    }
}

async fn update_changes(on: &On<'_>) -> Outcome {
    let key = on.key("update");
    let change = Change {
        set: document(json!({"state": "new", "list": [1, {"a": null}]})),
        remove: vec!["never-there".into()],
        add: BTreeMap::from([("n".to_owned(), 2)]),
    };
    let made = done("update nothing", on.update(&key, &change, None).await)?;
    let want = json!({"state": "new", "list": [1, {"a": null}], "n": 2});
    same("made", made, document(want.clone()))?;
    on.holds("item", &key, Some(want)).await?;
    let change = Change {
        set: document(json!({"state": "old"})),
        remove: vec!["list".into()],
        add: BTreeMap::from([("n".to_owned(), -5), ("m".to_owned(), 0)]),
    };
    let changed = done("update", on.update(&key, &change, None).await)?;
    let want = json!({"state": "old", "n": -3, "m": 0});
    same("changed", changed, document(want.clone()))?;
    on.holds("item", &key, Some(want)).await?;
    same(
        "add after update",
        done("add", on.port.add(&on.table, &key, "n", 10).await)?,
        7,
    )?;
    on.holds("item", &key, Some(json!({"state": "old", "n": 7, "m": 0})))
        .await
}

async fn update_conditions(on: &On<'_>) -> Outcome {
    let equals = |name: &str, value: Value| Condition::Equals(name.into(), value);
    let less = |name: &str, value: Value| Condition::Less(name.into(), value);
    let lacks = |name: &str| Condition::Lacks(name.into());
    // The item is {"state": "busy", "until": 50, "word": "m", "flag": null}.
    let there = [
        (Condition::Exists, true),
        (Condition::Absent, false),
        (lacks("owner"), true),
        (lacks("state"), false),
        (equals("state", json!("busy")), true),
        (equals("state", json!("idle")), false),
        (equals("owner", json!("busy")), false),
        (equals("until", json!(50)), true),
        (equals("until", json!("50")), false),
        (equals("flag", json!(null)), true),
        (less("until", json!(51)), true),
        (less("until", json!(50)), false),
        (less("until", json!(6)), false),
        (less("word", json!("n")), true),
        (less("word", json!("a")), false),
        (less("word", json!(99)), false),
        (less("owner", json!(99)), false),
        (
            Condition::All(vec![Condition::Exists, equals("until", json!(50))]),
            true,
        ),
        (
            Condition::All(vec![Condition::Exists, lacks("state")]),
            false,
        ),
        (
            Condition::Any(vec![lacks("state"), less("until", json!(60))]),
            true,
        ),
        (
            Condition::Any(vec![lacks("state"), Condition::Absent]),
            false,
        ),
    ];
    for (n, (condition, holds)) in there.into_iter().enumerate() {
        let key = on.key(&format!("condition-{n}"));
        let before = json!({"state": "busy", "until": 50, "word": "m", "flag": null});
        on.put(&key, before.clone()).await?;
        let what = format!("{condition:?}");
        let answer = on
            .update(&key, &set(json!({"done": true})), Some(&condition))
            .await;
        if holds {
            done(&what, answer)?;
        } else {
            fails(&what, answer, Kind::Conflict)?;
            on.holds(&what, &key, Some(before)).await?;
        }
    }
    let nothing = [
        (Condition::Absent, true),
        (Condition::Exists, false),
        (lacks("state"), true),
        (equals("state", json!("busy")), false),
        (
            Condition::Any(vec![Condition::Absent, Condition::Exists]),
            true,
        ),
    ];
    for (n, (condition, holds)) in nothing.into_iter().enumerate() {
        let key = on.key(&format!("nothing-{n}"));
        let what = format!("{condition:?} of nothing");
        let answer = on
            .update(&key, &set(json!({"done": true})), Some(&condition))
            .await;
        if holds {
            done(&what, answer)?;
        } else {
            fails(&what, answer, Kind::Conflict)?;
            on.holds(&what, &key, None).await?;
        }
    }
    Ok(())
}

async fn update_of_text(on: &On<'_>) -> Outcome {
    let key = on.key("text");
    on.put(&key, json!({"n": "seven"})).await?;
    let change = Change {
        set: document(json!({"state": "new"})),
        add: BTreeMap::from([("n".to_owned(), 1)]),
        ..Change::default()
    };
    fails(
        "update",
        on.update(&key, &change, None).await,
        Kind::Invalid,
    )?;
    on.holds("item", &key, Some(json!({"n": "seven"}))).await
}

async fn remove_answers(on: &On<'_>) -> Outcome {
    let key = on.key("remove");
    on.put(&key, json!({"state": "busy"})).await?;
    let idle = Condition::Equals("state".into(), json!("idle"));
    let answer = on.port.remove(&on.table, &key, Some(&idle)).await;
    fails("remove on a condition", answer, Kind::Conflict)?;
    let removed = done("remove", on.port.remove(&on.table, &key, None).await)?;
    same("removed", removed, Some(document(json!({"state": "busy"}))))?;
    on.holds("item", &key, None).await?;
    let removed = done("remove again", on.port.remove(&on.table, &key, None).await)?;
    same("removed again", removed, None)
}

async fn transact_all_or_none(on: &On<'_>) -> Outcome {
    let [a, b, c, d] = ["ta", "tb", "tc", "td"].map(|k| on.key(k));
    on.put(&c, json!({"state": "ready", "n": 1})).await?;
    on.put(&d, json!({"old": true})).await?;
    let writes = |expected: &str| {
        vec![
            Write::Put {
                table: on.table.clone(),
                key: a.clone(),
                item: document(json!({"made": 1})),
                condition: Some(Condition::Absent),
            },
            Write::Update {
                table: on.table.clone(),
                key: b.clone(),
                change: Change {
                    add: BTreeMap::from([("n".to_owned(), 3)]),
                    ..Change::default()
                },
                condition: None,
            },
            Write::Check {
                table: on.table.clone(),
                key: c.clone(),
                condition: Condition::Equals("state".into(), expected.into()),
            },
            Write::Delete {
                table: on.table.clone(),
                key: d.clone(),
                condition: Some(Condition::Exists),
            },
        ]
    };
    let answer = on.port.transact(&writes("done")).await;
    fails("a check that does not hold", answer, Kind::Conflict)?;
    on.holds("a before", &a, None).await?;
    on.holds("b before", &b, None).await?;
    on.holds("d before", &d, Some(json!({"old": true}))).await?;
    done("transact", on.port.transact(&writes("ready")).await)?;
    on.holds("a", &a, Some(json!({"made": 1}))).await?;
    on.holds("b", &b, Some(json!({"n": 3}))).await?;
    on.holds("c", &c, Some(json!({"state": "ready", "n": 1})))
        .await?;
    on.holds("d", &d, None).await?;
    let again = on.port.transact(&writes("ready")).await;
    fails("the same again", again, Kind::Conflict)
}

async fn transact_item_twice(on: &On<'_>) -> Outcome {
    let put = Write::Put {
        table: on.table.clone(),
        key: on.key("twice"),
        item: Document::new(),
        condition: None,
    };
    let answer = on.port.transact(&[put.clone(), put]).await;
    fails("an item twice", answer, Kind::Invalid)?;
    on.holds("item", &on.key("twice"), None).await
}

async fn query_in_order(on: &On<'_>) -> Outcome {
    on.fill("order", &["3", "1", "4", "2", "21"]).await?;
    on.fill("other", &["2"]).await?;
    let all = on.query("order");
    on.answers("all", &all, &["1", "2", "21", "3", "4"]).await?;
    let mut query = all.clone();
    query.descending = true;
    on.answers("descending", &query, &["4", "3", "21", "2", "1"])
        .await?;
    let mut query = all.clone();
    query.from = Some("2".into());
    on.answers("from", &query, &["2", "21", "3", "4"]).await?;
    query.to = Some("3".into());
    on.answers("from and to", &query, &["2", "21", "3"]).await?;
    query.descending = true;
    on.answers("bounds, descending", &query, &["3", "21", "2"])
        .await?;
    query.from = None;
    on.answers("to", &query, &["3", "21", "2", "1"]).await?;
    on.answers("nothing", &on.query("nowhere"), &[]).await?;
    let first = on.found(&all).await?.items.remove(0);
    same("key", first.key, on.key("order-1"))?;
    same(
        "whole item",
        first.document,
        document(json!({"shelf": on.run.name("order"), "at": "1", "n": 1})),
    )
}

async fn query_pages(on: &On<'_>) -> Outcome {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    on.fill("pages", &names).await?;
    on.answers("all", &on.query("pages"), &names).await?;
    for descending in [false, true] {
        let mut query = on.query("pages");
        query.limit = 3;
        query.descending = descending;
        let mut seen = Vec::new();
        for _ in 0..names.len() + 2 {
            let page = on.found(&query).await?;
            same("a page is too long", page.items.len() > 3, false)?;
            seen.extend(ats(&page.items));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        let mut want = owned(&names);
        if descending {
            want.reverse();
        }
        same("pages", seen, want)?;
        same("an end", query.cursor, None)?;
    }
    let mut query = on.query("pages");
    query.cursor = Some("no cursor of ours".into());
    fails(
        "a foreign cursor",
        on.port.query(&query).await,
        Kind::Invalid,
    )
}

async fn index_follows(on: &On<'_>) -> Outcome {
    on.fill("follows", &["1", "2", "3"]).await?;
    let here = on.query("follows");
    on.answers("at first", &here, &["1", "2", "3"]).await?;
    let key = on.key("follows-2");
    let moved = set(json!({"shelf": on.run.name("moved"), "at": "9"}));
    done("move", on.update(&key, &moved, None).await)?;
    on.answers("after a move", &here, &["1", "3"]).await?;
    on.answers("there", &on.query("moved"), &["9"]).await?;
    let gone = Change {
        remove: vec!["at".into()],
        ..Change::default()
    };
    done("remove its sort", on.update(&key, &gone, None).await)?;
    on.answers("without a sort", &on.query("moved"), &[])
        .await?;
    let removed = on.port.delete(&on.table, &on.key("follows-1")).await;
    done("delete", removed)?;
    on.answers("after a delete", &here, &["3"]).await
}

async fn scan_finds_all(on: &On<'_>) -> Outcome {
    let names: Vec<String> = (0..7).map(|n| format!("{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    on.fill("scan", &names).await?;
    let shelf = Value::from(on.run.name("scan"));
    on.run
        .eventually(async || {
            let (mut seen, mut cursor) = (Vec::new(), None::<String>);
            // Other cases leave fewer items than this many pages hold.
            for _ in 0..100 {
                let page = on.port.scan(&on.table, "id", 4, cursor.as_deref()).await;
                let page = done("scan", page)?;
                let ours = page
                    .items
                    .iter()
                    .filter(|i| i.document.get("shelf") == Some(&shelf));
                seen.extend(ours.map(|i| i.key.value.clone()));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            seen.sort_unstable();
            let want = names.iter().map(|n| on.run.name(&format!("scan-{n}")));
            same("found", seen, want.collect())?;
            same("an end", cursor, None)
        })
        .await
}
