//! Which alarm files a test file names.

use super::Suite;
use crate::glob;

impl Suite {
    /// Those of `all` (paths relative to the project) that the file's `alarms` name, each once.
    pub fn named<'a>(&self, all: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let globs: Vec<String> = self
            .alarms
            .iter()
            .map(|(relative, _)| glob::resolve(&self.place.file, relative))
            .collect();
        let mut named: Vec<&str> = Vec::new();
        for file in all {
            if !named.contains(&file) && globs.iter().any(|g| glob::matches(g, file)) {
                named.push(file);
            }
        }
        named
    }
}
