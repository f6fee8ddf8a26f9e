//! The service whole on the local store: its API, its stream, its queues, its schedule.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use announcement::subscriber::{Channel, NewSubscription, Step};
use announcement::{Config, Notifier, Outlets, Service, SignIn, ids, register};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use identity::{KeyRing, Pool, TokenUse, Verifier};
use local::fault::Faults;
use local::hosts::{
    AsyncConfig, Hosts, Missed, QueueMapping, Schedule, StreamMapping, Target, When,
};
use local::pool::{AppClient, Person, UserPool};
use local::pump::{Pump, Stores};
use local::runtime::{Function, FunctionConfig, handler};
use local::{Letter, Limits, SteppedClock, Store};
use model::Time;
use ports::{Clock, Invocation, QueueSpec, Queues, Redrive};
use serde_json::{Value, json};
use telemetry::Telemetry;
use tower::ServiceExt;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const URL: &str = "http://127.0.0.1:5000/svc/announcement";

pub struct World {
    pub store: Store,
    pub clock: SteppedClock,
    pub hosts: Hosts,
    pub faults: Faults,
    pub users: Arc<UserPool>,
    pub notifier: Arc<Notifier>,
    pub register: register::Register,
    pub config: Config,
    pub outlets: Outlets,
    router: Router,
}

pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The fields that a problem document names.
    pub fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned();
        let field = |e: &Value| e["field"].as_str().unwrap().to_string();
        errors.unwrap_or_default().iter().map(field).collect()
    }
}

pub fn config() -> Config {
    let vars = [
        ("EVENTS_TABLE", "events"),
        ("SUBSCRIPTIONS_TABLE", "subscriptions"),
        ("PUBLIC_URL", URL),
        ("FAN_OUT_QUEUE", "fan-out"),
        ("DEAD_LETTER_QUEUE", "dead"),
        ("FEEDBACK_QUEUE", "feedback"),
        ("MAIL_FROM", "Events <events@example.org>"),
        ("SENDS_PER_SECOND", "0"),
    ];
    let find = |name: &str| {
        let found = vars.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_string())
    };
    let sign_in = SignIn {
        url: "http://127.0.0.1:5000/pool".into(),
        client: "announcement".into(),
    };
    Config {
        sign_in: Some(sign_in),
        ..Config::from_vars(find).unwrap()
    }
}

impl World {
    pub async fn new(dir: &Path) -> World {
        World::with(dir, "2026-11-21T11:00:00Z", config(), |o, _| o).await
    }

    pub async fn with(
        dir: &Path,
        now: &str,
        config: Config,
        outlets: impl FnOnce(Outlets, &SteppedClock) -> Outlets,
    ) -> World {
        let clock = SteppedClock::new(Time::parse(now).unwrap());
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = Store::open(dir, time.clone(), Limits::default()).unwrap();
        store.answer_at("http://127.0.0.1:5000");
        let stores = Stores {
            logs: Arc::new(store.logs()),
            metrics: Arc::new(store.metrics()),
            traces: Arc::new(store.traces()),
        };
        let (pump, _) = Pump::start(stores, time.clone());
        for table in config.tables.specs() {
            store.tables().define(&table).await.unwrap();
        }
        for (name, redrive) in [
            ("dead", None),
            ("fan-out", Some(())),
            ("feedback", Some(())),
        ] {
            let spec = QueueSpec {
                name: name.into(),
                visibility: 3 * MINUTE,
                retention: 24 * 60 * MINUTE,
                redrive: redrive.map(|()| Redrive {
                    dead_letter: "dead".into(),
                    max_receives: 5,
                }),
            };
            store.queues().define(&spec).await.unwrap();
        }
        let client = AppClient {
            id: "announcement".into(),
            redirects: vec![format!("{URL}/")],
        };
        let issuer = "http://127.0.0.1:5000/pool".to_string();
        let tables = Arc::new(store.tables());
        let users = UserPool::open(tables.clone(), time.clone(), issuer.clone(), vec![client]);
        let users = users.await.unwrap();
        let pool = Verifier::new(Pool::new(issuer, "announcement"));
        let people = Arc::new(KeyRing::new(pool, users.clone(), time.clone()));
        let faults = Faults::new(time.clone());
        let mailbox = Arc::new(store.mailbox());
        let made = Outlets {
            mail: faults.mail("announcement", mailbox.clone()),
            texts: mailbox.clone(),
            topics: mailbox,
            subscriptions: Arc::new(store.subscriptions()),
            queues: Arc::new(store.queues()),
        };
        let outlets = outlets(made, &clock);
        let telemetry = Telemetry::off();
        let service = Service::new(
            (tables.clone(), outlets.clone()),
            people,
            time.clone(),
            config.clone(),
            &telemetry,
        );
        let notifier = Notifier::new(
            tables.clone(),
            outlets.clone(),
            time.clone(),
            config.clone(),
            &telemetry,
        );
        let notifier = Arc::new(notifier);
        let hosts = Hosts::new(&store, &pump);
        let function = |name: &str, concurrency: u32| {
            let notifier = notifier.clone();
            let take = handler(move |payload: Value| {
                let notifier = notifier.clone();
                async move {
                    let invocation = Invocation::default();
                    let answer = ports::events::invoke(&*notifier, &payload, &invocation).await;
                    Ok(answer?)
                }
            });
            let config = FunctionConfig {
                name: name.into(),
                timeout: 5 * MINUTE,
                concurrency,
                memory: 128,
            };
            Function::for_events(config, take, &pump, time.clone())
        };
        let notify = function("notify", 10);
        let stream = StreamMapping::new("notify", "events");
        hosts.stream(stream, notify.clone()).await.unwrap();
        let one = QueueMapping {
            concurrency: 1,
            ..QueueMapping::new("fan-out")
        };
        hosts.queue(one, function("fan-out", 1)).await.unwrap();
        let feedback = QueueMapping::new("feedback");
        hosts.queue(feedback, notify.clone()).await.unwrap();
        hosts
            .function(notify, AsyncConfig::default())
            .await
            .unwrap();
        let hourly = Schedule {
            name: "hourly".into(),
            when: When::parse("rate(1 hour)", "UTC").unwrap(),
            zone: "UTC".into(),
            target: Target::Function("notify".into()),
            input: json!({ "schedule": "hourly", "at": "<aws.scheduler.scheduled-time>", "input": null }),
            missed: Missed::Once,
        };
        hosts.schedule(hourly).await.unwrap();
        World {
            register: register::Register::new(tables, config.tables.clone()),
            router: announcement::router(service, &telemetry),
            store,
            clock,
            hosts,
            faults,
            users,
            notifier,
            config,
            outlets,
        }
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub async fn token(&self, name: &str) -> String {
        let person = Person::shipped();
        let person = person.iter().find(|p| p.username == name).unwrap();
        let issued = self.users.issue(person, "announcement", TokenUse::Access);
        issued.await.unwrap()
    }

    /// A request; `who` signs in with the local pool.
    pub async fn ask(&self, what: &str, who: &str, body: Option<Value>) -> Answer {
        let headers: Vec<(&str, &str)> = Vec::new();
        self.ask_with(what, who, body, &headers).await
    }

    pub async fn ask_with(
        &self,
        what: &str,
        who: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if !who.is_empty() {
            let token = self.token(who).await;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |b| match b {
            Value::String(raw) => Body::from(raw),
            json => Body::from(json.to_string()),
        });
        let response = self.router.clone().oneshot(request.body(body).unwrap());
        let response = response.await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Makes a confirmed subscription without its mails.
    pub async fn subscriber(&self, contact: Value, channel: Channel) -> String {
        let new = NewSubscription::read(&contact).unwrap();
        let count = fastrand_id();
        let fresh = register::Fresh {
            id: ids::sortable(self.now(), count),
            token: format!("{count:?}"),
            channel,
        };
        let id = fresh.id.clone();
        self.register
            .ask(new, fresh, "owner", self.now())
            .await
            .unwrap();
        self.register
            .step(&id, Step::Confirm, self.now())
            .await
            .unwrap();
        id
    }

    pub async fn create(&self, title: &str, date: &str, topics: &[&str]) -> String {
        let body = json!({ "title": title, "description": "All are welcome.", "date": date, "topics": topics });
        let answer = self.ask("POST /events", "paula", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_string()
    }

    pub async fn step(&self, by: Duration) {
        self.clock.advance_by(by);
        self.hosts.settled().await;
    }

    /// All that was sent, the newest last.
    pub async fn letters(&self) -> Vec<Letter> {
        let mut all = self.store.mailbox().list(10_000).await.unwrap();
        all.reverse();
        all.sort_by_key(|l| l.at);
        all
    }

    /// To whom, and what.
    pub async fn told(&self) -> Vec<(String, String)> {
        let all = self.letters().await;
        let mut told: Vec<_> = all.into_iter().map(|l| (l.topic, l.subject)).collect();
        told.sort();
        told
    }

    pub async fn depth(&self, queue: &str) -> u64 {
        let depth = self.store.queues().depth(queue).await.unwrap();
        depth.visible + depth.in_flight + depth.delayed
    }
}

/// Ten bytes that no other call got.
fn fastrand_id() -> [u8; 10] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&next.to_be_bytes());
    bytes
}
