//! What admins may do. Each write is in the audit before it is done, and with what came of it.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use identity::Principal;
use jiff::civil::Date;
use model::Time;
use serde_json::{Value, json};

use super::answer::{Refused, json_answer};
use super::{Answer, Listing, Service, Shared};
use crate::chain;
use crate::flows::{Picture, Task};
use crate::job::{Job, Status};
use crate::name::{PictureName, unspeakable};
use crate::zone;

/// `{"date": "2026-01-14"}` has everything of that date drawn and posted; with `"day": "Pie"` one
/// picture of that day, which need not be on the list. Without a date it is today.
pub async fn generate(State(service): State<Shared>, request: Request) -> Answer {
    let (headers, body) = service.taken(request).await?;
    let who = service.admin(&headers).await?;
    let now = service.shared.stand.clock.now();
    let today = zone::date(now, &service.shared.config.zone);
    let known = ["date", "day"];
    if let Some(other) = body
        .as_object()
        .and_then(|o| o.keys().find(|k| !known.contains(&k.as_str())))
    {
        return Err(Refused::field(other, "expected `date` and `day` only"));
    }
    let date: Date = match &body["date"] {
        Value::Null => today,
        Value::String(text) => text
            .parse()
            .map_err(|_| Refused::field("date", "expected a date such as 2026-01-14"))?,
        _ => return Err(Refused::field("date", "expected a text")),
    };
    let by = Some(who.username.clone());
    let (task, on) = match &body["day"] {
        Value::Null => (Task::Run(date, by), date.to_string()),
        Value::String(day) => {
            let day = day.trim();
            if let Some(why) = unspeakable(day) {
                return Err(Refused::field("day", &why));
            }
            // Behind all that a list can have.
            let picture = Picture {
                date,
                index: AD_HOC,
                day: day.into(),
                by,
            };
            let on = picture.name().as_str().to_string();
            (Task::Picture(picture), on)
        }
        _ => return Err(Refused::field("day", "expected a text")),
    };
    let queue = service.shared.config.queues.generate.clone();
    let sent = service.audited(&who, ("generate", &on), async {
        Ok(service.shared.send(&queue, &task).await?)
    });
    sent.await?;
    let told = json!({ "date": date.to_string(), "on": on, "status": "queued" });
    Ok(json_answer(StatusCode::ACCEPTED, &told))
}

/// The place of a picture that is on no list.
const AD_HOC: usize = 99;

pub async fn jobs(
    State(service): State<Shared>,
    Query(listing): Query<Listing>,
    headers: HeaderMap,
) -> Answer {
    service.admin(&headers).await?;
    let limit = listing.limit()?;
    let page = service.shared.jobs.list(limit, listing.cursor()).await;
    let page = listing.checked(page)?;
    let jobs: Vec<Value> = page.jobs.iter().map(shown).collect();
    Ok(json_answer(
        StatusCode::OK,
        &json!({ "jobs": jobs, "next": page.next }),
    ))
}

fn shown(job: &Job) -> Value {
    json!({
        "id": job.name.as_str(),
        "caption": job.name.caption(),
        "date": job.date.to_string(),
        "timestamp": job.timestamp.to_string(),
        "status": job.status,
        "reason": job.reason,
        "attempts": job.attempts,
        "asked_at": job.asked_at.map(|t| t.to_string()),
        "posted_at": job.posted_at.map(|t| t.to_string()),
        "post": job.post_url,
        "by": job.by,
    })
}

/// Puts a picture that is in the bucket into the queue of posting again. It does not make anybody
/// post blindly: what is unknown stays so until X or a verdict says more.
pub async fn post(
    State(service): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let who = service.admin(&headers).await?;
    let job = service.job(&id).await?;
    if job.status == Status::Posted {
        return Err(Refused::told(StatusCode::CONFLICT, "it is posted already"));
    }
    if !job.stored {
        let detail = "its picture is not drawn yet; have the date generated again";
        return Err(Refused::told(StatusCode::CONFLICT, detail));
    }
    let queue = service.shared.config.queues.post.clone();
    let task = Task::Post(job.name.clone());
    let sent = service.audited(&who, ("post", &id), async {
        Ok(service.shared.send(&queue, &task).await?)
    });
    sent.await?;
    let told = json!({ "id": id, "status": "queued" });
    Ok(json_answer(StatusCode::ACCEPTED, &told))
}

/// What somebody who looked at X says of an unknown job: `{"published": true, "post": "1234"}` or
/// `{"published": false}`. The latter lets the next attempt post it.
pub async fn verdict(
    State(service): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let (headers, body) = service.taken(request).await?;
    let who = service.admin(&headers).await?;
    let job = service.job(&id).await?;
    if job.status != Status::Unknown {
        let detail = format!("it is {}, which needs no verdict", job.status.as_str());
        return Err(Refused::told(StatusCode::CONFLICT, &detail));
    }
    let Some(published) = body["published"].as_bool() else {
        return Err(Refused::field("published", "expected true or false"));
    };
    let post = match &body["post"] {
        Value::Null => None,
        Value::String(text) => Some(post_id(text).ok_or_else(|| {
            Refused::field("post", "expected a post's number, or its address on X")
        })?),
        _ => return Err(Refused::field("post", "expected a text")),
    };
    let now = service.shared.stand.clock.now();
    let mut after = job.clone();
    after.lease = None;
    after.attempts += 1;
    match published {
        true => {
            after.status = Status::Posted;
            after.reason = None;
            after.posted_at = Some(job.asked_at.unwrap_or(now));
            after.post_url = post.as_deref().map(|id| service.x.address(id));
            after.post = post;
        }
        false => {
            after.status = Status::Failed;
            after.asked_at = None;
            after.reason = Some(format!("{} looked: it is not on X", who.username));
        }
    }
    let action = if published {
        "verdict: published"
    } else {
        "verdict: not published"
    };
    let written = service.audited(&who, (action, &id), async {
        match service.shared.jobs.decide(&job, &after).await? {
            true => Ok(()),
            false => Err(Refused::told(
                StatusCode::CONFLICT,
                "it changed at the same time; look again",
            )),
        }
    });
    written.await?;
    Ok(json_answer(StatusCode::OK, &shown(&after)))
}

/// `1234`, or the last part of `https://x.com/name/status/1234`.
fn post_id(text: &str) -> Option<String> {
    let id = text.trim().split(['?', '#']).next()?.trim_end_matches('/');
    let id = id.rsplit('/').next()?;
    let number = !id.is_empty() && id.len() <= 20 && id.bytes().all(|b| b.is_ascii_digit());
    number.then(|| id.to_string())
}

/// What became of the last dates.
pub async fn runs(State(service): State<Shared>, headers: HeaderMap) -> Answer {
    service.admin(&headers).await?;
    let runs = service.shared.jobs.runs(14).await?;
    let shown = runs.iter().map(|run| {
        json!({
            "date": run.date.to_string(), "planned": run.planned, "reason": run.reason, "at": run.at.to_string(),
        })
    });
    Ok(json_answer(
        StatusCode::OK,
        &json!({ "runs": shown.collect::<Vec<_>>() }),
    ))
}

/// The account on X, as it was within the last minutes.
pub async fn account(State(service): State<Shared>, headers: HeaderMap) -> Answer {
    service.admin(&headers).await?;
    let now = service.shared.stand.clock.now();
    if let Some((at, told)) = service.seen().clone()
        && now.since(at) < FRESH
    {
        return Ok(json_answer(StatusCode::OK, &told));
    }
    match service.x.account().await {
        Ok(account) => {
            let told = json!({
                "id": account.id, "username": account.username, "metrics": account.metrics, "at": now.to_string(),
            });
            *service.seen() = Some((now, told.clone()));
            Ok(json_answer(StatusCode::OK, &told))
        }
        // Not our failure: whoever asked for it learns it, and no alarm rings.
        Err(trouble) => {
            tracing::warn!(error = %trouble, "the account could not be read");
            let told = json!({ "unavailable": trouble.to_string() });
            Ok(json_answer(StatusCode::OK, &told))
        }
    }
}

/// X lets some accounts ask 25 times a day who they are.
const FRESH: Duration = Duration::from_secs(10 * 60);

pub async fn audit(
    State(service): State<Shared>,
    Query(listing): Query<Listing>,
    headers: HeaderMap,
) -> Answer {
    service.admin(&headers).await?;
    let limit = listing.limit()?;
    let page = service.audit.list(limit, listing.cursor()).await;
    let (acts, next) = listing.checked(page)?;
    Ok(json_answer(
        StatusCode::OK,
        &json!({ "acts": acts, "next": next }),
    ))
}

impl Service {
    fn seen(&self) -> MutexGuard<'_, Option<(Time, Value)>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn job(&self, id: &str) -> Result<Job, Refused> {
        let nothing = || Refused::told(StatusCode::NOT_FOUND, "there is no such job");
        let name = PictureName::parse(id).ok_or_else(nothing)?;
        self.shared.jobs.find(&name).await?.ok_or_else(nothing)
    }

    /// Does something between two entries of the audit. What cannot be written down is not done.
    async fn audited<T>(
        &self,
        who: &Principal,
        what: (&str, &str),
        act: impl Future<Output = Result<T, Refused>>,
    ) -> Result<T, Refused> {
        let now = self.shared.stand.clock.now();
        let id = self.audit.begin(who, what, now).await?;
        tracing::info!(
            by = who.username,
            action = what.0,
            on = what.1,
            "an admin acts"
        );
        let done = act.await;
        let outcome = match &done {
            Ok(_) => "done".to_string(),
            Err(refused) => format!("failed: {}", refused.reason()),
        };
        // It is done or not, whatever becomes of this line: the entry stays `begun`.
        if let Err(error) = self.audit.end(&id, &outcome).await {
            tracing::error!(error = chain(&error), "the audit has no outcome");
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_named_by_its_number_or_its_address() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(post_id(text).as_deref(), expect, "{text}");
        };
        check("1880028106020515841", Some("1880028106020515841"));
        check("https://x.com/spooky/status/18800?s=20", Some("18800"));
        check(" https://x.com/i/status/18800/ ", Some("18800"));
        check("https://x.com/spooky", None);
        check("", None);
        check("-1", None);
    }
}
