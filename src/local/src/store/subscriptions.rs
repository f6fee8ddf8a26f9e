//! Who is subscribed to a topic in local mode, and how a publication reaches them.
//!
//! A mail address has to confirm, by a link in a mail in the mailbox, as SNS asks; the link shows a
//! button, so that a program that looks at links confirms nothing.

use async_trait::async_trait;
use ports::{Endpoint, Error, Kind, Publish, Result, Subscription, Subscriptions};
use rusqlite::{OptionalExtension, Row};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inner;
use super::failure::{invalid, sql};
use super::mail::{Entry, address, check_phone};
use super::mailbox::{Mailbox, random_id};

/// The subscriptions of a [`Store`](super::Store).
#[derive(Clone)]
pub struct LocalSubscriptions {
    pub(super) store: Arc<Inner>,
}

/// How many subscribers are held in memory while a publication goes out.
const PAGE: usize = 500;

#[async_trait]
impl Subscriptions for LocalSubscriptions {
    async fn subscribe(
        &self,
        topic: &str,
        endpoint: &Endpoint,
        filter: Option<&str>,
    ) -> Result<Option<String>> {
        let (protocol, to) = checked(topic, endpoint)?;
        if let Some(filter) = filter
            && !matches!(serde_json::from_str(filter), Ok(Value::Object(_)))
        {
            return Err(invalid("subscribe to", topic, "a filter is a JSON object"));
        }
        let id = random_id("subscribe to", topic)?;
        let entry = Kept {
            arn: format!("{topic}:{id}"),
            topic: topic.to_owned(),
            protocol,
            endpoint: to,
            filter: filter.map(str::to_owned),
            token: random_id("subscribe to", topic)?.replace('-', ""),
            // Only mail is asked: whatever else there is belongs to who subscribes.
            confirmed: !matches!(endpoint, Endpoint::Email(_)),
        };
        let kept = self
            .store
            .writer
            .write(move |session| {
                let failed = || sql("subscribe to", entry.topic.as_str());
                let names = (&entry.topic, &entry.protocol, &entry.endpoint);
                let known = session
                    .conn
                    .prepare_cached(
                        "SELECT arn, topic, protocol, endpoint, filter, token, confirmed \
                         FROM subscriptions \
                         WHERE topic = ?1 AND protocol = ?2 AND endpoint = ?3",
                    )
                    .and_then(|mut s| s.query_row(names, Kept::read).optional())
                    .map_err(failed())?;
                if let Some(known) = known {
                    return Ok(known);
                }
                session
                    .conn
                    .prepare_cached("INSERT INTO subscriptions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
                    .and_then(|mut s| {
                        s.execute((
                            &entry.arn,
                            &entry.topic,
                            &entry.protocol,
                            &entry.endpoint,
                            &entry.filter,
                            &entry.token,
                            entry.confirmed,
                        ))
                    })
                    .map_err(failed())?;
                Ok(entry)
            })
            .await?;
        if !kept.confirmed {
            self.ask(&kept).await?;
        }
        Ok(kept.confirmed.then_some(kept.arn))
    }

    async fn confirm(&self, topic: &str, token: &str) -> Result<String> {
        let (topic, token) = (topic.to_owned(), token.to_owned());
        self.store
            .writer
            .write(move |session| {
                session
                    .conn
                    .prepare_cached(
                        "UPDATE subscriptions SET confirmed = 1 WHERE topic = ?1 AND token = ?2 \
                         RETURNING arn",
                    )
                    .and_then(|mut s| s.query_row((&topic, &token), |r| r.get(0)).optional())
                    .map_err(sql("confirm for", topic.as_str()))?
                    .ok_or_else(|| invalid("confirm for", topic.as_str(), "the token is unknown"))
            })
            .await
    }

    async fn unsubscribe(&self, arn: &str) -> Result<()> {
        let arn = arn.to_owned();
        self.store
            .writer
            .write(move |session| {
                session
                    .conn
                    .prepare_cached("DELETE FROM subscriptions WHERE arn = ?1")
                    .and_then(|mut s| s.execute([&arn]))
                    .map(|_| ())
                    .map_err(sql("unsubscribe", arn.as_str()))
            })
            .await
    }

    async fn list(&self, topic: &str) -> Result<Vec<Subscription>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = page(&self.store, topic, &after).await?;
            let Some(last) = page.last() else {
                return Ok(all);
            };
            after.clone_from(&last.arn);
            all.extend(page.into_iter().map(Kept::shown));
        }
    }
}

impl LocalSubscriptions {
    async fn ask(&self, kept: &Kept) -> Result<()> {
        let mailbox = Mailbox {
            store: self.store.clone(),
        };
        let link = self
            .store
            .address(&format!("/local/sns/confirm?token={}", kept.token));
        let name = kept.topic.rsplit(':').next().unwrap_or(&kept.topic);
        let entry = Entry {
            key: format!("confirm:{}", kept.token),
            to: format!("mailto:{}", kept.endpoint),
            thread: kept.arn.clone(),
            subject: "AWS Notification - Subscription Confirmation".into(),
            body: format!(
                "You have chosen to subscribe to the topic {name}.\n\n\
                 To confirm, open this and press the button:\n{link}\n\n\
                 If you did not ask for it, do nothing.\n"
            ),
            eml: None,
        };
        let id = random_id("subscribe to", &kept.topic)?;
        mailbox.enter(id, entry).await.map(drop)
    }

    /// The topic and address behind a confirmation token.
    pub(crate) async fn waiting(&self, token: &str) -> Result<Option<(String, String)>> {
        let token = token.to_owned();
        self.store
            .readers
            .read("find", move |conn| {
                conn.prepare_cached("SELECT topic, endpoint FROM subscriptions WHERE token = ?1")
                    .and_then(|mut s| {
                        s.query_row([&token], |r| Ok((r.get(0)?, r.get(1)?)))
                            .optional()
                    })
                    .map_err(sql("find", "subscription"))
            })
            .await
    }
}

/// Sends a publication to everybody who confirmed, one mail or text message each. A key that was
/// sent finds its row, so that this can be repeated after a crash.
pub(super) async fn reach(mailbox: &Mailbox, message: &Publish) -> Result<()> {
    let store = &mailbox.store;
    let mut after = String::new();
    loop {
        let page = page(store, &message.topic, &after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.arn);
        for kept in page {
            if !kept.confirmed || !passes(kept.filter.as_deref(), &message.attributes) {
                continue;
            }
            let key = format!("topic:{}#{}", message.key, kept.arn);
            let link = store.address(&format!("/local/sns/unsubscribe?arn={}", kept.arn));
            let entry = match kept.protocol.as_str() {
                "email" => Entry {
                    key,
                    to: format!("mailto:{}", kept.endpoint),
                    thread: message.thread.clone(),
                    subject: message.subject.clone(),
                    body: format!(
                        "{}\n\n--\nIf you wish to stop receiving notifications from this topic, \
                         open this and press the button:\n{link}\n",
                        message.body.trim_end()
                    ),
                    eml: None,
                },
                "sms" => Entry {
                    key,
                    to: format!("sms:{}", kept.endpoint),
                    thread: message.thread.clone(),
                    subject: message.subject.clone(),
                    body: message.body.clone(),
                    eml: None,
                },
                // Other protocols reach programs, not people; hosts carry queues and functions.
                _ => continue,
            };
            let id = random_id("publish to", &message.topic)?;
            mailbox.enter(id, entry).await?;
        }
    }
}

/// SNS's filter policy on the message's attributes: exact values and prefixes of text. An attribute
/// that is not there passes no rule.
fn passes(filter: Option<&str>, attributes: &BTreeMap<String, Vec<String>>) -> bool {
    let Some(filter) = filter else {
        return true;
    };
    let Ok(Value::Object(filter)) = serde_json::from_str(filter) else {
        return false;
    };
    filter.iter().all(|(name, rules)| {
        let found = attributes.get(name).into_iter().flatten();
        let fits = |text: &str, rule: &Value| match rule.get("prefix").and_then(Value::as_str) {
            Some(prefix) => text.starts_with(prefix),
            None => rule.as_str() == Some(text),
        };
        let rules = rules.as_array().into_iter().flatten();
        rules
            .into_iter()
            .any(|rule| found.clone().any(|text| fits(text, rule)))
    })
}

struct Kept {
    arn: String,
    topic: String,
    protocol: String,
    endpoint: String,
    filter: Option<String>,
    token: String,
    confirmed: bool,
}

impl Kept {
    fn read(r: &Row<'_>) -> rusqlite::Result<Kept> {
        Ok(Kept {
            arn: r.get(0)?,
            topic: r.get(1)?,
            protocol: r.get(2)?,
            endpoint: r.get(3)?,
            filter: r.get(4)?,
            token: r.get(5)?,
            confirmed: r.get(6)?,
        })
    }

    fn shown(self) -> Subscription {
        Subscription {
            arn: self.confirmed.then_some(self.arn),
            endpoint: match self.protocol.as_str() {
                "email" => Endpoint::Email(self.endpoint),
                "sms" => Endpoint::Sms(self.endpoint),
                _ => Endpoint::Other(self.protocol, self.endpoint),
            },
            filter: self.filter,
        }
    }
}

async fn page(store: &Arc<Inner>, topic: &str, after: &str) -> Result<Vec<Kept>> {
    let (topic, after) = (topic.to_owned(), after.to_owned());
    store
        .readers
        .read("list subscriptions of", move |conn| {
            conn.prepare_cached(
                "SELECT arn, topic, protocol, endpoint, filter, token, confirmed \
                 FROM subscriptions WHERE arn > ?1 AND topic = ?2 ORDER BY arn LIMIT ?3",
            )
            .and_then(|mut s| {
                s.query_map((&after, &topic, PAGE as i64), Kept::read)?
                    .collect()
            })
            .map_err(sql("list subscriptions of", topic.as_str()))
        })
        .await
}

fn checked(topic: &str, endpoint: &Endpoint) -> Result<(String, String)> {
    let failed = |why: String| Error::new("subscribe to", topic, Kind::Invalid).because(why);
    if topic.is_empty() {
        return Err(failed("a topic needs a name".into()));
    }
    match endpoint {
        Endpoint::Email(to) => {
            let address = address(to).map_err(failed)?;
            Ok(("email".into(), address.email.to_string()))
        }
        Endpoint::Sms(phone) => {
            check_phone(phone).map_err(failed)?;
            Ok(("sms".into(), phone.clone()))
        }
        Endpoint::Other(protocol, to) => match protocol.as_str() {
            "https" | "http" | "sqs" | "lambda" => Ok((protocol.clone(), to.clone())),
            _ => Err(failed(format!("SNS knows no protocol `{protocol}`"))),
        },
    }
}
