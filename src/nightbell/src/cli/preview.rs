//! `nightbell preview`: draws a dashboard with the data of the local store, or of CloudWatch.

use std::path::Path;
use std::sync::Arc;

use local::SystemClock;
use model::Span;
use ports::Clock;
use render::dashboard::{Board, Data};

use super::print::{self, note, styled};
use super::{Exit, Global, Preview, Source, data_folder, failed, load};

/// Draws to a file or to standard output.
pub fn run(global: &Global, arguments: &Preview) -> Exit {
    let (root, estate, _) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let Some(dashboard) = estate.dashboard(&arguments.dashboard) else {
        let names: Vec<&str> = estate.dashboards.iter().map(|d| d.name.as_str()).collect();
        note(format_args!(
            "{}: there is no dashboard `{}`\n  known: {}",
            styled(print::BAD, "error"),
            arguments.dashboard,
            names.join(", ")
        ));
        return Exit::Usage;
    };
    let format = match Format::of(arguments.output.as_deref()) {
        Ok(format) => format,
        Err(why) => {
            note(format_args!("{}: {why}", styled(print::BAD, "error")));
            return Exit::Usage;
        }
    };
    let body = crate::picture::annotated(&dashboard.body, &estate);
    let (board, problems) = Board::parse(&body);
    for problem in problems {
        note(format_args!(
            "{}: {problem}",
            styled(print::DOUBT, "warning")
        ));
    }
    let data = data_folder(arguments.data.as_ref(), &root);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let filled = match arguments.from {
        Source::Local => match runtime.block_on(fill(&board, &data, arguments)) {
            Ok(filled) => filled,
            Err(error) => return failed(&error),
        },
        Source::Aws => match from_aws(&runtime, &board, &estate.project.region, arguments) {
            Ok(filled) => filled,
            Err(exit) => return exit,
        },
    };
    let of = |theme| Data {
        theme,
        ..filled.clone()
    };
    let drawn = match format {
        Format::Svg => board.svg(&of(render::Theme::Standalone)).into_bytes(),
        Format::Html => board.page(&dashboard.name, &filled).into_bytes(),
        Format::Png => match crate::png::png(&board.svg(&of(render::Theme::Light))) {
            Ok(drawn) => drawn,
            Err(error) => return failed(&error.into()),
        },
    };
    let Some(output) = &arguments.output else {
        print::line(String::from_utf8_lossy(&drawn));
        return Exit::Done;
    };
    match std::fs::write(output, drawn) {
        Ok(()) => Exit::Done,
        Err(error) => {
            note(format_args!(
                "{}: cannot write {}: {error}",
                styled(print::BAD, "error"),
                output.display()
            ));
            Exit::BadFile
        }
    }
}

/// What is written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Svg,
    Html,
    Png,
}

impl Format {
    /// By the file's ending; standard output gets SVG. The error says what can be given.
    fn of(output: Option<&Path>) -> Result<Format, String> {
        let Some(output) = output else {
            return Ok(Format::Svg);
        };
        match output.extension().and_then(|e| e.to_str()) {
            Some("svg") => Ok(Format::Svg),
            Some("html") => Ok(Format::Html),
            Some("png") => Ok(Format::Png),
            _ => Err(format!(
                "`{}` ends in none of .svg, .png and .html",
                output.display()
            )),
        }
    }
}

async fn fill(board: &Board, data: &Path, arguments: &Preview) -> anyhow::Result<Data> {
    let clock = Arc::new(SystemClock);
    let now = clock.now();
    let span = Span::last(arguments.last, now);
    let mut filled = Data::new(span);
    if !data.join("nightbell.db").exists() {
        note("no local data yet; the dashboard is drawn empty (`nightbell up` makes some)");
        return Ok(filled);
    }
    let store = local::Store::open(data, clock, local::Limits::default())?;
    crate::picture::fill(board, &mut filled, &store.metrics(), &store.alarms()).await;
    crate::picture::fill_logs(board, &mut filled, &store.logs()).await;
    store.close().await?;
    Ok(filled)
}

#[cfg(feature = "aws")]
fn from_aws(
    runtime: &tokio::runtime::Runtime,
    board: &Board,
    region: &str,
    arguments: &Preview,
) -> Result<Data, Exit> {
    let mut filled = Data::new(Span::last(arguments.last, SystemClock.now()));
    runtime.block_on(async {
        let config = aws::connect(aws::Settings {
            region: Some(region.to_string()),
            ..aws::Settings::default()
        })
        .await;
        let cloudwatch = aws::CloudWatch::new(&config);
        crate::picture::fill(board, &mut filled, &cloudwatch, &cloudwatch).await;
        crate::picture::fill_logs(board, &mut filled, &aws::Logs::new(&config)).await;
    });
    Ok(filled)
}

#[cfg(not(feature = "aws"))]
fn from_aws(
    _runtime: &tokio::runtime::Runtime,
    _board: &Board,
    _region: &str,
    _arguments: &Preview,
) -> Result<Data, Exit> {
    note(format_args!(
        "{}: this build lacks the AWS adapters\n  help: build it with `cargo build --release --features aws`",
        styled(print::BAD, "error")
    ));
    Err(Exit::Usage)
}
