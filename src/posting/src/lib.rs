//! The posting path: a picture for each national day, drawn, stored and posted exactly once.
//!
//! A schedule puts a plan into the queue of generation; the [`Generator`] makes it one message a
//! day of the list, and each of these one picture in the bucket. The bucket's event goes into the
//! queue of posting, and the [`Poster`] publishes the picture. What both know of a picture is its
//! job, one item that changes by conditional writes only; so whatever comes twice, late or in
//! another order is recognised. Before the one call that cannot be taken back the job says so, and
//! whoever finds that mark asks X before anything else.

pub mod audit;
pub mod config;
pub mod days;
pub mod flows;
pub mod http;
pub mod job;
pub mod jobs;
pub mod meters;
pub mod name;
pub mod oauth1;
pub mod standin;
pub mod upstream;
pub mod zone;

use model::catalogue::Declared;

pub use config::{Config, SignIn};
pub use flows::{Generator, Poster, Stand};
pub use http::{Service, router};

/// The namespace of its metrics.
pub const NAMESPACE: &str = "SpookyDays";

/// The service's name: the value of the dimension `Service`.
pub const SERVICE: &str = "posting";

/// The shipped list of days, whole: what a new bucket begins with.
pub const DAYS: &str = include_str!("../national-days.json");

/// What it emits, for the catalogue.
pub fn declared() -> Vec<Declared> {
    let mut all = telemetry::service::declared(NAMESPACE);
    all.extend(meters::declared());
    all
}

/// An error with all it was told.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
