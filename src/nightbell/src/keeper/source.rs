//! The task `source`: looks whether the files changed; when they did, `reconcile` runs, and the half
//! that receives and responds begins anew.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use sha2::{Digest, Sha256};

use super::Keeper;
use crate::tasks::{Report, Task};

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(5);

/// The task.
pub struct Watch {
    keeper: Arc<Keeper>,
    seen: Mutex<Option<[u8; 32]>>,
}

impl Watch {
    /// Has not looked yet.
    pub fn new(keeper: Arc<Keeper>) -> Watch {
        Watch {
            keeper,
            seen: Mutex::default(),
        }
    }
}

#[async_trait]
impl Task for Watch {
    fn name(&self) -> &'static str {
        "source"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let config = self.keeper.config.clone();
        let (mut hash, remote) = tokio::task::spawn_blocking(move || fingerprint(&config)).await?;
        // What is in S3 is told apart by time and size; its content is read when it is applied.
        let objects = &*self.keeper.cloud.objects;
        for (key, modified, size) in crate::files::remote_facts(&remote, objects).await? {
            hash.update((key.len() as u64).to_le_bytes());
            hash.update(key.as_bytes());
            hash.update(modified.millis().to_le_bytes());
            hash.update(size.to_le_bytes());
        }
        let print: [u8; 32] = hash.finalize().into();
        let before = super::lock(&self.seen).replace(print);
        let changed = before.is_some_and(|before| before != print);
        if changed {
            self.keeper.poke.poke();
            self.keeper.changes.send_modify(|times| *times += 1);
        }
        Ok(Report {
            summary: match changed {
                true => "the files changed".into(),
                false => "the files are as they were".into(),
            },
            wake: now + PERIOD,
        })
    }
}

/// Of everything that the project reads on this machine, and where the rest is.
pub(crate) fn fingerprint(config: &Path) -> (Sha256, Vec<(&'static str, String)>) {
    let read = crate::files::read(config);
    let mut hash = Sha256::new();
    for (path, content) in read.files.iter() {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path.as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    (hash, read.remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_file_changes_the_fingerprint_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "nightbell.yaml",
            "estate: demo\nregion: us-east-1\nservices: {}\n",
        );
        write("alarms/a.yaml", "alarms: []\n");
        for empty in ["dashboards", "runbooks"] {
            std::fs::create_dir_all(folder.path().join(empty)).unwrap();
        }
        let print = || {
            let (hash, remote) = fingerprint(&folder.path().join("nightbell.yaml"));
            assert!(remote.is_empty());
            hash.finalize()
        };
        let first = print();
        write("alarms/a.yaml", "alarms: []\n");
        assert_eq!(print(), first);
        write("alarms/a.yaml", "alarms: [] \n");
        let second = print();
        assert_ne!(second, first);
        write("alarms/b.yaml", "");
        assert_ne!(print(), second);
        std::fs::remove_file(folder.path().join("alarms/b.yaml")).unwrap();
        assert_eq!(print(), second);
    }
}
