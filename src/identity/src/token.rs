//! The rule: what makes a token good.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use model::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::PublicKey;

/// Longer than any token that Cognito issues; what is longer is not looked at.
const LONGEST: usize = 16 * 1024;

/// Which of the pool's two kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// For APIs; names its client as `client_id`.
    Access,
    /// About the person; names its client as `aud`.
    Id,
}

impl TokenUse {
    /// The value of the claim `token_use`.
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenUse::Access => "access",
            TokenUse::Id => "id",
        }
    }
}

/// The user pool whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// `iss`: `https://cognito-idp.REGION.amazonaws.com/POOL_ID`, without a slash at the end.
    pub issuer: String,
    /// The app clients whose tokens count; never empty, or nobody comes in.
    pub clients: Vec<String>,
    /// The kinds of token that count.
    pub uses: Vec<TokenUse>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

impl Pool {
    /// The pool of an issuer and one client: access and id tokens, a minute of leeway.
    pub fn new(issuer: impl Into<String>, client: impl Into<String>) -> Pool {
        Pool {
            issuer: issuer.into(),
            clients: vec![client.into()],
            uses: vec![TokenUse::Access, TokenUse::Id],
            leeway: Duration::from_secs(60),
        }
    }
}

/// Somebody whose token was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `sub`: never given to another person.
    pub subject: String,
    /// `username` or `cognito:username`, for people and audit lists.
    pub username: String,
    /// `email`, which only id tokens have.
    pub email: Option<String>,
    /// `cognito:groups`.
    pub groups: Vec<String>,
    /// `scope`, split; only access tokens have it.
    pub scopes: Vec<String>,
    /// The app client.
    pub client: String,
    /// When the token ends.
    pub expires: Time,
}

impl Principal {
    /// Whether the person is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// Why a token is not good. It says nothing that helps to make one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no `Authorization: Bearer ...`.
    Missing,
    /// It is not a signed token with a key id.
    Malformed,
    /// It is signed by another algorithm than RS256; `none` is one.
    Algorithm(String),
    /// The pool has no such key.
    UnknownKey,
    /// The signature is not that of the named key.
    Signature,
    /// It has ended.
    Expired,
    /// It begins later.
    NotYet,
    /// Another pool issued it.
    Issuer,
    /// It is for another client.
    Audience,
    /// It is of a kind that does not count here.
    Use,
    /// The person is in none of the groups that may do this.
    Group(String),
    /// The keys of the pool cannot be had at present.
    KeysUnavailable,
}

impl Refusal {
    /// Whether the caller is known but may not (403); all else is 401, or 503 without keys.
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::Group(_) => 403,
            Refusal::KeysUnavailable => 503,
            _ => 401,
        }
    }

    /// What stands in `WWW-Authenticate` (RFC 6750).
    pub const fn challenge(&self) -> &'static str {
        match self {
            Refusal::Missing => "Bearer",
            Refusal::Group(_) => "Bearer error=\"insufficient_scope\"",
            _ => "Bearer error=\"invalid_token\"",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing => {
                f.write_str("no bearer token; sign in and send it as `Authorization: Bearer TOKEN`")
            }
            Refusal::Malformed => f.write_str("the token is not a signed JWT with a key id"),
            Refusal::Algorithm(name) => write!(
                f,
                "the token is signed by `{}`, not by RS256",
                name.escape_debug()
            ),
            Refusal::UnknownKey => {
                f.write_str("the token is signed by a key that the user pool does not have")
            }
            Refusal::Signature => f.write_str("the token's signature is wrong"),
            Refusal::Expired => f.write_str("the token has expired; sign in again"),
            Refusal::NotYet => f.write_str("the token is not valid yet; compare the clocks"),
            Refusal::Issuer => f.write_str("another user pool issued the token"),
            Refusal::Audience => f.write_str("the token is for another app client"),
            Refusal::Use => f.write_str("this kind of token does not count here"),
            Refusal::Group(group) => write!(f, "this needs a member of the group `{group}`"),
            Refusal::KeysUnavailable => {
                f.write_str("the user pool's keys cannot be fetched; try again")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Verifies tokens of one pool.
#[derive(Debug, Clone)]
pub struct Verifier {
    pool: Pool,
}

/// The claims that decide.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    token_use: String,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    aud: Option<Value>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default, rename = "cognito:username")]
    cognito_username: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default, rename = "cognito:groups")]
    groups: Vec<String>,
    #[serde(default)]
    scope: Option<String>,
}

impl Verifier {
    /// A verifier of one pool's tokens.
    pub fn new(pool: Pool) -> Verifier {
        Verifier { pool }
    }

    /// The id of the key that a token says it was signed with.
    ///
    /// # Errors
    ///
    /// `Malformed`, or `Algorithm` when it is anything but RS256: a token must not choose how it
    /// is verified.
    pub fn key_id(token: &str) -> Result<String, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::Malformed);
        }
        // Read by hand: the library knows no `none` and would call such a token malformed.
        let (head, _) = token.split_once('.').ok_or(Refusal::Malformed)?;
        let head = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, head)
            .map_err(|_| Refusal::Malformed)?;
        let head: BTreeMap<String, Value> =
            serde_json::from_slice(&head).map_err(|_| Refusal::Malformed)?;
        let text = |name: &str| head.get(name).and_then(Value::as_str);
        match text("alg") {
            Some("RS256") => {}
            Some(other) => return Err(Refusal::Algorithm(other.chars().take(16).collect())),
            None => return Err(Refusal::Malformed),
        }
        // Extensions that must be understood (RFC 7515, 4.1.11): we understand none.
        if head.contains_key("crit") {
            return Err(Refusal::Malformed);
        }
        match text("kid") {
            Some(kid) if !kid.is_empty() => Ok(kid.to_string()),
            _ => Err(Refusal::Malformed),
        }
    }

    /// Who the bearer is, at `now`, by the key that the token names.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold, the signature before every claim.
    pub fn verify(&self, token: &str, key: &PublicKey, now: Time) -> Result<Principal, Refusal> {
        if Self::key_id(token)? != key.id {
            return Err(Refusal::UnknownKey);
        }
        let decoding = DecodingKey::from_rsa_components(&key.modulus, &key.exponent)
            .map_err(|_| Refusal::UnknownKey)?;
        let mut rules = Validation::new(Algorithm::RS256);
        // Times are judged below against `now`, the rest with words of our own.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &rules)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => Refusal::Signature,
                _ => Refusal::Malformed,
            })?
            .claims;
        self.judge(claims, now)
    }

    fn judge(&self, claims: Claims, now: Time) -> Result<Principal, Refusal> {
        let pool = &self.pool;
        let now = now.millis() as f64 / 1_000.0;
        let leeway = pool.leeway.as_secs_f64();
        if claims.iss != pool.issuer {
            return Err(Refusal::Issuer);
        }
        // No comparison with NaN holds, so these are written as what must hold.
        if !(claims.exp.is_finite() && claims.exp + leeway > now) {
            return Err(Refusal::Expired);
        }
        for begin in [claims.nbf, claims.iat].into_iter().flatten() {
            if !(begin.is_finite() && begin - leeway <= now) {
                return Err(Refusal::NotYet);
            }
        }
        let kind = pool
            .uses
            .iter()
            .find(|kind| kind.as_str() == claims.token_use)
            .ok_or(Refusal::Use)?;
        let client = match kind {
            TokenUse::Access => claims.client_id.clone(),
            TokenUse::Id => match &claims.aud {
                Some(Value::String(one)) => Some(one.clone()),
                _ => None,
            },
        }
        .filter(|client| pool.clients.contains(client))
        .ok_or(Refusal::Audience)?;
        if claims.sub.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(Principal {
            username: claims
                .username
                .or(claims.cognito_username)
                .unwrap_or_else(|| claims.sub.clone()),
            subject: claims.sub,
            email: claims.email,
            groups: claims.groups,
            scopes: claims
                .scope
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_string)
                .collect(),
            client,
            expires: Time::from_secs(claims.exp as i64),
        })
    }
}

/// The token in an `Authorization` header: the scheme in any case, one token, nothing else.
///
/// # Errors
///
/// `Missing` without a header or with another scheme, `Malformed` for anything after the token.
pub fn bearer(header: Option<&str>) -> Result<&str, Refusal> {
    let header = header.ok_or(Refusal::Missing)?.trim();
    let (scheme, token) = header.split_once(' ').ok_or(Refusal::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Missing);
    }
    let token = token.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Refusal::Malformed);
    }
    Ok(token)
}
