//! OpenAI's images: <https://platform.openai.com/docs/api-reference/images/create>.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ports::Secret;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Call, Kind, Trouble, Upstream, Web, limits, picture};
use crate::config;

/// What is asked for. Which parameters there are differs by model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// For example `gpt-image-1`.
    pub name: String,
    /// For example `1024x1024`.
    pub size: String,
    /// `low`, `medium`, `high`, `auto`; of dall-e-3 `standard` and `hd`.
    pub quality: Option<String>,
    /// Of dall-e-3: `vivid` or `natural`.
    pub style: Option<String>,
    /// Of the dall-e models: an address instead of the picture.
    pub address: bool,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            name: "gpt-image-1".into(),
            size: "1024x1024".into(),
            quality: None,
            style: None,
            address: false,
        }
    }
}

impl Model {
    /// Reads `OPENAI_MODEL`, `OPENAI_SIZE`, `OPENAI_QUALITY`, `OPENAI_STYLE`, `OPENAI_ANSWER`
    /// (`b64_json` or `url`).
    ///
    /// # Errors
    ///
    /// What the model does not know.
    pub fn read(var: &dyn Fn(&str) -> Option<String>) -> Result<Model, String> {
        let default = Model::default();
        let model = Model {
            name: var("OPENAI_MODEL").unwrap_or(default.name),
            size: var("OPENAI_SIZE").unwrap_or(default.size),
            quality: var("OPENAI_QUALITY"),
            style: var("OPENAI_STYLE"),
            address: match var("OPENAI_ANSWER").as_deref() {
                None | Some("b64_json") => false,
                Some("url") => true,
                Some(other) => {
                    return Err(format!(
                        "OPENAI_ANSWER is `b64_json` or `url`, not `{other}`"
                    ));
                }
            },
        };
        let name = &model.name;
        if model.style.is_some() && name != "dall-e-3" {
            return Err(format!(
                "OPENAI_STYLE is known to dall-e-3 only, not to {name}"
            ));
        }
        if model.address && !model.is_older() {
            return Err(format!(
                "OPENAI_ANSWER is known to the dall-e models only, not to {name}"
            ));
        }
        if model.quality.is_some() && name == "dall-e-2" {
            return Err("OPENAI_QUALITY is not known to dall-e-2".into());
        }
        Ok(model)
    }

    fn is_older(&self) -> bool {
        self.name.starts_with("dall-e")
    }

    /// The body of the request.
    pub fn request(&self, prompt: &str) -> Value {
        let mut body = json!({ "model": self.name, "prompt": prompt, "n": 1, "size": self.size });
        if let Some(quality) = &self.quality {
            body["quality"] = json!(quality);
        }
        if let Some(style) = &self.style {
            body["style"] = json!(style);
        }
        if self.is_older() {
            let answer = if self.address { "url" } else { "b64_json" };
            body["response_format"] = json!(answer);
        } else {
            // The newer models always answer base64, of the format that is asked for.
            body["output_format"] = json!("jpeg");
        }
        body
    }
}

/// The client.
#[derive(Clone)]
pub struct OpenAi {
    web: Web,
    config: config::OpenAi,
}

/// A picture in base64.
const LONGEST: usize = 28 * 1024 * 1024;
/// A picture.
const LARGEST: usize = 20 * 1024 * 1024;

impl OpenAi {
    /// Over the web.
    pub fn new(web: Web, config: config::OpenAi) -> OpenAi {
        OpenAi { web, config }
    }

    /// Has a picture drawn: the bytes of a JPEG. Costs money each time.
    ///
    /// # Errors
    ///
    /// What OpenAI says.
    pub async fn draw(&self, prompt: &str) -> Result<Bytes, Trouble> {
        let call = Call {
            upstream: Upstream::OpenAi,
            operation: "draw picture",
            // A second picture costs a second time and harms nobody.
            repeatable: true,
            timeout: self.config.timeout,
            longest: LONGEST,
        };
        let body = self.config.model.request(prompt).to_string();
        let url = format!("{}/v1/images/generations", self.config.url);
        let build = |client: &Client, key: Option<&Secret>| {
            let request = client.post(&url);
            let key = key.map_or("", |k| k.reveal()).trim();
            Ok(request
                .bearer_auth(key)
                .header("content-type", "application/json")
                .body(body.clone()))
        };
        let clock = || self.web.clock().now();
        let judge = |answer: &Answer| refusal(answer, clock);
        let secret = Some(self.config.secret.as_str());
        let answer = self.web.call(call, secret, build, judge).await?;
        let unusable = |detail: String| Trouble {
            upstream: call.upstream,
            operation: call.operation,
            kind: Kind::Unusable,
            detail,
        };
        let bytes = match content(&answer.body).map_err(unusable)? {
            Content::Bytes(bytes) => bytes,
            Content::Address(address) => self.fetch(&address).await?,
        };
        picture::jpeg(bytes).map_err(unusable)
    }

    /// The picture at an address that the answer names. It is on another host, which gets no key.
    async fn fetch(&self, address: &str) -> Result<Bytes, Trouble> {
        let call = Call {
            upstream: Upstream::OpenAi,
            operation: "fetch picture",
            repeatable: true,
            timeout: Duration::from_secs(30),
            longest: LARGEST,
        };
        let scheme = self
            .config
            .url
            .split_once("://")
            .map_or("https", |(s, _)| s);
        if !address.starts_with("https://") && !address.starts_with(&format!("{scheme}://")) {
            return Err(Trouble {
                upstream: call.upstream,
                operation: call.operation,
                kind: Kind::Unusable,
                detail: "the answer names an address that is not https".into(),
            });
        }
        let build = |client: &Client, _: Option<&Secret>| Ok(client.get(address));
        let judge = |answer: &Answer| match answer.status {
            StatusCode::OK => None,
            status if status.is_server_error() => Some((Kind::Unclear, format!("{status}"))),
            status => Some((Kind::Refused, format!("{status}"))),
        };
        Ok(self.web.call(call, None, build, judge).await?.body)
    }
}

enum Content {
    Bytes(Bytes),
    Address(String),
}

fn content(body: &[u8]) -> Result<Content, String> {
    let value: Value = serde_json::from_slice(body).map_err(|e| format!("no JSON: {e}"))?;
    let first = &value["data"][0];
    if let Some(text) = first["b64_json"].as_str() {
        let bytes = STANDARD
            .decode(text)
            .map_err(|e| format!("`b64_json` is not base64: {e}"))?;
        return Ok(Content::Bytes(bytes.into()));
    }
    match first["url"].as_str() {
        Some(url) => Ok(Content::Address(url.into())),
        None => Err("the answer has neither `b64_json` nor `url`".into()),
    }
}

/// What an answer other than 200 means:
/// <https://platform.openai.com/docs/guides/error-codes/api-errors>.
fn refusal(answer: &Answer, now: impl Fn() -> model::Time) -> Option<(Kind, String)> {
    if answer.status == StatusCode::OK {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = &body["error"];
    let code = error["code"].as_str().or(error["type"].as_str());
    let code = code.unwrap_or_default();
    let words = error["message"].as_str().unwrap_or("no reason is told");
    let told = format!("{}: {words}", answer.status);
    let kind = match (answer.status.as_u16(), code) {
        // Their message repeats a part of the key.
        (401, _) => return Some((Kind::Denied, "401: the API key is not accepted".into())),
        (403, _) => Kind::Denied,
        (_, "insufficient_quota" | "billing_hard_limit_reached") => Kind::Credit,
        (_, "content_policy_violation" | "moderation_blocked") => Kind::Policy,
        (429, _) => Kind::Limited(limits::reset(&answer.headers, now())),
        (500..=599 | 408 | 409, _) => Kind::Unclear,
        _ => Kind::Refused,
    };
    Some((kind, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_is_asked_with_its_own_parameters() {
        let check = |vars: &[(&str, &str)], expect: Value| {
            let var = |name: &str| {
                let found = vars.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| (*v).to_string())
            };
            assert_eq!(Model::read(&var).unwrap().request("p"), expect, "{vars:?}");
        };
        check(
            &[],
            json!({ "model": "gpt-image-1", "prompt": "p", "n": 1, "size": "1024x1024", "output_format": "jpeg" }),
        );
        check(
            &[
                ("OPENAI_MODEL", "gpt-image-1-mini"),
                ("OPENAI_QUALITY", "low"),
            ],
            json!({ "model": "gpt-image-1-mini", "prompt": "p", "n": 1, "size": "1024x1024", "quality": "low", "output_format": "jpeg" }),
        );
        check(
            &[
                ("OPENAI_MODEL", "dall-e-3"),
                ("OPENAI_STYLE", "vivid"),
                ("OPENAI_QUALITY", "hd"),
            ],
            json!({ "model": "dall-e-3", "prompt": "p", "n": 1, "size": "1024x1024", "quality": "hd", "style": "vivid",
                    "response_format": "b64_json" }),
        );
        check(
            &[
                ("OPENAI_MODEL", "dall-e-2"),
                ("OPENAI_ANSWER", "url"),
                ("OPENAI_SIZE", "512x512"),
            ],
            json!({ "model": "dall-e-2", "prompt": "p", "n": 1, "size": "512x512", "response_format": "url" }),
        );
    }

    #[test]
    fn what_a_model_does_not_know_is_said_before_it_is_asked() {
        for (vars, why) in [
            (vec![("OPENAI_STYLE", "vivid")], "dall-e-3 only"),
            (vec![("OPENAI_ANSWER", "url")], "dall-e models only"),
            (vec![("OPENAI_ANSWER", "png")], "`b64_json` or `url`"),
            (
                vec![("OPENAI_MODEL", "dall-e-2"), ("OPENAI_QUALITY", "hd")],
                "dall-e-2",
            ),
        ] {
            let var = |name: &str| {
                let found = vars.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| (*v).to_string())
            };
            let told = Model::read(&var).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
