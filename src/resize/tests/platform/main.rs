//! The platform over the local store: what it answers, what it keeps, what it emits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what a failed test shows")]

mod crash;
mod flaky;
mod owners;
mod story;
mod world;
