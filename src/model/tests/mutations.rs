//! Files that somebody is in the middle of typing: never a panic, and every problem has a place
//! that exists.

use model::load::{self, Files};
use proptest::prelude::*;

macro_rules! examples {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("examples/", $path)))),+]
    };
}

const EXAMPLES: [(&str, &str); 10] = examples![
    "nightbell.yaml",
    "alarms/counter.yaml",
    "alarms/counter.test.yaml",
    "alarms/others.yaml",
    "alarms/packs.yaml",
    "alarms/routes.yaml",
    "dashboards/counter.yaml",
    "dashboards/host.json",
    "dashboards/posting.yaml",
    "runbooks/counter-errors.md",
];

/// What a slip of the hand leaves behind.
const SLIPS: [&str; 24] = [
    "",
    " ",
    "\n",
    "\t",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "|",
    "> ",
    "${",
    "${a.b}",
    "${secret.x}",
    "5",
    "é",
    "---\n",
];

/// The text with some characters from `at` on replaced.
fn slip(text: &str, at: prop::sample::Index, length: usize, by: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at.index(chars.len() + 1);
    let end = (at + length).min(chars.len());
    let start: String = chars[..at].iter().collect();
    let rest: String = chars[end..].iter().collect();
    format!("{start}{by}{rest}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_slip_in_any_file_is_told_with_a_place_that_exists(
        which in 0..EXAMPLES.len(),
        slips in prop::collection::vec((any::<prop::sample::Index>(), 0usize..30, prop::sample::select(&SLIPS[..])), 1..3),
    ) {
        let mut files = Files::new("nightbell.yaml");
        let mut texts = EXAMPLES.map(|(path, text)| (path, text.to_string()));
        for (at, length, by) in slips {
            texts[which].1 = slip(&texts[which].1, at, length, by);
        }
        for (path, text) in &texts {
            files.insert(*path, text.clone());
        }
        for problem in load::estate(&files, &[]).problems {
            let place = &problem.place;
            let Some((_, text)) = texts.iter().find(|(path, _)| *path == place.file) else {
                prop_assert!(false, "{problem} is in no file");
                continue;
            };
            let lines = text.split('\n').count();
            prop_assert!(place.line as usize <= lines, "{problem}: {lines} lines");
            let line = text.split('\n').nth((place.line as usize).saturating_sub(1)).unwrap_or("");
            prop_assert!(place.column as usize <= line.chars().count() + 1, "{problem}: {line:?}");
            prop_assert!(!problem.message.is_empty() && !problem.message.ends_with('.'), "{problem}");
        }
    }
}
