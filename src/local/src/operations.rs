//! What runbooks do to the functions of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::Time;
use ports::{Deploy, Error, Kind, Result};
use serde_json::Value;

use crate::runtime::{Function, UNLIMITED};

/// The functions that run here, by name. Their limits end with the process.
#[derive(Clone, Default)]
pub struct Operations {
    functions: BTreeMap<String, Arc<Function>>,
}

impl Operations {
    /// Of these functions.
    pub fn new(functions: impl IntoIterator<Item = Arc<Function>>) -> Operations {
        let functions = functions.into_iter();
        Operations {
            functions: functions.map(|f| (f.name().to_owned(), f)).collect(),
        }
    }

    fn function(&self, operation: &'static str, name: &str) -> Result<&Arc<Function>> {
        self.functions
            .get(name)
            .ok_or_else(|| Error::new(operation, name, Kind::NotFound))
    }
}

#[async_trait]
impl ports::Operations for Operations {
    async fn concurrency(&self, function: &str) -> Result<Option<u32>> {
        let limit = self.function("look at", function)?.concurrency();
        Ok(Some(limit).filter(|n| *n != UNLIMITED))
    }

    async fn set_concurrency(&self, function: &str, to: Option<u32>) -> Result<()> {
        let function = self.function("set the concurrency of", function)?;
        function.limit(to.unwrap_or(UNLIMITED));
        Ok(())
    }

    async fn invoke(&self, function: &str, payload: &Value) -> Result<Value> {
        let invoked = self.function("invoke", function)?;
        let answer = invoked.invoke_event(payload.clone(), "").await;
        answer.map_err(|failure| {
            Error::new("invoke", function, Kind::Unavailable).because(failure.to_string())
        })
    }

    /// Functions are part of the process here: there are no versions of them.
    async fn deploys(&self, function: &str, _: Time) -> Result<Vec<Deploy>> {
        self.function("list versions of", function)?;
        Ok(Vec::new())
    }
}
