//! `nightbell fault`: asks the running `nightbell up`.

use model::time::format_duration;
use serde_json::Value;

use super::print::{self, line, note, styled};
use super::{Exit, Fault, FaultClear, Global, load};
use crate::http::api::faults::{FaultBody, FaultRequest};

/// Begins or ends faults.
pub fn run(global: &Global, arguments: &Fault) -> Exit {
    let base = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_string(),
        None => match load(global).ok().and_then(|l| l.estate) {
            Some(estate) => estate.project.console_url,
            None => "http://127.0.0.1:5000".into(),
        },
    };
    if !base.starts_with("http://") && !base.starts_with("https://") {
        note(format_args!(
            "{}: `{base}` is no address of a console; expected http://HOST:PORT",
            styled(print::BAD, "error")
        ));
        return Exit::Usage;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(ask(&base, arguments)),
        Err(error) => Err(Refused::Unreachable(error.to_string())),
    };
    match asked {
        Ok(answer) => {
            if global.json {
                line(&answer);
            } else {
                tell(arguments, &answer);
            }
            Exit::Done
        }
        Err(Refused::Unreachable(why)) => {
            note(format_args!(
                "{}: no Nightbell answers at {base}: {why}\n  help: start one with `nightbell up`, or name its address with --url",
                styled(print::BAD, "error")
            ));
            Exit::Unavailable
        }
        Err(Refused::Said(detail)) => {
            note(format_args!("{}: {detail}", styled(print::BAD, "error")));
            Exit::Usage
        }
    }
}

enum Refused {
    Unreachable(String),
    Said(String),
}

async fn ask(base: &str, arguments: &Fault) -> Result<Value, Refused> {
    let client = reqwest::Client::new();
    let request = match &arguments.clear {
        Some(FaultClear::Clear { service }) => {
            let only = service
                .as_ref()
                .map(|s| format!("?service={}", crate::http::segment(s)));
            client.delete(format!("{base}/api/v1/faults{}", only.unwrap_or_default()))
        }
        None => client
            .post(format!("{base}/api/v1/faults"))
            .json(&FaultRequest {
                service: arguments.service.clone().unwrap_or_default(),
                error_rate: arguments.error_rate,
                latency: arguments.latency.map(format_duration),
                length: format_duration(arguments.length),
            }),
    };
    // The server takes writes only from those who name it.
    let answer = request
        .header("origin", base)
        .send()
        .await
        .map_err(|e| Refused::Unreachable(root_cause(&e)))?;
    let good = answer.status().is_success();
    let body: Value = answer
        .json()
        .await
        .map_err(|e| Refused::Unreachable(root_cause(&e)))?;
    if good {
        return Ok(body);
    }
    Err(Refused::Said(
        body["detail"]
            .as_str()
            .unwrap_or("the request was refused")
            .into(),
    ))
}

fn tell(arguments: &Fault, answer: &Value) {
    if arguments.clear.is_some() {
        let ended: Vec<&str> = answer
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        return match ended.as_slice() {
            [] => line("no fault was active"),
            ended => line(format_args!("ended: {}", ended.join(", "))),
        };
    }
    let Ok(fault) = serde_json::from_value::<FaultBody>(answer.clone()) else {
        return line(answer);
    };
    let service = arguments.service.as_deref().unwrap_or_default();
    let mut what = Vec::new();
    if fault.error_rate > 0.0 {
        what.push(format!(
            "{} % of its store calls fail",
            fault.error_rate * 100.0
        ));
    }
    if fault.latency != "0s" {
        what.push(format!("each waits {}", fault.latency));
    }
    line(format_args!(
        "{service} is broken on purpose until {} UTC: {}",
        fault.until.clock(),
        what.join(", ")
    ));
    line("end it sooner with `nightbell fault clear`");
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
