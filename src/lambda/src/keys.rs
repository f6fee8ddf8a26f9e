//! The public keys of a user pool, over HTTPS.

use std::time::Duration;

use async_trait::async_trait;
use identity::KeySource;
use serde_json::Value;

/// A pool's `/.well-known/jwks.json`. [`identity::KeyRing`] says when it is asked.
pub struct HttpKeys {
    client: reqwest::Client,
    url: String,
}

/// A key set has two keys; what is longer is none.
const LONGEST: usize = 64 * 1024;

impl HttpKeys {
    /// Of the pool of this issuer. Makes no request.
    ///
    /// # Errors
    /// When the machine has no certificates to check the pool's by.
    pub fn new(issuer: &str) -> Result<HttpKeys, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        Ok(HttpKeys {
            client,
            url: format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
        })
    }
}

#[async_trait]
impl KeySource for HttpKeys {
    async fn fetch(&self) -> Result<Value, String> {
        let told = |e: reqwest::Error| format!("get {}: {e}", self.url);
        let answer = self.client.get(&self.url).send().await.map_err(told)?;
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
        let told = HttpKeys::new(&issuer).unwrap().fetch().await;
        server.abort();
        told
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
