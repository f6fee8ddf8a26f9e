//! What the service counts beside its requests.

use std::time::Duration;

use model::catalogue::Declared;
use model::{Resolution, Unit};
use telemetry::Telemetry;
use telemetry::emf::{Emf, Record};

use crate::upstream::Upstream;
use crate::upstream::limits::Left;
use crate::{NAMESPACE, SERVICE};

const BY_SERVICE: &[&[&str]] = &[&["Service"]];
const BY_UPSTREAM: &[&[&str]] = &[&["Service"], &["Service", "Upstream"]];
const BY_STATUS: &[&[&str]] = &[&["Service", "Upstream"], &["Service", "Upstream", "Status"]];
const BY_QUEUE: &[&[&str]] = &[&["Service", "Queue"]];

const fn metric(
    name: &'static str,
    unit: Unit,
    dimensions: &'static [&'static [&'static str]],
) -> Declared {
    Declared {
        namespace: NAMESPACE,
        name,
        unit,
        resolution: Resolution::Standard,
        dimensions,
    }
}

/// Of each attempt to draw a picture; both always, so that their quotient is a rate.
const GENERATED: [Declared; 3] = [
    metric("ImagesGenerated", Unit::Count, BY_SERVICE),
    metric("GenerationsFailed", Unit::Count, BY_SERVICE),
    metric("GenerationTime", Unit::Milliseconds, BY_SERVICE),
];
/// Of each attempt to post one. An unknown is a failure whose effect could not be learned.
const POSTED: [Declared; 4] = [
    metric("PostsPublished", Unit::Count, BY_SERVICE),
    metric("PostsFailed", Unit::Count, BY_SERVICE),
    metric("PostsUnknown", Unit::Count, BY_SERVICE),
    metric("PostingTime", Unit::Milliseconds, BY_SERVICE),
];
/// Of each call; the status is `2xx`, `4xx`, `429`, `5xx` or `none`.
const CALLS: [Declared; 1] = [metric("UpstreamCalls", Unit::Count, BY_STATUS)];
const RETRIES: [Declared; 1] = [metric("UpstreamRetries", Unit::Count, BY_UPSTREAM)];
/// Of the scarcest limit that an answer names.
const LIMITS: [Declared; 2] = [
    metric("RateLimitRemaining", Unit::Count, BY_UPSTREAM),
    metric("RateLimitRemainingPercent", Unit::Percent, BY_UPSTREAM),
];
/// Calls refused because a limit or the credit was used up.
const REFUSED: [Declared; 1] = [metric("LimitRefusals", Unit::Count, BY_UPSTREAM)];
const STATE: [Declared; 2] = [
    metric("HoursSinceLastPost", Unit::None, BY_SERVICE),
    metric("PostsMissing", Unit::Count, BY_SERVICE),
];
const DEAD: [Declared; 1] = [metric("DeadLetters", Unit::Count, BY_QUEUE)];

/// All of them, for the catalogue.
pub fn declared() -> Vec<Declared> {
    let attempts = GENERATED.into_iter().chain(POSTED);
    let calls = CALLS
        .into_iter()
        .chain(RETRIES)
        .chain(LIMITS)
        .chain(REFUSED);
    attempts.chain(calls).chain(STATE).chain(DEAD).collect()
}

/// The lines, laid out once.
#[derive(Clone)]
pub struct Meters {
    telemetry: Telemetry,
    generated: Emf<1, 3, 1>,
    posted: Emf<1, 4, 1>,
    calls: Emf<3, 1, 0>,
    retries: Emf<2, 1, 0>,
    limits: Emf<2, 2, 0>,
    refused: Emf<2, 1, 0>,
    state: Emf<1, 2, 0>,
    dead: Emf<2, 1, 0>,
}

/// How an attempt to post ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is there.
    Published,
    /// It is not.
    Failed,
    /// Nobody knows.
    Unknown,
}

impl Meters {
    /// Writes to this telemetry.
    pub fn new(telemetry: &Telemetry) -> Meters {
        let sound = "the declarations above keep to the format's limits";
        Meters {
            telemetry: telemetry.clone(),
            generated: Emf::declare(["Service"], GENERATED, ["job"]).expect(sound),
            posted: Emf::declare(["Service"], POSTED, ["job"]).expect(sound),
            calls: Emf::declare(["Service", "Upstream", "Status"], CALLS, []).expect(sound),
            retries: Emf::declare(["Service", "Upstream"], RETRIES, []).expect(sound),
            limits: Emf::declare(["Service", "Upstream"], LIMITS, []).expect(sound),
            refused: Emf::declare(["Service", "Upstream"], REFUSED, []).expect(sound),
            state: Emf::declare(["Service"], STATE, []).expect(sound),
            dead: Emf::declare(["Service", "Queue"], DEAD, []).expect(sound),
        }
    }

    /// An attempt to draw a picture ended.
    pub fn generated(&self, job: &str, well: bool, took: Duration) {
        let flag = |on: bool| if on { 1.0 } else { 0.0 };
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE],
            metrics: [flag(well), flag(!well), millis(took)],
            properties: [job],
        };
        self.telemetry
            .line(|out| self.generated.write(&record, out));
    }

    /// An attempt to post one ended.
    pub fn posted(&self, job: &str, ended: Ended, took: Duration) {
        let flag = |of: &[Ended]| if of.contains(&ended) { 1.0 } else { 0.0 };
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE],
            metrics: [
                flag(&[Ended::Published]),
                flag(&[Ended::Failed, Ended::Unknown]),
                flag(&[Ended::Unknown]),
                millis(took),
            ],
            properties: [job],
        };
        self.telemetry.line(|out| self.posted.write(&record, out));
    }

    /// A call was answered with a status, or not at all.
    pub fn answered(&self, upstream: Upstream, status: Option<u16>) {
        let class = match status {
            Some(429) => "429",
            Some(200..=299) => "2xx",
            Some(300..=399) => "3xx",
            Some(400..=499) => "4xx",
            Some(_) => "5xx",
            None => "none",
        };
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, upstream.as_str(), class],
            metrics: [1.0],
            properties: [],
        };
        self.telemetry.line(|out| self.calls.write(&record, out));
    }

    /// A call is made again.
    pub fn retry(&self, upstream: Upstream) {
        self.by_upstream(&self.retries, upstream, [1.0]);
    }

    /// So much is left of a limit.
    pub fn left(&self, upstream: Upstream, left: Left) {
        self.by_upstream(&self.limits, upstream, [left.requests, left.percent]);
    }

    /// A call was refused because a limit was used up.
    pub fn refused_for_limit(&self, upstream: Upstream) {
        self.by_upstream(&self.refused, upstream, [1.0]);
    }

    /// How the path stands, looked at from time to time.
    pub fn state(&self, since_last: Duration, missing: bool) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE],
            metrics: [
                since_last.as_secs_f64() / 3_600.0,
                f64::from(u8::from(missing)),
            ],
            properties: [],
        };
        self.telemetry.line(|out| self.state.write(&record, out));
    }

    /// How many dead letters lie in a queue.
    pub fn dead_letters(&self, queue: &str, count: u64) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, queue],
            metrics: [count as f64],
            properties: [],
        };
        self.telemetry.line(|out| self.dead.write(&record, out));
    }

    fn by_upstream<const M: usize>(
        &self,
        emf: &Emf<2, M, 0>,
        upstream: Upstream,
        metrics: [f64; M],
    ) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, upstream.as_str()],
            metrics,
            properties: [],
        };
        self.telemetry.line(|out| emf.write(&record, out));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
