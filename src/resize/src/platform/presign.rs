//! Files that are larger than a request may be: they go to the bucket themselves, and are then
//! taken in as any other.

use std::time::Duration;

use ports::{Access, Change, Kind};
use serde_json::Value;

use super::upload::{Upload, Uploaded};
use super::{Caller, Failure, Platform, Result, random};
use crate::codec::Refusal;
use crate::domain::ImageId;
use crate::domain::id::base32;
use crate::domain::record::{key, millis};

/// How long an address may be written to.
pub(super) const VALID: Duration = Duration::from_secs(15 * 60);

/// A file that will come.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its name.
    pub name: String,
    /// What it is said to be; its content decides.
    pub content_type: String,
    /// Its bytes.
    pub size: u64,
}

/// Leave to bring it.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Which upload this is.
    pub id: String,
    /// Where to `PUT` it.
    pub url: String,
    /// What the address takes.
    pub content_type: String,
    /// For how long.
    pub valid: Duration,
}

impl Platform {
    /// An address to which one file of this size may be put.
    ///
    /// # Errors
    /// `Refused` when the file would be, `TooMany`, `Unauthorized`.
    pub async fn admit(&self, caller: &Caller, incoming: Incoming) -> Result<Ticket> {
        self.may_upload(caller)?;
        self.allow(caller, "upload", self.config.uploads).await?;
        let limit = self.config.limits.bytes;
        if incoming.size == 0 {
            return Err(Refusal::Empty.into());
        }
        if incoming.size > limit {
            return Err(Refusal::TooManyBytes { limit }.into());
        }
        if !incoming.content_type.starts_with("image/") || incoming.content_type.len() > 100 {
            return Err(Failure::Invalid(
                "`content_type` has to be that of a picture, for example `image/jpeg`".into(),
            ));
        }
        let id = base32(&random::<16>()?, 26);
        let mut change = Change::default();
        change.set.insert("name".into(), incoming.name.into());
        let forget = millis(self.clock.now() + VALID) / 1000 + 86_400;
        change.set.insert("expires".into(), forget.into());
        self.update(&ticket(&id), &change, None).await?;
        let access = Access::Put {
            content_type: incoming.content_type.clone(),
            size: incoming.size,
        };
        Ok(Ticket {
            url: self.sign_put(&object(&id), &access).await?,
            id,
            content_type: incoming.content_type,
            valid: VALID,
        })
    }

    /// Takes in the file that was put there. Asked again it answers the same image.
    ///
    /// # Errors
    /// As an upload's; `NotFound` for a ticket that never was or is past its time, `Conflict` when
    /// nothing was put there yet.
    pub async fn take(&self, caller: &Caller, id: &str) -> Result<Uploaded> {
        self.may_upload(caller)?;
        if id.len() != 26 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Failure::NotFound("upload"));
        }
        let (ticket, object) = (ticket(id), object(id));
        let item = self
            .get(&ticket)
            .await?
            .ok_or(Failure::NotFound("upload"))?;
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        if let Some(known) = text("image").and_then(ImageId::parse) {
            return Ok(Uploaded {
                image: self.image(&known).await?,
                token: None,
                new: false,
            });
        }
        let limit = self.config.limits.bytes;
        let body = match self.read_object(&object, limit).await {
            Ok(body) => body,
            Err(error) if error.kind == Kind::Full => {
                self.drop_object(&object).await;
                return Err(Refusal::TooManyBytes { limit }.into());
            }
            Err(error) => return Err(error.into()),
        };
        let body = body.ok_or(Failure::Conflict(
            "nothing was put to the upload's address yet; do that first",
        ))?;
        let name = text("name").unwrap_or_default().to_string();
        let taken = self.take_in(caller, Upload { name, body }).await;
        match &taken {
            Ok(uploaded) => {
                let mut change = Change::default();
                let image = uploaded.image.id.as_str();
                change.set.insert("image".into(), image.into());
                // The image is there; should this fail, the next request takes it in again.
                if let Err(error) = self.update(&ticket, &change, None).await {
                    tracing::warn!(%error, "an upload's ticket was not closed");
                } else {
                    self.drop_object(&object).await;
                }
            }
            // It will not become better.
            Err(Failure::Refused(_)) => self.drop_object(&object).await,
            Err(_) => {}
        }
        taken
    }

    /// What stays behind is removed by the bucket's lifecycle rule, or by a sweep.
    async fn drop_object(&self, key: &str) {
        if let Err(error) = self.remove_objects(&[key.to_string()]).await {
            tracing::warn!(%error, key, "an upload's object stays until it expires");
        }
    }
}

fn ticket(id: &str) -> ports::Key {
    key(&format!("incoming#{id}"))
}

/// Where it is put.
fn object(id: &str) -> String {
    format!("incoming/{id}")
}
