//! OpenTelemetry's attributes in X-Ray's members.
//!
//! The mapping is that of the OpenTelemetry collector's X-Ray exporter, for the semantic
//! conventions of today and those before; beyond it `aws.operation` makes a span a call of AWS
//! without `rpc.system`. Attributes that no member takes become annotations
//! where they are listed, and metadata otherwise.

use std::borrow::Cow;

use opentelemetry::trace::{Event, SpanKind, Status};
use opentelemetry::{KeyValue, Value};

use super::ids::SegmentId;
use super::record::{Aws, Exception, Failure, Http, Kind, Micros, Namespace, Scalar, Segment, Sql};
use crate::scope::Ending;

/// The attribute that starts a segment of its own although the caller is in the same process.
pub(crate) const SEGMENT: &str = "xray.segment";

/// A finished span.
pub(crate) struct Finished<'a> {
    pub id: SegmentId,
    pub kind: Kind,
    pub span_kind: &'a SpanKind,
    pub name: &'a str,
    pub start: Micros,
    pub end: Micros,
    pub attributes: &'a [KeyValue],
    pub events: &'a [Event],
    pub status: &'a Status,
    /// Keys whose values become annotations.
    pub annotate: &'a [String],
    /// The version of the service.
    pub version: Option<&'a str>,
    /// What the tower layer says of the request that this span is.
    pub request: Option<&'a Ending>,
}

/// Hands the span's record to `write`.
pub(crate) fn convert<R>(span: &Finished<'_>, write: impl FnOnce(&Segment<'_>) -> R) -> R {
    let mut known = Known {
        members: [None; MEMBERS],
        present: 0,
        annotations: Vec::new(),
        metadata: Vec::new(),
        other_metadata: Vec::new(),
    };
    known.gather(span);
    let route = span
        .request
        .and_then(|r| r.route)
        .map(|route| ("http.route", Scalar::Text(route.into())));
    let annotations = match &route {
        Some(route) if known.annotations.is_empty() => std::slice::from_ref(route),
        Some(route) => {
            known.annotations.push(route.clone());
            &known.annotations
        }
        None => &known.annotations,
    };
    let aws_call = known.text(Member::RpcSystem) == Some("aws-api")
        || known
            .text(Member::AwsService)
            .or(known.text(Member::Operation))
            .is_some();
    let url = known.url(span.span_kind);
    let http = match span.request {
        Some(request) => Http {
            method: Some(request.method.as_str()),
            // Not the query: what callers put there is theirs.
            url: Some(request.uri.path()),
            user_agent: request.agent.as_ref().and_then(|a| a.to_str().ok()),
            status: Some(request.status),
            ..Http::default()
        },
        None => known.http(span.span_kind, url.as_deref()),
    };
    let failure = match http.status {
        Some(429) => Failure::Throttle,
        Some(400..=499) => Failure::Error,
        Some(500..=599) => Failure::Fault,
        _ if matches!(span.status, Status::Error { .. }) => Failure::Fault,
        _ => Failure::None,
    };
    let exceptions = match failure {
        Failure::None if span.events.is_empty() => Vec::new(),
        _ => exceptions(span, outward(span.span_kind)),
    };
    let segment = span.kind == Kind::Segment;
    write(&Segment {
        name: span
            .request
            .map_or_else(|| known.name(span), |request| request.service),
        id: span.id,
        start: span.start,
        end: span.end.max(span.start),
        namespace: match span.span_kind {
            _ if segment => None,
            _ if aws_call => Some(Namespace::Aws),
            SpanKind::Client => Some(Namespace::Remote),
            _ => None,
        },
        origin: known.text(Member::Origin).filter(|_| segment),
        user: known.text(Member::User).filter(|_| segment),
        version: span.version.filter(|_| segment),
        failure,
        http,
        aws: known.aws(aws_call),
        sql: known.sql(),
        exceptions: &exceptions,
        annotations,
        metadata: &known.metadata,
        other_metadata: &known.other_metadata,
        subsegments: &[],
    })
}

macro_rules! members {
    ($($member:ident: $($key:literal)|+),+ $(,)?) => {
        /// What an attribute says, whatever the convention that it is named by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Member {
            $($member),+
        }

        const MEMBERS: usize = [$(Member::$member),+].len();

        impl Member {
            /// Bytes and not text, since the compiler then tells keys apart byte by byte instead of
            /// comparing with one after the other.
            fn of(key: &str) -> Option<Member> {
                match key.as_bytes() {
                    $($($key)|+ => Some(Member::$member),)+
                    _ => None,
                }
            }
        }
    };
}

// Where a span has several keys of one member the first stands.
members! {
    Method: b"http.request.method" | b"http.method",
    Url: b"url.full" | b"http.url",
    Scheme: b"url.scheme" | b"http.scheme",
    Host: b"server.address" | b"http.host" | b"http.server_name" | b"net.host.name" | b"host.name",
    Port: b"server.port" | b"net.host.port" | b"net.peer.port",
    Target: b"url.path" | b"http.target",
    Query: b"url.query",
    Agent: b"user_agent.original" | b"http.user_agent",
    Client: b"client.address" | b"http.client_ip",
    PeerAddress: b"network.peer.address" | b"net.peer.ip" | b"net.sock.peer.addr",
    PeerName: b"net.peer.name",
    Status: b"http.response.status_code" | b"http.status_code",
    Length: b"http.response.body.size" | b"http.response_content_length",
    RpcSystem: b"rpc.system",
    RpcService: b"rpc.service",
    RpcMethod: b"rpc.method",
    LocalService: b"aws.local.service",
    RemoteService: b"aws.remote.service",
    PeerService: b"peer.service",
    AwsService: b"aws.service",
    Service: b"service.name",
    Operation: b"aws.operation",
    Region: b"aws.region" | b"cloud.region",
    Account: b"aws.account_id" | b"cloud.account.id",
    Request: b"aws.request_id" | b"aws.requestId",
    Table: b"aws.table_name",
    Queue: b"aws.queue_url",
    LogGroup: b"aws.log.group.names",
    Origin: b"xray.origin",
    User: b"enduser.id" | b"user.id",
    DbSystem: b"db.system" | b"db.system.name",
    DbName: b"db.name" | b"db.namespace",
    DbUrl: b"db.connection_string",
    DbQuery: b"db.statement" | b"db.query.text",
    DbUser: b"db.user",
    OwnSegment: b"xray.segment",
    Annotations: b"aws.xray.annotations",
}

const _: () = assert!(MEMBERS <= 64, "a bit for each");

/// The attributes of a span by their members.
struct Known<'a> {
    members: [Option<&'a Value>; MEMBERS],
    /// A bit for each member that is there: most spans have few.
    present: u64,
    annotations: Vec<(&'a str, Scalar<'a>)>,
    metadata: Vec<(&'a str, Scalar<'a>)>,
    other_metadata: Vec<(&'a str, serde_json::Value)>,
}

impl<'a> Known<'a> {
    fn gather(&mut self, span: &Finished<'a>) {
        let mut rest = Vec::new();
        for KeyValue { key, value, .. } in span.attributes {
            match Member::of(key.as_str()) {
                Some(member) => {
                    self.members[member as usize].get_or_insert(value);
                    self.present |= 1 << member as u64;
                }
                None => rest.push((key.as_str(), value)),
            }
        }
        if rest.is_empty() {
            return;
        }
        let listed = self.members[Member::Annotations as usize]
            .map(list)
            .unwrap_or_default();
        for (key, value) in rest {
            let scalar = || match value {
                Value::Bool(value) => Scalar::Bool(*value),
                Value::I64(value) => Scalar::Int(*value),
                Value::F64(value) => Scalar::Float(*value),
                other => Scalar::Text(other.as_str()),
            };
            let namespace = key.strip_prefix("aws.xray.metadata.");
            if let Some((namespace, Ok(value))) =
                namespace.map(|n| (n, serde_json::from_str(&value.as_str())))
            {
                self.other_metadata.push((namespace, value));
            } else if listed.contains(&key) || span.annotate.iter().any(|k| k == key) {
                self.annotations.push((key, scalar()));
            } else {
                self.metadata.push((key, scalar()));
            }
        }
    }

    fn has_any<const N: usize>(&self, members: [Member; N]) -> bool {
        self.present & members.iter().fold(0, |mask, &m| mask | 1 << m as u64) != 0
    }

    fn text(&self, member: Member) -> Option<&'a str> {
        match self.members[member as usize]? {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// tracing-opentelemetry makes text of unsigned numbers.
    fn number<N: TryFrom<i64>>(&self, member: Member) -> Option<N> {
        let number = match self.members[member as usize]? {
            Value::I64(number) => *number,
            Value::String(text) => text.as_str().parse().ok()?,
            _ => return None,
        };
        N::try_from(number).ok()
    }

    /// The first of the exporter's list that exists.
    fn name<'s>(&'s self, span: &'s Finished<'_>) -> &'s str {
        use Member::*;
        const NAMES: [Member; 9] = [
            LocalService,
            RemoteService,
            PeerService,
            AwsService,
            DbName,
            Service,
            RpcService,
            Host,
            PeerName,
        ];
        if !self.has_any(NAMES) {
            return span.name;
        }
        let server = *span.span_kind == SpanKind::Server;
        let outward = outward(span.span_kind);
        let strip = |name: &'s str| match self.text(RpcSystem) {
            Some("aws-api") => name
                .strip_prefix("AWS.SDK.")
                .or(name.strip_prefix("AWS::"))
                .unwrap_or(name),
            _ => name,
        };
        self.text(LocalService)
            .filter(|_| server)
            .or_else(|| self.text(RemoteService).filter(|_| outward).map(strip))
            .or(self.text(PeerService))
            .or(self.text(AwsService))
            .or(self.text(DbName))
            .or(self.text(Service).filter(|_| server))
            .or(self.text(RpcService))
            .or(self.text(Host).filter(|_| outward))
            .or(self.text(PeerName))
            .unwrap_or(span.name)
    }

    fn url(&self, kind: &SpanKind) -> Option<Cow<'a, str>> {
        use Member::*;
        if !self.has_any([Url, Target, Host, PeerName, PeerAddress]) {
            return None;
        }
        if let Some(url) = self.text(Url) {
            return Some(Cow::Borrowed(url));
        }
        let peer = || self.text(PeerName).or(self.text(PeerAddress));
        let host = self
            .text(Host)
            .or_else(|| peer().filter(|_| *kind != SpanKind::Server));
        let query = |url: Cow<'a, str>| match self.text(Query).filter(|q| !q.is_empty()) {
            Some(query) => Cow::Owned(format!("{url}?{query}")),
            None => url,
        };
        let target = self.text(Target);
        let Some(host) = host else {
            return target.map(|target| query(Cow::Borrowed(target)));
        };
        if target.is_none() && self.text(Method).is_none() {
            return None;
        }
        let scheme = self.text(Scheme).unwrap_or("http");
        let target = target.unwrap_or("/");
        Some(query(Cow::Owned(match self.number::<u16>(Port) {
            Some(port) if port != 80 && port != 443 => format!("{scheme}://{host}:{port}{target}"),
            _ => format!("{scheme}://{host}{target}"),
        })))
    }

    fn http(&self, kind: &SpanKind, url: Option<&'a str>) -> Http<'a> {
        use Member::*;
        if url.is_none() && !self.has_any([Method, Agent, Client, PeerAddress, Status, Length]) {
            return Http::default();
        }
        let client = self.text(Client);
        Http {
            method: self.text(Method),
            url,
            user_agent: self.text(Agent),
            client_ip: client.or(self.text(PeerAddress)),
            x_forwarded_for: client.is_some() && *kind == SpanKind::Server,
            status: self.number(Status),
            content_length: self.number(Length),
        }
    }

    fn aws(&self, aws_call: bool) -> Aws<'a> {
        use Member::*;
        if !self.has_any([
            Operation, RpcMethod, Region, Account, Request, Table, Queue, LogGroup,
        ]) {
            return Aws::default();
        }
        Aws {
            operation: self
                .text(Operation)
                .or_else(|| self.text(RpcMethod).filter(|_| aws_call)),
            region: self.text(Region),
            account_id: self.text(Account),
            request_id: self.text(Request),
            table_name: self.text(Table),
            queue_url: self.text(Queue),
            log_group: self.text(LogGroup),
        }
    }

    fn sql(&self) -> Sql<'a> {
        const SQL: [&str; 11] = [
            "db2",
            "derby",
            "hive",
            "mariadb",
            "mssql",
            "mysql",
            "oracle",
            "postgresql",
            "sqlite",
            "teradata",
            "other_sql",
        ];
        match self.text(Member::DbSystem).filter(|s| SQL.contains(s)) {
            None => Sql::default(),
            system => Sql {
                database_type: system,
                url: self.text(Member::DbUrl),
                sanitized_query: self.text(Member::DbQuery),
                user: self.text(Member::DbUser),
            },
        }
    }
}

fn outward(kind: &SpanKind) -> bool {
    matches!(
        kind,
        SpanKind::Client | SpanKind::Producer | SpanKind::Consumer
    )
}

/// A list attribute, or one text with commas, since a tracing field holds no list.
fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.as_str().split(',').map(str::trim).collect(),
        Value::Array(opentelemetry::Array::String(texts)) => {
            texts.iter().map(|t| t.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

/// The exception events and the error events of `tracing`; failing them the status' own message.
fn exceptions<'a>(span: &Finished<'a>, remote: bool) -> Vec<Exception<'a>> {
    let one = |kind: Cow<'a, str>, message: Cow<'a, str>| Exception {
        id: SegmentId::generate(),
        kind,
        message,
        remote,
        caused_by_next: false,
    };
    let mut found = Vec::new();
    for event in span.events {
        let get = |name: &str| {
            event
                .attributes
                .iter()
                .find(|a| a.key.as_str() == name)
                .map(|a| &a.value)
        };
        let text = |name: &str| get(name).map(Value::as_str);
        if event.name == "exception" {
            let message = text("exception.message").unwrap_or_default();
            found.push(one(text("exception.type").unwrap_or_default(), message));
            // tracing-opentelemetry puts the chain of sources here.
            if let Some(Value::Array(opentelemetry::Array::String(causes))) =
                get("exception.stacktrace")
            {
                for cause in causes {
                    if let Some(last) = found.last_mut() {
                        last.caused_by_next = true;
                    }
                    found.push(one("".into(), cause.as_str().into()));
                }
            }
        } else if text("level").as_deref() == Some("ERROR") {
            found.push(one(
                "error".into(),
                match text("error") {
                    Some(error) => format!("{}: {error}", event.name).into(),
                    None => event.name.as_ref().into(),
                },
            ));
        }
    }
    if let (true, Status::Error { description }) = (found.is_empty(), span.status)
        && !description.is_empty()
    {
        found.push(one("".into(), description.as_ref().into()));
    }
    found
}
