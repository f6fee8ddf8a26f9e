//! `nightbell invalidations`: what a CDN has to forget after a deployment of static files.

use std::fs;
use std::path::Path;

use anyhow::Context;
use resize::domain::invalidation::{Manifest, invalidations};
use sha2::{Digest, Sha256};

use super::print::line;
use super::{Exit, Global, Invalidations, failed};

/// Prints the paths, one a line or as a JSON list; nothing when nothing has to be forgotten.
pub fn run(global: &Global, arguments: &Invalidations) -> Exit {
    match paths(arguments) {
        Ok(paths) if global.json => line(format_args!("{}", serde_json::json!(paths))),
        Ok(paths) => {
            for path in paths {
                line(format_args!("{path}"));
            }
        }
        Err(error) => {
            failed(&error);
            return Exit::BadFile;
        }
    }
    Exit::Done
}

fn paths(arguments: &Invalidations) -> anyhow::Result<Vec<String>> {
    let before = read(&arguments.before)?;
    let after = read(&arguments.after)?;
    if let Some(file) = &arguments.write {
        let text = serde_json::to_string_pretty(&after)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(invalidations(&before, &after))
}

/// A folder, or a manifest that an earlier deployment wrote.
fn read(path: &Path) -> anyhow::Result<Manifest> {
    let of = || format!("cannot read {}", path.display());
    let mut files = Manifest::new();
    if path.is_dir() {
        walk(path, "", &mut files).with_context(of)?;
        return Ok(files);
    }
    let text = fs::read_to_string(path).with_context(of)?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is neither a folder nor a manifest that `--write` wrote",
            path.display()
        )
    })
}

fn walk(folder: &Path, prefix: &str, files: &mut Manifest) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), files)?;
        } else {
            let digest = Sha256::digest(fs::read(entry.path())?);
            let hash: String = digest.iter().map(|b| format!("{b:02x}")).collect();
            files.insert(name, hash);
        }
    }
    Ok(())
}
