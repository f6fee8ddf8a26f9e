//! OpenTelemetry's attributes in X-Ray's members.
//!
//! The mapping is that of the OpenTelemetry collector's X-Ray exporter, for the semantic
//! conventions of today and those before. Attributes that no member takes become annotations
//! where they are listed, and metadata otherwise.

use std::borrow::Cow;

use opentelemetry::trace::{Event, SpanKind, Status};
use opentelemetry::{KeyValue, Value};

use super::ids::SegmentId;
use super::record::{Aws, Exception, Failure, Http, Kind, Micros, Namespace, Scalar, Segment, Sql};

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
    /// The function whose log group belongs to a segment.
    pub version: Option<&'a str>,
}

/// Hands the span's record to `write`.
pub(crate) fn convert<R>(span: &Finished<'_>, write: impl FnOnce(&Segment<'_>) -> R) -> R {
    let known = Known::gather(span);
    let remote = matches!(span.span_kind, SpanKind::Client | SpanKind::Producer | SpanKind::Consumer);
    let aws_call = known.rpc_system == Some("aws-api") || known.aws_service.is_some();
    let url = known.url(span.span_kind);
    let client_ip = known.client_ip.or(known.peer_ip);
    let http_failure = match known.status {
        Some(429) => Some(Failure::Throttle),
        Some(400..=499) => Some(Failure::Error),
        Some(500..=599) => Some(Failure::Fault),
        _ => None,
    };
    let failed = matches!(span.status, Status::Error { .. });
    let failure = http_failure.unwrap_or(if failed { Failure::Fault } else { Failure::None });
    let exceptions = match failure {
        Failure::None if span.events.is_empty() => Vec::new(),
        _ => exceptions(span, remote),
    };
    write(&Segment {
        name: known.name(span),
        id: span.id,
        start: span.start,
        end: span.end.max(span.start),
        namespace: match span.kind {
            Kind::Segment => None,
            Kind::Subsegment if aws_call => Some(Namespace::Aws),
            Kind::Subsegment if *span.span_kind == SpanKind::Client => Some(Namespace::Remote),
            Kind::Subsegment => None,
        },
        origin: known.origin.filter(|_| span.kind == Kind::Segment),
        user: known.user.filter(|_| span.kind == Kind::Segment),
        version: span.version.filter(|_| span.kind == Kind::Segment),
        failure,
        http: Http {
            method: known.method,
            url: url.as_deref(),
            user_agent: known.user_agent,
            client_ip,
            x_forwarded_for: known.client_ip.is_some() && *span.span_kind == SpanKind::Server,
            status: known.status,
            content_length: known.content_length,
        },
        aws: Aws { operation: known.operation.or(known.rpc_method.filter(|_| aws_call)), ..known.aws },
        sql: known.sql(),
        exceptions: &exceptions,
        annotations: &known.annotations,
        metadata: &known.metadata,
        other_metadata: &known.other_metadata,
        subsegments: &[],
    })
}

#[derive(Default)]
struct Known<'a> {
    method: Option<&'a str>,
    url: Option<&'a str>,
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<u16>,
    target: Option<&'a str>,
    query: Option<&'a str>,
    user_agent: Option<&'a str>,
    client_ip: Option<&'a str>,
    peer_ip: Option<&'a str>,
    peer_name: Option<&'a str>,
    status: Option<u16>,
    content_length: Option<u64>,
    rpc_system: Option<&'a str>,
    rpc_service: Option<&'a str>,
    rpc_method: Option<&'a str>,
    local_service: Option<&'a str>,
    remote_service: Option<&'a str>,
    peer_service: Option<&'a str>,
    aws_service: Option<&'a str>,
    service: Option<&'a str>,
    operation: Option<&'a str>,
    origin: Option<&'a str>,
    user: Option<&'a str>,
    aws: Aws<'a>,
    db_system: Option<&'a str>,
    db_name: Option<&'a str>,
    db_url: Option<&'a str>,
    db_query: Option<&'a str>,
    db_user: Option<&'a str>,
    annotations: Vec<(&'a str, Scalar<'a>)>,
    metadata: Vec<(&'a str, Scalar<'a>)>,
    other_metadata: Vec<(&'a str, serde_json::Value)>,
}

impl<'a> Known<'a> {
    fn gather(span: &Finished<'a>) -> Known<'a> {
        let mut known = Known::default();
        let mut listed: Vec<&str> = Vec::new();
        let mut rest = Vec::new();
        for KeyValue { key, value, .. } in span.attributes {
            match (key.as_str(), value) {
                ("aws.xray.annotations", value) => listed.extend(list(value)),
                (key, Value::String(text)) if known.text(key, text.as_str()) => {}
                (key, Value::I64(number)) if known.number(key, *number) => {}
                (SEGMENT, _) => {}
                (key, value) => rest.push((key, value)),
            }
        }
        for (key, value) in rest {
            let scalar = || match value {
                Value::Bool(value) => Scalar::Bool(*value),
                Value::I64(value) => Scalar::Int(*value),
                Value::F64(value) => Scalar::Float(*value),
                other => Scalar::Text(other.as_str()),
            };
            let namespace = key.strip_prefix("aws.xray.metadata.");
            if let Some((namespace, Ok(value))) = namespace.map(|n| (n, serde_json::from_str(&value.as_str()))) {
                known.other_metadata.push((namespace, value));
            } else if listed.contains(&key) || span.annotate.iter().any(|k| k == key) {
                known.annotations.push((key, scalar()));
            } else {
                known.metadata.push((key, scalar()));
            }
        }
        known
    }

    /// Whether a member takes this text.
    fn text(&mut self, key: &str, text: &'a str) -> bool {
        let member = match key {
            "http.request.method" | "http.method" => &mut self.method,
            "url.full" | "http.url" => &mut self.url,
            "url.scheme" | "http.scheme" => &mut self.scheme,
            "server.address" | "http.host" | "http.server_name" | "net.host.name" | "host.name" => &mut self.host,
            "url.path" | "http.target" => &mut self.target,
            "url.query" => &mut self.query,
            "user_agent.original" | "http.user_agent" => &mut self.user_agent,
            "client.address" | "http.client_ip" => &mut self.client_ip,
            "network.peer.address" | "net.peer.ip" | "net.sock.peer.addr" => &mut self.peer_ip,
            "net.peer.name" => &mut self.peer_name,
            "rpc.system" => &mut self.rpc_system,
            "rpc.service" => &mut self.rpc_service,
            "rpc.method" => &mut self.rpc_method,
            "aws.local.service" => &mut self.local_service,
            "aws.remote.service" => &mut self.remote_service,
            "peer.service" => &mut self.peer_service,
            "aws.service" => &mut self.aws_service,
            "service.name" => &mut self.service,
            "aws.operation" => &mut self.operation,
            "aws.region" | "cloud.region" => &mut self.aws.region,
            "aws.account_id" | "cloud.account.id" => &mut self.aws.account_id,
            "aws.request_id" | "aws.requestId" => &mut self.aws.request_id,
            "aws.table_name" => &mut self.aws.table_name,
            "aws.queue_url" => &mut self.aws.queue_url,
            "aws.log.group.names" => &mut self.aws.log_group,
            "xray.origin" => &mut self.origin,
            "enduser.id" | "user.id" => &mut self.user,
            "db.system" | "db.system.name" => &mut self.db_system,
            "db.name" | "db.namespace" => &mut self.db_name,
            "db.connection_string" => &mut self.db_url,
            "db.statement" | "db.query.text" => &mut self.db_query,
            "db.user" => &mut self.db_user,
            // tracing-opentelemetry makes text of unsigned numbers.
            _ => return text.parse().is_ok_and(|number| self.number(key, number)),
        };
        // Old and new names may both be there; the first stands.
        member.get_or_insert(text);
        true
    }

    /// Whether a member takes this number.
    fn number(&mut self, key: &str, number: i64) -> bool {
        match key {
            "http.response.status_code" | "http.status_code" => self.status = u16::try_from(number).ok(),
            "http.response.body.size" | "http.response_content_length" => self.content_length = u64::try_from(number).ok(),
            "server.port" | "net.host.port" | "net.peer.port" => self.port = u16::try_from(number).ok(),
            _ => return false,
        }
        true
    }

    /// The first of the exporter's list that exists.
    fn name<'s>(&'s self, span: &'s Finished<'_>) -> &'s str {
        let server = *span.span_kind == SpanKind::Server;
        let outward = matches!(span.span_kind, SpanKind::Client | SpanKind::Producer | SpanKind::Consumer);
        let strip = |name: &'s str| match self.rpc_system {
            Some("aws-api") => name.strip_prefix("AWS.SDK.").or(name.strip_prefix("AWS::")).unwrap_or(name),
            _ => name,
        };
        self.local_service
            .filter(|_| server)
            .or(self.remote_service.filter(|_| outward).map(strip))
            .or(self.peer_service)
            .or(self.aws_service)
            .or(self.db_name)
            .or(self.service.filter(|_| server))
            .or(self.rpc_service)
            .or(self.host.filter(|_| outward))
            .or(self.peer_name)
            .unwrap_or(span.name)
    }

    fn url(&self, kind: &SpanKind) -> Option<Cow<'a, str>> {
        if let Some(url) = self.url {
            return Some(Cow::Borrowed(url));
        }
        let peer = || self.peer_name.or(self.peer_ip);
        let host = self.host.or_else(|| peer().filter(|_| *kind != SpanKind::Server));
        let query = |url: Cow<'a, str>| match self.query.filter(|q| !q.is_empty()) {
            Some(query) => Cow::Owned(format!("{url}?{query}")),
            None => url,
        };
        let Some(host) = host else {
            return self.target.map(|target| query(Cow::Borrowed(target)));
        };
        if self.target.is_none() && self.method.is_none() {
            return None;
        }
        let scheme = self.scheme.unwrap_or("http");
        let target = self.target.unwrap_or("/");
        Some(query(Cow::Owned(match self.port {
            Some(port) if port != 80 && port != 443 => format!("{scheme}://{host}:{port}{target}"),
            _ => format!("{scheme}://{host}{target}"),
        })))
    }

    fn sql(&self) -> Sql<'a> {
        const SQL: [&str; 10] = [
            "db2", "derby", "hive", "mariadb", "mssql", "mysql", "oracle", "postgresql", "sqlite", "teradata",
        ];
        let Some(system) = self.db_system.filter(|s| SQL.contains(s) || *s == "other_sql") else {
            return Sql::default();
        };
        Sql {
            database_type: Some(system),
            url: self.db_url,
            sanitized_query: self.db_query,
            user: self.db_user,
        }
    }
}

/// A list attribute, or one text with commas, since a tracing field holds no list.
fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.as_str().split(',').map(str::trim).collect(),
        Value::Array(opentelemetry::Array::String(texts)) => texts.iter().map(|t| t.as_str()).collect(),
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
        let get = |name: &str| event.attributes.iter().find(|a| a.key.as_str() == name).map(|a| &a.value);
        let text = |name: &str| get(name).map(Value::as_str);
        if event.name == "exception" {
            let message = text("exception.message").unwrap_or_default();
            found.push(one(text("exception.type").unwrap_or_default(), message));
            // tracing-opentelemetry puts the chain of sources here.
            if let Some(Value::Array(opentelemetry::Array::String(causes))) = get("exception.stacktrace") {
                for cause in causes {
                    if let Some(last) = found.last_mut() {
                        last.caused_by_next = true;
                    }
                    found.push(one("".into(), cause.as_str().into()));
                }
            }
        } else if text("level").as_deref() == Some("ERROR") {
            found.push(one("error".into(), match text("error") {
                Some(error) => format!("{}: {error}", event.name).into(),
                None => event.name.as_ref().into(),
            }));
        }
    }
    if let (true, Status::Error { description }) = (found.is_empty(), span.status)
        && !description.is_empty()
    {
        found.push(one("".into(), description.as_ref().into()));
    }
    found
}
