//! Mails, pictures and dashboards as their readers get them.

#[path = "it/boards.rs"]
mod boards;
#[path = "it/mails.rs"]
mod mails;
#[path = "it/pictures.rs"]
mod pictures;
#[path = "it/samples.rs"]
mod samples;
#[path = "it/wild.rs"]
mod wild;
