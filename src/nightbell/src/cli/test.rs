//! `nightbell test`: runs the unit tests of alarms.

mod bless;
mod junit;
pub(crate) mod notifier;

use std::path::{Component, Path, PathBuf};

use evaluator::alarm::Settings;
use evaluator::suite::{self, CaseResult, Outcome};
use model::suite::Suite;
use serde_json::{Value, json};

use self::notifier::Response;
use super::print::{self, count, line, note, styled};
use super::{Exit, Global, Test, load};

/// Runs the tests and says what came of them.
pub fn run(global: &Global, arguments: &Test) -> Exit {
    let (root, estate, suites) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let wanted = match arguments.run.as_deref().map(regex::Regex::new).transpose() {
        Ok(wanted) => wanted,
        Err(error) => {
            note(format_args!(
                "{}: --run: {error}",
                styled(print::BAD, "error")
            ));
            return Exit::Usage;
        }
    };
    let suites = match chosen(&root, suites, &arguments.paths) {
        Ok(suites) => suites,
        Err(path) => {
            note(format_args!(
                "{}: `{}` is no test file of this project, and no folder that holds one",
                styled(print::BAD, "error"),
                path.display()
            ));
            return Exit::Usage;
        }
    };
    let mut results: Vec<(String, CaseResult)> = Vec::new();
    for file in &suites {
        let alarms = file.alarms_of(&estate);
        for case in &file.tests {
            if wanted.as_ref().is_none_or(|w| w.is_match(&case.name)) {
                let mut notifier = Response::for_case(&estate, case);
                let seam = notifier.as_mut().map(|n| n as &mut dyn suite::Notifier);
                let result = suite::run_with(case, &alarms, &Settings::default(), seam);
                results.push((file.place.file.clone(), result));
            }
        }
    }
    if let (Some(pattern), true) = (&arguments.run, results.is_empty()) {
        note(format_args!(
            "{}: no test matches `{pattern}`",
            styled(print::BAD, "error")
        ));
        return Exit::Usage;
    }
    if arguments.bless {
        return write(&root, &suites, &results);
    }
    if let Some(path) = &arguments.junit
        && let Err(error) = std::fs::write(path, junit::report(&results))
    {
        note(format_args!(
            "{}: cannot write {}: {error}",
            styled(print::BAD, "error"),
            path.display()
        ));
        return Exit::BadFile;
    }
    let only: Vec<CaseResult> = results.iter().map(|(_, r)| r.clone()).collect();
    let coverage = suite::coverage(&estate.alarms, &only);
    let failures = only.iter().filter(|r| r.is_failure()).count();
    let short = arguments
        .min_coverage
        .filter(|min| coverage.percent() < *min);
    if global.json {
        line(as_json(&results, &coverage));
    } else {
        tell(global, arguments, &results, &coverage);
    }
    if let Some(min) = short {
        note(format_args!(
            "{}: {:.0} % of alarms are covered, fewer than {min} %",
            styled(print::BAD, "error"),
            coverage.percent()
        ));
    }
    if failures > 0 || short.is_some() {
        Exit::Found
    } else {
        Exit::Done
    }
}

/// The suites that the paths name; all without any. `Err` is a path that names none.
fn chosen(root: &Path, suites: Vec<Suite>, paths: &[PathBuf]) -> Result<Vec<Suite>, PathBuf> {
    if paths.is_empty() {
        return Ok(suites);
    }
    let full = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let inside = |suite: &Suite, path: &Path| {
        let file = full(&root.join(&suite.place.file));
        file.starts_with(full(path)) || file.starts_with(full(&root.join(path)))
    };
    for path in paths {
        let plain = path
            .components()
            .all(|c| !matches!(c, Component::Prefix(_)));
        if !plain || !suites.iter().any(|s| inside(s, path)) {
            return Err(path.clone());
        }
    }
    Ok(suites
        .into_iter()
        .filter(|s| paths.iter().any(|p| inside(s, p)))
        .collect())
}

fn tell(
    global: &Global,
    arguments: &Test,
    results: &[(String, CaseResult)],
    coverage: &suite::Coverage,
) {
    let mut apart = false;
    for (_, result) in results {
        let told = !(global.quiet && matches!(result.outcome, Outcome::Passed));
        if std::mem::take(&mut apart) && told {
            line("");
        }
        match &result.outcome {
            Outcome::Passed if global.quiet => {}
            Outcome::Passed => line(format_args!(
                "  {}  {}",
                styled(print::GOOD, "ok"),
                result.name
            )),
            Outcome::Unsupported(why) => line(format_args!(
                "  {}  {}: {why}",
                styled(print::DOUBT, "unsupported"),
                result.name
            )),
            Outcome::Failed(failures) => {
                line(format_args!(
                    "  {}  {}",
                    styled(print::BAD, "FAILED"),
                    styled(print::STRONG, &result.name)
                ));
                for failure in failures {
                    line(format_args!(
                        "    {} {}: {}",
                        styled(print::PLACE, "-->"),
                        failure.place,
                        failure.message
                    ));
                }
                line("");
                let drawing = suite::drawing(result);
                for row in drawing.lines() {
                    line(format_args!("    {row}").to_string().trim_end());
                }
                apart = !drawing.is_empty();
            }
        }
    }
    if arguments.coverage || arguments.min_coverage.is_some() {
        line("");
        line(format_args!("{:<40} {:<9} back to OK", "alarm", "ALARM"));
        for (name, covered) in &coverage.alarms {
            let mark = |yes: bool| if yes { "yes" } else { "no" };
            line(format_args!(
                "{name:<40} {:<9} {}",
                mark(covered.alarmed),
                mark(covered.recovered)
            ));
        }
        line(format_args!(
            "{} of {} alarms covered, {:.0} %",
            coverage.covered(),
            coverage.alarms.len(),
            coverage.percent()
        ));
    }
    if global.quiet && !results.iter().any(|(_, r)| r.is_failure()) {
        return;
    }
    let failed = results.iter().filter(|(_, r)| r.is_failure()).count();
    let unsupported = results
        .iter()
        .filter(|(_, r)| matches!(r.outcome, Outcome::Unsupported(_)))
        .count();
    line("");
    let verdict = if failed > 0 {
        styled(
            print::BAD,
            format_args!("{failed} of {} failed", count(results.len(), "test")),
        )
    } else {
        styled(
            print::GOOD,
            format_args!("{} passed", count(results.len() - unsupported, "test")),
        )
    };
    match unsupported {
        0 => line(verdict),
        n => line(format_args!("{verdict}, {n} unsupported")),
    }
}

fn as_json(results: &[(String, CaseResult)], coverage: &suite::Coverage) -> Value {
    let tests: Vec<Value> = results
        .iter()
        .map(|(file, r)| {
            let (outcome, failures, why) = match &r.outcome {
                Outcome::Passed => ("passed", Vec::new(), None),
                Outcome::Unsupported(why) => ("unsupported", Vec::new(), Some(why)),
                Outcome::Failed(failures) => (
                    "failed",
                    failures.iter().map(|f| json!({ "place": f.place, "message": f.message })).collect(),
                    None,
                ),
            };
            json!({ "file": file, "name": r.name, "place": r.place, "outcome": outcome, "failures": failures, "why": why })
        })
        .collect();
    let alarms: Vec<Value> = coverage
        .alarms
        .iter()
        .map(|(name, c)| json!({ "alarm": name, "alarmed": c.alarmed, "recovered": c.recovered }))
        .collect();
    json!({ "tests": tests, "coverage": { "percent": coverage.percent(), "alarms": alarms } })
}

/// Writes what was seen in place of the lists that did not hold.
fn write(root: &Path, suites: &[Suite], results: &[(String, CaseResult)]) -> Exit {
    let mut changed = 0;
    for file in suites {
        let path = root.join(&file.place.file);
        let Ok(mut text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let before = text.clone();
        // From the end, so that earlier places stay where they are.
        let mut edits: Vec<(model::Place, String)> = results
            .iter()
            .filter(|(of, r)| *of == file.place.file && matches!(r.outcome, Outcome::Failed(_)))
            .flat_map(|(_, r)| {
                let case = file.tests.iter().find(|c| c.place == r.place);
                let lists = case
                    .map(|c| c.expect_transitions.as_slice())
                    .unwrap_or_default();
                let seen = suite::bless(r);
                lists
                    .iter()
                    .filter_map(|list| {
                        let (_, new) = seen.iter().find(|(alarm, _)| *alarm == list.alarm)?;
                        Some((list.place.clone(), new.clone()))
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        edits.sort_by(|a, b| b.0.cmp(&a.0));
        for (place, list) in edits {
            if let Some(replaced) = bless::replace(&text, &place, &list) {
                text = replaced;
            } else {
                note(format_args!(
                    "{}: {place}: this list cannot be replaced; write {list}",
                    styled(print::DOUBT, "warning")
                ));
            }
        }
        if text != before {
            if let Err(error) = std::fs::write(&path, text) {
                note(format_args!(
                    "{}: cannot write {}: {error}",
                    styled(print::BAD, "error"),
                    path.display()
                ));
                return Exit::BadFile;
            }
            changed += 1;
            line(format_args!("blessed {}", file.place.file));
        }
    }
    if changed == 0 {
        line("nothing to bless");
    }
    Exit::Done
}
