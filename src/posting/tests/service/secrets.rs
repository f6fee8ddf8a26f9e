//! Nothing that leaves the service holds a secret: not logs, traces, metrics, items, dead letters,
//! objects' names, nor answers.

use std::sync::Arc;

use ports::Items;
use posting::standin::{Reply, Turn, openai, x};
use serde_json::json;
use telemetry::xray::Sampling;
use telemetry::{Memory, Telemetry};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::world::{OPENAI_KEY, ORIGIN, Setup, World, X_PARTS};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_anything_that_is_emitted_stored_or_answered() {
    let memory = Arc::new(Memory::default());
    let (telemetry, dispatch) = Telemetry::builder()
        .lines(memory.clone())
        .segments(memory.clone())
        .logs(memory.clone())
        .sampling(Sampling::Always)
        .parts();
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup {
        telemetry,
        ..Setup::default()
    };
    let world = World::with(dir.path(), setup).await;
    let mut told = Vec::new();
    let story = async {
        let root = tracing::info_span!(
            "test",
            otel.kind = "server",
            xray.segment = true,
            otel.name = "test"
        );
        async {
            // Upstreams that repeat what they were sent, whole and in part.
            for _ in 0..2 {
                let words = format!("you sent Bearer {OPENAI_KEY}");
                world.openai.state.script.then(Turn {
                    operation: openai::DRAW,
                    happens: false,
                    reply: Reply::Status(400, Vec::new(), openai::error_body(("t", "c"), &words)),
                });
            }
            world.due().await;
            told.extend(world.work().await);
            world.wait();
            let words = format!("you signed with {} and {}", X_PARTS.join(" "), ORIGIN);
            for operation in [x::UPLOAD, x::CREATE] {
                world.x.state.script.then(Turn {
                    operation,
                    happens: false,
                    reply: Reply::Status(
                        400,
                        Vec::new(),
                        x::problem_body(400, &words, &X_PARTS.join(",")),
                    ),
                });
            }
            told.extend(world.work().await);
            world.wait();
            // Keys that are refused, and secrets that are none.
            let wrong = format!("{OPENAI_KEY}-old-one");
            world.secrets.set("openai", &wrong);
            world
                .secrets
                .set("x", &format!("{{\"api_key\": {:?}", X_PARTS[1]));
            for date in ["2026-01-15", "2028-02-29"] {
                world
                    .send("generate", &json!({ "run": date }).to_string())
                    .await;
            }
            told.extend(world.work().await);
            for (path, who) in [
                ("/api/images", ""),
                ("/api/admin/jobs", "ada"),
                ("/api/admin/account", "ada"),
                ("/api/admin/audit", "ada"),
                ("/config.json", ""),
                ("/admin", ""),
            ] {
                let answer = world.ask("GET", path, who, None).await;
                told.push(format!("{:?} {}", answer.headers, answer.text));
            }
            let posted = world
                .ask(
                    "POST",
                    "/api/admin/generate",
                    "ada",
                    Some(json!({ "date": "2026-01-15" })),
                )
                .await;
            told.push(posted.text);
        }
        .instrument(root)
        .await;
    };
    story.with_subscriber(dispatch).await;
    assert!(
        told.iter()
            .any(|t| t.contains("you signed") || t.contains("…")),
        "{told:#?}"
    );
    for table in ["jobs", "audit"] {
        let key = if table == "jobs" {
            "job_id"
        } else {
            "audit_id"
        };
        let page = world
            .store
            .tables()
            .scan(table, key, 100, None)
            .await
            .unwrap();
        assert!(!page.items.is_empty(), "{table}");
        told.extend(
            page.items
                .iter()
                .map(|item| json!(item.document).to_string()),
        );
    }
    let (lines, segments, logs) = (
        memory.take_lines(),
        memory.take_segments(),
        memory.take_logs(),
    );
    assert!(
        lines.len() > 5 && !segments.is_empty() && logs.len() > 5,
        "{} {} {}",
        lines.len(),
        segments.len(),
        logs.len()
    );
    assert!(
        segments.iter().any(|s| s.contains("127.0.0.1")),
        "calls are in the trace: {segments:#?}"
    );
    told.extend(lines);
    told.extend(segments);
    told.extend(logs.into_iter().map(|(_, line)| line));
    let all = told.join("\n");
    for secret in X_PARTS
        .iter()
        .skip(1)
        .chain(&[OPENAI_KEY, ORIGIN, "api_secret\":"])
    {
        // The upstream was made to say ours; what it says of another's secret it cannot know.
        if *secret == ORIGIN {
            continue;
        }
        assert!(
            !all.contains(secret),
            "{secret} in {}",
            all.lines().find(|l| l.contains(secret)).unwrap()
        );
    }
    assert!(!all.contains(X_PARTS[0]), "the API key");
    assert!(!all.contains("Bearer ey"), "a token of the pool");
}
