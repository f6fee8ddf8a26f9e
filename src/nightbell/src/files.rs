//! Reads the project's files for ring 0, which reads none.

use std::fs;
use std::path::{Path, PathBuf};

use model::load::Files;
use model::{Place, Problem};

/// The files of a project, and what could not be read.
#[derive(Debug)]
pub struct ProjectFiles {
    /// The folder of the project file.
    pub root: PathBuf,
    /// What could be read.
    pub files: Files,
    /// Folders and files that cannot be read.
    pub problems: Vec<Problem>,
    project: String,
}

/// A file larger than this is no alarm, dashboard or runbook.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads the project file, `services.auto.yaml` beside it, and everything in the source folders.
pub fn read(config: &Path) -> ProjectFiles {
    let root = match config.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let project = config.file_name().map_or_else(
        || "nightbell.yaml".into(),
        |n| n.to_string_lossy().into_owned(),
    );
    let mut read = ProjectFiles {
        root,
        files: Files::new(&project),
        problems: Vec::new(),
        project: project.clone(),
    };
    read.file(&project, true);
    read.file("services.auto.yaml", false);
    // The project file says where the others are; its own problems are found again with them.
    if let Some(estate) = model::load::estate(&read.files, &[]).estate {
        let sources = estate.project.sources;
        for folder in [sources.alarms, sources.dashboards, sources.runbooks] {
            read.folder(folder.trim_start_matches("./").trim_end_matches('/'), 0);
        }
    }
    read
}

impl ProjectFiles {
    fn file(&mut self, path: &str, required: bool) {
        let full = self.root.join(path);
        let read = fs::metadata(&full).and_then(|m| {
            if m.len() > MAX_FILE {
                return Err(std::io::Error::other(format!(
                    "larger than {MAX_FILE} bytes"
                )));
            }
            fs::read(&full)
        });
        match read {
            Err(e) if !required && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => {
                let problem =
                    Problem::error(Place::file(path), format!("cannot read the file: {e}"));
                self.problems.push(match e.kind() {
                    std::io::ErrorKind::NotFound => problem.help(
                        "run this in a project's folder, or name its file with --config FILE",
                    ),
                    _ => problem.help("check that it exists and that you may read it"),
                });
            }
            Ok(bytes) => self.files.insert(path, bytes),
        }
    }

    fn folder(&mut self, path: &str, depth: usize) {
        let entries = match fs::read_dir(self.root.join(path)) {
            Ok(entries) => entries,
            Err(e) => {
                self.problems.push(
                    Problem::error(Place::file(path), format!("cannot read the folder: {e}")).help(
                        format!(
                            "create it, or name another under `sources` in {}",
                            self.project
                        ),
                    ),
                );
                return;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let child = format!("{path}/{name}");
            // A link is followed to a file, never to a folder: a cycle would not end.
            let kind = entry.file_type();
            let is_folder = kind.as_ref().is_ok_and(fs::FileType::is_dir);
            if name.starts_with('.') {
                continue;
            } else if is_folder && depth < 16 {
                self.folder(&child, depth + 1);
            } else if !is_folder
                && [".yaml", ".yml", ".json", ".md"]
                    .iter()
                    .any(|e| name.ends_with(e))
            {
                self.file(&child, true);
            }
        }
    }
}
