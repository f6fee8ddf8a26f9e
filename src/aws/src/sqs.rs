//! Queues: Amazon SQS, standard queues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, QueueAttributeName,
};
use ports::{Depth, Kind, Message, NewMessage, Queues, Receive, Result};

use crate::config::Config;
use crate::error::{Error, failed, invalid, port_error, unreadable};

mod convert;

const FIND: &str = "find queue";
const SEND: &str = "send to";
const RECEIVE: &str = "receive from";
const DELETE: &str = "delete from";
const EXTEND: &str = "extend in";
const DEPTH: &str = "depth of";
const REDRIVE: &str = "redrive";

/// Queues on SQS, by name.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    urls: Arc<Mutex<HashMap<String, String>>>,
}

impl Sqs {
    /// Makes no request.
    pub fn new(config: &Config) -> Sqs {
        Sqs {
            client: Client::new(config.sdk()),
            urls: Arc::default(),
        }
    }

    /// The queue's URL, asked for once. A URL is its own.
    async fn url(&self, queue: &str) -> Result<String> {
        if queue.contains("://") {
            return Ok(queue.to_owned());
        }
        let known = |urls: &Mutex<HashMap<String, String>>| {
            let urls = urls.lock().unwrap_or_else(PoisonError::into_inner);
            urls.get(queue).cloned()
        };
        if let Some(url) = known(&self.urls) {
            return Ok(url);
        }
        let answer = self.client.get_queue_url().queue_name(queue).send().await;
        let answer = answer.map_err(failed(FIND, queue))?;
        let url = answer
            .queue_url
            .ok_or_else(|| unreadable(FIND, queue, "the answer lacks the address"))?;
        let mut urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        urls.insert(queue.to_owned(), url.clone());
        Ok(url)
    }

    async fn attributes(
        &self,
        operation: &'static str,
        queue: &str,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(self.url(queue).await?)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(failed(operation, queue))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}

#[async_trait]
impl Queues for Sqs {
    /// A repeated attempt may send a message twice, which a standard queue may do by itself.
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String> {
        convert::acceptable(message).map_err(|why| invalid(SEND, queue, why))?;
        let (attributes, trace) =
            convert::to_attributes(message).map_err(|why| invalid(SEND, queue, why))?;
        let mut send = self
            .client
            .send_message()
            .queue_url(self.url(queue).await?)
            .message_body(&message.body)
            .set_message_attributes(attributes);
        if !message.delay.is_zero() {
            send = send.delay_seconds(convert::seconds(message.delay));
        }
        if let Some(trace) = trace {
            let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
            send = send.message_system_attributes(name, trace);
        }
        let answer = send.send().await.map_err(failed(SEND, queue))?;
        answer
            .message_id
            .ok_or_else(|| unreadable(SEND, queue, "the answer lacks the message's id"))
    }

    /// Attributes that are binary are left out.
    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>> {
        convert::askable(how).map_err(|why| invalid(RECEIVE, queue, why))?;
        // A long poll answers when its wait is over, which the usual limit would cut off.
        let answer_by = how.wait + Duration::from_secs(10);
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(answer_by)
            .operation_timeout(answer_by + Duration::from_secs(20))
            .build();
        let answer = self
            .client
            .receive_message()
            .queue_url(self.url(queue).await?)
            .max_number_of_messages(how.limit.into())
            .wait_time_seconds(convert::seconds(how.wait))
            .set_visibility_timeout(how.visibility.map(convert::seconds))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .customize()
            .config_override(aws_sdk_sqs::config::Builder::new().timeout_config(timeouts))
            .send()
            .await
            .map_err(failed(RECEIVE, queue))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        messages
            .map(|m| convert::from_message(m).map_err(|why| unreadable(RECEIVE, queue, why)))
            .collect()
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        let answer = self
            .client
            .delete_message()
            .queue_url(self.url(queue).await?)
            .receipt_handle(receipt)
            .send()
            .await;
        match answer.map_err(Error::from) {
            Err(error) if convert::is_old_receipt(&error) => Ok(()),
            Err(error) => Err(port_error(DELETE, queue, error)),
            Ok(_) => Ok(()),
        }
    }

    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        let answer = self
            .client
            .change_message_visibility()
            .queue_url(self.url(queue).await?)
            .receipt_handle(receipt)
            .visibility_timeout(convert::seconds(visibility))
            .send()
            .await;
        match answer.map_err(Error::from) {
            Err(error) if convert::is_old_receipt(&error) => {
                Err(ports::Error::new(EXTEND, queue, Kind::Conflict).because(error))
            }
            Err(error) => Err(port_error(EXTEND, queue, error)),
            Ok(_) => Ok(()),
        }
    }

    async fn depth(&self, queue: &str) -> Result<Depth> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let told = self.attributes(DEPTH, queue, &names).await?;
        let number = |name: &QueueAttributeName| -> Result<u64> {
            let number = told.get(name).and_then(|n| n.parse().ok());
            number.ok_or_else(|| unreadable(DEPTH, queue, format!("the answer lacks {name}")))
        };
        Ok(Depth {
            visible: number(&names[0])?,
            in_flight: number(&names[1])?,
            delayed: number(&names[2])?,
        })
    }

    /// `Conflict` while an earlier redrive of the queue is still under way.
    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        if !(1..=500).contains(&per_second) {
            let why = format!("{per_second} messages a second; SQS moves 1 to 500");
            return Err(invalid(REDRIVE, dead_letter, why));
        }
        let names = [
            QueueAttributeName::QueueArn,
            QueueAttributeName::ApproximateNumberOfMessages,
        ];
        let told = self.attributes(REDRIVE, dead_letter, &names).await?;
        let (arn, waiting) = (told.get(&names[0]), told.get(&names[1]));
        let waiting: Option<u64> = waiting.and_then(|n| n.parse().ok());
        let (Some(arn), Some(waiting)) = (arn, waiting) else {
            let why = "the answer lacks the queue's ARN or depth";
            return Err(unreadable(REDRIVE, dead_letter, why));
        };
        if waiting == 0 {
            return Ok(0);
        }
        let answer = self
            .client
            .start_message_move_task()
            .source_arn(arn)
            .max_number_of_messages_per_second(per_second as i32)
            .send()
            .await;
        match answer.map_err(Error::from) {
            Err(error) if convert::is_under_way(&error) => {
                Err(ports::Error::new(REDRIVE, dead_letter, Kind::Conflict).because(error))
            }
            Err(error) => Err(port_error(REDRIVE, dead_letter, error)),
            Ok(_) => Ok(waiting),
        }
    }

    async fn stop_redrive(&self, dead_letter: &str) -> Result<()> {
        let names = [QueueAttributeName::QueueArn];
        let told = self.attributes(REDRIVE, dead_letter, &names).await?;
        let arn = told.get(&names[0]);
        let arn =
            arn.ok_or_else(|| unreadable(REDRIVE, dead_letter, "the answer lacks the ARN"))?;
        let answer = self
            .client
            .list_message_move_tasks()
            .source_arn(arn)
            .max_results(10)
            .send()
            .await
            .map_err(failed(REDRIVE, dead_letter))?;
        // Only a task that runs has a handle.
        for task in answer.results.unwrap_or_default() {
            let Some(handle) = task.task_handle else {
                continue;
            };
            self.client
                .cancel_message_move_task()
                .task_handle(handle)
                .send()
                .await
                .map_err(failed(REDRIVE, dead_letter))?;
        }
        Ok(())
    }
}
