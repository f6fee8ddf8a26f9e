//! `nightbell import`: the account's alarms and dashboards as files, with an empty plan afterwards.

use std::path::Path;

use local::SystemClock;
use planner::canonical::Here;
use planner::desired::{Bell, Settings};
use planner::import::{Imported, import};
use ports::Clock;
use serde_json::json;

use super::super::print::{self, count, line, note, styled};
use super::super::{Exit, Global, ImportCommand};
use super::{lacking, unavailable, warn};
use crate::cloud::connect;
use crate::reconcile::{Boards, observe};

/// Writes files; what stands there already is never overwritten.
pub fn run(global: &Global, arguments: &ImportCommand) -> Exit {
    if !cfg!(feature = "aws") {
        return lacking();
    }
    let known = model::load::estate(&crate::files::read(&global.config).files, &[]);
    let (estate, region) = match &known.estate {
        Some(estate) => (
            estate.project.estate.clone(),
            Some(estate.project.region.clone()),
        ),
        None => (arguments.estate.clone(), None),
    };
    let region = arguments.account.region.clone().or(region);
    let region = region.or_else(|| std::env::var("AWS_REGION").ok());
    let Some(region) = region else {
        note(format_args!(
            "{}: no Region is named\n  help: add --region us-east-1, or set AWS_REGION",
            styled(print::BAD, "error")
        ));
        return Exit::Usage;
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return unavailable(&error.into()),
    };
    let imported = match runtime.block_on(fetch(&estate, &region)) {
        Ok(imported) => imported,
        Err(error) => return unavailable(&error),
    };
    let project = known
        .estate
        .is_none()
        .then(|| imported.project(&estate, &region));
    match write(&arguments.out, &imported, project.as_deref()) {
        Ok(()) => {
            tell(global, arguments, &imported);
            Exit::Done
        }
        Err(why) => {
            note(format_args!("{}: {why}", styled(print::BAD, "error")));
            Exit::BadFile
        }
    }
}

async fn fetch(estate: &str, region: &str) -> anyhow::Result<Imported> {
    let cloud = connect(region).await?;
    let project = format!("estate: {estate:?}\nregion: {region:?}\nservices: {{}}\n");
    let files = model::load::Files::new("nightbell.yaml").with("nightbell.yaml", project);
    let empty = model::load::estate(&files, &[]).estate;
    let empty = empty.ok_or_else(|| {
        anyhow::anyhow!("`{estate}` cannot be the name of an estate; name another with --estate")
    })?;
    let settings = Settings {
        account: cloud.account.clone(),
        region: region.to_owned(),
        partition: cloud.partition.clone(),
        bell: Bell::None,
    };
    let desired = planner::desired(&empty, &[], &settings);
    let now = SystemClock.now();
    let seen = observe(&*cloud.plane, &desired, &mut Boards::new(), now).await?;
    let here = Here {
        partition: cloud.partition,
        region: region.to_owned(),
        account: cloud.account,
    };
    Ok(import(&seen, estate, &here))
}

fn write(out: &Path, imported: &Imported, project: Option<&str>) -> Result<(), String> {
    let project = project.map(|text| ("nightbell.yaml".to_owned(), text.to_owned()));
    let files = imported.files.iter();
    let files = files.map(|(path, text)| (path.clone(), text.clone()));
    let files: Vec<(String, String)> = files.chain(project).collect();
    // All or nothing: it is looked first.
    for (path, _) in &files {
        let full = out.join(path);
        if full.exists() {
            return Err(format!(
                "{} exists already; nothing was written\n  help: import into another folder with --out DIR",
                full.display()
            ));
        }
    }
    for folder in ["alarms", "dashboards", "runbooks"] {
        let folder = out.join(folder);
        std::fs::create_dir_all(&folder)
            .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    }
    for (path, text) in files {
        let full = out.join(&path);
        let made = full.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&full, text))
            .map_err(|e| format!("cannot write {}: {e}", full.display()))?;
    }
    Ok(())
}

fn tell(global: &Global, arguments: &ImportCommand, imported: &Imported) {
    for (name, why) in &imported.left {
        warn(format_args!("`{name}` was left out: {why}"));
    }
    if global.json {
        line(json!({
            "files": imported.files.keys().collect::<Vec<_>>(), "native": imported.native,
            "left": imported.left, "metrics": imported.metrics,
        }));
        return;
    }
    if global.quiet {
        return;
    }
    line(format_args!(
        "{} in {}; {} had to be written as AWS's JSON",
        count(imported.files.len(), "file"),
        arguments.out.display(),
        count(imported.native, "alarm")
    ));
    if !imported.metrics.is_empty() {
        line("the project file has to list these under `metrics:`");
        for (namespace, names) in &imported.metrics {
            line(format_args!("  {namespace}: [{}]", names.join(", ")));
        }
    }
    line("look at them with `nightbell check`, and take the alarms over with `nightbell adopt`");
}
