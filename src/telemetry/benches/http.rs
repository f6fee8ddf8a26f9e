//! What telemetry adds to a request: `GET /count` bare, with all traces sampled, with none.
//!
//! Each variant is a server in a process of its own (one thread, mimalloc), so that its CPU time
//! can be told apart; the load is a loop of keep-alive connections in this process. Rounds are
//! interleaved. Sampled means: one EMF line, one segment with three subsegments, through `tracing`
//! and `tracing-opentelemetry`, into sinks that count bytes. `shipped` sends each segment as a
//! datagram and writes each line to the null device as well.
//!
//! `cargo bench -p telemetry --bench http`; with `--tiny` each serves a few requests and only the
//! answers are compared.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs
)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, get_service};
use axum::{Json, Router};
use cpu_time::ProcessTime;
use ports::{Document, Documents, Key, Kind};
use telemetry::emf::LineSink;
use telemetry::xray::{Sampling, SegmentSink, XrayDaemon};
use telemetry::{Builder, Telemetry};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VARIANTS: [&str; 4] = ["bare", "unsampled", "sampled", "shipped"];
const CONNECTIONS: usize = 32;
const REQUEST: &[u8] = b"GET /count HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\n\r\n";

#[derive(serde::Serialize)]
struct Count {
    name: &'static str,
    count: i64,
}

/// An in-memory table behind the port that the services use.
#[derive(Default)]
struct Table(Mutex<HashMap<String, i64>>);

#[async_trait]
impl Documents for Table {
    async fn add(&self, _table: &str, key: &Key, _attribute: &str, by: i64) -> ports::Result<i64> {
        let mut items = self.0.lock().unwrap();
        if let Some(count) = items.get_mut(&key.value) {
            *count += by;
            return Ok(*count);
        }
        items.insert(key.value.clone(), by);
        Ok(by)
    }

    async fn get(&self, table: &str, _key: &Key) -> ports::Result<Option<Document>> {
        Err(ports::Error::new("get", table, Kind::Invalid))
    }

    async fn put(
        &self,
        table: &str,
        _key: &Key,
        _item: &Document,
        _only_if_absent: bool,
    ) -> ports::Result<()> {
        Err(ports::Error::new("put", table, Kind::Invalid))
    }

    async fn delete(&self, table: &str, _key: &Key) -> ports::Result<()> {
        Err(ports::Error::new("delete", table, Kind::Invalid))
    }
}

struct Home {
    documents: Arc<dyn Documents>,
    key: Key,
}

impl Home {
    async fn visit(&self) -> i64 {
        self.documents
            .add("visitors", &self.key, "visitCount", 1)
            .await
            .unwrap()
    }
}

async fn bare(State(home): State<Arc<Home>>) -> Json<Count> {
    Json(Count {
        name: "home",
        count: home.visit().await,
    })
}

async fn traced(State(home): State<Arc<Home>>) -> Json<Count> {
    let count = home.visit().await;
    // As the peers' benchmark makes them, so that the ratios can be compared.
    tracing::info_span!("decode").in_scope(|| ());
    tracing::info_span!("S3", aws.operation = "PutObject").in_scope(|| ());
    tracing::info_span!("DynamoDB", aws.operation = "PutItem").in_scope(|| ());
    Json(Count {
        name: "home",
        count,
    })
}

#[derive(Default)]
struct Bytes(AtomicU64);

impl LineSink for Bytes {
    fn line(&self, line: &[u8]) {
        self.0.fetch_add(line.len() as u64, Relaxed);
    }
}

impl SegmentSink for Bytes {
    fn segment(&self, document: &[u8]) {
        self.0.fetch_add(document.len() as u64, Relaxed);
    }
}

struct Device(File);

impl LineSink for Device {
    fn line(&self, line: &[u8]) {
        (&self.0).write_all(line).unwrap();
    }
}

fn telemetry(variant: &str) -> Option<Telemetry> {
    let counted = |sampling| {
        Telemetry::builder()
            .lines(Arc::new(Bytes::default()))
            .segments(Arc::new(Bytes::default()))
            .sampling(sampling)
    };
    let builder: Builder = match variant {
        "unsampled" => counted(Sampling::Never),
        "sampled" => counted(Sampling::Always),
        "shipped" => {
            let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
            let daemon = XrayDaemon::connect(nobody.local_addr().unwrap()).unwrap();
            // It stays open so that datagrams have somewhere to go; nobody reads them.
            std::mem::forget(nobody);
            let device = File::options().write(true).open("/dev/null").unwrap();
            counted(Sampling::Always)
                .segments(Arc::new(daemon))
                .lines(Arc::new(Device(device)))
        }
        _ => return None,
    };
    Some(builder.install().unwrap())
}

/// Serves one variant until the standard input ends; answers each line on it with the CPU time of
/// this process in nanoseconds.
fn serve(variant: &str) {
    let key = Key {
        attribute: "pk".into(),
        value: "visitors".into(),
    };
    let home = Home {
        documents: Arc::new(Table::default()),
        key,
    };
    let home = Arc::new(home);
    let route: MethodRouter = match telemetry(variant) {
        None => get(bare).with_state(home),
        Some(telemetry) => {
            let layer = telemetry
                .service("BenchSvc", "home")
                .route("/count")
                .page_view();
            get_service(layer.layer(traced.with_state(home)))
        }
    };
    let router = Router::new().route("/count", route);
    std::thread::spawn(|| {
        for _ in std::io::stdin().lines() {
            println!("{}", ProcessTime::now().as_duration().as_nanos());
        }
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        use axum::serve::ListenerExt;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}

struct Server {
    variant: &'static str,
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
    rounds: Vec<f64>,
}

impl Server {
    fn start(variant: &'static str) -> Server {
        let program = std::env::current_exe().unwrap();
        // As the peers' benchmark: servers on one core, the load on another.
        let mut command = if pinned(["-c", "0", "true"]) {
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let mut process = command
            .args(["--serve", variant])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut address = String::new();
        stdout.read_line(&mut address).unwrap();
        Server {
            variant,
            process,
            stdin,
            stdout,
            address: address.trim().parse().unwrap(),
            rounds: Vec::new(),
        }
    }

    fn cpu_nanoseconds(&mut self) -> f64 {
        self.stdin.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }
}

/// Whether `taskset` is there and does this.
fn pinned<const N: usize>(arguments: [&str; N]) -> bool {
    let done = Command::new("taskset")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection, one request after the other; answers the last body.
async fn visit(address: SocketAddr, count: usize) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.writable().await.unwrap();
    let mut buffer = vec![0; 4096];
    let mut body = String::new();
    for _ in 0..count {
        // The socket's buffer is empty, so it takes this at once.
        assert_eq!(stream.try_write(REQUEST).unwrap(), REQUEST.len());
        let mut length = 0;
        body = loop {
            stream.readable().await.unwrap();
            let read = match stream.try_read(&mut buffer[length..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => read.unwrap(),
            };
            assert!(read > 0, "the server closed the connection");
            length += read;
            if let Some(body) = whole(&buffer[..length]) {
                break body;
            }
        };
    }
    body
}

/// The body, when the answer is complete.
fn whole(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "))
        .unwrap();
    (body.len() == length.parse::<usize>().unwrap()).then(|| body.to_owned())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--serve") {
        return serve(&arguments[at + 1]);
    }
    let tiny = arguments.iter().any(|a| a == "--tiny");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut servers = VARIANTS.map(Server::start);
    if !pinned(["-a", "-c", "-p", "1", &std::process::id().to_string()]) {
        eprintln!("the load has no core of its own; expect wider ranges");
    }
    for server in &servers {
        for expect in 1..=3 {
            let body = runtime.block_on(visit(server.address, 1));
            assert_eq!(
                body,
                format!("{{\"name\":\"home\",\"count\":{expect}}}"),
                "{}",
                server.variant
            );
        }
    }
    if tiny {
        return;
    }
    let load = |address, requests: usize| {
        runtime.block_on(async {
            let visits: Vec<_> = (0..CONNECTIONS)
                .map(|_| tokio::spawn(visit(address, requests / CONNECTIONS)))
                .collect();
            for visit in visits {
                visit.await.unwrap();
            }
        });
    };
    const REQUESTS: usize = 16_000;
    for server in &servers {
        load(server.address, REQUESTS);
    }
    for _ in 0..25 {
        for server in &mut servers {
            let before = server.cpu_nanoseconds();
            load(server.address, REQUESTS);
            let used = server.cpu_nanoseconds() - before;
            server.rounds.push(used / REQUESTS as f64 / 1000.0);
        }
    }
    // Each round is compared with its own bare one, since whatever else runs here changes slowly.
    let bare = servers[0].rounds.clone();
    println!(
        "{:<12} {:>7} {:>15} {:>17}",
        "CPU us/req", "median", "(min-max)", "ratio (min-max)"
    );
    let goals = [
        "",
        "(goal <= 1.30, aim 1.1)",
        "(goal <= 2.00, aim 1.3)",
        "(no goal)",
    ];
    for (server, goal) in servers.iter().zip(goals) {
        let ratios = server
            .rounds
            .iter()
            .zip(&bare)
            .map(|(round, bare)| round / bare)
            .collect();
        let [median, least, most] = spread(server.rounds.clone());
        let [ratio, low, high] = spread(ratios);
        let (took, ratios) = (
            format!("({least:.2}-{most:.2})"),
            format!("{ratio:.2} ({low:.2}-{high:.2})"),
        );
        println!(
            "{:<12} {median:>7.2} {took:>15} {ratios:>17} {goal}",
            server.variant
        );
    }
}

/// Median, least and most.
fn spread(mut of: Vec<f64>) -> [f64; 3] {
    of.sort_by(f64::total_cmp);
    [of[of.len() / 2], of[0], of[of.len() - 1]]
}
