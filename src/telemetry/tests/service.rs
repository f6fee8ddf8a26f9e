//! What the tower layer emits for each way that a request can end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use model::{Dimensions, Resolution, Values};
use serde_json::Value;
use telemetry::service::RouteLayer;
use telemetry::xray::Sampling;
use telemetry::{Builder, Memory, Telemetry, emf};
use tower::{Layer, Service};

const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

#[derive(Debug, Clone, Copy)]
enum Behaviour {
    Answer(u16),
    Wait,
    Panic,
}

struct Seen {
    lines: Vec<String>,
    segments: Vec<Value>,
    logs: Vec<Value>,
    header: Option<String>,
}

fn request(method: &str, header: Option<&str>) -> Request<()> {
    let mut request = Request::builder().method(method).uri("/count");
    if let Some(header) = header {
        request = request.header("X-Amzn-Trace-Id", header);
    }
    request.body(()).unwrap()
}

/// Sends one request and says what was emitted.
fn send(
    settings: impl FnOnce(Builder) -> Builder,
    layer: impl FnOnce(&Telemetry) -> RouteLayer,
    request: Request<()>,
    behaviour: Behaviour,
) -> Seen {
    let memory = Arc::new(Memory::default());
    let builder = Telemetry::builder()
        .lines(memory.clone())
        .segments(memory.clone())
        .logs(memory.clone());
    let (telemetry, _guard) = settings(builder.sampling(Sampling::Always)).scoped();
    let mut service =
        layer(&telemetry).layer(tower::service_fn(move |_: Request<()>| async move {
            tracing::info!("working");
            let part = tracing::info_span!("part");
            match behaviour {
                Behaviour::Answer(status) => {
                    Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap())
                }
                Behaviour::Panic => panic!("as a test asked"),
                Behaviour::Wait => {
                    poll_fn(|_| Poll::<()>::Pending).await;
                    drop(part);
                    unreachable!("it waits for ever")
                }
            }
        }));
    let mut context = Context::from_waker(Waker::noop());
    let mut header = None;
    {
        let mut answer = pin!(service.call(request));
        let poll =
            std::panic::catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(&mut context)));
        if let Ok(Poll::Ready(Ok(response))) = poll {
            header = response
                .headers()
                .get("x-amzn-trace-id")
                .map(|v| v.to_str().unwrap().to_owned());
        }
    }
    let parse = |texts: Vec<String>| {
        texts
            .iter()
            .map(|t| serde_json::from_str(t).unwrap())
            .collect()
    };
    Seen {
        lines: memory.take_lines(),
        segments: parse(memory.take_segments()),
        logs: parse(
            memory
                .take_logs()
                .into_iter()
                .map(|(_, line)| line)
                .collect(),
        ),
        header,
    }
}

fn page(telemetry: &Telemetry) -> RouteLayer {
    telemetry
        .service("CloudResume", "counter")
        .route("/count")
        .page_view()
}

/// `Name{Dimension,…} value` of everything but the latency.
fn metrics(line: &str) -> Vec<String> {
    let data = emf::extract(line).unwrap().unwrap();
    data.iter()
        .filter_map(|d| {
            let Values::Single(value) = d.values else {
                panic!("{d:?}")
            };
            if d.metric.name == "Latency" {
                assert!((0.0..60_000.0).contains(&value));
                return None;
            }
            assert_eq!(d.resolution == Resolution::High, d.metric.name == "Fault");
            let names: Vec<&str> = d.metric.dimensions.iter().map(|(name, _)| name).collect();
            Some(format!("{}{{{}}} {value}", d.metric.name, names.join(",")))
        })
        .collect()
}

#[test]
fn every_way_to_end_is_counted_once() {
    let check =
        |method: &str, behaviour: Behaviour, status: &str, [views, faults, errors]: [u32; 3]| {
            let seen = send(|b| b, page, request(method, None), behaviour);
            assert_eq!(seen.lines.len(), 1, "{behaviour:?}");
            let mut expect = Vec::new();
            if views == 1 {
                expect.extend(["PageView{} 1".to_owned(), "PageView{Service} 1".to_owned()]);
            }
            for (name, value) in [("Requests", 1), ("Faults", faults), ("Errors", errors)] {
                expect.extend([
                    format!("{name}{{Service}} {value}"),
                    format!("{name}{{Route,Service}} {value}"),
                ]);
            }
            expect.push(format!("Fault{{Service}} {faults}"));
            assert_eq!(metrics(&seen.lines[0]), expect);
            let line: Value = serde_json::from_str(&seen.lines[0]).unwrap();
            assert_eq!(line["status"], status);
            assert_eq!(line["method"], method);
            assert_eq!(seen.segments.len(), 1, "{:?}", seen.segments);
            assert_eq!(line["trace_id"], seen.segments[0]["trace_id"]);
            assert_eq!(seen.logs[0]["trace_id"], line["trace_id"]);
            assert_eq!(
                seen.segments[0]["http"]["response"]["status"].to_string(),
                status
            );
            assert_eq!(seen.segments[0].get("fault").is_some(), faults == 1);
            assert_eq!(
                seen.segments[0]["subsegments"][0]["name"], "part",
                "what the handler held belongs to it"
            );
        };
    check("GET", Behaviour::Answer(200), "200", [1, 0, 0]);
    check("OPTIONS", Behaviour::Answer(204), "204", [0, 0, 0]);
    check("GET", Behaviour::Answer(404), "404", [1, 0, 1]);
    check("GET", Behaviour::Answer(500), "500", [1, 1, 0]);
    check("GET", Behaviour::Panic, "500", [1, 1, 0]);
    check("GET", Behaviour::Wait, "499", [1, 0, 1]);
}

#[test]
fn what_matches_no_route_is_counted_by_service_alone() {
    let seen = send(
        |b| b,
        |t| t.service("CloudResume", "counter").unmatched(),
        request("GET", None),
        Behaviour::Answer(404),
    );
    assert_eq!(
        metrics(&seen.lines[0]),
        [
            "Requests{Service} 1",
            "Faults{Service} 0",
            "Errors{Service} 1",
            "Fault{Service} 0"
        ]
    );
}

#[test]
fn the_trace_comes_in_and_goes_out() {
    let seen = send(
        |b| b,
        page,
        request("GET", Some(HEADER)),
        Behaviour::Answer(200),
    );
    let line: Value = serde_json::from_str(&seen.lines[0]).unwrap();
    assert_eq!(line["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(
        seen.segments[0]["trace_id"],
        "1-5759e988-bd862e3fe1be46a994272793"
    );
    assert_eq!(seen.segments[0]["parent_id"], "53995c3f42cd8ad8");
    assert!(
        seen.segments[0].get("type").is_none(),
        "a server is a segment of its own"
    );
    assert_eq!(seen.header, None, "the caller knows it already");

    let seen = send(|b| b, page, request("GET", None), Behaviour::Answer(200));
    let trace = seen.segments[0]["trace_id"].as_str().unwrap();
    assert_eq!(seen.header.unwrap(), format!("Root={trace};Sampled=1"));
}

#[test]
fn a_function_is_a_part_of_lambdas_segment() {
    let seen = send(
        |b| b.function("demo-counter"),
        page,
        request("GET", Some(HEADER)),
        Behaviour::Answer(200),
    );
    assert_eq!(seen.segments[0]["type"], "subsegment");
    assert_eq!(seen.segments[0]["parent_id"], "53995c3f42cd8ad8");
    assert_eq!(seen.segments[0]["subsegments"][0]["name"], "part");
    assert_eq!(seen.logs[0]["function"], "demo-counter");
}

#[test]
fn a_request_under_a_span_of_this_process_is_a_part_of_it() {
    let memory = Arc::new(Memory::default());
    let (telemetry, _guard) = Telemetry::builder()
        .sampling(Sampling::Always)
        .segments(memory.clone())
        .lines(memory.clone())
        .scoped();
    let answer =
        tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let mut service = page(&telemetry).layer(answer);
    tracing::info_span!("invoke", otel.kind = "server", faas.name = "demo-counter").in_scope(
        || {
            let mut answer = pin!(service.call(request("GET", None)));
            assert!(
                answer
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
            );
        },
    );
    let documents = memory.take_segments();
    assert_eq!(documents.len(), 1);
    let document: Value = serde_json::from_str(&documents[0]).unwrap();
    assert_eq!(document["name"], "invoke");
    assert_eq!(document["subsegments"][0]["name"], "counter");
    let line: Value = serde_json::from_str(&memory.take_lines()[0]).unwrap();
    assert_eq!(line["trace_id"], document["trace_id"]);
}

#[test]
fn an_unsampled_request_makes_no_spans_and_its_logs_name_the_trace() {
    for (sampling, header) in [
        (Sampling::Never, None),
        (
            Sampling::Always,
            Some(HEADER.replace("Sampled=1", "Sampled=0")),
        ),
    ] {
        let seen = send(
            |b| b.sampling(sampling),
            page,
            request("GET", header.as_deref()),
            Behaviour::Answer(500),
        );
        assert!(seen.segments.is_empty());
        let line: Value = serde_json::from_str(&seen.lines[0]).unwrap();
        assert_eq!(line["Fault"], 1, "metrics do not depend on sampling");
        assert_eq!(seen.logs[0]["trace_id"], line["trace_id"]);
        assert_eq!(
            seen.header.is_some(),
            header.is_none(),
            "an error names its trace"
        );
    }
}

#[test]
fn an_unsampled_answer_without_error_names_no_trace() {
    let seen = send(
        |b| b.sampling(Sampling::Never),
        page,
        request("GET", None),
        Behaviour::Answer(200),
    );
    assert_eq!(seen.header, None);
}

#[test]
fn a_task_that_goes_on_after_the_answer_delays_the_document_and_takes_nothing_from_it() {
    let memory = Arc::new(Memory::default());
    let (telemetry, _guard) = Telemetry::builder()
        .sampling(Sampling::Always)
        .segments(memory.clone())
        .scoped();
    let task = Arc::new(std::sync::Mutex::new(None));
    let started = task.clone();
    let mut service = page(&telemetry).layer(tower::service_fn(move |_: Request<()>| {
        let started = started.clone();
        async move {
            *started.lock().unwrap() = Some(tracing::info_span!("task"));
            Ok::<_, Infallible>(Response::new(()))
        }
    }));
    {
        let mut answer = pin!(service.call(request("GET", None)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(answer.as_mut().poll(&mut context).is_ready());
    }
    assert!(memory.take_segments().is_empty());
    *task.lock().unwrap() = None;
    let document: Value = serde_json::from_str(&memory.take_segments()[0]).unwrap();
    assert_eq!(document["name"], "counter");
    assert_eq!(document["http"]["response"]["status"], 200);
    assert_eq!(document["subsegments"][0]["name"], "task");
}

#[test]
fn the_catalogue_is_what_is_emitted() {
    let declared = telemetry::service::declared("CloudResume");
    let seen = send(|b| b, page, request("GET", None), Behaviour::Answer(200));
    let data = emf::extract(&seen.lines[0]).unwrap().unwrap();
    let mut emitted = 0;
    for metric in &declared {
        for set in metric.dimensions {
            let values = set.iter().map(|&name| {
                (
                    name,
                    if name == "Service" {
                        "counter"
                    } else {
                        "/count"
                    },
                )
            });
            let dimensions = Dimensions::new(values);
            let datum = data
                .iter()
                .find(|d| d.metric.name == metric.name && d.metric.dimensions == dimensions);
            let datum = datum.unwrap_or_else(|| panic!("{metric:?}"));
            assert_eq!(
                (datum.unit, datum.resolution),
                (metric.unit, metric.resolution)
            );
            assert_eq!(datum.metric.namespace, metric.namespace);
            emitted += 1;
        }
    }
    assert_eq!(emitted, data.len());
}

#[test]
fn several_telemetries_live_in_one_process() {
    let seen: Vec<Seen> = (0..2)
        .map(|_| send(|b| b, page, request("GET", None), Behaviour::Answer(200)))
        .collect();
    assert!(
        seen.iter()
            .all(|s| s.lines.len() == 1 && s.segments.len() == 1)
    );
    let seen = send(
        |b| b.sampling(Sampling::Never),
        |_| page(&Telemetry::off()),
        request("GET", None),
        Behaviour::Answer(200),
    );
    assert!(seen.lines.is_empty());
}
