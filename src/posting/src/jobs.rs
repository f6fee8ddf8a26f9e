//! Jobs in their table. Every change is conditional: who was overtaken changes nothing.

use std::sync::Arc;

use jiff::civil::Date;
use model::Time;
use ports::items::IndexSpec;
use ports::{
    Condition, Document, Error, ItemPage, Items, Key, Kind, Query, Result, TableSpec, Write,
};
use serde_json::{Value, json};

use crate::config::Config;
use crate::job::{BY_TIME, GALLERY, Job, KEY, Status};
use crate::name::PictureName;

/// The table.
#[derive(Clone)]
pub struct Jobs {
    items: Arc<dyn Items>,
    table: String,
}

/// What came of taking a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It is mine. With it as it was before, if it was there.
    Mine(Box<Job>),
    /// There is nothing to do any more.
    Done(Box<Job>),
    /// Another worker is at it.
    Busy,
    /// The picture of another year has its place.
    Passed,
}

/// What a page of a listing says.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What became of a date of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which date.
    pub date: Date,
    /// How many pictures its list has; none when it was left out.
    pub planned: Option<usize>,
    /// Why it was left out.
    pub reason: Option<String>,
    /// When that was said.
    pub at: Time,
}

/// Two workers may read a job at once, say one that ends drawing and one that begins to post: who
/// writes second looks again, so often.
const LOOKS: u32 = 5;

impl Jobs {
    /// Over a table.
    pub fn new(items: Arc<dyn Items>, table: &str) -> Jobs {
        Jobs {
            items,
            table: table.into(),
        }
    }

    /// What the table is.
    pub fn spec(table: &str) -> TableSpec {
        let index = |name: &str, partition: &str, sort: &str| IndexSpec {
            name: name.into(),
            partition: partition.into(),
            sort: sort.into(),
        };
        TableSpec {
            name: table.into(),
            key: KEY.into(),
            indexes: vec![
                index(BY_TIME, "kind", "timestamp"),
                index(GALLERY, GALLERY, "posted_at"),
            ],
            expires: None,
            stream: false,
        }
    }

    /// The job, if there is one.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn find(&self, name: &PictureName) -> Result<Option<Job>> {
        let item = self.items.get(&self.table, &key(name.as_str())).await?;
        item.map(|item| Job::read(name.as_str(), &item)).transpose()
    }

    /// Takes a job to draw its picture.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn take_to_draw(
        &self,
        what: (&PictureName, Date),
        by: Option<&str>,
        who: (&str, Time),
    ) -> Result<Taken> {
        for _ in 0..LOOKS {
            if let Some(taken) = self.try_to_draw(what, by, who).await? {
                return Ok(taken);
            }
        }
        Ok(Taken::Busy)
    }

    /// None when the job changed after it was read.
    async fn try_to_draw(
        &self,
        (name, date): (&PictureName, Date),
        by: Option<&str>,
        (owner, now): (&str, Time),
    ) -> Result<Option<Taken>> {
        let until = now + Config::GENERATE_LEASE;
        let known = self.find(name).await?;
        let fresh = || Job {
            by: by.map(str::to_string),
            ..Job::new(name.clone(), date, now)
        };
        let (job, condition) = match known {
            None => (fresh(), Condition::Absent),
            Some(known) if known.date > date => return Ok(Some(Taken::Passed)),
            // The same day of an earlier year: its job makes room.
            Some(known) if known.date < date && known.is_taken(now) => {
                return Ok(Some(Taken::Busy));
            }
            Some(known) if known.date < date => (fresh(), unchanged(&known)),
            Some(known) if known.stored || known.asked_at.is_some() => {
                return Ok(Some(Taken::Done(Box::new(known))));
            }
            Some(known) => match known.status {
                Status::Uploaded | Status::Posting | Status::Posted | Status::Unknown => {
                    return Ok(Some(Taken::Done(Box::new(known))));
                }
                Status::Generating | Status::Failed if known.is_taken(now) => {
                    return Ok(Some(Taken::Busy));
                }
                Status::Generating | Status::Failed => {
                    let condition = unchanged(&known);
                    (known, condition)
                }
            },
        };
        let job = job.taken(Status::Generating, owner, until);
        self.replace(job, condition).await
    }

    /// Takes a job to post its picture, which is in the bucket for `date`.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn take_to_post(
        &self,
        what: (&PictureName, Date),
        who: (&str, Time),
    ) -> Result<Taken> {
        for _ in 0..LOOKS {
            if let Some(taken) = self.try_to_post(what, who).await? {
                return Ok(taken);
            }
        }
        Ok(Taken::Busy)
    }

    /// None when the job changed after it was read.
    async fn try_to_post(
        &self,
        (name, date): (&PictureName, Date),
        (owner, now): (&str, Time),
    ) -> Result<Option<Taken>> {
        let until = now + Config::POST_LEASE;
        let (job, condition) = match self.find(name).await? {
            // Somebody else put the picture there, or its job was lost.
            None => (Job::new(name.clone(), date, now), Condition::Absent),
            Some(known) if known.date != date => return Ok(Some(Taken::Passed)),
            Some(known) if known.status == Status::Posted => {
                return Ok(Some(Taken::Done(Box::new(known))));
            }
            // Whoever draws is done with it once it is in the bucket.
            Some(known) if known.status != Status::Generating && known.is_taken(now) => {
                return Ok(Some(Taken::Busy));
            }
            Some(known) => {
                let condition = unchanged(&known);
                (known, condition)
            }
        };
        let job = Job {
            stored: true,
            ..job.taken(Status::Posting, owner, until)
        };
        self.replace(job, condition).await
    }

    /// Writes a job that is mine; false when it is not any more.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn keep(&self, owner: &str, job: &Job) -> Result<bool> {
        let mine = Condition::All(vec![
            Condition::Equals("owner".into(), json!(owner)),
            Condition::Equals("date".into(), json!(job.date.to_string())),
        ]);
        self.put(job, mine).await
    }

    /// Writes that a job is posted, whoever has it now: what X shows is true.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn posted(&self, job: &Job) -> Result<bool> {
        let same = Condition::Equals("date".into(), json!(job.date.to_string()));
        self.put(job, same).await
    }

    /// Writes what a person decided about a job, if it is still as they saw it.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn decide(&self, seen: &Job, job: &Job) -> Result<bool> {
        self.put(job, unchanged(seen)).await
    }

    /// All jobs, newest first.
    ///
    /// # Errors
    ///
    /// `Invalid` for a cursor that is none, else what the table answers.
    pub async fn list(&self, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.page((BY_TIME, "job"), limit, cursor).await
    }

    /// Posted ones, newest first.
    ///
    /// # Errors
    ///
    /// As [`Jobs::list`].
    pub async fn gallery(&self, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.page((GALLERY, "posted"), limit, cursor).await
    }

    /// Notes what became of a date; once planned, it stays so.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn ran(&self, run: &Run) -> Result<()> {
        let mut item = Document::new();
        item.insert("kind".into(), json!("run"));
        item.insert("timestamp".into(), json!(run.at.to_string()));
        if let Some(planned) = run.planned {
            item.insert("planned".into(), json!(planned));
        }
        if let Some(reason) = &run.reason {
            item.insert("reason".into(), json!(reason));
        }
        let write = Write::Put {
            table: self.table.clone(),
            key: key(&format!("run/{}", run.date)),
            item,
            condition: run
                .planned
                .is_none()
                .then(|| Condition::Lacks("planned".into())),
        };
        match self.items.transact(&[write]).await {
            Err(e) if e.kind == Kind::Conflict => Ok(()),
            other => other,
        }
    }

    /// What became of a date.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn run(&self, date: Date) -> Result<Option<Run>> {
        let item = self
            .items
            .get(&self.table, &key(&format!("run/{date}")))
            .await?;
        Ok(item.and_then(|item| read_run(date, &item)))
    }

    /// What became of the last dates, newest first.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn runs(&self, limit: usize) -> Result<Vec<Run>> {
        let page = self.query((BY_TIME, "run"), limit, None).await?;
        let runs = page.items.iter().filter_map(|item| {
            let date = item.key.value.strip_prefix("run/")?.parse().ok()?;
            read_run(date, &item.document)
        });
        Ok(runs.collect())
    }

    /// Since when this path is there: the first time that anybody asked.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn since(&self, now: Time) -> Result<Time> {
        let key = key("state/since");
        if let Some(item) = self.items.get(&self.table, &key).await? {
            let at = item.get("at").and_then(Value::as_str);
            return Ok(at.and_then(Time::parse).unwrap_or(now));
        }
        let mut item = Document::new();
        item.insert("at".into(), json!(now.to_string()));
        match self.items.put(&self.table, &key, &item, true).await {
            Ok(()) => Ok(now),
            // Somebody was faster, by less than this call takes.
            Err(e) if e.kind == Kind::Conflict => Ok(now),
            Err(e) => Err(e),
        }
    }

    async fn replace(&self, job: Job, condition: Condition) -> Result<Option<Taken>> {
        let written = self.put(&job, condition).await?;
        Ok(written.then(|| Taken::Mine(Box::new(job))))
    }

    async fn put(&self, job: &Job, condition: Condition) -> Result<bool> {
        let write = Write::Put {
            table: self.table.clone(),
            key: key(job.name.as_str()),
            item: job.write(),
            condition: Some(condition),
        };
        match self.items.transact(&[write]).await {
            Ok(()) => Ok(true),
            Err(e) if e.kind == Kind::Conflict => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn page(&self, of: (&str, &str), limit: usize, cursor: Option<&str>) -> Result<Page> {
        let page = self.query(of, limit, cursor).await?;
        let jobs = page
            .items
            .iter()
            .map(|item| Job::read(&item.key.value, &item.document));
        Ok(Page {
            jobs: jobs.collect::<Result<_>>()?,
            next: page.next,
        })
    }

    async fn query(
        &self,
        (index, partition): (&str, &str),
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        let query = Query {
            table: self.table.clone(),
            index: index.into(),
            partition: json!(partition),
            from: None,
            to: None,
            descending: true,
            limit,
            cursor: cursor.map(str::to_string),
        };
        self.items.query(&query).await
    }
}

fn read_run(date: Date, item: &Document) -> Option<Run> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let planned = item.get("planned").and_then(Value::as_u64);
    Some(Run {
        date,
        planned: planned.map(|n| n as usize),
        reason: text("reason").map(str::to_string),
        at: text("timestamp").and_then(Time::parse)?,
    })
}

/// The job is as it was read: every change of one changes its status, its owner or its attempts.
fn unchanged(job: &Job) -> Condition {
    let owner = match &job.lease {
        Some(lease) => Condition::Equals("owner".into(), json!(lease.owner)),
        None => Condition::Lacks("owner".into()),
    };
    Condition::All(vec![
        Condition::Equals("date".into(), json!(job.date.to_string())),
        Condition::Equals("status".into(), json!(job.status)),
        Condition::Equals("attempts".into(), json!(job.attempts)),
        owner,
    ])
}

fn key(value: &str) -> Key {
    Key {
        attribute: KEY.into(),
        value: value.into(),
    }
}

/// A random name of a worker.
///
/// # Errors
///
/// When the system has no randomness.
pub fn owner() -> Result<String> {
    let mut random = [0u8; 12];
    getrandom::fill(&mut random)
        .map_err(|e| Error::new("name", "a worker", Kind::Unavailable).because(e.to_string()))?;
    Ok(random.iter().map(|b| format!("{b:02x}")).collect())
}
