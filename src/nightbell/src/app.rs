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
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

use crate::daemon::{Daemon, Local, Place, Ports};
use crate::http;
use crate::services::{self, Gateway, Ground};
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
    /// What the tasks and pages share.
    pub daemon: Arc<Daemon>,
    /// The local APIs.
    pub gateway: Gateway,
    hosts: Hosts,
    stop: CancellationToken,
    driver: Driver,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    visitors: Option<tokio::task::JoinHandle<()>>,
    pump_task: tokio::task::JoinHandle<()>,
}

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
        let daemon = Daemon::open(clock.clone(), estate, ports, Place::Here(local)).await?;
        let stop = CancellationToken::new();
        let driver = start_tasks(&daemon, &gateway, &stop, &dispatch);
        let router = http::router(daemon.clone(), gateway.clone(), address, None).layer(
            middleware::from_fn(move |request: Request, next: Next| {
                next.run(request).with_subscriber(dispatch.clone())
            }),
        );
        let server = tokio::spawn(serve(listener, router, stop.clone()));
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
            driver,
            server,
            visitors,
            pump_task,
        })
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
            let now = self.daemon.now();
            let mut quiet = true;
            for status in self.driver.statuses().values_mut() {
                let idle = status
                    .wait_for(|s| !s.running && s.next > now && s.runs > 0)
                    .await;
                quiet &= idle.is_ok();
            }
            // A task that was looked at first may have been poked by one that was looked at last.
            // Asked before the statuses: a poke counts as heard only once its run shows there.
            let poked = self.daemon.respond.wanted() || self.daemon.operate.wanted();
            let still = self
                .driver
                .statuses()
                .values()
                .all(|s| !s.borrow().running && s.borrow().next > now);
            if (quiet && still && !poked) || self.stop.is_cancelled() {
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
            driver,
            server,
            visitors,
            pump_task,
            ..
        } = self;
        stop.cancelled().await;
        // Pages listen for as long as they are open; a server that waits for them never stops.
        daemon.live.end();
        let ended = tokio::time::timeout(GRACE, server).await;
        driver.stopped().await;
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
        drop((daemon, gateway));
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
    let statuses = driver.statuses();
    *daemon
        .statuses
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = statuses;
    driver
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
