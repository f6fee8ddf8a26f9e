//! What waits in the queues.

use jiff::civil::Date;
use model::Time;
use serde_json::{Value, json};

use crate::name::{PictureName, unspeakable};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// The schedule was due then.
    Plan(Time),
    /// Everything of a date, whichever: somebody wants it.
    Run(Date, Option<String>),
    /// One picture.
    Picture(Picture),
    /// Post what is in the bucket, again.
    Post(PictureName),
}

/// One picture to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// For which date.
    pub date: Date,
    /// Its place in the date's list.
    pub index: usize,
    /// The day, with spaces.
    pub day: String,
    /// Who asked for it, if no schedule did.
    pub by: Option<String>,
}

impl Picture {
    /// The name of its job.
    pub fn name(&self) -> PictureName {
        PictureName::new(self.date, self.index, &self.day)
    }
}

impl Task {
    /// As text.
    pub fn write(&self) -> String {
        let value = match self {
            Task::Plan(at) => {
                json!({ "schedule": "posting-daily", "at": at.to_string(), "input": null })
            }
            Task::Run(date, by) => json!({ "run": date.to_string(), "by": by }),
            Task::Picture(picture) => json!({
                "picture": picture.day, "date": picture.date.to_string(), "index": picture.index, "by": picture.by,
            }),
            Task::Post(name) => json!({ "post": name.as_str() }),
        };
        value.to_string()
    }

    /// Out of a text.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn read(text: &str) -> Result<Task, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
        let text = |name: &str| value[name].as_str();
        let by = text("by").map(str::to_string);
        let date = |name: &str| {
            let date = text(name).ok_or_else(|| format!("`{name}` is no text"))?;
            date.parse::<Date>()
                .map_err(|e| format!("`{name}` is no date: {e}"))
        };
        if value.get("schedule").is_some() {
            // A schedule whose input names a date runs that.
            if value["input"]["date"].is_string() {
                let run = json!({ "run": value["input"]["date"], "by": "schedule" });
                return Task::read(&run.to_string());
            }
            let at = text("at").and_then(Time::parse).ok_or("`at` is no time")?;
            return Ok(Task::Plan(at));
        }
        if value.get("run").is_some() {
            return Ok(Task::Run(date("run")?, by));
        }
        if let Some(day) = text("picture") {
            if let Some(why) = unspeakable(day) {
                return Err(format!("`picture` {day:?}: {why}"));
            }
            let index = value["index"].as_u64().ok_or("`index` is no number")?;
            return Ok(Task::Picture(Picture {
                date: date("date")?,
                index: index as usize,
                day: day.into(),
                by,
            }));
        }
        if let Some(job) = text("post") {
            let name = PictureName::parse(job).ok_or_else(|| format!("`{job}` is no job"))?;
            return Ok(Task::Post(name));
        }
        Err("expected `schedule`, `run`, `picture` or `post`".into())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written() {
        let picture = Picture {
            date: date(2026, 1, 14),
            index: 2,
            day: "Dress Up Your Pet".into(),
            by: Some("ada".into()),
        };
        for task in [
            Task::Plan(Time::from_millis(1_767_600_000_000)),
            Task::Run(date(2028, 2, 29), None),
            Task::Run(date(2028, 2, 29), Some("ada".into())),
            Task::Post(picture.name()),
            Task::Picture(picture),
        ] {
            assert_eq!(Task::read(&task.write()), Ok(task));
        }
        let input = r#"{"schedule":"s","at":"2026-01-05T13:00:00Z","input":{"date":"2026-01-14"}}"#;
        let run = Task::Run(date(2026, 1, 14), Some("schedule".into()));
        assert_eq!(Task::read(input), Ok(run));
    }

    #[test]
    fn what_is_no_task_is_said() {
        for (text, why) in [
            ("", "no JSON"),
            ("{}", "expected `schedule`"),
            (r#"{"run":"2026-02-30"}"#, "`run` is no date"),
            (r#"{"schedule":"s","at":"soon"}"#, "`at` is no time"),
            (
                r#"{"picture":"pie","date":"2026-01-01","index":0}"#,
                "capital",
            ),
            (r#"{"picture":"Pie","date":"2026-01-01"}"#, "`index`"),
            (r#"{"post":"x"}"#, "no job"),
        ] {
            let told = Task::read(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
