//! The counter over an in-memory table: answers, errors, and what each emits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use counter::Config;
use http_body_util::BodyExt;
use model::Values;
use ports::{Document, Documents, Key, Kind};
use serde_json::{Value, json};
use telemetry::xray::Sampling;
use telemetry::{Memory, Telemetry};
use tower::ServiceExt;

/// Numbers by table, item and attribute; only what the counter may do works.
#[derive(Default)]
struct Table {
    numbers: Mutex<HashMap<String, i64>>,
    broken: bool,
}

#[async_trait]
impl Documents for Table {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> ports::Result<i64> {
        if self.broken {
            return Err(ports::Error::new("update item", table, Kind::Unavailable)
                .because("the table is on fire"));
        }
        let mut numbers = self.numbers.lock().unwrap();
        let name = format!("{table}/{}={}/{attribute}", key.attribute, key.value);
        let number = numbers.entry(name).or_default();
        *number += by;
        Ok(*number)
    }

    async fn get(&self, table: &str, _key: &Key) -> ports::Result<Option<Document>> {
        Err(ports::Error::new("get item", table, Kind::Denied))
    }

    async fn put(&self, table: &str, _: &Key, _: &Document, _: bool) -> ports::Result<()> {
        Err(ports::Error::new("put item", table, Kind::Denied))
    }

    async fn delete(&self, table: &str, _key: &Key) -> ports::Result<()> {
        Err(ports::Error::new("delete item", table, Kind::Denied))
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(router: &Router, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

fn service(broken: bool) -> (Router, Arc<Table>) {
    let table = Arc::new(Table {
        broken,
        ..Table::default()
    });
    (
        counter::router(
            table.clone(),
            Config::new("visitors-table"),
            &Telemetry::off(),
        ),
        table,
    )
}

#[tokio::test]
async fn each_visit_counts_one_under_any_stage() {
    let (router, table) = service(false);
    for (i, path) in ["/count", "/prod/count", "/Prod/count", "/count?from=mail"]
        .iter()
        .enumerate()
    {
        let answer = send(&router, "GET", path).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({ "count": i + 1 })),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let numbers = table.numbers.lock().unwrap();
    assert_eq!(
        *numbers,
        HashMap::from([("visitors-table/pk=visitors/visitCount".to_owned(), 4)])
    );
}

#[tokio::test]
async fn what_is_no_visit_counts_nothing_and_says_why() {
    let (router, table) = service(false);
    let check = async |method: &str, path: &str, expect: StatusCode| {
        let answer = send(&router, method, path).await;
        assert_eq!(answer.status, expect, "{method} {path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{method} {path}"
        );
        if method != "HEAD" && expect.is_client_error() {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let problem = answer.json();
            assert_eq!(problem["status"], expect.as_u16());
            assert_eq!(problem["title"], expect.canonical_reason().unwrap());
            assert!(!problem["detail"].as_str().unwrap().is_empty());
        }
        if expect == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(answer.header("allow"), "GET, OPTIONS");
        }
    };
    for path in ["/count", "/prod/count"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "HEAD", "BREW"] {
            check(method, path, StatusCode::METHOD_NOT_ALLOWED).await;
        }
        check("OPTIONS", path, StatusCode::NO_CONTENT).await;
    }
    for path in [
        "/counts",
        "/count/",
        "/prod/prod/count",
        "/dev/count",
        "/%2e%2e/count",
        "//count",
        "/resume.html",
    ] {
        check("GET", path, StatusCode::NOT_FOUND).await;
    }
    check("POST", "/", StatusCode::METHOD_NOT_ALLOWED).await;
    assert!(table.numbers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_browser_may_ask_from_anywhere() {
    let (router, _) = service(false);
    let answer = send(&router, "OPTIONS", "/count").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "GET, OPTIONS"
    );
    assert_eq!(answer.header("access-control-allow-headers"), "*");
    assert!(answer.body.is_empty() && answer.header("content-type").is_empty());
}

#[tokio::test]
async fn the_page_and_its_pdf_are_there() {
    let (router, _) = service(false);
    for path in ["/", "/prod", "/prod/", "/Prod/"] {
        let page = send(&router, "GET", path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let text = String::from_utf8(page.body).unwrap();
        assert!(
            text.contains("<span id=\"count\" aria-live=\"polite\">—</span>"),
            "the dash is there first"
        );
        assert!(text.contains("here + 'count'") && text.contains("resume.pdf"));
        assert!(text.contains("prefers-color-scheme: dark") && text.contains("id=\"theme\""));
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "it needs nobody else"
        );
    }
    let pdf = send(&router, "GET", "/prod/resume.pdf").await;
    assert_eq!(
        (pdf.status, pdf.header("content-type")),
        (StatusCode::OK, "application/pdf")
    );
    assert!(pdf.body.starts_with(b"%PDF-1.4"));
    let text = String::from_utf8_lossy(&pdf.body);
    let table: usize = text
        .trim_end()
        .lines()
        .rev()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        pdf.body[table..].starts_with(b"xref"),
        "the cross-reference table is where it should be"
    );
    let entries = String::from_utf8(pdf.body[table..].to_vec()).unwrap();
    for (i, entry) in entries
        .lines()
        .skip(3)
        .take_while(|l| l.ends_with(" n "))
        .enumerate()
    {
        let at: usize = entry[..10].parse().unwrap();
        assert!(
            pdf.body[at..].starts_with(format!("{} 0 obj", i + 1).as_bytes()),
            "{entry}"
        );
    }
}

#[tokio::test]
async fn a_table_that_fails_is_a_fault_that_can_be_followed() {
    let memory = Arc::new(Memory::default());
    let (telemetry, _guard) = Telemetry::builder()
        .lines(memory.clone())
        .segments(memory.clone())
        .logs(memory.clone())
        .sampling(Sampling::Always)
        .scoped();
    let table = Arc::new(Table {
        broken: true,
        ..Table::default()
    });
    let router = counter::router(table, Config::new("visitors-table"), &telemetry);
    let answer = send(&router, "GET", "/count").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["status"], 500);
    assert!(
        !String::from_utf8_lossy(&answer.body).contains("fire"),
        "causes are not for strangers"
    );

    let line: Value = serde_json::from_str(&memory.take_lines()[0]).unwrap();
    assert_eq!(
        (&line["PageView"], &line["Faults"], &line["Fault"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let (_, log) = memory.take_logs().remove(0);
    let log: Value = serde_json::from_str(&log).unwrap();
    assert_eq!(log["level"], "ERROR");
    assert_eq!(
        log["fields"]["error"],
        "update item visitors-table: unavailable: the table is on fire"
    );
    assert_eq!(log["trace_id"], line["trace_id"]);
    let documents = memory.take_segments();
    let segment: Value = serde_json::from_str(&documents[0]).unwrap();
    assert_eq!(
        (documents.len(), &segment["name"], &segment["fault"]),
        (1, &json!("counter"), &json!(true))
    );
    assert_eq!(segment["trace_id"], line["trace_id"]);
    let call = &segment["subsegments"][0];
    assert_eq!(
        (&call["name"], &call["namespace"], &call["fault"]),
        (&json!("DynamoDB"), &json!("aws"), &json!(true))
    );
    assert_eq!(
        call["aws"],
        json!({ "operation": "UpdateItem", "table_name": "visitors-table" })
    );
    assert!(
        answer
            .header("x-amzn-trace-id")
            .contains(line["trace_id"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_visit_emits_the_sites_total_and_the_services_own() {
    let memory = Arc::new(Memory::default());
    let (telemetry, _guard) = Telemetry::builder().lines(memory.clone()).scoped();
    let router = counter::router(Arc::new(Table::default()), Config::new("t"), &telemetry);
    let emitted = async |method: &str, path: &str| {
        send(&router, method, path).await;
        let data = telemetry::emf::extract(&memory.take_lines()[0])
            .unwrap()
            .unwrap();
        let names = data.iter().map(|d| {
            assert_eq!(d.metric.namespace, "CloudResume");
            let Values::Single(value) = d.values else {
                panic!("{d:?}")
            };
            let dimensions: Vec<_> = d
                .metric
                .dimensions
                .iter()
                .map(|(n, v)| format!("{n}={v}"))
                .collect();
            (
                format!("{}{{{}}}", d.metric.name, dimensions.join(",")),
                value,
            )
        });
        names
            .filter(|(name, _)| name.starts_with("PageView") || name.starts_with("Errors"))
            .collect::<Vec<_>>()
    };
    let errors = |route: &str, value| {
        [
            ("Errors{Service=counter}".to_owned(), value),
            (format!("Errors{{Route={route},Service=counter}}"), value),
        ]
    };
    let views = [
        ("PageView{}".to_owned(), 1.0),
        ("PageView{Service=counter}".to_owned(), 1.0),
    ];
    assert_eq!(
        emitted("GET", "/prod/count").await,
        [views, errors("/count", 0.0)].concat()
    );
    assert_eq!(emitted("OPTIONS", "/count").await, errors("/count", 0.0));
    assert_eq!(emitted("POST", "/count").await, errors("/count", 1.0));
    assert_eq!(emitted("GET", "/").await, errors("/", 0.0));
    assert_eq!(
        emitted("GET", "/nothing").await,
        [("Errors{Service=counter}".to_owned(), 1.0)]
    );
}
