//! The local user pool: sign-in with PKCE, tokens that verify, keys that last.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use identity::{KeyRing, Pool, Refusal, TokenUse, Verifier};
use local::pool::{AppClient, Person, UserPool};
use local::{Limits, SteppedClock, Store};
use model::Time;
use serde_json::Value;
use tower::ServiceExt;

const ISSUER: &str = "http://127.0.0.1:5000/pool";
const BACK: &str = "http://127.0.0.1:5000/svc/announcement/";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct World {
    folder: tempfile::TempDir,
    clock: Arc<SteppedClock>,
    store: Store,
    pool: Arc<UserPool>,
}

async fn pool(store: &Store, clock: &Arc<SteppedClock>) -> Arc<UserPool> {
    let clients = vec![AppClient {
        id: "announcement".into(),
        redirects: vec![BACK.into()],
    }];
    UserPool::open(
        Arc::new(store.tables()),
        clock.clone(),
        ISSUER.into(),
        clients,
    )
    .await
    .unwrap()
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SteppedClock::new(Time::from_secs(1_767_600_000)));
        let store = Store::open(folder.path(), clock.clone(), Limits::default()).unwrap();
        let pool = pool(&store, &clock).await;
        World {
            folder,
            clock,
            store,
            pool,
        }
    }

    fn router(&self) -> Router {
        local::pool::router(self.pool.clone())
    }

    fn ring(&self) -> KeyRing {
        let verifier = Verifier::new(Pool::new(ISSUER, "announcement"));
        KeyRing::new(verifier, self.pool.clone(), self.clock.clone())
    }

    async fn get(&self, path: &str) -> (StatusCode, String, String) {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn post(&self, path: &str, form: &str) -> (StatusCode, String, String) {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// Status, `Location` and body.
    async fn send(&self, request: Request<Body>) -> (StatusCode, String, String) {
        let response = self.router().oneshot(request).await.unwrap();
        let status = response.status();
        let location = response
            .headers()
            .get(header::LOCATION)
            .map(|l| l.to_str().unwrap().to_string())
            .unwrap_or_default();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, location, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Picks a person; answers the code.
    async fn sign_in(&self, username: &str) -> String {
        let (status, location, _) = self
            .post("/login", &format!("{}&username={username}", asked()))
            .await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        let code = location
            .strip_prefix(&format!("{BACK}?code="))
            .unwrap()
            .strip_suffix("&state=a%26b")
            .unwrap();
        code.to_string()
    }

    async fn exchange(&self, code: &str, verifier: &str) -> (StatusCode, Value) {
        let form = format!(
            "grant_type=authorization_code&client_id=announcement&code={code}&redirect_uri={BACK}&code_verifier={verifier}"
        );
        let (status, _, body) = self.post("/oauth2/token", &form).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn asked() -> String {
    format!(
        "response_type=code&client_id=announcement&redirect_uri={BACK}&state=a%26b&nonce=n1&code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token.as_str().unwrap())
}

#[tokio::test]
async fn a_sign_in_with_pkce_ends_in_tokens_that_verify() {
    let world = World::new().await;
    let (status, location, _) = world.get(&format!("/oauth2/authorize?{}", asked())).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(location, format!("../login?{}", asked()));
    let (status, _, page) = world.get(&format!("/login?{}", asked())).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("paula") && page.contains("publisher"),
        "{page}"
    );

    let (status, tokens) = world
        .exchange(&world.sign_in("paula").await, VERIFIER)
        .await;
    assert_eq!(status, StatusCode::OK);
    let ring = world.ring();
    let access = ring
        .principal(Some(&bearer(&tokens["access_token"])))
        .await
        .unwrap();
    assert_eq!(access.username, "paula");
    assert!(access.is_in("publisher"));
    let id = ring
        .principal(Some(&bearer(&tokens["id_token"])))
        .await
        .unwrap();
    assert_eq!(id.email.as_deref(), Some("paula@example.org"));
    assert_eq!(id.subject, access.subject);
    // The nonce comes back in the id token (OpenID Connect Core, 2).
    let claims = tokens["id_token"]
        .as_str()
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&claims).unwrap()["nonce"],
        "n1"
    );
    world.clock.advance_by(Duration::from_secs(3_661));
    let late = ring.principal(Some(&bearer(&tokens["access_token"]))).await;
    assert_eq!(late.unwrap_err(), Refusal::Expired);
}

#[tokio::test]
async fn a_code_counts_once_for_five_minutes_and_for_whoever_asked() {
    let world = World::new().await;
    let refused = |got: (StatusCode, Value)| {
        assert_eq!(got.0, StatusCode::BAD_REQUEST);
        assert_eq!(got.1["error"], "invalid_grant");
    };
    let code = world.sign_in("paula").await;
    assert_eq!(world.exchange(&code, VERIFIER).await.0, StatusCode::OK);
    refused(world.exchange(&code, VERIFIER).await);
    // A wrong verifier spends the code.
    let code = world.sign_in("paula").await;
    refused(world.exchange(&code, "another").await);
    refused(world.exchange(&code, VERIFIER).await);
    let code = world.sign_in("paula").await;
    world.clock.advance_by(Duration::from_secs(300));
    refused(world.exchange(&code, VERIFIER).await);
    refused(world.exchange("made-up", VERIFIER).await);
    let (status, _, body) = world.post("/oauth2/token", "grant_type=password").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("unsupported_grant_type"));
}

#[tokio::test]
async fn nobody_is_sent_where_the_client_may_not_lead() {
    let world = World::new().await;
    let changed = |from: &str, to: &str| asked().replace(from, to);
    let cases = [
        changed("client_id=announcement", "client_id=other"),
        changed(BACK, "https://evil.example/"),
        changed(BACK, "http://127.0.0.1:5000.evil.example/svc/announcement/"),
        changed(BACK, "http://127.0.0.1:5000/svc/announcement.evil/"),
        changed("response_type=code", "response_type=token"),
        changed("S256", "plain"),
        changed(CHALLENGE, "short"),
        String::new(),
    ];
    for query in cases {
        let (status, location, _) = world.get(&format!("/login?{query}")).await;
        assert_eq!(
            (status, location.as_str()),
            (StatusCode::BAD_REQUEST, ""),
            "{query}"
        );
        let (status, location, _) = world.post("/login", &format!("{query}&username=ada")).await;
        assert_eq!(
            (status, location.as_str()),
            (StatusCode::BAD_REQUEST, ""),
            "{query}"
        );
    }
    let (status, _, _) = world
        .post("/login", &format!("{}&username=root", asked()))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, location, _) = world
        .get(&format!("/logout?client_id=announcement&logout_uri={BACK}"))
        .await;
    assert_eq!((status, location.as_str()), (StatusCode::SEE_OTHER, BACK));
    let (status, _, _) = world
        .get("/logout?client_id=announcement&logout_uri=https://evil.example/")
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_strangers_put_into_the_address_shows_as_text() {
    let world = World::new().await;
    let query = asked().replace(
        "state=a%26b",
        "state=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    );
    let (status, _, page) = world.get(&format!("/login?{query}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script"), "{page}");
}

#[tokio::test]
async fn tokens_outlive_a_restart_and_one_rotation() {
    let world = World::new().await;
    let ada = &Person::shipped()[0];
    let token = async |pool: &UserPool| {
        let token = pool.issue(ada, "announcement", TokenUse::Access).await;
        format!("Bearer {}", token.unwrap())
    };
    let first = token(&world.pool).await;
    let World {
        folder,
        clock,
        store,
        pool: old,
    } = world;
    drop(old);
    store.close().await.unwrap();
    let store = Store::open(folder.path(), clock.clone(), Limits::default()).unwrap();
    let pool = pool(&store, &clock).await;
    let world = World {
        folder,
        clock,
        store,
        pool,
    };
    let ring = world.ring();
    assert!(ring.principal(Some(&first)).await.unwrap().is_in("admin"));
    world.pool.rotate().await.unwrap();
    let second = token(&world.pool).await;
    world.clock.advance_by(Duration::from_secs(31));
    assert!(ring.principal(Some(&second)).await.is_ok());
    assert!(ring.principal(Some(&first)).await.is_ok());
    world.pool.rotate().await.unwrap();
    let third = token(&world.pool).await;
    world.clock.advance_by(Duration::from_secs(31));
    assert!(ring.principal(Some(&third)).await.is_ok());
    assert_eq!(
        ring.principal(Some(&first)).await.unwrap_err(),
        Refusal::UnknownKey
    );
}
