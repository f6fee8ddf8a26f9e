//! Nightbell: alarms, dashboards and runbooks as files in git, tested before they can page anybody,
//! and every alert reaching a person with what they need.
//!
//! [`app::App`] is everything in one process; the commands are in [`cli`].

pub mod access;
pub mod acts;
pub mod app;
pub mod channels;
pub mod cli;
pub mod closed;
pub mod cloud;
pub mod console;
pub mod daemon;
pub mod drill;
pub mod evidence;
pub mod files;
pub mod http;
pub mod inbox;
pub mod insights;
pub mod keeper;
pub mod lately;
pub mod links;
pub mod live;
pub mod logline;
pub mod picture;
pub mod png;
pub mod proofs;
pub mod queries;
pub mod reconcile;
pub mod runbook;
pub mod services;
pub mod serving;
pub mod tasks;
pub mod traffic;
pub mod transitions;
pub mod units;
pub mod watched;
