//! The announcement path: events, subscriptions, and who is told.
//!
//! `POST /events` writes one item; the table's stream brings it to the [`Notifier`], which hands it
//! to a queue as a fan-out job. A job walks over the confirmed subscriptions a page at a time,
//! keeps its place and one record per delivery in the table, and so goes on where it stopped.
//! Whoever subscribes is told by one channel: the SNS topic, or mail or text messages of our own.

pub mod calendar;
pub mod config;
pub mod event;
pub mod feedback;
pub mod fields;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod letters;
pub mod meters;
pub mod notifier;
pub mod pace;
pub mod register;
pub mod subscriber;

use model::catalogue::Declared;

pub use config::{Config, SignIn};
pub use http::{Service, router};
pub use notifier::{Notifier, Outlets};

/// The namespace of its metrics.
pub const NAMESPACE: &str = "Ivent";

/// The service's name: the value of the dimension `Service`.
pub const SERVICE: &str = "announcement";

/// What it emits, for the catalogue.
pub fn declared() -> Vec<Declared> {
    let mut all = telemetry::service::declared(NAMESPACE);
    all.extend(meters::declared());
    all
}
