//! Where the problems of one file are gathered.

use crate::problem::{Place, Problem, nearest};

/// A line and column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// The problems of one file.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) file: String,
    pub(crate) problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Report {
        Report {
            file: file.into(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn place(&self, at: Mark) -> Place {
        Place {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
        }
    }

    pub(crate) fn error(&mut self, at: Mark, message: impl Into<String>) {
        self.error_with(at, message, None);
    }

    pub(crate) fn error_with(
        &mut self,
        at: Mark,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let place = self.place(at);
        self.problems.push(Problem {
            help,
            ..Problem::error(place, message)
        });
    }

    pub(crate) fn warn_with(&mut self, at: Mark, message: impl Into<String>, help: Option<String>) {
        let place = self.place(at);
        self.problems.push(Problem {
            help,
            ..Problem::warning(place, message)
        });
    }
}

/// "did you mean ...?" where a word is near, else the list of what is valid.
pub(crate) fn suggest<'a>(
    word: &str,
    valid: impl IntoIterator<Item = &'a str> + Clone,
    list: &str,
) -> String {
    match nearest(word, valid.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let mut all: Vec<&str> = valid.into_iter().collect();
            all.dedup();
            if all.is_empty() {
                format!("{list}: none")
            } else {
                let shown = all.iter().take(20).copied().collect::<Vec<_>>().join(", ");
                let more = if all.len() > 20 { ", ..." } else { "" };
                format!("{list}: {shown}{more}")
            }
        }
    }
}
