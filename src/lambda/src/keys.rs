//! The public keys of a user pool, over HTTPS.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use identity::{KeyRing, KeySource, Pool, Verifier};
use serde_json::Value;

use crate::clock::WallClock;

/// The people of a user pool, by the variables `USER_POOL_ISSUER` and `CLIENT_ID`. `None` where
/// neither is set.
///
/// # Errors
/// Which of the two is missing.
pub fn people(var: impl Fn(&str) -> Option<String>) -> Result<Option<KeyRing>, String> {
    let found = |name: &str| var(name).filter(|value| !value.is_empty());
    let (issuer, client) = match (found("USER_POOL_ISSUER"), found("CLIENT_ID")) {
        (Some(issuer), Some(client)) => (issuer, client),
        (None, None) => return Ok(None),
        (None, _) => return Err("USER_POOL_ISSUER is needed beside CLIENT_ID".into()),
        (_, None) => return Err("CLIENT_ID is needed beside USER_POOL_ISSUER".into()),
    };
    let keys = HttpKeys::new(&issuer);
    Ok(Some(KeyRing::new(
        Verifier::new(Pool::new(issuer, client)),
        Arc::new(keys),
        Arc::new(WallClock),
    )))
}

/// A pool's `/.well-known/jwks.json`. [`identity::KeyRing`] says when it is asked.
pub struct HttpKeys {
    /// Made when it is needed: it reads every certificate of the machine, and most requests show no token.
    client: OnceLock<reqwest::Client>,
    url: String,
}

/// A key set has two keys; what is longer is none.
const LONGEST: usize = 64 * 1024;

impl HttpKeys {
    /// Of the pool of this issuer. Makes no request.
    pub fn new(issuer: &str) -> HttpKeys {
        HttpKeys {
            client: OnceLock::new(),
            url: format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
        }
    }

    /// Fails when the machine has no certificates to check the pool's by.
    fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        Ok(self.client.get_or_init(|| made))
    }
}

#[async_trait]
impl KeySource for HttpKeys {
    async fn fetch(&self) -> Result<Value, String> {
        let told = |e: reqwest::Error| format!("get {}: {e}", self.url);
        let client = self.client().map_err(told)?;
        let answer = client.get(&self.url).send().await.map_err(told)?;
        let answer = answer.error_for_status().map_err(told)?;
        let body = answer.bytes().await.map_err(told)?;
        if body.len() > LONGEST {
            return Err(format!(
                "get {}: {} bytes are no key set",
                self.url,
                body.len()
            ));
        }
        serde_json::from_slice(&body).map_err(|e| format!("get {}: {e}", self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    async fn fetch(status: StatusCode, body: &'static str) -> Result<Value, String> {
        let answer = get(move || async move { (status, body) });
        let pool = Router::new().route("/pool/.well-known/jwks.json", answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/pool", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, pool).await });
        let told = HttpKeys::new(&issuer).fetch().await;
        server.abort();
        told
    }

    #[test]
    fn a_pool_is_named_whole_or_not_at_all() {
        let with = |names: &'static [&'static str]| {
            people(move |name| names.contains(&name).then(|| "https://pool".into()))
                .map(|found| found.is_some())
        };
        assert_eq!(with(&[]), Ok(false));
        assert_eq!(with(&["USER_POOL_ISSUER", "CLIENT_ID"]), Ok(true));
        for (there, missing) in [
            (&["CLIENT_ID"], "USER_POOL_ISSUER is needed"),
            (&["USER_POOL_ISSUER"], "CLIENT_ID is needed"),
        ] {
            assert!(with(there).unwrap_err().starts_with(missing));
        }
    }

    #[tokio::test]
    async fn keys_come_from_where_the_issuer_keeps_them_and_anything_else_is_said() {
        let set = fetch(StatusCode::OK, "{\"keys\":[]}").await.unwrap();
        assert_eq!(set, serde_json::json!({ "keys": [] }));
        for (status, body, why) in [
            (StatusCode::NOT_FOUND, "{}", "404"),
            (StatusCode::OK, "<html>", "jwks.json: expected value"),
        ] {
            let told = fetch(status, body).await.unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
