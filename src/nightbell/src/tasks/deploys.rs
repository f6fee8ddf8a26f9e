//! Notices what was deployed, for the rules of `mute`: new versions of the functions that the project
//! file names.
//!
//! The rules look at the labels `service`, `function` and `version`. A version is looked for as long
//! as a rule could still hold for it, and told to the journal once, whoever holds the lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::Kind;

use super::{Report, Task};
use crate::daemon::Daemon;
use crate::evidence::functions_of;

const PERIOD: Duration = Duration::from_secs(60);

/// The task.
pub struct Deploys(pub Arc<Daemon>);

#[async_trait]
impl Task for Deploys {
    fn name(&self) -> &'static str {
        "deploys"
    }

    async fn run(&self, _: Time) -> anyhow::Result<Report> {
        let daemon = &*self.0;
        let wake = daemon.now() + PERIOD;
        let duty = daemon.duty.as_ref();
        if duty.is_some_and(|duty| duty.lease().is_none()) {
            return Ok(Report {
                summary: "another daemon looks".into(),
                wake,
            });
        }
        let routes = daemon.estate.routes.as_ref();
        let Some((routes, longest)) =
            routes.and_then(|r| Some((r, r.mute.iter().map(|mute| mute.length).max()?)))
        else {
            return Ok(Report {
                summary: "the routes have no `mute`".into(),
                wake: wake + PERIOD * 60,
            });
        };
        let (mut found, mut failures) = (0, Vec::new());
        for (service, function) in functions_of(&daemon.estate) {
            let since = daemon.now() - longest;
            let deploys = match daemon.ports.operations.deploys(function, since).await {
                Ok(deploys) => deploys,
                // The file names one that is not there yet.
                Err(error) if error.kind == Kind::NotFound => continue,
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            };
            for deploy in deploys {
                let what = format!("{} {}", deploy.function, deploy.version);
                let labels = BTreeMap::from([
                    ("service".to_string(), service.to_string()),
                    ("function".to_string(), deploy.function),
                    ("version".to_string(), deploy.version),
                ]);
                let now = daemon.now();
                let told = daemon
                    .enter::<ports::Error>(|engine| {
                        Ok(engine.deploy(routes, &labels, (&what, deploy.at), now))
                    })
                    .await?;
                found += usize::from(told > 0);
            }
        }
        if found > 0 {
            daemon.respond.poke();
        }
        match failures.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(Report {
                summary: format!("noticed {found} new deploys"),
                wake,
            }),
        }
    }
}
