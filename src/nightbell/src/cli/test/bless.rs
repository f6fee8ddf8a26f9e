//! Writes what was seen in place of a list that did not hold.

use model::Place;

/// The text with the flow sequence that begins at `place`, or is the value of the key there, replaced
/// by `list`; `None` when there is no flow sequence (a list over several lines with dashes is not
/// rewritten).
pub fn replace(text: &str, place: &Place, list: &str) -> Option<String> {
    let line_start: usize = text
        .split_inclusive('\n')
        .take((place.line as usize).checked_sub(1)?)
        .map(str::len)
        .sum();
    let line = &text[line_start..];
    let offset: usize = line
        .chars()
        .take((place.column as usize).checked_sub(1)?)
        .map(char::len_utf8)
        .sum();
    let rest = line.get(offset..)?.lines().next()?;
    let value = match rest.starts_with('[') {
        true => 0,
        false => {
            let after_key = rest.find(": ")? + 2;
            let blanks = rest[after_key..].len() - rest[after_key..].trim_start().len();
            after_key + blanks
        }
    };
    let start = line_start + offset + value;
    let end = start + sequence(text.get(start..)?)?;
    Some(format!("{}{list}{}", &text[..start], &text[end..]))
}

/// The length of the flow sequence that the text begins with. States and durations need no quotes,
/// so that brackets alone tell where it ends; with quotes or comments in it, it is left alone.
fn sequence(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(i + 1),
            ']' => depth -= 1,
            '"' | '\'' | '#' => return None,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_flow_sequence_is_replaced() {
        let at = |line, column| Place {
            file: "a".into(),
            line,
            column,
        };
        let text = "x:\n  a: [{ at: 1m, to: OK }, []]\n  b: []\n";
        assert_eq!(
            replace(text, &at(2, 6), "[]").unwrap(),
            "x:\n  a: []\n  b: []\n"
        );
        assert_eq!(
            replace(text, &at(3, 6), "[1]").unwrap(),
            "x:\n  a: [{ at: 1m, to: OK }, []]\n  b: [1]\n"
        );
        // The place of a list is that of its key.
        assert_eq!(
            replace(text, &at(3, 3), "[1]").unwrap(),
            "x:\n  a: [{ at: 1m, to: OK }, []]\n  b: [1]\n"
        );
        assert_eq!(replace(text, &at(1, 1), "[]"), None);
        assert_eq!(replace("a: [\"]\"]", &at(1, 4), "[]"), None);
        assert_eq!(replace(text, &at(9, 1), "[]"), None);
    }
}
