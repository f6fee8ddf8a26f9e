//! Uploads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use model::Time;
use ports::{Change, Condition, Kind, Write};
use serde_json::json;

use super::{Caller, Failure, Platform, Result, random};
use crate::codec::{Engine, Made, Picture, Refusal};
use crate::domain::record::{Link, SHELF, link_attribute, millis};
use crate::domain::{Code, Image, ImageId, Size, State, Token};
use crate::meters::Accepted;

/// A file that came.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its name, as the uploader has it. Only shown; nothing is judged or stored by it.
    pub name: String,
    /// What it holds.
    pub body: Bytes,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The image.
    pub image: Image,
    /// The owner's token, where this upload made one: shown now and never again.
    pub token: Option<Token>,
    /// Whether the image is new; else the same file had been uploaded before.
    pub new: bool,
}

/// A picture and what was made of it.
pub(super) struct Resized {
    pub picture: Picture,
    pub made: Vec<Made>,
    /// Without waiting for a worker.
    pub took: Duration,
}

/// A code that is taken already is drawn again; four in a row do not happen by chance.
const TRIES: usize = 4;

impl Platform {
    /// Stores a file and its standard sizes, and makes its short link. The same file again is the
    /// same image; who brings a token becomes an owner of it too.
    ///
    /// # Errors
    /// `Refused`, `TooMany`, `Busy`, `Unauthorized` where anonymous upload is off: nothing was
    /// stored. `Store`: the upload may be tried again, and is completed by that or by a sweep.
    pub async fn upload(&self, caller: &Caller, upload: Upload) -> Result<Uploaded> {
        self.may_upload(caller)?;
        self.allow(caller, "upload", self.config.uploads).await?;
        self.take_in(caller, upload).await
    }

    pub(super) fn may_upload(&self, caller: &Caller) -> Result<()> {
        match self.config.anonymous || caller.admin {
            true => Ok(()),
            false => Err(Failure::Unauthorized),
        }
    }

    /// The upload of one who may.
    pub(super) async fn take_in(&self, caller: &Caller, upload: Upload) -> Result<Uploaded> {
        let Upload { name, body } = upload;
        let now = self.clock.now();
        let id = ImageId::of(&body);
        let known = self.load(&id).await?;
        if let Some(image) = known.as_ref().filter(|image| image.visible(now)) {
            let image = self.claim(caller, image.clone()).await?;
            return Ok(Uploaded {
                image,
                token: None,
                new: false,
            });
        }
        if let Some(image) = known.filter(|image| image.state != State::Pending) {
            // Deleted half-way, or past its time: first all of it has to be gone.
            self.finish_removal(&image).await?;
        }
        let bytes_in = body.len() as u64;
        let (picture, made) = self.decode(&id, body, bytes_in).await?;
        let token = match &caller.token {
            Some(_) => None,
            None => Some(Token::from_random(random()?)),
        };
        let owner = caller.token.as_ref().or(token.as_ref()).map(Token::hash);
        let image = Image {
            state: State::Pending,
            name: clean_name(&name),
            format: picture.format,
            width: picture.width,
            height: picture.height,
            animated: picture.animated,
            bytes: picture.clean.len() as u64,
            created: now,
            since: now,
            // The table holds it in seconds.
            expires: self
                .config
                .keep
                .map(|keep| (now + keep).floor_to(Duration::from_secs(1))),
            owners: owner.into_iter().collect(),
            short: Code::from_random(random()?),
            sizes: sizes(&made),
            links: BTreeSet::new(),
            id,
        };
        let (image, mine) = self.begin(image).await?;
        let image = self.store(image, &picture, made).await?;
        Ok(Uploaded {
            image,
            token: token.filter(|_| mine),
            new: mine,
        })
    }

    /// Judges and resizes; what is refused is counted.
    async fn decode(&self, id: &ImageId, body: Bytes, bytes: u64) -> Result<(Picture, Vec<Made>)> {
        let limits = self.config.limits;
        // The container is walked once; that is quick, but not for the threads that answer.
        let read = self
            .pool
            .run(3 * bytes, move || Picture::read(&body, &limits));
        let judged = match read.await? {
            Ok(picture) => self.resize(picture, self.config.widths.clone()).await?,
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok(Resized {
                picture,
                made,
                took,
            }) => {
                let accepted = Accepted {
                    bytes_in: bytes,
                    bytes_out: made.iter().map(|m| m.body.len() as u64).sum(),
                    took,
                    pixels: u64::from(picture.width) * u64::from(picture.height),
                };
                self.meters.accepted(id.as_str(), accepted);
                Ok((picture, made))
            }
            Err(refusal) => {
                let detail = refusal.to_string();
                tracing::warn!(reason = refusal.reason(), %detail, bytes, "a file was refused");
                self.meters.refused(refusal.reason(), &detail, bytes);
                Err(refusal.into())
            }
        }
    }

    /// Resizes in the pool.
    pub(super) async fn resize(
        &self,
        picture: Picture,
        widths: Vec<u32>,
    ) -> Result<std::result::Result<Resized, Refusal>> {
        let memory = picture.memory;
        let work = move || {
            let begun = Instant::now();
            let made = picture.make(&widths, Engine::default())?;
            Ok(Resized {
                took: begun.elapsed(),
                picture,
                made,
            })
        };
        Ok(self.pool.run(memory, work).await?)
    }

    /// Writes the item as pending. The answer says what is in the table now, and whether it is ours:
    /// not when another upload of the same file is on its way.
    async fn begin(&self, image: Image) -> Result<(Image, bool)> {
        let key = Image::key(&image.id);
        match self.put_new(&key, &image.document()).await {
            Ok(()) => return Ok((image, true)),
            Err(error) if error.kind == Kind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        let Some(known) = self.load(&image.id).await? else {
            return Err(Failure::Conflict(
                "the image was deleted just now; try again",
            ));
        };
        if !self.given_up(&known, self.clock.now()) {
            // Both finish the same work; what is written twice is the same.
            return Ok((known, false));
        }
        // Nobody was told of that upload: this one takes its place, and its owner.
        let mut change = Change {
            set: image.document(),
            ..Change::default()
        };
        change
            .set
            .insert("short".into(), known.short.as_str().into());
        let still = Condition::Equals("since".into(), millis(known.since).into());
        match self.update(&key, &change, Some(&still)).await {
            Ok(_) => Ok((
                Image {
                    short: known.short,
                    ..image
                },
                true,
            )),
            Err(error) if error.kind == Kind::Conflict => Ok((known, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes all objects, and then makes the image visible together with its link.
    pub(super) async fn store(
        &self,
        image: Image,
        picture: &Picture,
        made: Vec<Made>,
    ) -> Result<Image> {
        let prefix = Image::prefix(&image.id);
        let original = self.put_picture(
            format!("{prefix}{}", image.original()),
            image.format.content_type(),
            picture.clean.clone(),
        );
        let mut files = BTreeMap::new();
        for one in &made {
            files.insert(image.file(&size(one)), one.body.clone());
        }
        let kind = image.format.output().content_type();
        let sizes = files
            .into_iter()
            .map(|(file, body)| self.put_picture(format!("{prefix}{file}"), kind, body));
        futures::try_join!(original, try_join_all(sizes))?;
        self.publish(image).await
    }

    async fn publish(&self, mut image: Image) -> Result<Image> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let link = Link {
                image: image.id.clone(),
                file: image.original(),
                created: now,
                expires: image.expires,
                clicks: 0,
            };
            match self.transact(&self.publication(&image, &link, now)).await {
                Ok(()) => {
                    image.state = State::Ready;
                    image.since = now;
                    image.links.insert(image.short.clone());
                    return Ok(image);
                }
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
            // Either somebody else published it, or it was deleted, or its code is another's.
            match self.load(&image.id).await? {
                Some(now) if now.state == State::Ready => return Ok(now),
                Some(now) if now.state == State::Pending => {
                    image.short = Code::from_random(random()?);
                }
                _ => {
                    return Err(Failure::Conflict(
                        "the image was deleted just now; try again",
                    ));
                }
            }
        }
        Err(Failure::Conflict("no free short link was found; try again"))
    }

    fn publication(&self, image: &Image, link: &Link, now: Time) -> [Write; 2] {
        let mut change = Change::default();
        let set = &mut change.set;
        set.insert("state".into(), State::Ready.word().into());
        set.insert(SHELF.0.into(), SHELF.1.into());
        set.insert("since".into(), millis(now).into());
        set.insert("short".into(), image.short.as_str().into());
        set.insert(link_attribute(&image.short), true.into());
        for (asked, size) in &image.sizes {
            let (name, value) = size.attribute(*asked);
            set.insert(name, value);
        }
        let table = self.config.table.clone();
        [
            Write::Put {
                table: table.clone(),
                key: Link::key(&image.short),
                item: link.document(),
                condition: Some(Condition::Absent),
            },
            Write::Update {
                table,
                key: Image::key(&image.id),
                change,
                condition: Some(Condition::Equals(
                    "state".into(),
                    State::Pending.word().into(),
                )),
            },
        ]
    }

    /// Makes the caller an owner of an image that is there already, if they bring a token.
    async fn claim(&self, caller: &Caller, mut image: Image) -> Result<Image> {
        let Some(hash) = caller.token.as_ref().map(Token::hash) else {
            return Ok(image);
        };
        const MOST_OWNERS: usize = 50;
        if image.owners.contains(&hash) || image.owners.len() >= MOST_OWNERS {
            return Ok(image);
        }
        let before = json!(image.owners);
        image.owners.push(hash);
        let mut change = Change::default();
        change.set.insert("owners".into(), json!(image.owners));
        let unchanged = Condition::Equals("owners".into(), before);
        match self
            .update(&Image::key(&image.id), &change, Some(&unchanged))
            .await
        {
            Ok(_) => Ok(image),
            Err(error) if error.kind == Kind::Conflict => {
                Err(Failure::Conflict("the image changed just now; try again"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// As it is stored.
pub(super) fn size(made: &Made) -> Size {
    Size {
        width: made.width,
        height: made.height,
        bytes: made.body.len() as u64,
    }
}

fn sizes(made: &[Made]) -> BTreeMap<u32, Size> {
    made.iter().map(|m| (m.asked, size(m))).collect()
}

/// A name to show: its last part, without what does not print, at most 120 characters.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|c| !c.is_control()).take(120).collect();
    match shown.trim() {
        "" => "picture".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_only_shown() {
        let check = |name: &str, expect: &str| assert_eq!(clean_name(name), expect);
        check("photo.jpg", "photo.jpg");
        check("../../etc/passwd", "passwd");
        check("C:\\me\\a b.png", "a b.png");
        check("a\u{0}\nb", "ab");
        check("", "picture");
        check("..//", "picture");
        check(&"x".repeat(500), &"x".repeat(120));
    }
}
