//! The counter's function binary as Lambda runs it: a stand-in of the runtime API hands it
//! invocations, moto's DynamoDB keeps the count, a socket stands for the X-Ray daemon.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

mod moto;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use moto::MOTO;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long anything may take before the test gives up; nothing waits this long.
const PATIENCE: Duration = Duration::from_secs(30);
const TRACE: &str = "1-65a0b1c2-0123456789abcdef01234567";
const PARENT: &str = "00000000000000aa";

/// What the function answered to one invocation.
#[derive(Debug)]
enum Answer {
    Response(Value),
    Error(Value),
}

/// A running function with everything around it.
struct Function {
    child: Child,
    answers: UnboundedReceiver<(String, Answer)>,
    stdout: Receiver<String>,
    daemon: UdpSocket,
}

impl Function {
    /// Starts the binary; it will be asked these events, one after the other.
    async fn start(table: &str, events: Vec<Value>) -> Function {
        let (said, answers) = unbounded_channel();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let runtime_api = listener.local_addr().unwrap().to_string();
        let router = runtime_api_of(events, move |id, answer| {
            // The test may have seen enough already.
            let _ = said.send((id, answer));
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        daemon.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_counter"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "demo-counter")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env(
                "AWS_XRAY_DAEMON_ADDRESS",
                daemon.local_addr().unwrap().to_string(),
            )
            .env("AWS_ENDPOINT_URL", &MOTO.endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("TABLE_NAME", table)
            .env("COUNTER_ATTR", "visits")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (line, stdout) = channel();
        std::thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    break;
                }
            }
        });
        Function {
            child,
            answers,
            stdout,
            daemon,
        }
    }

    async fn answer(&mut self) -> (String, Answer) {
        tokio::time::timeout(PATIENCE, self.answers.recv())
            .await
            .expect("the function answers")
            .expect("the runtime API stands")
    }

    /// The next line of the standard output that `wanted` takes.
    fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let text = self
                .stdout
                .recv_timeout(PATIENCE)
                .expect("a line is written");
            let line: Value = serde_json::from_str(&text)
                .unwrap_or_else(|e| panic!("a line that is not JSON ({e}): {text}"));
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The next segment document that the daemon receives.
    fn segment(&self) -> Value {
        let mut datagram = vec![0; 65_536];
        let size = self.daemon.recv(&mut datagram).expect("a segment is sent");
        let text = std::str::from_utf8(&datagram[..size]).unwrap();
        let (header, document) = text.split_once('\n').unwrap();
        let header: Value = serde_json::from_str(header).unwrap();
        assert_eq!(header, json!({ "format": "json", "version": 1 }));
        serde_json::from_str(document).unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It waits for the next invocation for ever, so there is no end to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The runtime API, version 2018-06-01: each event once, then nothing any more.
fn runtime_api_of(
    events: Vec<Value>,
    say: impl Fn(String, Answer) + Clone + Send + Sync + 'static,
) -> Router {
    let queue = Arc::new(Mutex::new(
        events.into_iter().enumerate().collect::<VecDeque<_>>(),
    ));
    let next = move || {
        let event = queue.lock().unwrap().pop_front();
        async move {
            match event {
                Some((i, event)) => invocation(i, &event),
                None => std::future::pending().await,
            }
        }
    };
    let failed = say.clone();
    let broken = say.clone();
    let json = |body: &Bytes| serde_json::from_slice(body).unwrap_or(Value::Null);
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(move |Path(id): Path<String>, body: Bytes| async move {
                say(id, Answer::Response(json(&body)));
                StatusCode::ACCEPTED
            }),
        )
        .route(
            "/2018-06-01/runtime/invocation/{id}/error",
            post(move |Path(id): Path<String>, body: Bytes| async move {
                failed(id, Answer::Error(json(&body)));
                StatusCode::ACCEPTED
            }),
        )
        .route(
            "/2018-06-01/runtime/init/error",
            post(move |body: Bytes| async move {
                broken("init".into(), Answer::Error(json(&body)));
                StatusCode::ACCEPTED
            }),
        )
}

fn invocation(i: usize, event: &Value) -> Response {
    let headers = [
        ("lambda-runtime-aws-request-id", format!("request-{i}")),
        ("lambda-runtime-deadline-ms", "4102444800000".into()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:demo-counter".into(),
        ),
        (
            "lambda-runtime-trace-id",
            format!("Root={TRACE};Parent={PARENT};Sampled=1"),
        ),
    ];
    let mut response = event.to_string().into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// What a REST API sends for a request (payload version 1.0).
fn rest_event(method: &str, path: &str) -> Value {
    json!({
        "resource": path, "path": path, "httpMethod": method,
        "headers": { "Accept": "application/json", "Origin": "https://example.org" },
        "multiValueHeaders": { "Accept": ["application/json"], "Origin": ["https://example.org"] },
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": null, "stageVariables": null, "body": null, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "000000000000", "apiId": "api", "httpMethod": method, "path": path,
            "protocol": "HTTP/1.1", "requestId": "gateway-1", "requestTime": "01/Jan/2026:00:00:00 +0000",
            "requestTimeEpoch": 1767225600000_i64, "resourceId": "r", "resourcePath": path,
            "stage": "prod", "identity": { "sourceIp": "192.0.2.1", "userAgent": "test" },
        },
    })
}

/// What an HTTP API sends for a request (payload version 2.0).
fn http_event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": { "accept": "application/json", "origin": "https://example.org" },
        "isBase64Encoded": false,
        "requestContext": {
            "accountId": "000000000000", "apiId": "api", "domainName": "api.example.org",
            "domainPrefix": "api", "requestId": "gateway-2", "routeKey": "$default",
            "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1767225600000_i64,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1",
                      "sourceIp": "192.0.2.1", "userAgent": "test" },
        },
    })
}

fn table(name: &str) {
    MOTO.boto(
        "dynamodb",
        "create_table",
        json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        }),
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_are_counted_measured_and_traced() {
    table("lambda-visitors");
    let events = vec![
        rest_event("GET", "/count"),
        rest_event("GET", "/count"),
        http_event("GET", "/count"),
    ];
    let mut function = Function::start("lambda-visitors", events).await;
    for i in 0..3 {
        let (id, answer) = function.answer().await;
        assert_eq!(id, format!("request-{i}"));
        let Answer::Response(response) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(response["statusCode"], 200, "{response}");
        assert_eq!(response["body"], json!({ "count": i + 1 }).to_string());
        // A REST API reads the one, an HTTP API the other.
        let many = &response["multiValueHeaders"]["access-control-allow-origin"];
        let one = &response["headers"]["access-control-allow-origin"];
        assert!(many == &json!(["*"]) || one == "*", "{response}");

        let line = function.line(|line| line["_aws"].is_object());
        assert_eq!(line["PageView"], 1, "{line}");
        assert_eq!(line["Service"], "counter");
        assert_eq!(line["trace_id"], TRACE);
        let metrics = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert!(metrics.iter().all(|m| m["Namespace"] == "CloudResume"));
        let total = metrics.iter().any(|m| {
            let names_page_view = m["Metrics"].to_string().contains("PageView");
            names_page_view && m["Dimensions"].as_array().unwrap().contains(&json!([]))
        });
        assert!(total, "PageView without dimensions: {line}");

        let segment = function.segment();
        assert_eq!(segment["trace_id"], TRACE, "{segment}");
        assert_eq!(segment["parent_id"], PARENT);
        assert!(segment.to_string().contains("UpdateItem"), "{segment}");
    }
    let key = json!({ "TableName": "lambda-visitors", "Key": { "pk": { "S": "visitors" } } });
    let item = MOTO.boto("dynamodb", "get_item", key).unwrap();
    assert_eq!(item["Item"]["visits"], json!({ "N": "3" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_that_cannot_be_counted_is_a_failed_invocation_with_a_log_line() {
    let events = vec![rest_event("GET", "/count"), rest_event("GET", "/nothing")];
    let mut function = Function::start("no-such-table", events).await;
    let (id, answer) = function.answer().await;
    assert_eq!(id, "request-0");
    let Answer::Error(error) = answer else {
        panic!("{answer:?}");
    };
    let words = "GET /prod/count answered 500 Internal Server Error";
    assert_eq!(
        error,
        json!({ "errorType": "Fault", "errorMessage": words })
    );
    let logged = function.line(|line| line["level"] == "ERROR");
    assert!(
        logged.to_string().contains("ResourceNotFoundException"),
        "{logged}"
    );
    assert_eq!(logged["trace_id"], TRACE, "{logged}");
    let line = function.line(|line| line["_aws"].is_object());
    assert_eq!(
        (&line["Faults"], &line["Fault"]),
        (&json!(1), &json!(1)),
        "{line}"
    );

    // The environment lives on, and what is the visitor's fault is no failed invocation.
    let (_, answer) = function.answer().await;
    let Answer::Response(response) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(response["statusCode"], 404);
}

#[test]
fn a_function_without_its_table_says_so_and_ends() {
    let output = Command::new(env!("CARGO_BIN_EXE_counter"))
        .env_clear()
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("TABLE_NAME"), "{told}");
}
