//! Who gets in, as whom, and who does not.

use super::*;

#[test]
fn reading_is_a_viewers_and_the_worst_an_administrators() {
    let check = |method: Method, path: &str, expect: Role| {
        assert_eq!(needed(&method, path), expect, "{method} {path}");
    };
    check(Method::GET, "/alarms", Role::Viewer);
    check(Method::GET, "/live", Role::Viewer);
    check(Method::POST, "/api/v1/metrics/query", Role::Viewer);
    check(Method::POST, "/api/v1/incidents/INC-1/ack", Role::Responder);
    check(Method::POST, "/incidents/INC-1/ack", Role::Responder);
    check(Method::DELETE, "/api/v1/silences/SIL-1", Role::Responder);
    check(Method::POST, "/api/v1/alarms/a/state", Role::Admin);
    check(Method::POST, "/faults", Role::Admin);
    check(Method::DELETE, "/api/v1/faults", Role::Admin);
    check(Method::GET, "/api/v1/tokens", Role::Admin);
    check(Method::POST, "/api/v1/tokens", Role::Admin);
    assert!(Role::Viewer < Role::Responder && Role::Responder < Role::Admin);
}

#[test]
fn a_token_is_read_from_the_header_or_the_cookie() {
    let check = |headers: &[(&'static str, &str)], expect: Option<(&str, bool)>| {
        let map: HeaderMap = headers
            .iter()
            .map(|(n, v)| (header::HeaderName::from_static(n), v.parse().unwrap()))
            .collect();
        assert_eq!(shown(&map), expect, "{headers:?}");
    };
    check(&[], None);
    check(&[("authorization", "Bearer nb_x")], Some(("nb_x", true)));
    check(&[("authorization", "bearer  nb_x ")], Some(("nb_x", true)));
    check(&[("authorization", "Basic abc")], None);
    check(
        &[("cookie", "a=b; nightbell=nb_y; c=d")],
        Some(("nb_y", false)),
    );
    check(&[("cookie", "nightbell2=nb_y")], None);
    check(
        &[
            ("authorization", "Bearer nb_x"),
            ("cookie", "nightbell=nb_y"),
        ],
        Some(("nb_x", true)),
    );
}

/// Balancers, their keys, and a door behind one of them.
mod people {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::{from_fn_with_state, map_request};
    use axum::routing::{get, post};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use identity::PemSource;
    use local::SteppedClock;
    use model::Time;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::super::people::DATA;
    use super::*;
    use crate::http::guard::{Allowed, guard};

    const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/demo-alb/50dc6c495c0c9188";
    const NOW: i64 = 1_767_600_000;

    struct Keys(BTreeMap<String, String>);

    #[async_trait::async_trait]
    impl PemSource for Keys {
        async fn fetch(&self, id: &str) -> Result<Option<String>, String> {
            match id {
                "away" => Err("refused".into()),
                _ => Ok(self.0.get(id).cloned()),
            }
        }
    }

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Signer {
            Signer(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
        }

        fn pem(&self) -> String {
            let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
            let body = STANDARD.encode(der.as_ref());
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
        }

        fn sign(&self, head: &Value, claims: &Value) -> String {
            let text = format!(
                "{}.{}",
                URL_SAFE.encode(head.to_string()),
                URL_SAFE.encode(claims.to_string())
            );
            let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
            format!("{text}.{}", URL_SAFE.encode(signature.as_ref()))
        }

        /// Paula, in these groups.
        fn says(&self, groups: &[&str]) -> String {
            self.sign(&head(), &claims(groups))
        }
    }

    fn head() -> Value {
        json!({ "alg": "ES256", "kid": "k1", "signer": ARN, "client": "web",
            "iss": "https://login.example.org", "exp": NOW + 120 })
    }

    fn claims(groups: &[&str]) -> Value {
        json!({ "sub": "3f1e", "email": "paula@example.org", "groups": groups })
    }

    fn with(mut value: Value, name: &str, to: Value) -> Value {
        value[name] = to;
        value
    }

    fn sign_in() -> SignIn {
        SignIn {
            load_balancer: ARN.into(),
            issuer: "https://login.example.org".into(),
            client: "web".into(),
            claim: "groups".into(),
            viewer: vec!["staff".into()],
            responder: vec!["oncall".into()],
            admin: vec!["platform".into(), "root".into()],
        }
    }

    fn door(signer: &Signer, sign_in: &SignIn, open: bool) -> Router {
        let clock = Arc::new(SteppedClock::new(Time::from_secs(NOW)));
        let keys = Arc::new(Keys(BTreeMap::from([("k1".into(), signer.pem())])));
        let tokens = Arc::new(Tokens::open(None).unwrap());
        let access = Access {
            tokens,
            people: Some(Arc::new(People::new(sign_in, keys, clock.clone()))),
            open,
            limits: Arc::default(),
            clock,
        };
        let address: SocketAddr = ([0, 0, 0, 0], 5000).into();
        let allowed = Allowed::new(address, "https://bell.example.org");
        // Who acts, as the acts themselves see it.
        let who = || async { crate::acts::name("somebody else").map_err(|p| p.detail) };
        let named = |mut request: Request| async move {
            let host = HeaderValue::from_static("bell.example.org");
            request.headers_mut().insert(header::HOST, host);
            request
        };
        Router::new()
            .route("/alarms", get(who))
            .route("/silences", post(who))
            .route("/faults", post(who))
            .merge(crate::http::login(&access))
            .layer(from_fn_with_state(allowed, guard))
            .layer(from_fn_with_state(access, enter))
            .layer(map_request(named))
    }

    async fn ask(
        door: &Router,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = door.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20);
        (
            status,
            String::from_utf8(body.await.unwrap().to_vec()).unwrap(),
        )
    }

    const LOOK: (Method, &str) = (Method::GET, "/alarms");
    const WRITE: (Method, &str) = (Method::POST, "/silences");
    const BREAK: (Method, &str) = (Method::POST, "/faults");
    const OURS: (&str, &str) = ("origin", "https://bell.example.org");

    #[tokio::test]
    async fn a_person_does_what_the_highest_of_their_groups_may_and_under_their_name() {
        let signer = Signer::new();
        let door = door(&signer, &sign_in(), false);
        for (groups, statuses) in [
            (&["staff"][..], [200, 403, 403]),
            (&["staff", "oncall"], [200, 200, 403]),
            (&["root", "staff"], [200, 200, 200]),
            (&["guests"], [403, 403, 403]),
            (&[], [403, 403, 403]),
            // A name of a role is no group.
            (&["admin", "*"], [403, 403, 403]),
        ] {
            let data = signer.says(groups);
            for (what, status) in [LOOK, WRITE, BREAK].into_iter().zip(statuses) {
                let path = what.1;
                let (told, text) = ask(&door, what, &[(DATA, &data), OURS]).await;
                assert_eq!(told, status, "{groups:?} {path}: {text}");
                if status == 200 {
                    assert_eq!(text, "paula@example.org");
                } else {
                    assert!(text.contains("paula@example.org"), "{text}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_star_is_everybody_who_is_signed_in_and_nobody_else() {
        let signer = Signer::new();
        let all = SignIn {
            viewer: vec!["*".into()],
            ..sign_in()
        };
        let door = door(&signer, &all, false);
        let said = signer.says(&[]);
        assert_eq!(ask(&door, LOOK, &[(DATA, &said)]).await.0, 200);
        assert_eq!(ask(&door, WRITE, &[(DATA, &said), OURS]).await.0, 403);
        assert_eq!(ask(&door, LOOK, &[]).await.0, 303);
    }

    #[tokio::test]
    async fn what_no_balancer_of_ours_signed_opens_nothing() {
        let (signer, thief) = (Signer::new(), Signer::new());
        let root = claims(&["root"]);
        let by = |name: &str, to: Value| signer.sign(&with(head(), name, to), &root);
        let good = signer.says(&["root"]);
        for (data, status, words) in [
            // Sent past the balancer, by somebody who knows everything but the key.
            (thief.says(&["root"]), 401, "signature"),
            (
                by("signer", json!(ARN.replace("demo", "their"))),
                401,
                "another load balancer",
            ),
            (by("exp", json!(NOW - 61)), 401, "expired"),
            (by("kid", json!("k2")), 401, "names a key"),
            (by("kid", json!("away")), 503, "cannot be fetched"),
            (by("alg", json!("none")), 401, "signed by `none`"),
            (by("alg", json!("HS256")), 401, "signed by `HS256`"),
            (
                by("iss", json!("https://evil.example")),
                401,
                "another issuer",
            ),
            (by("client", json!("other")), 401, "another client"),
            (good[..good.len() - 8].to_owned(), 401, "signature"),
            ("x".into(), 401, "not what a load balancer sends"),
            (String::new(), 401, "not what a load balancer sends"),
        ] {
            // On loopback too, what is shown has to be good.
            for open in [false, true] {
                let door = door(&signer, &sign_in(), open);
                for what in [LOOK, WRITE] {
                    let (told, text) = ask(&door, what, &[(DATA, &data), OURS]).await;
                    assert_eq!(told, status, "{text}");
                    assert!(text.contains(words), "{words} in {text}");
                }
            }
        }
        let door = door(&signer, &sign_in(), false);
        let twice = [(DATA, good.as_str()), (DATA, good.as_str())];
        assert_eq!(ask(&door, LOOK, &twice).await.0, 401);
        // Without a header there is nobody; a page asks for a token, the rest says so.
        assert_eq!(ask(&door, LOOK, &[]).await.0, 303);
        assert_eq!(ask(&door, WRITE, &[OURS]).await.0, 401);
    }

    #[tokio::test]
    async fn a_page_elsewhere_cannot_write_through_somebody_who_is_signed_in() {
        let signer = Signer::new();
        let door = door(&signer, &sign_in(), false);
        let said = signer.says(&["root"]);
        let theirs = ("origin", "https://evil.example");
        for headers in [&[(DATA, said.as_str())][..], &[(DATA, &said), theirs]] {
            assert_eq!(ask(&door, WRITE, headers).await.0, 403);
        }
        assert_eq!(ask(&door, WRITE, &[(DATA, &said), OURS]).await.0, 200);
    }

    #[tokio::test]
    async fn a_key_is_fetched_where_it_is_published() {
        let signer = Signer::new();
        let pem = signer.pem();
        let keys = Router::new()
            .route("/k1", get(move || async move { pem }))
            .route("/gone", get(|| async { StatusCode::FORBIDDEN }))
            .route("/ill", get(|| async { StatusCode::BAD_GATEWAY }))
            .route("/long", get(|| async { "x".repeat(5_000) }))
            .route("/away", get(|| async { Redirect::to("/k1") }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, keys).await });
        let published = Published::new(at).unwrap();
        let fetched = published.fetch("k1").await.unwrap().unwrap();
        assert!(identity::BalancerKey::of_pem(&fetched).is_some());
        for none in ["gone", "nowhere"] {
            assert_eq!(published.fetch(none).await, Ok(None), "{none}");
        }
        for (id, words) in [("ill", "502"), ("long", "longer than"), ("away", "303")] {
            let why = published.fetch(id).await.unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn a_cookie_that_began_over_tls_never_goes_out_without() {
        let signer = Signer::new();
        let clock = Arc::new(SteppedClock::new(Time::from_secs(NOW)));
        let tokens = Arc::new(Tokens::open(None).unwrap());
        let day = std::time::Duration::from_secs(86_400);
        let made = tokens.create("me", Role::Viewer, day, clock.now()).unwrap();
        let keys = Arc::new(Keys(BTreeMap::from([("k1".into(), signer.pem())])));
        let access = Access {
            tokens,
            people: Some(Arc::new(People::new(&sign_in(), keys, clock.clone()))),
            open: false,
            limits: Arc::default(),
            clock,
        };
        let door = crate::http::login(&access);
        for (proto, secure) in [
            (None, false),
            (Some("http"), false),
            (Some("http, https"), false),
            (Some("https"), true),
            (Some("HTTPS, http"), true),
        ] {
            let kind = "application/x-www-form-urlencoded";
            let mut request = Request::builder().method("POST").uri("/login");
            request = request.header("content-type", kind);
            if let Some(proto) = proto {
                request = request.header("x-forwarded-proto", proto);
            }
            let body = Body::from(format!("token={}", made.secret));
            let answer = door
                .clone()
                .oneshot(request.body(body).unwrap())
                .await
                .unwrap();
            let cookie = answer.headers()["set-cookie"].to_str().unwrap();
            assert_eq!(cookie.ends_with("; Secure"), secure, "{proto:?}: {cookie}");
        }
    }
}
