//! The platform over HTTP. Every answer, errors too, may be read by any origin, since the page that
//! uses it may live elsewhere; nothing is let in by a cookie. A leading REST stage in the path is
//! passed over.

mod answer;
mod body;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post};
use identity::KeyRing;
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::domain::{Code, ImageId, Token, limit};
use crate::platform::{Caller, Failure, Incoming, LinkWanted, Platform};
use crate::{NAMESPACE, SERVICE};
use answer::{empty, failure, file, image_json, json_answer, problem, uploaded_json};

/// Who may do everything: told by a credential that is no owner's token.
#[async_trait]
pub trait Admins: Send + Sync {
    /// Whether this `Authorization` header is an administrator's now.
    async fn admits(&self, authorization: &str) -> bool;
}

/// Nobody is.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAdmins;

#[async_trait]
impl Admins for NoAdmins {
    async fn admits(&self, _: &str) -> bool {
        false
    }
}

/// The administrators of a user pool.
#[async_trait]
impl Admins for KeyRing {
    async fn admits(&self, authorization: &str) -> bool {
        let who = self.principal(Some(authorization)).await;
        who.is_ok_and(|who| who.is_in(identity::group::ADMIN))
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    platform: Arc<Platform>,
    admins: Arc<dyn Admins>,
}

/// Stages that API Gateway may leave in front of the path.
const STAGES: [&str; 2] = ["/prod", "/Prod"];

/// The service over a platform: the routes of the README's table.
pub fn router(platform: Arc<Platform>, admins: Arc<dyn Admins>, telemetry: &Telemetry) -> Router {
    let observed = telemetry.service(NAMESPACE, SERVICE);
    let shared = Shared { platform, admins };
    let home = routed(get(page)).layer(observed.route("/"));
    let mut routes = Router::new()
        .route("/", home.clone())
        .route(
            "/upload",
            routed(post(upload)).layer(observed.route("/upload")),
        )
        .route(
            "/uploads",
            routed(post(admit)).layer(observed.route("/uploads")),
        )
        .route(
            "/uploads/{id}",
            routed(post(take)).layer(observed.route("/uploads/{id}")),
        )
        .route(
            "/images",
            routed(get(list)).layer(observed.route("/images").page_view()),
        )
        .route(
            "/images/{id}",
            routed(get(show).delete(remove)).layer(observed.route("/images/{id}").page_view()),
        )
        .route(
            "/images/{id}/sizes",
            routed(post(make_size)).layer(observed.route("/images/{id}/sizes")),
        )
        .route(
            "/images/{id}/links",
            routed(post(make_link)).layer(observed.route("/images/{id}/links")),
        )
        .route(
            "/short/{code}",
            // Without a HEAD handler of its own a HEAD would count as a click.
            routed(get(follow).head(peek).merge(delete(revoke)))
                .layer(observed.route("/short/{code}").page_view()),
        )
        .route(
            "/app.css",
            routed(get(style)).layer(observed.route("/app.css")),
        )
        .route(
            "/app.js",
            routed(get(script)).layer(observed.route("/app.js")),
        );
    if shared.platform.config().serve {
        routes = routes.route(
            "/pictures/{id}/{file}",
            routed(get(picture)).layer(observed.route("/pictures/{id}/{file}")),
        );
    }
    let mut all = routes
        .clone()
        .fallback(unknown_path.layer(observed.unmatched()));
    for stage in STAGES {
        // A nested `/` is the stage without its last slash.
        all = all
            .nest(stage, routes.clone())
            .route(&format!("{stage}/"), home.clone());
    }
    all.with_state(shared)
}

fn routed(route: MethodRouter<Shared>) -> MethodRouter<Shared> {
    route.options(preflight).fallback(wrong_method)
}

type Answer = Result<Response, Failure>;

/// Turns a failure into its answer, and logs what was our own fault.
async fn told(work: impl Future<Output = Answer>) -> Response {
    match work.await {
        Ok(response) => response,
        Err(error) => failure(&error),
    }
}

async fn upload(State(shared): State<Shared>, request: Request) -> Response {
    told(async {
        let caller = shared.caller(request.headers()).await;
        let limit = shared.platform.config().direct;
        let upload = body::upload(request, limit).await?;
        let done = shared.platform.upload(&caller, upload).await?;
        Ok(uploaded_json(&shared.platform, &done))
    })
    .await
}

async fn admit(State(shared): State<Shared>, request: Request) -> Response {
    told(async {
        let caller = shared.caller(request.headers()).await;
        let wanted = body::json(request).await?;
        let text = |name: &str| wanted.get(name).and_then(Value::as_str);
        let (Some(size), Some(kind)) = (wanted.get("size").and_then(Value::as_u64), text("content_type")) else {
            return Err(Failure::Invalid(
                "the body has to be like {\"name\": \"a.jpg\", \"size\": 12345678, \"content_type\": \"image/jpeg\"}".into(),
            ));
        };
        let incoming = Incoming {
            name: text("name").unwrap_or_default().into(),
            content_type: kind.into(),
            size,
        };
        let ticket = shared.platform.admit(&caller, incoming).await?;
        let answer = json!({
            "upload": ticket.id,
            "method": "PUT",
            "url": ticket.url,
            "headers": { "content-type": ticket.content_type },
            "valid_seconds": ticket.valid.as_secs(),
            "then": format!("POST /uploads/{}", ticket.id),
        });
        Ok(json_answer(StatusCode::CREATED, &answer))
    })
    .await
}

async fn take(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    told(async {
        let caller = shared.caller(&headers).await;
        let done = shared.platform.take(&caller, &id).await?;
        Ok(uploaded_json(&shared.platform, &done))
    })
    .await
}

#[derive(serde::Deserialize)]
struct Paging {
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn list(State(shared): State<Shared>, Query(paging): Query<Paging>) -> Response {
    told(async {
        let page = shared
            .platform
            .list(paging.limit.unwrap_or(30), paging.cursor)
            .await?;
        let images: Vec<Value> = page
            .images
            .iter()
            .map(|image| image_json(&shared.platform, image))
            .collect();
        let answer = json!({ "images": images, "next": page.next });
        Ok(json_answer(StatusCode::OK, &answer))
    })
    .await
}

async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    told(async {
        let image = shared.platform.image(&image_id(&id)?).await?;
        Ok(json_answer(
            StatusCode::OK,
            &image_json(&shared.platform, &image),
        ))
    })
    .await
}

async fn remove(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    told(async {
        let id = image_id(&id)?;
        let caller = shared.caller(&headers).await;
        let removed = shared.platform.delete(&caller, &id).await?;
        let whole = removed.remains.is_empty();
        let answer = json!({
            "id": id.as_str(),
            "deleted": whole,
            "objects": removed.objects,
            "links": removed.links,
            "remains": removed.remains,
            "caches": "copies in browsers and the CDN stay until they expire there",
        });
        // What remains is not seen any more, and the next sweep goes on with it.
        let status = if whole {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        };
        Ok(json_answer(status, &answer))
    })
    .await
}

async fn make_size(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    told(async {
        let id = image_id(&id)?;
        let caller = shared.caller(request.headers()).await;
        let wanted = body::json(request).await?;
        let width = wanted.get("width").and_then(Value::as_u64).ok_or_else(|| {
            Failure::Invalid("the body has to be like {\"width\": 450}, in pixels".into())
        })?;
        let (image, made) = shared.platform.make_size(&caller, &id, width).await?;
        let status = if made.new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let asked = u32::try_from(width).unwrap_or(u32::MAX);
        let answer = answer::size_json(&shared.platform, &image, asked, &made.size);
        Ok(json_answer(status, &answer))
    })
    .await
}

async fn make_link(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    told(async {
        let id = image_id(&id)?;
        let caller = shared.caller(request.headers()).await;
        let wanted = link_wanted(&body::json(request).await?)?;
        let made = shared.platform.make_link(&caller, &id, &wanted).await?;
        let answer = json!({
            "code": made.code.as_str(),
            "short_url": shared.platform.link_url(&made.code),
            "expires": made.expires.map(|at| at.to_string()),
        });
        Ok(json_answer(StatusCode::CREATED, &answer))
    })
    .await
}

fn link_wanted(body: &Value) -> Result<LinkWanted, Failure> {
    let valid = match body.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(Value::Number(n)) => n.as_u64().map(std::time::Duration::from_secs),
        Some(Value::String(text)) => model::time::parse_duration(text),
        Some(_) => None,
    };
    let said = body.get("expires_in").is_some_and(|v| !v.is_null());
    // Ten years are as good as for ever, and keep the sum within the calendar.
    let fits = valid.is_none_or(|d| (1..=315_360_000).contains(&d.as_secs()));
    if (said && valid.is_none()) || !fits {
        return Err(Failure::Invalid(
            "`expires_in` has to be a duration like `7d` or `1h30m`, or seconds; at most ten years"
                .into(),
        ));
    }
    let width = match body.get("width") {
        None | Some(Value::Null) => None,
        Some(width) => {
            let width = width.as_u64().and_then(|w| u32::try_from(w).ok());
            let wrong = || Failure::Invalid("`width` has to be that of a size, in pixels".into());
            Some(width.ok_or_else(wrong)?)
        }
    };
    Ok(LinkWanted { valid, width })
}

async fn follow(State(shared): State<Shared>, Path(code): Path<String>) -> Response {
    told(async {
        let code = Code::parse(&code).ok_or(Failure::NotFound("link"))?;
        let target = shared.platform.follow(&code).await?;
        Ok(answer::redirect(&target))
    })
    .await
}

/// Where a link leads, without a click.
async fn peek(State(shared): State<Shared>, Path(code): Path<String>) -> Response {
    told(async {
        let code = Code::parse(&code).ok_or(Failure::NotFound("link"))?;
        let link = shared.platform.link(&code).await?;
        let target = shared.platform.picture_url(&link.image, &link.file);
        Ok(answer::redirect(&target))
    })
    .await
}

async fn revoke(
    State(shared): State<Shared>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Response {
    told(async {
        let code = Code::parse(&code).ok_or(Failure::NotFound("link"))?;
        let caller = shared.caller(&headers).await;
        shared.platform.revoke(&caller, &code).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

/// A picture's file, where no CDN stands in front of the bucket.
async fn picture(
    State(shared): State<Shared>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    told(async {
        let etag = format!("\"{id}/{name}\"");
        let known = headers.get(header::IF_NONE_MATCH);
        let id = image_id(&id).map_err(|_| Failure::NotFound("picture"))?;
        // Objects never change under their name: whoever has it has it.
        if known.is_some_and(|have| have.as_bytes() == etag.as_bytes()) {
            return Ok(answer::unchanged(&etag));
        }
        let object = shared.platform.picture(&id, &name).await?;
        Ok(answer::picture(object, &etag))
    })
    .await
}

async fn page() -> Response {
    file(
        "text/html; charset=utf-8",
        include_str!("../assets/index.html"),
    )
}

async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("../assets/app.css"))
}

async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../assets/app.js"),
    )
}

async fn preflight() -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn unknown_path() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not-found",
        "there is nothing here; images are at /images, uploads go to /upload",
    )
}

async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        "this address does not answer that method",
    )
}

fn image_id(text: &str) -> Result<ImageId, Failure> {
    ImageId::parse(text).ok_or(Failure::NotFound("image"))
}

impl Shared {
    async fn caller(&self, headers: &HeaderMap) -> Caller {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let authorization = text("authorization");
        let bearer = authorization.and_then(|v| {
            let (scheme, rest) = v.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
        });
        // A user's token has three parts, an owner's none.
        let admin = match (authorization, bearer) {
            (Some(whole), Some(token)) if token.split('.').count() == 3 => {
                self.admins.admits(whole).await
            }
            _ => false,
        };
        Caller {
            client: limit::client(text("x-forwarded-for"), self.platform.config().proxies),
            token: bearer.filter(|_| !admin).and_then(Token::parse),
            admin,
        }
    }
}
