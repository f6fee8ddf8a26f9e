//! What waits in the queue, and what is buried: the same shape, so that a dead letter can be moved
//! back and is tried again.

use serde_json::{Value, json};

use crate::jobs::{About, JobId};
use crate::subscriber::Channel;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Walk on with a fan-out.
    Job(JobId),
    /// Tell one subscriber, who could not be told before.
    Again(Again),
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Of which fan-out.
    pub job: JobId,
    /// To whom.
    pub subscription: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl Task {
    /// As text.
    pub fn write(&self) -> String {
        self.value().to_string()
    }

    fn value(&self) -> Value {
        match self {
            Task::Job(id) => json!({ "about": id.about, "event": id.event }),
            Task::Again(again) => json!({
                "about": again.job.about,
                "event": again.job.event,
                "subscription": again.subscription,
                "attempts": again.attempts,
            }),
        }
    }

    /// Out of a text.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn read(text: &str) -> Result<Task, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
        let about: About =
            serde_json::from_value(value["about"].clone()).map_err(|e| format!("`about`: {e}"))?;
        let event = value["event"].as_str().ok_or("`event` is no text")?;
        let job = JobId::new(about, event);
        Ok(match value.get("subscription").and_then(Value::as_str) {
            None => Task::Job(job),
            Some(subscription) => Task::Again(Again {
                job,
                subscription: subscription.to_string(),
                // What was buried begins anew.
                attempts: match value.get("reason") {
                    Some(_) => 0,
                    None => value["attempts"].as_u64().unwrap_or(0) as u32,
                },
            }),
        })
    }
}

/// A dead letter: the task and why nobody could do it. No address stands in it.
pub fn dead(task: &Task, channel: Channel, reason: &str) -> String {
    let mut value = task.value();
    value["channel"] = channel.as_str().into();
    value["reason"] = reason.into();
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written_and_a_dead_letter_begins_anew() {
        let job = JobId::new(About::Reminder, "0192");
        let again = |attempts| {
            Task::Again(Again {
                job: job.clone(),
                subscription: "s1".into(),
                attempts,
            })
        };
        for task in [Task::Job(job.clone()), again(3)] {
            assert_eq!(Task::read(&task.write()), Ok(task));
        }
        let buried = dead(&again(5), Channel::Mail, "no such host");
        assert!(buried.contains("\"reason\":\"no such host\""));
        assert_eq!(Task::read(&buried), Ok(again(0)));
        for bad in [
            "",
            "{}",
            "{\"about\":\"x\",\"event\":\"e\"}",
            "{\"about\":\"reminder\"}",
        ] {
            assert!(Task::read(bad).is_err(), "{bad}");
        }
    }
}
