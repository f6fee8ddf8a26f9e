//! An app on a stepped clock with the shipped estate, and how tests look at it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use local::SteppedClock;
use model::Time;
use nightbell::app::{App, Options};
use ports::Clock;
use reqwest::{Client, Response};
use serde_json::Value;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The shipped estate.
pub fn estate() -> model::Estate {
    estate_with(None)
}

/// The shipped estate and one file more.
pub fn estate_with(more: Option<(&str, &str)>) -> model::Estate {
    let mut read = nightbell::files::read(&root().join("nightbell.yaml"));
    if let Some((path, text)) = more {
        read.files.insert(path, text);
    }
    assert_eq!(read.problems, []);
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    assert_eq!(loaded.problems, []);
    loaded.estate.unwrap()
}

/// A clock that stands at the next full minute.
pub fn clock() -> SteppedClock {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let minute = Duration::from_secs(60);
    SteppedClock::new((Time::EPOCH + now).floor_to(minute) + minute)
}

/// A running app.
pub struct World {
    pub app: App,
    pub clock: SteppedClock,
    pub http: Client,
}

impl World {
    /// Starts the shipped estate over a data folder, at the next full minute.
    pub async fn start(data: &Path) -> World {
        World::start_at(data, clock()).await
    }

    /// The same at a time.
    pub async fn start_at(data: &Path, clock: SteppedClock) -> World {
        World::start_with(data, clock, estate()).await
    }

    /// The same with another estate.
    pub async fn start_with(data: &Path, clock: SteppedClock, estate: model::Estate) -> World {
        let app = App::start(Options {
            estate,
            data: data.to_path_buf(),
            listen: ([127, 0, 0, 1], 0).into(),
            traffic: None,
            clock: Arc::new(clock.clone()),
            echo: false,
        })
        .await
        .unwrap();
        app.settled().await;
        World {
            app,
            clock,
            http: Client::new(),
        }
    }

    /// Steps the clock in steps of ten seconds; after each, all that was due has happened.
    pub async fn step(&self, by: Duration) {
        let end = self.clock.now() + by;
        while self.clock.now() < end {
            let next = (self.clock.now() + Duration::from_secs(10)).min(end);
            self.clock.advance_to(next);
            self.app.settled().await;
        }
    }

    /// Time goes by with a visitor a minute. (Without any, an alarm that ignores missing data stays
    /// with its last real points for the whole evaluation range, as CloudWatch does.)
    pub async fn live(&self, minutes: u32) {
        for _ in 0..minutes {
            self.visit().await;
            self.step(Duration::from_secs(60)).await;
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.url())
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        response.text().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    /// The newest value of a query in the last ten minutes.
    pub async fn newest(&self, query: &str) -> Option<f64> {
        let answer = self.query(query).await;
        answer["MetricDataResults"][0]["Values"]
            .as_array()
            .unwrap()
            .last()?
            .as_f64()
    }

    pub async fn query(&self, query: &str) -> Value {
        let end = self.clock.now() + Duration::from_secs(60);
        let path = format!(
            "/api/v1/metrics/query?start={}&end={}&q={}",
            self.clock.now() - Duration::from_secs(600),
            end,
            encode(query)
        );
        self.json(&path).await
    }

    /// Visits the counter; answers the status.
    pub async fn visit(&self) -> u16 {
        self.get("/svc/counter/count").await.status().as_u16()
    }

    pub async fn visits(&self, n: usize) {
        for _ in 0..n {
            self.visit().await;
        }
    }

    pub async fn break_counter(&self, length: &str) {
        let body = serde_json::json!({ "service": "counter", "error_rate": 1.0, "for": length });
        let answer = self
            .http
            .post(self.url("/api/v1/faults"))
            .header("origin", self.app.url())
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    pub async fn mend_counter(&self) {
        let answer = self
            .http
            .delete(self.url("/api/v1/faults"))
            .header("origin", self.app.url())
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.json::<Value>().await.unwrap(),
            serde_json::json!(["counter"])
        );
    }

    pub async fn state(&self, alarm: &str) -> String {
        let body = self.json(&format!("/api/v1/alarms/{alarm}")).await;
        body["state"].as_str().unwrap().to_string()
    }

    /// All mails, oldest first.
    pub async fn mails(&self) -> Vec<local::Letter> {
        let mut all = self
            .app
            .daemon
            .local()
            .unwrap()
            .mailbox
            .list(1_000)
            .await
            .unwrap();
        all.reverse();
        all
    }

    pub async fn stop(self) {
        self.app.stop_token().cancel();
        self.app.run().await.unwrap();
    }
}

pub fn encode(text: &str) -> String {
    nightbell::http::segment(text)
}
