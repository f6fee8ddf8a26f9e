//! X: media upload, posts, search and account, API v2 with OAuth 1.0a user context.
//! <https://docs.x.com/x-api/media/media-upload>, <https://docs.x.com/x-api/posts/create-post>,
//! <https://docs.x.com/x-api/posts/search-recent-posts>, <https://docs.x.com/x-api/users/get-my-user>.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Time;
use ports::Secret;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Answer, Call, Kind, Trouble, Upstream, Web, limits, picture};
use crate::config;
use crate::oauth1::{self, Credentials, Signable};

/// The client.
#[derive(Clone)]
pub struct X {
    web: Web,
    config: config::X,
    /// Who we are; it does not change.
    me: Arc<OnceCell<Account>>,
}

/// The account that posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its name, without `@`.
    pub username: String,
    /// Followers, posts and so on, as X names them.
    pub metrics: Value,
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its id.
    pub id: String,
}

/// An upload that was taken, and by when it can be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Its id.
    pub id: String,
}

const LONGEST: usize = 1024 * 1024;
/// X may think about a picture for this long in sum.
const PROCESSING: Duration = Duration::from_secs(45);
/// Recent search sees seven days.
const WEEK: Duration = Duration::from_secs(7 * 86_400 - 3_600);

struct Ask<'a> {
    operation: &'static str,
    method: Method,
    path: String,
    query: Vec<(&'a str, String)>,
    body: Body,
    repeatable: bool,
}

enum Body {
    None,
    Json(Value),
    Form(Vec<(&'static str, String)>, Bytes),
}

impl X {
    /// Over the web.
    pub fn new(web: Web, config: config::X) -> X {
        X {
            web,
            config,
            me: Arc::default(),
        }
    }

    /// What its search needs at most to show a post.
    pub fn settles(&self) -> Duration {
        self.config.settles
    }

    /// Uploads a JPEG, whole or in pieces, and waits until X has looked at it. What was uploaded
    /// and is not posted is forgotten by X; so this may be done again.
    ///
    /// # Errors
    ///
    /// What X says.
    pub async fn upload(&self, picture: Bytes) -> Result<Media, Trouble> {
        if picture.len() > picture::LARGEST {
            return Err(trouble(
                "upload media",
                Kind::Refused,
                "the picture has more than 5 MB",
            ));
        }
        let answer = match picture.len() <= self.config.chunk {
            true => self.upload_whole(picture).await?,
            false => self.upload_pieces(picture).await?,
        };
        self.processed(answer).await
    }

    async fn upload_whole(&self, picture: Bytes) -> Result<Value, Trouble> {
        let fields = vec![
            ("media_category", "tweet_image".to_string()),
            ("media_type", "image/jpeg".into()),
        ];
        self.ask(Ask {
            operation: "upload media",
            method: Method::POST,
            path: "/2/media/upload".into(),
            query: Vec::new(),
            body: Body::Form(fields, picture),
            repeatable: true,
        })
        .await
    }

    async fn upload_pieces(&self, picture: Bytes) -> Result<Value, Trouble> {
        let ask = |operation, path: String, body| Ask {
            operation,
            method: Method::POST,
            path,
            query: Vec::new(),
            body,
            repeatable: true,
        };
        let begin = json!({
            "media_type": "image/jpeg", "media_category": "tweet_image", "total_bytes": picture.len(),
        });
        let path = "/2/media/upload/initialize".into();
        let begun = self
            .ask(ask("begin upload", path, Body::Json(begin)))
            .await?;
        let id = media_id(&begun, "begin upload")?;
        for (segment, start) in (0..picture.len()).step_by(self.config.chunk).enumerate() {
            let end = (start + self.config.chunk).min(picture.len());
            let fields = vec![("segment_index", segment.to_string())];
            let body = Body::Form(fields, picture.slice(start..end));
            let path = format!("/2/media/upload/{id}/append");
            self.ask(ask("append to upload", path, body)).await?;
        }
        let path = format!("/2/media/upload/{id}/finalize");
        self.ask(ask("finish upload", path, Body::None)).await
    }

    /// Asks until X is done with it, as often as X wants to be asked.
    async fn processed(&self, mut answer: Value) -> Result<Media, Trouble> {
        let operation = "process media";
        let id = media_id(&answer, operation)?;
        let mut waited = Duration::ZERO;
        loop {
            let processing = &answer["data"]["processing_info"];
            match processing["state"].as_str() {
                None | Some("succeeded") => return Ok(Media { id }),
                Some("failed") => {
                    let why = processing["error"]["message"].as_str();
                    let why = why.unwrap_or("X cannot use the picture");
                    return Err(trouble(operation, Kind::Refused, why));
                }
                Some(_) => {
                    let seconds = processing["check_after_secs"]
                        .as_u64()
                        .unwrap_or(1)
                        .clamp(1, 30);
                    let pause = Duration::from_secs(seconds);
                    waited += pause;
                    if waited > PROCESSING {
                        let why = "X is still at it; it comes again later";
                        return Err(trouble(operation, Kind::Unusable, why));
                    }
                    self.web.pause(pause).await;
                    answer = self
                        .ask(Ask {
                            operation,
                            method: Method::GET,
                            path: "/2/media/upload".into(),
                            query: vec![("command", "STATUS".into()), ("media_id", id.clone())],
                            body: Body::None,
                            repeatable: true,
                        })
                        .await?;
                }
            }
        }
    }

    /// Publishes. The one call that cannot be taken back: [`Kind::Unclear`] means that the post may
    /// be there.
    ///
    /// # Errors
    ///
    /// What X says.
    pub async fn publish(&self, text: &str, media: &Media) -> Result<Post, Trouble> {
        let operation = "create post";
        let answer = self
            .ask(Ask {
                operation,
                method: Method::POST,
                path: "/2/tweets".into(),
                query: Vec::new(),
                body: Body::Json(json!({ "text": text, "media": { "media_ids": [media.id] } })),
                repeatable: false,
            })
            .await?;
        match answer["data"]["id"].as_str() {
            Some(id) => Ok(Post { id: id.into() }),
            // It was taken, and nobody knows under which name.
            None => Err(trouble(
                operation,
                Kind::Unclear,
                "the answer names no post",
            )),
        }
    }

    /// Our own post of this text since then, if X shows one. `None` does not mean that there is
    /// none: the search is late at times.
    ///
    /// # Errors
    ///
    /// What X says; [`Kind::Unusable`] when it is too long ago to be searched.
    pub async fn find(&self, text: &str, since: Time) -> Result<Option<Post>, Trouble> {
        let operation = "search posts";
        let now = self.web.clock().now();
        if now.since(since) >= WEEK {
            let why = "it is more than a week ago, which X's search does not see";
            return Err(trouble(operation, Kind::Unusable, why));
        }
        let me = self.me().await?;
        let from = (since - Duration::from_secs(60)).floor_to(Duration::from_secs(1));
        let answer = self
            .ask(Ask {
                operation,
                method: Method::GET,
                path: "/2/tweets/search/recent".into(),
                query: vec![
                    (
                        "query",
                        format!("from:{} \"{}\"", me.username, text.trim_end_matches('!')),
                    ),
                    ("max_results", "10".into()),
                    (
                        "start_time",
                        from.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    ),
                    ("tweet.fields", "created_at".into()),
                ],
                body: Body::None,
                repeatable: true,
            })
            .await?;
        let found = answer["data"].as_array().into_iter().flatten();
        let mut ours = found.filter(|post| post["text"].as_str().is_some_and(|t| says(t, text)));
        let id = ours.find_map(|post| post["id"].as_str());
        Ok(id.map(|id| Post { id: id.into() }))
    }

    /// The account as it is now.
    ///
    /// # Errors
    ///
    /// What X says.
    pub async fn account(&self) -> Result<Account, Trouble> {
        let operation = "read account";
        let answer = self
            .ask(Ask {
                operation,
                method: Method::GET,
                path: "/2/users/me".into(),
                query: vec![("user.fields", "public_metrics".into())],
                body: Body::None,
                repeatable: true,
            })
            .await?;
        let data = &answer["data"];
        match (data["id"].as_str(), data["username"].as_str()) {
            (Some(id), Some(username)) => Ok(Account {
                id: id.into(),
                username: username.into(),
                metrics: data["public_metrics"].clone(),
            }),
            _ => Err(trouble(
                operation,
                Kind::Unusable,
                "the answer names no account",
            )),
        }
    }

    async fn me(&self) -> Result<&Account, Trouble> {
        self.me.get_or_try_init(|| self.account()).await
    }

    /// Where a post can be looked at.
    pub fn address(&self, post: &str) -> String {
        match self.config.url.as_str() {
            "https://api.x.com" => format!("https://x.com/i/status/{post}"),
            stand_in => format!("{stand_in}/i/status/{post}"),
        }
    }

    async fn ask(&self, ask: Ask<'_>) -> Result<Value, Trouble> {
        let call = Call {
            upstream: Upstream::X,
            operation: ask.operation,
            repeatable: ask.repeatable,
            timeout: self.config.timeout,
            longest: LONGEST,
        };
        let build = |client: &Client, secret: Option<&Secret>| self.request(client, &ask, secret);
        let clock = || self.web.clock().now();
        let judge = |answer: &Answer| refusal(answer, clock);
        let secret = Some(self.config.secret.as_str());
        let answer = self.web.call(call, secret, build, judge).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|e| {
            // A post whose answer is garbled may well be there.
            let kind = if ask.repeatable {
                Kind::Unusable
            } else {
                Kind::Unclear
            };
            trouble(ask.operation, kind, &format!("the answer is no JSON: {e}"))
        })
    }

    fn request(
        &self,
        client: &Client,
        ask: &Ask<'_>,
        secret: Option<&Secret>,
    ) -> Result<reqwest::RequestBuilder, String> {
        let credentials = credentials(secret.map_or("", |s| s.reveal()), &self.config.secret)?;
        let url = format!("{}{}", self.config.url, ask.path);
        let nonce = nonce()?;
        let parameters = ask.query.iter().map(|(n, v)| ((*n).to_string(), v.clone()));
        let signed = Signable {
            method: ask.method.as_str(),
            url: &url,
            parameters: parameters.collect(),
            protocol: vec![("oauth_version", "1.0")],
            timestamp: self.web.clock().now().secs(),
            nonce: &nonce,
        };
        let header = oauth1::authorization(&credentials, &signed);
        let query: Vec<String> = ask
            .query
            .iter()
            .map(|(n, v)| format!("{}={}", oauth1::encode(n), oauth1::encode(v)))
            .collect();
        let whole = match query.is_empty() {
            true => url.clone(),
            false => format!("{url}?{}", query.join("&")),
        };
        let request = client.request(ask.method.clone(), whole);
        let request = request.header("authorization", header);
        Ok(match &ask.body {
            Body::None => request,
            Body::Json(value) => request
                .header("content-type", "application/json")
                .body(value.to_string()),
            Body::Form(fields, file) => {
                let boundary = format!("nightbell-{nonce}");
                let kind = format!("multipart/form-data; boundary={boundary}");
                request
                    .header("content-type", kind)
                    .body(multipart(&boundary, fields, file))
            }
        })
    }
}

/// RFC 7578, with the picture as the last part.
fn multipart(boundary: &str, fields: &[(&str, String)], file: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() + 1024);
    for (name, value) in fields {
        let part = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        out.extend_from_slice(part.as_bytes());
    }
    let part = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"media\"; filename=\"picture.jpg\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    out.extend_from_slice(part.as_bytes());
    out.extend_from_slice(file);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

fn trouble(operation: &'static str, kind: Kind, detail: &str) -> Trouble {
    Trouble {
        upstream: Upstream::X,
        operation,
        kind,
        detail: detail.into(),
    }
}

fn media_id(answer: &Value, operation: &'static str) -> Result<String, Trouble> {
    let id = answer["data"]["id"].as_str().unwrap_or_default();
    // It becomes a part of addresses.
    match !id.is_empty() && id.len() <= 40 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        true => Ok(id.into()),
        false => Err(trouble(
            operation,
            Kind::Unusable,
            "the answer names no media id",
        )),
    }
}

/// The secret's text: `{"api_key", "api_secret", "access_token", "access_token_secret"}`. Its words
/// appear in no error.
fn credentials(text: &str, name: &str) -> Result<Credentials, String> {
    let value: Value = serde_json::from_str(text)
        .map_err(|_| format!("the secret `{name}` is not a JSON object of four texts"))?;
    let part = |key: &str| match value[key].as_str().map(str::trim) {
        Some(part) if !part.is_empty() => Ok(part.to_string()),
        _ => Err(format!("the secret `{name}` has no text `{key}`")),
    };
    Ok(Credentials {
        api_key: part("api_key")?,
        api_secret: part("api_secret")?,
        access_token: part("access_token")?,
        access_token_secret: part("access_token_secret")?,
    })
}

fn nonce() -> Result<String, String> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|e| format!("the system has no randomness: {e}"))?;
    Ok(random.iter().map(|b| format!("{b:02x}")).collect())
}

/// Whether a post has this text: X puts a link to the picture behind it, and writes `&` as HTML does.
fn says(shown: &str, text: &str) -> bool {
    let shown = shown
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    shown.strip_prefix(text).is_some_and(|rest| {
        let rest = rest.trim();
        rest.is_empty()
            || (rest.starts_with("https://t.co/") && !rest.contains(char::is_whitespace))
    })
}

/// What an answer means: <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>.
fn refusal(answer: &Answer, now: impl Fn() -> Time) -> Option<(Kind, String)> {
    if answer.status.is_success() {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = [
        &body["detail"],
        &body["errors"][0]["message"],
        &body["title"],
    ]
    .iter()
    .find_map(|text| text.as_str())
    .unwrap_or("no reason is told");
    let told = format!("{}: {detail}", answer.status.as_u16());
    let kind = match answer.status.as_u16() {
        401 => Kind::Denied,
        402 => Kind::Credit,
        403 if detail.to_ascii_lowercase().contains("duplicate content") => Kind::Duplicate,
        403 => Kind::Denied,
        429 => Kind::Limited(limits::reset(&answer.headers, now())),
        500..=599 | 408 => Kind::Unclear,
        _ if answer.status == StatusCode::CONFLICT => Kind::Unclear,
        _ => Kind::Refused,
    };
    Some((kind, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_ours_when_only_the_link_of_its_picture_stands_behind_the_text() {
        let check = |shown: &str, expect: bool| {
            assert_eq!(says(shown, "National Pie Day!"), expect, "{shown}");
        };
        check("National Pie Day!", true);
        check("National Pie Day! https://t.co/a1B2c3", true);
        check("National Pie Day!https://t.co/a1B2c3", true);
        check("National Pie Day! It is", false);
        check("National Pie Day! https://t.co/a https://t.co/b", false);
        check("A National Pie Day!", false);
        assert!(says("Salt &amp; Vinegar https://t.co/x", "Salt & Vinegar"));
    }

    #[test]
    fn a_secret_that_is_not_whole_is_said_without_its_words() {
        for (text, why) in [
            ("hunter2hunter2", "not a JSON object"),
            ("{\"api_key\": \"hunter2hunter2\"}", "`api_secret`"),
            ("{\"api_key\": \"\"}", "`api_key`"),
        ] {
            let told = credentials(text, "x").unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_form_has_its_fields_before_the_file() {
        let form = multipart("b", &[("segment_index", "0".into())], b"\xff\r\n--x");
        let text = String::from_utf8_lossy(&form);
        assert!(text.starts_with(
            "--b\r\ncontent-disposition: form-data; name=\"segment_index\"\r\n\r\n0\r\n--b\r\n"
        ));
        assert!(form.ends_with(b"\xff\r\n--x\r\n--b--\r\n"));
    }
}
