//! A JUnit report of a test run.

use std::fmt::Write;

use evaluator::suite::{CaseResult, Outcome, drawing};
use render::svg::escape;

/// The report as XML: a suite a file.
pub fn report(results: &[(String, CaseResult)]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nightbell\">\n",
    );
    for file in results.chunk_by(|a, b| a.0 == b.0) {
        let name = escape(&file[0].0);
        let failures = file.iter().filter(|(_, r)| r.is_failure()).count();
        let skipped = file
            .iter()
            .filter(|(_, r)| matches!(r.outcome, Outcome::Unsupported(_)) && !r.is_failure())
            .count();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">",
            file.len()
        );
        for (_, result) in file {
            let _ = write!(
                out,
                "    <testcase classname=\"{name}\" name=\"{}\"",
                escape(&result.name)
            );
            let _ = match &result.outcome {
                Outcome::Passed => writeln!(out, "/>"),
                Outcome::Unsupported(why) if !result.is_failure() => {
                    writeln!(out, "><skipped message=\"{}\"/></testcase>", escape(why))
                }
                Outcome::Unsupported(why) => {
                    writeln!(
                        out,
                        "><failure message=\"unsupported: {}\"/></testcase>",
                        escape(why)
                    )
                }
                Outcome::Failed(failures) => {
                    let all: Vec<String> = failures
                        .iter()
                        .map(|f| format!("{}: {}", f.place, f.message))
                        .collect();
                    let first = all.first().map_or("", String::as_str);
                    let mut whole = all.join("\n");
                    let drawing = drawing(result);
                    if !drawing.is_empty() {
                        whole = format!("{whole}\n\n{drawing}");
                    }
                    writeln!(
                        out,
                        "><failure message=\"{}\">{}</failure></testcase>",
                        escape(first),
                        escape(&whole)
                    )
                }
            };
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
