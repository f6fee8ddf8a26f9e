//! What a load balancer says of a person: good, and wrong in every way.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use identity::{Balancer, BalancerKey, Denial, Entrance, PemSource, Person};
use model::Time;
use ports::Clock;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/demo-alb/50dc6c495c0c9188";
const ISSUER: &str = "https://login.example.org";
const KID: &str = "8e4b6f5a-7b64-4a4e-a4b8-5d3c3b1d2f11";
const NOW: i64 = 1_767_600_000;

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Signer {
        Signer(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// As AWS answers: SubjectPublicKeyInfo in lines of 64 characters.
    fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    fn key(&self) -> BalancerKey {
        BalancerKey::of_pem(&self.pem()).unwrap()
    }

    /// With the padding that a balancer writes and signs.
    fn sign(&self, head: &Value, claims: &Value) -> String {
        self.sign_text(&format!(
            "{}.{}",
            URL_SAFE.encode(head.to_string()),
            URL_SAFE.encode(claims.to_string())
        ))
    }

    fn sign_text(&self, text: &str) -> String {
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE.encode(signature.as_ref()))
    }
}

fn head() -> Value {
    json!({ "typ": "JWT", "kid": KID, "alg": "ES256", "iss": ISSUER, "client": "web",
        "signer": ARN, "exp": NOW + 120 })
}

fn claims() -> Value {
    json!({ "sub": "3f1e", "email": "paula@example.org", "email_verified": "true",
        "groups": ["oncall", "web"], "exp": NOW + 120, "iss": ISSUER })
}

fn with(mut value: Value, name: &str, to: Value) -> Value {
    value[name] = to;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

fn balancer() -> Balancer {
    Balancer::new(ARN, ISSUER, "web")
}

fn verify(signer: &Signer, head: &Value, claims: &Value) -> Result<Person, Denial> {
    let data = signer.sign(head, claims);
    balancer().verify(&data, &signer.key(), Time::from_secs(NOW))
}

#[test]
fn a_good_header_tells_who_it_is_with_padding_and_without() {
    let signer = Signer::new();
    // Texts of every length modulo three, so that each kind of padding is met.
    for tail in ["", "x", "xx", "xxx"] {
        let claims = with(claims(), "given_name", json!(tail));
        let person = verify(&signer, &head(), &claims).unwrap();
        assert_eq!(person.subject, "3f1e");
        assert_eq!(person.name, "paula@example.org");
        assert_eq!(person.groups, ["oncall", "web"]);
        assert_eq!(person.expires, Time::from_secs(NOW + 120));
    }
    let plain = signer.sign_text(&format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head().to_string()),
        URL_SAFE_NO_PAD.encode(claims().to_string())
    ));
    let plain = plain.trim_end_matches('=');
    let now = Time::from_secs(NOW);
    assert!(balancer().verify(plain, &signer.key(), now).is_ok());
}

#[test]
fn what_is_signed_is_the_text_with_its_padding() {
    let signer = Signer::new();
    let claims = with(claims(), "sub", json!("3f1e2"));
    let data = signer.sign(&head(), &claims);
    let (signed, signature) = data.rsplit_once('.').unwrap();
    assert!(signed.contains('='), "{signed}");
    let stripped = format!("{}.{signature}", signed.replace('=', ""));
    let told = balancer().verify(&stripped, &signer.key(), Time::from_secs(NOW));
    assert_eq!(told.unwrap_err(), Denial::Signature);
}

#[test]
fn each_word_of_the_head_that_is_wrong_refuses() {
    let signer = Signer::new();
    let other = ARN.replace("demo-alb", "their-alb");
    for (head, expected) in [
        (with(head(), "signer", json!(other)), Denial::Signer),
        (
            with(head(), "signer", json!(format!("{ARN}0"))),
            Denial::Signer,
        ),
        (without(head(), "signer"), Denial::Signer),
        (
            with(head(), "iss", json!("https://evil.example")),
            Denial::Issuer,
        ),
        (
            with(head(), "iss", json!(format!("{ISSUER}/"))),
            Denial::Issuer,
        ),
        (without(head(), "iss"), Denial::Issuer),
        (with(head(), "client", json!("another")), Denial::Client),
        (without(head(), "client"), Denial::Client),
        (with(head(), "exp", json!(NOW - 60)), Denial::Expired),
        (without(head(), "exp"), Denial::Malformed),
        (with(head(), "exp", json!("never")), Denial::Malformed),
        (with(head(), "kid", json!("../../x")), Denial::Malformed),
        (
            with(head(), "kid", json!("a".repeat(65))),
            Denial::Malformed,
        ),
        (with(head(), "kid", json!("")), Denial::Malformed),
        (without(head(), "kid"), Denial::Malformed),
        (with(head(), "crit", json!(["b64"])), Denial::Malformed),
    ] {
        let told = verify(&signer, &head, &claims());
        assert_eq!(told.unwrap_err(), expected, "{head}");
    }
}

#[test]
fn each_claim_that_is_wrong_refuses() {
    let signer = Signer::new();
    for (claims, expected) in [
        (
            with(claims(), "iss", json!("https://evil.example")),
            Denial::Issuer,
        ),
        (with(claims(), "exp", json!(NOW - 60)), Denial::Expired),
        (with(claims(), "exp", json!("soon")), Denial::Malformed),
        (without(claims(), "sub"), Denial::Malformed),
        (with(claims(), "sub", json!("")), Denial::Malformed),
        (json!([]), Denial::Malformed),
    ] {
        let told = verify(&signer, &head(), &claims);
        assert_eq!(told.unwrap_err(), expected, "{claims}");
    }
    // They are not there with every issuer.
    let few = without(without(claims(), "iss"), "exp");
    assert!(verify(&signer, &head(), &few).is_ok());
}

#[test]
fn a_header_cannot_choose_how_it_is_verified() {
    let signer = Signer::new();
    let now = Time::from_secs(NOW);
    let refused = |data: &str| balancer().verify(data, &signer.key(), now).unwrap_err();
    let body = URL_SAFE.encode(claims().to_string());
    for alg in ["none", "None", "HS256", "RS256", "ES384"] {
        let head = URL_SAFE.encode(with(head(), "alg", json!(alg)).to_string());
        for tail in ["", ".AAAA"] {
            let data = format!("{head}.{body}{tail}");
            let expected = match tail {
                "" => Denial::Malformed,
                _ => Denial::Algorithm(alg.into()),
            };
            assert_eq!(refused(&data), expected, "{alg}");
        }
        assert_eq!(
            refused(&format!("{head}.{body}.")),
            Denial::Algorithm(alg.into())
        );
    }
    // HMAC with the public key as its secret, under the name that we accept.
    let signed = format!("{}.{body}", URL_SAFE.encode(head().to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, signer.pem().as_bytes());
    let tag = URL_SAFE.encode(hmac::sign(&key, signed.as_bytes()));
    assert_eq!(refused(&format!("{signed}.{tag}")), Denial::Signature);
    // No signature, an empty one, and the all-zero one of CVE-2022-21449.
    for zeros in [0, 32, 64] {
        let zero = URL_SAFE.encode(vec![0u8; zeros]);
        assert_eq!(refused(&format!("{signed}.{zero}")), Denial::Signature);
    }
    // Whoever comes past the balancer has a key of their own, and it is not looked at.
    let thief = Signer::new();
    let brought = with(head(), "jwk", json!({ "kty": "EC" }));
    assert_eq!(refused(&thief.sign(&brought, &claims())), Denial::Signature);
    // What was changed after signing.
    let data = signer.sign(&head(), &claims());
    let [first, _, last] = data.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let admin = URL_SAFE.encode(with(claims(), "groups", json!(["admin"])).to_string());
    assert_eq!(
        refused(&format!("{first}.{admin}.{last}")),
        Denial::Signature
    );
    for text in ["", ".", "..", "a.b.c", "a.b.c.d", &"a".repeat(20_000)] {
        assert_eq!(refused(text), Denial::Malformed, "{text}");
    }
}

#[test]
fn clocks_may_differ_by_the_leeway_and_no_more() {
    let signer = Signer::new();
    let data = signer.sign(&head(), &claims());
    let at = |t: i64| balancer().verify(&data, &signer.key(), Time::from_secs(t));
    assert!(at(NOW + 179).is_ok());
    assert_eq!(at(NOW + 180).unwrap_err(), Denial::Expired);
}

#[test]
fn an_address_that_nobody_proved_admits_nobody() {
    let signer = Signer::new();
    let by_mail = Balancer {
        claim: "email".into(),
        ..balancer()
    };
    let check = |claims: Value, name: &str, groups: &[&str]| {
        let data = signer.sign(&head(), &claims);
        let person = by_mail
            .verify(&data, &signer.key(), Time::from_secs(NOW))
            .unwrap();
        assert_eq!(person.name, name, "{claims}");
        assert_eq!(person.groups, groups, "{claims}");
    };
    check(claims(), "paula@example.org", &["paula@example.org"]);
    check(
        without(claims(), "email_verified"),
        "paula@example.org",
        &["paula@example.org"],
    );
    for doubt in [json!(false), json!("false"), json!(0)] {
        check(with(claims(), "email_verified", doubt), "3f1e", &[]);
    }
    let named = with(without(claims(), "email"), "name", json!("Paula\n[31m"));
    check(named, "Paula[31m", &[]);
}

#[test]
fn only_a_point_of_the_right_curve_is_a_key() {
    let signer = Signer::new();
    let pem = signer.pem();
    assert!(BalancerKey::of_pem(&pem.replace('\n', "\r\n")).is_some());
    let rsa = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        STANDARD.encode([0x30; 91])
    );
    let short = pem.replacen('M', "", 1);
    for text in ["", "<Error>AccessDenied</Error>", &rsa, &short] {
        assert_eq!(BalancerKey::of_pem(text), None, "{text}");
    }
}

#[test]
fn the_keys_stand_in_the_balancers_region() {
    let check = |arn: &str, expect: Option<&str>| {
        let at = Balancer::new(arn, ISSUER, "web").keys_at();
        assert_eq!(at.as_deref(), expect, "{arn}");
    };
    let end = "123456789012:loadbalancer/app/demo/50dc";
    check(
        ARN,
        Some("https://public-keys.auth.elb.eu-central-1.amazonaws.com/"),
    );
    check(
        &format!("arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:{end}"),
        Some("https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/"),
    );
    check(
        &format!("arn:aws-cn:elasticloadbalancing:cn-north-1:{end}"),
        Some("https://s3.cn-north-1.amazonaws.com.cn/aws-elb-public-keys-prod-cn-north-1/"),
    );
    check(
        &format!("arn:aws:elasticloadbalancing:evil.example/:{end}"),
        None,
    );
    check(&ARN.replace("/app/", "/net/"), None);
    check("arn:aws:lambda:eu-central-1:123456789012:function:f", None);
    check("", None);
}

#[derive(Default)]
struct Source {
    keys: Mutex<BTreeMap<String, String>>,
    away: Mutex<bool>,
    fetched: AtomicUsize,
}

#[async_trait]
impl PemSource for Source {
    async fn fetch(&self, id: &str) -> Result<Option<String>, String> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        match *self.away.lock().unwrap() {
            true => Err("refused".into()),
            false => Ok(self.keys.lock().unwrap().get(id).cloned()),
        }
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
    entrance: Entrance,
    source: Arc<Source>,
    clock: Arc<Stepped>,
}

impl World {
    fn new() -> World {
        let source = Arc::new(Source::default());
        let clock = Arc::new(Stepped(Mutex::new(Time::from_secs(NOW))));
        World {
            entrance: Entrance::new(balancer(), source.clone(), clock.clone()),
            source,
            clock,
        }
    }

    fn publish(&self, id: &str, signer: &Signer) {
        self.source
            .keys
            .lock()
            .unwrap()
            .insert(id.into(), signer.pem());
    }

    fn step(&self, seconds: u64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = *now + Duration::from_secs(seconds);
    }

    async fn enter(&self, id: &str, signer: &Signer) -> Result<String, Denial> {
        let end = json!(self.clock.now().secs() + 120);
        let head = with(with(head(), "kid", json!(id)), "exp", end.clone());
        let data = signer.sign(&head, &with(claims(), "exp", end));
        self.entrance.person(&data).await.map(|p| p.name)
    }

    fn fetched(&self) -> usize {
        self.source.fetched.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_key_is_fetched_once_and_again_when_it_is_old() {
    let signer = Signer::new();
    let world = World::new();
    world.publish("k1", &signer);
    for _ in 0..3 {
        assert_eq!(
            world.enter("k1", &signer).await.unwrap(),
            "paula@example.org"
        );
    }
    assert_eq!(world.fetched(), 1);
    let next = Signer::new();
    world.publish("k2", &next);
    assert!(world.enter("k2", &next).await.is_ok());
    assert_eq!(world.fetched(), 2);
    // A key is the one that its id names, whoever else signs well.
    assert_eq!(
        world.enter("k1", &next).await.unwrap_err(),
        Denial::Signature
    );
    // One that was taken back stops counting.
    world.source.keys.lock().unwrap().remove("k1");
    world.step(6 * 3600);
    assert_eq!(
        world.enter("k1", &signer).await.unwrap_err(),
        Denial::UnknownKey
    );
}

#[tokio::test]
async fn names_of_keys_that_there_are_not_do_not_make_us_ask_again_and_again() {
    let (known, stranger) = (Signer::new(), Signer::new());
    let world = World::new();
    world.publish("known", &known);
    assert!(world.enter("known", &known).await.is_ok());
    for _ in 0..5 {
        world.step(1);
        assert_eq!(
            world.enter("strange", &stranger).await.unwrap_err(),
            Denial::UnknownKey
        );
    }
    assert_eq!(world.fetched(), 2);
    for i in 0..50 {
        assert!(world.enter(&format!("k-{i}"), &stranger).await.is_err());
    }
    assert!(world.fetched() <= 9, "{}", world.fetched());
    // Who has a key that is held is not kept out by that.
    assert!(world.enter("known", &known).await.is_ok());
    world.step(31);
    assert_eq!(
        world.enter("strange", &stranger).await.unwrap_err(),
        Denial::UnknownKey
    );
    // A stranger's balancer makes us fetch nothing at all.
    let before = world.fetched();
    let head = with(
        head(),
        "signer",
        json!("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/x/1"),
    );
    let data = stranger.sign(&with(head, "kid", json!("new")), &claims());
    assert_eq!(
        world.entrance.person(&data).await.unwrap_err(),
        Denial::Signer
    );
    assert_eq!(world.fetched(), before);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_lock_nobody_out_for_a_day() {
    let signer = Signer::new();
    let world = World::new();
    world.publish("k1", &signer);
    assert!(world.enter("k1", &signer).await.is_ok());
    *world.source.away.lock().unwrap() = true;
    world.step(8 * 3600);
    assert!(world.enter("k1", &signer).await.is_ok());
    assert_eq!(
        world.enter("k2", &signer).await.unwrap_err(),
        Denial::KeysUnavailable
    );
    world.step(17 * 3600);
    assert_eq!(
        world.enter("k1", &signer).await.unwrap_err(),
        Denial::KeysUnavailable
    );
    *world.source.away.lock().unwrap() = false;
    world.step(31);
    assert!(world.enter("k1", &signer).await.is_ok());
}
