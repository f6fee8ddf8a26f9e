//! The service whole: on the local store, with the stand-ins for OpenAI and X.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod http;
mod kill;
mod schedule;
mod secrets;
mod story;
mod upstreams;
mod world;
