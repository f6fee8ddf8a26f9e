//! Secrets are read and not shown.

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Kind, Secrets};

/// The contract of [`Secrets`]; `name` has the value `value`.
pub async fn secrets(port: &dyn Secrets, name: &str, value: &str, run: &Run) {
    let mut report = Report::new("secrets", run);
    report
        .case(Case::SecretIsAnswered, answered(port, name, value))
        .await;
    report.case(Case::UnknownSecret, unknown(port, run)).await;
    report.finish();
}

async fn answered(port: &dyn Secrets, name: &str, value: &str) -> Outcome {
    let secret = done("get", port.get(name).await)?;
    same("it is the value", secret.reveal() == value, true)?;
    same("it shows", format!("{secret:?}").contains(value), false)
}

async fn unknown(port: &dyn Secrets, run: &Run) -> Outcome {
    let name = run.name("no-such-secret");
    fails("get", port.get(&name).await, Kind::NotFound)
}
