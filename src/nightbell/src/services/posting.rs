//! The posting path on this machine: its functions, queues, tables, bucket and schedule, named as
//! the project names them. Without keys, servers of this process stand in for OpenAI and X; with
//! them, as secrets `openai` and `x`, it is the real ones that are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use local::gateway::{Api, Authorizer, Front};
use local::hosts::{AsyncConfig, Hosts, Missed, QueueMapping, Schedule, Target, When};
use local::meter::Meter;
use local::runtime::{Function, FunctionConfig};
use model::estate::Project;
use ports::{Handler, Kind, NewObject, Objects, QueueSpec, Redrive, Secret, Secrets};
use posting::audit::Audit;
use posting::http::{ADMIN_PATHS, ORIGIN_HEADER};
use posting::jobs::Jobs;
use posting::oauth1::Credentials;
use posting::standin::{Running, openai, x};
use posting::upstream::RealPauses;
use posting::{Config, Generator, Poster, Service, SignIn, Stand};
use serde_json::json;

use super::{Ground, event_function, function_telemetry};

const SERVICE: &str = "posting";
const DAY: Duration = Duration::from_secs(86_400);

/// What stands in for the APIs of others; none where the real ones are asked.
#[derive(Default)]
pub struct StandIns {
    /// For OpenAI.
    pub openai: Option<Running<openai::OpenAi>>,
    /// For X.
    pub x: Option<Running<x::X>>,
}

/// The path, ready to be started.
pub(super) struct Ready {
    config: Config,
    secrets: Arc<dyn Secrets>,
    origin: String,
    pub stand_ins: Arc<StandIns>,
}

/// Makes its tables and queues, and puts the shipped list of days into a bucket that has none.
pub(super) async fn define(project: &Project, store: &local::Store) -> ports::Result<()> {
    let Some(config) = config(project) else {
        return Ok(());
    };
    for table in [Jobs::spec(&config.jobs), Audit::spec(&config.audit)] {
        store.tables().define(&table).await?;
    }
    for (name, dead) in [
        (&config.queues.generate, &config.queues.generate_dead),
        (&config.queues.post, &config.queues.post_dead),
    ] {
        let spec = |name: &str, redrive| QueueSpec {
            name: name.into(),
            visibility: Config::RETRY,
            retention: 14 * DAY,
            redrive,
        };
        store.queues().define(&spec(dead, None)).await?;
        let redrive = Redrive {
            dead_letter: dead.clone(),
            max_receives: Config::RECEIVES,
        };
        store.queues().define(&spec(name, Some(redrive))).await?;
    }
    let list = NewObject {
        bucket: config.bucket,
        key: config.days,
        body: Bytes::from_static(posting::DAYS.as_bytes()),
        content_type: "application/json".into(),
        cache_control: None,
        metadata: BTreeMap::new(),
        only_if_absent: true,
    };
    match store.objects().put(&list).await {
        Err(error) if error.kind != Kind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Starts what stands in for whoever has no key here.
pub(super) async fn prepare(ground: &Ground<'_>) -> anyhow::Result<Option<Ready>> {
    let Some(mut config) = config(ground.project) else {
        return Ok(None);
    };
    let own = local::LocalSecrets::new(ground.store.dir());
    let key = |of: &str| -> String {
        let key = ground.store.key(of);
        key.iter().map(|b| format!("{b:02x}")).collect()
    };
    let origin = key("the origin of posting");
    let mut known = BTreeMap::from([(config.origin_secret.clone(), origin.clone())]);
    let mut stand_ins = StandIns::default();
    if is_missing(&own, &config.openai.secret).await? {
        let key = format!("sk-stand-in-{}", &key("the stand-in of OpenAI")[..32]);
        if named(ground.project, "openai_url").is_none() {
            let running = openai::start(&key).await;
            let running = running.context("the stand-in for OpenAI does not start")?;
            config.openai.url = running.url.clone();
            stand_ins.openai = Some(running);
        }
        known.insert(config.openai.secret.clone(), key);
    }
    if is_missing(&own, &config.x.secret).await? {
        let text = key("the stand-in of X");
        let credentials = Credentials {
            api_key: text[..16].into(),
            api_secret: text[16..32].into(),
            access_token: text[32..48].into(),
            access_token_secret: text[48..].into(),
        };
        let secret = json!({
            "api_key": credentials.api_key, "api_secret": credentials.api_secret,
            "access_token": credentials.access_token, "access_token_secret": credentials.access_token_secret,
        });
        if named(ground.project, "x_url").is_none() {
            let running = x::start(credentials, ground.clock.clone()).await;
            let running = running.context("the stand-in for X does not start")?;
            config.x.url = running.url.clone();
            stand_ins.x = Some(running);
        }
        known.insert(config.x.secret.clone(), secret.to_string());
    }
    Ok(Some(Ready {
        config,
        secrets: Arc::new(OrKnown { own, known }),
        origin,
        stand_ins: Arc::new(stand_ins),
    }))
}

async fn is_missing(secrets: &local::LocalSecrets, name: &str) -> anyhow::Result<bool> {
    match secrets.get(name).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind == Kind::NotFound => Ok(true),
        Err(error) => Err(error).context("the posting path has no secret that can be read"),
    }
}

/// The machine's secrets, and what stand-ins were told where it has none.
struct OrKnown {
    own: local::LocalSecrets,
    known: BTreeMap<String, String>,
}

#[async_trait]
impl Secrets for OrKnown {
    async fn get(&self, name: &str) -> ports::Result<Secret> {
        match (self.own.get(name).await, self.known.get(name)) {
            (Err(error), Some(known)) if error.kind == Kind::NotFound => Ok(Secret::new(known)),
            (read, _) => read,
        }
    }
}

/// The gallery and the admin's API, behind what stands for a CDN and an authorizer.
pub(super) fn api(ground: &Ground<'_>, ready: &Ready) -> Option<Arc<Api>> {
    let project = ground.project;
    let (function, api) = (named(project, "functions.gallery")?, named(project, "api")?);
    let log = Function::log(&function, ground.pump, &*ground.clock);
    let telemetry = function_telemetry(log, ground.clock.clone());
    let people = ground.identity(SERVICE);
    let service = Service::new(
        stand(ground, ready),
        people.clone(),
        ready.config.clone(),
        &telemetry,
    );
    let function = Function::new(
        FunctionConfig {
            name: function,
            timeout: Duration::from_secs(29),
            concurrency: 1_000,
            memory: 256,
        },
        posting::router(service, &telemetry),
        ground.pump,
        ground.clock.clone(),
    );
    let stage = named(project, "stage").unwrap_or_else(|| "prod".into());
    let api = Api::new(&api, &stage, function, ground.pump, ground.clock.clone());
    api.stand_behind(Front {
        adds: HeaderValue::from_str(&ready.origin)
            .ok()
            .map(|value| (HeaderName::from_static(ORIGIN_HEADER), value)),
        authorizer: Some(Authorizer {
            prefix: ADMIN_PATHS.into(),
            people,
            group: identity::group::ADMIN.into(),
        }),
    });
    Some(api)
}

/// Starts what listens to its queues, its bucket and its schedules.
pub(super) async fn host(ground: &Ground<'_>, ready: &Ready, hosts: &Hosts) -> anyhow::Result<()> {
    let (project, config) = (ground.project, &ready.config);
    let (Some(generate), Some(post)) = (
        named(project, "functions.generate"),
        named(project, "functions.post"),
    ) else {
        return Ok(());
    };
    let function =
        |name: &str, timeout, make: &dyn Fn(&telemetry::Telemetry) -> Arc<dyn Handler>| {
            let log = Function::log(name, ground.pump, &*ground.clock);
            let telemetry = function_telemetry(log, ground.clock.clone());
            let runs = FunctionConfig {
                name: name.into(),
                timeout,
                concurrency: 10,
                memory: 256,
            };
            event_function(ground, runs, make(&telemetry))
        };
    let generate = function(&generate, Config::GENERATE_TIMEOUT, &|telemetry| {
        Arc::new(Generator::new(
            stand(ground, ready),
            config.clone(),
            telemetry,
        ))
    });
    let post = function(&post, Config::POST_TIMEOUT, &|telemetry| {
        Arc::new(Poster::new(stand(ground, ready), config.clone(), telemetry))
    });
    // A message at a time: one that fails is a failed invocation, and its neighbours are not.
    let one = |queue: &str| QueueMapping::new(queue);
    hosts.queue(one(&config.queues.generate), generate).await?;
    hosts.queue(one(&config.queues.post), post.clone()).await?;
    let pictures = Target::Queue(config.queues.post.clone());
    hosts.objects(&config.bucket, posting::name::FOLDER, ".jpg", &pictures)?;
    let watcher = post.name().to_string();
    hosts.function(post, AsyncConfig::default()).await?;
    let zone = named(project, "zone").unwrap_or_else(|| ZONE.into());
    let daily = named(project, "schedule").unwrap_or_else(|| DAILY.into());
    let input = |name: &str| json!({ "schedule": name, "at": "<aws.scheduler.scheduled-time>", "input": null });
    hosts
        .schedule(Schedule {
            name: "posting-daily".into(),
            when: When::parse(&daily, &zone)
                .context("`services.posting.schedule` cannot be used")?,
            zone,
            target: Target::Queue(config.queues.generate.clone()),
            input: input("posting-daily"),
            missed: Missed::Once,
        })
        .await?;
    hosts
        .schedule(Schedule {
            name: "posting-watch".into(),
            when: When::parse("rate(5 minutes)", "UTC")?,
            zone: "UTC".into(),
            target: Target::Function(watcher),
            input: input("posting-watch"),
            missed: Missed::Said,
        })
        .await?;
    Ok(())
}

/// When pictures are drawn, and where: weekdays at 08:00 in New York, through every change of clocks.
const DAILY: &str = "cron(0 8 ? * MON-FRI *)";
const ZONE: &str = "America/New_York";

fn stand(ground: &Ground<'_>, ready: &Ready) -> Stand {
    let meter = Meter::new(ground.pump, ground.clock.clone());
    let items = meter.items(Arc::new(ground.store.tables()));
    let objects = meter.objects(Arc::new(ground.store.objects()));
    Stand {
        items: ground.faults.items(SERVICE, items),
        objects: ground.faults.objects(SERVICE, objects),
        // Faults break what stands behind the service; what waits must not be lost to a drill.
        queues: meter.queues(Arc::new(ground.store.queues())),
        secrets: ready.secrets.clone(),
        clock: ground.clock.clone(),
        pauses: Arc::new(RealPauses),
    }
}

/// As the functions' environment would say it.
fn config(project: &Project) -> Option<Config> {
    let base = &project.console_url;
    let var = |name: &str| {
        let key = match name {
            "JOBS_TABLE" => "table",
            "AUDIT_TABLE" => "audit",
            "BUCKET" => "bucket",
            "GENERATE_QUEUE" => "queues.generate",
            "POST_QUEUE" => "queues.post",
            "GENERATE_DEAD_LETTER_QUEUE" => "dlqs.generate",
            "POST_DEAD_LETTER_QUEUE" => "dlqs.post",
            "TIME_ZONE" => "zone",
            "OPENAI_URL" => "openai_url",
            "OPENAI_SECRET" => "openai_secret",
            "OPENAI_MODEL" => "openai_model",
            "OPENAI_SIZE" => "openai_size",
            "OPENAI_QUALITY" => "openai_quality",
            "OPENAI_STYLE" => "openai_style",
            "OPENAI_ANSWER" => "openai_answer",
            "X_URL" => "x_url",
            "X_SECRET" => "x_secret",
            "X_SEARCH_SETTLES" => "x_search_settles",
            _ => return None,
        };
        named(project, key)
    };
    let mut config = match Config::from_vars(var) {
        Ok(config) => config,
        Err(why) => {
            if named(project, "bucket").is_some() {
                tracing::warn!(%why, "the posting path does not run: `services.posting` cannot be used");
            }
            return None;
        }
    };
    config.sign_in = Some(SignIn {
        url: format!("{base}/pool"),
        client: SERVICE.into(),
    });
    Some(config)
}

fn named(project: &Project, key: &str) -> Option<String> {
    project.variables.get(&format!("{SERVICE}.{key}")).cloned()
}
