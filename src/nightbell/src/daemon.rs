//! What the tasks, the API and the console share: the desired state, the ports, the journal's engine.

mod append;
pub mod duty;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evaluator::composite::{Composites, Gate};
use local::fault::Faults;
use local::pump::Pump;
use model::route::{Route, Routes};
use model::{AlarmSpec, Estate, Incident, Time};
use ports::{
    Alarms, Clock, ControlPlane, Journal, Logs, Mail, Metrics, Operations, Queues, Secret, Secrets,
    Topics, Traces,
};
use response::Engine;
use tokio::sync::watch;

use crate::access::Tokens;
use crate::daemon::duty::Duty;
use crate::drill::Drills;
use crate::inbox::Inbox;
use crate::links::Signer;
use crate::live::Live;
use crate::proofs::Proofs;
use crate::tasks::{Poke, Status};

/// Where things are kept and people are told.
#[derive(Clone)]
pub struct Ports {
    /// Metrics.
    pub metrics: Arc<dyn Metrics>,
    /// Logs.
    pub logs: Arc<dyn Logs>,
    /// Traces.
    pub traces: Arc<dyn Traces>,
    /// Alarm states.
    pub alarms: Arc<dyn Alarms>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Topics.
    pub topics: Arc<dyn Topics>,
    /// Mail to single addresses.
    pub mail: Arc<dyn Mail>,
    /// Secrets, read at the moment of use.
    pub secrets: Arc<dyn Secrets>,
    /// Queues, which runbooks redrive.
    pub queues: Arc<dyn Queues>,
    /// Functions, which runbooks operate.
    pub operations: Arc<dyn Operations>,
    /// The alarms' own actions; none on this machine, where alarms have none.
    pub plane: Option<Arc<dyn ControlPlane>>,
}

/// What a daemon is.
pub struct Daemon {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// What its files desire.
    pub estate: Estate,
    /// When it began.
    opened: Time,
    /// Where in the estate an alarm is: there may be thousands, and every page asks.
    places: std::collections::HashMap<String, usize>,
    /// Where things are kept.
    pub ports: Ports,
    /// The local mode's own; none against AWS.
    pub local: Option<Local>,
    /// Who of several daemons decides and sends; none where one process holds the whole store.
    pub duty: Option<Duty>,
    /// Counts that are lost with the process, for `/metrics`.
    pub counts: Counts,
    /// Makes the respond task run.
    pub respond: Poke,
    /// Makes the operate task run.
    pub operate: Poke,
    /// The rules of the composites.
    pub composites: Composites,
    /// What holds transitions back. Written only by the respond task.
    pub gate: Mutex<Gate>,
    /// Makes looking at states and recording transitions one step.
    pub judging: tokio::sync::Mutex<()>,
    /// The status of each task.
    pub statuses: Mutex<BTreeMap<&'static str, watch::Receiver<Status>>>,
    /// Every form carries it; a page of another origin cannot know it.
    pub form_token: String,
    /// What arrives from outside.
    pub inbox: Inbox,
    /// Drills beside the journal.
    pub drills: Mutex<Drills>,
    /// What signs the links in mails.
    pub links: Signer,
    /// Who may enter.
    pub tokens: Arc<Tokens>,
    /// What open pages listen to.
    pub live: Live,
    /// What speaks for the alarms.
    pub proofs: Proofs,
    /// The fold of the journal. Written only by [`Daemon::append`].
    engine: Mutex<Engine>,
    /// When the latest entry was written, in milliseconds.
    latest: AtomicI64,
    /// What became of notifications, and is not written yet.
    notes: Mutex<BTreeMap<model::NotificationId, model::Entry>>,
    /// What posts webhooks.
    pub hooks: reqwest::Client,
    /// Makes appending and folding one step, so that the engine sees entries in order.
    appending: tokio::sync::Mutex<()>,
}

/// What only the local mode has.
#[derive(Clone)]
pub struct Local {
    /// The file.
    pub store: local::Store,
    /// The mailbox.
    pub mailbox: local::Mailbox,
    /// Faults on purpose.
    pub faults: Faults,
    /// The way of lines, data and segments into the store.
    pub pump: Pump,
    /// Who signs in to the services.
    pub users: Arc<local::pool::UserPool>,
}

/// Counters for `/metrics`.
#[derive(Default)]
pub struct Counts {
    /// Evaluations of alarms.
    pub evaluations: std::sync::atomic::AtomicU64,
    /// Transitions recorded.
    pub transitions: std::sync::atomic::AtomicU64,
    /// Notifications accepted by their receiver.
    pub sent: std::sync::atomic::AtomicU64,
    /// Notifications that were not accepted.
    pub send_failures: std::sync::atomic::AtomicU64,
}

/// Which mode a daemon runs in.
pub enum Place {
    /// On this machine, alone.
    Here(Local),
    /// Against AWS, one of several.
    Aws(Duty),
}

impl Daemon {
    /// Reads the journal into its engine.
    pub async fn open(
        clock: Arc<dyn Clock>,
        estate: Estate,
        ports: Ports,
        place: Place,
    ) -> ports::Result<Arc<Daemon>> {
        let daemon = Daemon::made(clock, estate, ports, place).await?;
        daemon.follow().await?;
        Ok(Arc::new(daemon))
    }

    /// The same in the place of one that ended: tokens and open forms are good as before.
    pub async fn succeed(
        &self,
        clock: Arc<dyn Clock>,
        estate: Estate,
        ports: Ports,
        place: Place,
    ) -> ports::Result<Arc<Daemon>> {
        let drills = {
            let known = self.drills.lock();
            known.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let daemon = Daemon {
            form_token: self.form_token.clone(),
            tokens: self.tokens.clone(),
            drills: Mutex::new(drills),
            ..Daemon::made(clock, estate, ports, place).await?
        };
        daemon.follow().await?;
        Ok(Arc::new(daemon))
    }

    async fn made(
        clock: Arc<dyn Clock>,
        estate: Estate,
        ports: Ports,
        place: Place,
    ) -> ports::Result<Daemon> {
        let engine = Engine::new(estate.routes.as_ref().unwrap_or(&nobody()));
        let (local, duty) = match place {
            Place::Here(local) => (Some(local), None),
            Place::Aws(duty) => (None, Some(duty)),
        };
        let rules = evaluator::alarm::Settings::default().composite;
        let links = signer(&estate, &ports, local.as_ref()).await?;
        let tokens = tokens(local.as_ref())?;
        let places = estate.alarms.iter().enumerate();
        Ok(Daemon {
            opened: clock.now(),
            clock,
            places: places.map(|(i, spec)| (spec.name.clone(), i)).collect(),
            composites: Composites::new(&estate.alarms, rules),
            gate: Mutex::default(),
            judging: tokio::sync::Mutex::default(),
            estate,
            ports,
            local,
            duty,
            counts: Counts::default(),
            respond: Poke::default(),
            operate: Poke::default(),
            statuses: Mutex::default(),
            form_token: links.form_token(),
            inbox: Inbox::default(),
            drills: Mutex::default(),
            links,
            tokens,
            live: Live::default(),
            proofs: Proofs::default(),
            engine: Mutex::new(engine),
            latest: AtomicI64::new(i64::MIN),
            notes: Mutex::default(),
            hooks: crate::channels::client()?,
            appending: tokio::sync::Mutex::new(()),
        })
    }

    /// Since when this daemon is the one that sends.
    pub fn sends_since(&self) -> Time {
        let duty = self.duty.as_ref().and_then(Duty::since);
        duty.map_or(self.opened, |(_, since)| since)
    }

    /// What only the local mode has.
    ///
    /// # Errors
    /// `NotFound` against AWS.
    pub fn local(&self) -> ports::Result<&Local> {
        self.local.as_ref().ok_or_else(|| {
            ports::Error::new("look into", "the local mode", ports::Kind::NotFound)
                .because("this daemon runs against AWS")
        })
    }

    /// Waits until what was emitted so far can be queried. Against AWS there is nothing to wait for.
    pub async fn flush(&self) {
        if let Some(local) = &self.local {
            local.pump.flush().await;
        }
    }

    /// The engine, locked; never across an await.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gate, locked; never across an await.
    pub fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All incidents, by id.
    pub fn incidents(&self) -> Vec<Incident> {
        self.engine().incidents().collect()
    }

    /// The spec of an alarm.
    pub fn spec(&self, name: &str) -> Option<&AlarmSpec> {
        self.estate.alarms.get(*self.places.get(name)?)
    }

    /// Now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A link into the console.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.estate.project.console_url)
    }
}

/// Routes of an estate without `routes.yaml`: there is nobody to tell.
fn nobody() -> Routes {
    Routes {
        receivers: BTreeMap::new(),
        root: Route {
            matchers: Vec::new(),
            receiver: String::new(),
            group_by: vec!["service".into()],
            group_wait: Duration::ZERO,
            group_interval: Duration::ZERO,
            repeat: Duration::ZERO,
            remind: Duration::ZERO,
            continues: false,
            active: None,
            escalate: Vec::new(),
            routes: Vec::new(),
            place: model::Place::default(),
        },
        inhibit: Vec::new(),
        windows: BTreeMap::new(),
        mute: Vec::new(),
    }
}

/// The tokens of the data folder; against AWS those of the folder that `NIGHTBELL_DATA` names.
fn tokens(local: Option<&Local>) -> ports::Result<Arc<Tokens>> {
    let named = || std::env::var_os("NIGHTBELL_DATA").map(std::path::PathBuf::from);
    let folder = local.map(|l| l.store.dir().to_owned()).or_else(named);
    let tokens = Tokens::open(folder.as_deref()).map_err(|why| {
        ports::Error::new("read", "the tokens", ports::Kind::Unavailable).because(why)
    })?;
    Ok(Arc::new(tokens))
}

/// What signs links: the secret that `sign_links_with` names, else a key of the data folder, so that
/// a link in a mail is good after a restart.
async fn signer(estate: &Estate, ports: &Ports, local: Option<&Local>) -> ports::Result<Signer> {
    let own = || {
        match local {
        Some(local) => {
            let key = local.store.key("links in mails");
            let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
            Ok(Signer::new(Secret::new(text)))
        }
        // A key of one process would be wrong in all others, and after a restart.
        None => Err(
            ports::Error::new("sign links in", "mails", ports::Kind::Invalid).because(
                "against AWS, `sign_links_with` in the project file has to name a secret, such as \"${secret.link_key}\"",
            ),
        ),
    }
    };
    let named = estate.project.sign_links_with.as_deref();
    let name = named.and_then(|n| n.trim().strip_prefix("${secret.")?.strip_suffix('}'));
    let Some(name) = name else {
        return own();
    };
    match ports.secrets.get(name).await {
        Ok(secret) => Ok(Signer::new(secret)),
        Err(error) if error.kind == ports::Kind::NotFound && local.is_some() => own(),
        Err(error) => Err(error),
    }
}
