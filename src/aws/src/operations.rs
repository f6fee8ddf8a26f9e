//! What runbooks do to functions: Lambda's concurrency, invocations and versions.
//!
//! Shapes: <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html> and its
//! sisters.

use async_trait::async_trait;
use model::Time;
use ports::{Deploy, Kind, Result};
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::{Error, port_error};
use crate::signed::{Service, Signed, encode};

const LOOK: &str = "look at the concurrency of";
const SET: &str = "set the concurrency of";
const INVOKE: &str = "invoke";
const VERSIONS: &str = "list versions of";

/// Versions are listed from the oldest on; so many pages of 50 are read at most.
const PAGES: usize = 20;

/// Functions on Lambda.
#[derive(Debug)]
pub struct Operations {
    signed: Signed,
}

impl Operations {
    /// Makes no request.
    pub fn new(config: &Config) -> Operations {
        Operations {
            signed: Signed::new(config.sdk(), None),
        }
    }
}

/// `/{date}/functions/{name}/{rest}`
fn path(date: &str, function: &str, rest: &str) -> String {
    let mut name = String::new();
    encode(function, &mut name);
    format!("/{date}/functions/{name}/{rest}")
}

fn failed(operation: &'static str, function: &str) -> impl FnOnce(Error) -> ports::Error {
    let function = function.to_owned();
    move |error| port_error(operation, function, error)
}

#[async_trait]
impl ports::Operations for Operations {
    async fn concurrency(&self, function: &str) -> Result<Option<u32>> {
        let path = path("2019-09-30", function, "concurrency");
        let answer = self.signed.get(Service::Lambda, &path, &[]).await;
        let answer = answer.map_err(failed(LOOK, function))?;
        let limit = answer["ReservedConcurrentExecutions"].as_u64();
        Ok(limit.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
    }

    async fn set_concurrency(&self, function: &str, to: Option<u32>) -> Result<()> {
        let path = path("2017-10-31", function, "concurrency");
        let answer = match to {
            Some(n) => {
                let body = json!({ "ReservedConcurrentExecutions": n });
                let ask = ("PUT", path.as_str());
                self.signed.rest(Service::Lambda, ask, Some(&body)).await
            }
            None => {
                let ask = ("DELETE", path.as_str());
                self.signed.rest(Service::Lambda, ask, None).await
            }
        };
        answer.map(drop).map_err(failed(SET, function))
    }

    /// Lambda's retryer may send an invocation twice when an answer is lost; functions that runbooks
    /// invoke have to bear that.
    async fn invoke(&self, function: &str, payload: &Value) -> Result<Value> {
        let path = path("2015-03-31", function, "invocations");
        let ask = ("POST", path.as_str());
        let answer = self.signed.rest(Service::Lambda, ask, Some(payload)).await;
        let answer = answer.map_err(failed(INVOKE, function))?;
        match answer.get("errorMessage").and_then(Value::as_str) {
            Some(message) if answer.get("errorType").is_some() => {
                let error = ports::Error::new(INVOKE, function, Kind::Unavailable);
                Err(error.because(format!("the function failed: {message}")))
            }
            _ => Ok(answer),
        }
    }

    async fn deploys(&self, function: &str, since: Time) -> Result<Vec<Deploy>> {
        let path = path("2015-03-31", function, "versions");
        let mut marker = String::new();
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let mut query = vec![("MaxItems", "50")];
            if !marker.is_empty() {
                query.push(("Marker", marker.as_str()));
            }
            let page = self.signed.get(Service::Lambda, &path, &query).await;
            let page = page.map_err(failed(VERSIONS, function))?;
            found.extend(
                page["Versions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|version| {
                        deploy(function, version).filter(|deploy| deploy.at >= since)
                    }),
            );
            match page["NextMarker"].as_str() {
                Some(next) if !next.is_empty() => marker = next.to_owned(),
                _ => break,
            }
        }
        found.sort_by_key(|deploy| std::cmp::Reverse(deploy.at));
        // `$LATEST` is what the newest version was made of.
        found.dedup_by_key(|deploy| deploy.at);
        Ok(found)
    }
}

fn deploy(function: &str, version: &Value) -> Option<Deploy> {
    // `2026-01-05T08:14:00.985+0000`
    let at = version["LastModified"].as_str()?;
    let at = match at.strip_suffix("+0000") {
        Some(utc) => Time::parse(&format!("{utc}Z"))?,
        None => Time::parse(at)?,
    };
    let name = version["Version"].as_str()?;
    Some(Deploy {
        function: function.to_owned(),
        version: match name {
            "$LATEST" => {
                let hash = version["CodeSha256"].as_str().unwrap_or_default();
                format!("code {}", hash.chars().take(8).collect::<String>())
            }
            number => format!("version {number}"),
        },
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_deploy_with_its_time() {
        let check = |version: Value, expect: Option<(&str, &str)>| {
            let found = deploy("f", &version);
            let found = found.map(|d| (d.version, d.at.to_string()));
            let expect = expect.map(|(v, at)| (v.to_string(), at.to_string()));
            assert_eq!(found, expect);
        };
        check(
            json!({ "Version": "42", "LastModified": "2026-01-05T08:14:00.000+0000" }),
            Some(("version 42", "2026-01-05T08:14:00Z")),
        );
        check(
            json!({ "Version": "$LATEST", "LastModified": "2026-01-05T08:14:00.000+0000", "CodeSha256": "abcdefghijk" }),
            Some(("code abcdefgh", "2026-01-05T08:14:00Z")),
        );
        check(json!({ "Version": "1", "LastModified": "soon" }), None);
    }
}
