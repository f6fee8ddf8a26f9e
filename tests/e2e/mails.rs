//! Formatted mail as it goes out: its parts, its picture, and what keeps a thread together.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::route::Ses;

use crate::world::{World, clock, estate};

const TICK: Duration = Duration::from_secs(10);

/// A header of a message, unfolded; of its parts, the first that has it.
fn header(mail: &str, name: &str) -> String {
    let unfolded = mail.replace("\r\n ", " ").replace("\r\n\t", " ");
    let line = unfolded
        .lines()
        .find_map(|l| l.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{name} in {mail}")).into()
}

/// The body of the part of this type, decoded.
fn part(mail: &str, kind: &str) -> Option<Vec<u8>> {
    let at = mail.find(&format!("Content-Type: {kind}"))?;
    // The headers of a part end with an empty line, its body with the next boundary.
    let start = at + mail[at..].find("\r\n\r\n")? + 4;
    let headers = &mail[mail[..at].rfind("\r\n--").map_or(0, |n| n)..start];
    let end = start + mail[start..].find("\r\n--").unwrap_or(mail.len() - start);
    let body = &mail[start..end];
    Some(
        match header(headers, "Content-Transfer-Encoding").as_str() {
            "base64" => {
                let text: String = body.split_whitespace().collect();
                STANDARD.decode(text).unwrap()
            }
            "quoted-printable" => {
                let joined = body.replace("=\r\n", "");
                let mut bytes = Vec::new();
                let mut rest = joined.as_bytes();
                while let Some((&byte, after)) = rest.split_first() {
                    let code = (byte == b'=').then(|| std::str::from_utf8(&after[..2]).unwrap());
                    bytes.push(code.map_or(byte, |hex| u8::from_str_radix(hex, 16).unwrap()));
                    rest = if code.is_some() { &after[2..] } else { after };
                }
                bytes
            }
            _ => body.as_bytes().to_vec(),
        },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formatted_mail_has_its_chart_inside_and_stays_in_one_thread() {
    let data = tempfile::tempdir().unwrap();
    let mut estate = estate();
    let routes = estate.routes.as_mut().unwrap();
    routes.receivers.get_mut("oncall").unwrap().ses = Some(Ses {
        from: "Nightbell <bell@example.org>".into(),
        to: vec!["ada@example.org".into()],
    });
    let w = World::start_with(data.path(), clock(), estate).await;
    w.visits(3).await;
    w.step(TICK * 6).await;
    w.break_counter("1h").await;
    w.visits(5).await;
    w.step(TICK).await;
    w.mend_counter().await;
    w.visits(3).await;
    w.live(12).await;
    let incidents = w.json("/api/v1/incidents").await;
    let id = incidents[0]["id"].as_str().unwrap();

    let mut mails = Vec::new();
    for file in std::fs::read_dir(data.path().join("mailbox")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        if text.contains("To: ada@example.org\r\n") {
            mails.push(text);
        }
    }
    let with = |wanted: &dyn Fn(&str) -> bool| {
        let mut found = mails.iter().filter(|m| wanted(&header(m, "Subject")));
        let one = found.next().unwrap();
        assert!(found.next().is_none());
        one
    };
    let opened = with(&|s| s.starts_with("[page]") && !s.contains("changed"));
    let recovered = with(&|s| s.starts_with("[ok]"));
    for mail in &mails {
        assert!(header(mail, "Subject").contains(id), "{mail}");
        for name in ["In-Reply-To", "References"] {
            assert_eq!(header(mail, name), format!("<{id}@example.org>"));
        }
    }
    assert_ne!(
        header(opened, "Message-ID"),
        header(recovered, "Message-ID")
    );

    // The picture is the one that the HTML shows, and it is a PNG of twice its width.
    let html = String::from_utf8(part(opened, "text/html").unwrap()).unwrap();
    let (_, rest) = html.split_once("<img src=\"cid:").unwrap();
    let content = rest.split('"').next().unwrap();
    assert_eq!(header(opened, "Content-ID"), format!("<{content}>"));
    assert!(
        html.contains("width=\"640\"") && html.contains("alt=\"counter-faults until "),
        "{html}"
    );
    let png = part(opened, "image/png").unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(
        &png[16..24],
        [0, 0, 5, 0, 0, 0, 1, 144],
        "1280 by 400 pixels"
    );
    // The text is there for everybody, and the same as the topic's.
    let text = String::from_utf8(part(opened, "text/plain").unwrap()).unwrap();
    let topic = w.mails().await;
    let subject = header(opened, "Subject");
    let topic = topic
        .iter()
        .find(|m| m.topic.starts_with("arn:") && m.subject == subject);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&text), words(&topic.unwrap().body));
    // Up to three traces, each with where it failed and a link.
    assert!(text.contains("Slowest failing traces:"), "{text}");
    let after = text.split("Slowest failing traces:").nth(1).unwrap();
    let three: String = after.lines().take(7).collect::<Vec<_>>().join("\n");
    assert_eq!(
        three.matches("of it in DynamoDB UpdateItem.").count(),
        3,
        "{text}"
    );
    assert_eq!(three.matches("/traces/1-").count(), 3, "{text}");
    // A recovery has nothing to draw.
    assert!(!recovered.contains("image/png"));
    w.stop().await;
}
