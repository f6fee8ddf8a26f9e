//! What the commands against an account share: the project's files, the account's ports, what is
//! desired and what is there.

pub mod adopt;
pub mod apply;
pub mod bill;
pub mod cost;
pub mod coverage;
pub mod fired;
pub mod import;
pub mod plan;
pub mod progress;
pub mod serve;
pub mod verify;

use std::path::PathBuf;

use local::SystemClock;
use model::{Estate, Level, Problem};
use planner::diff::Adopt;
use planner::{Observed, Plan, Quotas};
use ports::Clock;

use super::print::{self, note, styled};
use super::{Account, Exit, Global, data_folder, load};
use crate::cloud::{Cloud, connect};
use crate::reconcile::{Boards, Wish, observe};

/// A project and its account.
pub struct Session {
    /// What the files desire.
    pub estate: Estate,
    /// The account.
    pub cloud: Cloud,
    /// How fast calls are sent.
    pub quotas: Quotas,
    /// What the account should hold.
    pub wish: Wish,
    boards: Boards,
    kept_boards: PathBuf,
}

/// Runs a command with a session: reads, connects, discovers.
pub fn run<F>(global: &Global, account: &Account, command: F) -> Exit
where
    F: AsyncFnOnce(&mut Session) -> anyhow::Result<Exit>,
{
    let (root, estate, _) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if !cfg!(feature = "aws") {
        return lacking();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return unavailable(&error.into()),
    };
    let kept = data_folder(None, &root);
    runtime.block_on(async {
        let mut session = match Session::open(estate, account, kept).await {
            Ok(session) => session,
            Err(error) => return unavailable(&error),
        };
        if let Some(exit) = session.refused() {
            return exit;
        }
        match command(&mut session).await {
            Ok(exit) => exit,
            Err(error) => unavailable(&error),
        }
    })
}

/// This build has no AWS adapters.
pub fn lacking() -> Exit {
    note(format_args!(
        "{}: this build lacks the AWS adapters\n  help: build it with `cargo build --release --features aws`",
        styled(print::BAD, "error")
    ));
    Exit::Usage
}

/// The cloud did not answer, or refused.
pub fn unavailable(error: &anyhow::Error) -> Exit {
    note(format_args!("{}: {error:#}", styled(print::BAD, "error")));
    let denied = error
        .downcast_ref::<ports::Error>()
        .is_some_and(|e| e.kind == ports::Kind::Denied);
    if denied {
        note(
            "  help: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; docs/aws.md names the rights",
        );
    }
    Exit::Unavailable
}

impl Session {
    async fn open(estate: Estate, account: &Account, folder: PathBuf) -> anyhow::Result<Session> {
        let region = account.region.as_ref().unwrap_or(&estate.project.region);
        let cloud = connect(region).await?;
        let wish = Wish::of(&estate, &cloud, account.discover(), SystemClock.now()).await;
        for (kind, error) in &wish.unseen {
            warn(format_args!(
                "{} resources are not looked at: {}",
                kind.as_str(),
                chain(error)
            ));
        }
        let kept_boards = folder.join(format!("dashboards-{}.json", cloud.account));
        let boards = std::fs::read(&kept_boards).ok();
        let boards = boards.and_then(|text| serde_json::from_slice(&text).ok());
        let session = Session {
            quotas: Quotas {
                raised: account.quotas.iter().copied().collect(),
                ..Quotas::default()
            },
            wish,
            kept_boards,
            boards: boards.unwrap_or_default(),
            estate,
            cloud,
        };
        session.elsewhere();
        Ok(session)
    }

    /// Alarms of other Regions are planned one Region at a time.
    fn elsewhere(&self) {
        let home = &self.estate.project.region;
        let mut others: Vec<&str> = self
            .estate
            .alarms
            .iter()
            .map(|a| a.region.as_deref().unwrap_or(home))
            .filter(|r| *r != self.cloud.region)
            .collect();
        let count = others.len();
        others.sort_unstable();
        others.dedup();
        if let Some(first) = others.first() {
            note(format_args!(
                "{} in other Regions ({}) not looked at here; name one with --region {first}",
                print::count(count, "alarm"),
                others.join(", ")
            ));
        }
    }

    /// What CloudWatch cannot have is said before anything is asked of it.
    fn refused(&self) -> Option<Exit> {
        let problems = &self.wish.desired.problems;
        if problems.is_empty() {
            return None;
        }
        print::problems(std::path::Path::new("."), problems);
        let wrong = |p: &Problem| p.level == Level::Error;
        problems.iter().any(wrong).then_some(Exit::BadFile)
    }

    /// Looks at the account.
    pub async fn observe(&mut self) -> ports::Result<Observed> {
        let before = self.boards.clone();
        let now = SystemClock.now();
        let mut seen = observe(
            &*self.cloud.plane,
            &self.wish.desired,
            &mut self.boards,
            now,
        )
        .await?;
        if self.boards != before {
            self.keep_boards();
        }
        // Dashboards belong to the whole account: they are planned with the estate's own Region.
        if self.cloud.region != self.estate.project.region {
            seen.dashboards.clear();
        }
        Ok(seen)
    }

    /// Saves bodies, so that the next command fetches only what changed. Without it that one is
    /// slower, and nothing else.
    fn keep_boards(&self) {
        let Some(folder) = self.kept_boards.parent() else {
            return;
        };
        if let Ok(text) = serde_json::to_vec(&self.boards) {
            let _ = std::fs::create_dir_all(folder);
            let _ = std::fs::write(&self.kept_boards, text);
        }
    }

    /// What would change.
    pub fn plan(&self, observed: &Observed) -> Plan {
        self.plan_with(observed, Adopt::Nothing)
    }

    /// The same with some things taken over.
    pub fn plan_with(&self, observed: &Observed, adopt: Adopt) -> Plan {
        self.wish
            .plan(&self.estate, observed, adopt, SystemClock.now())
    }
}

/// A warning that does not end the command.
pub fn warn(text: impl std::fmt::Display) {
    note(format_args!("{}: {text}", styled(print::DOUBT, "warning")));
}

/// An error with everything behind it, in one line.
pub fn chain(error: &ports::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(why) = cause {
        text.push_str(&format!(": {why}"));
        cause = why.source();
    }
    text
}
