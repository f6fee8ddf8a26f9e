//! The whole service on the local store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod fan_out;
mod http;
mod subscriptions;
mod world;
