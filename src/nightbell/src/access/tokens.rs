//! API tokens: made once, kept as hashes, with a role and an end.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// What a caller may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Acknowledges, resolves, notes, silences.
    Responder,
    /// Sets states, breaks things on purpose, makes tokens.
    Admin,
}

/// As runbooks name it.
impl From<Role> for model::runbook::Role {
    fn from(role: Role) -> model::runbook::Role {
        match role {
            Role::Viewer => model::runbook::Role::Viewer,
            Role::Responder => model::runbook::Role::Responder,
            Role::Admin => model::runbook::Role::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Admin => "admin",
        })
    }
}

/// A token as it is kept: nobody can make the secret of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// `tok_1f2e3d4c`
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret, in hexadecimal digits.
    hash: String,
    /// When it was made.
    pub created: Time,
    /// When it ends.
    pub expires: Time,
}

/// A token just made; the secret is shown this once.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// As it is kept.
    pub token: Token,
    /// `nb_` and 64 hexadecimal digits.
    pub secret: String,
}

/// Why a token was not made or not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was asked makes no sense; in words.
    Asked(String),
    /// There is no such token.
    Unknown,
    /// The file cannot be written; in words.
    Store(String),
}

/// All tokens, in a file of the data folder that only its owner reads.
#[derive(Debug)]
pub struct Tokens {
    /// None: they are forgotten with the process.
    path: Option<PathBuf>,
    all: Mutex<Vec<Token>>,
}

/// The longest life of a token.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// As many tokens as there can be.
const MOST: usize = 1_000;

impl Tokens {
    /// Those of a data folder; without one there are none yet, and none outlives the process.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(data: Option<&Path>) -> Result<Tokens, String> {
        let Some(path) = data.map(|folder| folder.join("tokens.json")) else {
            return Ok(Tokens {
                path: None,
                all: Mutex::default(),
            });
        };
        let all = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                format!(
                    "{} is not what it was: {e}; remove it and make tokens anew",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        Ok(Tokens {
            path: Some(path),
            all: Mutex::new(all),
        })
    }

    /// Makes one. Durable when this returns.
    ///
    /// # Errors
    /// What was asked makes no sense, or the file cannot be written.
    pub fn create(
        &self,
        name: &str,
        role: Role,
        life: Duration,
        now: Time,
    ) -> Result<Fresh, Refusal> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(Refusal::Asked(
                "a token has a name of 1 to 64 characters".into(),
            ));
        }
        if life.is_zero() || life > LONGEST {
            return Err(Refusal::Asked("a token lives for 1s to 366d".into()));
        }
        let secret = format!("nb_{}", random(32)?);
        let token = Token {
            id: format!("tok_{}", random(4)?),
            name: name.to_owned(),
            role,
            hash: hash(&secret),
            created: now,
            expires: now + life,
        };
        self.change(|all| {
            // What has ended needs no place.
            all.retain(|t| t.expires > now);
            if all.len() >= MOST {
                return Err(Refusal::Asked(format!(
                    "there are {MOST} tokens already; revoke some"
                )));
            }
            all.push(token.clone());
            Ok(())
        })?;
        Ok(Fresh { token, secret })
    }

    /// Ends one now. Durable when this returns.
    ///
    /// # Errors
    /// There is none of that id, or the file cannot be written.
    pub fn revoke(&self, id: &str) -> Result<(), Refusal> {
        self.change(|all| {
            let before = all.len();
            all.retain(|t| t.id != id);
            match all.len() < before {
                true => Ok(()),
                false => Err(Refusal::Unknown),
            }
        })
    }

    /// The token of this secret, if it is good now.
    pub fn find(&self, secret: &str, now: Time) -> Option<Token> {
        // The secret has 256 random bits: how long a comparison of hashes takes tells nothing.
        let hash = hash(secret);
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .find(|t| t.hash == hash && t.expires > now)
            .cloned()
    }

    /// Those that are good now, the newest first.
    pub fn list(&self, now: Time) -> Vec<Token> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let good = all.iter().rev().filter(|t| t.expires > now);
        good.cloned().collect()
    }

    fn change(
        &self,
        with: impl FnOnce(&mut Vec<Token>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = all.clone();
        with(&mut next)?;
        if let Some(path) = &self.path {
            write(path, &next).map_err(|error| {
                Refusal::Store(format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        *all = next;
        Ok(())
    }
}

/// All or nothing: beside it, then in its place.
fn write(path: &Path, all: &[Token]) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(all)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn hash(secret: &str) -> String {
    hexadecimal(&Sha256::digest(secret.as_bytes()))
}

fn random(bytes: usize) -> Result<String, Refusal> {
    let mut buffer = vec![0u8; bytes];
    getrandom::fill(&mut buffer)
        .map_err(|e| Refusal::Store(format!("the system gives no random bytes: {e}")))?;
    Ok(hexadecimal(&buffer))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_its_end_and_only_its_hash_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let now = Time::from_secs(1_000);
        let tokens = Tokens::open(Some(data.path())).unwrap();
        let day = Duration::from_secs(86_400);
        let fresh = tokens.create(" ci ", Role::Viewer, day, now).unwrap();
        assert_eq!((fresh.token.name.as_str(), fresh.secret.len()), ("ci", 67));
        let kept = fs::read_to_string(data.path().join("tokens.json")).unwrap();
        assert!(!kept.contains(&fresh.secret) && kept.contains(&fresh.token.hash));
        // A restart reads what was written.
        let tokens = Tokens::open(Some(data.path())).unwrap();
        assert_eq!(tokens.find(&fresh.secret, now), Some(fresh.token.clone()));
        assert_eq!(tokens.find(&fresh.secret, now + day), None);
        assert_eq!(tokens.find("nb_other", now), None);
        assert_eq!(tokens.list(now).len(), 1);
        assert_eq!(tokens.revoke("tok_none"), Err(Refusal::Unknown));
        tokens.revoke(&fresh.token.id).unwrap();
        assert_eq!(tokens.find(&fresh.secret, now), None);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(
                &fs::metadata(data.path().join("tokens.json")).unwrap(),
            );
            assert_eq!(mode & 0o077, 0, "only its owner reads it");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let data = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(Some(data.path())).unwrap();
        let now = Time::from_secs(1_000);
        let check = |name: &str, secs: u64| {
            let life = Duration::from_secs(secs);
            let refused = tokens.create(name, Role::Admin, life, now).unwrap_err();
            assert!(matches!(refused, Refusal::Asked(_)), "{refused:?}");
        };
        check("", 60);
        check("a\nb", 60);
        check(&"x".repeat(65), 60);
        check("x", 0);
        check("x", 367 * 86_400);
        fs::write(data.path().join("tokens.json"), "{").unwrap();
        assert!(
            Tokens::open(Some(data.path()))
                .unwrap_err()
                .contains("make tokens anew")
        );
    }
}
