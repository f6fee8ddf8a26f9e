//! Reading: connections of their own, work off the async threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ports::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::closed;
use super::schema;

/// How many reads run at a time; the others wait without a thread.
const PARALLEL: usize = 4;

/// The connections that read.
pub(crate) struct Readers {
    dir: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub fn new(dir: PathBuf) -> Arc<Readers> {
        Arc::new(Readers {
            dir,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(PARALLEL)),
        })
    }

    /// Runs a read on a blocking thread.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Readers>,
        operation: &'static str,
        run: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| closed())?;
        let readers = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let answer = readers.read_here(run);
            drop(permit);
            answer
        });
        work.await.unwrap_or_else(|e| {
            Err(Error::new(operation, schema::FILE, Kind::Unavailable).because(e))
        })
    }

    /// Runs a read on this thread, which may wait for the disk.
    pub fn read_here<T>(&self, run: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().map_err(|_| closed())?.pop();
        let conn = match idle {
            Some(conn) => conn,
            None => schema::open_reader(&self.dir)?,
        };
        let answer = run(&conn);
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < PARALLEL
        {
            idle.push(conn);
        }
        answer
    }

    /// Ends reading; what runs, runs on.
    pub fn close(&self) {
        self.permits.close();
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }
}
