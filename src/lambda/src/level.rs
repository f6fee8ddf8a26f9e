//! How much a function logs: what every line costs is bounded by a variable of its own.

use telemetry::logs::{LogScope, LogSink};

/// The levels that a log line may have, the gravest first.
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// Passes on what is at least as grave as the variable `LOG_LEVEL` says (`error`, `warn`, `info`, `debug`);
/// everything where it says nothing that is known. Spans and metrics are no log lines.
#[derive(Debug, Clone)]
pub struct AtLeast<S> {
    least: usize,
    inner: S,
}

impl<S> AtLeast<S> {
    /// In front of a sink.
    pub fn of(level: Option<&str>, inner: S) -> AtLeast<S> {
        let named = level.and_then(|level| {
            LEVELS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(level))
        });
        AtLeast {
            least: named.unwrap_or(LEVELS.len()),
            inner,
        }
    }

    /// A line's level stands before anything that a caller wrote.
    fn passes(&self, line: &[u8]) -> bool {
        const KEY: &[u8] = b"\"level\":\"";
        let at = line.windows(KEY.len()).position(|w| w == KEY);
        let rest = at.map_or(&b""[..], |at| &line[at + KEY.len()..]);
        let level = LEVELS.iter().position(|l| rest.starts_with(l.as_bytes()));
        level.is_none_or(|level| level <= self.least)
    }
}

impl<S: LogSink> LogSink for AtLeast<S> {
    fn line(&self, scope: LogScope<'_>, line: &[u8]) {
        if self.passes(line) {
            self.inner.line(scope, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_grave_enough_is_written() {
        let check = |least: Option<&str>, level: &str, expect: bool| {
            let line = format!(
                "{{\"timestamp\":\"t\",\"level\":\"{level}\",\"message\":\"\\\"level\\\":\\\"ERROR\\\"\"}}"
            );
            let sink = AtLeast::of(least, ());
            assert_eq!(sink.passes(line.as_bytes()), expect, "{least:?} {level}");
        };
        for (least, level, expect) in [
            (Some("info"), "INFO", true),
            (Some("info"), "DEBUG", false),
            (Some("WARN"), "INFO", false),
            (Some("warn"), "ERROR", true),
            (Some("error"), "WARN", false),
            (Some("debug"), "DEBUG", true),
            (None, "TRACE", true),
            (Some("loud"), "TRACE", true),
        ] {
            check(least, level, expect);
        }
        assert!(AtLeast::of(Some("error"), ()).passes(b"no line of ours"));
    }
}
