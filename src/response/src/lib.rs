//! Decides who is told what and when: pure functions of transitions, routes, journal and now.
//!
//! The journal is the only memory. [`Engine`] is its fold together with the compiled routes: what
//! arrives becomes an [`Entry`](model::Entry), what is decided becomes entries, and both are applied
//! only after they are durable. Rebuilding from the journal gives the same engine, so a restart
//! changes nothing that anybody is told.
//!
//! The rules in one place:
//! - A transition counts once: its identity is alarm, new state and time of the change.
//! - Only ALARM opens an incident, one for each group (route and `group_by` labels). INSUFFICIENT_DATA
//!   neither opens nor ends one; INSUFFICIENT_DATA to OK tells nobody unless the alarm was part of one.
//! - The first mail comes `group_wait` after the incident opened, if an alarm is open then. What
//!   recovers earlier is not told; a flapping alarm is, as soon as it fires after the wait.
//! - A receiver is told of changes, recovery included, at most once every `group_interval`, counted
//!   from its last mail, and is always told the last state. When some alarms of an incident
//!   recover and others do not, that waits another `group_wait`, because the others often follow. Unchanged incidents are repeated
//!   `repeat` after the last mail unless somebody acknowledged.
//! - An alarm that fires within `group_interval` of the end or the last mail reopens the incident.
//! - Escalation counts from the first mail and ends with an acknowledgement. Whoever was told once
//!   is told of changes and of the recovery.
//! - Outside the route's `active` window mails are held until it opens; what is still open then goes
//!   to each receiver as one digest. A recovery waits for the window, too, and is told by itself.
//! - Alarms that are kept quiet by `inhibit`, by a silence or by a deploy (`mute`) count for nothing
//!   until that ends; what was told before stays told. Whoever would have been told hears when a
//!   silence ends by itself.
//! - Who acknowledged is reminded `remind` later if the incident is still open.
//! - A receiver that does not accept a notification three times, or for good, is stood in for by its
//!   `fallback`, who then hears of changes and of the recovery, too.
//! - A topic gets at most eight messages a second; the eighth is a digest of all others.
//! - Timelines are hash chains whose heads are sealed in the journal once a minute.

mod agenda;
mod because;
mod book;
mod case;
mod catch_up;
mod chain;
mod decide;
mod draft;
mod engine;
mod inhibit;
mod name;
pub mod operate;
mod outbox;
mod pace;
mod receipt;
pub mod receive;
mod report;
mod rules;
mod silence;
mod simulate;
mod turn;
mod why;
mod window;
mod words;

pub use book::{Alarm, DRILL, Facts, Uses, is_drill};
pub use catch_up::Current;
pub use chain::{Broken, Linked, verify};
pub use decide::Decided;
pub use engine::{Arrived, Engine};
pub use outbox::{Outgoing, backoff};
pub use pace::Ready;
pub use report::{Report, TimelineLine, ToldLine, step_words, words};
pub use rules::{RouteMatch, route};
pub use silence::{Quieting, SilenceRequest};
pub use simulate::Simulation;
pub use why::{Asked, Explanation, Passed, Reason, Taken, Verdict, explain};
pub use window::Timetable;
