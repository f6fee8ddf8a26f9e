//! The gallery over HTTP, and what admins may do. Everything under `/api` needs the header that
//! the CDN adds; everything under `/api/admin` a token of the user pool with the group `admin`,
//! too. A leading REST stage in the path is passed over.

mod admin;
mod answer;
mod pages;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use identity::{KeyRing, Principal, group};
use model::Time;
use ports::{Access, Kind};
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::audit::Audit;
use crate::config::Config;
use crate::flows::Stand;
use crate::job::Job;
use crate::upstream::x::X;
use crate::{NAMESPACE, SERVICE, flows};
use answer::{Refused, json_answer};

/// The header by which the CDN says that a request came through it.
pub const ORIGIN_HEADER: &str = "x-origin-verify";
/// What needs the group `admin`, for whoever checks before the service does.
pub const ADMIN_PATHS: &str = "/api/admin/";

/// What the handlers share.
pub struct Service {
    shared: flows::Shared,
    people: Arc<KeyRing>,
    audit: Audit,
    x: X,
    /// The account as it was seen last, and when: X counts how often it is asked.
    account: Mutex<Option<(Time, Value)>>,
}

impl Service {
    /// Over its ports and user pool.
    pub fn new(
        stand: Stand,
        people: Arc<KeyRing>,
        config: Config,
        telemetry: &Telemetry,
    ) -> Arc<Service> {
        let audit = Audit::new(stand.items.clone(), &config.audit);
        let shared = flows::Shared::new(stand, config, telemetry);
        let x = X::new(shared.web.clone(), shared.config.x.clone());
        Arc::new(Service {
            shared,
            people,
            audit,
            x,
            account: Mutex::default(),
        })
    }
}

type Shared = Arc<Service>;
type Answer = Result<Response, Refused>;

/// Stages that API Gateway may leave in front of the path.
const STAGES: [&str; 2] = ["/prod", "/Prod"];
/// How long a signed address of a picture counts.
const VALID: Duration = Duration::from_secs(15 * 60);
const PAGE: usize = 24;
const LARGEST_PAGE: usize = 100;
const LONGEST_BODY: usize = 16 * 1024;

/// The routes of the service.
pub fn router(service: Shared, telemetry: &Telemetry) -> Router {
    let observed = telemetry.service(NAMESPACE, SERVICE);
    let home = routed(get(pages::gallery)).layer(observed.route("/").page_view());
    let routes: [(&'static str, MethodRouter<Shared>); 13] = [
        ("/admin", get(pages::admin)),
        ("/app.css", get(pages::style)),
        ("/gallery.js", get(pages::gallery_script)),
        ("/admin.js", get(pages::admin_script)),
        ("/config.json", get(pages::config)),
        ("/api/images", get(images)),
        ("/api/admin/generate", post(admin::generate)),
        ("/api/admin/jobs", get(admin::jobs)),
        ("/api/admin/jobs/{id}/post", post(admin::post)),
        ("/api/admin/jobs/{id}/verdict", post(admin::verdict)),
        ("/api/admin/runs", get(admin::runs)),
        ("/api/admin/account", get(admin::account)),
        ("/api/admin/audit", get(admin::audit)),
    ];
    let mut all = Router::new().route("/", home.clone());
    for (path, route) in routes {
        all = all.route(path, routed(route).layer(observed.route(path)));
    }
    let routes = all.clone();
    all = all.fallback(unknown_path.layer(observed.unmatched()));
    for stage in STAGES {
        // A nested `/` is the stage without its last slash.
        all = all
            .nest(stage, routes.clone())
            .route(&format!("{stage}/"), home.clone());
    }
    all.with_state(service)
}

fn routed(route: MethodRouter<Shared>) -> MethodRouter<Shared> {
    route.fallback(wrong_method)
}

#[derive(Deserialize)]
struct Listing {
    limit: Option<String>,
    cursor: Option<String>,
}

impl Listing {
    fn limit(&self) -> Result<usize, Refused> {
        match self.limit.as_deref().map(str::parse::<usize>) {
            None => Ok(PAGE),
            Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => Ok(limit),
            Some(_) => Err(Refused::field("limit", "expected a number from 1 to 100")),
        }
    }

    fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref().filter(|c| !c.is_empty())
    }

    /// Says of a cursor that is none that it is the caller's.
    fn checked<T>(&self, page: ports::Result<T>) -> Result<T, Refused> {
        match page {
            Err(e) if e.kind == Kind::Invalid && self.cursor().is_some() => Err(Refused::field(
                "cursor",
                "expected the `next` of an earlier page",
            )),
            page => Ok(page?),
        }
    }
}

/// What is posted, newest first, with addresses that count for a quarter of an hour.
async fn images(
    State(service): State<Shared>,
    Query(listing): Query<Listing>,
    headers: HeaderMap,
) -> Answer {
    service.through_cdn(&headers).await?;
    let limit = listing.limit()?;
    let page = service.shared.jobs.gallery(limit, listing.cursor()).await;
    let page = listing.checked(page)?;
    let mut images = Vec::with_capacity(page.jobs.len());
    for job in &page.jobs {
        images.push(json!({
            "id": job.name.as_str(),
            "url": service.signed(job).await?,
            "caption": job.name.caption(),
            "date": job.date.to_string(),
            "posted_at": job.posted_at.map(|t| t.to_string()),
            "post": job.post_url,
        }));
    }
    let body = json!({ "images": images, "next": page.next });
    Ok(json_answer(StatusCode::OK, &body))
}

async fn unknown_path() -> Refused {
    let detail = "there is nothing here; pictures are at /api/images";
    Refused::told(StatusCode::NOT_FOUND, detail)
}

async fn wrong_method() -> Refused {
    let detail = "this address does not answer that method";
    Refused::told(StatusCode::METHOD_NOT_ALLOWED, detail)
}

impl Service {
    /// Whoever did not come through the CDN is sent away: it caches, limits, and keeps the log.
    async fn through_cdn(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let told = headers
            .get(ORIGIN_HEADER)
            .map_or(&b""[..], |v| v.as_bytes());
        let name = &self.shared.config.origin_secret;
        let secrets = &self.shared.stand.secrets;
        let same = |secret: &ports::Secret| {
            let expected = secret.reveal().trim().as_bytes();
            !expected.is_empty()
                && aws_lc_rs::constant_time::verify_slices_are_equal(expected, told).is_ok()
        };
        if same(&secrets.get(name).await?) {
            return Ok(());
        }
        // A secret that was just changed is remembered in its old form for some minutes; only who
        // tells one at all is worth another look.
        if !told.is_empty() && same(&secrets.refresh(name).await?) {
            return Ok(());
        }
        Err(Refused::told(
            StatusCode::FORBIDDEN,
            "this address answers through its CDN only",
        ))
    }

    /// Who acts: an admin, through the CDN.
    async fn admin(&self, headers: &HeaderMap) -> Result<Principal, Refused> {
        self.through_cdn(headers).await?;
        let authorization = headers.get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|v| v.to_str().ok());
        Ok(self.people.member(authorization, &[group::ADMIN]).await?)
    }

    async fn signed(&self, job: &Job) -> Result<String, Refused> {
        let (bucket, key) = (&self.shared.config.bucket, job.name.key());
        let objects = &self.shared.stand.objects;
        Ok(objects.sign(bucket, &key, &Access::Get, VALID).await?)
    }

    /// The header and the body as JSON; an empty one is an empty object.
    async fn taken(&self, request: Request) -> Result<(HeaderMap, Value), Refused> {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
            return Err(Refused::told(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body has more than 16 KiB, or did not arrive whole",
            ));
        };
        if body.is_empty() {
            return Ok((parts.headers, json!({})));
        }
        let value: Value = serde_json::from_slice(&body).map_err(|e| {
            Refused::told(
                StatusCode::BAD_REQUEST,
                &format!("the body is no JSON: {e}"),
            )
        })?;
        match value.is_object() {
            true => Ok((parts.headers, value)),
            false => Err(Refused::told(
                StatusCode::BAD_REQUEST,
                "the body is no JSON object",
            )),
        }
    }
}
