//! What comes from outside: messages of SNS over HTTPS; and what goes out: webhooks, formatted mail.
//! The rules of signed messages are tested one by one in `src/envelope/tests/rules.rs`.

mod serve;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use envelope::{Address, Topic};
use model::Time;
use nightbell::inbox::Reach;
use ports::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{World, estate_with};

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:demo-oncall";
const CERTIFICATE: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem";

/// SNS as far as it is asked: a certificate, and what was confirmed.
struct Sns {
    key: KeyPair,
    pem: String,
    fetched: Mutex<Vec<String>>,
    confirmed: Mutex<Vec<String>>,
    down: Mutex<bool>,
}

impl Sns {
    fn new() -> Arc<Sns> {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let der = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &der.as_ref().to_vec().into(),
            &rcgen::PKCS_RSA_SHA256,
        )
        .unwrap();
        let name = "sns.amazonaws.com";
        let mut params = rcgen::CertificateParams::new(vec![name.to_string()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        let pem = params.self_signed(&der).unwrap().pem();
        Arc::new(Sns {
            key,
            pem,
            fetched: Mutex::default(),
            confirmed: Mutex::default(),
            down: Mutex::default(),
        })
    }

    /// A message of this kind, signed.
    fn message(&self, world: &World, kind: &str, id: &str, message: &str) -> Value {
        self.signed(TOPIC, world.clock.now(), kind, id, message)
    }

    /// The same of a topic.
    fn signed(&self, topic: &str, at: Time, kind: &str, id: &str, message: &str) -> Value {
        let mut fields = json!({
            "Type": kind, "MessageId": id, "TopicArn": topic, "Message": message,
            "Timestamp": at.to_string(), "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
        });
        let mut names = vec!["Message", "MessageId"];
        if kind != "Notification" {
            fields["Token"] = json!("2336412f37f");
            fields["SubscribeURL"] = json!("http://169.254.169.254/latest/meta-data");
            names.extend(["SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]);
        } else {
            names.extend(["Timestamp", "TopicArn", "Type"]);
        }
        let text: String = names
            .iter()
            .map(|name| format!("{name}\n{}\n", fields[*name].as_str().unwrap()))
            .collect();
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .unwrap();
        let signature = base64::engine::general_purpose::STANDARD.encode(signature);
        fields["Signature"] = json!(signature);
        fields
    }
}

#[async_trait]
impl Reach for Sns {
    async fn certificate(&self, address: &Address) -> Result<Vec<u8>, String> {
        if *self.down.lock().unwrap() {
            return Err("it does not answer".into());
        }
        self.fetched.lock().unwrap().push(address.to_string());
        Ok(self.pem.clone().into_bytes())
    }

    async fn confirm(&self, topic: &Topic, token: &str) -> Result<(), String> {
        let said = format!("{} {token}", topic.arn());
        self.confirmed.lock().unwrap().push(said);
        Ok(())
    }
}

impl World {
    /// A message as SNS posts it: no origin.
    async fn deliver(&self, message: &Value) -> (u16, Value) {
        let answer = self
            .http
            .post(self.url("/api/v1/events/sns"))
            .header("content-type", "text/plain; charset=UTF-8")
            .body(message.to_string())
            .send()
            .await
            .unwrap();
        self.app.settled().await;
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }
}

fn alarm(world: &World, from: &str, to: &str) -> String {
    json!({
        "AlarmName": "counter-errors", "AWSAccountId": "000000000000",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors",
        "NewStateValue": to, "OldStateValue": from,
        "NewStateReason": "Threshold Crossed", "Region": "US East (N. Virginia)",
        "StateChangeTime": world.clock.now().to_string(),
        "Trigger": {"MetricName": "Errors", "Namespace": "AWS/Lambda"},
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_message_pages_once_and_a_forged_one_never() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let sns = Sns::new();
    world.app.daemon.inbox.reach_by(sns.clone());

    // While the certificate cannot be had, SNS is asked to try again, and nothing is believed.
    let text = alarm(&world, "OK", "ALARM");
    let message = sns.message(&world, "Notification", "m-1", &text);
    *sns.down.lock().unwrap() = true;
    assert_eq!(world.deliver(&message).await.0, 503);
    *sns.down.lock().unwrap() = false;
    // For a moment it is not even asked again.
    assert_eq!(world.deliver(&message).await.0, 503);
    assert!(sns.fetched.lock().unwrap().is_empty());
    world.step(Duration::from_secs(10)).await;
    assert_eq!(world.mails().await, []);

    let check = async |message: &Value, status: u16, taken: Option<&str>| {
        let (found, body) = world.deliver(message).await;
        assert_eq!(found, status, "{body}");
        assert_eq!(body["taken"].as_str(), taken, "{body}");
    };
    check(&message, 200, Some("new")).await;
    assert_eq!(world.mails().await.len(), 1);
    // The same message again, and the same transition in another message.
    check(&message, 200, Some("known")).await;
    let again = sns.message(&world, "Notification", "m-2", &text);
    check(&again, 200, Some("known")).await;

    let mut forged = sns.message(&world, "Notification", "m-3", &alarm(&world, "ALARM", "OK"));
    forged["Message"] = json!(alarm(&world, "OK", "ALARM"));
    check(&forged, 403, None).await;
    let mut foreign = message.clone();
    foreign["TopicArn"] = json!("arn:aws:sns:us-east-1:999999999999:mine");
    check(&foreign, 403, None).await;
    check(&json!({"Type": "Notification"}), 400, None).await;
    let words = sns.message(&world, "Notification", "m-4", "just words");
    check(&words, 200, Some("other")).await;
    // Genuine, and nothing that anybody understands: not refused, since SNS would drop it.
    let odd = alarm(&world, "OK", "ON FIRE");
    let odd = sns.message(&world, "Notification", "m-6", &odd);
    check(&odd, 200, Some("aside")).await;
    check(&odd, 200, Some("known")).await;
    world.step(Duration::from_secs(60)).await;
    assert_eq!(world.mails().await.len(), 1);
    assert_eq!(sns.fetched.lock().unwrap().as_slice(), [CERTIFICATE]);

    // A subscription is confirmed at SNS's own address, with the token and nothing else.
    let mut ask = sns.message(&world, "SubscriptionConfirmation", "m-5", "confirm");
    check(&ask, 200, Some("confirmed")).await;
    let said = [format!("{TOPIC} 2336412f37f")];
    assert_eq!(sns.confirmed.lock().unwrap().as_slice(), said);
    ask["Token"] = json!("another");
    check(&ask, 403, None).await;
    assert_eq!(sns.confirmed.lock().unwrap().len(), 1);
    world.stop().await;
}

/// Answers HTTP requests with these statuses in turn, then 200; answers what it was sent.
async fn hook(statuses: Vec<u16>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    tokio::spawn(async move {
        let mut statuses = statuses.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut part = [0; 4096];
            loop {
                let n = stream.read(&mut part).await.unwrap();
                request.extend_from_slice(&part[..n]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse().unwrap())
                });
                if n == 0 || body.len() >= length.unwrap_or(0) {
                    kept.lock().unwrap().push(text);
                    break;
                }
            }
            let status = statuses.next().unwrap_or(200);
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_is_told_over_all_its_ways_and_over_none_of_them_twice() {
    let (url, seen) = hook(vec![503]).await;
    let routes = format!(
        "receivers:\n  oncall:\n    sns: \"${{alerting.oncall_topic}}\"\n    ses: {{ from: bell@example.org, to: [ana@example.org] }}\n    webhook: {{ url: \"{url}\", secret: \"${{secret.hook}}\", template: slack }}\n  web: {{ sns: \"${{alerting.web_topic}}\" }}\nroute: {{ receiver: oncall, group_by: [service], group_wait: 0s, group_interval: 5m, repeat: 4h }}\n"
    );
    let data = tempfile::tempdir().unwrap();
    let secrets = data.path().join("secrets.json");
    std::fs::write(&secrets, r#"{"hook": "a key"}"#).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(
        &secrets,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let estate = estate_with(Some(("alarms/routes.yaml", &routes)));
    let world = World::start(data.path()).await;
    let clock = world.clock.clone();
    world.stop().await;
    let world = World::start_with(data.path(), clock, estate).await;

    world.visits(3).await;
    world.step(Duration::from_secs(60)).await;
    world.break_counter("1h").await;
    world.visits(5).await;
    world.step(Duration::from_secs(30)).await;
    let mails = world.mails().await;
    let to = |part: &str| mails.iter().filter(|m| m.topic.contains(part)).count();
    assert_eq!(to("demo-oncall"), 1, "{mails:#?}");
    assert_eq!(to("ana@example.org"), 1, "{mails:#?}");
    let requests = seen.lock().unwrap().clone();
    assert_eq!(requests.len(), 2, "tried again after 503: {requests:#?}");
    let header = |text: &str, name: &str| {
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .to_string()
    };
    let ids: Vec<String> = requests
        .iter()
        .map(|r| header(r, "x-nightbell-id"))
        .collect();
    assert_eq!(ids[0], ids[1], "under the same id");
    let (_, body) = requests[1].split_once("\r\n\r\n").unwrap();
    let slack: Value = serde_json::from_str(body).unwrap();
    assert!(
        slack["text"]
            .as_str()
            .unwrap()
            .starts_with("[page] counter: "),
        "{slack}"
    );
    let signed = header(&requests[1], nightbell::channels::SIGNATURE);
    let at = signed
        .strip_prefix("t=")
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let at = Time::from_secs(at.parse().unwrap());
    assert_eq!(signed, nightbell::channels::signature("a key", at, body));
    world.stop().await;
}
