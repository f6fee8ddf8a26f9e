//! Documents and items: Amazon DynamoDB.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use ports::{Document, Documents, Key, Result};

use crate::config::Config;
use crate::error::{failed, invalid, unreadable};
use crate::retries::OnlyWhenNotApplied;

pub(crate) mod convert;
mod expression;
pub(crate) mod items;

const ADD: &str = "add to item";
const GET: &str = "get item";
const PUT: &str = "put item";
const DELETE: &str = "delete item";

/// Documents on DynamoDB tables with a string partition key and no sort key.
#[derive(Debug, Clone)]
pub struct Tables {
    client: Client,
    shapes: Arc<Mutex<HashMap<String, Shape>>>,
}

/// The keys of a table.
#[derive(Debug, Clone)]
struct Shape {
    key: String,
    /// By index, its partition and its sort attribute.
    indexes: HashMap<String, (String, String)>,
}

impl Tables {
    /// Makes no request.
    pub fn new(config: &Config) -> Tables {
        Tables {
            client: Client::new(config.sdk()),
            shapes: Arc::default(),
        }
    }

    fn shapes(&self) -> MutexGuard<'_, HashMap<String, Shape>> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Documents for Tables {
    /// One `UpdateItem` with `ADD`. An attempt whose fate is unknown (no answer, or a 5xx) is not
    /// sent again, since it may have counted; it is `Unavailable`, and trying again is the
    /// caller's choice.
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        let subject = name(table, key);
        let answer = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(sdk_key(ADD, table, key)?))
            .update_expression("ADD #a :by")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":by", AttributeValue::N(by.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .customize()
            .config_override(
                aws_sdk_dynamodb::config::Builder::new().retry_classifier(OnlyWhenNotApplied),
            )
            .send()
            .await
            .map_err(failed(ADD, &subject))?;
        match answer.attributes.as_ref().and_then(|a| a.get(attribute)) {
            Some(AttributeValue::N(number)) => convert::whole(number)
                .ok_or_else(|| invalid(ADD, subject, format!("{number} is not a 64-bit integer"))),
            _ => Err(unreadable(ADD, subject, "the answer lacks the new value")),
        }
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        let answer = self
            .client
            .get_item()
            .table_name(table)
            .set_key(Some(sdk_key(GET, table, key)?))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed(GET, name(table, key)))?;
        let Some(mut item) = answer.item else {
            return Ok(None);
        };
        item.remove(&key.attribute);
        convert::from_item(item)
            .map(Some)
            .map_err(|why| invalid(GET, name(table, key), why))
    }

    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()> {
        let mut whole =
            convert::to_item(item).map_err(|why| invalid(PUT, name(table, key), why))?;
        whole.extend(sdk_key(PUT, table, key)?);
        let mut put = self
            .client
            .put_item()
            .table_name(table)
            .set_item(Some(whole));
        if only_if_absent {
            put = put
                .condition_expression("attribute_not_exists(#k)")
                .expression_attribute_names("#k", &key.attribute);
        }
        let mut config = aws_sdk_dynamodb::config::Builder::new();
        if only_if_absent {
            // A second attempt would meet what the first one wrote.
            config = config.retry_classifier(OnlyWhenNotApplied);
        }
        put.customize()
            .config_override(config)
            .send()
            .await
            .map_err(failed(PUT, name(table, key)))?;
        Ok(())
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        self.client
            .delete_item()
            .table_name(table)
            .set_key(Some(sdk_key(DELETE, table, key)?))
            .send()
            .await
            .map_err(failed(DELETE, name(table, key)))?;
        Ok(())
    }
}

fn name(table: &str, key: &Key) -> String {
    format!("{table}/{}", key.value)
}

fn sdk_key(
    operation: &'static str,
    table: &str,
    key: &Key,
) -> Result<HashMap<String, AttributeValue>> {
    if key.attribute.is_empty() || key.value.is_empty() {
        return Err(invalid(operation, name(table, key), "the key is empty"));
    }
    Ok(HashMap::from([(
        key.attribute.clone(),
        AttributeValue::S(key.value.clone()),
    )]))
}
