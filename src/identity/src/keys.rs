//! The pool's public keys: fetched once, cached, fetched again when they may have been rotated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::Clock;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::token::{Principal, Refusal, Verifier};

/// Keys older than this are fetched again before they are trusted.
const FRESH: Duration = Duration::from_secs(6 * 3600);
/// When the pool cannot be reached, old keys go on working this long.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// A token with an unknown key asks the pool again at most this often: such tokens cost their
/// sender nothing.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// A public RSA key of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `kid`.
    pub id: String,
    /// `n`, base64url.
    pub modulus: String,
    /// `e`, base64url.
    pub exponent: String,
}

impl PublicKey {
    /// The RSA signature keys of a JSON Web Key Set (RFC 7517); others are passed over.
    pub fn of_set(set: &Value) -> Vec<PublicKey> {
        let text = |key: &Value, name: &str| key.get(name)?.as_str().map(str::to_string);
        set.get("keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|key| text(key, "kty").as_deref() == Some("RSA"))
            .filter(|key| text(key, "use").is_none_or(|to| to == "sig"))
            .filter(|key| text(key, "alg").is_none_or(|alg| alg == "RS256"))
            .filter_map(|key| {
                Some(PublicKey {
                    id: text(key, "kid").filter(|id| !id.is_empty())?,
                    modulus: text(key, "n")?,
                    exponent: text(key, "e")?,
                })
            })
            .collect()
    }
}

/// Where a pool's key set comes from: its `/.well-known/jwks.json`.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The JSON Web Key Set.
    ///
    /// # Errors
    ///
    /// In words, for a log line.
    async fn fetch(&self) -> Result<Value, String>;
}

/// A pool's keys, and the verifier of its tokens.
pub struct KeyRing {
    verifier: Verifier,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: Vec<PublicKey>,
    fetched: Option<Time>,
    asked: Option<Time>,
}

impl KeyRing {
    /// A ring without keys yet; the first token fetches them.
    pub fn new(verifier: Verifier, source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> KeyRing {
        KeyRing {
            verifier,
            source,
            clock,
            held: Mutex::default(),
        }
    }

    /// Who the bearer of this `Authorization` header is.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold; `KeysUnavailable` when the pool cannot be asked and no
    /// usable keys are held.
    pub async fn principal(&self, authorization: Option<&str>) -> Result<Principal, Refusal> {
        let token = crate::token::bearer(authorization)?;
        let id = Verifier::key_id(token)?;
        let now = self.clock.now();
        let key = self.key(&id, now).await?;
        self.verifier.verify(token, &key, now)
    }

    /// The same, and in one of the groups; which one is not said when there are several.
    ///
    /// # Errors
    ///
    /// As [`KeyRing::principal`]; `Group` when the person is in none of them.
    pub async fn member(
        &self,
        authorization: Option<&str>,
        groups: &[&str],
    ) -> Result<Principal, Refusal> {
        let principal = self.principal(authorization).await?;
        if groups.iter().any(|g| principal.is_in(g)) {
            Ok(principal)
        } else {
            Err(Refusal::Group(groups.join("` or `")))
        }
    }

    async fn key(&self, id: &str, now: Time) -> Result<PublicKey, Refusal> {
        // One at a time: of many requests that miss, one fetches and the others find its keys.
        let mut held = self.held.lock().await;
        let age = |since: Option<Time>| since.map(|t| now.since(t));
        let find = |held: &Held| held.keys.iter().find(|k| k.id == id).cloned();
        let known = find(&held);
        let fresh = age(held.fetched).is_some_and(|age| age < FRESH);
        if fresh && let Some(key) = known {
            return Ok(key);
        }
        let asked_lately = age(held.asked).is_some_and(|age| age < ASK_AGAIN);
        if !asked_lately {
            held.asked = Some(now);
            if let Ok(set) = self.source.fetch().await {
                let keys = PublicKey::of_set(&set);
                // A set without keys is a failure of the pool, and no reason to lock people out.
                if !keys.is_empty() {
                    held.keys = keys;
                    held.fetched = Some(now);
                }
            }
        }
        match find(&held) {
            Some(key) if age(held.fetched).is_some_and(|age| age < STALE) => Ok(key),
            None if age(held.fetched).is_some_and(|age| age < STALE) => Err(Refusal::UnknownKey),
            _ => Err(Refusal::KeysUnavailable),
        }
    }
}
