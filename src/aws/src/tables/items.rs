//! Items: conditions, indexes and transactions on DynamoDB.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, KeyType, Put, ReturnValue, TransactWriteItem, Update,
};
use ports::{
    Change, Condition, Document, Error, Item, ItemPage, Items, Key, Kind, Query, Result, Retry,
    Write,
};

use super::expression::Placeholders;
use super::{Shape, Tables, convert, name, sdk_key};
use crate::error::{self, failed, invalid, port_error, unreadable};
use crate::retries::{OnlyWhenNotApplied, WhenOthersWereInTheWay};
use crate::token;

const UPDATE: &str = "update item";
const REMOVE: &str = "remove item";
const TRANSACT: &str = "write items together";
const QUERY: &str = "query";
const SCAN: &str = "scan";
const DESCRIBE: &str = "describe table";

/// A change that may be applied twice with the same end.
fn is_idempotent(change: &Change, condition: Option<&Condition>) -> bool {
    change.add.is_empty() && condition.is_none()
}

#[async_trait]
impl Items for Tables {
    /// An attempt with a condition or an addition whose fate is unknown is not sent again: it is
    /// `Unavailable`, and the caller reads before it decides.
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        let subject = name(table, key);
        let wrong = |why| invalid(UPDATE, name(table, key), why);
        let mut placeholders = Placeholders::default();
        let update = placeholders.change(change).map_err(wrong)?;
        let when = condition
            .map(|c| placeholders.condition(&key.attribute, c))
            .transpose()
            .map_err(wrong)?;
        let mut config = Builder::new();
        if !is_idempotent(change, condition) {
            config = config.retry_classifier(OnlyWhenNotApplied);
        }
        let answer = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(sdk_key(UPDATE, table, key)?))
            .set_update_expression(update)
            .set_condition_expression(when)
            .set_expression_attribute_names(placeholders.names())
            .set_expression_attribute_values(placeholders.values())
            .return_values(ReturnValue::AllNew)
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(failed(UPDATE, &subject))?;
        let Some(mut item) = answer.attributes else {
            return Err(unreadable(UPDATE, subject, "the answer lacks the item"));
        };
        item.remove(&key.attribute);
        convert::from_item(item).map_err(wrong)
    }

    /// An attempt whose fate is unknown is not sent again: a second one would find nothing.
    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        let wrong = |why| invalid(REMOVE, name(table, key), why);
        let mut placeholders = Placeholders::default();
        let when = condition
            .map(|c| placeholders.condition(&key.attribute, c))
            .transpose()
            .map_err(wrong)?;
        let answer = self
            .client
            .delete_item()
            .table_name(table)
            .set_key(Some(sdk_key(REMOVE, table, key)?))
            .set_condition_expression(when)
            .set_expression_attribute_names(placeholders.names())
            .set_expression_attribute_values(placeholders.values())
            .return_values(ReturnValue::AllOld)
            .customize()
            .config_override(Builder::new().retry_classifier(OnlyWhenNotApplied))
            .send()
            .await
            .map_err(failed(REMOVE, name(table, key)))?;
        let Some(mut item) = answer.attributes.filter(|item| !item.is_empty()) else {
            return Ok(None);
        };
        item.remove(&key.attribute);
        convert::from_item(item).map(Some).map_err(wrong)
    }

    /// One `TransactWriteItems` under a token of its own, so that a repeated attempt writes once.
    async fn transact(&self, writes: &[Write]) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        let subject = subject(writes);
        let wrong = |why: String| invalid(TRANSACT, &subject, why);
        if writes.len() > 100 {
            let why = format!("{} writes; DynamoDB takes 100 at a time", writes.len());
            return Err(wrong(why));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = writes.iter().map(target).find(|item| !seen.insert(*item)) {
            return Err(wrong(format!("item {} twice", twice.1.value)));
        }
        let items = writes.iter().map(sdk_write).collect::<Result<Vec<_>>>()?;
        self.client
            .transact_write_items()
            .set_transact_items(Some(items))
            .client_request_token(token()?)
            .customize()
            .config_override(Builder::new().retry_classifier(WhenOthersWereInTheWay))
            .send()
            .await
            .map_err(|e| cancelled(&subject, e))?;
        Ok(())
    }

    /// The first query of a table also asks `DescribeTable` for its keys.
    async fn query(&self, query: &Query) -> Result<ItemPage> {
        let table = &query.table;
        let wrong = |why| invalid(QUERY, format!("{table}/{}", query.index), why);
        let shape = self.shape(table).await?;
        let index = shape.indexes.get(&query.index);
        let (partition, sort) = index.ok_or_else(|| wrong("there is no such index".into()))?;
        let mut placeholders = Placeholders::default();
        let text = placeholders
            .query(query, (partition, sort))
            .map_err(wrong)?;
        let cursor = query.cursor.as_deref().map(convert::from_cursor);
        let answer = self
            .client
            .query()
            .table_name(table)
            .index_name(&query.index)
            .key_condition_expression(text)
            .set_expression_attribute_names(placeholders.names())
            .set_expression_attribute_values(placeholders.values())
            .scan_index_forward(!query.descending)
            .limit(limit(query.limit).map_err(wrong)?)
            .set_exclusive_start_key(cursor.transpose().map_err(wrong)?)
            .send()
            .await
            .map_err(failed(QUERY, format!("{table}/{}", query.index)))?;
        page(&shape.key, answer.items, answer.last_evaluated_key).map_err(wrong)
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        most: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        let wrong = |why| invalid(SCAN, table, why);
        let cursor = cursor.map(convert::from_cursor).transpose();
        let answer = self
            .client
            .scan()
            .table_name(table)
            .limit(limit(most).map_err(wrong)?)
            .set_exclusive_start_key(cursor.map_err(wrong)?)
            .send()
            .await
            .map_err(failed(SCAN, table))?;
        page(attribute, answer.items, answer.last_evaluated_key).map_err(wrong)
    }
}

impl Tables {
    /// The keys of a table and its indexes, asked for once.
    async fn shape(&self, table: &str) -> Result<Shape> {
        if let Some(shape) = self.shapes().get(table) {
            return Ok(shape.clone());
        }
        let answer = self
            .client
            .describe_table()
            .table_name(table)
            .send()
            .await
            .map_err(failed(DESCRIBE, table))?;
        let described = answer.table;
        let key = |schema: &[aws_sdk_dynamodb::types::KeySchemaElement], kind: KeyType| {
            let key = schema.iter().find(|k| *k.key_type() == kind);
            key.map(|k| k.attribute_name().to_owned())
        };
        let shape = described.and_then(|table| {
            let indexes = table.global_secondary_indexes().iter();
            let indexes = indexes.filter_map(|index| {
                let partition = key(index.key_schema(), KeyType::Hash)?;
                let sort = key(index.key_schema(), KeyType::Range)?;
                Some((index.index_name()?.to_owned(), (partition, sort)))
            });
            Some(Shape {
                key: key(table.key_schema(), KeyType::Hash)?,
                indexes: indexes.collect(),
            })
        });
        let shape = shape.ok_or_else(|| unreadable(DESCRIBE, table, "the answer lacks the key"))?;
        self.shapes().insert(table.to_owned(), shape.clone());
        Ok(shape)
    }
}

fn limit(limit: usize) -> std::result::Result<i32, String> {
    match i32::try_from(limit) {
        Ok(0) => Err("a page of no items has no next one; ask for at least 1".into()),
        Ok(limit) => Ok(limit),
        Err(_) => Ok(i32::MAX),
    }
}

fn page(
    key: &str,
    items: Option<Vec<HashMap<String, AttributeValue>>>,
    next: Option<HashMap<String, AttributeValue>>,
) -> std::result::Result<ItemPage, String> {
    let items = items.unwrap_or_default().into_iter();
    Ok(ItemPage {
        items: items
            .map(|item| keyed(key, item))
            .collect::<std::result::Result<_, _>>()?,
        next: next.map(convert::to_cursor).transpose()?,
    })
}

fn keyed(
    key: &str,
    mut item: HashMap<String, AttributeValue>,
) -> std::result::Result<Item, String> {
    let Some(AttributeValue::S(value)) = item.remove(key) else {
        return Err(format!("an item has no text `{key}` as its key"));
    };
    Ok(Item {
        key: Key {
            attribute: key.to_owned(),
            value,
        },
        document: convert::from_item(item)?,
    })
}

fn target(write: &Write) -> (&str, &Key) {
    match write {
        Write::Put { table, key, .. }
        | Write::Update { table, key, .. }
        | Write::Delete { table, key, .. }
        | Write::Check { table, key, .. } => (table, key),
    }
}

fn subject(writes: &[Write]) -> String {
    let mut tables: Vec<_> = writes.iter().map(|w| target(w).0).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.join(", ")
}

fn sdk_write(write: &Write) -> Result<TransactWriteItem> {
    let (table, key) = target(write);
    let wrong = |why: String| invalid(TRANSACT, name(table, key), why);
    let sdk_key = sdk_key(TRANSACT, table, key)?;
    let mut placeholders = Placeholders::default();
    let when = |condition: Option<&Condition>, placeholders: &mut Placeholders| {
        condition
            .map(|c| placeholders.condition(&key.attribute, c))
            .transpose()
            .map_err(wrong)
    };
    let built = match write {
        Write::Put {
            item, condition, ..
        } => {
            let mut whole = convert::to_item(item).map_err(wrong)?;
            whole.extend(sdk_key);
            let condition = when(condition.as_ref(), &mut placeholders)?;
            Put::builder()
                .table_name(table)
                .set_item(Some(whole))
                .set_condition_expression(condition)
                .set_expression_attribute_names(placeholders.names())
                .set_expression_attribute_values(placeholders.values())
                .build()
                .map(|put| TransactWriteItem::builder().put(put))
        }
        Write::Update {
            change, condition, ..
        } => {
            let update = placeholders.change(change).map_err(wrong)?;
            let update = update.ok_or_else(|| wrong("the change changes nothing".into()))?;
            let condition = when(condition.as_ref(), &mut placeholders)?;
            Update::builder()
                .table_name(table)
                .set_key(Some(sdk_key))
                .update_expression(update)
                .set_condition_expression(condition)
                .set_expression_attribute_names(placeholders.names())
                .set_expression_attribute_values(placeholders.values())
                .build()
                .map(|update| TransactWriteItem::builder().update(update))
        }
        Write::Delete { condition, .. } => {
            let condition = when(condition.as_ref(), &mut placeholders)?;
            Delete::builder()
                .table_name(table)
                .set_key(Some(sdk_key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(placeholders.names())
                .set_expression_attribute_values(placeholders.values())
                .build()
                .map(|delete| TransactWriteItem::builder().delete(delete))
        }
        Write::Check { condition, .. } => {
            let condition = when(Some(condition), &mut placeholders)?;
            ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(sdk_key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(placeholders.names())
                .set_expression_attribute_values(placeholders.values())
                .build()
                .map(|check| TransactWriteItem::builder().condition_check(check))
        }
    };
    built
        .map(|write| write.build())
        .map_err(|e| wrong(e.to_string()))
}

type Cancelled = aws_sdk_dynamodb::error::SdkError<
    TransactWriteItemsError,
    aws_sdk_dynamodb::config::http::HttpResponse,
>;

/// A cancelled transaction says for each write why; the worst of them is the answer.
pub(crate) fn cancelled(subject: &str, error: Cancelled) -> Error {
    let reasons: Vec<String> = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap_or("None").to_owned())
            .collect(),
        _ => Vec::new(),
    };
    let mut port = port_error(TRANSACT, subject, error::Error::from(error));
    if let Some((kind, retry)) = verdict(&reasons) {
        (port.kind, port.retry) = (kind, retry);
    }
    port
}

/// What can never work stands before what others did, and that before what passes by itself.
fn verdict(reasons: &[String]) -> Option<(Kind, Retry)> {
    let has = |code: &str| reasons.iter().any(|r| r == code);
    if has("ValidationError") {
        Some((Kind::Invalid, Retry::Never))
    } else if has("ConditionalCheckFailed") {
        Some((Kind::Conflict, Retry::Never))
    } else if has("ItemCollectionSizeLimitExceeded") {
        Some((Kind::Full, Retry::Backoff))
    } else if has("ThrottlingError") || has("ProvisionedThroughputExceeded") {
        Some((Kind::Throttled, Retry::Backoff))
    } else if has("TransactionConflict") {
        Some((Kind::Conflict, Retry::Backoff))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_reason_decides_what_a_cancelled_transaction_means() {
        let check = |reasons: &[&str], expect: Option<(Kind, Retry)>| {
            let reasons: Vec<_> = reasons.iter().map(|r| (*r).to_owned()).collect();
            assert_eq!(verdict(&reasons), expect, "{reasons:?}");
        };
        check(&[], None);
        check(&["None"], None);
        check(
            &["None", "ConditionalCheckFailed", "TransactionConflict"],
            Some((Kind::Conflict, Retry::Never)),
        );
        check(
            &["TransactionConflict"],
            Some((Kind::Conflict, Retry::Backoff)),
        );
        check(
            &["ThrottlingError", "TransactionConflict"],
            Some((Kind::Throttled, Retry::Backoff)),
        );
        check(
            &["ConditionalCheckFailed", "ValidationError"],
            Some((Kind::Invalid, Retry::Never)),
        );
    }
}
