//! What the platform does, over the ports: it decides with the domain, computes in the pool, and
//! keeps the order of writes that makes every crash repairable.
//!
//! An upload is decoded before anything of it is stored. Then its item is written as `pending`, its
//! objects, and last, in one transaction, its link and the item as `ready`: only then it is seen. A
//! crash in between leaves a `pending` item that the next upload of the same file, the next look at
//! it, or a sweep completes. A delete runs the other way round, through `deleting`.

mod calls;
mod failure;
mod links;
mod presign;
mod remove;
mod sizes;
mod sweep;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Time;
use ports::{Change, Clock, Items, Objects};
use telemetry::Telemetry;

use crate::domain::limit::{self, Rate};
use crate::domain::record::{key, millis};
use crate::domain::{Code, Config, Image, ImageId, Token};
use crate::meters::Meters;
use crate::pool::Pool;

pub use failure::Failure;
pub use links::{LinkMade, LinkWanted};
pub use presign::{Incoming, Ticket};
pub use remove::Removed;
pub use sizes::SizeMade;
pub use sweep::Swept;
pub use upload::{Upload, Uploaded};

/// The platform over its store.
pub struct Platform {
    items: Arc<dyn Items>,
    objects: Arc<dyn Objects>,
    config: Config,
    clock: Arc<dyn Clock>,
    meters: Meters,
    pool: Pool,
    clicks: Mutex<BTreeMap<Code, i64>>,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The client's address, for limits.
    pub client: String,
    /// What they say they own.
    pub token: Option<Token>,
    /// Whether they may do everything.
    pub admin: bool,
}

/// Images, newest first, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The images.
    pub images: Vec<Image>,
    /// For the next page; none at the end.
    pub next: Option<String>,
}

/// How long an upload may take before it counts as given up.
const GIVEN_UP: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Failure>;

impl Platform {
    /// Over tables, buckets and a clock.
    ///
    /// # Errors
    /// When the system gives no threads for decoding.
    pub fn new(
        items: Arc<dyn Items>,
        objects: Arc<dyn Objects>,
        clock: Arc<dyn Clock>,
        config: Config,
        telemetry: &Telemetry,
    ) -> std::io::Result<Platform> {
        Ok(Platform {
            pool: Pool::new(config.workers, config.memory)?,
            meters: Meters::new(telemetry),
            clicks: Mutex::default(),
            items,
            objects,
            config,
            clock,
        })
    }

    /// What the deployment chose.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// One image. An upload that was given up half-way is completed first.
    ///
    /// # Errors
    /// `NotFound` when there is none to see.
    pub async fn image(&self, id: &ImageId) -> Result<Image> {
        let now = self.clock.now();
        match self.load(id).await? {
            Some(image) if image.visible(now) => Ok(image),
            Some(image) if self.given_up(&image, now) => {
                self.repair(image).await?.ok_or(Failure::NotFound("image"))
            }
            _ => Err(Failure::NotFound("image")),
        }
    }

    /// Images, newest first: at most 100.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub async fn list(&self, limit: usize, cursor: Option<String>) -> Result<Page> {
        let now = self.clock.now();
        let page = self.newest(limit.clamp(1, 100), cursor).await?;
        let images = page.items.iter().filter_map(|item| {
            let id = ImageId::parse(item.key.value.strip_prefix("image#")?)?;
            Image::read(&id, &item.document).filter(|image| image.visible(now))
        });
        Ok(Page {
            images: images.collect(),
            next: page.next,
        })
    }

    /// One of an image's files, out of the bucket.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn picture(&self, id: &ImageId, file: &str) -> Result<ports::Object> {
        let plain = file.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if !plain || file.contains("..") {
            return Err(Failure::NotFound("picture"));
        }
        let key = format!("{}{file}", Image::prefix(id));
        let limit = self.config.limits.bytes + (1 << 20);
        let object = self.open_object(&key, limit).await?;
        object.ok_or(Failure::NotFound("picture"))
    }

    /// The address of one of an image's files.
    pub fn picture_url(&self, id: &ImageId, file: &str) -> String {
        format!("{}/{id}/{file}", self.config.pictures)
    }

    /// The address of a short link.
    pub fn link_url(&self, code: &Code) -> String {
        format!("{}/{code}", self.config.links)
    }

    /// Counts a write of this client.
    async fn allow(&self, caller: &Caller, what: &'static str, rate: Rate) -> Result<()> {
        if caller.admin {
            return Ok(());
        }
        let now = self.clock.now();
        let window = limit::window(&caller.client, what, rate, now);
        let mut change = Change::default();
        change.add.insert("writes".into(), 1);
        // The table forgets the window a while after it ended.
        let forget = millis(window.end) / 1000 + 60;
        change.set.insert("expires".into(), forget.into());
        let item = self.update(&key(&window.item), &change, None).await?;
        let counted = item.get("writes").and_then(serde_json::Value::as_i64);
        limit::judge(counted.unwrap_or(1), rate, &window, now).map_err(|wait| {
            self.meters.limited(what);
            Failure::TooMany { wait }
        })
    }

    /// Whether this caller owns the image.
    fn owns(&self, caller: &Caller, image: &Image) -> Result<()> {
        if caller.admin {
            return Ok(());
        }
        let token = caller.token.as_ref().ok_or(Failure::Unauthorized)?;
        let hash = token.hash();
        // Hashes of secrets: how long a comparison takes tells nothing about what was hashed.
        match image.owners.contains(&hash) {
            true => Ok(()),
            false => Err(Failure::Forbidden),
        }
    }

    fn given_up(&self, image: &Image, now: Time) -> bool {
        image.state == crate::domain::State::Pending && now.since(image.since) >= GIVEN_UP
    }
}

/// Bytes that nobody can guess.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            let failed = ports::Error::new("draw", "random bytes", ports::Kind::Unavailable);
            Err(Failure::Store(failed.because(error.to_string())))
        }
    }
}
