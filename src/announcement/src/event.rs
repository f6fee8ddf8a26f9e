//! Events: what is announced.

use jiff::civil::Date;
use jiff::{Timestamp, tz};
use model::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{self, FieldError, Fields, Lines, Text};

/// The message attribute by which SNS's subscribers are filtered: the event's topics.
pub(crate) const TOPICS: &str = "topics";

const TITLE: Text = Text {
    longest: 120,
    lines: Lines::One,
};
const DESCRIPTION: Text = Text {
    longest: 4_000,
    lines: Lines::Several,
};
const PLACE: Text = Text {
    longest: 200,
    lines: Lines::One,
};
const DATE: Text = Text {
    longest: 64,
    lines: Lines::One,
};
const LINK: Text = Text {
    longest: 2_000,
    lines: Lines::One,
};

/// When an event is: a whole day wherever one is, or an instant with the offset it was given in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum When {
    /// `2027-03-14`
    Day(Date),
    /// `2027-03-14T19:00:00+01:00`, kept as it was written.
    At {
        /// The instant.
        instant: Time,
        /// As it was written.
        written: String,
    },
}

/// An event as people send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// One line.
    pub title: String,
    /// Plain text.
    pub description: String,
    /// When it is.
    pub when: When,
    /// A page about it.
    pub link: Option<String>,
    /// Where it is.
    pub place: Option<String>,
    /// What it is about, for those who choose.
    pub topics: Vec<String>,
}

impl NewEvent {
    /// Reads the body of `POST /events`: `title`, `description`, `date`, and optionally `link`,
    /// `place`, `topics`.
    ///
    /// # Errors
    ///
    /// Every field that cannot be used.
    pub fn read(body: &Value, now: Time) -> Result<NewEvent, Vec<FieldError>> {
        let mut fields = Fields::of(body)?;
        let title = fields.needed("title", TITLE);
        let description = fields.needed("description", DESCRIPTION);
        let date = fields.needed("date", DATE);
        let when = (!date.is_empty()).then(|| When::read(&date));
        let when = match when {
            Some(Ok(when)) if when.is_past(now) => {
                fields.refuse("date", "lies in the past");
                None
            }
            Some(Ok(when)) if when.is_too_far(now) => {
                fields.refuse("date", "lies more than ten years ahead");
                None
            }
            Some(Ok(when)) => Some(when),
            Some(Err(detail)) => {
                fields.refuse("date", detail);
                None
            }
            None => None,
        };
        let link = fields.optional("link", LINK).and_then(|text| {
            fields::link(&text)
                .map_err(|detail| fields.refuse("link", detail))
                .ok()
        });
        let place = fields.optional("place", PLACE);
        let topics = fields::topics(&mut fields, "topics");
        fields.finish(|| {
            Some(NewEvent {
                title,
                description,
                when: when?,
                link,
                place,
                topics,
            })
        })
    }
}

impl When {
    /// An ISO 8601 date, or a date and time with an offset (RFC 3339).
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn read(text: &str) -> Result<When, String> {
        const EXPECTED: &str = "expected a date such as 2027-03-14, or a date and time with its offset such as 2027-03-14T19:00:00+01:00";
        if text.len() == 10 {
            return text.parse().map(When::Day).map_err(|_| EXPECTED.into());
        }
        let instant: Timestamp = text.parse().map_err(|_| EXPECTED.to_string())?;
        // jiff also takes a zone in brackets and a blank instead of the T; others do not.
        if text.contains('[') || text.get(10..11) != Some("T") {
            return Err(EXPECTED.into());
        }
        Ok(When::At {
            instant: Time::from_millis(instant.as_millisecond()),
            written: text.to_string(),
        })
    }

    /// When it begins at the earliest anywhere: what events are sorted by.
    pub fn begins(&self) -> Time {
        match self {
            When::Day(day) => midnight(*day),
            When::At { instant, .. } => *instant,
        }
    }

    /// Whether it is over everywhere. A day ends last where clocks are twelve hours behind UTC.
    pub fn is_past(&self, now: Time) -> bool {
        const HOUR: i64 = 3_600;
        match self {
            When::Day(day) => now.secs() >= midnight(*day).secs() + (24 + 12) * HOUR,
            When::At { instant, .. } => *instant <= now,
        }
    }

    fn is_too_far(&self, now: Time) -> bool {
        const TEN_YEARS: i64 = 10 * 366 * 86_400;
        self.begins().secs() > now.secs() + TEN_YEARS
    }

    /// For people: `Sunday, 14 March 2027`, `Sunday, 14 March 2027, 19:00 (UTC+01:00)`.
    pub fn spell(&self) -> String {
        const DAY: &str = "%A, %-d %B %Y";
        match self {
            When::Day(day) => day.strftime(DAY).to_string(),
            When::At { instant, written } => {
                let zone = offset_of(written);
                let there = instant.to_jiff().to_zoned(zone.clone());
                let offset = match there.offset().is_zero() {
                    true => "UTC".to_string(),
                    false => there.strftime("UTC%:z").to_string(),
                };
                format!(
                    "{}, {} ({offset})",
                    there.strftime(DAY),
                    there.strftime("%H:%M")
                )
            }
        }
    }
}

/// The offset that a date and time was written with.
fn offset_of(written: &str) -> tz::TimeZone {
    let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(written);
    let offset = pieces.ok().and_then(|p| p.to_numeric_offset());
    tz::TimeZone::fixed(offset.unwrap_or(tz::Offset::UTC))
}

fn midnight(day: Date) -> Time {
    let there = day
        .to_zoned(tz::TimeZone::UTC)
        .expect("every date has a midnight in UTC");
    Time::from_millis(there.timestamp().as_millisecond())
}

impl From<When> for String {
    fn from(when: When) -> String {
        match when {
            When::Day(day) => day.to_string(),
            When::At { written, .. } => written,
        }
    }
}

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<When, String> {
        When::read(&text)
    }
}

/// An event as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Sortable by creation, and not to be guessed.
    pub id: String,
    /// One line.
    pub title: String,
    /// Plain text.
    pub description: String,
    /// When it is.
    pub date: When,
    /// A page about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

impl Event {
    /// A new event under its id.
    pub fn new(id: String, new: NewEvent) -> Event {
        Event {
            id,
            title: new.title,
            description: new.description,
            date: new.when,
            link: new.link,
            place: new.place,
            topics: new.topics,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Time {
        Time::parse("2026-11-21T11:59:59Z").unwrap()
    }

    fn errors(body: Value) -> Vec<(String, String)> {
        match NewEvent::read(&body, now()) {
            Ok(event) => panic!("{event:?}"),
            Err(errors) => errors.into_iter().map(|e| (e.field, e.detail)).collect(),
        }
    }

    fn event(date: &str) -> Value {
        json!({ "title": "Open day", "description": "All are welcome.", "date": date })
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let fields: Vec<String> = errors(json!({
            "title": "", "description": 7, "date": "soon", "link": "javascript:1", "place": "a\nb",
            "topics": ["Open Day"], "colour": "red",
        }))
        .into_iter()
        .map(|(field, _)| field)
        .collect();
        assert_eq!(
            fields,
            [
                "title",
                "description",
                "date",
                "link",
                "place",
                "topics",
                "colour"
            ]
        );
        assert_eq!(errors(json!([]))[0].0, "body");
        assert_eq!(errors(json!({}))[0], ("title".into(), "needed".into()));
    }

    #[test]
    fn dates_are_iso_dates_or_instants_with_their_offset() {
        let fine = [
            ("2026-11-21", "Saturday, 21 November 2026"),
            // Over in most places, not in all.
            ("2026-11-20", "Friday, 20 November 2026"),
            (
                "2027-03-14T19:00:00+01:00",
                "Sunday, 14 March 2027, 19:00 (UTC+01:00)",
            ),
            ("2027-03-14T19:00Z", "Sunday, 14 March 2027, 19:00 (UTC)"),
            ("2028-02-29", "Tuesday, 29 February 2028"),
        ];
        for (date, spelt) in fine {
            let read = NewEvent::read(&event(date), now()).unwrap();
            assert_eq!(read.when.spell(), spelt);
            let written: String = read.when.clone().into();
            assert_eq!(written, date);
            assert_eq!(When::try_from(written), Ok(read.when));
        }
        for date in [
            "2027-03-14T19:00:00",
            "2027-03-14 19:00:00Z",
            "2027-03-14T19:00:00+01:00[Europe/Berlin]",
            "14.03.2027",
            "2027-02-29",
            "2027-13-01",
            "tomorrow!!",
        ] {
            assert!(
                errors(event(date))[0].1.starts_with("expected a date"),
                "{date}"
            );
        }
        assert_eq!(errors(event("2026-11-19"))[0].1, "lies in the past");
        assert_eq!(
            errors(event("2026-11-21T11:59:59Z"))[0].1,
            "lies in the past"
        );
        assert_eq!(
            errors(event("2037-11-21"))[0].1,
            "lies more than ten years ahead"
        );
    }

    #[test]
    fn lengths_are_counted_in_characters_and_tricks_with_them_refused() {
        let title = |text: &str| json!({ "title": text, "description": "x", "date": "2027-01-01" });
        assert!(NewEvent::read(&title(&"ü".repeat(120)), now()).is_ok());
        let long = errors(title(&"ü".repeat(121)));
        assert_eq!(long[0].1, "at most 120 characters, this has 121");
        for trick in ["a\u{202E}b", "a\u{0}b", "a\r\nBcc: x", "a\u{2028}b"] {
            assert!(
                errors(title(trick))[0].1.starts_with("holds the character"),
                "{trick:?}"
            );
        }
        let lines = json!({ "title": "a", "description": "a\nb", "date": "2027-01-01" });
        assert!(NewEvent::read(&lines, now()).is_ok());
    }

    #[test]
    fn topics_are_words_and_count_once() {
        let with = |topics: Value| {
            let mut body = event("2027-01-01");
            body["topics"] = topics;
            NewEvent::read(&body, now())
        };
        assert_eq!(
            with(json!(["a", "open-day", "a"])).unwrap().topics,
            ["a", "open-day"]
        );
        for bad in [
            json!("a"),
            json!([1]),
            json!([""]),
            json!(["A"]),
            json!(vec!["a"; 11]),
        ] {
            assert_eq!(with(bad).unwrap_err()[0].field, "topics");
        }
    }
}
