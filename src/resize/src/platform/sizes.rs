//! Other sizes of an image, on demand; and completing what a crash left half-made.

use ports::{Change, Condition, Kind};

use super::upload::{Resized, size};
use super::{Caller, Failure, Platform, Result};
use crate::codec::{MAX_SIDE, Picture};
use crate::domain::record::{MOST_SIZES, millis};
use crate::domain::{Image, ImageId, Size, State};

/// A size that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeMade {
    /// The size: narrower than what was asked for where the image is.
    pub size: Size,
    /// Whether it was made just now.
    pub new: bool,
}

impl Platform {
    /// Makes a size of this width, if it is not there yet.
    ///
    /// # Errors
    /// `Invalid` for a width that no picture has; `Unauthorized`, `Forbidden`, `TooMany`, `Busy`.
    pub async fn make_size(
        &self,
        caller: &Caller,
        id: &ImageId,
        width: u64,
    ) -> Result<(Image, SizeMade)> {
        let asked = u32::try_from(width)
            .ok()
            .filter(|w| (1..=MAX_SIDE).contains(w))
            .ok_or_else(|| Failure::Invalid(format!("a width is 1 to {MAX_SIDE} pixels")))?;
        self.allow(caller, "write", self.config.writes).await?;
        let mut image = self.image(id).await?;
        self.owns(caller, &image)?;
        if let Some(&size) = image.sizes.get(&asked) {
            return Ok((image, SizeMade { size, new: false }));
        }
        if image.sizes.len() >= MOST_SIZES {
            return Err(Failure::Conflict(
                "the image has as many sizes as it may have; delete it and upload it again",
            ));
        }
        let picture = self.original(&image).await?;
        let Resized { made, .. } = self.resize(picture, vec![asked]).await??;
        let one = made.first().expect("one width makes one size");
        let size = size(one);
        let key = format!("{}{}", Image::prefix(id), image.file(&size));
        let kind = image.format.output().content_type();
        self.put_picture(key, kind, one.body.clone()).await?;
        let mut change = Change::default();
        let (name, value) = size.attribute(asked);
        change.set.insert(name, value);
        // An image that is deleted meanwhile does not come back by this.
        let ready = Condition::Equals("state".into(), State::Ready.word().into());
        match self.update(&Image::key(id), &change, Some(&ready)).await {
            Ok(_) => {}
            Err(error) if error.kind == Kind::Conflict => {
                return Err(Failure::NotFound("image"));
            }
            Err(error) => return Err(error.into()),
        }
        image.sizes.insert(asked, size);
        Ok((image, SizeMade { size, new: true }))
    }

    /// Completes an upload that was given up: makes its sizes again from the original. Where there is
    /// no original, nothing came of the upload: what is left is removed, and the answer is none.
    pub(super) async fn repair(&self, mut image: Image) -> Result<Option<Image>> {
        let picture = match self.original(&image).await {
            Ok(picture) => picture,
            Err(Failure::NotFound(_)) => {
                tracing::warn!(image = %image.id, "an upload was given up before its original was stored");
                self.finish_removal(&image).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // Whoever repairs has this long before another may try.
        let now = self.clock.now();
        let mut change = Change::default();
        change.set.insert("since".into(), millis(now).into());
        let still = Condition::Equals("since".into(), millis(image.since).into());
        match self
            .update(&Image::key(&image.id), &change, Some(&still))
            .await
        {
            Ok(_) => {}
            Err(error) if error.kind == Kind::Conflict => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        image.since = now;
        let widths = image.sizes.keys().copied().collect();
        let Resized { picture, made, .. } = self.resize(picture, widths).await??;
        tracing::info!(image = %image.id, "an upload that was given up is completed");
        for one in &made {
            image.sizes.insert(one.asked, size(one));
        }
        self.store(image, &picture, made).await.map(Some)
    }

    /// The original, out of the bucket. It was accepted once; today's limits are not its.
    async fn original(&self, image: &Image) -> Result<Picture> {
        let key = format!("{}{}", Image::prefix(&image.id), image.original());
        let limits = self.config.limits;
        let body = self.read_object(&key, limits.bytes + (1 << 20)).await?;
        let body = body.ok_or(Failure::NotFound("original"))?;
        let read = move || Picture::read(&body, &limits);
        Ok(self.pool.run(image.bytes * 3, read).await??)
    }
}
