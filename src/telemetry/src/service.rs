//! What every request to a service emits: a tower layer for its routes.
//!
//! Per request one EMF line and, when the trace is sampled, one span with the request in it. The
//! line is written exactly once, also when the handler panics (a fault) or the caller goes away
//! before the answer (an error, as a proxy's 499).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use model::catalogue::Declared;
use model::{Resolution, Time, Unit};
use pin_project_lite::pin_project;
use tracing::Span;

use crate::Telemetry;
use crate::emf::{Emf, Record};
use crate::scope::{Ending, REQUEST, Scope};
use crate::xray::{Decision, TRACE_HEADER, TraceHeader, TraceId, ascii};

/// A service that emits: its namespace and its name.
#[derive(Clone)]
pub struct Service {
    telemetry: Telemetry,
    name: Arc<str>,
    lines: Arc<Lines>,
}

/// A layer for one route of a service.
///
/// Routes live as long as their process: a count of references would be the one thing that all
/// requests of all threads write to.
#[derive(Clone, Copy)]
pub struct RouteLayer {
    route: &'static Route,
}

/// A service under a [`RouteLayer`].
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    route: &'static Route,
}

#[derive(Clone)]
struct Route {
    service: Service,
    path: Option<&'static str>,
    page: bool,
}

struct Lines {
    page: Emf<2, 6, 3>,
    routed: Emf<2, 5, 3>,
    unrouted: Emf<1, 5, 3>,
}

static HEADER: HeaderName = HeaderName::from_static(TRACE_HEADER);

const BY_SERVICE: &[&[&str]] = &[&["Service"]];
const BY_ROUTE: &[&[&str]] = &[&["Service"], &["Service", "Route"]];
const PROPERTIES: [&str; 3] = ["trace_id", "method", "status"];

const fn metric(
    namespace: &'static str,
    name: &'static str,
    unit: Unit,
    dimensions: &'static [&'static [&'static str]],
) -> Declared {
    Declared {
        namespace,
        name,
        unit,
        resolution: Resolution::Standard,
        dimensions,
    }
}

/// The metrics of every request; the last is the fast one that alarms of ten seconds watch.
const fn per_request(
    namespace: &'static str,
    sets: &'static [&'static [&'static str]],
) -> [Declared; 5] {
    [
        metric(namespace, "Requests", Unit::Count, sets),
        metric(namespace, "Faults", Unit::Count, sets),
        metric(namespace, "Errors", Unit::Count, sets),
        metric(namespace, "Latency", Unit::Milliseconds, sets),
        Declared {
            resolution: Resolution::High,
            ..metric(namespace, "Fault", Unit::Count, BY_SERVICE)
        },
    ]
}

const fn page_view(namespace: &'static str) -> Declared {
    metric(namespace, "PageView", Unit::Count, &[&[], &["Service"]])
}

/// What a service of this namespace emits, for the catalogue.
///
/// `PageView` (Count; without dimensions and by Service), `Requests`, `Faults` (5xx), `Errors`
/// (4xx) and `Latency` (Milliseconds) by Service and by Service and Route, and `Fault` (Count, 0
/// or 1 per request, kept by the second) by Service.
pub fn declared(namespace: &'static str) -> Vec<Declared> {
    std::iter::once(page_view(namespace))
        .chain(per_request(namespace, BY_ROUTE))
        .collect()
}

impl Service {
    pub(crate) fn new(telemetry: Telemetry, namespace: &'static str, name: &str) -> Service {
        let [requests, faults, errors, latency, fault] = per_request(namespace, BY_ROUTE);
        let page = [
            page_view(namespace),
            requests,
            faults,
            errors,
            latency,
            fault,
        ];
        let lines = || -> Result<Lines, Vec<String>> {
            Ok(Lines {
                page: Emf::declare(["Service", "Route"], page, PROPERTIES)?,
                routed: Emf::declare(
                    ["Service", "Route"],
                    per_request(namespace, BY_ROUTE),
                    PROPERTIES,
                )?,
                unrouted: Emf::declare(
                    ["Service"],
                    per_request(namespace, BY_SERVICE),
                    PROPERTIES,
                )?,
            })
        };
        match lines() {
            Ok(lines) => Service {
                telemetry,
                name: name.into(),
                lines: Arc::new(lines),
            },
            Err(problems) => panic!(
                "service {name} of namespace `{namespace}`: {}",
                problems.join("; ")
            ),
        }
    }

    /// The layer of a route. `path` is what the router matches (`/images/{id}`), so that its
    /// values are few.
    pub fn route(&self, path: &'static str) -> RouteLayer {
        RouteLayer::new(Route {
            service: self.clone(),
            path: Some(path),
            page: false,
        })
    }

    /// The layer of what matches no route: counted by Service alone.
    pub fn unmatched(&self) -> RouteLayer {
        RouteLayer::new(Route {
            service: self.clone(),
            path: None,
            page: false,
        })
    }
}

impl RouteLayer {
    /// Every `GET` of this route is a `PageView`, whatever its answer.
    pub fn page_view(self) -> RouteLayer {
        RouteLayer::new(Route {
            page: true,
            ..self.route.clone()
        })
    }

    fn new(route: Route) -> RouteLayer {
        RouteLayer {
            route: Box::leak(Box::new(route)),
        }
    }
}

impl<S> tower::Layer<S> for RouteLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            inner,
            route: self.route,
        }
    }
}

impl<S, B, R> tower::Service<Request<B>> for Observe<S>
where
    S: tower::Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Observed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Observed<S::Future> {
        let visit = Visit::begin(self.route, &request);
        // The span is entered when the future runs; a handler's work is all in there.
        let _scope = visit.scope.enter();
        Observed {
            inner: Some(self.inner.call(request)),
            visit: Some(visit),
        }
    }
}

pin_project! {
    /// The answer of an [`Observe`].
    pub struct Observed<F> {
        #[pin]
        inner: Option<F>,
        visit: Option<Visit>,
    }

    impl<F> PinnedDrop for Observed<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(visit) = this.visit.take() {
                let _scope = visit.scope.enter();
                // What the handler holds, its spans above all, ends before the request does.
                this.inner.set(None);
                let outcome = if visit.polling { Outcome::Panicked } else { Outcome::Abandoned };
                visit.end(outcome);
            }
        }
    }
}

impl<F, R, E> Future for Observed<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let visit = this
            .visit
            .as_mut()
            .expect("a finished request is not polled again");
        let _scope = visit.scope.enter();
        visit.polling = true;
        let answer = {
            let _span = visit.span.enter();
            let inner = this
                .inner
                .as_mut()
                .as_pin_mut()
                .expect("it is there until the answer is");
            let answer = inner.poll(cx);
            if answer.is_pending() {
                visit.polling = false;
            }
            let answer = ready!(answer);
            this.inner.set(None);
            answer
        };
        let visit = this.visit.take().expect("it was there a moment ago");
        // A caller is told where to look, if there is something to find: a trace, or error lines.
        let failed = answer
            .as_ref()
            .is_ok_and(|r| r.status().is_client_error() || r.status().is_server_error());
        let started = (visit.started && (visit.scope.sampled || failed)).then_some(visit.scope);
        visit.end(match &answer {
            Ok(response) => Outcome::Answered(response.status()),
            Err(_) => Outcome::Failed,
        });
        Poll::Ready(answer.map(|mut response| {
            if let Some(scope) = started {
                response
                    .headers_mut()
                    .insert(HEADER.clone(), header_value(scope));
            }
            response
        }))
    }
}

/// One request on its way.
struct Visit {
    route: &'static Route,
    scope: Scope,
    span: Span,
    at: Time,
    begun: Instant,
    method: Method,
    uri: Uri,
    agent: Option<HeaderValue>,
    /// The trace began here, so the caller does not know it yet.
    started: bool,
    /// Stays set when a poll does not come back.
    polling: bool,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Answered(StatusCode),
    /// The inner service gave an error instead of an answer.
    Failed,
    Panicked,
    /// The caller went away.
    Abandoned,
}

impl Outcome {
    fn status(self) -> StatusCode {
        match self {
            Outcome::Answered(status) => status,
            Outcome::Failed | Outcome::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Outcome::Abandoned => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }
}

impl Visit {
    fn begin<B>(route: &'static Route, request: &Request<B>) -> Visit {
        let telemetry = &route.service.telemetry;
        let at = telemetry.now();
        let (scope, origin) = find_scope(telemetry, request, at);
        let span = {
            let _scope = scope.enter();
            handler_span(scope, origin)
        };
        // Only a span shows these.
        let (uri, agent) = match span.is_disabled() {
            true => (Uri::default(), None),
            false => (
                request.uri().clone(),
                request.headers().get(USER_AGENT).cloned(),
            ),
        };
        Visit {
            route,
            scope,
            span,
            at,
            begun: Instant::now(),
            method: request.method().clone(),
            uri,
            agent,
            started: origin == Origin::New,
            polling: false,
        }
    }

    fn end(self, outcome: Outcome) {
        let latency = self.begun.elapsed().as_micros() as f64 / 1e3;
        let status = outcome.status();
        if !self.span.is_disabled() {
            let ending = Ending {
                service: &self.route.service.name,
                method: self.method.clone(),
                uri: self.uri,
                route: self.route.path,
                agent: self.agent,
                status: status.as_u16(),
            };
            ending.during(self.scope.trace, || drop(self.span));
        }
        let service = &self.route.service;
        let flag = |on: bool| f64::from(u8::from(on));
        let (fault, error) = (
            flag(status.is_server_error()),
            flag(status.is_client_error()),
        );
        let trace = self.scope.trace.text();
        let properties = [ascii(&trace), self.method.as_str(), status.as_str()];
        let metrics = [1.0, fault, error, latency, fault];
        let (at, name, lines) = (self.at, &*service.name, &service.lines);
        service.telemetry.line(|out| match self.route.path {
            Some(path) if self.route.page && self.method == Method::GET => {
                let [requests, faults, errors, latency, fault] = metrics;
                let metrics = [1.0, requests, faults, errors, latency, fault];
                lines.page.write(
                    &Record {
                        at,
                        dimensions: [name, path],
                        metrics,
                        properties,
                    },
                    out,
                )
            }
            Some(path) => lines.routed.write(
                &Record {
                    at,
                    dimensions: [name, path],
                    metrics,
                    properties,
                },
                out,
            ),
            None => lines.unrouted.write(
                &Record {
                    at,
                    dimensions: [name],
                    metrics,
                    properties,
                },
                out,
            ),
        });
    }
}

/// Where a request's trace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A span of this process is the caller.
    Here,
    /// The header named it.
    Header,
    /// It begins with this request.
    New,
}

fn find_scope<B>(telemetry: &Telemetry, request: &Request<B>, at: Time) -> (Scope, Origin) {
    // A function's segment is made by its runtime; the request is a part of it.
    let server = !telemetry.is_function();
    let current = Span::current();
    if !current.is_none()
        && let Some(header) = crate::header_of(&current)
    {
        let sampled = header.decision == Decision::Sampled;
        return (
            Scope {
                trace: header.trace,
                parent: None,
                sampled,
                server: false,
            },
            Origin::Here,
        );
    }
    let header = request
        .headers()
        .get(&HEADER)
        .and_then(|v| TraceHeader::parse(v.to_str().ok()?));
    let sampled = match header.map_or(Decision::Undecided, |h| h.decision) {
        Decision::Sampled => telemetry.traces(),
        Decision::NotSampled => false,
        Decision::Undecided => telemetry.sample(at),
    };
    match header {
        Some(h) => (
            Scope {
                trace: h.trace,
                parent: h.parent,
                sampled,
                server,
            },
            Origin::Header,
        ),
        None => (
            Scope {
                trace: TraceId::generate(at),
                parent: None,
                sampled,
                server,
            },
            Origin::New,
        ),
    }
}

/// The request's own span; what it says of the request follows when it ends.
fn handler_span(scope: Scope, origin: Origin) -> Span {
    match origin {
        _ if !scope.sampled => Span::none(),
        Origin::Here => tracing::info_span!(REQUEST),
        Origin::Header | Origin::New => tracing::info_span!(parent: None, REQUEST),
    }
}

/// `Root=…;Sampled=…`
fn header_value(scope: Scope) -> HeaderValue {
    let mut text = *b"Root=1-01234567-012345678901234567890123;Sampled=0";
    text[5..40].copy_from_slice(&scope.trace.text());
    text[49] = b'0' + u8::from(scope.sampled);
    HeaderValue::from_bytes(&text).expect("digits, letters and punctuation make a header's value")
}
