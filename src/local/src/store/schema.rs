//! The database file: who holds it, which version it has, and how it is opened.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ports::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags};

use super::failure::{self, invalid, sql};

/// The database's name in the data folder.
pub(crate) const FILE: &str = "nightbell.db";
const LOCK: &str = "nightbell.lock";

/// `NBel`: marks the file as ours for `file(1)` and for `open`.
const APPLICATION_ID: i32 = 0x4E42_656C;

/// Every version of the schema is one step from the version before; the number of steps taken
/// stands in `user_version`. A step that was released is never edited.
pub(crate) const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The data folder, made where it is missing and held until dropped.
pub(crate) struct Held {
    // The operating system frees the lock with the file, even after a `kill -9`.
    _lock: File,
}

/// Takes the folder for this process alone.
pub(crate) fn hold(dir: &Path) -> Result<Held> {
    std::fs::create_dir_all(dir).map_err(failure::file("make data folder", name(dir)))?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(LOCK))
        .map_err(failure::file("open lock of data folder", name(dir)))?;
    match lock.try_lock() {
        Ok(()) => Ok(Held { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            "open data folder",
            name(dir),
            Kind::Locked,
        )
        .because(
            "another Nightbell runs on it; stop that one, or choose another folder with --data",
        )),
        Err(TryLockError::Error(e)) => Err(failure::file("lock data folder", name(dir))(e)),
    }
}

/// Opens the database for writing and brings its schema up to date.
pub(crate) fn open(dir: &Path, steps: &[&str]) -> Result<Connection> {
    let path = dir.join(FILE);
    let failed = || opening(&path);
    let conn = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(failed())?;
    settle(&conn);
    let version = usable(&conn, &path, steps)?;
    // The vacuum mode is fixed with the first table. FULL makes each commit reach the disk before
    // it is acknowledged.
    if version == 0 {
        conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")
            .map_err(failed())?;
    }
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 2000;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;",
    )
    .map_err(failed())?;
    migrate(&conn, &path, version, steps)?;
    Ok(conn)
}

/// A connection that only reads.
pub(crate) fn open_reader(dir: &Path) -> Result<Connection> {
    let path = dir.join(FILE);
    let failed = || opening(&path);
    let conn = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(failed())?;
    conn.execute_batch("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")
        .map_err(failed())?;
    settle(&conn);
    Ok(conn)
}

fn settle(conn: &Connection) {
    // Somebody may look into the file with a tool of their own; that must not fail a write at once.
    let _ = conn.busy_timeout(Duration::from_secs(5));
    conn.set_prepared_statement_cache_capacity(128);
}

/// How many steps the file has taken, 0 for a new one. Looks without changing anything, so that a
/// file that is refused stays as it is.
fn usable(conn: &Connection, path: &Path, steps: &[&str]) -> Result<i32> {
    let number = |query: &str| -> Result<i32> {
        conn.query_row(query, [], |r| r.get(0))
            .map_err(opening(path))
    };
    let version = number("PRAGMA user_version")?;
    let newest = steps.len() as i32;
    let ours = number("PRAGMA application_id")? == APPLICATION_ID;
    if !ours && number("SELECT count(*) FROM sqlite_schema")? > 0 {
        let why = "it is a database of another program; choose another folder with --data";
        return Err(invalid("open", name(path), why));
    }
    if version > newest {
        return Err(invalid(
            "open",
            name(path),
            format!(
                "it was written by a newer Nightbell (schema {version}, this one knows {newest}); \
                 run that version, or choose another folder with --data"
            ),
        ));
    }
    Ok(version)
}

/// Takes the steps that are missing in one transaction, after a copy of what was there.
fn migrate(conn: &Connection, path: &Path, version: i32, steps: &[&str]) -> Result<()> {
    let newest = steps.len() as i32;
    if version == newest {
        return Ok(());
    }
    if version > 0 {
        back_up(conn, path, version)?;
    }
    let missing = &steps[usize::try_from(version).unwrap_or(0)..];
    let script = format!(
        "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {newest}; COMMIT;",
        missing.concat()
    );
    conn.execute_batch(&script).map_err(|e| {
        let _ = conn.execute_batch("ROLLBACK");
        sql("migrate", name(path))(e)
    })
}

/// `nightbell.db.schema-1` beside the file: a whole, consistent database.
fn back_up(conn: &Connection, path: &Path, version: i32) -> Result<()> {
    let copy = PathBuf::from(format!("{}.schema-{version}", path.display()));
    // A copy of an attempt that did not finish is no copy.
    if copy.exists() {
        std::fs::remove_file(&copy).map_err(failure::file("replace backup", name(&copy)))?;
    }
    conn.execute("VACUUM INTO ?1", [copy.to_string_lossy()])
        .map_err(sql("back up to", name(&copy)))?;
    File::open(&copy)
        .and_then(|f| f.sync_all())
        .map_err(failure::file("back up to", name(&copy)))
}

fn opening(path: &Path) -> impl FnOnce(rusqlite::Error) -> Error {
    let path = name(path);
    move |e| match failure::kind(&e) {
        Kind::Invalid => invalid(
            "open",
            path,
            format!(
                "the file is damaged ({e}); put a backup in its place, or move it away to start afresh"
            ),
        ),
        _ => sql("open", path)(e),
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7);";
    const TWO: &str = "CREATE TABLE b (x INTEGER); INSERT INTO b SELECT x + 1 FROM a;";
    const WRONG: &str = "CREATE TABLE c (x INTEGER); INSERT INTO nowhere VALUES (1);";

    fn version(conn: &Connection) -> i64 {
        conn.query_row("PRAGMA user_version", [], |r| r.get(0))
            .unwrap()
    }

    fn only(conn: &Connection, query: &str) -> i64 {
        conn.query_row(query, [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn an_older_schema_is_backed_up_and_takes_the_steps_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), &[ONE]).unwrap());
        let conn = open(dir.path(), &[ONE, TWO]).unwrap();
        assert_eq!(version(&conn), 2);
        assert_eq!(only(&conn, "SELECT x FROM b"), 8);
        let backup = Connection::open(dir.path().join("nightbell.db.schema-1")).unwrap();
        assert_eq!(version(&backup), 1);
        assert_eq!(only(&backup, "SELECT x FROM a"), 7);
        drop(conn);
        assert_eq!(version(&open(dir.path(), &[ONE, TWO]).unwrap()), 2);
    }

    #[test]
    fn a_step_that_fails_leaves_everything_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), &[ONE]).unwrap());
        let error = open(dir.path(), &[ONE, TWO, WRONG]).unwrap_err();
        assert_eq!(error.operation, "migrate");
        let conn = open(dir.path(), &[ONE]).unwrap();
        assert_eq!(version(&conn), 1);
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('b', 'c')";
        assert_eq!(only(&conn, tables), 0);
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), &[ONE, TWO]).unwrap());
        let error = open(dir.path(), &[ONE]).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        let cause = error.source.unwrap().to_string();
        assert!(
            cause.contains("newer Nightbell (schema 2, this one knows 1)"),
            "{cause}"
        );
        assert_eq!(version(&open(dir.path(), &[ONE, TWO]).unwrap()), 2);
    }
}
