//! Faults on purpose: makes a service's store fail or wait, so that alarms can be seen to ring.
//!
//! A fault stands between a service and its store, where real faults live: the service fails as it
//! would in AWS, and its traces and logs tell the same story.

mod services;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::{Clock, Document, Documents, Error, Items, Key, Kind, Mail, Objects, Queues, Result};
use serde::Serialize;

/// One fault of one service.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fault {
    /// The share of store calls that fail, 0 to 1.
    pub error_rate: f64,
    /// What every store call waits first.
    #[serde(skip)]
    pub latency: Duration,
    /// When it ends by itself.
    pub until: Time,
}

/// The faults of all services. Clones share them; a restart forgets them.
#[derive(Clone)]
pub struct Faults {
    clock: Arc<dyn Clock>,
    active: Arc<Mutex<BTreeMap<String, Fault>>>,
}

impl Faults {
    /// No faults yet.
    pub fn new(clock: Arc<dyn Clock>) -> Faults {
        Faults {
            clock,
            active: Arc::default(),
        }
    }

    /// Begins a fault, in place of one that the service may have.
    pub fn set(&self, service: &str, fault: Fault) {
        self.lock().insert(service.into(), fault);
    }

    /// Ends the fault of a service, or all of them; answers which ended.
    pub fn clear(&self, service: Option<&str>) -> Vec<String> {
        let mut active = self.lock();
        let ended: Vec<String> = active
            .keys()
            .filter(|name| service.is_none_or(|s| s == *name))
            .cloned()
            .collect();
        active.retain(|name, _| !ended.contains(name));
        ended
    }

    /// What is active now, by service.
    pub fn active(&self) -> BTreeMap<String, Fault> {
        let now = self.clock.now();
        let mut active = self.lock();
        active.retain(|_, fault| now < fault.until);
        active.clone()
    }

    /// Puts the faults of `service` between it and its documents.
    pub fn documents(&self, service: &str, inner: Arc<dyn Documents>) -> Arc<dyn Documents> {
        Arc::new(self.between(service, inner))
    }

    /// Puts the faults of `service` between it and its items.
    pub fn items(&self, service: &str, inner: Arc<dyn Items>) -> Arc<dyn Items> {
        Arc::new(self.between(service, inner))
    }

    /// Puts the faults of `service` between it and its objects.
    pub fn objects(&self, service: &str, inner: Arc<dyn Objects>) -> Arc<dyn Objects> {
        Arc::new(self.between(service, inner))
    }

    /// Puts the faults of `service` between it and its queues.
    pub fn queues(&self, service: &str, inner: Arc<dyn Queues>) -> Arc<dyn Queues> {
        Arc::new(self.between(service, inner))
    }

    /// Puts the faults of `service` between it and its mail.
    pub fn mail(&self, service: &str, inner: Arc<dyn Mail>) -> Arc<dyn Mail> {
        Arc::new(self.between(service, inner))
    }

    fn between<T: ?Sized>(&self, service: &str, inner: Arc<T>) -> Faulty<T> {
        Faulty {
            service: service.into(),
            faults: self.clone(),
            inner,
        }
    }

    async fn strike(&self, service: &str, operation: &'static str, subject: &str) -> Result<()> {
        let Some(fault) = self.current(service) else {
            return Ok(());
        };
        if !fault.latency.is_zero() {
            self.clock
                .sleep_until(self.clock.now() + fault.latency)
                .await;
        }
        if fastrand::f64() < fault.error_rate {
            return Err(Error::new(operation, subject, Kind::Unavailable).because("injected fault"));
        }
        Ok(())
    }

    fn current(&self, service: &str) -> Option<Fault> {
        let now = self.clock.now();
        self.lock()
            .get(service)
            .copied()
            .filter(|fault| now < fault.until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Fault>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port behind faults.
struct Faulty<T: ?Sized> {
    service: String,
    faults: Faults,
    inner: Arc<T>,
}

impl<T: ?Sized> Faulty<T> {
    async fn strike(&self, operation: &'static str, subject: &str) -> Result<()> {
        self.faults.strike(&self.service, operation, subject).await
    }
}

#[async_trait]
impl<T: Documents + ?Sized> Documents for Faulty<T> {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        self.strike("update item", table).await?;
        self.inner.add(table, key, attribute, by).await
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        self.strike("get item", table).await?;
        self.inner.get(table, key).await
    }

    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()> {
        self.strike("put item", table).await?;
        self.inner.put(table, key, item, only_if_absent).await
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        self.strike("delete item", table).await?;
        self.inner.delete(table, key).await
    }
}
