//! The local function runtime: invokes a service as Lambda would, and publishes what Lambda would.
//!
//! Per invocation: the log lines START, END and REPORT in `/aws/lambda/<function>`, and the
//! `AWS/Lambda` metrics Invocations, Errors, Duration, Throttles and ConcurrentExecutions by
//! FunctionName and over all functions. A throttled request is not an invocation. A service that
//! answers 5xx, panics or takes too long has failed its invocation: it counts in Errors.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use model::{Datum, Dimensions, MetricId, Resolution, Unit, Values};
use ports::Clock;
use serde_json::Value;
use tower::ServiceExt;
use tracing::Instrument;

use crate::pump::{Pump, Stream};

/// The settings of a function, in Lambda's words.
#[derive(Debug, Clone)]
pub struct FunctionConfig {
    /// `FunctionName`.
    pub name: String,
    /// `Timeout`.
    pub timeout: Duration,
    /// `ReservedConcurrentExecutions`.
    pub concurrency: u32,
    /// `MemorySize` in megabytes; reported, not enforced.
    pub memory: u32,
}

/// What a function without a limit of its own may run at once: the account's limit.
pub const UNLIMITED: u32 = 1_000;

/// A function that can be invoked.
pub struct Function {
    config: FunctionConfig,
    code: Code,
    /// What may run at once now.
    limit: AtomicU32,
    running: AtomicU32,
    warm: AtomicBool,
    log: Stream,
    pump: Pump,
    clock: Arc<dyn Clock>,
}

/// What a function does: answers requests, or takes events.
enum Code {
    Requests(Router),
    Events(Handler),
}

/// What takes an event and answers, as a Lambda handler does.
pub type Handler =
    Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, HandlerError>> + Send + Sync>;

/// Why a handler failed; its text is the error message of the invocation.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// A handler from a function.
pub fn handler<F, R>(run: F) -> Handler
where
    F: Fn(Value) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, HandlerError>> + Send + 'static,
{
    Arc::new(move |event| Box::pin(run(event)))
}

/// How an invocation ended without a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// All concurrent executions were taken: `TooManyRequestsException`.
    Throttled,
    /// The function failed; the text is its error message.
    Failed(String),
    /// It took longer than its timeout.
    TimedOut,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Throttled => f.write_str("all concurrent executions were taken"),
            Failure::Failed(message) => f.write_str(message),
            Failure::TimedOut => f.write_str("the function took longer than its timeout"),
        }
    }
}

impl Function {
    /// A function around a service. Its log stream is named as Lambda names one.
    pub fn new(
        config: FunctionConfig,
        service: Router,
        pump: &Pump,
        clock: Arc<dyn Clock>,
    ) -> Arc<Function> {
        Function::made(config, Code::Requests(service), pump, clock)
    }

    /// A function that takes events: of queues, streams, buckets and schedules.
    pub fn for_events(
        config: FunctionConfig,
        handler: Handler,
        pump: &Pump,
        clock: Arc<dyn Clock>,
    ) -> Arc<Function> {
        Function::made(config, Code::Events(handler), pump, clock)
    }

    fn made(
        config: FunctionConfig,
        code: Code,
        pump: &Pump,
        clock: Arc<dyn Clock>,
    ) -> Arc<Function> {
        let log = Function::log(&config.name, pump, &*clock);
        Arc::new(Function {
            code,
            limit: AtomicU32::new(config.concurrency),
            running: AtomicU32::new(0),
            warm: AtomicBool::new(false),
            log,
            pump: pump.clone(),
            clock,
            config,
        })
    }

    /// A function's log stream; what its service writes goes there too.
    pub fn log(name: &str, pump: &Pump, clock: &dyn Clock) -> Stream {
        let day = clock.now().to_jiff().strftime("%Y/%m/%d").to_string();
        let instance = format!("{day}/[$LATEST]{:032x}", fastrand::u128(..));
        pump.stream(&format!("/aws/lambda/{name}"), &instance)
    }

    /// `FunctionName`.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How many invocations may run at once.
    pub fn concurrency(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets how many executions may run at once, until the process ends.
    pub fn limit(&self, executions: u32) {
        self.limit.store(executions, Ordering::Relaxed);
    }

    /// Invokes the function with a request.
    pub async fn invoke(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let work = async {
            let Code::Requests(service) = &self.code else {
                return Err("the function takes events, not requests".to_owned());
            };
            match service.clone().oneshot(request).await {
                Ok(response) if response.status().is_server_error() => {
                    Err(format!("the service answered {}", response.status()))
                }
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        };
        self.run("", work).await
    }

    /// Invokes the function with an event, as part of the trace that the header names, if any.
    pub async fn invoke_event(&self, event: Value, trace: &str) -> Result<Value, Failure> {
        let work = async {
            let Code::Events(handler) = &self.code else {
                return Err("the function takes requests, not events".to_owned());
            };
            handler(event).await.map_err(|e| e.to_string())
        };
        self.run(trace, work).await
    }

    /// `IteratorAge`: how old the last record of a batch was when the function got it.
    pub(crate) fn iterator_age(&self, age: Duration) {
        self.publish(&[("IteratorAge", age.as_millis() as f64, Unit::Milliseconds)]);
    }

    async fn run<T>(
        &self,
        trace: &str,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Failure> {
        let concurrent = Running::enter(&self.running);
        if concurrent.count > self.limit.load(Ordering::Relaxed) {
            self.publish(&[("Throttles", 1.0, Unit::Count)]);
            return Err(Failure::Throttled);
        }
        let id = request_id();
        let cold = !self.warm.swap(true, Ordering::Relaxed);
        self.log
            .write(format!("START RequestId: {id} Version: $LATEST"));
        let begun = Instant::now();
        let span = tracing::info_span!(
            "invoke",
            otel.kind = "server",
            otel.name = %self.config.name,
            xray.segment = true,
            xray.origin = "AWS::Lambda::Function",
            faas.name = %self.config.name,
            faas.invocation_id = %id,
            otel.status_code = tracing::field::Empty,
        );
        telemetry::accept_trace_header(&span, trace);
        let work = AssertUnwindSafe(work.instrument(span.clone())).catch_unwind();
        let outcome = match tokio::time::timeout(self.config.timeout, work).await {
            Err(_) => Err(Failure::TimedOut),
            Ok(Err(panic)) => Err(Failure::Failed(panic_text(&*panic))),
            Ok(Ok(Err(message))) => Err(Failure::Failed(message)),
            Ok(Ok(Ok(answer))) => Ok(answer),
        };
        if outcome.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        let took = begun.elapsed();
        self.report(&id, took, cold, outcome.as_ref().err());
        self.publish(&[
            ("Invocations", 1.0, Unit::Count),
            (
                "Errors",
                if outcome.is_err() { 1.0 } else { 0.0 },
                Unit::Count,
            ),
            ("Throttles", 0.0, Unit::Count),
            ("Duration", took.as_secs_f64() * 1000.0, Unit::Milliseconds),
            (
                "ConcurrentExecutions",
                f64::from(concurrent.count),
                Unit::Count,
            ),
        ]);
        outcome
    }

    fn report(&self, id: &str, took: Duration, cold: bool, failure: Option<&Failure>) {
        let ms = took.as_secs_f64() * 1000.0;
        match failure {
            Some(Failure::Failed(message)) => self.log.write(
                serde_json::json!({
                    "level": "ERROR", "errorType": "Runtime.HandlerError", "errorMessage": message, "requestId": id,
                })
                .to_string(),
            ),
            Some(Failure::TimedOut) => self.log.write(format!(
                "{} {id} Task timed out after {:.2} seconds",
                self.clock.now(),
                self.config.timeout.as_secs_f64()
            )),
            None | Some(Failure::Throttled) => {}
        }
        self.log.write(format!("END RequestId: {id}"));
        let mut line = format!(
            "REPORT RequestId: {id}\tDuration: {ms:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB",
            ms.ceil(),
            self.config.memory,
            resident_megabytes(),
        );
        if cold {
            // The service was made with the process; what is left of a cold start is nothing.
            line.push_str("\tInit Duration: 0.00 ms");
        }
        self.log.write(line);
    }

    fn publish(&self, values: &[(&str, f64, Unit)]) {
        let at = self.clock.now();
        let by_function = Dimensions::new([("FunctionName", self.config.name.as_str())]);
        let data = values
            .iter()
            .flat_map(|&(name, value, unit)| {
                [by_function.clone(), Dimensions::NONE]
                    .map(|dimensions| datum(("AWS/Lambda", name), dimensions, (value, unit), at))
            })
            .collect();
        self.pump.data(data);
    }
}

pub(crate) fn datum(
    (namespace, name): (&str, &str),
    dimensions: Dimensions,
    (value, unit): (f64, Unit),
    at: model::Time,
) -> Datum {
    Datum {
        metric: MetricId {
            namespace: namespace.into(),
            name: name.into(),
            dimensions,
        },
        unit,
        at,
        resolution: Resolution::Standard,
        values: Values::Single(value),
    }
}

/// A request id in the form of AWS's: a random UUID, version 4.
pub(crate) fn request_id() -> String {
    let mut bytes = [0u8; 16];
    // An id only names a request; should the system's randomness fail, a weaker one still does.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = fastrand::u128(..).to_le_bytes();
    }
    let n = u128::from_be_bytes(bytes);
    let n = (n & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{n:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// The resident memory of this process. All functions live in one process here, so every REPORT
/// line shows the same; 0 where the system does not tell.
fn resident_megabytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|s| s.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    pages.map_or(0, |p| p * 4096 / 1_048_576)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the function panicked".into())
}

struct Running<'a> {
    counter: &'a AtomicU32,
    count: u32,
}

impl<'a> Running<'a> {
    fn enter(counter: &'a AtomicU32) -> Running<'a> {
        Running {
            counter,
            count: counter.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
