//! `nightbell fault`: asks the running `nightbell up`.

use model::time::format_duration;
use serde_json::Value;

use super::client::{Client, Request};
use super::print::line;
use super::{Exit, Fault, FaultClear, Global};
use crate::http::api::faults::{FaultBody, FaultRequest};

/// Begins or ends faults.
pub fn run(global: &Global, arguments: &Fault) -> Exit {
    let client = match Client::new(global, arguments.url.as_deref()) {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let request = match &arguments.clear {
        Some(FaultClear::Clear { service }) => {
            let only = service
                .as_ref()
                .map(|s| format!("?service={}", crate::http::segment(s)));
            Request::delete(format!("faults{}", only.unwrap_or_default()))
        }
        None => {
            let asked = FaultRequest {
                service: arguments.service.clone().unwrap_or_default(),
                error_rate: arguments.error_rate,
                latency: arguments.latency.map(format_duration),
                length: format_duration(arguments.length),
            };
            Request::post("faults", serde_json::to_value(asked).unwrap_or_default())
        }
    };
    match client.json(&request) {
        Ok(answer) => {
            if global.json {
                line(&answer);
            } else {
                tell(arguments, &answer);
            }
            Exit::Done
        }
        Err(exit) => exit,
    }
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
