//! From `tracing` spans to X-Ray documents, through the whole of [`telemetry::Telemetry`].
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use model::Time;
use serde_json::{Value, json};
use telemetry::xray::Sampling;
use telemetry::{Builder, Memory, Telemetry};
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Span, info_span};

const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn always(memory: &Arc<Memory>) -> Builder {
    Telemetry::builder()
        .sampling(Sampling::Always)
        .segments(memory.clone())
        .logs(memory.clone())
}

/// The documents made by `work`, without their times, and with ids numbered as they first appear.
fn documents(builder: impl FnOnce(&Arc<Memory>) -> Builder, work: impl FnOnce()) -> Vec<Value> {
    let memory = Arc::new(Memory::default());
    let (_telemetry, _guard) = builder(&memory).scoped();
    work();
    memory
        .take_segments()
        .iter()
        .map(|d| serde_json::from_str(d).unwrap())
        .collect()
}

#[track_caller]
fn check(work: impl FnOnce(), expect: &[Value]) {
    let mut documents = documents(always, work);
    let mut ids = Vec::new();
    for document in &mut documents {
        simplify(document, &mut ids);
    }
    assert_eq!(documents, expect);
}

fn simplify(segment: &mut Value, ids: &mut Vec<String>) {
    let (start, end) = (
        segment["start_time"].as_f64().unwrap(),
        segment["end_time"].as_f64().unwrap(),
    );
    assert!(start > 1.7e9 && end >= start, "{segment}");
    let members = segment.as_object_mut().unwrap();
    members.remove("start_time");
    members.remove("end_time");
    for key in ["trace_id", "parent_id", "id"] {
        if let Some(id) = members.get_mut(key) {
            let text = id.as_str().unwrap().to_owned();
            let known = ids.iter().position(|k| *k == text).unwrap_or_else(|| {
                ids.push(text);
                ids.len() - 1
            });
            *id = json!(known);
        }
    }
    for exception in members
        .get_mut("cause")
        .and_then(|c| c["exceptions"].as_array_mut())
        .into_iter()
        .flatten()
    {
        assert_eq!(
            exception
                .as_object_mut()
                .unwrap()
                .remove("id")
                .unwrap()
                .as_str()
                .unwrap()
                .len(),
            16
        );
    }
    for child in members
        .get_mut("subsegments")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        simplify(child, ids);
    }
}

fn gateway() -> Span {
    info_span!(
        "gateway",
        otel.name = "demo-counter-api/prod",
        otel.kind = "server",
        xray.segment = true,
        xray.origin = "AWS::ApiGateway::Stage",
        http.request.method = "GET",
        url.path = "/count",
        http.response.status_code = Empty,
    )
}

fn function() -> Span {
    info_span!(
        "invoke",
        otel.name = "demo-counter",
        otel.kind = "server",
        xray.origin = "AWS::Lambda::Function",
        faas.name = "demo-counter",
        faas.invocation_id = "c0ffee",
    )
}

fn store() -> Span {
    info_span!(
        "DynamoDB",
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = "aws-api",
        rpc.method = "UpdateItem",
        aws.table_name = "demo-visitors",
    )
}

#[test]
fn gateway_function_and_store_are_two_segments_and_a_subsegment_of_one_trace() {
    check(
        || {
            gateway().in_scope(|| {
                function().in_scope(|| store().in_scope(|| ()));
                Span::current().record("http.response.status_code", 200u16);
            });
        },
        &[
            json!({ "trace_id": 0, "parent_id": 1, "name": "demo-counter", "id": 2, "origin": "AWS::Lambda::Function",
                "metadata": { "default": { "faas.name": "demo-counter", "faas.invocation_id": "c0ffee" } },
                "subsegments": [{ "name": "DynamoDB", "id": 3, "namespace": "aws",
                    "aws": { "operation": "UpdateItem", "table_name": "demo-visitors" } }] }),
            json!({ "trace_id": 0, "name": "demo-counter-api/prod", "id": 1, "origin": "AWS::ApiGateway::Stage",
                "http": { "request": { "method": "GET", "url": "/count" }, "response": { "status": 200 } } }),
        ],
    );
}

#[test]
fn a_trace_of_another_process_goes_on() {
    let sent = std::cell::RefCell::new(String::new());
    let documents = documents(always, || {
        let span = gateway();
        telemetry::accept_trace_header(&span, HEADER);
        *sent.borrow_mut() = telemetry::trace_header(&span);
    });
    assert_eq!(
        documents[0]["trace_id"],
        "1-5759e988-bd862e3fe1be46a994272793"
    );
    assert_eq!(documents[0]["parent_id"], "53995c3f42cd8ad8");
    let id = documents[0]["id"].as_str().unwrap();
    assert_eq!(
        *sent.borrow(),
        format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent={id};Sampled=1")
    );
}

#[test]
fn who_decides_about_a_trace() {
    let check = |sampling: Sampling, header: &str, expect: usize| {
        let builder = |memory: &Arc<Memory>| always(memory).sampling(sampling);
        let documents = documents(builder, || {
            let span = gateway();
            telemetry::accept_trace_header(&span, header);
            span.in_scope(|| store().in_scope(|| ()));
        });
        assert_eq!(documents.len(), expect, "{sampling:?} {header}");
        if header.starts_with("Root") && expect > 0 {
            assert_eq!(
                documents[0]["trace_id"],
                "1-5759e988-bd862e3fe1be46a994272793"
            );
            assert_eq!(
                documents[0].get("parent_id").is_some(),
                header.contains("Parent")
            );
        }
    };
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    for (sampling, alone) in [(Sampling::Always, 1), (Sampling::Never, 0)] {
        check(sampling, HEADER, 1);
        check(sampling, &format!("{root};Sampled=0"), 0);
        check(sampling, &format!("{root};Sampled=?"), alone);
        check(sampling, root, alone);
        check(sampling, "nonsense", alone);
        check(sampling, "", alone);
    }
}

#[test]
fn work_that_nobody_asked_for_makes_no_documents() {
    check(
        || info_span!("evaluate").in_scope(|| store().in_scope(|| ())),
        &[],
    );
}

#[test]
fn a_document_that_would_be_too_large_is_split_and_nothing_is_lost() {
    let text = "x".repeat(3000);
    let documents = documents(always, || {
        function().in_scope(|| {
            info_span!("middle").in_scope(|| {
                for i in 0..60 {
                    info_span!("part", i, text).in_scope(|| ());
                }
            });
            for _ in 0..600 {
                info_span!("small").in_scope(|| ());
            }
        });
    });
    let mut count = std::collections::BTreeMap::new();
    fn tally(segment: &Value, count: &mut std::collections::BTreeMap<String, u32>) {
        *count
            .entry(segment["name"].as_str().unwrap().to_owned())
            .or_default() += 1;
        for child in segment["subsegments"].as_array().into_iter().flatten() {
            tally(child, count);
        }
    }
    for document in &documents {
        assert!(document.to_string().len() <= 65_536);
        assert!(document["subsegments"].is_null() || document["type"].is_null());
        tally(document, &mut count);
    }
    assert_eq!(
        count.into_iter().collect::<Vec<_>>(),
        [
            ("demo-counter".into(), 1),
            ("middle".into(), 1),
            ("part".into(), 60),
            ("small".into(), 600)
        ]
    );
}

#[test]
fn failures_show_as_x_ray_shows_them() {
    let check = |fields: fn() -> Span, expect: Value| {
        let documents = documents(always, || fields().in_scope(|| ()));
        let got = ["error", "throttle", "fault"]
            .iter()
            .filter(|k| documents[0].get(**k).is_some())
            .collect::<Vec<_>>();
        assert_eq!(json!(got), expect, "{}", documents[0]);
    };
    check(
        || info_span!("a", otel.kind = "server", http.response.status_code = 200),
        json!([]),
    );
    check(
        || info_span!("a", otel.kind = "server", http.response.status_code = 404),
        json!(["error"]),
    );
    check(
        || info_span!("a", otel.kind = "server", http.response.status_code = 429),
        json!(["error", "throttle"]),
    );
    check(
        || info_span!("a", otel.kind = "server", http.status_code = 503),
        json!(["fault"]),
    );
    check(
        || info_span!("a", otel.kind = "server", otel.status_code = "ERROR"),
        json!(["fault"]),
    );
    check(
        || {
            info_span!(
                "a",
                otel.kind = "server",
                otel.status_code = "ERROR",
                http.response.status_code = 400
            )
        },
        json!(["error"]),
    );
}

#[test]
fn an_error_event_is_the_cause_and_a_log_line_with_the_trace() {
    let memory = Arc::new(Memory::default());
    let (_telemetry, _guard) = always(&memory)
        .clock(Arc::new(|| Time::from_secs(1_800_000_000)))
        .scoped();
    function().in_scope(|| {
        let call = store();
        call.in_scope(|| {
            tracing::error!(
                error = "disk is gone",
                tries = 3,
                "the visit was not counted"
            )
        });
        call.record("otel.status_code", "ERROR");
    });
    let document: Value = serde_json::from_str(&memory.take_segments()[0]).unwrap();
    let call = &document["subsegments"][0];
    assert_eq!(call["fault"], true);
    let exception = &call["cause"]["exceptions"][0];
    assert_eq!(
        exception["message"],
        "the visit was not counted: disk is gone"
    );
    assert_eq!(exception["remote"], true);
    assert!(
        document["start_time"].as_f64().unwrap() >= 1_800_000_000.0,
        "times follow the given clock"
    );
    let (function, line) = memory.take_logs().remove(0);
    assert_eq!(function.as_deref(), Some("demo-counter"));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        line,
        json!({
            "timestamp": "2027-01-15T08:00:00Z", "level": "ERROR", "message": "the visit was not counted",
            "target": "traces", "function": "demo-counter", "request_id": "c0ffee", "trace_id": document["trace_id"],
            "fields": { "error": "disk is gone", "tries": 3 },
        })
    );
}

#[test]
fn logs_need_no_segments_and_the_level_is_kept() {
    for (level, expect) in [
        (LevelFilter::INFO, 2),
        (LevelFilter::DEBUG, 3),
        (LevelFilter::ERROR, 1),
        (LevelFilter::OFF, 0),
    ] {
        let memory = Arc::new(Memory::default());
        let (_telemetry, _guard) = Telemetry::builder()
            .logs(memory.clone())
            .level(level)
            .scoped();
        tracing::error!("a");
        function().in_scope(|| tracing::info!("b"));
        tracing::debug!("c");
        assert_eq!(memory.take_logs().len(), expect, "{level}");
    }
}

#[test]
fn a_log_line_outside_of_any_function_is_the_daemons_own() {
    let memory = Arc::new(Memory::default());
    let (_telemetry, _guard) = always(&memory).scoped();
    tracing::warn!(path = ?"a\"b\n", ratio = f64::NAN, ok = true, "hostile \" \\ \u{7} line\nbreak");
    tracing::debug!("below the level");
    let logs = memory.take_logs();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].0, None);
    let line: Value = serde_json::from_str(&logs[0].1).unwrap();
    assert!(!logs[0].1.contains('\n'));
    assert_eq!(line["message"], "hostile \" \\ \u{7} line\nbreak");
    assert_eq!(
        line["fields"],
        json!({ "path": "\"a\\\"b\\n\"", "ratio": "NaN", "ok": true })
    );
    assert!(line.get("trace_id").is_none() && line.get("function").is_none());
}

#[test]
fn names_urls_and_the_rest_follow_the_exporters_table() {
    let check = |span: fn() -> Span, pointer: &str, expect: Value| {
        let documents = documents(always, || function().in_scope(|| span().in_scope(|| ())));
        let part = documents
            .iter()
            .find_map(|d| d.pointer("/subsegments/0"))
            .unwrap_or(&documents[0]);
        assert_eq!(
            part.pointer(pointer).cloned().unwrap_or_default(),
            expect,
            "{part}"
        );
    };
    check(
        || info_span!("a", otel.kind = "client", peer.service = "billing"),
        "/name",
        json!("billing"),
    );
    check(
        || {
            info_span!(
                "a",
                otel.kind = "client",
                aws.remote.service = "AWS.SDK.S3",
                rpc.system = "aws-api"
            )
        },
        "/name",
        json!("S3"),
    );
    check(
        || {
            info_span!(
                "a",
                otel.kind = "client",
                aws.remote.service = "AWS::SQS",
                rpc.system = "aws-api"
            )
        },
        "/name",
        json!("SQS"),
    );
    check(
        || {
            info_span!(
                "a",
                otel.kind = "client",
                server.address = "api.example.org"
            )
        },
        "/name",
        json!("api.example.org"),
    );
    check(
        || info_span!("a", aws.local.service = "not for an internal span"),
        "/name",
        json!("a"),
    );
    check(
        || info_span!("a", otel.name = "what?{now}|é"),
        "/name",
        json!("whatnowé"),
    );
    check(|| info_span!("a", otel.name = "{}"), "/name", json!("span"));
    check(
        || info_span!("a", otel.kind = "client"),
        "/namespace",
        json!("remote"),
    );
    check(
        || info_span!("a", otel.kind = "client", rpc.system = "aws-api"),
        "/namespace",
        json!("aws"),
    );
    check(|| info_span!("a"), "/namespace", json!(null));
    check(
        || info_span!("a", http.url = "https://e.org/x?y"),
        "/http/request/url",
        json!("https://e.org/x?y"),
    );
    check(
        || {
            info_span!(
                "a",
                otel.kind = "client",
                http.request.method = "GET",
                url.scheme = "https",
                server.address = "e.org",
                server.port = 8443,
                url.path = "/x",
                url.query = "y=1"
            )
        },
        "/http/request/url",
        json!("https://e.org:8443/x?y=1"),
    );
    check(
        || {
            info_span!(
                "a",
                http.method = "GET",
                http.host = "e.org",
                net.host.port = 80
            )
        },
        "/http/request/url",
        json!("http://e.org/"),
    );
    check(
        || info_span!("a", url.path = "/x"),
        "/http/request/url",
        json!("/x"),
    );
    check(
        || info_span!("a", network.peer.address = "203.0.113.7"),
        "/http/request/client_ip",
        json!("203.0.113.7"),
    );
    check(
        || info_span!("a", http.response.body.size = 12),
        "/http/response/content_length",
        json!(12),
    );
    check(
        || {
            info_span!(
                "a",
                aws.operation = "Publish",
                rpc.method = "other",
                rpc.system = "aws-api"
            )
        },
        "/aws/operation",
        json!("Publish"),
    );
    check(
        || info_span!("a", rpc.method = "Get"),
        "/aws/operation",
        json!(null),
    );
    check(
        || info_span!("a", aws.requestId = "r", aws.queue_url = "q"),
        "/aws",
        json!({ "request_id": "r", "queue_url": "q" }),
    );
    check(
        || info_span!("a", db.system = "sqlite", db.query.text = "SELECT ?"),
        "/sql",
        json!({ "database_type": "sqlite", "sanitized_query": "SELECT ?" }),
    );
    check(
        || info_span!("a", db.system = "dynamodb"),
        "/sql",
        json!(null),
    );
    check(
        || {
            info_span!(
                "a",
                aws.xray.annotations = "image.id, size",
                image.id = "i1",
                size = 3,
                other = true
            )
        },
        "/annotations",
        json!({ "image_id": "i1", "size": 3 }),
    );
    check(
        || info_span!("a", http.route = "/x/{id}"),
        "/annotations",
        json!({ "http_route": "/x/{id}" }),
    );
    check(
        || {
            info_span!(
                "a",
                aws.xray.metadata.build = r#"{"n":[1]}"#,
                aws.xray.metadata.bad = "{",
                big = 7.5
            )
        },
        "/metadata",
        json!({ "default": { "aws.xray.metadata.bad": "{", "big": 7.5 }, "build": { "n": [1] } }),
    );
}

#[test]
fn spans_of_many_threads_keep_to_their_own_documents() {
    let memory = Arc::new(Memory::default());
    let (_telemetry, dispatch) = always(&memory).parts();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    for _ in 0..200 {
                        function()
                            .in_scope(|| store().in_scope(|| info_span!("wire").in_scope(|| ())));
                    }
                });
            });
        }
    });
    let documents = memory.take_segments();
    assert_eq!(documents.len(), 800);
    for document in documents {
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["subsegments"].as_array().unwrap().len(), 1);
        assert_eq!(document["subsegments"][0]["subsegments"][0]["name"], "wire");
    }
}
