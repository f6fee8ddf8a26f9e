//! The whole of local mode over its public seams, on a stepped clock.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod announcement;
mod api;
mod arrivals;
mod backtest;
#[path = "../binary.rs"]
mod binary;
mod composites;
mod explore;
mod files;
mod guard;
mod hands;
mod mails;
mod operate;
mod pictures;
mod posting;
mod proofs;
mod restart;
mod runbooks;
mod serving;
mod story;
mod world;
