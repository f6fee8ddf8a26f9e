//! What is stored of an image and of a link, and how it stands in the table.
//!
//! One table, key `pk`: `image#ID`, `link#CODE`, `limit#...`, `incoming#ID`. Attributes that are
//! added one by one (sizes, links) are attributes of their own, so that two who add do not
//! overwrite each other. `expires` is the table's time to live, in seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Time;
use ports::{Document, Key, TableSpec};
use serde_json::{Value, json};

use super::{Code, ImageId};
use crate::codec::Format;

/// The key attribute.
pub const KEY: &str = "pk";
/// The index of what is shown, by the time it was made.
pub const NEWEST: &str = "newest";
/// Its partition attribute, and the one value that it has.
pub const SHELF: (&str, &str) = ("shelf", "all");
/// Its sort attribute.
pub const CREATED: &str = "created";

/// The table that the platform needs.
pub fn table(name: &str) -> TableSpec {
    TableSpec {
        name: name.into(),
        key: KEY.into(),
        indexes: vec![ports::items::IndexSpec {
            name: NEWEST.into(),
            partition: SHELF.0.into(),
            sort: CREATED.into(),
        }],
        expires: Some("expires".into()),
        stream: false,
    }
}

/// How far an image has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its objects are being written.
    Pending,
    /// All is there.
    Ready,
    /// Its objects are being removed.
    Deleting,
}

/// An image.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its name.
    pub id: ImageId,
    /// How far it has come.
    pub state: State,
    /// The file's name, as the uploader gave it.
    pub name: String,
    /// What it is.
    pub format: Format,
    /// Pixels, as it is seen.
    pub width: u32,
    /// Pixels, as it is seen.
    pub height: u32,
    /// Whether it moves.
    pub animated: bool,
    /// Bytes of the original, as it is kept.
    pub bytes: u64,
    /// When it was uploaded.
    pub created: Time,
    /// When its state was begun: an old `Pending` is a crash.
    pub since: Time,
    /// When it goes by itself.
    pub expires: Option<Time>,
    /// Hashes of the tokens of its owners.
    pub owners: Vec<String>,
    /// The link that the upload made.
    pub short: Code,
    /// Its sizes by the width that was asked for.
    pub sizes: BTreeMap<u32, Size>,
    /// All of its links.
    pub links: BTreeSet<Code>,
}

/// A size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels: less than what was asked for where the image has no more.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes.
    pub bytes: u64,
}

/// A short link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub image: ImageId,
    /// Which file of the image's: the end of its object's key.
    pub file: String,
    /// When it was made.
    pub created: Time,
    /// From when on it leads nowhere.
    pub expires: Option<Time>,
    /// How often it was followed.
    pub clicks: i64,
}

/// The most sizes and the most links of one image: an item has at most 400 KB.
pub const MOST_SIZES: usize = 50;
/// See [`MOST_SIZES`].
pub const MOST_LINKS: usize = 100;

impl Image {
    /// The item's key.
    pub fn key(id: &ImageId) -> Key {
        key(&format!("image#{id}"))
    }

    /// Where all of its objects are.
    pub fn prefix(id: &ImageId) -> String {
        format!("pictures/{id}/")
    }

    /// The end of the original's key.
    pub fn original(&self) -> String {
        format!("original.{}", self.format.extension())
    }

    /// The end of a size's key. Widths that are clamped to the same share one object.
    pub fn file(&self, size: &Size) -> String {
        format!("{}.{}", size.width, self.format.output().extension())
    }

    /// Whether it can be seen at this time.
    pub fn visible(&self, now: Time) -> bool {
        self.state == State::Ready && self.expires.is_none_or(|at| now < at)
    }

    /// The whole item.
    pub fn document(&self) -> Document {
        let mut item = Document::new();
        let mut set = |name: &str, value: Value| item.insert(name.into(), value);
        set("state", self.state.word().into());
        if self.state == State::Ready {
            set(SHELF.0, SHELF.1.into());
        }
        set("name", self.name.as_str().into());
        set("format", self.format.extension().into());
        set("width", self.width.into());
        set("height", self.height.into());
        set("animated", self.animated.into());
        set("bytes", self.bytes.into());
        // Text, since an index sorts by it: digits of one length sort as their number.
        set(CREATED, format!("{:015}", millis(self.created)).into());
        set("since", millis(self.since).into());
        if let Some(at) = self.expires {
            set("expires", (millis(at) / 1000).into());
        }
        set("owners", json!(self.owners));
        set("short", self.short.as_str().into());
        for (asked, size) in &self.sizes {
            let (name, value) = size.attribute(*asked);
            set(&name, value);
        }
        for code in &self.links {
            set(&link_attribute(code), true.into());
        }
        item
    }

    /// From an item; none when it is not one of ours.
    pub fn read(id: &ImageId, item: &Document) -> Option<Image> {
        let text = |name: &str| item.get(name)?.as_str();
        let number = |name: &str| item.get(name)?.as_u64();
        let small = |name: &str| u32::try_from(number(name)?).ok();
        let mut sizes = BTreeMap::new();
        let mut links = BTreeSet::new();
        for (name, value) in item {
            if let Some(asked) = name.strip_prefix("size_") {
                sizes.insert(asked.parse().ok()?, Size::read(value)?);
            } else if let Some(code) = name.strip_prefix("link_") {
                links.insert(Code::parse(code)?);
            }
        }
        let owners = item.get("owners")?.as_array()?;
        Some(Image {
            id: id.clone(),
            state: State::of_word(text("state")?)?,
            name: text("name")?.into(),
            format: format_of(text("format")?)?,
            width: small("width")?,
            height: small("height")?,
            animated: item.get("animated")?.as_bool()?,
            bytes: number("bytes")?,
            created: time(text(CREATED)?.parse().ok()?),
            since: time(number("since")?),
            expires: number("expires").map(|s| time(s * 1000)),
            owners: owners
                .iter()
                .filter_map(|o| o.as_str().map(String::from))
                .collect(),
            short: Code::parse(text("short")?)?,
            sizes,
            links,
        })
    }
}

impl Size {
    /// The attribute that holds it.
    pub fn attribute(&self, asked: u32) -> (String, Value) {
        let value = json!({ "width": self.width, "height": self.height, "bytes": self.bytes });
        (format!("size_{asked}"), value)
    }

    fn read(value: &Value) -> Option<Size> {
        let number = |name: &str| value.get(name)?.as_u64();
        Some(Size {
            width: number("width")?.try_into().ok()?,
            height: number("height")?.try_into().ok()?,
            bytes: number("bytes")?,
        })
    }
}

impl Link {
    /// The item's key.
    pub fn key(code: &Code) -> Key {
        key(&format!("link#{code}"))
    }

    /// The whole item.
    pub fn document(&self) -> Document {
        let mut item = Document::new();
        item.insert("image".into(), self.image.as_str().into());
        item.insert("file".into(), self.file.as_str().into());
        item.insert("made".into(), millis(self.created).into());
        if let Some(at) = self.expires {
            item.insert("expires".into(), (millis(at) / 1000).into());
        }
        item.insert("clicks".into(), self.clicks.into());
        item
    }

    /// From an item; none when it is not one of ours.
    pub fn read(item: &Document) -> Option<Link> {
        let number = |name: &str| item.get(name)?.as_u64();
        Some(Link {
            image: ImageId::parse(item.get("image")?.as_str()?)?,
            file: item.get("file")?.as_str()?.into(),
            created: time(number("made")?),
            expires: number("expires").map(|s| time(s * 1000)),
            clicks: item.get("clicks").and_then(Value::as_i64).unwrap_or(0),
        })
    }
}

impl State {
    /// As it stands in the table.
    pub fn word(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Ready => "ready",
            State::Deleting => "deleting",
        }
    }

    fn of_word(word: &str) -> Option<State> {
        [State::Pending, State::Ready, State::Deleting]
            .into_iter()
            .find(|s| s.word() == word)
    }
}

/// The attribute of an image that says that it has this link.
pub fn link_attribute(code: &Code) -> String {
    format!("link_{code}")
}

/// A key of the table.
pub fn key(value: &str) -> Key {
    Key {
        attribute: KEY.into(),
        value: value.into(),
    }
}

/// A time as the table holds it, in milliseconds.
pub fn millis(at: Time) -> u64 {
    at.since(Time::EPOCH).as_millis() as u64
}

fn time(millis: u64) -> Time {
    Time::EPOCH + Duration::from_millis(millis)
}

fn format_of(extension: &str) -> Option<Format> {
    [Format::Jpeg, Format::Png, Format::Webp, Format::Gif]
        .into_iter()
        .find(|f| f.extension() == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_survives_the_table() {
        let code = Code::from_random([1; 8]);
        let image = Image {
            id: ImageId::of(b"x"),
            state: State::Ready,
            name: "holiday \"1\".jpg".into(),
            format: Format::Jpeg,
            width: 4000,
            height: 3000,
            animated: false,
            bytes: 123,
            created: time(1_700_000_000_123),
            since: time(1_700_000_000_456),
            expires: Some(time(1_800_000_000_000)),
            owners: vec!["abc".into()],
            short: code.clone(),
            sizes: BTreeMap::from([(
                600,
                Size {
                    width: 600,
                    height: 450,
                    bytes: 9,
                },
            )]),
            links: BTreeSet::from([code]),
        };
        assert_eq!(
            Image::read(&image.id, &image.document()),
            Some(image.clone())
        );
        assert_eq!(image.document()[SHELF.0], SHELF.1);
        let pending = Image {
            state: State::Pending,
            ..image
        };
        assert!(
            !pending.document().contains_key(SHELF.0),
            "it is not listed"
        );
    }

    #[test]
    fn a_link_survives_the_table() {
        let link = Link {
            image: ImageId::of(b"x"),
            file: "600.jpg".into(),
            created: time(5),
            expires: None,
            clicks: 3,
        };
        assert_eq!(Link::read(&link.document()), Some(link));
        assert_eq!(Link::read(&Document::new()), None);
    }
}
