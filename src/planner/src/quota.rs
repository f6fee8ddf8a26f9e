//! The published API quotas: how long a plan takes, and how fast it may be sent.
//!
//! Source: "CloudWatch service quotas" in the CloudWatch user guide, requests a second for an
//! account in a Region, read 2026-11; they can be raised. Others use the same account, so that
//! only a share of each is ours.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Time;
use serde::{Deserialize, Serialize};

/// The calls that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Api {
    /// 100 alarms a page.
    DescribeAlarms,
    /// What happened to actions.
    DescribeAlarmHistory,
    /// One alarm.
    PutMetricAlarm,
    /// One composite.
    PutCompositeAlarm,
    /// 100 alarms, or one composite.
    DeleteAlarms,
    /// 100 alarms.
    EnableAlarmActions,
    /// 100 alarms.
    DisableAlarmActions,
    /// One alarm.
    SetAlarmState,
    /// One page of dashboards.
    ListDashboards,
    /// One body.
    GetDashboard,
    /// One body.
    PutDashboard,
    /// Several names.
    DeleteDashboards,
    /// One resource.
    TagResource,
    /// One resource.
    UntagResource,
    /// One resource.
    ListTagsForResource,
    /// 100 resources a page (Resource Groups Tagging API).
    GetResources,
    /// 500 queries.
    GetMetricData,
    /// 500 metrics a page.
    ListMetrics,
    /// One topic (SNS).
    GetTopicAttributes,
    /// One page (CloudTrail).
    LookupEvents,
}

impl Api {
    /// Requests a second that AWS publishes for an account in a Region.
    pub const fn published(self) -> f64 {
        match self {
            Api::DescribeAlarms => 9.0,
            Api::DescribeAlarmHistory
            | Api::PutMetricAlarm
            | Api::PutCompositeAlarm
            | Api::DeleteAlarms
            | Api::EnableAlarmActions
            | Api::DisableAlarmActions
            | Api::SetAlarmState => 3.0,
            Api::ListDashboards | Api::GetDashboard | Api::PutDashboard | Api::DeleteDashboards => {
                10.0
            }
            // Not in the table; the rate that the tagging API publishes.
            Api::TagResource | Api::UntagResource | Api::ListTagsForResource => 5.0,
            Api::GetResources => 15.0,
            Api::GetMetricData => 50.0,
            Api::ListMetrics => 25.0,
            Api::GetTopicAttributes => 30.0,
            Api::LookupEvents => 2.0,
        }
    }
}

/// How much of the published quotas is ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quotas {
    /// The share that is used, above 0 up to 1.
    pub share: f64,
    /// Requests a second where the account's quota was raised.
    pub raised: BTreeMap<Api, f64>,
}

impl Default for Quotas {
    /// Two thirds: 2 of 3 writes a second, so that a deployment beside us gets through.
    fn default() -> Quotas {
        Quotas {
            share: 2.0 / 3.0,
            raised: BTreeMap::new(),
        }
    }
}

impl Quotas {
    /// Requests a second that are ours.
    pub fn rate(&self, api: Api) -> f64 {
        let published = self.raised.get(&api).copied();
        (published.unwrap_or(api.published()) * self.share).max(0.01)
    }
}

/// How long calls take at our rates. Kinds of call are sent one after the other, as `apply` does,
/// because composites must find their children.
pub fn schedule(calls: impl IntoIterator<Item = Api>, quotas: &Quotas) -> Duration {
    let mut budget = Budget::new(quotas.clone());
    let mut now = Time::EPOCH;
    for api in calls {
        now = now + budget.take(api, now);
    }
    now.since(Time::EPOCH)
}

/// A token bucket for each kind of call. It holds one second's worth, at least one call.
#[derive(Debug, Clone)]
pub struct Budget {
    quotas: Quotas,
    buckets: BTreeMap<Api, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Time,
    /// 1 when all is well; halved by each throttling, and mended slowly.
    pace: f64,
}

impl Budget {
    /// Full buckets.
    pub fn new(quotas: Quotas) -> Budget {
        Budget {
            quotas,
            buckets: BTreeMap::new(),
        }
    }

    /// Takes the next call of a kind: how long to wait before it is sent.
    pub fn take(&mut self, api: Api, now: Time) -> Duration {
        let rate = self.quotas.rate(api);
        let full = rate.max(1.0);
        let bucket = self.buckets.entry(api).or_insert(Bucket {
            tokens: full,
            at: now,
            pace: 1.0,
        });
        let rate = rate * bucket.pace;
        let passed = now.since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * rate).min(full) - 1.0;
        bucket.at = bucket.at.max(now);
        bucket.pace = (bucket.pace * 1.05).min(1.0);
        if bucket.tokens >= 0.0 {
            Duration::ZERO
        } else {
            // Whole milliseconds, rounded up, so that waiting that long is enough.
            Duration::from_millis((-bucket.tokens / rate * 1000.0).ceil() as u64)
        }
    }

    /// AWS throttled a call: others use the quota too, so we take half as much for a while.
    pub fn throttled(&mut self, api: Api) {
        if let Some(bucket) = self.buckets.get_mut(&api) {
            bucket.pace = (bucket.pace / 2.0).max(0.05);
            bucket.tokens = bucket.tokens.min(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_calls_than_our_share() {
        let quotas = Quotas::default();
        let mut budget = Budget::new(quotas.clone());
        let mut now = Time::EPOCH;
        let mut sent: Vec<Time> = Vec::new();
        for _ in 0..100 {
            now = now + budget.take(Api::PutMetricAlarm, now);
            sent.push(now);
        }
        for (i, at) in sent.iter().enumerate() {
            let within = sent[i..]
                .iter()
                .take_while(|t| t.since(*at) < Duration::from_secs(1))
                .count();
            // The bucket may be full once; never is the published quota exceeded.
            assert!(within <= 4, "{within} calls in the second after {at}");
            if i > 2 {
                assert!(within <= 2, "{within} calls in the second after {at}");
            }
        }
        let takes = schedule(std::iter::repeat_n(Api::PutMetricAlarm, 3000), &quotas);
        assert_eq!(takes.as_secs(), 1499);
        assert_eq!(schedule([], &quotas), Duration::ZERO);
    }

    #[test]
    fn kinds_of_call_have_budgets_of_their_own() {
        let mut budget = Budget::new(Quotas::default());
        while budget.take(Api::PutMetricAlarm, Time::EPOCH).is_zero() {}
        assert!(budget.take(Api::PutDashboard, Time::EPOCH).is_zero());
    }

    #[test]
    fn throttling_halves_the_pace_until_calls_get_through_again() {
        let mut budget = Budget::new(Quotas::default());
        let mut now = Time::EPOCH;
        for _ in 0..10 {
            now = now + budget.take(Api::PutMetricAlarm, now);
        }
        let before = budget.clone().take(Api::PutMetricAlarm, now);
        budget.throttled(Api::PutMetricAlarm);
        let after = budget.take(Api::PutMetricAlarm, now);
        assert!(
            after >= before * 2 - Duration::from_millis(2),
            "{before:?} {after:?}"
        );
        let mut last = after;
        for _ in 0..40 {
            now = now + last;
            last = budget.take(Api::PutMetricAlarm, now);
        }
        assert!(last <= before, "{last:?}");
    }
}
