//! Tokens good and bad, and keys that come and go.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use identity::{KeyRing, KeySource, Pool, PublicKey, Refusal, TokenUse, Verifier, bearer};
use model::Time;
use ports::Clock;
use serde_json::{Value, json};

const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Pool";
const NOW: i64 = 1_767_600_000;

struct Signer {
    id: String,
    pair: KeyPair,
}

impl Signer {
    fn new(id: &str) -> Signer {
        Signer {
            id: id.into(),
            pair: KeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
            "n": BASE64.encode(public.modulus().big_endian_without_leading_zero()),
            "e": BASE64.encode(public.exponent().big_endian_without_leading_zero()) })
    }

    fn public(&self) -> PublicKey {
        PublicKey::of_set(&json!({ "keys": [self.jwk()] })).remove(0)
    }

    fn sign_as(&self, head: &Value, claims: &Value, how: &'static dyn RsaEncoding) -> String {
        let signed = format!(
            "{}.{}",
            BASE64.encode(head.to_string()),
            BASE64.encode(claims.to_string())
        );
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(how, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }

    fn sign(&self, claims: &Value) -> String {
        let head = json!({ "alg": "RS256", "kid": self.id });
        self.sign_as(&head, claims, &RSA_PKCS1_SHA256)
    }
}

fn access() -> Value {
    json!({ "sub": "3f1e", "iss": ISSUER, "client_id": "web", "token_use": "access",
        "username": "paula", "cognito:groups": ["publisher"], "scope": "openid email",
        "iat": NOW - 10, "exp": NOW + 3_590 })
}

fn id() -> Value {
    json!({ "sub": "3f1e", "iss": ISSUER, "aud": "web", "token_use": "id",
        "cognito:username": "paula", "email": "paula@example.org", "cognito:groups": ["publisher"],
        "iat": NOW - 10, "exp": NOW + 3_590 })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn verifier() -> Verifier {
    Verifier::new(Pool::new(ISSUER, "web"))
}

#[test]
fn a_good_token_tells_who_the_bearer_is() {
    let signer = Signer::new("k1");
    let now = Time::from_secs(NOW);
    let access = verifier()
        .verify(&signer.sign(&access()), &signer.public(), now)
        .unwrap();
    assert_eq!(access.subject, "3f1e");
    assert_eq!(access.username, "paula");
    assert!(access.is_in("publisher") && !access.is_in("admin"));
    assert_eq!(access.scopes, ["openid", "email"]);
    assert_eq!(access.email, None);
    let id = verifier()
        .verify(&signer.sign(&id()), &signer.public(), now)
        .unwrap();
    assert_eq!(id.email.as_deref(), Some("paula@example.org"));
    assert_eq!(id.expires, Time::from_secs(NOW + 3_590));
}

#[test]
fn each_claim_that_is_wrong_refuses() {
    let signer = Signer::new("k1");
    let cases = [
        (
            with(access(), "iss", json!("https://evil.example")),
            Refusal::Issuer,
        ),
        (
            with(access(), "iss", json!(format!("{ISSUER}/"))),
            Refusal::Issuer,
        ),
        (with(access(), "exp", json!(NOW - 61)), Refusal::Expired),
        (without(access(), "exp"), Refusal::Malformed),
        (with(access(), "exp", json!("never")), Refusal::Malformed),
        (with(access(), "nbf", json!(NOW + 61)), Refusal::NotYet),
        (with(access(), "iat", json!(NOW + 3_000)), Refusal::NotYet),
        (
            with(access(), "client_id", json!("another")),
            Refusal::Audience,
        ),
        (without(access(), "client_id"), Refusal::Audience),
        // An access token's client is `client_id`; an `aud` beside it counts for nothing.
        (
            with(without(access(), "client_id"), "aud", json!("web")),
            Refusal::Audience,
        ),
        (with(id(), "aud", json!("another")), Refusal::Audience),
        (
            with(id(), "aud", json!(["web", "another"])),
            Refusal::Audience,
        ),
        (with(access(), "token_use", json!("refresh")), Refusal::Use),
        (without(access(), "token_use"), Refusal::Malformed),
        (without(access(), "sub"), Refusal::Malformed),
        (with(access(), "sub", json!("")), Refusal::Malformed),
    ];
    for (claims, expected) in cases {
        let got = verifier().verify(
            &signer.sign(&claims),
            &signer.public(),
            Time::from_secs(NOW),
        );
        assert_eq!(got.unwrap_err(), expected, "{claims}");
    }
    let only_access = Verifier::new(Pool {
        uses: vec![TokenUse::Access],
        ..Pool::new(ISSUER, "web")
    });
    let got = only_access.verify(&signer.sign(&id()), &signer.public(), Time::from_secs(NOW));
    assert_eq!(got.unwrap_err(), Refusal::Use);
}

#[test]
fn clocks_may_differ_by_the_leeway_and_no_more() {
    let signer = Signer::new("k1");
    let token = signer.sign(&access());
    let end = NOW + 3_590;
    let at = |t: i64| verifier().verify(&token, &signer.public(), Time::from_secs(t));
    assert!(at(end + 59).is_ok());
    assert_eq!(at(end + 60).unwrap_err(), Refusal::Expired);
    assert!(at(NOW - 70).is_ok());
    assert_eq!(at(NOW - 71).unwrap_err(), Refusal::NotYet);
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    let signer = Signer::new("k1");
    let now = Time::from_secs(NOW);
    let public = signer.public();
    let refused = |token: &str| verifier().verify(token, &public, now).unwrap_err();
    let named = |alg: &str| json!({ "alg": alg, "kid": "k1" });

    // No signature at all, with and without the last dot's rest.
    let claims = BASE64.encode(access().to_string());
    for alg in ["none", "None", "NONE"] {
        let head = BASE64.encode(named(alg).to_string());
        for tail in ["", "."] {
            let token = format!("{head}.{claims}{tail}");
            assert_eq!(refused(&token), Refusal::Algorithm(alg.into()));
        }
    }
    // HS256 with the public key as its secret: the classic confusion.
    let signed = format!("{}.{claims}", BASE64.encode(named("HS256").to_string()));
    for secret in [
        public.modulus.as_bytes(),
        signer.jwk().to_string().as_bytes(),
    ] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = BASE64.encode(hmac::sign(&key, signed.as_bytes()));
        assert_eq!(
            refused(&format!("{signed}.{tag}")),
            Refusal::Algorithm("HS256".into())
        );
    }
    // The same bytes under the name that we accept.
    let signed = format!("{}.{claims}", BASE64.encode(named("RS256").to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, public.modulus.as_bytes());
    let tag = BASE64.encode(hmac::sign(&key, signed.as_bytes()));
    assert_eq!(refused(&format!("{signed}.{tag}")), Refusal::Signature);
    // A right signature by another scheme, named truly and falsely.
    let pss = signer.sign_as(&named("PS256"), &access(), &RSA_PSS_SHA256);
    assert_eq!(refused(&pss), Refusal::Algorithm("PS256".into()));
    let pss = signer.sign_as(&named("RS256"), &access(), &RSA_PSS_SHA256);
    assert_eq!(refused(&pss), Refusal::Signature);
    // Extensions that must be understood are not.
    let head = json!({ "alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": false });
    let token = signer.sign_as(&head, &access(), &RSA_PKCS1_SHA256);
    assert_eq!(refused(&token), Refusal::Malformed);
    // A key that the token brings along is not looked at.
    let thief = Signer::new("k1");
    let head =
        json!({ "alg": "RS256", "kid": "k1", "jwk": thief.jwk(), "jku": "https://evil.example" });
    let token = thief.sign_as(&head, &access(), &RSA_PKCS1_SHA256);
    assert_eq!(refused(&token), Refusal::Signature);
}

#[test]
fn what_was_changed_after_signing_and_what_is_no_token_is_refused() {
    let signer = Signer::new("k1");
    let now = Time::from_secs(NOW);
    let public = signer.public();
    let token = signer.sign(&access());
    let [head, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let admin = with(access(), "cognito:groups", json!(["admin"]));
    let forged = format!("{head}.{}.{signature}", BASE64.encode(admin.to_string()));
    assert_eq!(
        verifier().verify(&forged, &public, now).unwrap_err(),
        Refusal::Signature
    );
    let long = "a".repeat(20_000);
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        "e30.e30.",
        "e30",
        &long,
        &token[..token.len() / 3],
    ] {
        assert_eq!(
            verifier().verify(text, &public, now).unwrap_err(),
            Refusal::Malformed,
            "{text}"
        );
    }
    let nameless = signer.sign_as(&json!({ "alg": "RS256" }), &access(), &RSA_PKCS1_SHA256);
    assert_eq!(
        verifier().verify(&nameless, &public, now).unwrap_err(),
        Refusal::Malformed
    );
}

#[test]
fn a_header_holds_one_bearer_token() {
    let cases = [
        (None, Err(Refusal::Missing)),
        (Some(""), Err(Refusal::Missing)),
        (Some("Bearer"), Err(Refusal::Missing)),
        (Some("Basic YTpi"), Err(Refusal::Missing)),
        (Some("Bearer a b"), Err(Refusal::Malformed)),
        (Some("Bearer a"), Ok("a")),
        (Some("bEARER   a "), Ok("a")),
    ];
    for (header, expected) in cases {
        assert_eq!(bearer(header), expected, "{header:?}");
    }
}

struct Source {
    set: Mutex<Result<Value, String>>,
    fetched: AtomicUsize,
}

#[async_trait]
impl KeySource for Source {
    async fn fetch(&self) -> Result<Value, String> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        self.set.lock().unwrap().clone()
    }
}

struct Stepped(Mutex<Time>);

#[async_trait]
impl Clock for Stepped {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, _: Time) {
        unreachable!("nothing here waits")
    }
}

struct World {
    ring: KeyRing,
    source: Arc<Source>,
    clock: Arc<Stepped>,
}

impl World {
    fn new(signers: &[&Signer]) -> World {
        let source = Arc::new(Source {
            set: Mutex::new(Ok(json!(null))),
            fetched: AtomicUsize::new(0),
        });
        let clock = Arc::new(Stepped(Mutex::new(Time::from_secs(NOW))));
        let ring = KeyRing::new(verifier(), source.clone(), clock.clone());
        let world = World {
            ring,
            source,
            clock,
        };
        world.publish(signers);
        world
    }

    fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|s| s.jwk()).collect();
        *self.source.set.lock().unwrap() = Ok(json!({ "keys": keys }));
    }

    fn step(&self, seconds: u64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = *now + Duration::from_secs(seconds);
    }

    async fn enter(&self, signer: &Signer) -> Result<String, Refusal> {
        let now = self.clock.now().secs();
        let claims = with(with(access(), "iat", json!(now)), "exp", json!(now + 3_600));
        let header = format!("Bearer {}", signer.sign(&claims));
        self.ring.principal(Some(&header)).await.map(|p| p.username)
    }

    fn fetched(&self) -> usize {
        self.source.fetched.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_were_rotated() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::new(&[&old]);
    for _ in 0..3 {
        assert_eq!(world.enter(&old).await.unwrap(), "paula");
    }
    assert_eq!(world.fetched(), 1);
    world.publish(&[&new, &old]);
    world.step(60);
    assert_eq!(world.enter(&new).await.unwrap(), "paula");
    assert_eq!(world.enter(&old).await.unwrap(), "paula");
    assert_eq!(world.fetched(), 2);
    // A key that was taken back stops counting when the set is fetched next.
    world.publish(&[&new]);
    world.step(6 * 3600);
    assert_eq!(world.enter(&old).await.unwrap_err(), Refusal::UnknownKey);
}

#[tokio::test]
async fn tokens_with_unknown_keys_do_not_make_us_ask_again_and_again() {
    let (known, stranger) = (Signer::new("known"), Signer::new("stranger"));
    let world = World::new(&[&known]);
    assert!(world.enter(&known).await.is_ok());
    for _ in 0..5 {
        world.step(1);
        assert_eq!(
            world.enter(&stranger).await.unwrap_err(),
            Refusal::UnknownKey
        );
    }
    assert_eq!(world.fetched(), 1);
    world.step(30);
    assert_eq!(
        world.enter(&stranger).await.unwrap_err(),
        Refusal::UnknownKey
    );
    assert_eq!(world.fetched(), 2);
}

#[tokio::test]
async fn a_pool_that_is_away_locks_nobody_out_for_a_day() {
    let signer = Signer::new("k1");
    let world = World::new(&[&signer]);
    assert!(world.enter(&signer).await.is_ok());
    for away in [Err("refused".to_string()), Ok(json!({ "keys": [] }))] {
        *world.source.set.lock().unwrap() = away;
        world.step(8 * 3600);
        assert!(world.enter(&signer).await.is_ok());
    }
    world.step(9 * 3600);
    assert_eq!(
        world.enter(&signer).await.unwrap_err(),
        Refusal::KeysUnavailable
    );
    world.publish(&[&signer]);
    world.step(31);
    assert!(world.enter(&signer).await.is_ok());
}

#[tokio::test]
async fn a_group_is_needed_where_one_is_named() {
    let signer = Signer::new("k1");
    let world = World::new(&[&signer]);
    let header = format!("Bearer {}", signer.sign(&access()));
    let enter = |groups: &'static [&'static str]| world.ring.member(Some(&header), groups);
    assert!(enter(&["admin", "publisher"]).await.is_ok());
    let refusal = enter(&["admin"]).await.unwrap_err();
    assert_eq!(refusal.status(), 403);
    assert_eq!(
        refusal.to_string(),
        "this needs a member of the group `admin`"
    );
    assert_eq!(
        world.ring.member(None, &["admin"]).await.unwrap_err(),
        Refusal::Missing
    );
}

#[test]
fn a_key_set_gives_only_rsa_signature_keys() {
    let good = Signer::new("good").jwk();
    let keys = json!({ "keys": [
        good,
        with(good.clone(), "use", json!("enc")),
        with(good.clone(), "kty", json!("oct")),
        with(good.clone(), "alg", json!("RS512")),
        without(good.clone(), "kid"),
        without(good.clone(), "n"),
    ] });
    assert_eq!(PublicKey::of_set(&keys).len(), 1);
    assert_eq!(PublicKey::of_set(&json!("keys")).len(), 0);
}
