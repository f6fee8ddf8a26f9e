//! Secrets of local mode: the environment, else a file that only its owner can read.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use ports::{Error, Kind, Result, Secret, Secrets};
use serde_json::Value;

/// `secrets.json` in the data folder: an object of names and values.
pub const FILE: &str = "secrets.json";

/// Reads `NIGHTBELL_SECRET_<NAME>`, else `secrets.json`, each time anew: a secret that was changed
/// counts at once, and none stays in memory.
pub struct LocalSecrets {
    file: PathBuf,
    environment: Box<Environment>,
}

/// Answers a variable.
type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

impl LocalSecrets {
    /// The secrets of this process and of a data folder.
    pub fn new(data: &Path) -> LocalSecrets {
        LocalSecrets::with(data, |name| std::env::var(name).ok())
    }

    /// The same with another environment.
    pub fn with(
        data: &Path,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> LocalSecrets {
        LocalSecrets {
            file: data.join(FILE),
            environment: Box::new(environment),
        }
    }

    /// The name of the variable that holds a secret.
    pub fn variable(name: &str) -> String {
        let letter = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        format!(
            "NIGHTBELL_SECRET_{}",
            name.chars().map(letter).collect::<String>()
        )
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        if name.is_empty() {
            return Err(Error::new("read secret", name, Kind::Invalid).because("it needs a name"));
        }
        if let Some(value) = (self.environment)(&LocalSecrets::variable(name)) {
            return Ok(Secret::new(value));
        }
        let (file, name) = (self.file.clone(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || read(&file, &name));
        read.await
            .unwrap_or_else(|e| Err(Error::new("read secret", FILE, Kind::Unavailable).because(e)))
    }
}

fn read(file: &Path, name: &str) -> Result<Secret> {
    let failed = |kind: Kind| Error::new("read secret", name, kind);
    let absent = || {
        let variable = LocalSecrets::variable(name);
        let file = file.display();
        failed(Kind::NotFound).because(format!("set {variable}, or write it into {file}"))
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(absent()),
        Err(e) => return Err(failed(Kind::Denied).because(e)),
    };
    guarded(file).map_err(|why| failed(Kind::Denied).because(why))?;
    // Neither the text nor serde's words about it may get into an error: they would show it.
    let Ok(Value::Object(values)) = serde_json::from_str(&text) else {
        let why = format!(
            "{} is not a JSON object of names and values",
            file.display()
        );
        return Err(failed(Kind::Invalid).because(why));
    };
    match values.get(name) {
        None | Some(Value::Null) => Err(absent()),
        Some(Value::String(value)) => Ok(Secret::new(value)),
        // Secrets Manager keeps an object of several as JSON text, too.
        Some(value) => Ok(Secret::new(value.to_string())),
    }
}

#[cfg(unix)]
fn guarded(file: &Path) -> std::result::Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).map(|m| m.permissions().mode());
    match mode {
        Ok(mode) if mode & 0o077 == 0 => Ok(()),
        Ok(_) => Err(format!(
            "others on this machine can read {0}; run `chmod 600 {0}`",
            file.display()
        )),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(not(unix))]
fn guarded(_file: &Path) -> std::result::Result<(), String> {
    Ok(())
}
