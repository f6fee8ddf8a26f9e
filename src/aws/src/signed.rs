//! Signed calls without a typed client: credentials, signing, retries and time limits are the SDK's
//! own, bodies are ours.
//!
//! Two things want this. The list calls of nine services, of which each typed crate would cost
//! minutes of compilation for one or two operations. And CloudWatch's alarms: a typed client drops
//! the keys that its version does not know, and a `PutMetricAlarm` without such a key takes it
//! away from the alarm. As JSON, what was observed is what is put.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_dynamodb::error::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde_json::Value;

use crate::error::Error;

type Answer = Vec<u8>;

/// Begins with [`model::observed::Trail::AGENT`].
const AGENT: &str = concat!("nightbell/", env!("CARGO_PKG_VERSION"));

/// One request; headers and body are signed with it.
#[derive(Debug, Clone)]
struct Ask {
    method: &'static str,
    /// Path and query, percent-encoded.
    path: String,
    content_type: Option<&'static str>,
    target: Option<String>,
    body: Vec<u8>,
}

/// The services that are called so: their host prefix, which is also what they are signed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    ApiGateway,
    CloudTrail,
    CloudWatch,
    DynamoDb,
    Events,
    Kms,
    Lambda,
    LoadBalancing,
    Scheduler,
    Sns,
    Sqs,
    Sts,
    Tagging,
}

impl Service {
    const fn prefix(self) -> &'static str {
        match self {
            Service::ApiGateway => "apigateway",
            Service::CloudTrail => "cloudtrail",
            Service::CloudWatch => "monitoring",
            Service::DynamoDb => "dynamodb",
            Service::Events => "events",
            Service::Kms => "kms",
            Service::Lambda => "lambda",
            Service::LoadBalancing => "elasticloadbalancing",
            Service::Scheduler => "scheduler",
            Service::Sns => "sns",
            Service::Sqs => "sqs",
            Service::Sts => "sts",
            Service::Tagging => "tagging",
        }
    }

    /// The prefix of `X-Amz-Target` and the version of AWS's JSON protocol.
    const fn json(self) -> Option<(&'static str, &'static str)> {
        match self {
            Service::CloudTrail => Some((
                "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
                "application/x-amz-json-1.1",
            )),
            Service::CloudWatch => Some((
                "GraniteServiceVersion20100801",
                "application/x-amz-json-1.0",
            )),
            Service::DynamoDb => Some(("DynamoDB_20120810", "application/x-amz-json-1.0")),
            Service::Events => Some(("AWSEvents", "application/x-amz-json-1.1")),
            Service::Kms => Some(("TrentService", "application/x-amz-json-1.1")),
            Service::Sqs => Some(("AmazonSQS", "application/x-amz-json-1.0")),
            Service::Tagging => Some((
                "ResourceGroupsTaggingAPI_20170126",
                "application/x-amz-json-1.1",
            )),
            Service::ApiGateway
            | Service::Lambda
            | Service::LoadBalancing
            | Service::Scheduler
            | Service::Sns
            | Service::Sts => None,
        }
    }

    /// The API version of AWS's query protocol.
    const fn query(self) -> Option<&'static str> {
        match self {
            Service::LoadBalancing => Some("2015-12-01"),
            Service::Sns => Some("2010-03-31"),
            Service::Sts => Some("2011-06-15"),
            _ => None,
        }
    }
}

/// An error that a service answered.
#[derive(Debug)]
struct Refusal(ErrorMetadata);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Calls services with signed requests.
pub(crate) struct Signed {
    sdk: SdkConfig,
    region: Option<Region>,
    /// Made at their first use; each keeps its own connections and credentials' cache.
    operations: Mutex<HashMap<Service, Operation<Ask, Answer, Refusal>>>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").finish_non_exhaustive()
    }
}

impl Signed {
    /// Makes no request. Without a region: the configuration's.
    pub(crate) fn new(sdk: &SdkConfig, region: Option<&str>) -> Signed {
        Signed {
            sdk: sdk.clone(),
            region: region
                .map(|r| Region::new(r.to_owned()))
                .or_else(|| sdk.region().cloned()),
            operations: Mutex::default(),
        }
    }

    /// The region; empty where none is known, which the first call says.
    pub(crate) fn region_name(&self) -> String {
        self.region
            .as_ref()
            .map(|r| r.as_ref().to_owned())
            .unwrap_or_default()
    }

    /// An operation of a service with AWS's JSON protocol.
    pub(crate) async fn json(
        &self,
        service: Service,
        operation: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        let (prefix, content_type) = service.json().expect("asked of services that have one");
        let ask = Ask {
            method: "POST",
            path: "/".into(),
            content_type: Some(content_type),
            target: Some(format!("{prefix}.{operation}")),
            body: body.to_string().into_bytes(),
        };
        parsed(&self.send(service, ask).await?)
    }

    /// A `GET` of a service with a REST interface. `query` is encoded here, `path` is not.
    pub(crate) async fn get(
        &self,
        service: Service,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let query = form(query);
        let path = match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{query}"),
        };
        let ask = Ask {
            method: "GET",
            path,
            content_type: None,
            target: None,
            body: Vec::new(),
        };
        parsed(&self.send(service, ask).await?)
    }

    /// Another method of a service with a REST interface. `path` is not encoded here.
    pub(crate) async fn rest(
        &self,
        service: Service,
        (method, path): (&'static str, &str),
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let ask = Ask {
            method,
            path: path.to_owned(),
            content_type: body.map(|_| "application/json"),
            target: None,
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
        };
        parsed(&self.send(service, ask).await?)
    }

    /// An operation of a service with AWS's query protocol; the answer is XML.
    pub(crate) async fn query(
        &self,
        service: Service,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, Error> {
        let version = service.query().expect("asked of services that have one");
        let mut all = vec![("Action", action), ("Version", version)];
        all.extend_from_slice(parameters);
        let ask = Ask {
            method: "POST",
            path: "/".into(),
            content_type: Some("application/x-www-form-urlencoded"),
            target: None,
            body: form(&all).into_bytes(),
        };
        let answer = self.send(service, ask).await?;
        String::from_utf8(answer).map_err(|e| unreadable(e.into()))
    }

    async fn send(&self, service: Service, ask: Ask) -> Result<Answer, Error> {
        let operation = self.operation(service)?;
        operation.invoke(ask).await.map_err(Error::from)
    }

    fn operation(&self, service: Service) -> Result<Operation<Ask, Answer, Refusal>, Error> {
        // A poisoned map holds whole operations all the same.
        let mut operations = self
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(operation) = operations.get(&service) {
            return Ok(operation.clone());
        }
        let region = self
            .region
            .as_ref()
            .ok_or_else(|| Error::Unsent("no region; set AWS_REGION".into()))?;
        let operation = build(&self.sdk, region, service)?;
        operations.insert(service, operation.clone());
        Ok(operation)
    }
}

fn build(
    sdk: &SdkConfig,
    region: &Region,
    service: Service,
) -> Result<Operation<Ask, Answer, Refusal>, Error> {
    let prefix = service.prefix();
    let endpoint = match sdk.endpoint_url() {
        Some(url) => url.to_owned(),
        None => {
            let suffix = match region.as_ref().starts_with("cn-") {
                true => "amazonaws.com.cn",
                false => "amazonaws.com",
            };
            format!("https://{prefix}.{region}.{suffix}")
        }
    };
    let credentials = sdk
        .credentials_provider()
        .ok_or_else(|| Error::Unsent("no credentials".into()))?;
    let mut layer = Layer::new("signing");
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region.clone())),
        name: Some(SigningName::from_static(prefix)),
        ..SigV4OperationSigningConfig::default()
    });
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let mut components = RuntimeComponentsBuilder::new("signing")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
        )))
        .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials))
        .with_http_client(sdk.http_client())
        .with_sleep_impl(sdk.sleep_impl())
        .with_time_source(sdk.time_source());
    if let Some(cache) = sdk.identity_cache() {
        components = components.with_identity_cache(Some(cache));
    }
    let plugin = StaticRuntimePlugin::new()
        .with_config(layer.freeze())
        .with_runtime_components(components);
    let mut builder = Operation::builder()
        .service_name(prefix)
        .operation_name("call")
        .endpoint_url(&endpoint)
        .runtime_plugin(plugin)
        .retry_classifier(TransientErrorClassifier::<Refusal>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Refusal>::new())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .with_connection_poisoning()
        .serializer(|ask: Ask| {
            let mut request = HttpRequest::new(SdkBody::from(ask.body));
            request.set_method(ask.method)?;
            request.set_uri(ask.path)?;
            let headers = request.headers_mut();
            // CloudTrail keeps it: what we wrote ourselves is told from what was done by hand.
            headers.insert("user-agent", AGENT);
            if let Some(kind) = ask.content_type {
                headers.insert("content-type", kind);
            }
            if let Some(target) = ask.target {
                headers.insert("x-amz-target", target);
            }
            Ok(request)
        })
        .deserializer(answered);
    if let Some(retries) = sdk.retry_config() {
        builder = builder.standard_retry(retries);
    }
    if let Some(timeouts) = sdk.timeout_config() {
        builder = builder.timeout_config(timeouts.clone());
    }
    Ok(builder.build())
}

fn answered(response: &HttpResponse) -> Result<Answer, OrchestratorError<Refusal>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(body.to_vec());
    }
    let header = response.headers().get("x-amzn-errortype");
    Err(OrchestratorError::operation(Refusal(refusal(header, body))))
}

/// An error document of any of the protocols: JSON with `__type` or `code`, or XML.
fn refusal(header: Option<&str>, body: &[u8]) -> ErrorMetadata {
    let text = String::from_utf8_lossy(body);
    let mut meta = ErrorMetadata::builder();
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        let find = |keys: &[&str]| keys.iter().find_map(|k| json[*k].as_str());
        if let Some(code) = header.or_else(|| find(&["__type", "code", "Code"])) {
            meta = meta.code(code);
        }
        if let Some(message) = find(&["message", "Message", "errorMessage"]) {
            meta = meta.message(message);
        }
        return meta.build();
    }
    let document = roxmltree::Document::parse(&text).ok();
    let find = |name: &str| {
        let mut nodes = document.as_ref()?.descendants();
        nodes.find(|n| n.tag_name().name() == name)?.text()
    };
    if let Some(code) = header.or_else(|| find("Code")) {
        meta = meta.code(code);
    }
    if let Some(message) = find("Message") {
        meta = meta.message(message);
    }
    meta.build()
}

fn parsed(body: &[u8]) -> Result<Value, Error> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|e| unreadable(e.into()))
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Unreadable {
        status: 200,
        source,
    }
}

/// `a=b&c=d`, everything but the unreserved characters of RFC 3986 encoded.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(key, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

/// One segment of a path, or one part of a query.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_of_every_protocol_tells_its_code_and_words() {
        let check = |header: Option<&str>, body: &str, code: Option<&str>, words: Option<&str>| {
            let meta = refusal(header, body.as_bytes());
            assert_eq!((meta.code(), meta.message()), (code, words), "{body}");
        };
        check(
            None,
            r#"{"__type":"com.amazonaws#ThrottlingException","message":"Rate exceeded"}"#,
            Some("com.amazonaws#ThrottlingException"),
            Some("Rate exceeded"),
        );
        check(
            Some("ResourceNotFoundException"),
            r#"{"Type":"User","Message":"Function not found"}"#,
            Some("ResourceNotFoundException"),
            Some("Function not found"),
        );
        check(
            None,
            r#"<ErrorResponse xmlns="http://x/"><Error><Code>Throttling</Code><Message>slow &amp; low</Message></Error></ErrorResponse>"#,
            Some("Throttling"),
            Some("slow & low"),
        );
        check(None, "<html>502 Bad Gateway", None, None);
        check(None, "", None, None);
    }

    #[test]
    fn forms_encode_what_is_not_unreserved() {
        assert_eq!(
            form(&[("a", "x y"), ("b", "ü/&=+")]),
            "a=x%20y&b=%C3%BC%2F%26%3D%2B"
        );
        assert_eq!(form(&[]), "");
    }
}
