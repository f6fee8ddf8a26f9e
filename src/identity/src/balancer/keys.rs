//! The balancers' public keys: each fetched when it is first named, kept, and not asked for again
//! and again because somebody names keys that there are not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::Clock;

use super::{Balancer, BalancerKey, Denial, Person};

/// Keys older than this are fetched again before they are trusted.
const FRESH: Duration = Duration::from_secs(6 * 3600);
/// When they cannot be fetched, old keys go on working this long.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// A region has few keys at a time.
const KEYS: usize = 16;
/// What could not be had is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// As many requests within [`ASK_AGAIN`]: names of keys cost their sender nothing.
const ASKED_AT_MOST: usize = 8;

/// Where a key comes from.
#[async_trait]
pub trait PemSource: Send + Sync {
    /// The key of this id in PEM; `None` when there is no such key.
    ///
    /// # Errors
    /// In words, for a log line.
    async fn fetch(&self, id: &str) -> Result<Option<String>, String>;
}

/// The way in for people whom a balancer signed in.
pub struct Entrance {
    balancer: Balancer,
    source: Arc<dyn PemSource>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    /// One fetches at a time; whoever has a key that is held does not wait for it.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: BTreeMap<String, (BalancerKey, Time)>,
    /// Which were asked for lately, and whether there was no such key.
    asked: VecDeque<(String, Time, bool)>,
}

impl Entrance {
    /// Without keys yet; the first person fetches one.
    pub fn new(balancer: Balancer, source: Arc<dyn PemSource>, clock: Arc<dyn Clock>) -> Entrance {
        Entrance {
            balancer,
            source,
            clock,
            held: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Who the balancer says it is, by the value of `x-amzn-oidc-data`.
    ///
    /// # Errors
    /// The first rule that does not hold; `KeysUnavailable` when the key cannot be fetched and is
    /// not held.
    pub async fn person(&self, data: &str) -> Result<Person, Denial> {
        let id = self.balancer.key_id(data)?;
        let now = self.clock.now();
        let key = self.key(&id, now).await?;
        self.balancer.verify(data, &key, now)
    }

    async fn key(&self, id: &str, now: Time) -> Result<BalancerKey, Denial> {
        if let Some(key) = self.held().fresh(id, now) {
            return Ok(key);
        }
        let _turn = self.fetching.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(key) = self.held().fresh(id, now) {
            return Ok(key);
        }
        if let Some(answer) = self.held().not_again(id, now) {
            return answer;
        }
        let fetched = self.source.fetch(id).await;
        self.held().take(
            id,
            fetched.map(|pem| pem.as_deref().and_then(BalancerKey::of_pem)),
            now,
        )
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn within(&self, id: &str, now: Time, age: Duration) -> Option<BalancerKey> {
        let (key, fetched) = self.keys.get(id)?;
        (now.since(*fetched) < age).then(|| key.clone())
    }

    fn fresh(&self, id: &str, now: Time) -> Option<BalancerKey> {
        self.within(id, now, FRESH)
    }

    /// The answer without asking, where this key or too many were asked for lately.
    fn not_again(&mut self, id: &str, now: Time) -> Option<Result<BalancerKey, Denial>> {
        self.asked.retain(|(_, at, _)| now.since(*at) < ASK_AGAIN);
        let this = self.asked.iter().rev().find(|(asked, ..)| asked == id);
        let none = match this {
            Some((.., none)) => *none,
            None if self.asked.len() >= ASKED_AT_MOST => false,
            None => return None,
        };
        let denial = match none {
            true => Denial::UnknownKey,
            false => Denial::KeysUnavailable,
        };
        Some(self.within(id, now, STALE).ok_or(denial))
    }

    fn take(
        &mut self,
        id: &str,
        fetched: Result<Option<BalancerKey>, String>,
        now: Time,
    ) -> Result<BalancerKey, Denial> {
        match fetched {
            Ok(Some(key)) => {
                self.keys.insert(id.to_owned(), (key.clone(), now));
                while self.keys.len() > KEYS {
                    let oldest = self.keys.iter().min_by_key(|(_, (_, at))| *at);
                    let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                        break;
                    };
                    self.keys.remove(&oldest);
                }
                Ok(key)
            }
            Ok(None) => {
                // One that was taken back stops counting.
                self.keys.remove(id);
                self.asked.push_back((id.to_owned(), now, true));
                Err(Denial::UnknownKey)
            }
            Err(_) => {
                self.asked.push_back((id.to_owned(), now, false));
                self.within(id, now, STALE).ok_or(Denial::KeysUnavailable)
            }
        }
    }
}
