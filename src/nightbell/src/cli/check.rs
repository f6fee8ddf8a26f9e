//! `nightbell check`: every file, without credentials.

use serde_json::json;

use super::print::{self, count, line, styled};
use super::{Exit, Global, load};

/// Reads every file and says what is wrong.
pub fn run(global: &Global) -> Exit {
    let loaded = match load(global) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let errors = loaded.errors();
    let warnings = loaded.problems.len() - errors;
    let exit = if errors > 0 {
        Exit::BadFile
    } else {
        Exit::Done
    };
    if global.json {
        line(json!({ "problems": loaded.problems, "errors": errors, "warnings": warnings }));
        return exit;
    }
    print::problems(&loaded.root, &loaded.problems);
    let found = match (errors, warnings) {
        (0, 0) => styled(print::GOOD, "no problems"),
        (0, w) => styled(print::DOUBT, count(w, "warning")),
        (e, 0) => styled(print::BAD, count(e, "error")),
        (e, w) => format!(
            "{}, {}",
            styled(print::BAD, count(e, "error")),
            styled(print::DOUBT, count(w, "warning"))
        ),
    };
    if let Some(estate) = loaded.estate.as_ref().filter(|_| !global.quiet) {
        line(format_args!(
            "{}, {}, {}, {}: {found}",
            count(estate.alarms.len(), "alarm"),
            count(loaded.suites.iter().map(|s| s.tests.len()).sum(), "test"),
            count(estate.dashboards.len(), "dashboard"),
            count(estate.runbooks.len(), "runbook"),
        ));
    } else if !global.quiet {
        line(found);
    }
    exit
}
