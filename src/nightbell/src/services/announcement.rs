//! The announcement path on this machine: its API, the functions behind its stream, queues and
//! schedule, its tables and queues, named as the project names them. The mailbox stands for SES and
//! SNS.

use std::sync::Arc;
use std::time::Duration;

use announcement::{Config, Notifier, Outlets, Service, SignIn};
use local::gateway::Api;
use local::hosts::{
    AsyncConfig, Hosts, Missed, QueueMapping, Schedule, StreamMapping, Target, When,
};
use local::meter::Meter;
use local::runtime::{Function, FunctionConfig};
use model::estate::Project;
use ports::{QueueSpec, Redrive};
use serde_json::json;

use super::{Ground, event_function, function_telemetry};

const SERVICE: &str = "announcement";
const DAY: Duration = Duration::from_secs(86_400);

/// Makes its tables and queues, if the project has the service.
pub(super) async fn define(project: &Project, store: &local::Store) -> ports::Result<()> {
    let Some(config) = config(project) else {
        return Ok(());
    };
    for table in config.tables.specs() {
        store.tables().define(&table).await?;
    }
    let queues = [Some(&config.queue), config.feedback.as_ref()];
    let dead = QueueSpec {
        name: config.dead_letters.clone(),
        visibility: Duration::from_secs(30),
        retention: 14 * DAY,
        redrive: None,
    };
    store.queues().define(&dead).await?;
    for name in queues.into_iter().flatten() {
        let redrive = Redrive {
            dead_letter: config.dead_letters.clone(),
            max_receives: 5,
        };
        let queue = QueueSpec {
            name: name.clone(),
            visibility: Config::LEASE + Duration::from_secs(30),
            retention: 4 * DAY,
            redrive: Some(redrive),
        };
        store.queues().define(&queue).await?;
    }
    Ok(())
}

/// The API.
pub(super) fn api(ground: &Ground<'_>) -> Option<Arc<Api>> {
    let project = ground.project;
    let (function, api) = (named(project, "function")?, named(project, "api")?);
    let config = config(project)?;
    let log = Function::log(&function, ground.pump, &*ground.clock);
    let telemetry = function_telemetry(log, ground.clock.clone());
    let meter = Meter::new(ground.pump, ground.clock.clone());
    let items = meter.items(Arc::new(ground.store.tables()));
    let service = Service::new(
        (ground.faults.items(SERVICE, items), outlets(ground)),
        ground.identity(SERVICE),
        ground.clock.clone(),
        config,
        &telemetry,
    );
    let function = Function::new(
        FunctionConfig {
            name: function,
            timeout: Duration::from_secs(29),
            concurrency: 1_000,
            memory: 256,
        },
        announcement::router(service, &telemetry),
        ground.pump,
        ground.clock.clone(),
    );
    let stage = named(project, "stage").unwrap_or_else(|| "prod".into());
    Some(Api::new(
        &api,
        &stage,
        function,
        ground.pump,
        ground.clock.clone(),
    ))
}

/// Starts what listens to its stream, its queues and its schedule.
pub(super) async fn host(ground: &Ground<'_>, hosts: &Hosts) -> anyhow::Result<()> {
    let project = ground.project;
    let (Some(notify), Some(fan_out)) = (named(project, "notify"), named(project, "fan_out"))
    else {
        return Ok(());
    };
    let Some(config) = config(project) else {
        return Ok(());
    };
    let meter = Meter::new(ground.pump, ground.clock.clone());
    let function = |name: &str, concurrency: u32| {
        let log = Function::log(name, ground.pump, &*ground.clock);
        let telemetry = function_telemetry(log, ground.clock.clone());
        let items = meter.items(Arc::new(ground.store.tables()));
        let notifier = Notifier::new(
            ground.faults.items(SERVICE, items),
            outlets(ground),
            ground.clock.clone(),
            config.clone(),
            &telemetry,
        );
        let runs = FunctionConfig {
            name: name.into(),
            timeout: Duration::from_secs(60),
            concurrency,
            memory: 256,
        };
        event_function(ground, runs, Arc::new(notifier))
    };
    let notify = function(&notify, 10);
    // One at a time: the account's quota is one process's.
    let fan_out = function(&fan_out, 1);
    hosts
        .stream(
            StreamMapping {
                dead_letter: Some(config.dead_letters.clone()),
                // As long as the stream has it: given up, an event would be told to nobody.
                retries: 10_000,
                ..StreamMapping::new("announcement-notify", config.tables.events.clone())
            },
            notify.clone(),
        )
        .await?;
    let one = QueueMapping {
        concurrency: 1,
        ..QueueMapping::new(config.queue.clone())
    };
    hosts.queue(one, fan_out).await?;
    if let Some(feedback) = config.feedback.clone() {
        hosts
            .queue(QueueMapping::new(feedback), notify.clone())
            .await?;
    }
    let retries = AsyncConfig {
        dead_letter: Some(config.dead_letters.clone()),
        ..AsyncConfig::default()
    };
    let name = notify.name().to_string();
    hosts.function(notify, retries).await?;
    hosts
        .schedule(Schedule {
            name: "announcement-hourly".into(),
            when: When::parse("rate(1 hour)", "UTC")?,
            zone: "UTC".into(),
            target: Target::Function(name),
            input: json!({
                "schedule": "announcement-hourly",
                "at": "<aws.scheduler.scheduled-time>",
                "input": null,
            }),
            missed: Missed::Once,
        })
        .await?;
    Ok(())
}

fn outlets(ground: &Ground<'_>) -> Outlets {
    let meter = Meter::new(ground.pump, ground.clock.clone());
    let mailbox = Arc::new(ground.store.mailbox());
    let queues = meter.queues(Arc::new(ground.store.queues()));
    Outlets {
        mail: ground.faults.mail(SERVICE, mailbox.clone()),
        texts: mailbox.clone(),
        topics: meter.topics(mailbox),
        subscriptions: Arc::new(ground.store.subscriptions()),
        // Faults break what stands behind the service; what waits must not be lost to a drill.
        queues,
    }
}

/// As the functions' environment would say it.
fn config(project: &Project) -> Option<Config> {
    let base = &project.console_url;
    let var = |name: &str| match name {
        "PUBLIC_URL" => Some(format!("{base}/svc/{SERVICE}")),
        "EVENTS_TABLE" => named(project, "table"),
        "SUBSCRIPTIONS_TABLE" => named(project, "subscriptions"),
        "FAN_OUT_QUEUE" => named(project, "queue"),
        "DEAD_LETTER_QUEUE" => named(project, "dlq"),
        "FEEDBACK_QUEUE" => named(project, "feedback"),
        "MAIL_FROM" => named(project, "mail_from"),
        "TOPIC_ARN" => named(project, "topic"),
        "SENDS_PER_SECOND" => named(project, "sends_per_second"),
        _ => None,
    };
    let mut config = Config::from_vars(var).ok()?;
    config.sign_in = Some(SignIn {
        url: format!("{base}/pool"),
        client: SERVICE.into(),
    });
    Some(config)
}

fn named(project: &Project, key: &str) -> Option<String> {
    project.variables.get(&format!("{SERVICE}.{key}")).cloned()
}
