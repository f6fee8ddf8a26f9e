//! Desired and observed to a plan: a closed list of changes with nothing left to choose.
//!
//! [`desired`](desired::desired) says what CloudWatch should hold, [`Observed`] what it holds,
//! [`plan`](diff::plan) what would change, why, and at what risk and price. Nothing here waits or
//! reads a clock: the shell observes, asks what is doubtful, and sends [`Plan::calls`] one by one.
//!
//! - [`canonical`]: one form for everything that means the same; [`board`]: dashboards
//! - [`birth`]: new alarms are quiet until they settle; [`drift`]: what was changed by hand
//! - [`packs`], [`coverage`], [`verify`]: what should be watched, is watched, and reaches somebody
//! - [`cost`], [`quota`]: money and time; [`import`]: an account as files
//! - [`show`]: plans as text and Markdown

pub mod bill;
pub mod birth;
pub mod board;
pub mod canonical;
pub mod change;
pub mod cost;
pub mod coverage;
pub mod desired;
pub mod diff;
pub mod drift;
pub mod import;
pub mod observed;
pub mod packs;
pub mod plan;
pub mod quota;
pub mod show;
pub mod verify;

pub use change::{Call, Change, Kind};
pub use desired::{Desired, Settings, desired};
pub use diff::{Options, plan};
pub use observed::{Board, Observed, Owner, doubtful, fingerprint, to_fetch};
pub use plan::{Line, Plan, Stale};
pub use quota::{Api, Budget, Quotas, schedule};

#[cfg(test)]
mod sim;
