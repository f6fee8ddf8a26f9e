//! SNS as it is asked over the network.

use std::time::Duration;

use async_trait::async_trait;
use envelope::{Address, CERTIFICATE, Topic};

use super::Reach;

/// No answer takes longer.
const LIMIT: Duration = Duration::from_secs(2);
/// No answer to a confirmation is longer.
const ANSWER: usize = 64 * 1024;

/// SNS over HTTPS and nothing else, without redirects.
pub(super) struct Https {
    /// Plain HTTP too, for a server of the tests.
    plain: bool,
    limit: Duration,
}

impl Default for Https {
    fn default() -> Https {
        Https {
            plain: false,
            limit: LIMIT,
        }
    }
}

impl Https {
    async fn get(&self, url: &str, most: usize) -> Result<Vec<u8>, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.limit)
            .https_only(!self.plain)
            .build()
            .map_err(|e| e.to_string())?;
        let mut answer = client.get(url).send().await.map_err(|e| said(&e))?;
        if answer.status() != 200 {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| said(&e))? {
            if body.len() + part.len() > most {
                return Err(format!("it is longer than {most} bytes"));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }
}

#[async_trait]
impl Reach for Https {
    async fn certificate(&self, address: &Address) -> Result<Vec<u8>, String> {
        self.get(&address.to_string(), CERTIFICATE).await
    }

    async fn confirm(&self, topic: &Topic, token: &str) -> Result<(), String> {
        self.get(&confirm_url(topic, token), ANSWER).await.map(drop)
    }
}

/// ConfirmSubscription at the endpoint of the topic's own region. Without
/// `AuthenticateOnUnsubscribe`, which SNS takes from signed requests only.
fn confirm_url(topic: &Topic, token: &str) -> String {
    let region = topic.region();
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!(
        "https://sns.{region}.amazonaws.com{end}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn={}&Token={}",
        crate::http::segment(topic.arn()),
        crate::http::segment(token)
    )
}

/// Without the address, which may hold a token.
fn said(error: &reqwest::Error) -> String {
    match (error.is_timeout(), error.is_connect()) {
        (true, _) => "it does not answer in time".into(),
        (false, true) => "it cannot be reached".into(),
        (false, false) => std::error::Error::source(error)
            .map_or_else(|| "the answer cannot be read".into(), ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers every request with this and counts them; never, if there is nothing to answer.
    async fn server(answer: Option<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                match &answer {
                    // Who has read enough hangs up.
                    Some(answer) => drop(stream.write_all(answer).await),
                    None => held.push(stream),
                }
            }
        });
        (url, count)
    }

    fn answer(head: &str, body: &[u8]) -> Option<Vec<u8>> {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        Some([head.as_bytes(), body].concat())
    }

    fn plain() -> Https {
        Https {
            plain: true,
            ..Https::default()
        }
    }

    #[tokio::test]
    async fn an_answer_is_taken_whole_up_to_its_limit_and_only_with_200() {
        let check = async |answer: Option<Vec<u8>>, expect: Result<usize, &str>| {
            let (url, _) = server(answer).await;
            let found = plain().get(&url, CERTIFICATE).await;
            match (found, expect) {
                (Ok(body), Ok(length)) => assert_eq!(body.len(), length),
                (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
                (found, expect) => panic!("{found:?}, expected {expect:?}"),
            }
        };
        check(answer("200 OK", &[b'x'; CERTIFICATE]), Ok(CERTIFICATE)).await;
        let over = vec![b'x'; CERTIFICATE + 1];
        check(answer("200 OK", &over), Err("longer than 16384 bytes")).await;
        // Without a length, too.
        let endless = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &over[..]].concat();
        check(Some(endless), Err("longer than 16384 bytes")).await;
        for head in ["201 Created", "204 No Content", "403 Forbidden", "500 Oh"] {
            check(answer(head, b""), Err(head.split(' ').next().unwrap())).await;
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (elsewhere, visits) = server(answer("200 OK", b"a certificate")).await;
        for status in ["301", "302", "303", "307", "308"] {
            let head = format!("{status} Over\r\nlocation: {elsewhere}");
            let (url, _) = server(answer(&head, b"")).await;
            let why = plain().get(&url, CERTIFICATE).await.unwrap_err();
            assert!(why.contains(status), "{why}");
        }
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        assert_eq!(Https::default().limit, Duration::from_secs(2));
        let (url, visits) = server(None).await;
        let short = Https {
            limit: Duration::from_millis(200),
            ..plain()
        };
        let why = short.get(&url, CERTIFICATE).await.unwrap_err();
        assert_eq!(why, "it does not answer in time");
        assert!(visits.load(Ordering::SeqCst) <= 1);
    }

    #[tokio::test]
    async fn nothing_is_asked_without_tls() {
        let (url, visits) = server(answer("200 OK", b"a certificate")).await;
        assert!(Https::default().get(&url, CERTIFICATE).await.is_err());
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_confirmation_goes_to_the_topics_region_with_the_token_and_nothing_else() {
        let check = |arn: &str, token: &str, expect: &str| {
            let topic = Topic::parse(arn).unwrap();
            assert_eq!(confirm_url(&topic, token), expect);
        };
        check(
            "arn:aws:sns:eu-central-1:123456789012:demo-oncall",
            "2336412f37f",
            "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Ademo-oncall&Token=2336412f37f",
        );
        // A token adds no parameter and no host.
        check(
            "arn:aws-cn:sns:cn-north-1:123456789012:t",
            "a&Action=Unsubscribe#@/..",
            "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn=arn%3Aaws-cn%3Asns%3Acn-north-1%3A123456789012%3At&Token=a%26Action%3DUnsubscribe%23%40%2F..",
        );
    }
}
