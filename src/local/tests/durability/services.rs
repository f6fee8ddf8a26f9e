//! The same for what services stand on: queues, objects and items.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use local::Store;
use ports::{
    Change, Documents, Items, Key, NewMessage, NewObject, Objects, QueueSpec, Queues, Receive,
    Write,
};

use super::say;

const QUEUE: &str = "work";
const BUCKET: &str = "images";

// ---- the child

pub async fn spawn(store: &Store, from: &str) {
    define(store).await;
    tokio::spawn(send(store.clone(), from.to_owned()));
    tokio::spawn(consume(store.clone()));
    tokio::spawn(keep(store.clone(), from.to_owned()));
    tokio::spawn(move_about(store.clone()));
}

async fn define(store: &Store) {
    let spec = QueueSpec {
        name: QUEUE.into(),
        visibility: Duration::from_secs(600),
        retention: Duration::from_secs(86_400),
        redrive: None,
    };
    store.queues().define(&spec).await.unwrap();
}

async fn send(store: Store, from: String) {
    for n in 0.. {
        let body = format!("{from}-{n}");
        say(&format!("try send {body}"));
        let message = NewMessage {
            body: body.clone(),
            ..NewMessage::default()
        };
        store.queues().send(QUEUE, &message).await.unwrap();
        say(&format!("ok send {body}"));
    }
}

/// Leaves every third message hidden, as a consumer does that dies.
async fn consume(store: Store) {
    let queues = store.queues();
    let how = Receive {
        limit: 3,
        visibility: None,
        wait: Duration::from_secs(20),
    };
    loop {
        for message in queues.receive(QUEUE, how).await.unwrap().iter().take(2) {
            say(&format!("try take {}", message.body));
            queues.delete(QUEUE, &message.receipt).await.unwrap();
            say(&format!("ok take {}", message.body));
        }
    }
}

/// Small ones stand in the database, large ones in files; each is replaced once.
async fn keep(store: Store, from: String) {
    for n in 0.. {
        let key = format!("{from}-{}", n / 2);
        say(&format!("try object {key}"));
        store.objects().put(&object(&key)).await.unwrap();
        say(&format!("ok object {key}"));
    }
}

fn object(key: &str) -> NewObject {
    let size = if key.ends_with(['0', '2', '4']) {
        90_000
    } else {
        900
    };
    NewObject {
        bucket: BUCKET.into(),
        key: key.into(),
        body: key.bytes().cycle().take(size).collect(),
        content_type: "image/png".into(),
        cache_control: None,
        metadata: BTreeMap::new(),
        only_if_absent: false,
    }
}

async fn move_about(store: Store) {
    let tables = store.tables();
    loop {
        say("try move 1");
        let write = |account: &str, by: i64| Write::Update {
            table: "accounts".into(),
            key: account_key(account),
            change: Change {
                add: [("n".to_owned(), by)].into(),
                ..Change::default()
            },
            condition: None,
        };
        tables
            .transact(&[write("a", -1), write("b", 1)])
            .await
            .unwrap();
        say("ok move 1");
    }
}

fn account_key(account: &str) -> Key {
    Key {
        attribute: "id".into(),
        value: account.into(),
    }
}

// ---- the parent

#[derive(Default)]
pub struct Said {
    tried_sends: BTreeSet<String>,
    sends: BTreeSet<String>,
    tried_takes: BTreeSet<String>,
    takes: BTreeSet<String>,
    tried_objects: BTreeSet<String>,
    objects: BTreeSet<String>,
    tried_moves: i64,
    moves: i64,
}

impl Said {
    pub fn hear(&mut self, words: &[&str]) -> bool {
        let ["@", how, what, name] = words else {
            return false;
        };
        let set = match (*how, *what) {
            ("try", "send") => &mut self.tried_sends,
            ("ok", "send") => &mut self.sends,
            ("try", "take") => &mut self.tried_takes,
            ("ok", "take") => &mut self.takes,
            ("try", "object") => &mut self.tried_objects,
            ("ok", "object") => &mut self.objects,
            ("try", "move") => {
                self.tried_moves += 1;
                return true;
            }
            ("ok", "move") => {
                self.moves += 1;
                return true;
            }
            _ => return false,
        };
        set.insert((*name).to_owned());
        true
    }

    pub async fn compare(&mut self, store: &Store, when: &str) {
        self.compare_messages(store, when).await;
        self.compare_objects(store, when).await;
        let tables = store.tables();
        let mut values = Vec::new();
        for account in ["a", "b"] {
            let item = tables.get("accounts", &account_key(account)).await.unwrap();
            values.push(item.map_or(0, |i| i["n"].as_i64().unwrap()));
        }
        assert_eq!(values[0] + values[1], 0, "{when}: half of a transaction");
        assert!(
            (self.moves..=self.tried_moves).contains(&values[1]),
            "{when}: {} moves after {} of {}",
            values[1],
            self.moves,
            self.tried_moves
        );
    }

    /// Everything that is still in the queue is looked at and deleted, hidden or not.
    async fn compare_messages(&mut self, store: &Store, when: &str) {
        let file = store.dir().join("nightbell.db");
        let conn = rusqlite::Connection::open(file).unwrap();
        let there: Vec<String> = conn
            .prepare("SELECT body FROM messages WHERE queue = ?1")
            .unwrap()
            .query_map([QUEUE], |r| r.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let once: BTreeSet<String> = there.iter().cloned().collect();
        assert_eq!(once.len(), there.len(), "{when}: a message is there twice");
        assert!(
            once.is_subset(&self.tried_sends),
            "{when}: an unknown message"
        );
        for body in self.sends.difference(&self.tried_takes) {
            assert!(once.contains(body), "{when}: message {body} is lost");
        }
        let back = once.intersection(&self.takes).next();
        assert_eq!(back, None, "{when}: a deleted message is back");
    }

    async fn compare_objects(&self, store: &Store, when: &str) {
        let objects = store.objects();
        let mut files = 0;
        for key in &self.tried_objects {
            let want = object(key).body;
            let found = objects.get(BUCKET, key, 1 << 20).await.unwrap();
            match found {
                Some(found) => {
                    assert_eq!(found.body, want, "{when}: object {key} is not whole");
                    files += usize::from(want.len() > 65_536);
                }
                None => assert!(!self.objects.contains(key), "{when}: object {key} is lost"),
            }
        }
        let folders = std::fs::read_dir(store.dir().join("objects"));
        let there = folders.map_or(0, |folders| {
            let folders = folders.map(|f| f.unwrap().path());
            folders.map(|f| std::fs::read_dir(f).unwrap().count()).sum()
        });
        assert_eq!(there, files, "{when}: files that no object has");
    }
}
