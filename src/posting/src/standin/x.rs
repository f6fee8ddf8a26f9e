//! X, as the references of its API v2 have it: signatures are checked, posts with the same text are
//! refused, pictures have to be there, and the search may be late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use model::Time;
use ports::Clock;
use serde_json::{Value, json};

use super::{Running, Script, bytes, json, locked, serve, set};
use crate::oauth1::{self, Credentials, Signable};

/// What it knows.
pub struct X {
    /// How it fails.
    pub script: Script,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its picture.
    pub media: String,
    /// When.
    pub at: Time,
}

struct Known {
    url: String,
    posts: Vec<Posted>,
    media: BTreeMap<String, Media>,
    nonces: BTreeSet<String>,
    next: u64,
    search_delay: Duration,
    refuses_duplicates: bool,
    /// How often it wants to be asked before a picture is processed.
    looks: u32,
    limit: (u32, u32),
}

struct Media {
    total: usize,
    pieces: BTreeMap<usize, Bytes>,
    finished: bool,
    looks: u32,
    kind: String,
}

/// Operations of a [`super::Turn`].
pub const UPLOAD: &str = "upload media";
/// Begins an upload in pieces.
pub const INITIALIZE: &str = "begin upload";
/// A piece.
pub const APPEND: &str = "append to upload";
/// The end of it.
pub const FINALIZE: &str = "finish upload";
/// How far it is.
pub const STATUS: &str = "process media";
/// Publishes.
pub const CREATE: &str = "create post";
/// Searches.
pub const SEARCH: &str = "search posts";
/// Who we are.
pub const ME: &str = "read account";

const USERNAME: &str = "spooky_days";
const USER: &str = "2244994945";
/// Uploads in one request are at most this long.
const LARGEST: usize = 5 * 1024 * 1024;

/// Starts one that takes these credentials.
///
/// # Errors
///
/// When no port of loopback can be had.
pub async fn start(credentials: Credentials, clock: Arc<dyn Clock>) -> std::io::Result<Running<X>> {
    let known = Known {
        url: String::new(),
        posts: Vec::new(),
        media: BTreeMap::new(),
        nonces: BTreeSet::new(),
        next: 1_880_028_106_020_515_840,
        search_delay: Duration::ZERO,
        refuses_duplicates: true,
        looks: 0,
        limit: (100, 99),
    };
    let state = Arc::new(X {
        script: Script::default(),
        credentials,
        clock,
        known: Mutex::new(known),
    });
    let shared = state.clone();
    serve(state, move |url| {
        locked(&shared.known).url = url.into();
        Router::new()
            .route("/2/media/upload", post(upload).get(status))
            .route("/2/media/upload/initialize", post(initialize))
            .route("/2/media/upload/{id}/append", post(append))
            .route("/2/media/upload/{id}/finalize", post(finalize))
            .route("/2/tweets", post(create))
            .route("/2/tweets/search/recent", get(search))
            .route("/2/users/me", get(me))
            .route("/", get(timeline))
            .route("/i/status/{id}", get(timeline))
            .route("/media/{id}", get(picture))
            .layer(DefaultBodyLimit::max(LARGEST + 64 * 1024))
            .with_state(shared)
    })
    .await
}

impl X {
    /// Everything that was posted, oldest first.
    pub fn posts(&self) -> Vec<Posted> {
        locked(&self.known).posts.clone()
    }

    /// The picture of a post, whole.
    pub fn picture(&self, media: &str) -> Option<Vec<u8>> {
        let known = locked(&self.known);
        let media = known.media.get(media)?;
        Some(media.pieces.values().flat_map(|p| p.to_vec()).collect())
    }

    /// Shows a post in its search only after that time.
    pub fn delay_search(&self, delay: Duration) {
        locked(&self.known).search_delay = delay;
    }

    /// Whether it refuses what it has already.
    pub fn refuse_duplicates(&self, refuses: bool) {
        locked(&self.known).refuses_duplicates = refuses;
    }

    /// Takes a while with every picture: it wants to be asked so often.
    pub fn think(&self, looks: u32) {
        locked(&self.known).looks = looks;
    }

    /// What it says of its limit: all, and what is left.
    pub fn say_limit(&self, limit: u32, left: u32) {
        locked(&self.known).limit = (limit, left);
    }

    /// Section 3.2 of RFC 5849: signature, timestamp, nonce.
    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
        let header = headers.get("authorization").and_then(|v| v.to_str().ok());
        let header = header
            .and_then(|v| v.strip_prefix("OAuth "))
            .ok_or("no OAuth header")?;
        let mut told = BTreeMap::new();
        for part in header.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or("no parameter")?;
            let value = decode(value.trim_matches('"')).ok_or("bad encoding")?;
            told.insert(name.to_string(), value);
        }
        let of = |name: &str| told.get(name).map(String::as_str).unwrap_or_default();
        let timestamp: i64 = of("oauth_timestamp").parse().map_err(|_| "no timestamp")?;
        let who = of("oauth_consumer_key") == self.credentials.api_key
            && of("oauth_token") == self.credentials.access_token
            && of("oauth_signature_method") == "HMAC-SHA1";
        if !who {
            return Err("unknown credentials");
        }
        if (self.clock.now().secs() - timestamp).abs() > 300 {
            return Err("timestamp out of bounds");
        }
        let mut parameters = Vec::new();
        for pair in uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|p| !p.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name).zip(decode(value)).ok_or("bad encoding")?;
            parameters.push(decoded);
        }
        let mut known = locked(&self.known);
        let url = format!("{}{}", known.url, uri.path());
        let version = told
            .get("oauth_version")
            .map(|v| ("oauth_version", v.as_str()));
        let request = Signable {
            method: method.as_str(),
            url: &url,
            parameters,
            protocol: version.into_iter().collect(),
            timestamp,
            nonce: of("oauth_nonce"),
        };
        if oauth1::signature(&self.credentials, &request) != of("oauth_signature") {
            return Err("bad signature");
        }
        match known
            .nonces
            .insert(format!("{timestamp}/{}", of("oauth_nonce")))
        {
            true => Ok(()),
            false => Err("nonce used before"),
        }
    }

    async fn play(
        &self,
        operation: &'static str,
        request: &Head,
        act: impl FnOnce(&mut Known) -> Response,
    ) -> Response {
        if self
            .check(&request.method, &request.uri, &request.headers)
            .is_err()
        {
            return problem(401, "Unauthorized", "Unauthorized");
        }
        let mut response = self
            .script
            .play(operation, || act(&mut locked(&self.known)))
            .await;
        if response.status().is_success() {
            let (limit, left) = locked(&self.known).limit;
            let reset = self.clock.now().secs() + 900;
            set(&mut response, "x-rate-limit-limit", limit.to_string());
            set(&mut response, "x-rate-limit-remaining", left.to_string());
            set(&mut response, "x-rate-limit-reset", reset.to_string());
        }
        response
    }
}

struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// The head and the whole body.
async fn taken(request: Request) -> Result<(Head, Bytes), Response> {
    let head = Head {
        method: request.method().clone(),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
    };
    let body = Bytes::from_request(request, &()).await;
    body.map(|body| (head, body))
        .map_err(IntoResponse::into_response)
}

async fn upload(State(x): State<Arc<X>>, request: Request) -> Response {
    let (head, body) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    let form = form(&head.headers, body).await;
    x.play(UPLOAD, &head, |known| {
        let Some(media) = form.get("media").filter(|m| !m.is_empty()) else {
            return problem(
                400,
                "Invalid Request",
                "One or more parameters to your request was invalid.",
            );
        };
        let id = known.id();
        let kind = form
            .get("media_type")
            .map(|k| String::from_utf8_lossy(k).into_owned());
        let upload = Media {
            total: media.len(),
            pieces: BTreeMap::from([(0, media.clone())]),
            finished: true,
            looks: known.looks,
            kind: kind.unwrap_or_else(|| "image/jpeg".into()),
        };
        let told = json!({ "data": upload.told(&id) });
        known.media.insert(id, upload);
        json(200, &told)
    })
    .await
}

async fn initialize(State(x): State<Arc<X>>, request: Request) -> Response {
    let (head, body) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    x.play(INITIALIZE, &head, |known| {
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let total = asked["total_bytes"].as_u64().unwrap_or(0) as usize;
        let kind = asked["media_type"].as_str().unwrap_or_default();
        if total == 0 || total > LARGEST || kind != "image/jpeg" {
            return problem(
                400,
                "Invalid Request",
                "One or more parameters to your request was invalid.",
            );
        }
        let id = known.id();
        let upload = Media {
            total,
            pieces: BTreeMap::new(),
            finished: false,
            looks: known.looks,
            kind: kind.into(),
        };
        known.media.insert(id.clone(), upload);
        let told =
            json!({ "id": id, "media_key": format!("3_{id}"), "expires_after_secs": 86_400 });
        json(200, &json!({ "data": told }))
    })
    .await
}

async fn append(State(x): State<Arc<X>>, Path(id): Path<String>, request: Request) -> Response {
    let (head, body) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    let form = form(&head.headers, body).await;
    x.play(APPEND, &head, |known| {
        let segment = form
            .get("segment_index")
            .map(|s| String::from_utf8_lossy(s).parse());
        let (Some(Ok(segment)), Some(piece), Some(upload)) =
            (segment, form.get("media"), known.media.get_mut(&id))
        else {
            return problem(
                400,
                "Invalid Request",
                "One or more parameters to your request was invalid.",
            );
        };
        upload.pieces.insert(segment, piece.clone());
        json(200, &json!({ "data": { "expires_at": 1_767_686_400 } }))
    })
    .await
}

async fn finalize(State(x): State<Arc<X>>, Path(id): Path<String>, request: Request) -> Response {
    let (head, _) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    x.play(FINALIZE, &head, |known| {
        let Some(upload) = known.media.get_mut(&id) else {
            return problem(400, "Invalid Request", "Invalid media id");
        };
        let whole = upload.pieces.values().map(Bytes::len).sum::<usize>() == upload.total
            && upload.pieces.keys().copied().eq(0..upload.pieces.len());
        if !whole {
            return problem(
                400,
                "Invalid Request",
                "Segments do not add up to provided total file size.",
            );
        }
        upload.finished = true;
        json(200, &json!({ "data": upload.told(&id) }))
    })
    .await
}

async fn status(State(x): State<Arc<X>>, request: Request) -> Response {
    let (head, _) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    let id = query(&head.uri, "media_id");
    x.play(STATUS, &head, |known| {
        let Some(upload) = known.media.get_mut(&id) else {
            return problem(400, "Invalid Request", "Invalid media id");
        };
        upload.looks = upload.looks.saturating_sub(1);
        json(200, &json!({ "data": upload.told(&id) }))
    })
    .await
}

async fn create(State(x): State<Arc<X>>, request: Request) -> Response {
    let (head, body) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    let now = x.clock.now();
    x.play(CREATE, &head, |known| {
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = asked["text"].as_str().unwrap_or_default();
        let media = asked["media"]["media_ids"][0].as_str().unwrap_or_default();
        if text.is_empty() || text.chars().count() > 280 {
            return problem(
                400,
                "Invalid Request",
                "One or more parameters to your request was invalid.",
            );
        }
        if !known
            .media
            .get(media)
            .is_some_and(|m| m.finished && m.looks == 0)
        {
            return problem(400, "Invalid Request", "Your media IDs are invalid.");
        }
        if known.refuses_duplicates && known.posts.iter().any(|p| p.text == text) {
            return problem(
                403,
                "Forbidden",
                "You are not allowed to create a Tweet with duplicate content.",
            );
        }
        let post = Posted {
            id: known.id(),
            text: text.into(),
            media: media.into(),
            at: now,
        };
        let shown = post.shown();
        let told = json!({ "id": post.id, "text": shown, "edit_history_tweet_ids": [post.id] });
        known.posts.push(post);
        json(201, &json!({ "data": told }))
    })
    .await
}

async fn search(State(x): State<Arc<X>>, request: Request) -> Response {
    let (head, _) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    let now = x.clock.now();
    let (asked, start) = (query(&head.uri, "query"), query(&head.uri, "start_time"));
    x.play(SEARCH, &head, |known| {
        let phrase = asked.split('"').nth(1).unwrap_or_default();
        let start = Time::parse(&start);
        let too_old = start.is_some_and(|s| now.since(s) > Duration::from_secs(7 * 86_400));
        if phrase.is_empty() || too_old {
            return problem(400, "Invalid Request", "One or more parameters to your request was invalid.");
        }
        let by_us = asked.contains(&format!("from:{USERNAME}"));
        let found = known.posts.iter().rev().filter(|post| {
            by_us
                && post.text.contains(phrase)
                && start.is_none_or(|s| post.at >= s)
                && now.since(post.at) >= known.search_delay
        });
        let found: Vec<Value> = found
            .take(10)
            .map(|p| json!({ "id": p.id, "text": p.shown(), "created_at": p.at.to_string(), "edit_history_tweet_ids": [p.id] }))
            .collect();
        let meta = json!({ "result_count": found.len() });
        match found.is_empty() {
            true => json(200, &json!({ "meta": meta })),
            false => json(200, &json!({ "data": found, "meta": meta })),
        }
    })
    .await
}

async fn me(State(x): State<Arc<X>>, request: Request) -> Response {
    let (head, _) = match taken(request).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    x.play(ME, &head, |known| {
        let metrics = json!({
            "followers_count": 1_431, "following_count": 7, "tweet_count": known.posts.len(),
            "listed_count": 3, "like_count": 12, "media_count": known.posts.len(),
        });
        let told = json!({ "id": USER, "name": "Spooky Days", "username": USERNAME, "public_metrics": metrics });
        json(200, &json!({ "data": told }))
    })
    .await
}

/// A page for people: what is posted so far.
async fn timeline(State(x): State<Arc<X>>, only: Option<Path<String>>) -> Response {
    let known = locked(&x.known);
    let shown: Vec<String> = known
        .posts
        .iter()
        .rev()
        .filter(|post| only.as_ref().is_none_or(|Path(id)| *id == post.id))
        .map(|post| {
            // Captions have no letter that HTML knows; a post by hand cannot come here.
            let text = post.text.replace('&', "&amp;").replace('<', "&lt;");
            format!(
                "<article><p><b>@{USERNAME}</b> <a href=\"/i/status/{}\">{}</a></p><p>{text}</p>\
                 <img src=\"/media/{}\" alt=\"{}\"></article>",
                post.id,
                post.at,
                post.media,
                text.replace('"', "&quot;")
            )
        })
        .collect();
    let body = match shown.is_empty() {
        true => "<p>Nothing is posted here. What was posted before this program was started is forgotten.</p>".into(),
        false => shown.concat(),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Stand-in for X</title><style>:root{{color-scheme:light dark}}body{{font:15px/22px system-ui,sans-serif;\
         max-width:560px;margin:24px auto;padding:0 16px}}img{{width:100%;border-radius:12px}}article{{margin:0 0 32px}}\
         </style><h1>Stand-in for X</h1><p>Posts of this machine, seen by nobody else.</p>{body}</html>"
    );
    bytes("text/html; charset=utf-8", page)
}

async fn picture(State(x): State<Arc<X>>, Path(id): Path<String>) -> Response {
    match x.picture(&id) {
        Some(picture) => bytes("image/jpeg", picture),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Known {
    fn id(&mut self) -> String {
        self.next += 1;
        self.next.to_string()
    }
}

impl Media {
    fn told(&self, id: &str) -> Value {
        let mut told = json!({
            "id": id, "media_key": format!("3_{id}"), "size": self.total, "expires_after_secs": 86_400,
            "image": { "image_type": self.kind },
        });
        if self.looks > 0 {
            told["processing_info"] =
                json!({ "state": "in_progress", "check_after_secs": 1, "progress_percent": 50 });
        }
        told
    }
}

impl Posted {
    /// As X shows it: with a link to its picture.
    fn shown(&self) -> String {
        format!(
            "{} https://t.co/{}",
            self.text,
            &self.id[self.id.len() - 10..]
        )
    }
}

/// An error in X's shape.
fn problem(status: u16, title: &str, detail: &str) -> Response {
    json(status, &problem_body(status, title, detail))
}

/// Its body.
pub fn problem_body(status: u16, title: &str, detail: &str) -> Value {
    json!({ "title": title, "detail": detail, "type": "about:blank", "status": status })
}

async fn form(headers: &HeaderMap, body: Bytes) -> BTreeMap<String, Bytes> {
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok());
    let Some(Ok(boundary)) = kind.map(multer::parse_boundary) else {
        return BTreeMap::new();
    };
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut form = BTreeMap::new();
    while let Ok(Some(field)) = parts.next_field().await {
        let name = field.name().unwrap_or_default().to_string();
        if let Ok(value) = field.bytes().await {
            form.insert(name, value);
        }
    }
    form
}

fn query(uri: &Uri, name: &str) -> String {
    let pairs = uri.query().unwrap_or_default().split('&');
    let found = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(n, _)| *n == name);
    found
        .and_then(|(_, value)| decode(value))
        .unwrap_or_default()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        out.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(out).ok()
}
