//! `nightbell up`: everything on this machine, in one process.
//!
//! Starts when told, stops when its token is cancelled; tests embed it with a stepped clock.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::Request;
use axum::middleware::{self, Next};
use local::fault::Faults;
use local::hosts::Hosts;
use local::pool::UserPool;
use local::pump::{Pump, Stores, Stream};
use model::Estate;
use ports::Clock;
use telemetry::Telemetry;
use telemetry::logs::{LogScope, LogSink};
use telemetry::xray::Sampling;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

use crate::daemon::{Daemon, Local, Place, Ports};
use crate::http;
use crate::services::{self, Gateway, Ground};
use crate::serving::{Begin, Serving, Standing};
use crate::tasks::{
    Driver, Poke, canary::Canary, evaluate::Evaluate, heartbeat::Heartbeat, operate::Operate,
    pictures::Pictures, respond::Respond, sweep::Sweep,
};
use crate::traffic;

/// What `up` needs.
pub struct Options {
    /// What the files desire.
    pub estate: Estate,
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Visitors a second.
    pub traffic: Option<f64>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the daemon's log lines are shown on standard error too.
    pub echo: bool,
}

/// Everything, running.
pub struct App {
    /// Where the console answers.
    pub address: SocketAddr,
    /// What the tasks and pages shared at the start; [`App::present`] is what they share now.
    pub daemon: Arc<Daemon>,
    /// The local APIs.
    pub gateway: Gateway,
    hosts: Hosts,
    stop: CancellationToken,
    standing: Arc<Standing>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    visitors: Option<tokio::task::JoinHandle<()>>,
    pump_task: tokio::task::JoinHandle<()>,
    dispatch: tracing::Dispatch,
}

/// How often it is looked whether the files changed.
const LOOK: Duration = Duration::from_secs(2);
/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(5);

impl App {
    /// Opens the store, starts the tasks and answers.
    pub async fn start(options: Options) -> anyhow::Result<App> {
        let Options {
            mut estate,
            data,
            listen,
            traffic,
            clock,
            echo,
        } = options;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}; give another address with --listen")
        })?;
        let address = listener.local_addr()?;
        // Links have to lead here, wherever here is.
        estate.project.console_url = format!("http://{}", reachable(address));
        let store = local::Store::open(&data, clock.clone(), local::Limits::default())?;
        let (pump, pump_task) = Pump::start(
            Stores {
                logs: Arc::new(store.logs()),
                metrics: Arc::new(store.metrics()),
                traces: Arc::new(store.traces()),
            },
            clock.clone(),
        );
        let now = clock.clone();
        let (_, dispatch) = Telemetry::builder()
            .segments(Arc::new(pump.clone()))
            .logs(Arc::new(DaemonLog::new(&pump, echo)))
            .sampling(Sampling::Always)
            .clock(Arc::new(move || now.now()))
            .parts();
        let faults = Faults::new(clock.clone());
        let users = UserPool::open(
            Arc::new(store.tables()),
            clock.clone(),
            format!("{}/pool", estate.project.console_url),
            services::app_clients(reachable(address)),
        )
        .await?;
        store.answer_at(&estate.project.console_url);
        services::define_tables(&estate.project, &store).await?;
        let ground = Ground {
            project: &estate.project,
            store: &store,
            documents: Arc::new(store.tables()),
            users: &users,
            pump: &pump,
            faults: &faults,
            clock: clock.clone(),
        };
        let prepared = services::prepare(&ground).await?;
        let gateway = Gateway::new(&ground, &prepared)?;
        let hosts = Hosts::new(&store, &pump);
        services::host(&ground, &prepared, &hosts)
            .with_subscriber(dispatch.clone())
            .await?;
        let mailbox = store.mailbox();
        let ports = Ports {
            metrics: Arc::new(store.metrics()),
            logs: Arc::new(store.logs()),
            traces: Arc::new(store.traces()),
            alarms: Arc::new(store.alarms()),
            journal: Arc::new(store.journal()),
            topics: Arc::new(mailbox.clone()),
            mail: Arc::new(mailbox.clone()),
            secrets: Arc::new(local::LocalSecrets::new(store.dir())),
            queues: Arc::new(store.queues()),
            operations: Arc::new(local::Operations::new(
                gateway.functions().chain(hosts.functions()),
            )),
            plane: None,
        };
        let local = Local {
            store,
            mailbox,
            faults,
            pump,
            users,
        };
        let stop = CancellationToken::new();
        let half = Half {
            clock,
            ports,
            local,
            gateway: gateway.clone(),
            address,
            dispatch: dispatch.clone(),
        };
        let standing = half.stand(estate, &stop).await?;
        let daemon = standing.daemon();
        let server = tokio::spawn(serve(listener, standing.router(), stop.clone()));
        let visitors = traffic.map(|rate| {
            tokio::spawn(traffic::visit(
                format!("http://{}/svc/counter/count", reachable(address)),
                rate,
                stop.clone(),
            ))
        });
        Ok(App {
            address,
            daemon,
            gateway,
            hosts,
            stop,
            standing,
            server,
            visitors,
            pump_task,
            dispatch,
        })
    }

    /// What the tasks and pages share now: another one after the files changed.
    pub fn present(&self) -> Arc<Daemon> {
        self.standing.daemon()
    }

    /// Takes over what the project's files say whenever they change: alarms, routes, dashboards and
    /// runbooks. Services, and where it listens, stay as they began.
    pub fn follow(&self, config: PathBuf) {
        let (changes, changed) = watch::channel(0);
        let looking = look(config.clone(), self.daemon.clock.clone(), changes);
        let objects = self.daemon.local.as_ref().map(|l| l.store.objects());
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = looking => {}
            }
        });
        if let Some(objects) = objects {
            let following = self
                .standing
                .clone()
                .follow(config, Arc::new(objects), changed);
            tokio::spawn(following.with_subscriber(self.dispatch.clone()));
        }
    }

    /// The base of every link.
    pub fn url(&self) -> String {
        self.daemon.estate.project.console_url.clone()
    }

    /// Stops when the token is cancelled.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until no task and no function is running or due. For tests on a stepped clock: after a step, all that
    /// was due has happened when this returns.
    pub async fn settled(&self) {
        loop {
            self.hosts.settled().await;
            if self.standing.settles().await || self.stop.is_cancelled() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the token, then ends in order: requests, tasks, what is on its way, the store.
    pub async fn run(self) -> anyhow::Result<()> {
        let App {
            daemon,
            gateway,
            hosts,
            stop,
            standing,
            server,
            visitors,
            pump_task,
            ..
        } = self;
        stop.cancelled().await;
        // Pages listen for as long as they are open; a server that waits for them never stops.
        standing.daemon().live.end();
        let ended = tokio::time::timeout(GRACE, server).await;
        standing.stopped().await;
        hosts.stop().await;
        if let Some(visitors) = visitors {
            visitors.abort();
        }
        if let Some(platform) = gateway.pictures() {
            // Clicks that cannot be written now are lost with the process, as a kill loses them.
            let _ = platform.flush_clicks().await;
        }
        daemon.flush().await;
        if let Some(local) = &daemon.local {
            local.store.close().await?;
        }
        drop((daemon, gateway, standing));
        pump_task.abort();
        match ended {
            Ok(joined) => joined?.context("the HTTP server failed"),
            Err(_) => Ok(()),
        }
    }
}

fn start_tasks(
    daemon: &Arc<Daemon>,
    gateway: &Gateway,
    stop: &CancellationToken,
    dispatch: &tracing::Dispatch,
) -> Driver {
    let mut driver = Driver::new(daemon.clock.clone(), stop.clone(), dispatch.clone());
    driver.start(Evaluate::new(daemon.clone()), Poke::default());
    driver.start(Respond::new(daemon.clone()), daemon.respond.clone());
    if daemon.estate.project.canary.is_some() {
        driver.start(Canary(daemon.clone()), Poke::default());
    }
    driver.start(Operate::new(daemon.clone()), daemon.operate.clone());
    driver.start(Heartbeat(daemon.clone()), Poke::default());
    driver.start(Sweep(daemon.clone()), Poke::default());
    if let Some(platform) = gateway.pictures() {
        driver.start(Pictures::new(platform.clone()), Poke::default());
    }
    driver
}

/// The half that is begun anew when the files change, and what it stands on.
#[derive(Clone)]
struct Half {
    clock: Arc<dyn Clock>,
    ports: Ports,
    local: Local,
    gateway: Gateway,
    address: SocketAddr,
    dispatch: tracing::Dispatch,
}

impl Half {
    async fn stand(
        self,
        estate: Estate,
        stop: &CancellationToken,
    ) -> anyhow::Result<Arc<Standing>> {
        let (gateway, address, log) = (self.gateway.clone(), self.address, self.dispatch.clone());
        let dress = move |serving: &Serving| {
            let log = log.clone();
            http::router(serving.daemon.clone(), gateway.clone(), address, None).layer(
                middleware::from_fn(move |request: Request, next: Next| {
                    next.run(request).with_subscriber(log.clone())
                }),
            )
        };
        let begin: Begin = Box::new(move |before, estate, token| {
            let half = self.clone();
            Box::pin(async move { half.begin(before, estate, &token).await })
        });
        Standing::of(estate, begin, stop, Box::new(dress)).await
    }

    async fn begin(
        self,
        before: Option<Arc<Daemon>>,
        mut estate: Estate,
        stop: &CancellationToken,
    ) -> anyhow::Result<Serving> {
        // Links have to lead here, wherever here is.
        estate.project.console_url = format!("http://{}", reachable(self.address));
        let place = Place::Here(self.local);
        let daemon = match before {
            None => Daemon::open(self.clock, estate, self.ports, place).await?,
            Some(before) => {
                before
                    .succeed(self.clock, estate, self.ports, place)
                    .await?
            }
        };
        let driver = start_tasks(&daemon, &self.gateway, stop, &self.dispatch);
        Ok(Serving::of(daemon, driver))
    }
}

/// Says whenever the files are other ones than they were, for as long as somebody hears it; the
/// first time, too: they may have changed since they were read.
async fn look(config: PathBuf, clock: Arc<dyn Clock>, changes: watch::Sender<u64>) {
    let mut before = None;
    while !changes.is_closed() {
        let config = config.clone();
        let print = tokio::task::spawn_blocking(move || {
            let (hash, _) = crate::keeper::source::fingerprint(&config);
            <[u8; 32]>::from(sha2::Digest::finalize(hash))
        });
        if let Ok(print) = print.await
            && before.replace(print) != Some(print)
        {
            changes.send_modify(|times| *times += 1);
        }
        clock.sleep_until(clock.now() + LOOK).await;
    }
}

async fn serve(
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    // A router by itself is copied with all its routes for each connection: half a megabyte a page.
    axum::serve(listener, router.into_make_service())
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

/// An address that a browser can open: a wildcard is reached over loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Log lines: a function's to its group, the daemon's to its own.
struct DaemonLog {
    pump: Pump,
    own: Stream,
    echo: bool,
}

impl DaemonLog {
    fn new(pump: &Pump, echo: bool) -> DaemonLog {
        DaemonLog {
            own: pump.stream("/nightbell/daemon", "daemon"),
            pump: pump.clone(),
            echo,
        }
    }
}

impl LogSink for DaemonLog {
    fn line(&self, scope: LogScope<'_>, line: &[u8]) {
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        if self.echo {
            crate::cli::print::note(&text);
        }
        match scope.function {
            Some(function) => self
                .pump
                .stream(&format!("/aws/lambda/{function}"), "tracing")
                .write(text),
            None => self.own.write(text),
        }
    }
}
