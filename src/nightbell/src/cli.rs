//! The command line: what can be typed, and the exit code that answers.

pub mod account;
pub mod backtest;
pub mod check;
pub mod client;
pub mod drill;
pub mod fault;
pub mod incident;
pub mod invalidations;
pub mod preview;
pub mod print;
pub mod route;
pub mod runbook;
pub mod test;
mod token;
pub mod up;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use evaluator::alarm::{Unjudged, Unsupported};

/// How a command ends, in the words of sysexits where it has some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 1: a check or a test found something.
    Found,
    /// 2: the plan has changes, where that was asked for.
    Changes,
    /// 64: the words on the command line are off.
    Usage,
    /// 65: a file cannot be used.
    BadFile,
    /// 69: what is needed does not answer.
    Unavailable,
    /// 70: a bug.
    Bug,
    /// 73: the data folder is locked, full or unwritable.
    DataFolder,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Found => 1,
            Exit::Changes => 2,
            Exit::Usage => 64,
            Exit::BadFile => 65,
            Exit::Unavailable => 69,
            Exit::Bug => 70,
            Exit::DataFolder => 73,
        }
    }
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightWhite.on_default().bold())
    .usage(AnsiColor::BrightWhite.on_default().bold())
    .literal(AnsiColor::Blue.on_default())
    .placeholder(AnsiColor::White.on_default());

/// Alarms, dashboards and runbooks as files in git, tested before they can page anybody.
#[derive(Debug, Parser)]
#[command(name = "nightbell", version, styles = STYLES, max_term_width = 100, after_help = "Start with `nightbell up`: everything on this machine, no account needed.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The project file; its folder holds alarms/, dashboards/ and runbooks/
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "nightbell.yaml",
        help_heading = "Global options"
    )]
    pub config: PathBuf,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// When to colour; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_name = "auto|always|never",
        hide_possible_values = true,
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub color: Color,
    /// Say more (twice: debug)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    /// Say only what is wrong
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Global options"
    )]
    pub quiet: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine: services, daemon, console, mailbox
    Up(Up),
    /// Break the local services on purpose
    Fault(Fault),
    /// Read every file: schema, references, lint; needs no credentials
    Check,
    /// Run the unit tests of alarms (`alarms/**/*.test.yaml`)
    Test(Test),
    /// Run alarms over their history: how often they would have fired, and with which threshold less
    Backtest(Backtest),
    /// Draw a dashboard to a file
    Preview(Preview),
    /// List what a CDN has to forget after a deployment of static files
    Invalidations(Invalidations),
    /// Look at incidents, take care of them, write down what was found
    Incident(incident::Incident),
    /// Check, show and work with runbooks
    Runbook(runbook::Runbook),
    /// Hold mails back for a while
    Silence(incident::Silence),
    /// Make, list and revoke tokens of the API
    Token(token::Token),
    /// Why somebody was told, or not
    Why(incident::Why),
    /// Flip an alarm and measure every stage until its mail is accepted
    Drill(drill::Drill),
    /// Who would be told of an alarm
    Route(route::Route),
    /// Show what would change in the account, why, and at what price
    Plan(PlanCommand),
    /// Make the account as the files say, or exactly as a saved plan does
    Apply(ApplyCommand),
    /// Take over alarms and dashboards that have a desired name and not our mark
    Adopt(AdoptCommand),
    /// Delete exactly what carries this estate's mark
    Destroy(DestroyCommand),
    /// Keep the account as the files say, and say what was changed by hand
    Serve(account::serve::ServeCommand),
    /// Write the account's alarms and dashboards as files whose plan is empty
    Import(ImportCommand),
    /// Say what is watched, what is not, and which alarm reaches nobody
    Coverage(CoverageCommand),
    /// Say what the estate's alarms and dashboards cost a month, or a plan of Terraform
    Cost(account::bill::Cost),
    /// Prove for every alarm that it reaches somebody
    Verify(AccountCommand),
    /// Print the JSON Schema of a file kind
    Schema {
        /// Which kind; without one, the kinds
        kind: Option<String>,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the version
    Version,
}

/// `nightbell up`
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = address)]
    pub listen: SocketAddr,
    /// The data folder [default: .nightbell beside the project file]
    #[arg(
        long,
        value_name = "DIR",
        env = "NIGHTBELL_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    /// Send this many visitors a second
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub traffic: Option<f64>,
}

/// `nightbell fault`
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Fault {
    /// End faults
    #[command(subcommand)]
    pub clear: Option<FaultClear>,
    /// Which service
    #[arg(required = true)]
    pub service: Option<String>,
    /// The share of its store calls that fail, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    pub error_rate: f64,
    /// What every store call waits first, for example 3s
    #[arg(long, value_name = "D", value_parser = duration)]
    pub latency: Option<Duration>,
    /// For how long
    #[arg(long = "for", value_name = "D", default_value = "5m", value_parser = duration)]
    pub length: Duration,
    /// The console of the running `nightbell up` [default: console_url of the project file]
    #[arg(long, value_name = "URL", global = true)]
    pub url: Option<String>,
}

/// `nightbell fault clear`
#[derive(Debug, Clone, Subcommand)]
pub enum FaultClear {
    /// End all faults, or those of one service
    Clear {
        /// Which service
        service: Option<String>,
    },
}

/// `nightbell test`
#[derive(Debug, Clone, Args)]
pub struct Test {
    /// Test files or folders [default: all]
    pub paths: Vec<PathBuf>,
    /// Only tests whose name matches
    #[arg(long, value_name = "REGEX")]
    pub run: Option<String>,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the transitions that were seen into `expect_transitions` of failing tests
    #[arg(long)]
    pub bless: bool,
    /// Show which alarms some test brings to ALARM and back to OK
    #[arg(long)]
    pub coverage: bool,
    /// Fail when fewer alarms are covered, in percent
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub min_coverage: Option<f64>,
}

/// `nightbell backtest`
#[derive(Debug, Clone, Args)]
pub struct Backtest {
    /// Which alarms; a composite is backtested with its children, an objective as its alarms
    #[arg(required = true, value_name = "ALARM")]
    pub alarms: Vec<String>,
    /// A file of values (CSV `timestamp,value`, or GetMetricData's JSON), or the data folder of
    /// `nightbell up` [default: .nightbell beside the project file]
    #[arg(
        long,
        value_name = "FILE",
        env = "NIGHTBELL_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    /// How far back; a file is taken whole
    #[arg(long, value_name = "D", default_value = "14d", value_parser = duration)]
    pub last: Duration,
    /// Where the values come from, unless `--data` is a file
    #[arg(long, value_name = "WHERE", default_value = "local")]
    pub from: Source,
}

/// `invalidations`
#[derive(Debug, Args)]
pub struct Invalidations {
    /// What was there: a folder, or a manifest that `--write` wrote
    pub before: PathBuf,
    /// What is there now: the same
    pub after: PathBuf,
    /// Keep what is there now as a manifest, for the next time
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// `nightbell preview`
#[derive(Debug, Clone, Args)]
pub struct Preview {
    /// Which dashboard
    pub dashboard: String,
    /// Where to: a file ending in .svg, .png or .html [default: standard output, SVG]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The data folder of `nightbell up` [default: .nightbell beside the project file]
    #[arg(
        long,
        value_name = "DIR",
        env = "NIGHTBELL_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    /// How far back
    #[arg(long, value_name = "D", default_value = "3h", value_parser = duration)]
    pub last: Duration,
    /// Where the data come from
    #[arg(long, value_name = "WHERE", default_value = "local")]
    pub from: Source,
}

/// Where data come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The local store of `nightbell up`.
    Local,
    /// CloudWatch, with the credentials and region that every AWS tool takes.
    Aws,
}

/// What holds for every command against an account.
#[derive(Debug, Clone, Args)]
pub struct Account {
    /// Which Region [default: that of the project file]
    #[arg(long, value_name = "REGION", help_heading = "Account options")]
    pub region: Option<String>,
    /// Where the account's quota was raised, for example PutMetricAlarm=20 (calls a second)
    #[arg(long = "quota", value_name = "API=RATE", value_parser = quota, help_heading = "Account options")]
    pub quotas: Vec<(planner::Api, f64)>,
    /// Leave out the default alarms of resources that no file names
    #[arg(long, help_heading = "Account options")]
    pub no_discover: bool,
}

impl Account {
    /// Whether resources are looked for.
    pub fn discover(&self) -> crate::reconcile::Discover {
        match self.no_discover {
            true => crate::reconcile::Discover::No,
            false => crate::reconcile::Discover::Yes,
        }
    }
}

/// `nightbell plan`
#[derive(Debug, Clone, Args)]
pub struct PlanCommand {
    /// How often changed alarms would have fired over so long, before and after
    #[arg(long, value_name = "D", value_parser = duration)]
    pub backtest: Option<Duration>,
    /// Save the plan, for `nightbell apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print Markdown for a pull request
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// `nightbell apply`
#[derive(Debug, Clone, Args)]
pub struct ApplyCommand {
    /// A saved plan; it is applied exactly, or refused because the account moved
    pub plan: Option<PathBuf>,
    /// Ask nobody
    #[arg(long)]
    pub yes: bool,
    /// Do not wait until new alarms have settled; say what stays mute and exit with 69
    #[arg(long)]
    pub no_wait: bool,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// `nightbell adopt`
#[derive(Debug, Clone, Args)]
pub struct AdoptCommand {
    /// Which
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Ask nobody
    #[arg(long)]
    pub yes: bool,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// `nightbell destroy`
#[derive(Debug, Clone, Args)]
pub struct DestroyCommand {
    /// Ask nobody
    #[arg(long)]
    pub yes: bool,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// `nightbell import`
#[derive(Debug, Clone, Args)]
pub struct ImportCommand {
    /// Where to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// The estate's name, where there is no project file yet
    #[arg(long, value_name = "NAME", default_value = "imported")]
    pub estate: String,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// `nightbell coverage`
#[derive(Debug, Clone, Args)]
pub struct CoverageCommand {
    /// Exit with 1 when less is covered, in percent
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub min: Option<f64>,
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

/// A command that only needs an account.
#[derive(Debug, Clone, Args)]
pub struct AccountCommand {
    /// Where.
    #[command(flatten)]
    pub account: Account,
}

fn quota(text: &str) -> Result<(planner::Api, f64), String> {
    let expected = || "expected API=RATE such as PutMetricAlarm=20".to_owned();
    let (api, rate) = text.split_once('=').ok_or_else(expected)?;
    let rate = number(rate, 0.01, 100_000.0).ok_or_else(expected)?;
    let api = serde_json::from_value(api.into())
        .map_err(|_| format!("`{api}` is no API that Nightbell sends to"))?;
    Ok((api, rate))
}

fn duration(text: &str) -> Result<Duration, String> {
    model::time::parse_duration(text)
        .ok_or_else(|| "expected a duration such as 30s, 5m or 1h30m".into())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected ADDRESS:PORT such as 127.0.0.1:5000".into())
}

fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1.0).ok_or_else(|| "expected a number from 0 to 1".into())
}

fn percent(text: &str) -> Result<f64, String> {
    number(text, 0.0, 100.0).ok_or_else(|| "expected a number from 0 to 100".into())
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.001, 10_000.0)
        .ok_or_else(|| "expected visitors a second, from 0.001 to 10000".into())
}

fn number(text: &str, low: f64, high: f64) -> Option<f64> {
    text.parse().ok().filter(|n| (low..=high).contains(n))
}

/// Runs a command.
pub fn run(cli: Cli) -> Exit {
    match cli.global.color {
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
        Color::Auto => {}
    }
    let global = cli.global;
    match cli.command {
        Command::Up(arguments) => up::run(&global, &arguments),
        Command::Fault(arguments) => fault::run(&global, &arguments),
        Command::Check => check::run(&global),
        Command::Test(arguments) => test::run(&global, &arguments),
        Command::Backtest(arguments) => backtest::run(&global, &arguments),
        Command::Preview(arguments) => preview::run(&global, &arguments),
        Command::Invalidations(arguments) => invalidations::run(&global, &arguments),
        Command::Incident(arguments) => incident::incident(&global, &arguments),
        Command::Runbook(arguments) => runbook::run(&global, &arguments),
        Command::Silence(arguments) => incident::silence(&global, &arguments),
        Command::Token(arguments) => token::run(&global, &arguments),
        Command::Why(arguments) => incident::why(&global, &arguments),
        Command::Drill(arguments) => drill::run(&global, &arguments),
        Command::Route(arguments) => route::run(&global, &arguments),
        Command::Plan(arguments) => account::plan::run(&global, &arguments),
        Command::Apply(arguments) => account::apply::run(&global, &arguments),
        Command::Adopt(arguments) => account::adopt::run(&global, &arguments),
        Command::Destroy(arguments) => account::apply::destroy(&global, &arguments),
        Command::Serve(arguments) => account::serve::run(&global, &arguments),
        Command::Import(arguments) => account::import::run(&global, &arguments),
        Command::Coverage(arguments) => account::coverage::run(&global, &arguments),
        Command::Cost(arguments) => account::bill::run(&global, &arguments),
        Command::Verify(arguments) => account::verify::run(&global, &arguments),
        Command::Schema { kind } => schema(kind.as_deref()),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "nightbell",
                &mut std::io::stdout(),
            );
            Exit::Done
        }
        Command::Man => {
            match clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()) {
                Ok(()) => Exit::Done,
                Err(_) => Exit::Bug,
            }
        }
        Command::Version => {
            let aws = if cfg!(feature = "aws") {
                "with"
            } else {
                "without"
            };
            print::line(format_args!(
                "nightbell {} ({aws} the AWS adapters)",
                env!("CARGO_PKG_VERSION")
            ));
            Exit::Done
        }
    }
}

fn schema(kind: Option<&str>) -> Exit {
    use model::schema::Kind;
    let known = || Kind::ALL.iter().map(|k| k.as_str());
    match kind {
        None => {
            known().for_each(print::line);
            Exit::Done
        }
        Some(name) => match Kind::ALL.iter().find(|k| k.as_str() == name) {
            Some(kind) => {
                print::line(format_args!("{:#}", model::schema::json_schema(*kind)));
                Exit::Done
            }
            None => {
                let near = model::problem::nearest(name, known())
                    .map(|n| format!("; did you mean `{n}`?"));
                print::note(format_args!(
                    "{}: there is no file kind `{name}`{}\n  known kinds: {}",
                    print::styled(print::BAD, "error"),
                    near.unwrap_or_default(),
                    known().collect::<Vec<_>>().join(", ")
                ));
                Exit::Usage
            }
        },
    }
}

/// Reads the project and prints its problems; `Err` when it cannot be used.
fn load(global: &Global) -> Result<Loaded, Exit> {
    let files = crate::files::read(&global.config);
    let loaded = model::load::estate(&files.files, &crate::services::declared());
    let mut problems = files.problems;
    problems.extend(files.remote.iter().map(|(kind, source)| {
        let place = model::Place::file(global.config.display().to_string());
        let message = format!("{kind} stand in {source}, which only `nightbell serve` reads");
        model::Problem::error(place, message)
            .help("run this in a checkout of the files, with folders as sources")
    }));
    // That a file is missing is said once, by whoever tried to open it.
    let unread: Vec<String> = problems.iter().map(|p| p.place.file.clone()).collect();
    problems.extend(
        loaded
            .problems
            .into_iter()
            .filter(|p| p.place.line > 0 || !unread.contains(&p.place.file)),
    );
    problems.extend(loaded.estate.iter().flat_map(not_done));
    problems.extend(linted(loaded.estate.as_ref()));
    problems.sort();
    Ok(Loaded {
        root: files.root,
        estate: loaded.estate,
        suites: loaded.suites,
        problems,
    })
}

/// What the files ask for and this version does not do. It is read and shown, but nobody may
/// believe that it watches or tells.
fn not_done(estate: &model::Estate) -> Vec<model::Problem> {
    let warn = |place: &model::Place, message: String, help: &str| {
        model::Problem::warning(place.clone(), message).help(help)
    };
    let alarms = estate.alarms.iter().filter_map(|spec| {
        evaluator::alarm::source(&spec.kind).err().and_then(|why| {
            let (why, help) = match &why {
                // Composites are judged, and what is invalid is an error of lint.
                Unjudged::Composite => return None,
                Unjudged::Math(_) if why.is_invalid() => return None,
                Unjudged::Math(fault) => (
                    format!("metric math: {fault}"),
                    "it works in AWS; test it with `nightbell test` as far as it goes",
                ),
                Unjudged::Unsupported(Unsupported::Band) => (
                    "the model behind an anomaly band is Amazon's, and no recorded band can be replayed here".into(),
                    "it works in AWS; watch a number here as well, if local mode has to ring",
                ),
            };
            let message = format!("alarm `{}` stays INSUFFICIENT_DATA in local mode: {why}", spec.name);
            Some(warn(&spec.place, message, help))
        })
    });
    let routes = estate.routes.iter().flat_map(|routes| {
        let place = &routes.root.place;
        routes.receivers.iter().filter_map(move |(name, receiver)| {
            if crate::channels::channels(receiver).is_empty() {
                let message = format!("receiver `{name}` is never told: it has no topic, mail or webhook");
                return Some(warn(place, message, "give it a topic with `sns:`"));
            }
            let template = receiver.webhook.as_ref()?.template.as_deref()?;
            (!crate::channels::TEMPLATES.contains(&template)).then(|| {
                let message = format!("receiver `{name}` is never told over its webhook: there is no template `{template}`");
                warn(place, message, "there is `slack`; without a template the body is our own")
            })
        })
    });
    alarms.chain(routes).collect()
}

/// Alarms that can be evaluated but will not do what they are meant to.
fn linted(estate: Option<&model::Estate>) -> Vec<model::Problem> {
    let Some(estate) = estate else {
        return Vec::new();
    };
    let declared = crate::services::declared();
    let ground = evaluator::lint::Ground {
        declared: &declared,
        routes: estate.routes.as_ref(),
    };
    let alarms = estate.alarms.iter();
    let rules = evaluator::composite::Settings::default();
    alarms
        .flat_map(|spec| {
            let mut found = evaluator::lint::lint(spec, &ground);
            found.extend(evaluator::composite::lint(spec, &rules));
            found
        })
        .chain(evaluator::composite::lint_together(&estate.alarms, &rules))
        .collect()
}

/// The project as read.
struct Loaded {
    root: PathBuf,
    estate: Option<model::Estate>,
    suites: Vec<model::suite::Suite>,
    problems: Vec<model::Problem>,
}

impl Loaded {
    fn errors(&self) -> usize {
        self.problems
            .iter()
            .filter(|p| p.level == model::Level::Error)
            .count()
    }

    /// The estate, when nothing is wrong with it; else prints what is.
    fn usable(
        self,
        global: &Global,
    ) -> Result<(PathBuf, model::Estate, Vec<model::suite::Suite>), Exit> {
        let errors = self.errors();
        match self.estate {
            Some(estate) if errors == 0 => Ok((self.root, estate, self.suites)),
            _ => {
                if global.json {
                    print::line(serde_json::json!({ "problems": self.problems }));
                } else {
                    print::problems(&self.root, &self.problems);
                    print::note(format_args!(
                        "{}: {} in the project's files; `nightbell check` shows them all",
                        print::styled(print::BAD, "error"),
                        print::count(errors, "error")
                    ));
                }
                Err(Exit::BadFile)
            }
        }
    }
}

/// The folder of local data: `--data`, `$NIGHTBELL_DATA`, or `.nightbell` beside the project file.
fn data_folder(given: Option<&PathBuf>, root: &std::path::Path) -> PathBuf {
    given.cloned().unwrap_or_else(|| root.join(".nightbell"))
}

/// The exit code of a failed start, with its chain printed once.
fn failed(error: &anyhow::Error) -> Exit {
    print::note(format_args!(
        "{}: {error:#}",
        print::styled(print::BAD, "error")
    ));
    let port = error.downcast_ref::<ports::Error>().map(|e| e.kind);
    match port {
        Some(_) => Exit::DataFolder,
        None if error.downcast_ref::<std::io::Error>().is_some() => Exit::Unavailable,
        None => Exit::Bug,
    }
}
