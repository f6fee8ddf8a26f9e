//! The file formats: one module a kind, each with its table of keys beside its decoder.

pub(crate) mod alarms;
pub(crate) mod dashboards;
pub(crate) mod grammar;
pub(crate) mod layout;
pub(crate) mod live;
pub(crate) mod native;
pub(crate) mod packs;
pub(crate) mod project;
pub(crate) mod routes;
pub(crate) mod runbooks;
pub(crate) mod suites;
