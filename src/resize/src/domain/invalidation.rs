//! What a CDN has to forget after a deployment: only what it may hold in an older form.
//!
//! A file whose name holds a hash of its content never changes under that name, so it needs no
//! invalidation; the rest follows from the difference of what was there and what is there now.
//! CloudFront's rules of paths: <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html>.

use std::collections::BTreeMap;

/// Files by their path (`assets/app.css`, without a leading slash) with a hash of their content.
pub type Manifest = BTreeMap<String, String>;

/// CloudFront works on at most so many paths at a time; beyond it everything is forgotten at once.
const MOST: usize = 3_000;

/// The paths to invalidate, in order, each once; nothing when nothing changed.
pub fn invalidations(before: &Manifest, after: &Manifest) -> Vec<String> {
    let mut paths: Vec<String> = before
        .iter()
        .filter(|(path, hash)| after.get(*path) != Some(*hash) && !named_by_content(path))
        .flat_map(|(path, _)| {
            // A folder's index is also cached under the folder's own name.
            let folder = path
                .strip_suffix("index.html")
                .filter(|folder| folder.is_empty() || folder.ends_with('/'));
            [Some(escape(path)), folder.map(escape)]
        })
        .flatten()
        .collect();
    paths.sort();
    paths.dedup();
    if paths.len() > MOST {
        return vec!["/*".into()];
    }
    paths
}

/// Whether a part of the file's name is a hash: eight or more hexadecimal digits, with a digit and
/// a letter among them, between dots or dashes.
fn named_by_content(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut parts: Vec<&str> = name.split(['.', '-']).collect();
    // The extension says what it is, the first part is what it is called.
    parts.pop();
    parts.iter().skip(1).any(|part| {
        part.len() >= 8
            && part.bytes().all(|b| b.is_ascii_hexdigit())
            && part.bytes().any(|b| b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

/// As CloudFront wants it: with a slash before, and what a URL cannot hold escaped. A star in a name
/// is escaped, too, so that it means itself.
fn escape(path: &str) -> String {
    let mut out = String::from("/");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: &[(&str, &str)]) -> Manifest {
        files
            .iter()
            .map(|(path, hash)| ((*path).to_string(), (*hash).to_string()))
            .collect()
    }

    #[test]
    fn only_what_changed_or_went_is_forgotten() {
        let check = |before: &[(&str, &str)], after: &[(&str, &str)], expect: &[&str]| {
            assert_eq!(invalidations(&manifest(before), &manifest(after)), expect);
        };
        check(&[], &[("index.html", "1")], &[]);
        check(&[("index.html", "1")], &[("index.html", "1")], &[]);
        check(
            &[("index.html", "1")],
            &[("index.html", "2")],
            &["/", "/index.html"],
        );
        check(
            &[("a/index.html", "1"), ("b.css", "1")],
            &[("b.css", "1")],
            &["/a/", "/a/index.html"],
        );
        check(&[("my index.html", "1")], &[], &["/my%20index.html"]);
        check(&[("100%*.txt", "1")], &[], &["/100%25%2A.txt"]);
        // Named by their content: gone or new, nobody has an older form.
        check(
            &[("app-3f9a01bc.js", "1"), ("app.0123abcd.css", "1")],
            &[],
            &[],
        );
        // A word is no hash, and neither is a date.
        check(&[("deadbeef.js", "1")], &[], &["/deadbeef.js"]);
        check(
            &[("app-defaced.js", "1"), ("log-20260101.txt", "1")],
            &[],
            &["/app-defaced.js", "/log-20260101.txt"],
        );
    }

    #[test]
    fn too_many_become_one() {
        let before: Manifest = (0..4_000)
            .map(|i| (format!("{i}.html"), "1".into()))
            .collect();
        assert_eq!(invalidations(&before, &Manifest::new()), ["/*"]);
        assert_eq!(invalidations(&before, &before), [""; 0]);
    }
}
