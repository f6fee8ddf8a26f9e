//! What commands print: problems as a compiler would, colour only where it carries meaning.

use std::io::Write;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use model::{Level, Problem};

/// Red, for what is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Yellow, for what is worth a look.
pub const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
/// Quiet, for what is fine.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// For where.
pub const PLACE: Style = AnsiColor::Blue.on_default();
/// For what matters in a line.
pub const STRONG: Style = Style::new().bold();

/// Writes a line to standard output; a closed pipe is not our failure.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// Writes a line to standard error.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes problems, each with its place, the line of the file with a mark under it, and a way out.
pub fn problems(root: &Path, problems: &[Problem]) {
    for problem in problems {
        let head = match problem.level {
            Level::Error => styled(BAD, "error"),
            Level::Warning => styled(DOUBT, "warning"),
        };
        note(format_args!(
            "{head}{}",
            styled(STRONG, format_args!(": {}", problem.message))
        ));
        note(format_args!("  {} {}", styled(PLACE, "-->"), problem.place));
        if let Some((source, mark)) = excerpt(root, problem) {
            let number = problem.place.line.to_string();
            let pad = " ".repeat(number.len());
            note(format_args!("{pad} {}", styled(PLACE, "|")));
            note(format_args!(
                "{} {} {source}",
                styled(PLACE, &number),
                styled(PLACE, "|")
            ));
            note(format_args!(
                "{pad} {} {}",
                styled(PLACE, "|"),
                styled(BAD, mark)
            ));
        }
        if let Some(help) = &problem.help {
            note(format_args!("  {} {help}", styled(STRONG, "help:")));
        }
        note("");
    }
}

/// The line of a problem and the mark under it, cut to what fits a terminal.
fn excerpt(root: &Path, problem: &Problem) -> Option<(String, String)> {
    const WIDTH: usize = 100;
    let place = &problem.place;
    let text = std::fs::read_to_string(root.join(&place.file)).ok()?;
    let line = text.lines().nth((place.line as usize).checked_sub(1)?)?;
    let column = (place.column as usize).max(1) - 1;
    let from = column.saturating_sub(WIDTH - 20);
    let shown: String = line
        .chars()
        .skip(from)
        .take(WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Some((shown, format!("{}^", " ".repeat(column - from))))
}

/// `1 error`, `3 errors`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
