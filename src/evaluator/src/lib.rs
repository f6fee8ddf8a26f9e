//! CloudWatch's alarm semantics as pure functions of data and time.
//!
//! - [`statistics`]: the samples of a period and every statistic of them.
//! - [`alarm`]: what a single-metric alarm says about the points of its evaluation range.
//! - [`math`]: metric math, from text to series.
//! - [`search`]: which metrics a SEARCH finds.
//! - [`insights`]: a subset of CloudWatch Logs Insights over events at hand.
//! - [`composite`]: what a composite alarm's rule says of its children, and its suppressor.
//! - [`backtest`]: what an alarm would have done over a long history.
//! - [`lint`]: alarms that will not do what they are meant to.
//! - [`suite`]: alarm unit tests on a simulated clock.
//!
//! Nothing here waits, reads a clock, a file or the environment, or draws a random number. Where
//! AWS does not publish a rule, ours is a field of [`alarm::Settings`] with the doubt beside it.
//! What is not modelled gets the answer [`alarm::Unsupported`].

pub mod alarm;
pub mod backtest;
pub mod composite;
pub mod insights;
pub mod lint;
pub mod math;
pub mod search;
pub mod statistics;
pub mod suite;
