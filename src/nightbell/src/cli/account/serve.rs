//! `nightbell serve`: the daemon against AWS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use local::SystemClock;
use model::estate::Project;
use planner::Quotas;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::super::print::{self, line, note, styled};
use super::super::{Account, Exit, Global, address, duration, load};
use super::{lacking, unavailable};
use crate::access::{Access, Tokens};
use crate::cloud::connect;
use crate::keeper::{Keeper, Options, Writes, http, start};
use crate::serving::{self, Serving, Standing};
use crate::tasks::receive::Pace;

/// `nightbell serve`
#[derive(Debug, Clone, Args)]
pub struct ServeCommand {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = address)]
    pub listen: SocketAddr,
    /// Where a load balancer asks /health and /ready, and nothing else answers; may be any address
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub health: Option<SocketAddr>,
    /// How often the account is looked at, at the latest
    #[arg(long, value_name = "D", default_value = "5m", value_parser = duration)]
    pub every: Duration,
    /// Write nothing; say what differs
    #[arg(long)]
    pub observe_only: bool,
    /// The DynamoDB table of leases: of several daemons that share one, one writes
    #[arg(
        long,
        value_name = "TABLE",
        env = "NIGHTBELL_LEASES",
        hide_env_values = true
    )]
    pub leases: Option<String>,
    /// The DynamoDB table of the journal: with it, alarms are received and people are told
    #[arg(
        long,
        value_name = "TABLE",
        requires = "queue",
        env = "NIGHTBELL_JOURNAL",
        hide_env_values = true
    )]
    pub journal: Option<String>,
    /// The SQS queue in which events of alarms arrive
    #[arg(
        long,
        value_name = "QUEUE",
        requires = "journal",
        env = "NIGHTBELL_QUEUE",
        hide_env_values = true
    )]
    pub queue: Option<String>,
    /// How long a message is hidden while it is worked on [default: 30s]
    #[arg(long, value_name = "D", value_parser = duration)]
    pub visibility: Option<Duration>,
    /// The SQS queue for what cannot be understood [default: QUEUE-dlq]
    #[arg(
        long,
        value_name = "QUEUE",
        env = "NIGHTBELL_DEAD_LETTER",
        hide_env_values = true
    )]
    pub dead_letter: Option<String>,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// Runs until a signal.
pub fn run(global: &Global, arguments: &ServeCommand) -> Exit {
    // Sources in S3 are read once there is an account; what is here is said before.
    let files = crate::files::read(&global.config);
    let project = match model::load::estate(&files.files, &[]).estate {
        Some(estate) if !files.remote.is_empty() => estate.project,
        _ => match load(global).and_then(|l| l.usable(global)) {
            Ok((_, estate, _)) => estate.project,
            Err(exit) => return exit,
        },
    };
    if !cfg!(feature = "aws") {
        return lacking();
    }
    if !arguments.listen.ip().is_loopback() && project.sign_in.is_none() {
        note(format_args!(
            "{}: {} is not a loopback address, and nobody could enter there\n  help: listen on 127.0.0.1 and reach it through a tunnel, or name the load balancer that signs people in as `sign_in` in the project file",
            styled(print::BAD, "error"),
            arguments.listen
        ));
        return Exit::Usage;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return unavailable(&error.into()),
    };
    let level = match (global.quiet, global.verbose) {
        (true, _) => tracing::Level::ERROR,
        (_, 0) => tracing::Level::WARN,
        (_, 1) => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
    match runtime.block_on(serve(global, arguments, &project)) {
        Ok(()) => Exit::Done,
        Err(error) => unavailable(&error),
    }
}

async fn serve(global: &Global, arguments: &ServeCommand, project: &Project) -> anyhow::Result<()> {
    let region = arguments.account.region.as_deref();
    let region = region.unwrap_or(&project.region);
    let cloud = connect(region).await?;
    let holder = holder()?;
    let account = cloud.account.clone();
    let objects = cloud.objects.clone();
    // The journal's table holds leases, too.
    let leases = arguments.leases.as_deref().or(arguments.journal.as_deref());
    let keeper = Keeper::new(Options {
        clock: Arc::new(SystemClock),
        config: global.config.clone(),
        leases: crate::cloud::leases(region, leases).await,
        cloud,
        holder: holder.clone(),
        quotas: Quotas {
            raised: arguments.account.quotas.iter().copied().collect(),
            ..Quotas::default()
        },
        every: arguments.every,
        writes: match arguments.observe_only {
            true => Writes::Never,
            false => Writes::Leased,
        },
    });
    let stop = CancellationToken::new();
    let listener = TcpListener::bind(arguments.listen).await;
    let listener = listener.with_context(|| {
        format!(
            "cannot listen on {}; give another address with --listen",
            arguments.listen
        )
    })?;
    let address = listener.local_addr()?;
    let health = match arguments.health {
        None => None,
        Some(asked) => {
            let listener = TcpListener::bind(asked).await;
            let listener = listener.with_context(|| {
                format!("cannot listen on {asked}; give another address with --health")
            })?;
            Some((listener, http::health(keeper.clone())))
        }
    };
    let serving = match (&arguments.journal, &arguments.queue) {
        (Some(journal), Some(queue)) => {
            let estate = crate::files::estate(&global.config, &*objects).await?;
            let options = serving::Options {
                clock: Arc::new(SystemClock),
                estate,
                posts: crate::cloud::posts(region, journal).await?,
                holder,
                queue: queue.clone(),
                dead_letter: match &arguments.dead_letter {
                    Some(queue) => queue.clone(),
                    None => format!("{queue}-dlq"),
                },
                account,
                pace: arguments
                    .visibility
                    .map(|visibility| Pace {
                        visibility,
                        ..Pace::default()
                    })
                    .unwrap_or_default(),
            };
            let shown = keeper.clone();
            let dress = move |serving: &Serving| {
                serving.show(shown.watched_statuses());
                let gateway = crate::services::Gateway::default();
                crate::http::router(
                    serving.daemon.clone(),
                    gateway,
                    address,
                    Some(shown.clone()),
                )
            };
            Some(Standing::start(options, &stop, Box::new(dress)).await?)
        }
        _ => None,
    };
    if let Some(serving) = &serving {
        let suites = crate::files::suites(&global.config, &*objects).await?;
        crate::proofs::test_behind(serving.daemon(), suites);
        // Set once, before anything is answered, or written to the account.
        let _ = keeper.responding.set(serving.clone());
        let changed = keeper.changes.subscribe();
        let (config, objects) = (keeper.config.clone(), keeper.cloud.objects.clone());
        tokio::spawn(serving.clone().follow(config, objects, changed));
    }
    let driver = start(&keeper, &stop);
    let router = match &serving {
        None => {
            let sign_in = project.sign_in.as_ref();
            let tokens = Arc::new(Tokens::open(None).map_err(anyhow::Error::msg)?);
            let access = Access::of(tokens, Arc::new(SystemClock), address, sign_in);
            http::router(keeper.clone(), address, &project.console_url, access)
        }
        Some(serving) => {
            serving.show(keeper.watched_statuses()).await;
            serving.router()
        }
    };
    if global.json {
        line(serde_json::json!({
            "console": format!("http://{address}"), "region": region, "receives": serving.is_some(),
        }));
    } else if !global.quiet {
        let what = match serving {
            Some(_) => "Nightbell keeps the account and tells people",
            None => "Nightbell keeps the account",
        };
        line(format_args!(
            "{}  http://{address}",
            styled(print::STRONG, what)
        ));
        if serving.is_none() {
            note("no journal and queue are named (--journal, --queue): nobody is told of alarms");
        }
        if leases.is_none() {
            note("no table of leases is named (--leases): run one daemon only");
        }
    }
    tokio::spawn(signals(keeper.clone(), stop.clone()));
    if let Some((listener, router)) = health {
        tokio::spawn(listen(listener, router, stop.clone()));
    }
    let served = listen(listener, router, stop.clone()).await;
    driver.stopped().await;
    if let Some(serving) = serving {
        serving.stopped().await;
    }
    // Whoever waits for the lease need not wait for its end.
    if let crate::keeper::Role::Holder(lease) = keeper.role() {
        let _ = keeper.leases.release(&lease).await;
    }
    served
}

async fn listen(
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // A router by itself is copied with all its routes for each connection: half a megabyte a page.
    axum::serve(listener, router.into_make_service())
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
        .context("the HTTP server failed")
}

/// Unique among daemons, and new after every start.
fn holder() -> anyhow::Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "nightbell".into());
    let id: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    Ok(format!("{host}-{}-{id}", std::process::id()))
}

/// SIGHUP looks now; the first other signal ends in order, the second at once.
async fn signals(keeper: Arc<Keeper>, stop: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = (
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        );
        if let (Ok(mut terminate), Ok(mut hangup)) = kinds {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                    _ = hangup.recv() => {
                        keeper.poke.poke();
                        continue;
                    }
                }
                if stop.is_cancelled() {
                    std::process::exit(130);
                }
                stop.cancel();
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
    stop.cancel();
}
