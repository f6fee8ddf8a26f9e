//! Files of strangers, friendly and hostile: what is accepted, what is refused and why, what comes
//! out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod friendly;
mod fuzz;
mod hostile;
mod made;
