//! The announcement path: events, subscriptions, and who is told.

pub mod calendar;
pub mod event;
pub mod fields;
pub mod register;
pub mod subscriber;
