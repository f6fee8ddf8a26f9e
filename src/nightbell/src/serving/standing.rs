//! The half that receives and responds, for as long as the process lives, against an account and on
//! this machine: when the files change, it is begun anew with what they say then.
//!
//! That is a restart without the process: its memory is the journal, so that nobody is told twice and
//! nothing is lost. Files that cannot be used change nothing; what was there before goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use model::Estate;
use ports::Objects;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Options, Serving};
use crate::daemon::Daemon;
use crate::tasks::Status;

/// How long until a beginning that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Makes what answers requests from what runs.
pub type Dress = Box<dyn Fn(&Serving) -> Router + Send + Sync>;

/// Begins with an estate, in the place of what ended before; runs until the token is cancelled.
pub type Begin = Box<
    dyn Fn(
            Option<Arc<Daemon>>,
            Estate,
            CancellationToken,
        ) -> BoxFuture<'static, anyhow::Result<Serving>>
        + Send
        + Sync,
>;

/// It.
pub struct Standing {
    begin: Begin,
    stop: CancellationToken,
    dress: Dress,
    /// What runs, and what ends it.
    running: tokio::sync::Mutex<Option<(Serving, CancellationToken)>>,
    daemon: Mutex<Arc<Daemon>>,
    /// What the files said when it was begun.
    desired: Mutex<Estate>,
    router: RwLock<Router>,
}

impl Standing {
    /// Begins with the files of the options; ends when the token is cancelled.
    pub async fn start(
        options: Options,
        stop: &CancellationToken,
        dress: Dress,
    ) -> anyhow::Result<Arc<Standing>> {
        let estate = options.estate.clone();
        let begin: Begin = Box::new(move |before, estate, token| {
            let options = Options {
                estate,
                ..options.clone()
            };
            Box::pin(async move {
                match before {
                    None => Serving::start(options, &token).await,
                    Some(before) => Serving::start_after(&before, options, &token).await,
                }
            })
        });
        Standing::of(estate, begin, stop, dress).await
    }

    /// The same of whatever can be begun.
    pub async fn of(
        estate: Estate,
        begin: Begin,
        stop: &CancellationToken,
        dress: Dress,
    ) -> anyhow::Result<Arc<Standing>> {
        let token = stop.child_token();
        let serving = begin(None, estate.clone(), token.clone()).await?;
        Ok(Arc::new(Standing {
            daemon: Mutex::new(serving.daemon.clone()),
            desired: Mutex::new(estate),
            router: RwLock::new(dress(&serving)),
            running: tokio::sync::Mutex::new(Some((serving, token))),
            stop: stop.clone(),
            begin,
            dress,
        }))
    }

    /// What its tasks and pages share at present.
    pub fn daemon(&self) -> Arc<Daemon> {
        let daemon = self.daemon.lock();
        daemon.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A router that hands each request to what runs then.
    pub fn router(self: &Arc<Standing>) -> Router {
        let standing = self.clone();
        Router::new().fallback(move |request: Request| {
            let standing = standing.clone();
            async move { standing.answer(request).await }
        })
    }

    async fn answer(&self, request: Request) -> Response {
        let router = self.router.read();
        let router = router.unwrap_or_else(PoisonError::into_inner).clone();
        match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Begins anew with another estate; whether it was another one. What is under way ends first, so
    /// that never two of us decide.
    pub async fn renew(&self, estate: Estate) -> bool {
        let mut running = self.running.lock().await;
        let before = self.daemon();
        if self.stop.is_cancelled() {
            return false;
        }
        {
            let desired = self.desired.lock();
            let mut desired = desired.unwrap_or_else(PoisonError::into_inner);
            if *desired == estate {
                return false;
            }
            *desired = estate.clone();
        }
        if let Some((serving, token)) = running.take() {
            token.cancel();
            serving.stopped().await;
        }
        while !self.stop.is_cancelled() {
            let token = self.stop.child_token();
            match (self.begin)(Some(before.clone()), estate.clone(), token.clone()).await {
                Ok(serving) => {
                    let daemon = self.daemon.lock();
                    *daemon.unwrap_or_else(PoisonError::into_inner) = serving.daemon.clone();
                    let router = self.router.write();
                    *router.unwrap_or_else(PoisonError::into_inner) = (self.dress)(&serving);
                    // Open pages look again, and find what is there now.
                    before.live.end();
                    *running = Some((serving, token));
                    return true;
                }
                Err(error) => {
                    token.cancel();
                    let error = format!("{error:#}");
                    tracing::warn!(error, "it cannot be begun with the changed files yet");
                    tokio::select! {
                        () = before.clock.sleep_until(before.now() + AGAIN) => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        }
        true
    }

    /// Reads the files whenever they changed, until the process ends.
    pub async fn follow(
        self: Arc<Standing>,
        config: PathBuf,
        objects: Arc<dyn Objects>,
        mut changed: watch::Receiver<u64>,
    ) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                change = changed.changed() => if change.is_err() { return },
            }
            match crate::files::estate(&config, &*objects).await {
                Ok(estate) => {
                    if self.renew(estate).await {
                        tracing::info!(
                            "the files changed: alarms, routes and runbooks are the new ones"
                        );
                        if let Ok(suites) = crate::files::suites(&config, &*objects).await {
                            crate::proofs::test_behind(self.daemon(), suites);
                        }
                    }
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        "the files changed and cannot be used; what was there before goes on"
                    );
                }
            }
        }
    }

    /// Shows the statuses of other tasks beside its own.
    pub async fn show(&self, statuses: BTreeMap<&'static str, watch::Receiver<Status>>) {
        if let Some((serving, _)) = &*self.running.lock().await {
            serving.show(statuses);
        }
    }

    /// Waits until nothing runs any more, then gives the lease back.
    pub async fn stopped(&self) {
        if let Some((serving, _)) = self.running.lock().await.take() {
            serving.stopped().await;
        }
    }

    /// Waits until no task runs or is due. For tests on a stepped clock.
    pub async fn settled(&self) {
        if let Some((serving, _)) = &*self.running.lock().await {
            serving.settled().await;
        }
    }

    /// Waits for each task once; whether all were at rest together then.
    pub async fn settles(&self) -> bool {
        match &*self.running.lock().await {
            Some((serving, _)) => serving.settles().await,
            None => true,
        }
    }
}
