//! The rules for messages of SNS over HTTPS, each with what it keeps out. Keys and certificates are
//! made here; the envelope has the keys of AWS's page "Verifying the signatures of Amazon SNS
//! messages" (Amazon SNS Developer Guide).
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics fails, which is what it is for"
)]

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaEncoding};
use envelope::{BODY, Certificates, Genuine, Opened, Refused, Replays, Rules, open};
use model::Time;
use serde_json::{Map, Value, json};

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:demo-oncall";
const CERTIFICATE: &str = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem";
const AT: &str = "2026-01-05T08:14:00.985Z";

fn now() -> Time {
    Time::parse("2026-01-05T08:14:02Z").unwrap()
}

fn rules() -> Rules {
    Rules {
        topics: [TOPIC.to_string()].into(),
        version_1: false,
    }
}

struct Signer {
    key: KeyPair,
    pem: String,
}

impl Signer {
    /// A key and its own certificate for these names.
    fn new(size: KeySize, name: &str, years: (i32, i32)) -> Signer {
        let (key, own) = keys(size);
        let pem = named(name, years).self_signed(&own).unwrap().pem();
        Signer { key, pem }
    }

    /// A key and its file: its own certificate, signed by that of an authority, which follows.
    fn below(years: (i32, i32), authority: rcgen::IsCa) -> Signer {
        let (key, own) = keys(KeySize::Rsa2048);
        let (_, above) = keys(KeySize::Rsa2048);
        let mut params = named("Authority of the tests", years);
        params.is_ca = authority;
        let over = params.self_signed(&above).unwrap();
        let issuer = rcgen::Issuer::new(params, above);
        let params = named("sns.amazonaws.com", (2025, 2027));
        let leaf = params.signed_by(&own, &issuer).unwrap();
        let pem = format!("{}{}", leaf.pem(), over.pem());
        Signer { key, pem }
    }

    /// What is opened of a notification that it signs.
    fn opened(&self) -> Opened {
        let mut fields = notification();
        let signature = self.sign(&RSA_PKCS1_SHA256, &text_of(&fields, NOTIFICATION));
        fields.insert("Signature".into(), signature.into());
        opened(&fields).unwrap()
    }

    fn sign(&self, scheme: &'static dyn RsaEncoding, text: &str) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(scheme, &random, text.as_bytes(), &mut signature)
            .unwrap();
        base64(&signature)
    }
}

/// A key, and the same for certificates.
fn keys(size: KeySize) -> (KeyPair, rcgen::KeyPair) {
    let key = KeyPair::generate(size).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let der = der.as_ref().to_vec().into();
    let own = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).unwrap();
    (key, own)
}

fn named(name: &str, years: (i32, i32)) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::new(vec![name.to_string()]).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params
}

fn good() -> &'static Signer {
    static GOOD: OnceLock<Signer> = OnceLock::new();
    GOOD.get_or_init(|| Signer::new(KeySize::Rsa2048, "sns.amazonaws.com", (2025, 2027)))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let mut all = [0u8; 3];
        all[..three.len()].copy_from_slice(three);
        let number = u32::from_be_bytes([0, all[0], all[1], all[2]]);
        for i in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * i) & 63) as usize];
            out.push(if i > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    out
}

fn notification() -> Map<String, Value> {
    let Value::Object(fields) = json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "ALARM",
        "Message": "{\"AlarmName\":\"counter-errors\"}\nüñï \"quoted\" \\ back",
        "Timestamp": AT,
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
    }) else {
        unreachable!("an object")
    };
    fields
}

fn confirmation(kind: &str) -> Map<String, Value> {
    let mut fields = notification();
    fields.remove("Subject");
    fields.insert("Type".into(), kind.into());
    fields.insert("Token".into(), "2336412f37f".into());
    fields.insert(
        "SubscribeURL".into(),
        "http://169.254.169.254/latest/meta-data".into(),
    );
    fields
}

/// AWS's string to sign: name and value of each of these that is there.
fn text_of(fields: &Map<String, Value>, names: &[&str]) -> String {
    let mut text = String::new();
    for name in names {
        if let Some(Value::String(value)) = fields.get(*name) {
            text += &format!("{name}\n{value}\n");
        }
    }
    text
}

const NOTIFICATION: &[&str] = &[
    "Message",
    "MessageId",
    "Subject",
    "Timestamp",
    "TopicArn",
    "Type",
];
const CONFIRMATION: &[&str] = &[
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];

fn signed(mut fields: Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let signature = good().sign(&RSA_PKCS1_SHA256, &text_of(&fields, names));
    fields.insert("Signature".into(), signature.into());
    fields
}

fn body(fields: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(fields).unwrap()
}

fn opened(fields: &Map<String, Value>) -> Result<Opened, Refused> {
    open(&body(fields), None, &rules(), now())
}

fn verify(fields: &Map<String, Value>) -> Result<Genuine, Refused> {
    opened(fields)?.verify(good().pem.as_bytes(), now())
}

fn refused<T: std::fmt::Debug>(found: Result<T, Refused>, status: u16, words: &str) {
    let error = found.unwrap_err();
    assert_eq!(error.status(), status, "{error}");
    assert!(error.to_string().contains(words), "{error}\nlacks\n{words}");
}

fn with(name: &str, value: impl Into<Value>) -> Map<String, Value> {
    let mut fields = signed(notification(), NOTIFICATION);
    fields.insert(name.into(), value.into());
    fields
}

#[test]
fn a_genuine_notification_gives_its_message() {
    let fields = signed(notification(), NOTIFICATION);
    let Genuine::Notification { message, topic, .. } = verify(&fields).unwrap() else {
        panic!("no notification");
    };
    assert_eq!(message, fields["Message"].as_str().unwrap());
    assert_eq!(topic, TOPIC);
    // The order of the keys does not matter.
    let mut reordered = Map::new();
    for (key, value) in fields.iter().rev() {
        reordered.insert(key.clone(), value.clone());
    }
    assert!(verify(&reordered).is_ok());
    // The header repeats the kind.
    let text = body(&fields);
    assert!(open(&text, Some("Notification"), &rules(), now()).is_ok());
    let other = open(&text, Some("SubscriptionConfirmation"), &rules(), now());
    refused(other, 400, "the header says another kind");
}

#[test]
fn a_null_subject_is_as_good_as_none_and_an_empty_one_is_signed() {
    let mut fields = notification();
    fields.insert("Subject".into(), Value::Null);
    assert!(verify(&signed(fields, NOTIFICATION)).is_ok());
    let mut fields = notification();
    fields.remove("Subject");
    let absent = signed(fields.clone(), NOTIFICATION);
    assert!(verify(&absent).is_ok());
    fields.insert("Subject".into(), "".into());
    assert!(verify(&signed(fields, NOTIFICATION)).is_ok());
    // A subject that was put in later is not signed.
    let mut added = absent;
    added.insert("Subject".into(), "mine".into());
    refused(verify(&added), 403, "does not fit");
}

#[test]
fn rule_1_size_depth_and_doubled_keys() {
    let long = vec![b' '; BODY + 1];
    refused(
        open(&long, None, &rules(), now()),
        413,
        "no message of SNS has more",
    );
    let mut deep = json!(1);
    for _ in 0..20 {
        deep = json!([deep]);
    }
    refused(
        opened(&with("MessageAttributes", deep)),
        400,
        "nested deeper",
    );
    let text = String::from_utf8(body(&signed(notification(), NOTIFICATION))).unwrap();
    let twice = text.replacen('{', &format!("{{\"TopicArn\":\"{TOPIC}\","), 1);
    refused(
        open(twice.as_bytes(), None, &rules(), now()),
        400,
        "stands twice",
    );
    for bad in [
        "",
        "[]",
        "\"x\"",
        "{",
        "null",
        "{\"Type\": 1}",
        "{\"Type\":\"Other\"}",
    ] {
        refused(open(bad.as_bytes(), None, &rules(), now()), 400, "");
    }
    for name in [
        "Message",
        "MessageId",
        "Timestamp",
        "Signature",
        "SigningCertURL",
        "SignatureVersion",
    ] {
        let mut fields = signed(notification(), NOTIFICATION);
        fields.remove(name);
        refused(opened(&fields), 400, name);
    }
}

#[test]
fn rule_2_only_topics_that_may_send_here() {
    let stranger = "arn:aws:sns:eu-central-1:999999999999:theirs";
    // It is refused before anything else is looked at, the certificate's address included.
    let mut fields = with("TopicArn", stranger);
    fields.insert("SigningCertURL".into(), "https://example.org/".into());
    refused(opened(&fields), 403, "no topic that may send here");
    let nobody = Rules::default();
    let text = body(&signed(notification(), NOTIFICATION));
    refused(open(&text, None, &nobody, now()), 403, "no topic");
    for arn in [
        "arn:aws:sqs:eu-central-1:123456789012:q",
        "arn:aws:sns:eu-moon-1:123456789012:t",
        "arn:aws-cn:sns:eu-central-1:123456789012:t",
        "arn:aws:sns:eu-central-1:12:t",
    ] {
        let odd = Rules {
            topics: [arn.to_string()].into(),
            version_1: false,
        };
        refused(
            open(&body(&with("TopicArn", arn)), None, &odd, now()),
            403,
            "",
        );
    }
}

#[test]
fn rule_3_the_certificate_stands_on_one_host_in_one_shape() {
    let file = "SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem";
    let host = "sns.eu-central-1.amazonaws.com";
    assert_eq!(
        opened(&with("Subject", "x"))
            .unwrap()
            .certificate()
            .as_str(),
        CERTIFICATE
    );
    for address in [
        format!("http://{host}/{file}"),
        format!("https://{host}:443/{file}"),
        format!("https://user@{host}/{file}"),
        format!("https://{host}/{file}?x=1"),
        format!("https://{host}/{file}#x"),
        format!("https://{host}/other/{file}"),
        format!("https://{host}/../{file}"),
        format!("https://{host}/SimpleNotificationService-..pem"),
        format!("https://{host}/SimpleNotificationService-F3ECFB7224C7233FE7BB5F59F96DE52F.pem"),
        format!("https://{host}"),
        format!("https://{host}.example.org/{file}"),
        format!("https://sns.us-east-1.amazonaws.com/{file}"),
        format!("https://sns.s3-eu-central-1.amazonaws.com/{file}"),
        format!("https://sns.s3-website-us-east-1.amazonaws.com/{file}"),
        format!("https://s3.amazonaws.com/sns/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com.cn/{file}"),
        format!("https://SNS.eu-central-1.amazonaws.com/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com\\@example.org/{file}"),
        format!(" https://{host}/{file}"),
        "file:///etc/passwd".into(),
        String::new(),
    ] {
        refused(
            opened(&with("SigningCertURL", address)),
            403,
            "the certificate's address",
        );
    }
    // China has its own domain.
    let arn = "arn:aws-cn:sns:cn-north-1:123456789012:t";
    let mut fields = with("TopicArn", arn);
    let address = format!("https://sns.cn-north-1.amazonaws.com.cn/{file}");
    fields.insert("SigningCertURL".into(), address.into());
    let china = Rules {
        topics: [arn.to_string()].into(),
        version_1: false,
    };
    assert!(open(&body(&fields), None, &china, now()).is_ok());
    // The shape that functions get spells the key differently.
    let mut fields = signed(notification(), NOTIFICATION);
    let address = fields.remove("SigningCertURL").unwrap();
    fields.insert("SigningCertUrl".into(), address);
    assert!(verify(&fields).is_ok());
}

#[test]
fn rule_4_a_handful_of_certificates_is_kept_whatever_is_sent() {
    let mut kept = Certificates::default();
    let mut last = None;
    for i in 0..40 {
        let address = CERTIFICATE.replace("f3ecfb7224", &format!("{i:010}"));
        let opened = opened(&with("SigningCertURL", address)).unwrap();
        kept.keep(opened.certificate().clone(), vec![i]);
        last = Some(opened.certificate().clone());
        assert!(kept.len() <= 6);
    }
    assert_eq!(kept.get(&last.unwrap()), Some(&[39u8][..]));
}

#[test]
fn rule_5_the_certificate_is_valid_now_for_sns_and_its_chain_holds() {
    let opened = opened(&signed(notification(), NOTIFICATION)).unwrap();
    let check = |signer: &Signer, words: &str| {
        refused(opened.verify(signer.pem.as_bytes(), now()), 403, words);
    };
    check(
        &Signer::new(KeySize::Rsa2048, "sns.amazonaws.com", (2020, 2025)),
        "not valid at",
    );
    check(
        &Signer::new(KeySize::Rsa2048, "sns.amazonaws.com", (2027, 2030)),
        "not valid at",
    );
    check(
        &Signer::new(KeySize::Rsa2048, "example.org", (2025, 2027)),
        "not one of sns.amazonaws.com",
    );
    check(
        &Signer::new(
            KeySize::Rsa2048,
            "sns.eu-central-1.amazonaws.com",
            (2025, 2027),
        ),
        "does not fit",
    );
    let other = Signer::new(KeySize::Rsa2048, "sns.amazonaws.com", (2025, 2027));
    let chain = format!("{}{}", good().pem, other.pem);
    refused(
        opened.verify(chain.as_bytes(), now()),
        403,
        "chain does not hold",
    );
    // What cannot be read may be a fetch that went wrong: our fault, and tried again.
    for file in [
        &b""[..],
        b"<html>busy</html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        refused(opened.verify(file, now()), 503, "cannot be read");
    }
    refused(
        opened.verify(&vec![b'x'; 20_000], now()),
        503,
        "20000 bytes",
    );
}

#[test]
fn rule_5_a_file_with_the_authority_behind_the_certificate_is_taken() {
    let authority = || rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let check = |signer: &Signer| signer.opened().verify(signer.pem.as_bytes(), now());
    let good = Signer::below((2020, 2030), authority());
    assert!(matches!(check(&good), Ok(Genuine::Notification { .. })));
    // The other way round it is the certificate of somebody else.
    let (leaf, over) = good.pem.split_once("-----BEGIN").unwrap();
    assert_eq!(leaf, "");
    let (leaf, over) = over.split_once("-----BEGIN").unwrap();
    let turned = format!("-----BEGIN{over}-----BEGIN{leaf}");
    let found = good.opened().verify(turned.as_bytes(), now());
    refused(found, 403, "not one of sns.amazonaws.com");
    for bad in [
        Signer::below((2020, 2025), authority()),
        Signer::below((2027, 2030), authority()),
        Signer::below((2020, 2030), rcgen::IsCa::NoCa),
    ] {
        refused(check(&bad), 403, "chain does not hold");
    }
}

#[test]
fn rule_6_the_key_is_rsa_of_2048_bits_at_least() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["sns.amazonaws.com".to_string()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    let opened = opened(&signed(notification(), NOTIFICATION)).unwrap();
    refused(opened.verify(pem.as_bytes(), now()), 403, "not RSA");
    let short = include_bytes!("keys/rsa-1024.pem");
    refused(opened.verify(short, now()), 403, "has 1024 bits; 2048");
    let long = Signer::new(KeySize::Rsa4096, "sns.amazonaws.com", (2025, 2027));
    let mut fields = notification();
    let signature = long.sign(&RSA_PKCS1_SHA256, &text_of(&fields, NOTIFICATION));
    fields.insert("Signature".into(), signature.into());
    let opened = open(&body(&fields), None, &rules(), now()).unwrap();
    assert!(opened.verify(long.pem.as_bytes(), now()).is_ok());
}

#[test]
fn rule_7_only_messages_of_the_last_hour_and_each_once() {
    let at = |now: &str| {
        let fields = signed(notification(), NOTIFICATION);
        open(&body(&fields), None, &rules(), Time::parse(now).unwrap())
    };
    assert!(at("2026-01-05T09:14:00Z").is_ok());
    refused(at("2026-01-05T09:14:02Z"), 403, "times from an hour ago");
    assert!(at("2026-01-05T08:09:02Z").is_ok());
    refused(at("2026-01-05T08:08:59Z"), 403, "times from an hour ago");
    refused(opened(&with("Timestamp", "yesterday")), 400, "is no time");

    let mut replays = Replays::default();
    let message = opened(&signed(notification(), NOTIFICATION)).unwrap();
    assert!(!replays.has(message.id()));
    replays.remember(message.id(), now());
    assert!(replays.has(message.id()));
    // As long as its time is taken, it is remembered; afterwards memory is free again.
    replays.remember("another", now() + Duration::from_secs(3_900));
    assert!(replays.has(message.id()));
    replays.remember("a third", now() + Duration::from_secs(4_500));
    assert!(!replays.has(message.id()));
    for i in 0..120_000 {
        replays.remember(&i.to_string(), now() + Duration::from_secs(4_500));
    }
    assert!(replays.len() <= 100_001);
}

#[test]
fn rule_8_a_confirmation_gives_the_token_and_no_address_to_fetch() {
    let fields = signed(confirmation("SubscriptionConfirmation"), CONFIRMATION);
    let found = verify(&fields).unwrap();
    let Genuine::Confirm { token, topic, .. } = &found else {
        panic!("{found:?}");
    };
    assert_eq!((token.as_str(), topic.as_str()), ("2336412f37f", TOPIC));
    assert!(!format!("{found:?}").contains("169.254"));
    // Only for topics that are known.
    let mut strange = fields.clone();
    strange.insert(
        "TopicArn".into(),
        "arn:aws:sns:eu-central-1:999999999999:theirs".into(),
    );
    refused(opened(&strange), 403, "no topic that may send here");
    // The token is signed.
    let mut other = fields;
    other.insert("Token".into(), "mine".into());
    refused(verify(&other), 403, "does not fit");
    // An end of subscription is signed as the guide says, or as AWS's own validator does.
    let names: [&[&str]; 2] = [
        CONFIRMATION,
        &[
            "Message",
            "MessageId",
            "Subject",
            "SubscribeURL",
            "Timestamp",
            "TopicArn",
            "Type",
        ],
    ];
    for names in names {
        let fields = signed(confirmation("UnsubscribeConfirmation"), names);
        assert!(matches!(verify(&fields), Ok(Genuine::Unsubscribed { .. })));
    }
}

#[test]
fn rule_9_the_status_makes_sns_try_again_only_what_is_our_fault() {
    assert_eq!(Refused::NotNow("a".into()).status(), 503);
    for sure in [
        Refused::Forged("a".into()),
        Refused::Malformed("a".into()),
        Refused::TooLong("a".into()),
    ] {
        assert!((400..500).contains(&sure.status()));
    }
}

#[test]
fn rule_10_signature_version_1_is_off_unless_it_is_asked_for() {
    let fields = with("SignatureVersion", "1");
    refused(
        opened(&fields),
        403,
        "set the topic's SignatureVersion to 2",
    );
    let old = Rules {
        version_1: true,
        ..rules()
    };
    // Taken to be checked, and then it must be one of SHA-1, which this is not.
    let opened = open(&body(&fields), None, &old, now()).unwrap();
    refused(
        opened.verify(good().pem.as_bytes(), now()),
        403,
        "does not fit",
    );
    refused(version_of("3"), 400, "is not known");
    // Where it is asked for, a message that is signed with SHA-1 is genuine.
    let signature = include_str!("keys/sha-1.signature").trim_end();
    let mut fields = notification();
    fields.insert("SignatureVersion".into(), "1".into());
    fields.insert("Signature".into(), signature.into());
    let file = include_bytes!("keys/sha-1.pem");
    let opened = open(&body(&fields), None, &old, now()).unwrap();
    let found = opened.verify(file, now());
    assert!(
        matches!(found, Ok(Genuine::Notification { .. })),
        "{found:?}"
    );
    // The same signature is none of version 2, and none of another message.
    fields.insert("SignatureVersion".into(), "2".into());
    let opened = open(&body(&fields), None, &old, now()).unwrap();
    refused(opened.verify(file, now()), 403, "does not fit");
    fields.insert("SignatureVersion".into(), "1".into());
    fields.insert("Subject".into(), "OK".into());
    let opened = open(&body(&fields), None, &old, now()).unwrap();
    refused(opened.verify(file, now()), 403, "does not fit");
}

fn version_of(version: &str) -> Result<Opened, Refused> {
    opened(&with("SignatureVersion", version))
}

#[test]
fn rule_11_whatever_is_changed_after_signing_is_found_out() {
    for (name, value) in [
        ("Message", "{\"AlarmName\":\"other\"}"),
        (
            "Message",
            "{\"AlarmName\":\"counter-errors\"}\\nüñï \"quoted\" \\ back",
        ),
        ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325"),
        ("Subject", "OK"),
        ("Timestamp", "2026-01-05T08:14:00.986Z"),
    ] {
        refused(verify(&with(name, value)), 403, "does not fit");
    }
    let other = Signer::new(KeySize::Rsa2048, "sns.amazonaws.com", (2025, 2027));
    let opened = opened(&signed(notification(), NOTIFICATION)).unwrap();
    refused(
        opened.verify(other.pem.as_bytes(), now()),
        403,
        "does not fit",
    );
    refused(verify(&with("Signature", "AAAA")), 403, "does not fit");
    refused(with_signature("not base64!"), 400, "not base64");
}

fn with_signature(signature: &str) -> Result<Genuine, Refused> {
    verify(&with("Signature", signature))
}
