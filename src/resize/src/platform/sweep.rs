//! The sweep: completes what was given up, removes what is past its time, and finds what nobody
//! knows any more.

use std::time::Duration;

use ports::Kind;

use super::{Platform, Result};
use crate::domain::record::{KEY, Link};
use crate::domain::{Code, Image, ImageId, State};

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads that were completed.
    pub repaired: usize,
    /// Images that are gone, with all that belonged to them.
    pub removed: usize,
    /// Objects without an image, and uploads that nobody took in.
    pub orphans: usize,
    /// Links without an image.
    pub links: usize,
    /// What could not be done; the next sweep tries again.
    pub failed: usize,
}

/// An object without an image may be one whose item is just being written.
const ORPHAN_AFTER: Duration = Duration::from_secs(3600);
/// An upload may be taken in this long after it was put.
const INCOMING_FOR: Duration = Duration::from_secs(86_400);

impl Platform {
    /// One pass over everything.
    ///
    /// # Errors
    /// `Store` when the table or the bucket cannot be read; what was done until then stays done.
    pub async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        self.flush_clicks().await?;
        self.sweep_items(&mut swept).await?;
        self.sweep_objects(&mut swept).await?;
        if swept != Swept::default() {
            tracing::info!(?swept, "swept");
        }
        Ok(swept)
    }

    async fn sweep_items(&self, swept: &mut Swept) -> Result<()> {
        let now = self.clock.now();
        let mut cursor = None;
        loop {
            let page = self
                .items
                .scan(&self.config.table, KEY, 200, cursor.as_deref())
                .await?;
            for item in page.items {
                if let Some(id) = item.key.value.strip_prefix("image#") {
                    let image = ImageId::parse(id).and_then(|id| Image::read(&id, &item.document));
                    if let Some(image) = image {
                        self.sweep_image(image, now, swept).await;
                    }
                } else if let Some(code) = item.key.value.strip_prefix("link#") {
                    let link = Code::parse(code).zip(Link::read(&item.document));
                    if let Some((code, link)) = link {
                        self.sweep_link(&code, &link, now, swept).await;
                    }
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn sweep_image(&self, image: Image, now: model::Time, swept: &mut Swept) {
        let expired = image.expires.is_some_and(|at| at <= now);
        if self.given_up(&image, now) && !expired {
            match self.repair(image).await {
                Ok(Some(_)) => swept.repaired += 1,
                Ok(None) => swept.removed += 1,
                Err(error) => failed(swept, "repair", &error),
            }
        } else if expired || image.state == State::Deleting {
            let removal = async {
                let image = match image.state {
                    State::Deleting => image,
                    State::Pending | State::Ready => self.hide(image).await?,
                };
                self.finish_removal(&image).await
            };
            match removal.await {
                Ok(done) if done.remains.is_empty() => swept.removed += 1,
                Ok(_) => swept.failed += 1,
                Err(error) => failed(swept, "remove", &error),
            }
        }
    }

    /// A link whose image is gone, or that is past its time, leads nowhere: its item may go.
    async fn sweep_link(&self, code: &Code, link: &Link, now: model::Time, swept: &mut Swept) {
        let work = async {
            let expired = link.expires.is_some_and(|at| at <= now);
            if !expired && self.load(&link.image).await?.is_some() {
                return Ok(false);
            }
            self.items
                .remove(&self.config.table, &Link::key(code), None)
                .await
                .map(|gone| gone.is_some())
                .or_else(|e| match e.kind {
                    Kind::Conflict | Kind::NotFound => Ok(false),
                    _ => Err(e),
                })
                .map_err(super::Failure::from)
        };
        match work.await {
            Ok(gone) => swept.links += usize::from(gone),
            Err(error) => failed(swept, "remove a link", &error),
        }
    }

    async fn sweep_objects(&self, swept: &mut Swept) -> Result<()> {
        let now = self.clock.now();
        let places = [("pictures/", ORPHAN_AFTER), ("incoming/", INCOMING_FOR)];
        for (prefix, after) in places {
            let mut cursor = None;
            loop {
                let page = self.list_objects(prefix, cursor.as_deref()).await?;
                let mut lost = Vec::new();
                // Keys come in order: an image's files stand together, and it is asked for once.
                let mut known: Option<(ImageId, bool)> = None;
                for object in page.objects {
                    if now.since(object.modified) < after {
                        continue;
                    }
                    let id = object.key.strip_prefix("pictures/");
                    let id = id.and_then(|rest| ImageId::parse(rest.split('/').next()?));
                    if let Some(id) = id {
                        if known.as_ref().is_none_or(|(last, _)| *last != id) {
                            let there = self.load(&id).await?.is_some();
                            known = Some((id, there));
                        }
                        if known.as_ref().is_some_and(|(_, there)| *there) {
                            continue;
                        }
                    }
                    lost.push(object.key);
                }
                let left = self.remove_objects(&lost).await?;
                swept.orphans += lost.len() - left.len();
                swept.failed += left.len();
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn failed(swept: &mut Swept, what: &str, error: &super::Failure) {
    swept.failed += 1;
    tracing::warn!(%error, what, "a sweep could not do everything");
}
