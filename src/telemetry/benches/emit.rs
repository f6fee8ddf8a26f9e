//! What one request's telemetry costs, from a filled record to bytes: ours beside its peers.
//!
//! Workload T: one EMF line (one set of three dimensions, five metrics, four properties) and one
//! X-Ray document (http, two annotations, three subsegments), with values that vary. CPU time of
//! the thread and counted allocations, the median of interleaved rounds.
//!
//! `cargo bench -p telemetry --bench emit`; with `--tiny` each runs once and only the results are
//! compared.

#![allow(unsafe_code, reason = "counting allocations takes an allocator")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use cpu_time::ThreadTime;
use metrique_writer::format::Format;
use metrique_writer::{Entry, EntryWriter};
use model::catalogue::Declared;
use model::{Resolution, Time, Unit, Values};
use serde_json::Value;
use telemetry::emf::{Emf, Record};
use telemetry::xray::record::{Aws, Document, Http, Kind, Micros, Namespace, Scalar, Segment};
use telemetry::xray::{SegmentId, TraceId};
use xray_lite::{AwsNamespace, CustomNamespace, SubsegmentContext};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0";

struct Served {
    request_id: String,
    trace: TraceId,
    trace_text: String,
    image: String,
    latency: f64,
    bytes_in: u64,
    bytes_out: u64,
    at: u64,
    id: u64,
}

fn requests() -> Vec<Served> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..1024)
        .map(|_| {
            let trace = TraceId::from_bits((0x65df_b5a1 << 96) | (random.u128(..) >> 32)).unwrap();
            Served {
                request_id: format!(
                    "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                    random.u32(..),
                    random.u16(..),
                    random.u16(..0xfff),
                    random.u16(..0xfff),
                    random.u64(..) >> 16
                ),
                trace,
                trace_text: trace.to_string(),
                image: format!("img_{:022}", random.u64(..)),
                latency: (random.f64() * 1e5).round() / 1e3,
                bytes_in: random.u64(1000..5_000_000),
                bytes_out: random.u64(200..9000),
                at: 1_767_225_600_000 + random.u64(0..1 << 30),
                id: random.u64(16..),
            }
        })
        .collect()
}

const SETS: &[&[&str]] = &[&["Service", "Route", "Status"]];

const fn metric(name: &'static str, unit: Unit) -> Declared {
    Declared {
        namespace: "BenchSvc",
        name,
        unit,
        resolution: Resolution::Standard,
        dimensions: SETS,
    }
}

fn our_line() -> Emf<3, 5, 4> {
    Emf::declare(
        ["Service", "Route", "Status"],
        [
            metric("Requests", Unit::Count),
            metric("Latency", Unit::Milliseconds),
            metric("BytesIn", Unit::Bytes),
            metric("BytesOut", Unit::Bytes),
            metric("Errors", Unit::Count),
        ],
        ["request_id", "trace_id", "user_agent", "image_id"],
    )
    .unwrap()
}

fn write_line(line: &Emf<3, 5, 4>, r: &Served, out: &mut Vec<u8>) {
    let record = Record {
        at: Time::from_millis(r.at as i64),
        dimensions: black_box(["image-post", "/images", "200"]),
        metrics: [1.0, r.latency, r.bytes_in as f64, r.bytes_out as f64, 0.0],
        properties: [&r.request_id, &r.trace_text, black_box(AGENT), &r.image],
    };
    line.write(&record, out).unwrap();
}

fn write_document(r: &Served, out: &mut Vec<u8>) {
    let id = |n: u64| SegmentId::from_bits(r.id ^ n).unwrap();
    let start = Micros(r.at * 1000);
    let after = |ms: u64| Micros((r.at + ms) * 1000);
    let call = |n, ms, name, operation| Segment {
        namespace: Some(Namespace::Aws),
        aws: Aws {
            operation: Some(operation),
            ..Aws::default()
        },
        ..Segment::new(name, id(n), start, after(ms))
    };
    let document = Document {
        trace: r.trace,
        parent: None,
        kind: Kind::Segment,
        segment: Segment {
            http: Http {
                method: Some(black_box("POST")),
                url: Some(black_box("http://svc.local/images")),
                client_ip: Some(black_box("203.0.113.7")),
                user_agent: Some(black_box(AGENT)),
                status: Some(200),
                content_length: Some(r.bytes_out),
                ..Http::default()
            },
            annotations: &[
                ("route", Scalar::Text(black_box("/images").into())),
                ("image_id", Scalar::Text((&*r.image).into())),
            ],
            subsegments: &[
                Segment::new(black_box("decode"), id(1), start, after(1)),
                call(2, 2, black_box("S3"), black_box("PutObject")),
                call(3, 3, black_box("DynamoDB"), black_box("PutItem")),
            ],
            ..Segment::new(
                black_box("image-post"),
                id(0),
                start,
                after(r.latency as u64),
            )
        },
    };
    document.write(out);
}

/// The same record for AWS's metrique.
struct Metrique<'a>(&'a Served);

impl Entry for Metrique<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        let r = self.0;
        writer.timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(r.at));
        writer.value("Service", black_box("image-post"));
        writer.value("Route", black_box("/images"));
        writer.value("Status", black_box("200"));
        writer.value("Requests", &1u64);
        writer.value("Latency", &Duration::from_nanos((r.latency * 1e6) as u64));
        writer.value("BytesIn", &r.bytes_in);
        writer.value("BytesOut", &r.bytes_out);
        writer.value("Errors", &0u64);
        writer.value("request_id", &r.request_id);
        writer.value("trace_id", &r.trace_text);
        writer.value("user_agent", black_box(AGENT));
        writer.value("image_id", &r.image);
    }
}

/// An xray-lite client that makes datagrams and counts their bytes.
#[derive(Debug, Clone)]
struct Counted(Arc<AtomicU64>);

impl xray_lite::Client for Counted {
    fn send<S: serde::Serialize>(&self, data: &S) -> xray_lite::Result<()> {
        let document = serde_json::to_vec(data).unwrap();
        let datagram = [b"{\"format\": \"json\", \"version\": 1}\n", &document[..]].concat();
        self.0.fetch_add(datagram.len() as u64, Relaxed);
        black_box(datagram);
        Ok(())
    }
}

fn lite_request<C: xray_lite::Context>(context: &C) {
    let _request = context.enter_subsegment(CustomNamespace::new("image-post"));
    drop(context.enter_subsegment(CustomNamespace::new("decode")));
    drop(context.enter_subsegment(AwsNamespace::new("S3", "PutObject")));
    drop(context.enter_subsegment(AwsNamespace::new("DynamoDB", "PutItem")));
}

struct Peer<'a> {
    name: &'static str,
    run: Box<dyn FnMut(usize) -> usize + 'a>,
    rounds: Vec<f64>,
    allocations: f64,
    bytes: f64,
}

impl<'a> Peer<'a> {
    fn new(name: &'static str, run: impl FnMut(usize) -> usize + 'a) -> Peer<'a> {
        Peer {
            name,
            run: Box::new(run),
            rounds: Vec::new(),
            allocations: 0.0,
            bytes: 0.0,
        }
    }

    fn round(&mut self, count: usize) {
        let allocations = ALLOCATIONS.load(Relaxed);
        let begun = ThreadTime::now();
        let mut bytes = 0;
        for i in 0..count {
            bytes += black_box((self.run)(i & 1023));
        }
        let took = begun.elapsed();
        self.rounds.push(took.as_nanos() as f64 / count as f64);
        self.allocations = (ALLOCATIONS.load(Relaxed) - allocations) as f64 / count as f64;
        self.bytes = bytes as f64 / count as f64;
    }

    fn median(&mut self) -> f64 {
        self.rounds.sort_by(f64::total_cmp);
        self.rounds[self.rounds.len() / 2]
    }
}

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let requests = requests();
    let line = our_line();
    let sets = vec![vec!["Service".into(), "Route".into(), "Status".into()]];
    let mut metrique = metrique_writer_format_emf::Emf::builder("BenchSvc".into(), sets).build();
    let sent = Arc::new(AtomicU64::new(0));
    let lite = {
        let header = "Root=1-65dfb5a1-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1";
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("_X_AMZN_TRACE_ID", header) };
        SubsegmentContext::from_lambda_env(Counted(sent.clone())).unwrap()
    };
    same_metrics(&line, &mut metrique, &requests);
    documents_are_right(&requests);
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    let mut peers = [
        Peer::new("ours: EMF line", |i| {
            a.clear();
            write_line(&line, &requests[i], &mut a);
            black_box(&a).len()
        }),
        Peer::new("metrique-writer-format-emf: EMF line", |i| {
            b.clear();
            metrique.format(&Metrique(&requests[i]), &mut b).unwrap();
            black_box(&b).len()
        }),
        Peer::new("ours: X-Ray document", |i| {
            c.clear();
            write_document(&requests[i], &mut c);
            black_box(&c).len()
        }),
        Peer::new("xray-lite: the same spans", |_| {
            let before = sent.load(Relaxed);
            lite_request(&lite);
            (sent.load(Relaxed) - before) as usize
        }),
    ];
    if tiny {
        for peer in &mut peers {
            peer.round(1);
            assert!(peer.bytes > 0.0, "{} wrote nothing", peer.name);
        }
        for ours in [0, 2] {
            peers[ours].round(1024);
            assert_eq!(
                peers[ours].allocations, 0.0,
                "{} allocated",
                peers[ours].name
            );
        }
        return;
    }
    const COUNTS: [usize; 4] = [200_000, 200_000, 200_000, 50_000];
    for (peer, count) in peers.iter_mut().zip(COUNTS) {
        peer.round(count / 10);
        peer.rounds.clear();
    }
    for _ in 0..7 {
        for (peer, count) in peers.iter_mut().zip(COUNTS) {
            peer.round(count);
        }
    }
    let medians: Vec<f64> = peers.iter_mut().map(Peer::median).collect();
    println!(
        "{:<38} {:>9} {:>17} {:>8} {:>7}",
        "CPU ns a request", "median", "(min-max)", "allocs", "bytes"
    );
    for (peer, median) in peers.iter().zip(&medians) {
        let range = format!(
            "({:.0}-{:.0})",
            peer.rounds[0],
            peer.rounds[peer.rounds.len() - 1]
        );
        println!(
            "{:<38} {median:>9.0} {range:>17} {:>8.1} {:>7.0}",
            peer.name, peer.allocations, peer.bytes
        );
    }
    println!(
        "ours/metrique  {:.2} (goal <= 0.65; EMF line <= 250 ns)",
        medians[0] / medians[1]
    );
    println!(
        "ours/xray-lite {:.2} (goal <= 0.10; X-Ray document <= 350 ns)",
        medians[2] / medians[3]
    );
}

/// Both lines tell CloudWatch the same. metrique leaves the unit out where it is none of time or
/// size, and our declaration gives every unit, so units are not compared.
fn same_metrics(
    line: &Emf<3, 5, 4>,
    metrique: &mut metrique_writer_format_emf::Emf,
    requests: &[Served],
) {
    for r in &requests[..16] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        write_line(line, r, &mut ours);
        metrique.format(&Metrique(r), &mut theirs).unwrap();
        let metrics = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).unwrap();
            let mut data: Vec<_> = telemetry::emf::extract(text).unwrap().unwrap();
            data.sort_by(|a, b| a.metric.cmp(&b.metric));
            // A duration in nanoseconds may differ from the milliseconds in the last bit.
            let value = |v: Values| match v {
                Values::Single(value) => (value * 1e6).round(),
                other => panic!("{other:?}"),
            };
            let data: Vec<_> = data
                .into_iter()
                .map(|d| (d.metric, d.at, value(d.values)))
                .collect();
            let all: Value = serde_json::from_str(text).unwrap();
            let properties =
                ["request_id", "trace_id", "user_agent", "image_id"].map(|p| all[p].clone());
            (data, properties)
        };
        assert_eq!(metrics(&ours), metrics(&theirs));
    }
}

fn documents_are_right(requests: &[Served]) {
    for r in &requests[..16] {
        let mut out = Vec::new();
        write_document(r, &mut out);
        let d: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(d["trace_id"], r.trace_text.as_str());
        assert_eq!(d["start_time"], r.at as f64 / 1e3);
        assert_eq!(d["http"]["response"]["content_length"], r.bytes_out);
        assert_eq!(d["annotations"]["image_id"], r.image.as_str());
        let names: Vec<_> = d["subsegments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["name"].clone())
            .collect();
        assert_eq!(names, ["decode", "S3", "DynamoDB"]);
    }
}
