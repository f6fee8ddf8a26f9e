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
pub(crate) const STEPS: &[&str] = &[include_str!("schema/1.sql")];

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
    // Page size and vacuum mode are fixed with the first table; on a file with tables they say
    // nothing. FULL makes each commit reach the disk before it is acknowledged.
    conn.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 2000;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;",
    )
    .map_err(failed())?;
    settle(&conn);
    migrate(&conn, &path, steps)?;
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

/// Takes the steps that are missing in one transaction, after a copy of what was there.
fn migrate(conn: &Connection, path: &Path, steps: &[&str]) -> Result<()> {
    let failed = || opening(path);
    let number = |pragma: &str| -> Result<i32> {
        conn.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get(0))
            .map_err(failed())
    };
    let version = number("user_version")?;
    let application = number("application_id")?;
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))
        .map_err(failed())?;
    let newest = steps.len() as i32;
    if tables > 0 && application != APPLICATION_ID {
        return Err(invalid(
            "open",
            name(path),
            "it is a database of another program; choose another folder with --data",
        ));
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
