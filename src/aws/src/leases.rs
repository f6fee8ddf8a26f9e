//! Leases: conditional writes to one item a lease, in the table of the journal.
//!
//! The item is never removed, so that its fence only grows. Times are the holders' own; between two
//! clocks that differ the fence decides, not the time.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use model::Time;
use ports::leases::{Answer, Claim, Lease};
use ports::{Kind, Result};

use crate::config::Config;
use crate::error::{failed, unreadable};

const CLAIM: &str = "claim lease";
const RENEW: &str = "renew lease";
const RELEASE: &str = "release lease";
const READ: &str = "read lease";

type Item = HashMap<String, AttributeValue>;

/// Leases on a DynamoDB table with a text partition key `pk` and a number sort key `sk`.
#[derive(Debug, Clone)]
pub struct Leases {
    client: Client,
    table: String,
}

impl Leases {
    /// Makes no request.
    pub fn new(config: &Config, table: impl Into<String>) -> Leases {
        Leases {
            client: Client::new(config.sdk()),
            table: table.into(),
        }
    }
}

/// The item of a lease.
fn key(name: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(format!("lease#{name}"))),
        ("sk".to_owned(), AttributeValue::N("0".to_owned())),
    ])
}

fn number(n: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

const HELD: &str = "holder = :holder AND fence = :fence AND expires > :never";

/// Lets a transaction through only while nobody has taken this lease over.
pub(crate) fn still_held(
    table: &str,
    lease: &Lease,
) -> std::result::Result<ConditionCheck, aws_sdk_dynamodb::error::BuildError> {
    ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(key(&lease.name)))
        .condition_expression(HELD)
        .expression_attribute_values(":holder", AttributeValue::S(lease.holder.clone()))
        .expression_attribute_values(":fence", number(lease.fence))
        .expression_attribute_values(":never", number(0))
        .build()
}

#[async_trait]
impl ports::Leases for Leases {
    /// A repeated attempt is harmless: the second grant of the same holder has a larger fence.
    async fn claim(&self, claim: &Claim) -> Result<Answer> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&claim.name)))
            .update_expression("SET holder = :holder, expires = :until ADD fence :one")
            .condition_expression("attribute_not_exists(pk) OR expires <= :now OR holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(claim.holder.clone()))
            .expression_attribute_values(":until", number((claim.now + claim.length).millis()))
            .expression_attribute_values(":now", number(claim.now.millis()))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let broken = || unreadable(CLAIM, &claim.name, "the answer lacks the lease");
        match answer {
            Ok(answer) => {
                let lease = answer.attributes.and_then(|item| read(&claim.name, &item));
                Ok(Answer::Granted(lease.ok_or_else(broken)?))
            }
            Err(error) => {
                use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
                match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                        let lease = refused.item().and_then(|item| read(&claim.name, item));
                        Ok(Answer::Refused(lease.ok_or_else(broken)?))
                    }
                    _ => Err(failed(CLAIM, &claim.name)(error)),
                }
            }
        }
    }

    async fn renew(&self, lease: &Lease, now: Time, length: Duration) -> Result<Lease> {
        let expires = now + length;
        self.end(lease, expires)
            .await
            .map_err(failed(RENEW, &lease.name))?;
        Ok(Lease {
            expires,
            ..lease.clone()
        })
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let answer = self.end(lease, Time::EPOCH).await;
        match answer.map_err(failed(RELEASE, &lease.name)) {
            Err(lost) if lost.kind == Kind::Conflict => Ok(()),
            answer => answer,
        }
    }

    async fn holder(&self, name: &str) -> Result<Option<Lease>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed(READ, name))?;
        match answer.item {
            None => Ok(None),
            Some(item) => {
                let lease = read(name, &item);
                let lease = lease.ok_or_else(|| unreadable(READ, name, "its item is no lease"))?;
                Ok(Some(lease))
            }
        }
    }
}

type Ended = std::result::Result<
    (),
    aws_sdk_dynamodb::error::SdkError<
        aws_sdk_dynamodb::operation::update_item::UpdateItemError,
        aws_sdk_dynamodb::config::http::HttpResponse,
    >,
>;

impl Leases {
    /// Sets the end of a lease that is still this holder's. To repeat it changes nothing, except
    /// for a release: there the second attempt finds it given back, which is no error either.
    async fn end(&self, lease: &Lease, expires: Time) -> Ended {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&lease.name)))
            .update_expression("SET expires = :until")
            .condition_expression(HELD)
            .expression_attribute_values(":until", number(expires.millis()))
            .expression_attribute_values(":holder", AttributeValue::S(lease.holder.clone()))
            .expression_attribute_values(":fence", number(lease.fence))
            .expression_attribute_values(":never", number(0))
            .send()
            .await?;
        Ok(())
    }
}

fn read(name: &str, item: &Item) -> Option<Lease> {
    let number = |attribute: &str| item.get(attribute)?.as_n().ok();
    Some(Lease {
        name: name.to_owned(),
        holder: item.get("holder")?.as_s().ok()?.clone(),
        fence: number("fence")?.parse().ok()?,
        expires: Time::from_millis(number("expires")?.parse().ok()?),
    })
}
