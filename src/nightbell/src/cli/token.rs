//! `nightbell token`: API tokens, made and revoked over the API.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use model::time::format_duration;
use serde_json::json;

use super::client::{Client, Request};
use super::incident::Whom;
use super::print::line;
use super::{Exit, Global, duration};
use crate::http::segment;

/// `nightbell token`
#[derive(Debug, Clone, Args)]
pub struct Token {
    /// What to do.
    #[command(subcommand)]
    pub act: TokenAct,
    /// Where.
    #[command(flatten)]
    pub whom: Whom,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleName {
    /// Look
    Viewer,
    /// Acknowledge, resolve, note, silence
    Responder,
    /// Set states, inject faults, make tokens
    Admin,
}

/// `nightbell token ...`
#[derive(Debug, Clone, Subcommand)]
pub enum TokenAct {
    /// Make one; its secret is printed this once
    Create {
        /// What it is for
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleName,
        /// How long it is good: 12h, 90d
        #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "90d")]
        life: Duration,
    },
    /// Those that are good now
    List,
    /// End one now
    Revoke {
        /// tok_1f2e3d4c
        id: String,
    },
}

/// Asks the running daemon.
pub fn run(global: &Global, arguments: &Token) -> Exit {
    match asked(global, arguments) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn asked(global: &Global, arguments: &Token) -> Result<(), Exit> {
    let client = Client::new(global, arguments.whom.url.as_deref())?;
    match &arguments.act {
        TokenAct::Create { name, role, life } => {
            let role = match role {
                RoleName::Viewer => "viewer",
                RoleName::Responder => "responder",
                RoleName::Admin => "admin",
            };
            let body = json!({ "name": name, "role": role, "for": format_duration(*life) });
            let made = client.json(&Request::post("tokens", body))?;
            if global.json {
                line(made);
                return Ok(());
            }
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            line(text(&made["secret"]));
            line(format_args!(
                "{} is good until {}; set NIGHTBELL_TOKEN to it, or send it as `Authorization: Bearer ...`. It is not shown again.",
                text(&made["token"]["id"]),
                text(&made["token"]["expires"])
            ));
        }
        TokenAct::List => {
            let all = client.json(&Request::get("tokens"))?;
            if global.json {
                line(all);
                return Ok(());
            }
            let list = all.as_array().cloned().unwrap_or_default();
            if list.is_empty() {
                line("no token; make one with `nightbell token create NAME`");
            }
            for token in list {
                let text = |key: &str| token[key].as_str().unwrap_or_default().to_owned();
                line(format_args!(
                    "{}  {:<9}  until {}  {}",
                    text("id"),
                    text("role"),
                    text("expires"),
                    text("name").escape_debug()
                ));
            }
        }
        TokenAct::Revoke { id } => {
            client.text(&Request::delete(format!("tokens/{}", segment(id))))?;
            if !global.quiet {
                line(format_args!("{} is revoked", id.escape_debug()));
            }
        }
    }
    Ok(())
}
