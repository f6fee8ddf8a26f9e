//! The architecture as tests: ring direction, who may name what, what every file must keep to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml_edit::DocumentMut;

/// Each crate with its ring; a dependency may not point to a higher one. Adding a crate means
/// saying here where it stands.
const RINGS: &[(&str, u8)] = &[
    ("model", 0),
    ("evaluator", 0),
    ("planner", 0),
    ("response", 0),
    ("render", 0),
    ("raster", 0),
    ("ports", 1),
    ("identity", 1),
    ("envelope", 1),
    ("telemetry", 1),
    ("aws", 2),
    ("local", 2),
    ("counter", 3),
    ("announcement", 3),
    ("resize", 3),
    ("posting", 3),
    ("lambda", 3),
    ("nightbell", 3),
];

/// Arrows within a ring that are meant.
const SAME_RING: &[(&str, &str)] = &[
    ("evaluator", "model"),
    ("planner", "model"),
    ("response", "model"),
    ("render", "model"),
    ("identity", "ports"),
    ("lambda", "counter"),
    ("nightbell", "counter"),
    ("nightbell", "resize"),
    ("nightbell", "announcement"),
    ("lambda", "announcement"),
    ("lambda", "resize"),
    ("nightbell", "posting"),
    ("lambda", "posting"),
];

/// What ring 0 may not call: clocks, files, the environment, randomness, threads.
const IMPURE: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "fastrand",
    "getrandom",
    "TimeZone::system",
];

/// What may be seen at the top, beside dotfiles: the design card, and what a repository needs.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "DEPLOY.md",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "alarms",
    "ci",
    "compose.yaml",
    "dashboards",
    "docs",
    "nightbell.yaml",
    "runbooks",
    "src",
    "terraform",
    "tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn manifest(path: &Path) -> DocumentMut {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// The files that git would take, by their path from the root.
fn files() -> Vec<String> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "git ls-files failed");
    let text = String::from_utf8(out.stdout).unwrap();
    let mut files: Vec<String> = text
        .lines()
        .filter(|f| root().join(f).is_file())
        .map(str::to_string)
        .collect();
    files.sort();
    files
}

fn sources(of: &str) -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|f| f.starts_with(of) && f.ends_with(".rs"))
        .map(|f| (f.clone(), fs::read_to_string(root().join(&f)).unwrap()))
        .collect()
}

#[test]
fn dependencies_point_inward_only() {
    let rings: BTreeMap<&str, u8> = RINGS.iter().copied().collect();
    for (name, ring) in RINGS {
        let toml = manifest(&root().join("src").join(name).join("Cargo.toml"));
        let Some(dependencies) = toml.get("dependencies").and_then(|d| d.as_table_like()) else {
            continue;
        };
        for (dependency, _) in dependencies.iter() {
            let Some(inner) = rings.get(dependency) else {
                continue;
            };
            // Within ring 1 and 2 telemetry and the adapters stand on the ports.
            let meant = inner < ring || SAME_RING.contains(&(name, dependency));
            assert!(
                meant,
                "{name} (ring {ring}) depends on {dependency} (ring {inner})"
            );
        }
    }
}

#[test]
fn every_crate_has_its_ring_and_its_line_in_the_root_manifest() {
    let toml = manifest(&root().join("Cargo.toml"));
    let members: Vec<&str> = toml["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m.as_str().unwrap())
        .collect();
    let mut listed: Vec<&str> = members
        .iter()
        .filter_map(|m| m.strip_prefix("src/"))
        .collect();
    let mut known: Vec<&str> = RINGS.iter().map(|(n, _)| *n).collect();
    let mut there: Vec<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    listed.sort_unstable();
    known.sort_unstable();
    there.sort();
    assert_eq!(listed, known);
    assert_eq!(there, known);
}

#[test]
fn only_aws_names_the_sdk_and_the_default_build_is_free_of_it() {
    for (file, text) in sources("") {
        if file.starts_with("src/aws/") || file.starts_with("tests/tidy/") {
            continue;
        }
        assert!(
            !text.contains("aws_sdk_") && !text.contains("aws_config"),
            "{file} names the SDK"
        );
    }
    let tree = |options: &[&str]| {
        let out = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "-p",
                "nightbell",
                "-e",
                "normal,build",
                "--prefix",
                "none",
            ])
            .args(options)
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    };
    let default = tree(&[]);
    for banned in ["aws-sdk", "aws-config", "aws-smithy", "nasm"] {
        assert!(
            !default.lines().any(|l| l.starts_with(banned)),
            "the default build has {banned}"
        );
    }
    // aws-lc-sys names cmake for platforms that need it; on ours it calls the C compiler itself.
    let with_cmake = tree(&["--invert", "cmake", "--depth", "1"]);
    let with_cmake: Vec<&str> = with_cmake
        .lines()
        .filter(|l| !l.starts_with("cmake") && !l.starts_with('['))
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    assert_eq!(with_cmake, ["aws-lc-sys"], "the default build needs cmake");
    assert!(
        tree(&["--features", "aws"]).contains("aws-sdk-cloudwatch"),
        "this check must be able to fail"
    );
}

#[test]
fn ring_0_is_pure() {
    for (name, _) in RINGS.iter().filter(|(_, ring)| *ring == 0) {
        let toml = manifest(&root().join("src").join(name).join("Cargo.toml"));
        for banned in [
            "tokio",
            "futures",
            "async-trait",
            "rusqlite",
            "reqwest",
            "fastrand",
            "getrandom",
        ] {
            let has = toml
                .get("dependencies")
                .and_then(|d| d.as_table_like())
                .is_some_and(|d| d.contains_key(banned));
            assert!(!has, "{name} depends on {banned}");
        }
        for (file, text) in sources(&format!("src/{name}/src/")) {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                for banned in IMPURE {
                    assert!(!code.contains(banned), "{file}:{}: {banned}", number + 1);
                }
            }
        }
    }
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    for file in files()
        .into_iter()
        .filter(|f| f.ends_with("Cargo.toml") && f != "Cargo.toml")
    {
        let toml = manifest(&root().join(&file));
        let inherits = toml
            .get("lints")
            .and_then(|l| l.get("workspace"))
            .and_then(|w| w.as_bool());
        assert_eq!(inherits, Some(true), "{file}");
        for (key, value) in toml
            .get("dependencies")
            .and_then(|d| d.as_table_like())
            .into_iter()
            .flat_map(|d| d.iter())
        {
            let from_workspace = value.get("workspace").and_then(|w| w.as_bool()) == Some(true);
            assert!(
                from_workspace,
                "{file}: {key} has its version not from the workspace table"
            );
        }
    }
}

#[test]
fn every_metric_that_an_alarm_or_a_dashboard_names_is_known_and_every_file_is_clean() {
    let read = nightbell::files::read(&root().join("nightbell.yaml"));
    assert_eq!(read.problems, []);
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    assert_eq!(loaded.problems, []);
    // The same estate with the catalogue taken away must have problems, or nothing was checked.
    let blind = model::load::estate(&read.files, &[]);
    assert!(
        blind
            .problems
            .iter()
            .any(|p| p.message.contains("PageView")),
        "{:?}",
        blind.problems
    );
}

#[test]
fn files_fit_a_reader_and_stand_where_they_belong() {
    for file in files() {
        assert!(!file.ends_with("/mod.rs"), "{file}: name.rs + name/");
        let stem = file.rsplit('/').next().unwrap();
        assert!(
            !["utils.rs", "util.rs", "helpers.rs", "common.rs"].contains(&stem),
            "{file}: split by noun"
        );
        let top = file.split('/').next().unwrap();
        assert!(
            top.starts_with('.') || TOP.contains(&top),
            "{file}: {top} is not of the visible top level"
        );
    }
    for (file, text) in sources("") {
        let lines = text.lines().count();
        assert!(lines <= 800, "{file} has {lines} lines: split it by noun");
        assert!(
            text.starts_with("//!") || text.starts_with("#!") || file.contains("/tests"),
            "{file} begins without saying what it is for"
        );
    }
}

#[test]
fn tests_do_not_sleep_and_nothing_is_left_open() {
    let open = [
        "todo!(",
        "unimplemented!(",
        "FIXME",
        "// XXX",
        "#[ignore",
        "dbg!(",
    ];
    for (file, text) in sources("") {
        if file.starts_with("tests/tidy/") {
            continue;
        }
        for mark in open {
            assert!(!text.contains(mark), "{file}: {mark}");
        }
        let tests = text.find("#[cfg(test)]").map_or("", |at| &text[at..]);
        let all = if file.starts_with("tests/") || file.contains("/tests/") {
            text.as_str()
        } else {
            tests
        };
        assert!(
            !all.contains("thread::sleep(") && !all.contains("time::sleep("),
            "{file}: step the clock or wait for a state"
        );
    }
}

#[test]
fn nothing_of_one_machine_stands_in_the_repository() {
    // Put together here, so that this file does not name them either.
    let banned = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["static.crates", ".io"].concat(),
        ["registry.npmjs", ".org"].concat(),
    ];
    for file in files() {
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for word in &banned {
            assert!(!text.contains(word.as_str()), "{file} names {word}");
        }
    }
}

/// The lines of a block of YAML, by two spaces for each level: those below `key`, one level deeper.
fn below<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| *line != key).skip(1);
    let depth = key.len() - key.trim_start().len();
    let deeper = |line: &&str| line.is_empty() || line.len() - line.trim_start().len() > depth;
    lines.by_ref().take_while(deeper).collect()
}

#[test]
fn every_check_that_the_branch_requires_is_reported_for_every_pull_request() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let ruleset: serde_json::Value = serde_json::from_str(&read(".github/ruleset.json")).unwrap();
    let required: Vec<&str> = ruleset["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["type"] == "required_status_checks")
        .flat_map(|rule| {
            rule["parameters"]["required_status_checks"]
                .as_array()
                .unwrap()
        })
        .map(|check| check["context"].as_str().unwrap())
        .collect();
    assert!(required.contains(&"tests"), "{required:?}");
    // A workflow that a filter leaves out reports nothing, and what it should have reported is waited for.
    let workflow = read(".github/workflows/test.yml");
    let filters = below(&workflow, "  pull_request:");
    assert!(
        filters.is_empty(),
        "pull requests are filtered: {filters:?}"
    );
    let jobs = below(&workflow, "jobs:").join("\n");
    for check in required {
        let job = below(&jobs, &format!("  {check}:"));
        assert!(!job.is_empty(), "no job is called {check}");
        // A name of its own, or a matrix, would be reported in place of the job's key.
        let renamed =
            |line: &&str| line.starts_with("    name:") || line.starts_with("    strategy:");
        assert!(!job.iter().any(renamed), "{check} reports as another");
        // A job whose `needs` failed is skipped, which counts as passed, unless its condition says otherwise.
        let waits = job.iter().any(|line| line.starts_with("    needs:"));
        let heeds = job
            .iter()
            .any(|line| line.starts_with("    if:") && line.contains("!cancelled()"));
        assert!(
            !waits || heeds,
            "{check} passes where what it waits for failed"
        );
    }
}
