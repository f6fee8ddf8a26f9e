//! Reads the project's files for ring 0, which reads none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use model::load::Files;
use model::suite::Suite;
use model::{Estate, Level, Place, Problem, Time};
use ports::Objects;

/// The files of a project, and what could not be read.
#[derive(Debug)]
pub struct ProjectFiles {
    /// The folder of the project file.
    pub root: PathBuf,
    /// What could be read.
    pub files: Files,
    /// Folders and files that cannot be read.
    pub problems: Vec<Problem>,
    /// The sources in S3, which are not read from here: the folder that they stand for, and where
    /// they are.
    pub remote: Vec<(&'static str, String)>,
    project: String,
}

/// A file larger than this is no alarm, dashboard or runbook.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// What is read.
const ENDINGS: [&str; 4] = [".yaml", ".yml", ".json", ".md"];

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
        remote: Vec::new(),
        project: project.clone(),
    };
    read.file(&project, true);
    read.file("services.auto.yaml", false);
    // The project file says where the others are; its own problems are found again with them.
    if let Some(estate) = model::load::estate(&read.files, &[]).estate {
        let sources = estate.project.sources;
        for (kind, source) in [
            ("alarms", sources.alarms),
            ("dashboards", sources.dashboards),
            ("runbooks", sources.runbooks),
        ] {
            match source.starts_with("s3://") {
                true => read.remote.push((kind, source)),
                false => read.folder(source.trim_start_matches("./").trim_end_matches('/'), 0),
            }
        }
    }
    read
}

/// The same, and what the sources in S3 hold.
pub async fn read_all(config: &Path, objects: &dyn Objects) -> ports::Result<ProjectFiles> {
    let mut read = read(config);
    for (kind, source) in read.remote.clone() {
        let (bucket, prefix) = bucket_and_prefix(&source);
        for facts in list(objects, bucket, &prefix).await? {
            let inside = facts.0.strip_prefix(&prefix).unwrap_or(&facts.0);
            if !ENDINGS.iter().any(|e| inside.ends_with(e)) {
                continue;
            }
            // One that went away since is not there.
            if let Some(object) = objects.get(bucket, &facts.0, MAX_FILE).await? {
                let path = format!("{kind}/{inside}");
                read.files.insert(path, object.body.to_vec());
            }
        }
    }
    Ok(read)
}

/// What the files desire, sources in S3 included. Files that cannot be used are an error, which
/// names the first place.
pub async fn estate(config: &Path, objects: &dyn Objects) -> anyhow::Result<Estate> {
    let files = read_all(config, objects).await?;
    let loaded = model::load::estate(&files.files, &crate::services::declared());
    let mut problems = files.problems.into_iter().chain(loaded.problems);
    if let Some(first) = problems.find(|p| p.level == Level::Error) {
        bail!(
            "the files cannot be used: {}: {}",
            first.place,
            first.message
        );
    }
    match loaded.estate {
        Some(estate) => Ok(estate),
        None => bail!("the files cannot be used"),
    }
}

/// The unit tests of the alarms, sources in S3 included; none where the files cannot be used.
pub async fn suites(config: &Path, objects: &dyn Objects) -> ports::Result<Vec<Suite>> {
    let files = read_all(config, objects).await?;
    Ok(model::load::estate(&files.files, &crate::services::declared()).suites)
}

/// Key, time and size of everything under the sources in S3: another list means another content.
pub async fn remote_facts(
    remote: &[(&'static str, String)],
    objects: &dyn Objects,
) -> ports::Result<Vec<(String, Time, u64)>> {
    let mut all = Vec::new();
    for (_, source) in remote {
        let (bucket, prefix) = bucket_and_prefix(source);
        all.extend(list(objects, bucket, &prefix).await?);
    }
    Ok(all)
}

async fn list(
    objects: &dyn Objects,
    bucket: &str,
    prefix: &str,
) -> ports::Result<Vec<(String, Time, u64)>> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = objects
            .list(bucket, prefix, 1000, cursor.as_deref())
            .await?;
        found.extend(
            page.objects
                .into_iter()
                .map(|o| (o.key, o.modified, o.size)),
        );
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(found),
        }
    }
}

/// `s3://bucket/a/b` is everything below `a/b/`.
fn bucket_and_prefix(source: &str) -> (&str, String) {
    let path = source.trim_start_matches("s3://").trim_end_matches('/');
    match path.split_once('/') {
        Some((bucket, prefix)) => (bucket, format!("{prefix}/")),
        None => (path, String::new()),
    }
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
            } else if !is_folder && ENDINGS.iter().any(|e| name.ends_with(e)) {
                self.file(&child, true);
            }
        }
    }
}
