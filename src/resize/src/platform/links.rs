//! Short links.

use std::time::Duration;

use model::Time;
use ports::{Change, Condition, Kind, Write};

use super::{Caller, Failure, Platform, Result, random};
use crate::domain::record::{Link, MOST_LINKS, link_attribute};
use crate::domain::{Clicks, Code, Image, ImageId, State};

/// A link that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkWanted {
    /// From now on for so long; else as long as the image.
    pub valid: Option<Duration>,
    /// To the size of this width; else to the original.
    pub width: Option<u32>,
}

/// A link that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkMade {
    /// Its code.
    pub code: Code,
    /// When it ends.
    pub expires: Option<Time>,
}

impl Platform {
    /// Makes another link to an image.
    ///
    /// # Errors
    /// `Invalid` for a size that is not there; `Unauthorized`, `Forbidden`, `TooMany`, `NotFound`.
    pub async fn make_link(
        &self,
        caller: &Caller,
        id: &ImageId,
        wanted: &LinkWanted,
    ) -> Result<LinkMade> {
        self.allow(caller, "write", self.config.writes).await?;
        let image = self.image(id).await?;
        self.owns(caller, &image)?;
        if image.links.len() >= MOST_LINKS {
            return Err(Failure::Conflict(
                "the image has as many links as it may have; revoke one first",
            ));
        }
        let file = match wanted.width {
            None => image.original(),
            Some(width) => match image.sizes.get(&width) {
                Some(size) => image.file(size),
                None => {
                    return Err(Failure::Invalid(format!(
                        "the image has no size of {width} pixels; make it first with POST /images/{id}/sizes"
                    )));
                }
            },
        };
        let now = self.clock.now();
        let ends = [
            // The table holds it in seconds.
            wanted
                .valid
                .map(|valid| (now + valid).floor_to(Duration::from_secs(1))),
            image.expires,
        ];
        let link = Link {
            image: id.clone(),
            file,
            created: now,
            expires: ends.into_iter().flatten().min(),
            clicks: 0,
        };
        // A code that is taken is drawn again.
        for _ in 0..4 {
            let code = Code::from_random(random()?);
            let mut change = Change::default();
            change.set.insert(link_attribute(&code), true.into());
            let ready = Condition::Equals("state".into(), State::Ready.word().into());
            let table = self.config.table.clone();
            let writes = [
                Write::Put {
                    table: table.clone(),
                    key: Link::key(&code),
                    item: link.document(),
                    condition: Some(Condition::Absent),
                },
                Write::Update {
                    table,
                    key: Image::key(id),
                    change,
                    condition: Some(ready),
                },
            ];
            match self.transact(&writes).await {
                Ok(()) => {
                    return Ok(LinkMade {
                        code,
                        expires: link.expires,
                    });
                }
                Err(error) if error.kind == Kind::Conflict => {
                    // Or the image is gone meanwhile.
                    self.image(id).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Conflict("no free short link was found; try again"))
    }

    /// Where a link leads: always to a file of ours. Counts the click.
    ///
    /// # Errors
    /// `NotFound` for a code that never was, was revoked, or is past its time.
    pub async fn follow(&self, code: &Code) -> Result<String> {
        let link = match self.config.clicks {
            // One call finds the link and counts the click.
            Clicks::AtOnce => {
                let mut change = Change::default();
                change.add.insert("clicks".into(), 1);
                let there = Condition::Exists;
                match self.update(&Link::key(code), &change, Some(&there)).await {
                    Ok(item) => Link::read(&item),
                    Err(error) if error.kind == Kind::Conflict => None,
                    Err(error) => return Err(error.into()),
                }
            }
            Clicks::Together => {
                let item = self.get(&Link::key(code)).await?;
                item.and_then(|item| Link::read(&item))
            }
        };
        let now = self.clock.now();
        // A table forgets an item up to two days after its time.
        let link = link
            .filter(|link| link.expires.is_none_or(|at| now < at))
            .ok_or(Failure::NotFound("link"))?;
        if self.config.clicks == Clicks::Together {
            *self.lock_clicks().entry(code.clone()).or_default() += 1;
        }
        self.meters.clicked(code.as_str());
        Ok(self.picture_url(&link.image, &link.file))
    }

    /// A link as it stands, for those who made it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn link(&self, code: &Code) -> Result<Link> {
        let item = self.get(&Link::key(code)).await?;
        let mut link = item
            .and_then(|item| Link::read(&item))
            .ok_or(Failure::NotFound("link"))?;
        link.clicks += self.lock_clicks().get(code).copied().unwrap_or(0);
        Ok(link)
    }

    /// Revokes a link. The image stays, and so do its other links.
    ///
    /// # Errors
    /// `Unauthorized`, `Forbidden`, `NotFound`, `TooMany`.
    pub async fn revoke(&self, caller: &Caller, code: &Code) -> Result<()> {
        self.allow(caller, "write", self.config.writes).await?;
        let link = self.link(code).await?;
        if let Some(image) = self.load(&link.image).await? {
            self.owns(caller, &image)?;
            let change = Change {
                remove: vec![link_attribute(code)],
                ..Change::default()
            };
            let table = self.config.table.clone();
            let writes = [
                Write::Delete {
                    table: table.clone(),
                    key: Link::key(code),
                    condition: None,
                },
                Write::Update {
                    table,
                    key: Image::key(&link.image),
                    change,
                    condition: Some(Condition::Exists),
                },
            ];
            match self.transact(&writes).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Its image is gone, and with it whoever could object.
        Ok(self.remove_item(&Link::key(code)).await?)
    }

    /// Writes the clicks that were counted since the last time. What cannot be written is counted
    /// again the next time; clicks on links that are gone are forgotten.
    ///
    /// # Errors
    /// `Store`.
    pub async fn flush_clicks(&self) -> Result<()> {
        let counted = std::mem::take(&mut *self.lock_clicks());
        let mut failed = None;
        for (code, clicks) in counted {
            let mut change = Change::default();
            change.add.insert("clicks".into(), clicks);
            let there = Condition::Exists;
            match self.update(&Link::key(&code), &change, Some(&there)).await {
                Ok(_) => {}
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => {
                    *self.lock_clicks().entry(code).or_default() += clicks;
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn lock_clicks(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<Code, i64>> {
        self.clicks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
