//! A platform over a local store, a stepped clock, and how tests speak to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use local::SteppedClock;
use model::Time;
use ports::{Clock, Objects};
use resize::{Config, NoAdmins, Platform};
use serde_json::Value;
use telemetry::xray::Sampling;
use telemetry::{Memory, Telemetry};
use tower::ServiceExt;

use crate::flaky::{Flaky, Fuse, all_items};

pub const BUCKET: &str = "pictures";
pub const TABLE: &str = "images";

pub struct World {
    pub platform: Arc<Platform>,
    pub router: Router,
    pub clock: SteppedClock,
    pub store: local::Store,
    pub fuse: Fuse,
    pub output: Arc<Memory>,
    _scope: tracing::dispatcher::DefaultGuard,
    _data: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|v| v.to_str().unwrap())
            .unwrap_or_default()
    }
}

impl World {
    pub async fn new() -> World {
        World::with(|_| {}).await
    }

    pub async fn with(choose: impl FnOnce(&mut Config)) -> World {
        let data = tempfile::tempdir().unwrap();
        let clock = SteppedClock::new(Time::from_secs(1_800_000_000));
        let store = local::Store::open(
            data.path(),
            Arc::new(clock.clone()),
            local::Limits::default(),
        )
        .unwrap();
        let table = resize::domain::record::table(TABLE);
        store.tables().define(&table).await.unwrap();
        let mut config = Config::new(BUCKET, TABLE);
        config.proxies = 1;
        choose(&mut config);
        let output = Arc::new(Memory::default());
        let now = clock.clone();
        let (telemetry, scope) = Telemetry::builder()
            .lines(output.clone())
            .logs(output.clone())
            .segments(output.clone())
            .sampling(Sampling::Always)
            .clock(Arc::new(move || now.now()))
            .scoped();
        let fuse = Fuse::default();
        let platform = Platform::new(
            Arc::new(Flaky {
                inner: store.tables(),
                fuse: fuse.clone(),
            }),
            Arc::new(Flaky {
                inner: store.objects(),
                fuse: fuse.clone(),
            }),
            Arc::new(clock.clone()),
            config,
            &telemetry,
        );
        let platform = Arc::new(platform.unwrap());
        let router = resize::router(platform.clone(), Arc::new(NoAdmins), &telemetry);
        World {
            platform,
            router,
            clock,
            store,
            fuse,
            output,
            _scope: scope,
            _data: data,
        }
    }

    pub fn step(&self, by: Duration) {
        self.clock.advance_to(self.clock.now() + by);
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if parts.status.is_server_error() {
            for (_, line) in self.output.take_logs() {
                eprintln!("{line}");
            }
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], Body::empty()).await
    }

    /// Uploads as a browser's form does.
    pub async fn upload(&self, name: &str, file: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut body = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--XX\r\n\
             Content-Disposition: form-data; name=\"image\"; filename=\"{name}\"\r\n\
             Content-Type: image/jpeg\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--XX--\r\n");
        let mut headers = headers.to_vec();
        headers.push(("content-type", "multipart/form-data; boundary=XX"));
        self.ask(Method::POST, "/upload", &headers, body).await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &str) -> Answer {
        let bearer = token.map(|t| format!("Bearer {t}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|b| ("authorization", &**b)).collect();
        self.ask(Method::POST, path, &headers, body.to_string())
            .await
    }

    pub async fn delete(&self, path: &str, token: Option<&str>) -> Answer {
        let bearer = token.map(|t| format!("Bearer {t}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|b| ("authorization", &**b)).collect();
        self.ask(Method::DELETE, path, &headers, Body::empty())
            .await
    }

    /// The keys of all objects.
    pub async fn objects(&self) -> Vec<String> {
        let page = self.store.objects().list(BUCKET, "", 1000, None).await;
        page.unwrap().objects.into_iter().map(|o| o.key).collect()
    }

    /// The names of all items but the limits'.
    pub async fn items(&self) -> Vec<String> {
        let all = all_items(&self.store.tables(), TABLE).await;
        let names = all.into_iter().map(|i| i.key.value);
        names.filter(|n| !n.starts_with("limit#")).collect()
    }

    /// The sum of a metric in the lines since the last time.
    pub fn metric(lines: &[String], name: &str) -> f64 {
        lines
            .iter()
            .filter_map(|line| {
                serde_json::from_str::<Value>(line)
                    .ok()?
                    .get(name)?
                    .as_f64()
            })
            .sum()
    }
}

/// A JPEG of this size; the seed makes it another one.
pub fn jpeg(width: u16, height: u16, seed: u8) -> Vec<u8> {
    let data: Vec<u8> = (0..usize::from(width) * usize::from(height))
        .flat_map(|i| {
            let x = (i % usize::from(width)) as u8;
            let y = (i / usize::from(width)) as u8;
            [x, y, seed]
        })
        .collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 85)
        .encode(&data, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    out
}
