//! The API as its own document describes it, exercised by schemathesis: no request makes a server
//! error, and every answer has a status, a type and a shape that the document names.
//!
//! The interpreter is `$NIGHTBELL_PYTHON`, as for the AWS tests.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use local::SystemClock;
use nightbell::app::{App, Options};

/// Seconds that generating may take; a fixed seed makes a failure come again.
const SECONDS: &str = "15";
const SEED: &str = "20261121";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_that_the_document_describes() {
    let python = std::env::var_os("NIGHTBELL_PYTHON").expect(
        "NIGHTBELL_PYTHON names the interpreter of tests/aws/requirements.txt; tests/run makes it",
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = nightbell::files::read(&root.join("nightbell.yaml"));
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    let data = tempfile::tempdir().unwrap();
    let app = App::start(Options {
        estate: loaded.estate.unwrap(),
        data: data.path().to_path_buf(),
        listen: ([127, 0, 0, 1], 0).into(),
        traffic: None,
        clock: Arc::new(SystemClock),
        echo: false,
    })
    .await
    .unwrap();
    let url = app.url();
    let work = data.path().to_path_buf();
    let run = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .current_dir(work)
            .args(["-m", "schemathesis.cli", "run"])
            .arg(format!("{url}/api/openapi.json"))
            .args(["--header", &format!("Origin: {url}")])
            .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10"])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
            .args(["--max-time", SECONDS, "--seed", SEED, "--no-shrink", "--continue-on-failure", "--workers", "2"])
            .args(["--generation-database", "none"])
            .output()
            .unwrap()
    });
    let output = run.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.contains("Operations"), "nothing was tested: {told}");
    app.stop_token().cancel();
    app.run().await.unwrap();
}
