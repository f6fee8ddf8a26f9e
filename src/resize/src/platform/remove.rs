//! Deletes: everything, or a report of what remains.

use ports::{Change, Condition, Kind};

use super::{Caller, Failure, Platform, Result};
use crate::domain::record::{Link, SHELF, millis};
use crate::domain::{Image, ImageId, State};

/// What a delete did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Objects that are gone.
    pub objects: usize,
    /// Links that are gone.
    pub links: usize,
    /// What is still there, by name: the next sweep goes on with it. Nothing of it is listed or linked.
    pub remains: Vec<String>,
}

impl Platform {
    /// Removes an image, its sizes and its links.
    ///
    /// # Errors
    /// `Unauthorized`, `Forbidden`, `NotFound`, `TooMany`. `Store` when not even the beginning
    /// could be written: then all is as it was.
    pub async fn delete(&self, caller: &Caller, id: &ImageId) -> Result<Removed> {
        self.allow(caller, "write", self.config.writes).await?;
        let image = self.load(id).await?.ok_or(Failure::NotFound("image"))?;
        self.owns(caller, &image)?;
        let image = self.hide(image).await?;
        self.finish_removal(&image).await
    }

    /// Takes the image off the shelf. From here on only a removal can follow.
    pub(super) async fn hide(&self, mut image: Image) -> Result<Image> {
        image.state = State::Deleting;
        image.since = self.clock.now();
        let mut change = Change {
            remove: vec![SHELF.0.into()],
            ..Change::default()
        };
        let set = &mut change.set;
        set.insert("state".into(), image.state.word().into());
        set.insert("since".into(), millis(image.since).into());
        let there = Condition::Exists;
        match self
            .update(&Image::key(&image.id), &change, Some(&there))
            .await
        {
            // Links that were added since it was read are in here.
            Ok(item) => Ok(Image::read(&image.id, &item).unwrap_or(image)),
            Err(error) if error.kind == Kind::Conflict => Err(Failure::NotFound("image")),
            Err(error) => Err(error.into()),
        }
    }

    /// Links first, so that nothing leads to what is half gone; then the objects, and the item last.
    pub(super) async fn finish_removal(&self, image: &Image) -> Result<Removed> {
        let mut removed = Removed::default();
        let mut codes = image.links.clone();
        codes.insert(image.short.clone());
        for code in &codes {
            match self.remove_link(image, code).await {
                Ok(true) => removed.links += 1,
                Ok(false) => {}
                Err(error) => removed.left(format!("link {code}"), &error),
            }
        }
        self.remove_files(&image.id, &mut removed).await;
        if removed.remains.is_empty() {
            match self.remove_item(&Image::key(&image.id)).await {
                Ok(()) => self.meters.removed(image.id.as_str()),
                Err(error) => removed.left(format!("image {}", image.id), &error),
            }
        }
        Ok(removed)
    }

    /// Removes a link if it is this image's: a pending image's code may be another's.
    async fn remove_link(&self, image: &Image, code: &crate::domain::Code) -> ports::Result<bool> {
        let ours = Condition::Equals("image".into(), image.id.as_str().into());
        let (table, key) = (&self.config.table, Link::key(code));
        match self.items.remove(table, &key, Some(&ours)).await {
            Ok(gone) => Ok(gone.is_some()),
            Err(error) if error.kind == Kind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn remove_files(&self, id: &ImageId, removed: &mut Removed) {
        let prefix = Image::prefix(id);
        let mut cursor = None;
        loop {
            let page = match self.list_objects(&prefix, cursor.as_deref()).await {
                Ok(page) => page,
                Err(error) => return removed.left(format!("objects {prefix}"), &error),
            };
            let keys: Vec<String> = page.objects.into_iter().map(|o| o.key).collect();
            match self.remove_objects(&keys).await {
                Ok(left) => {
                    removed.objects += keys.len() - left.len();
                    removed.remains.extend(left);
                }
                Err(error) => removed.left(format!("objects {prefix}"), &error),
            }
            cursor = page.next;
            if cursor.is_none() || !removed.remains.is_empty() {
                return;
            }
        }
    }
}

impl Removed {
    fn left(&mut self, what: String, error: &ports::Error) {
        tracing::error!(%what, %error, "a delete left something behind");
        self.remains.push(what);
    }
}
