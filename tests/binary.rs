//! The built `nightbell`, for tests that run it as a user would.

use std::path::PathBuf;
use std::process::Command;

/// Its path; built first, so that it is never an older one.
pub fn nightbell() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "-p", "nightbell"])
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "nightbell does not build");
    let deps = std::env::current_exe().expect("a test has a path");
    let folder = deps.ancestors().nth(2).expect("target/debug/deps/test");
    folder.join(format!("nightbell{}", std::env::consts::EXE_SUFFIX))
}
