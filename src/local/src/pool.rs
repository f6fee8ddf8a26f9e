//! A user pool on this machine, which stands for Cognito's.
//!
//! It signs with RS256 keys of its own, publishes them as `/.well-known/jwks.json`, and speaks the
//! part of OAuth 2.0 that a page needs: authorization code with PKCE
//! (<https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html>,
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html>). There are no
//! passwords: whoever reaches this machine's loopback picks who to be. That is why `up` listens
//! nowhere else.

mod key;
mod web;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use identity::{KeySource, TokenUse};
use model::Time;
use ports::{Clock, Document, Documents, Error, Key, Kind, Result};
use serde_json::{Value, json};

use self::key::SigningKey;

pub use self::web::router;

/// How long a token counts, as Cognito's do by default.
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// How long an authorization code counts, as Cognito's do.
const CODE_LIFE: Duration = Duration::from_secs(300);
/// Codes that wait for their exchange; the oldest goes when there are more.
const CODES: usize = 1_000;
/// The table that holds the signing keys.
const TABLE: &str = "nightbell-user-pool";

/// Somebody that one can be in local mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their name.
    pub username: String,
    /// Their groups.
    pub groups: Vec<String>,
}

impl Person {
    /// Those who ship: one for each group, and one who may nothing.
    pub fn shipped() -> Vec<Person> {
        let person = |name: &str, groups: &[&str]| Person {
            username: name.into(),
            groups: groups.iter().map(|g| (*g).to_string()).collect(),
        };
        vec![
            person("ada", &[identity::group::ADMIN]),
            person("paula", &[identity::group::PUBLISHER]),
            person("sam", &[identity::group::SUBSCRIBER]),
            person("nobody", &[]),
        ]
    }

    /// Stable across restarts, and shaped as Cognito's.
    fn subject(&self) -> String {
        use std::fmt::Write;
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            format!("nightbell local pool/{}", self.username).as_bytes(),
        );
        let mut text = String::with_capacity(36);
        for (i, byte) in digest.as_ref().iter().take(16).enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn email(&self) -> String {
        format!("{}@example.org", self.username)
    }
}

/// What the pool is asked to issue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    person: Person,
    client: String,
    redirect: String,
    challenge: String,
    nonce: Option<String>,
    until: Time,
}

/// The pool.
pub struct UserPool {
    issuer: String,
    /// Each client with the addresses that a sign-in may lead back to, given by their beginning.
    clients: HashMap<String, Vec<String>>,
    people: Vec<Person>,
    /// The newest signs; the one before still verifies.
    keys: RwLock<Vec<SigningKey>>,
    /// Whether there is a key.
    begun: tokio::sync::Mutex<bool>,
    codes: Mutex<HashMap<String, Grant>>,
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
}

/// An app client of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppClient {
    /// Its id.
    pub id: String,
    /// How addresses begin that a sign-in may lead back to, each ending in a slash.
    pub redirects: Vec<String>,
}

impl UserPool {
    /// Opens the pool. Its first key is made when somebody first needs one: that takes a while,
    /// and most who start here never sign in.
    ///
    /// # Errors
    ///
    /// What the table answers, and `Invalid` for keys that cannot be read.
    pub async fn open(
        documents: Arc<dyn Documents>,
        clock: Arc<dyn Clock>,
        issuer: String,
        clients: Vec<AppClient>,
    ) -> Result<Arc<UserPool>> {
        let pool = UserPool {
            issuer,
            clients: clients.into_iter().map(|c| (c.id, c.redirects)).collect(),
            people: Person::shipped(),
            keys: RwLock::default(),
            begun: tokio::sync::Mutex::default(),
            codes: Mutex::default(),
            documents,
            clock,
        };
        let stored = pool.documents.get(TABLE, &keys_item()).await?;
        let keys = match stored.as_ref().and_then(|item| item.get("keys")) {
            Some(Value::Array(keys)) => keys
                .iter()
                .map(|k| SigningKey::read(k).map_err(unusable))
                .collect::<Result<Vec<_>>>()?,
            _ => Vec::new(),
        };
        *pool.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(Arc::new(pool))
    }

    /// Makes the first key if there is none.
    async fn ready(&self) -> Result<()> {
        // Held while the key is made, so that two who come at once get the same.
        let mut begun = self.begun.lock().await;
        let none = self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        if !*begun && none {
            self.rotate().await?;
        }
        *begun = true;
        Ok(())
    }

    /// `iss` of every token.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Makes a new signing key; tokens of the one before go on counting, older ones end.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn rotate(&self) -> Result<()> {
        let fresh = tokio::task::spawn_blocking(SigningKey::generate)
            .await
            .map_err(|e| unusable(e.to_string()))?
            .map_err(unusable)?;
        let mut keys = vec![fresh];
        keys.extend(
            self.keys
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .first()
                .cloned(),
        );
        let mut item = Document::new();
        item.insert("keys".into(), keys.iter().map(SigningKey::write).collect());
        self.documents
            .put(TABLE, &keys_item(), &item, false)
            .await?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The JSON Web Key Set.
    ///
    /// # Errors
    ///
    /// What the table answers when the first key is made.
    pub async fn key_set(&self) -> Result<Value> {
        self.ready().await?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Ok(json!({ "keys": keys.iter().map(SigningKey::public).collect::<Vec<_>>() }))
    }

    /// A token for somebody, valid for an hour from now.
    ///
    /// # Errors
    ///
    /// What the table answers when the first key is made.
    pub async fn issue(&self, person: &Person, client: &str, kind: TokenUse) -> Result<String> {
        self.ready().await?;
        Ok(self.token(person, client, kind, None))
    }

    /// Needs a key: [`UserPool::ready`] comes first.
    fn token(&self, person: &Person, client: &str, kind: TokenUse, nonce: Option<&str>) -> String {
        let now = self.clock.now().secs();
        let mut claims = json!({
            "sub": person.subject(),
            "iss": self.issuer,
            "token_use": kind.as_str(),
            "auth_time": now,
            "iat": now,
            "exp": now + TOKEN_LIFE.as_secs() as i64,
            "jti": random_text(16),
        });
        // Cognito leaves the claim out for somebody without groups.
        if !person.groups.is_empty() {
            claims["cognito:groups"] = json!(person.groups);
        }
        match kind {
            TokenUse::Access => {
                claims["client_id"] = json!(client);
                claims["username"] = json!(person.username);
                claims["scope"] = json!("openid email");
            }
            TokenUse::Id => {
                claims["aud"] = json!(client);
                claims["cognito:username"] = json!(person.username);
                claims["email"] = json!(person.email());
                claims["email_verified"] = json!(true);
                if let Some(nonce) = nonce {
                    claims["nonce"] = json!(nonce);
                }
            }
        }
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .first()
            .expect("every caller has made sure of a key, and the newest is never dropped")
            .sign(&claims)
    }

    fn person(&self, username: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.username == username)
    }

    /// Whether a sign-in of this client may lead back to that address.
    fn leads_back(&self, client: &str, redirect: &str) -> bool {
        // A beginning ends in a slash, so that nothing can be added to its host.
        self.clients.get(client).is_some_and(|beginnings| {
            beginnings
                .iter()
                .any(|b| b.ends_with('/') && redirect.starts_with(b.as_str()))
        }) && !redirect.contains(['\r', '\n', '#', '\\'])
    }

    fn grant(&self, grant: Grant) -> String {
        let code = random_text(24);
        let now = self.clock.now();
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, g| g.until > now);
        if codes.len() >= CODES
            && let Some(oldest) = codes
                .iter()
                .min_by_key(|(_, g)| g.until)
                .map(|(code, _)| code.clone())
        {
            codes.remove(&oldest);
        }
        codes.insert(code.clone(), grant);
        code
    }

    /// A code counts once, whatever comes of it.
    fn redeem(&self, code: &str) -> Option<Grant> {
        let now = self.clock.now();
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.remove(code).filter(|grant| grant.until > now)
    }
}

#[async_trait]
impl KeySource for UserPool {
    async fn fetch(&self) -> std::result::Result<Value, String> {
        self.key_set().await.map_err(|e| e.to_string())
    }
}

fn keys_item() -> Key {
    Key {
        attribute: "pk".into(),
        value: "signing-keys".into(),
    }
}

fn unusable(why: String) -> Error {
    Error::new("open", "the local user pool's keys", Kind::Invalid).because(why)
}

/// That many random bytes, base64url.
fn random_text(bytes: usize) -> String {
    use base64::Engine;
    let mut random = vec![0_u8; bytes];
    getrandom::fill(&mut random).expect("the system has randomness");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random)
}
