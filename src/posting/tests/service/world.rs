//! The service on the local store, with a stepped clock and both stand-ins.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use identity::{KeyRing, Pool, TokenUse, Verifier};
use local::hosts::{Hosts, Target};
use local::pool::{AppClient, Person, UserPool};
use local::pump::{Pump, Stores};
use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::{
    Clock, Error, Event, Handler, Invocation, Kind, NewMessage, NewObject, Objects, QueueSpec,
    Queues, Receive, Redrive, Secret, Secrets,
};
use posting::jobs::Jobs;
use posting::oauth1::Credentials;
use posting::standin::{Running, openai, x};
use posting::upstream::Pauses;
use posting::{Config, Generator, Poster, Service, Stand, audit};
use serde_json::{Value, json};
use telemetry::Telemetry;
use tower::ServiceExt;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const URL: &str = "http://127.0.0.1:5000/svc/posting";
pub const ORIGIN: &str = "origin-secret-0123456789";

/// The secrets of the stand-ins, each of which no output may hold.
pub const OPENAI_KEY: &str = "sk-test-abcdefghijklmnop";
pub const X_PARTS: [&str; 4] = [
    "x-api-key-abcdefgh",
    "x-api-secret-ijklmnop",
    "x-access-token-qrstuvwx",
    "x-access-secret-yzabcdef",
];

pub fn x_credentials() -> Credentials {
    let [api_key, api_secret, access_token, access_token_secret] = X_PARTS.map(String::from);
    Credentials {
        api_key,
        api_secret,
        access_token,
        access_token_secret,
    }
}

/// What the service is told, changed as a test wants it.
#[derive(Clone)]
pub struct TestSecrets(pub Arc<Mutex<Vec<(String, String)>>>);

impl TestSecrets {
    pub fn new() -> TestSecrets {
        let [key, secret, token, token_secret] = X_PARTS;
        let x = json!({
            "api_key": key, "api_secret": secret, "access_token": token, "access_token_secret": token_secret,
        });
        let all = vec![
            ("openai".to_string(), OPENAI_KEY.to_string()),
            ("x".into(), x.to_string()),
            ("origin".into(), ORIGIN.into()),
        ];
        TestSecrets(Arc::new(Mutex::new(all)))
    }

    pub fn set(&self, name: &str, value: &str) {
        let mut all = self.0.lock().unwrap();
        all.retain(|(n, _)| n != name);
        all.push((name.into(), value.into()));
    }
}

#[async_trait]
impl Secrets for TestSecrets {
    async fn get(&self, name: &str) -> ports::Result<Secret> {
        let all = self.0.lock().unwrap();
        let found = all.iter().find(|(n, _)| n == name);
        found
            .map(|(_, value)| Secret::new(value.clone()))
            .ok_or_else(|| Error::new("read secret", name, Kind::NotFound))
    }
}

/// Waits for nothing, and remembers for how long it would have.
#[derive(Default)]
pub struct NoPauses(pub Mutex<Vec<Duration>>);

#[async_trait]
impl Pauses for NoPauses {
    async fn pause(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

pub struct World {
    pub store: Store,
    pub clock: SteppedClock,
    pub hosts: Hosts,
    pub users: Arc<UserPool>,
    pub people: Arc<KeyRing>,
    pub config: Config,
    pub stand: Stand,
    pub secrets: TestSecrets,
    pub pauses: Arc<NoPauses>,
    pub openai: Running<openai::OpenAi>,
    pub x: Running<x::X>,
    pub jobs: Jobs,
    pub telemetry: Telemetry,
    pub generator: Generator,
    pub poster: Poster,
    pub router: std::sync::OnceLock<Router>,
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
}

/// What tests vary.
pub struct Setup {
    pub now: &'static str,
    pub days: String,
    pub telemetry: Telemetry,
    pub adjust: fn(&mut Config),
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            // A Wednesday, 08:00 in New York.
            now: "2026-01-14T13:00:00Z",
            days: days(),
            telemetry: Telemetry::off(),
            adjust: |_| {},
        }
    }
}

/// January 14 has two days, the 15th one, the 16th none, February 29 one.
pub fn days() -> String {
    json!({
        "Prompt": "A friendly ghost for \"National {day} Day\".",
        "january": { "14": ["Dress Up Your Pet", "Hot Pastrami Sandwich"], "15": ["Hat"], "16": [] },
        "february": { "29": ["Leap"] },
    })
    .to_string()
}

impl World {
    pub async fn new(dir: &Path) -> World {
        World::with(dir, Setup::default()).await
    }

    pub async fn with(dir: &Path, setup: Setup) -> World {
        let clock = SteppedClock::new(Time::parse(setup.now).unwrap());
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = Store::open(dir, time.clone(), Limits::default()).unwrap();
        store.answer_at("http://127.0.0.1:5000");
        let stores = Stores {
            logs: Arc::new(store.logs()),
            metrics: Arc::new(store.metrics()),
            traces: Arc::new(store.traces()),
        };
        let (pump, _) = Pump::start(stores, time.clone());
        let openai = openai::start(OPENAI_KEY).await.unwrap();
        openai.state.draw_at(16);
        let x = x::start(x_credentials(), time.clone()).await.unwrap();
        let mut config = config(&openai.url, &x.url);
        (setup.adjust)(&mut config);
        for table in [Jobs::spec(&config.jobs), audit::Audit::spec(&config.audit)] {
            store.tables().define(&table).await.unwrap();
        }
        define_queues(&store, &config).await;
        let hosts = Hosts::new(&store, &pump);
        let post = Target::Queue(config.queues.post.clone());
        hosts
            .objects(&config.bucket, "images/", ".jpg", &post)
            .unwrap();
        let secrets = TestSecrets::new();
        let pauses = Arc::new(NoPauses::default());
        let stand = Stand {
            items: Arc::new(store.tables()),
            objects: Arc::new(store.objects()),
            queues: Arc::new(store.queues()),
            secrets: Arc::new(secrets.clone()),
            clock: time.clone(),
            pauses: pauses.clone(),
        };
        let client = AppClient {
            id: "posting".into(),
            redirects: vec![format!("{URL}/")],
        };
        let issuer = "http://127.0.0.1:5000/pool".to_string();
        let tables = Arc::new(store.tables());
        let users = UserPool::open(tables, time.clone(), issuer.clone(), vec![client]);
        let users = users.await.unwrap();
        let verifier = Verifier::new(Pool::new(issuer, "posting"));
        let people = Arc::new(KeyRing::new(verifier, users.clone(), time));
        let telemetry = setup.telemetry;
        let world = World {
            jobs: Jobs::new(stand.items.clone(), &config.jobs),
            generator: Generator::new(stand.clone(), config.clone(), &telemetry),
            poster: Poster::new(stand.clone(), config.clone(), &telemetry),
            store,
            clock,
            hosts,
            users,
            people,
            config,
            stand,
            secrets,
            pauses,
            openai,
            x,
            telemetry,
            router: std::sync::OnceLock::new(),
        };
        world.put_days(&setup.days).await;
        world
    }

    pub async fn put_days(&self, days: &str) {
        let object = NewObject {
            bucket: self.config.bucket.clone(),
            key: self.config.days.clone(),
            body: days.to_string().into(),
            content_type: "application/json".into(),
            cache_control: None,
            metadata: Default::default(),
            only_if_absent: false,
        };
        self.store.objects().put(&object).await.unwrap();
    }

    pub async fn send(&self, queue: &str, body: &str) {
        let message = NewMessage {
            body: body.into(),
            ..NewMessage::default()
        };
        self.store.queues().send(queue, &message).await.unwrap();
    }

    /// The schedule is due now.
    pub async fn due(&self) {
        let body = json!({ "schedule": "posting-daily", "at": self.clock.now().to_string(), "input": null });
        self.send(&self.config.queues.generate, &body.to_string())
            .await;
    }

    /// Hands everything that can be received to the functions, once each; answers what failed.
    pub async fn work(&self) -> Vec<String> {
        let mut failed = Vec::new();
        let (generate, post) = (&self.config.queues.generate, &self.config.queues.post);
        loop {
            let first = self.deliver(generate, &self.generator, &mut failed).await;
            let second = self.deliver(post, &self.poster, &mut failed).await;
            if !first && !second {
                return failed;
            }
        }
    }

    async fn deliver(&self, queue: &str, to: &dyn Handler, failed: &mut Vec<String>) -> bool {
        let queues = self.store.queues();
        let messages = queues.receive(queue, one()).await.unwrap();
        let Some(message) = messages.first() else {
            return false;
        };
        match to
            .handle(batch(queue, message.clone()), &Invocation::default())
            .await
        {
            Ok(outcome) if outcome.failed.is_empty() => {
                queues.delete(queue, &message.receipt).await.unwrap();
            }
            Ok(outcome) => assert_eq!(outcome.failed, std::slice::from_ref(&message.id)),
            Err(why) => failed.push(why.to_string()),
        }
        true
    }

    /// Twenty minutes and a bit go by: what failed comes again.
    pub fn wait(&self) {
        self.clock
            .advance_by(Config::RETRY + Duration::from_secs(1));
    }

    pub async fn dead(&self) -> (u64, u64) {
        // Who was received too often is moved when it would be received again.
        for queue in [&self.config.queues.generate, &self.config.queues.post] {
            let again = self.store.queues().receive(queue, one()).await.unwrap();
            assert!(again.is_empty(), "{again:?}");
        }
        let depth = async |queue: &str| self.store.queues().depth(queue).await.unwrap().visible;
        let queues = &self.config.queues;
        (
            depth(&queues.generate_dead).await,
            depth(&queues.post_dead).await,
        )
    }

    pub async fn redrive(&self) {
        for queue in [
            &self.config.queues.generate_dead,
            &self.config.queues.post_dead,
        ] {
            self.store.queues().redrive(queue, 100).await.unwrap();
        }
    }

    /// The texts of all posts.
    pub fn posts(&self) -> Vec<String> {
        self.x.state.posts().into_iter().map(|p| p.text).collect()
    }

    pub fn router(&self) -> Router {
        let made = self.router.get_or_init(|| {
            let (stand, people) = (self.stand.clone(), self.people.clone());
            let service = Service::new(stand, people, self.config.clone(), &self.telemetry);
            posting::router(service, &self.telemetry)
        });
        made.clone()
    }

    pub async fn token(&self, name: &str) -> String {
        let people = Person::shipped();
        let person = people.iter().find(|p| p.username == name).unwrap();
        self.users
            .issue(person, "posting", TokenUse::Access)
            .await
            .unwrap()
    }

    /// Asks through the CDN, as somebody or nobody.
    pub async fn ask(&self, method: &str, path: &str, who: &str, body: Option<Value>) -> Answer {
        let mut request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header(posting::http::ORIGIN_HEADER, ORIGIN);
        if !who.is_empty() {
            let token = self.token(who).await;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
        self.raw(request.body(body).unwrap()).await
    }

    pub async fn raw(&self, request: axum::http::Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

pub fn one() -> Receive {
    Receive {
        limit: 1,
        visibility: None,
        wait: Duration::ZERO,
    }
}

pub fn batch(queue: &str, message: ports::Message) -> Event {
    Event::Queue(ports::events::QueueBatch {
        queue: queue.into(),
        messages: vec![message],
    })
}

pub fn config(openai: &str, x: &str) -> Config {
    let vars = [
        ("JOBS_TABLE", "jobs"),
        ("AUDIT_TABLE", "audit"),
        ("BUCKET", "pictures"),
        ("GENERATE_QUEUE", "generate"),
        ("POST_QUEUE", "post"),
        ("GENERATE_DEAD_LETTER_QUEUE", "generate-dead"),
        ("POST_DEAD_LETTER_QUEUE", "post-dead"),
        ("OPENAI_URL", openai),
        ("X_URL", x),
        ("SIGN_IN_URL", "http://127.0.0.1:5000/pool"),
        ("CLIENT_ID", "posting"),
    ];
    let find = |name: &str| {
        let found = vars.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_string())
    };
    Config::from_vars(find).unwrap()
}

pub async fn define_queues(store: &Store, config: &Config) {
    let queues = &config.queues;
    for (name, dead) in [
        (&queues.generate, &queues.generate_dead),
        (&queues.post, &queues.post_dead),
    ] {
        let spec = |name: &str, redrive| QueueSpec {
            name: name.into(),
            visibility: Config::RETRY,
            retention: 14 * 24 * 60 * MINUTE,
            redrive,
        };
        store.queues().define(&spec(dead, None)).await.unwrap();
        let redrive = Redrive {
            dead_letter: dead.clone(),
            max_receives: Config::RECEIVES,
        };
        store
            .queues()
            .define(&spec(name, Some(redrive)))
            .await
            .unwrap();
    }
}
