//! OpenAI's images, as <https://platform.openai.com/docs/api-reference/images/create> has them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Running, Script, bytes, draw, json, locked, serve, set};

/// What it knows.
pub struct OpenAi {
    /// How it fails.
    pub script: Script,
    key: String,
    url: Mutex<String>,
    /// Pictures behind addresses.
    files: Mutex<BTreeMap<String, Bytes>>,
    /// The prompts that were drawn.
    prompts: Mutex<Vec<String>>,
    /// Draws no larger than this, whatever is asked for.
    side: Mutex<u16>,
}

/// The operation of a [`super::Turn`].
pub const DRAW: &str = "draw picture";
/// The same for a picture behind an address.
pub const FETCH: &str = "fetch picture";

/// Requests a minute, as it says.
const LIMIT: usize = 50;
/// A prompt with this word is refused.
const FORBIDDEN: &str = "forbidden";

/// Starts one that takes this key.
///
/// # Errors
///
/// When no port of loopback can be had.
pub async fn start(key: &str) -> std::io::Result<Running<OpenAi>> {
    let state = Arc::new(OpenAi {
        script: Script::default(),
        key: key.into(),
        url: Mutex::default(),
        files: Mutex::default(),
        prompts: Mutex::default(),
        side: Mutex::new(1_024),
    });
    let shared = state.clone();
    serve(state, move |url| {
        *locked(&shared.url) = url.into();
        Router::new()
            .route("/v1/images/generations", post(generate))
            .route("/files/{name}", get(file))
            .with_state(shared)
    })
    .await
}

impl OpenAi {
    /// The prompts that were drawn, in order.
    pub fn prompts(&self) -> Vec<String> {
        locked(&self.prompts).clone()
    }

    /// Draws no larger than this from now on: tests need no large pictures.
    pub fn draw_at(&self, side: u16) {
        *locked(&self.side) = side;
    }

    fn answer(&self, request: &Value) -> Response {
        let text = |name: &str| request[name].as_str();
        let model = text("model").unwrap_or("dall-e-2");
        let older = model.starts_with("dall-e");
        if let Some(refused) = refused(request, model) {
            return refused;
        }
        let prompt = text("prompt").unwrap_or_default();
        let side = match text("size").unwrap_or("1024x1024").split_once('x') {
            Some((width, _)) => width.parse().unwrap_or(1_024),
            None => 1_024,
        };
        let side = (*locked(&self.side)).min(side);
        // What stands in quotes is what the picture is of.
        let title = prompt.split('"').nth(1).unwrap_or(prompt);
        let mut prompts = locked(&self.prompts);
        prompts.push(prompt.into());
        let jpeg = !older && text("output_format") == Some("jpeg");
        let drawn = match jpeg {
            true => draw::picture(title, side),
            false => draw::png(title, side),
        };
        let mut picture = match older && text("response_format") != Some("b64_json") {
            true => {
                let name = format!("{}.png", prompts.len());
                let url = format!("{}/files/{name}", locked(&self.url));
                locked(&self.files).insert(name, drawn);
                json!({ "url": url })
            }
            false => json!({ "b64_json": STANDARD.encode(drawn) }),
        };
        if model == "dall-e-3" {
            picture["revised_prompt"] = json!(format!("{prompt}, in detail"));
        }
        let mut response = json(200, &json!({ "created": 1_767_600_000, "data": [picture] }));
        let left = LIMIT.saturating_sub(1 + prompts.len() % 5);
        set(
            &mut response,
            "x-ratelimit-limit-requests",
            LIMIT.to_string(),
        );
        set(
            &mut response,
            "x-ratelimit-remaining-requests",
            left.to_string(),
        );
        set(&mut response, "x-ratelimit-reset-requests", "1.2s".into());
        response
    }
}

async fn generate(State(state): State<Arc<OpenAi>>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers.get("authorization").and_then(|v| v.to_str().ok());
    let key = key
        .and_then(|v| v.strip_prefix("Bearer "))
        .unwrap_or_default();
    if key != state.key {
        // As theirs does, it repeats some of the key.
        let shown: String = key.chars().take(12).collect();
        let words = format!(
            "Incorrect API key provided: {shown}***. You can find your API key at https://platform.openai.com."
        );
        return error(401, ("invalid_request_error", "invalid_api_key"), &words);
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(
            400,
            ("invalid_request_error", "invalid_json"),
            "We could not parse the JSON body of your request.",
        );
    };
    state.script.play(DRAW, || state.answer(&request)).await
}

async fn file(State(state): State<Arc<OpenAi>>, Path(name): Path<String>) -> Response {
    let found = || match locked(&state.files).get(&name) {
        Some(picture) => bytes("image/png", picture.clone()),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    state.script.play(FETCH, found).await
}

/// What each model does not take.
fn refused(request: &Value, model: &str) -> Option<Response> {
    let unknown = |name: &str| {
        let words = format!("Unknown parameter: '{name}'.");
        Some(error(
            400,
            ("invalid_request_error", "unknown_parameter"),
            &words,
        ))
    };
    let value = |name: &str| {
        let words = format!("Invalid value for '{name}'.");
        Some(error(
            400,
            ("invalid_request_error", "invalid_value"),
            &words,
        ))
    };
    let has = |name: &str| request.get(name).is_some();
    let one_of = |name: &str, words: &[&str]| {
        request[name]
            .as_str()
            .is_none_or(|text| words.contains(&text))
    };
    let (sizes, qualities): (&[&str], &[&str]) = match model {
        "dall-e-2" => (&["256x256", "512x512", "1024x1024"], &["standard"]),
        "dall-e-3" => (
            &["1024x1024", "1792x1024", "1024x1792"],
            &["standard", "hd"],
        ),
        gpt if gpt.starts_with("gpt-image-") => (
            &["1024x1024", "1536x1024", "1024x1536", "auto"],
            &["low", "medium", "high", "auto"],
        ),
        other => {
            let words =
                format!("The model `{other}` does not exist or you do not have access to it.");
            return Some(error(
                400,
                ("invalid_request_error", "model_not_found"),
                &words,
            ));
        }
    };
    let older = model.starts_with("dall-e");
    let prompt = request["prompt"].as_str().unwrap_or_default();
    let longest = match model {
        "dall-e-2" => 1_000,
        "dall-e-3" => 4_000,
        _ => 32_000,
    };
    if prompt.is_empty() || prompt.chars().count() > longest {
        return value("prompt");
    }
    if !older && has("response_format") {
        return unknown("response_format");
    }
    if older && has("output_format") {
        return unknown("output_format");
    }
    if model != "dall-e-3" && has("style") {
        return unknown("style");
    }
    if !one_of("size", sizes) {
        return value("size");
    }
    if !one_of("quality", qualities) {
        return value("quality");
    }
    if prompt.to_ascii_lowercase().contains(FORBIDDEN) {
        let (kind, code) = match older {
            true => ("invalid_request_error", "content_policy_violation"),
            false => ("image_generation_user_error", "moderation_blocked"),
        };
        let words = "Your request was rejected as a result of our safety system.";
        return Some(error(400, (kind, code), words));
    }
    None
}

/// An error in OpenAI's shape.
pub fn error(status: u16, (kind, code): (&str, &str), message: &str) -> Response {
    json(status, &error_body((kind, code), message))
}

/// Its body.
pub fn error_body((kind, code): (&str, &str), message: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}
