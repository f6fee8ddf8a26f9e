//! A job: what is known of one picture, and how it may change.
//!
//! ```text
//! generating -> uploaded -> posting -> posted
//!     |                        |  \-> unknown   (it may be there: nobody may try blindly)
//!     \--------> failed <------/
//! ```

use std::time::Duration;

use jiff::civil::Date;
use model::Time;
use ports::{Document, Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::name::PictureName;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The picture is being drawn.
    Generating,
    /// It is in the bucket.
    Uploaded,
    /// It is being posted.
    Posting,
    /// It is posted.
    Posted,
    /// The last attempt failed and left nothing behind; [`Job::reason`] says why.
    Failed,
    /// It may be posted; X has not shown it so far.
    Unknown,
}

impl Status {
    /// Its word in items, answers and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Generating => "generating",
            Status::Uploaded => "uploaded",
            Status::Posting => "posting",
            Status::Posted => "posted",
            Status::Failed => "failed",
            Status::Unknown => "unknown",
        }
    }
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its file name, which is the job's id.
    pub name: PictureName,
    /// For which date of which year. File names come again every year.
    pub date: Date,
    /// The first time that somebody took it.
    pub timestamp: Time,
    /// Where it stands.
    pub status: Status,
    /// Whose it is at the moment, and until when.
    pub lease: Option<Lease>,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// Whether it is in the bucket.
    pub stored: bool,
    /// How often it was taken.
    pub attempts: i64,
    /// The mark: when X was last asked to publish it.
    pub asked_at: Option<Time>,
    /// The post, where its id is known.
    pub post: Option<String>,
    /// Where the post can be looked at.
    pub post_url: Option<String>,
    /// When it was posted, as far as we know.
    pub posted_at: Option<Time>,
    /// Who asked for it, if no schedule did.
    pub by: Option<String>,
}

/// A job is one worker's for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Random.
    pub owner: String,
    /// Then it may be taken by another.
    pub until: Time,
}

/// The table's key.
pub const KEY: &str = "job_id";
/// The index of all of one kind by time.
pub const BY_TIME: &str = "by-time";
/// The index of what the gallery shows.
pub const GALLERY: &str = "gallery";

impl Job {
    /// A job that somebody takes for the first time.
    pub fn new(name: PictureName, date: Date, now: Time) -> Job {
        Job {
            name,
            date,
            timestamp: now,
            status: Status::Generating,
            lease: None,
            reason: None,
            stored: false,
            attempts: 0,
            asked_at: None,
            post: None,
            post_url: None,
            posted_at: None,
            by: None,
        }
    }

    /// Whether somebody is at it.
    pub fn is_taken(&self, now: Time) -> bool {
        self.lease.as_ref().is_some_and(|lease| now < lease.until)
    }

    /// The same job, taken.
    pub fn taken(mut self, status: Status, owner: &str, until: Time) -> Job {
        self.status = status;
        self.attempts += 1;
        self.lease = Some(Lease {
            owner: owner.into(),
            until,
        });
        self
    }

    /// How long posting took, from the first attempt at it.
    pub fn age(&self, now: Time) -> Duration {
        now.since(self.timestamp)
    }

    /// As an item, without its key.
    pub fn write(&self) -> Document {
        let mut item = Document::new();
        let mut put = |name: &str, value: Value| {
            item.insert(name.into(), value);
        };
        put("kind", json!("job"));
        put("date", json!(self.date.to_string()));
        put("timestamp", json!(self.timestamp.to_string()));
        put("status", json!(self.status));
        put("stored", json!(self.stored));
        put("attempts", json!(self.attempts));
        put("caption", json!(self.name.caption()));
        if let Some(lease) = &self.lease {
            put("owner", json!(lease.owner));
            put("until", json!(lease.until.millis()));
        }
        let texts = [
            ("reason", &self.reason),
            ("post_id", &self.post),
            ("post_url", &self.post_url),
            ("by", &self.by),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                put(name, json!(text));
            }
        }
        if let Some(asked) = self.asked_at {
            put("asked_at", json!(asked.to_string()));
        }
        if let Some(posted) = self.posted_at {
            put("posted_at", json!(posted.to_string()));
            put(GALLERY, json!("posted"));
        }
        item
    }

    /// Out of an item.
    ///
    /// # Errors
    ///
    /// `Invalid` when it is no job.
    pub fn read(id: &str, item: &Document) -> Result<Job> {
        let broken = |what: &str| {
            Error::new("read job", id, Kind::Invalid).because(format!("`{what}` cannot be used"))
        };
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let owned = |name: &str| text(name).map(str::to_string);
        let number = |name: &str| item.get(name).and_then(Value::as_i64);
        let time = |name: &str| match text(name) {
            None => Ok(None),
            Some(text) => Time::parse(text).map(Some).ok_or_else(|| broken(name)),
        };
        let status = item.get("status").cloned().unwrap_or_default();
        let lease = owned("owner").zip(number("until"));
        Ok(Job {
            name: PictureName::parse(id).ok_or_else(|| broken(KEY))?,
            date: text("date")
                .and_then(|d| d.parse().ok())
                .ok_or_else(|| broken("date"))?,
            timestamp: time("timestamp")?.ok_or_else(|| broken("timestamp"))?,
            status: serde_json::from_value(status).map_err(|_| broken("status"))?,
            lease: lease.map(|(owner, until)| Lease {
                owner,
                until: Time::from_millis(until),
            }),
            reason: owned("reason"),
            stored: item.get("stored").and_then(Value::as_bool).unwrap_or(false),
            attempts: number("attempts").unwrap_or(0),
            asked_at: time("asked_at")?,
            post: owned("post_id"),
            post_url: owned("post_url"),
            posted_at: time("posted_at")?,
            by: owned("by"),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let now = Time::from_millis(1_767_600_000_123);
        let name = PictureName::new(date(2026, 1, 14), 0, "Dress Up Your Pet");
        let small = Job::new(name, date(2026, 1, 14), now);
        let large = Job {
            reason: Some("X create post: 503".into()),
            stored: true,
            asked_at: Some(now),
            post: Some("17".into()),
            post_url: Some("https://x.com/i/status/17".into()),
            posted_at: Some(now + Duration::from_secs(1)),
            by: Some("ada".into()),
            ..small
                .clone()
                .taken(Status::Unknown, "me", now + Duration::from_secs(5))
        };
        for job in [small, large] {
            assert_eq!(Job::read(job.name.as_str(), &job.write()).unwrap(), job);
        }
        assert!(Job::read("x", &Document::new()).is_err());
        assert!(Job::read("january_14_0_Pie.jpg", &Document::new()).is_err());
    }
}
