//! What SQLite and the file system report, as the kinds of the ports.

use std::io;

use ports::{Error, Kind};
use rusqlite::ErrorCode;

/// A failed database operation as a port's error.
pub(crate) fn sql(
    operation: &'static str,
    subject: impl Into<String>,
) -> impl FnOnce(rusqlite::Error) -> Error {
    move |e| Error::new(operation, subject, kind(&e)).because(e)
}

/// A failed file operation as a port's error.
pub(crate) fn file(
    operation: &'static str,
    subject: impl Into<String>,
) -> impl FnOnce(io::Error) -> Error {
    move |e| {
        let kind = match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
            io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Unavailable,
        };
        Error::new(operation, subject, kind).because(e)
    }
}

/// An answer for a caller whose request can never work.
pub(crate) fn invalid(
    operation: &'static str,
    subject: impl Into<String>,
    why: impl Into<String>,
) -> Error {
    Error::new(operation, subject, Kind::Invalid).because(why.into())
}

/// The answer once the store has been closed.
pub(crate) fn closed() -> Error {
    Error::new("use", super::schema::FILE, Kind::Unavailable)
        .because("the store is closed or its writer ended; start Nightbell again")
}

/// The kind of a database failure.
pub(crate) fn kind(e: &rusqlite::Error) -> Kind {
    let rusqlite::Error::SqliteFailure(code, _) = e else {
        return Kind::Unavailable;
    };
    // Growing the shared index of the log fails with its own code when the disk is full.
    if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE {
        return Kind::Full;
    }
    match code.code {
        ErrorCode::DiskFull => Kind::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Kind::Locked,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Kind::Denied,
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Kind::Invalid,
        ErrorCode::ConstraintViolation => Kind::Conflict,
        ErrorCode::TooBig => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}
