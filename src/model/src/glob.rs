//! Paths and globs of the files: `/` between folders, `*` and `?` within one, `**` across.

/// The path that `relative` names, seen from the folder of `file`; `.` and `..` are resolved.
pub(crate) fn resolve(file: &str, relative: &str) -> String {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut out: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(relative.split('/')) {
        match part {
            "" | "." => {}
            ".." if out.last().is_some_and(|p| *p != "..") => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out.join("/")
}

/// Whether a path is of a glob.
pub(crate) fn matches(glob: &str, path: &str) -> bool {
    let glob: Vec<&str> = glob.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    folders(&glob, &path)
}

fn folders(glob: &[&str], path: &[&str]) -> bool {
    match (glob, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            // Several `**` in a row are one, which keeps the search short.
            let skip = rest.iter().take_while(|g| **g == "**").count();
            (0..=path.len()).any(|n| folders(&rest[skip..], &path[n..]))
        }
        ([first, glob @ ..], [name, path @ ..]) => {
            let (first, name): (Vec<char>, Vec<char>) =
                (first.chars().collect(), name.chars().collect());
            segment(&first, &name) && folders(glob, path)
        }
        _ => false,
    }
}

/// The usual two-pointer match: on a mismatch the latest `*` takes one character more.
fn segment(glob: &[char], name: &[char]) -> bool {
    let (mut g, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_within_and_across_folders() {
        let check = |glob: &str, path: &str, expect: bool| {
            assert_eq!(matches(glob, path), expect, "{glob} {path}");
        };
        check("alarms/counter.yaml", "alarms/counter.yaml", true);
        check("alarms/*.yaml", "alarms/counter.yaml", true);
        check("alarms/*.yaml", "alarms/web/counter.yaml", false);
        check("alarms/**/*.yaml", "alarms/web/counter.yaml", true);
        check("alarms/**/*.yaml", "alarms/counter.yaml", true);
        check("alarms/**", "alarms/a/b.yaml", true);
        check("alarms/c?unter.*", "alarms/counter.yaml", true);
        check("*ab*ab*", "xabyabz", true);
        check("*ab*ab*", "xabyaz", false);
    }

    #[test]
    fn relative_paths_are_seen_from_the_file() {
        let check = |file: &str, relative: &str, expect: &str| {
            assert_eq!(resolve(file, relative), expect);
        };
        check(
            "alarms/counter.test.yaml",
            "counter.yaml",
            "alarms/counter.yaml",
        );
        check(
            "alarms/web/a.test.yaml",
            "../routes.yaml",
            "alarms/routes.yaml",
        );
        check(
            "alarms/web/a.test.yaml",
            "./**/*.yaml",
            "alarms/web/**/*.yaml",
        );
        check("a.test.yaml", "../x.yaml", "../x.yaml");
    }
}
