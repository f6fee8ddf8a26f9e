//! What is wrong in a file, where, and what to do about it.

use std::fmt;

use serde::Serialize;

/// A place in a file. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Place {
    /// The file as the user named it, with `/` between folders.
    pub file: String,
    /// Line from 1; 0 when the problem is about the whole file.
    pub line: u32,
    /// Column from 1; 0 with line 0.
    pub column: u32,
}

impl Place {
    /// The file as a whole.
    pub fn file(file: impl Into<String>) -> Place {
        Place {
            file: file.into(),
            line: 0,
            column: 0,
        }
    }
}

/// `alarms/counter.yaml:7:16`, or the file alone.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file),
            line => write!(f, "{}:{}:{}", self.file, line, self.column),
        }
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Usable, but worth a look. `check` exits 1 when only these remain and `--strict` is given.
    Warning,
    /// The file cannot be used as it stands: exit code 65.
    Error,
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// How bad.
    pub level: Level,
    /// What is wrong: a lowercase fragment without a full stop.
    pub message: String,
    /// What was expected or how to mend it, for example ``did you mean `threshold`?``
    pub help: Option<String>,
}

impl Problem {
    /// An error at a place.
    pub fn error(place: Place, message: impl Into<String>) -> Problem {
        Problem {
            place,
            level: Level::Error,
            message: message.into(),
            help: None,
        }
    }

    /// A warning at a place.
    pub fn warning(place: Place, message: impl Into<String>) -> Problem {
        Problem {
            level: Level::Warning,
            ..Problem::error(place, message)
        }
    }

    /// The same problem with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// `alarms/counter.yaml:7:16: unknown key `treshold` (did you mean `threshold`?)`; a warning says
/// that it is one.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if self.level == Level::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The word of `words` that is nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|w| (strsim::damerau_levenshtein(word, w), w))
        .filter(|(distance, w)| *distance <= 1 + w.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, w)| w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_only_when_it_is_near() {
        assert_eq!(
            nearest("treshold", ["period", "threshold"]),
            Some("threshold")
        );
        assert_eq!(nearest("colour", ["period", "threshold"]), None);
    }
}
