//! What an account should hold: the files, and default alarms of what is there.

use std::collections::BTreeSet;

use model::observed::{ObservedAlarm, Resource, ResourceKind};
use model::{AlarmSpec, Estate, Time};
use planner::coverage::{Coverage, Published, body_metrics, coverage};
use planner::desired::{Bell, Settings};
use planner::diff::{Adopt, Prune};
use planner::packs::PackAlarm;
use planner::{Desired, Observed, Options, Owner, Plan};
use ports::MetricFilter;

use crate::cloud::Cloud;

/// What an account should hold, and what that rests on.
#[derive(Debug)]
pub struct Wish {
    /// What was discovered.
    pub resources: Vec<Resource>,
    /// What could not be listed. Then default alarms are not deleted either: what was not seen
    /// may still be there.
    pub unseen: Vec<(ResourceKind, ports::Error)>,
    /// Whether it was looked at all.
    pub discover: Discover,
    /// The default alarms of what was discovered.
    pub packed: Vec<PackAlarm>,
    /// All of it.
    pub desired: Desired,
}

/// Whether resources are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discover {
    /// By the list APIs.
    Yes,
    /// Only what the files name is watched.
    No,
}

impl Wish {
    /// Discovers, and adds default alarms to what the files say.
    pub async fn of(estate: &Estate, cloud: &Cloud, discover: Discover, now: Time) -> Wish {
        let mut resources = Vec::new();
        let mut unseen = Vec::new();
        if discover == Discover::Yes {
            let inventory = cloud.inventory();
            let inventory = &inventory;
            let listed = ResourceKind::ALL
                .iter()
                .map(|kind| async move { (*kind, inventory.resources(*kind).await) });
            for (kind, listed) in futures::future::join_all(listed).await {
                match listed {
                    Ok(found) => resources.extend(found),
                    Err(error) => unseen.push((kind, error)),
                }
            }
        }
        let packed = planner::packs::alarms(&resources, estate, now).alarms;
        Wish {
            desired: desired(estate, &packed, cloud),
            resources,
            unseen,
            discover,
            packed,
        }
    }

    /// Whether everything was seen.
    pub fn complete(&self) -> bool {
        self.discover == Discover::Yes && self.unseen.is_empty()
    }

    /// What is watched and what is not.
    pub async fn coverage(
        &self,
        estate: &Estate,
        cloud: &Cloud,
        observed: &Observed,
        now: Time,
    ) -> ports::Result<Coverage> {
        let packed = self.packed.iter().map(|p| &p.spec);
        let specs: Vec<&AlarmSpec> = estate.alarms.iter().chain(packed).collect();
        let others: Vec<&ObservedAlarm> = observed
            .alarms
            .iter()
            .filter(|a| observed.owner(&a.arn, &self.desired.estate) != Owner::Ours)
            .collect();
        // CloudWatch lists what was published in the last two weeks, and does not say when.
        let bodies = self.desired.alarms.values();
        let names: BTreeSet<(String, String)> = bodies
            .flat_map(|a| body_metrics(&a.body))
            .map(|m| (m.namespace, m.name))
            .collect();
        let mut published = Published::new();
        for (namespace, name) in names {
            let filter = MetricFilter {
                namespace: Some(namespace),
                name: Some(name),
                ..MetricFilter::default()
            };
            let listed = cloud.metrics.list(&filter).await?;
            published.extend(listed.into_iter().map(|metric| (metric, now)));
        }
        Ok(coverage(
            estate,
            &specs,
            &others,
            &self.resources,
            Some(&published),
            now,
        ))
    }

    /// What would change.
    pub fn plan(&self, estate: &Estate, observed: &Observed, adopt: Adopt, now: Time) -> Plan {
        let project = &estate.project;
        let options = Options {
            now,
            adopt,
            prune: match self.complete() {
                true => Prune::All,
                false => Prune::NotPacks,
            },
            overrides: &project.overrides,
            budget: project.budget,
        };
        planner::plan(&self.desired, observed, &options)
    }
}

fn desired(estate: &Estate, packs: &[PackAlarm], cloud: &Cloud) -> Desired {
    let settings = Settings {
        account: cloud.account.clone(),
        region: cloud.region.clone(),
        partition: cloud.partition.clone(),
        bell: Bell::Hung,
    };
    let mut desired = planner::desired(estate, packs, &settings);
    // Dashboards belong to the whole account: they are planned with the estate's own Region.
    if cloud.region != estate.project.region {
        desired.dashboards.clear();
    }
    desired
}
