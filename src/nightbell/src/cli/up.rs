//! `nightbell up`

use std::path::Path;
use std::sync::Arc;

use local::SystemClock;
use model::Estate;
use model::suite::Suite;

use super::print::{self, note, styled};
use super::{Exit, Global, Up, data_folder, failed, load};
use crate::app::{App, Options};

/// Runs everything until a signal.
pub fn run(global: &Global, arguments: &Up) -> Exit {
    let (root, estate, suites) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if !arguments.listen.ip().is_loopback()
        && !has_token(&data_folder(arguments.data.as_ref(), &root))
    {
        note(format_args!(
            "{}: {} is not a loopback address, where every request needs a token, and there is none\n  help: listen on 127.0.0.1, make one with `nightbell token create NAME --role admin`, and start again",
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
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(serve(global, arguments, &root, (estate, suites))) {
        Ok(()) => Exit::Done,
        Err(error) => failed(&error),
    }
}

/// Whether the data folder has a token that is good now.
fn has_token(data: &Path) -> bool {
    let tokens = crate::access::Tokens::open(Some(data));
    tokens.is_ok_and(|t| !t.list(ports::Clock::now(&SystemClock)).is_empty())
}

async fn serve(
    global: &Global,
    arguments: &Up,
    root: &Path,
    (estate, suites): (Estate, Vec<Suite>),
) -> anyhow::Result<()> {
    let data = data_folder(arguments.data.as_ref(), root);
    // Those that this version cannot evaluate watch nothing; `check` names them.
    let alarms = estate
        .alarms
        .iter()
        .filter(|a| a.metric().is_none() || evaluator::alarm::source(&a.kind).is_ok())
        .count();
    let app = App::start(Options {
        estate,
        data: data.clone(),
        listen: arguments.listen,
        traffic: arguments.traffic,
        clock: Arc::new(SystemClock),
        echo: global.verbose > 0,
    })
    .await?;
    if global.json {
        print::line(serde_json::json!({ "console": app.url(), "data": data, "alarms": alarms }));
    } else if !global.quiet {
        greet(&app, &data, alarms, arguments);
    }
    crate::proofs::test_behind(app.daemon.clone(), suites);
    app.follow(global.config.clone());
    let stop = app.stop_token();
    tokio::spawn(async move {
        signal().await;
        stop.cancel();
        // A second signal means now.
        signal().await;
        std::process::exit(130);
    });
    app.run().await?;
    if !global.quiet && !global.json {
        note("stopped; everything is saved");
    }
    Ok(())
}

fn greet(app: &App, data: &Path, alarms: usize, arguments: &Up) {
    let url = app.url();
    print::line(format_args!(
        "{}  {url}",
        styled(print::STRONG, "Nightbell is up")
    ));
    print::line("");
    let mut rows: Vec<(String, String)> = Vec::new();
    for service in app.gateway.names() {
        rows.push((service.to_string(), format!("{url}/svc/{service}/")));
    }
    let traffic = match arguments.traffic {
        Some(rate) => format!("{rate} visitors a second"),
        None => "none; add --traffic 5".into(),
    };
    rows.extend([
        ("mailbox".into(), format!("{url}/mailbox")),
        ("data".into(), data.display().to_string()),
        ("alarms".into(), format!("{alarms} watched")),
        ("traffic".into(), traffic),
    ]);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in rows {
        print::line(format_args!("  {name:<width$}  {value}"));
    }
    print::line("");
    print::line(format_args!(
        "Break it and get a mail:  {} fault counter --error-rate 1 --for 5m{}",
        us(),
        elsewhere(&url)
    ));
    print::line("Stop with Ctrl-C.");
}

/// How this program was called: after `cargo run` there is no `nightbell` on the path.
fn us() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "nightbell".into())
}

/// What the other commands need to find a console that is not at its usual address.
fn elsewhere(url: &str) -> String {
    match url {
        "http://127.0.0.1:5000" => String::new(),
        url => format!(" --url {url}"),
    }
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
