//! Segment documents: a filled record and its bytes.
//!
//! Fields, limits and character sets follow the X-Ray developer guide, "Segment documents".

use std::borrow::Cow;

use super::ids::{SegmentId, TraceId};
use crate::emf::{push_escaped, push_number, push_text};

/// A point in time: microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub u64);

/// A whole document: a segment, or a subsegment that is sent on its own.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    /// Its trace.
    pub trace: TraceId,
    /// Who called; required for a subsegment.
    pub parent: Option<SegmentId>,
    /// Whether it is a segment of its own.
    pub kind: Kind,
    /// Everything else.
    pub segment: Segment<'a>,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work of one service on one request.
    Segment,
    /// A part of a segment that another document holds.
    Subsegment,
}

/// The members that segments and subsegments share.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    /// Cleaned when written: other characters are dropped, 200 are kept, an empty one is `span`.
    pub name: &'a str,
    /// Its id.
    pub id: SegmentId,
    /// When it began.
    pub start: Micros,
    /// When it ended.
    pub end: Micros,
    /// Of a subsegment: what it calls.
    pub namespace: Option<Namespace>,
    /// Of a segment: the kind of AWS resource, for example `AWS::Lambda::Function`.
    pub origin: Option<&'a str>,
    /// Who asked.
    pub user: Option<&'a str>,
    /// `service.version`.
    pub version: Option<&'a str>,
    /// How it failed.
    pub failure: Failure,
    /// The request that was served or made.
    pub http: Http<'a>,
    /// The call to AWS.
    pub aws: Aws<'a>,
    /// The query.
    pub sql: Sql<'a>,
    /// What went wrong, outermost first.
    pub exceptions: &'a [Exception<'a>],
    /// Searchable values; other characters in keys become `_`.
    pub annotations: &'a [(&'a str, Scalar<'a>)],
    /// Other values, in the namespace `default`.
    pub metadata: &'a [(&'a str, Scalar<'a>)],
    /// Further namespaces of metadata with their values.
    pub other_metadata: &'a [(&'a str, serde_json::Value)],
    /// The parts.
    pub subsegments: &'a [Segment<'a>],
}

/// What a subsegment calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// An AWS service.
    Aws,
    /// Any other service.
    Remote,
}

/// How a segment failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Failure {
    /// It did not.
    #[default]
    None,
    /// `error`: the caller's, 4xx.
    Error,
    /// `error` and `throttle`: 429.
    Throttle,
    /// `fault`: the service's own, 5xx.
    Fault,
}

/// `http`.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "they are X-Ray's members")]
pub struct Http<'a> {
    pub method: Option<&'a str>,
    pub url: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub client_ip: Option<&'a str>,
    pub x_forwarded_for: bool,
    pub status: Option<u16>,
    pub content_length: Option<u64>,
}

/// `aws`.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "they are X-Ray's members")]
pub struct Aws<'a> {
    pub operation: Option<&'a str>,
    pub region: Option<&'a str>,
    pub account_id: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub table_name: Option<&'a str>,
    pub queue_url: Option<&'a str>,
    pub log_group: Option<&'a str>,
}

/// `sql`.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "they are X-Ray's members")]
pub struct Sql<'a> {
    pub database_type: Option<&'a str>,
    pub url: Option<&'a str>,
    pub sanitized_query: Option<&'a str>,
    pub user: Option<&'a str>,
}

/// One of `cause.exceptions`; each is caused by the next when `caused_by_next`.
#[derive(Debug, Clone)]
pub struct Exception<'a> {
    /// Its id, 16 hex digits as a segment's.
    pub id: SegmentId,
    /// What kind.
    pub kind: Cow<'a, str>,
    /// What it says.
    pub message: Cow<'a, str>,
    /// It came from the service that was called.
    pub remote: bool,
    /// The next exception is its cause.
    pub caused_by_next: bool,
}

/// A value of an annotation or metadata.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scalar<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
}

const MAX_NAME: usize = 200;
const MAX_STRING: usize = 250;
const MAX_ANNOTATION: usize = 1000;
const MAX_METADATA: usize = 4000;

impl<'a> Segment<'a> {
    /// A segment with only its required members.
    pub fn new(name: &'a str, id: SegmentId, start: Micros, end: Micros) -> Segment<'a> {
        Segment {
            name,
            id,
            start,
            end,
            namespace: None,
            origin: None,
            user: None,
            version: None,
            failure: Failure::None,
            http: Http::default(),
            aws: Aws::default(),
            sql: Sql::default(),
            exceptions: &[],
            annotations: &[],
            metadata: &[],
            other_metadata: &[],
            subsegments: &[],
        }
    }

    /// Appends the members, nested subsegments included, without the braces.
    pub(crate) fn write_members(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"name\":\"");
        push_name(out, self.name);
        out.extend_from_slice(b"\",\"id\":\"");
        out.extend_from_slice(&self.id.text());
        out.extend_from_slice(b"\",\"start_time\":");
        push_seconds(out, self.start);
        out.extend_from_slice(b",\"end_time\":");
        push_seconds(out, self.end);
        match self.namespace {
            Some(Namespace::Aws) => out.extend_from_slice(b",\"namespace\":\"aws\""),
            Some(Namespace::Remote) => out.extend_from_slice(b",\"namespace\":\"remote\""),
            None => {}
        }
        push_member(out, b",\"origin\":", self.origin);
        push_member(out, b",\"user\":", self.user);
        if self.version.is_some() {
            let mut object = Object::open(out, b",\"service\":{");
            object.text(b"\"version\":", self.version);
            object.close();
        }
        match self.failure {
            Failure::None => {}
            Failure::Error => out.extend_from_slice(b",\"error\":true"),
            Failure::Throttle => out.extend_from_slice(b",\"error\":true,\"throttle\":true"),
            Failure::Fault => out.extend_from_slice(b",\"fault\":true"),
        }
        self.http.write(out);
        self.aws.write(out);
        self.sql.write(out);
        if !self.exceptions.is_empty() {
            write_cause(self.exceptions, out);
        }
        if !self.annotations.is_empty() {
            write_annotations(self.annotations, out);
        }
        if !self.metadata.is_empty() || !self.other_metadata.is_empty() {
            write_metadata(self.metadata, self.other_metadata, out);
        }
        if let Some((first, rest)) = self.subsegments.split_first() {
            out.extend_from_slice(b",\"subsegments\":[{");
            first.write_members(out);
            for subsegment in rest {
                out.extend_from_slice(b"},{");
                subsegment.write_members(out);
            }
            out.extend_from_slice(b"}]");
        }
    }
}

impl Document<'_> {
    /// Appends the document.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_head(out, self.trace, self.parent, self.kind);
        self.segment.write_members(out);
        out.push(b'}');
    }
}

/// The brace and the members that only a whole document has.
pub(crate) fn write_head(out: &mut Vec<u8>, trace: TraceId, parent: Option<SegmentId>, kind: Kind) {
    out.extend_from_slice(b"{\"trace_id\":\"");
    out.extend_from_slice(&trace.text());
    if let Some(parent) = parent {
        out.extend_from_slice(b"\",\"parent_id\":\"");
        out.extend_from_slice(&parent.text());
    }
    out.extend_from_slice(match kind {
        Kind::Segment => b"\",",
        Kind::Subsegment => b"\",\"type\":\"subsegment\",",
    });
}

impl Http<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let request = self
            .method
            .or(self.url)
            .or(self.user_agent)
            .or(self.client_ip)
            .is_some();
        let response = self.status.is_some() || self.content_length.is_some();
        if !request && !response {
            return;
        }
        let mut http = Object::open(out, b",\"http\":{");
        if request {
            let mut object = http.object(b"\"request\":{");
            object.text(b"\"method\":", self.method);
            object.text(b"\"url\":", self.url);
            object.text(b"\"client_ip\":", self.client_ip);
            object.text(b"\"user_agent\":", self.user_agent);
            if self.x_forwarded_for {
                object.member(b"\"x_forwarded_for\":true");
            }
            object.close();
        }
        if response {
            let mut object = http.object(b"\"response\":{");
            object.number(b"\"status\":", self.status.map(u64::from));
            object.number(b"\"content_length\":", self.content_length);
            object.close();
        }
        http.close();
    }
}

impl Aws<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Aws {
            operation,
            region,
            account_id,
            request_id,
            table_name,
            queue_url,
            log_group,
        } = *self;
        let texts = operation
            .or(table_name)
            .or(region)
            .or(account_id)
            .or(request_id)
            .or(queue_url);
        if texts.or(log_group).is_none() {
            return;
        }
        let mut object = Object::open(out, b",\"aws\":{");
        object.text(b"\"operation\":", operation);
        object.text(b"\"table_name\":", table_name);
        object.text(b"\"region\":", region);
        object.text(b"\"account_id\":", account_id);
        object.text(b"\"request_id\":", request_id);
        object.text(b"\"queue_url\":", queue_url);
        if let Some(group) = log_group {
            object.member(b"\"cloudwatch_logs\":[{\"log_group\":");
            push_limited(object.out, group, MAX_STRING);
            object.out.extend_from_slice(b"}]");
        }
        object.close();
    }
}

impl Sql<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        if self
            .database_type
            .or(self.url)
            .or(self.sanitized_query)
            .or(self.user)
            .is_none()
        {
            return;
        }
        let mut object = Object::open(out, b",\"sql\":{");
        object.text(b"\"database_type\":", self.database_type);
        object.text(b"\"url\":", self.url);
        object.text(b"\"sanitized_query\":", self.sanitized_query);
        object.text(b"\"user\":", self.user);
        object.close();
    }
}

fn write_cause(exceptions: &[Exception<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"cause\":{\"exceptions\":[");
    for (i, exception) in exceptions.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(&exception.id.text());
        out.extend_from_slice(b"\",\"message\":");
        push_limited(out, &exception.message, MAX_METADATA);
        if !exception.kind.is_empty() {
            push_member(out, b",\"type\":", Some(&exception.kind));
        }
        if exception.remote {
            out.extend_from_slice(b",\"remote\":true");
        }
        if let Some(cause) = exceptions.get(i + 1).filter(|_| exception.caused_by_next) {
            out.extend_from_slice(b",\"cause\":\"");
            out.extend_from_slice(&cause.id.text());
            out.push(b'"');
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

fn write_annotations(pairs: &[(&str, Scalar<'_>)], out: &mut Vec<u8>) {
    for (i, (key, value)) in pairs.iter().enumerate() {
        out.extend_from_slice(if i == 0 {
            b",\"annotations\":{\""
        } else {
            b",\""
        });
        // Letters, digits and `_` are what filter expressions can name.
        let byte = |b: u8| if b.is_ascii_alphanumeric() { b } else { b'_' };
        if key.is_ascii() {
            out.extend(key.bytes().take(500).map(byte));
        } else {
            out.extend(
                key.chars()
                    .take(500)
                    .map(|c| u8::try_from(c).map_or(b'_', byte)),
            );
        }
        out.extend_from_slice(b"\":");
        value.write(out, MAX_ANNOTATION);
    }
    out.push(b'}');
}

fn write_metadata(
    default: &[(&str, Scalar<'_>)],
    others: &[(&str, serde_json::Value)],
    out: &mut Vec<u8>,
) {
    let mut metadata = Object::open(out, b",\"metadata\":{");
    if !default.is_empty() {
        let mut object = metadata.object(b"\"default\":{");
        for (key, value) in default {
            object.comma();
            push_limited(object.out, key, MAX_STRING);
            object.out.push(b':');
            value.write(object.out, MAX_METADATA);
        }
        object.close();
    }
    for (namespace, value) in others {
        metadata.comma();
        push_limited(metadata.out, namespace, MAX_STRING);
        metadata.out.push(b':');
        metadata.out.extend_from_slice(value.to_string().as_bytes());
    }
    metadata.close();
}

impl Scalar<'_> {
    fn write(&self, out: &mut Vec<u8>, limit: usize) {
        match self {
            Scalar::Text(text) => push_limited(out, text, limit),
            Scalar::Int(value) => {
                out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes())
            }
            Scalar::Float(value) if value.is_finite() => push_number(out, *value),
            // JSON has no word for these.
            Scalar::Float(value) => push_text(out, &value.to_string()),
            Scalar::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        }
    }
}

/// An object under way; knows whether the next member needs a comma.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    #[inline(always)]
    fn open(out: &'o mut Vec<u8>, brace: &[u8]) -> Object<'o> {
        out.extend_from_slice(brace);
        Object { out, empty: true }
    }

    #[inline(always)]
    fn object(&mut self, key: &[u8]) -> Object<'_> {
        self.member(key);
        Object {
            out: self.out,
            empty: true,
        }
    }

    #[inline]
    fn comma(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }

    // Inlined, so that the length of what is copied is known.
    #[inline(always)]
    fn member(&mut self, member: &[u8]) {
        self.comma();
        self.out.extend_from_slice(member);
    }

    #[inline(always)]
    fn text(&mut self, key: &[u8], value: Option<&str>) {
        if let Some(value) = value {
            self.member(key);
            push_limited(self.out, value, MAX_STRING);
        }
    }

    #[inline(always)]
    fn number(&mut self, key: &[u8], value: Option<u64>) {
        if let Some(value) = value {
            self.member(key);
            self.out
                .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

#[inline(always)]
fn push_member(out: &mut Vec<u8>, key: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(key);
        push_limited(out, value, MAX_STRING);
    }
}

/// A JSON string of at most `limit` characters.
#[inline]
fn push_limited(out: &mut Vec<u8>, text: &str, limit: usize) {
    push_text(out, limited(text, limit));
}

fn limited(text: &str, limit: usize) -> &str {
    // No character is shorter than a byte.
    if text.len() <= limit {
        return text;
    }
    text.char_indices()
        .nth(limit)
        .map_or(text, |(end, _)| &text[..end])
}

/// A name of the characters that X-Ray takes.
fn push_name(out: &mut Vec<u8>, name: &str) {
    const ASCII: [bool; 256] = {
        let mut allowed = [false; 256];
        let mut b = 0;
        while b < 128 {
            let c = b as u8;
            allowed[b] = c.is_ascii_alphanumeric();
            b += 1;
        }
        let others = b" _.:/%&#=+-@";
        let mut i = 0;
        while i < others.len() {
            allowed[others[i] as usize] = true;
            i += 1;
        }
        allowed
    };
    if !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|b| ASCII[usize::from(b)]) {
        out.extend_from_slice(name.as_bytes());
        return;
    }
    let allowed =
        |c: &char| c.is_alphanumeric() || c.is_whitespace() || "_.:/%&#=+\\-@".contains(*c);
    let cleaned: String = name.chars().filter(allowed).take(MAX_NAME).collect();
    push_escaped(out, if cleaned.is_empty() { "span" } else { &cleaned });
}

/// Seconds with six decimals.
fn push_seconds(out: &mut Vec<u8>, at: Micros) {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut n = 0;
        while n < 100 {
            pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
            n += 1;
        }
        pairs
    };
    let mut text = *b"0123456789.012345";
    // Ten digits of seconds last until the year 2286.
    let seconds = at.0 / 1_000_000 % 10_000_000_000;
    // Each part fits 32 bits, whose division is quicker.
    let (high, low, micros) = (
        (seconds / 10_000) as u32,
        (seconds % 10_000) as u32,
        (at.0 % 1_000_000) as u32,
    );
    for (end, n) in [
        (6, high),
        (4, high / 100),
        (2, high / 10_000),
        (10, low),
        (8, low / 100),
        (17, micros),
        (15, micros / 100),
        (13, micros / 10_000),
    ] {
        text[end - 2..end].copy_from_slice(&PAIRS[(n % 100) as usize]);
    }
    if text[0] == b'0' {
        // JSON has no leading zeros; no clock is here but that of a test.
        out.extend_from_slice(itoa::Buffer::new().format(at.0 / 1_000_000).as_bytes());
        out.extend_from_slice(&text[10..]);
        return;
    }
    out.extend_from_slice(&text);
}
