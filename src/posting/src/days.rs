//! `national-days.json`: which days there are.
//!
//! `{"Prompt": "...", "january": {"14": ["Dress Up Your Pet"], ...}, ...}`: a date holds a list,
//! which may be empty or missing. In the prompt `{day}` stands for the day; without it the day
//! comes after it. Whatever is wrong is told with line and column.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use model::problem::nearest;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use crate::name::{MONTHS, unspeakable};

/// The list, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    prompt: String,
    /// By month and day.
    days: BTreeMap<(i8, i8), Vec<String>>,
}

/// What is wrong with a list, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct Wrong {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// A lowercase fragment.
    pub message: String,
}

/// Days that a date may have: more than this is a mistake, and would be so many posts.
const MOST: usize = 10;
/// OpenAI's older models take prompts of 1,000 characters.
const LONGEST_PROMPT: usize = 800;

impl Days {
    /// Reads a list; `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place.
    pub fn read(file: &str, text: &str) -> Result<Days, Wrong> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Whole.deserialize(&mut json);
        let read = read.and_then(|days| json.end().map(|()| days));
        read.map_err(|e| {
            let told = e.to_string();
            let at = format!(" at line {} column {}", e.line(), e.column());
            Wrong {
                file: file.into(),
                line: e.line().max(1),
                column: e.column().max(1),
                message: told.strip_suffix(&at).unwrap_or(&told).to_string(),
            }
        })
    }

    /// The days of a date, none when it has no list.
    pub fn of(&self, date: Date) -> &[String] {
        self.days
            .get(&(date.month(), date.day()))
            .map_or(&[], Vec::as_slice)
    }

    /// What is asked for a day.
    pub fn prompt(&self, day: &str) -> String {
        match self.prompt.contains("{day}") {
            true => self.prompt.replace("{day}", day),
            false => format!("{} {day}", self.prompt.trim_end()),
        }
    }

    /// How many dates have a list that is not empty.
    pub fn dates(&self) -> usize {
        self.days.values().filter(|days| !days.is_empty()).count()
    }
}

struct Whole;

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = Days;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Days, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole {
    type Value = Days;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `Prompt` and the months `january` to `december`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Days, A::Error> {
        let (mut prompt, mut days) = (None, BTreeMap::new());
        let mut seen = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("`{key}` stands here twice")));
            }
            if key == "Prompt" {
                let text: String = map.next_value()?;
                if text.trim().is_empty() || text.chars().count() > LONGEST_PROMPT {
                    let why = format!("`Prompt` has 1 to {LONGEST_PROMPT} characters");
                    return Err(A::Error::custom(why));
                }
                prompt = Some(text);
            } else if let Some(month) = MONTHS.iter().position(|m| *m == key) {
                let month = month as i8 + 1;
                let of_month = map.next_value_seed(Month { month, name: &key })?;
                days.extend(of_month.into_iter().map(|(day, list)| ((month, day), list)));
            } else {
                let words = MONTHS.iter().copied().chain(["Prompt"]);
                let help = nearest(&key, words).map(|w| format!("; did you mean `{w}`?"));
                return Err(A::Error::custom(format!(
                    "unknown key {key:?}{}",
                    help.unwrap_or_default()
                )));
            }
            seen.push(key);
        }
        let prompt = prompt.ok_or_else(|| A::Error::custom("`Prompt` is missing"))?;
        Ok(Days { prompt, days })
    }
}

struct Month<'a> {
    month: i8,
    name: &'a str,
}

impl<'de> DeserializeSeed<'de> for Month<'_> {
    type Value = BTreeMap<i8, Vec<String>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Month<'_> {
    type Value = BTreeMap<i8, Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the dates of {}: an object of numbers and lists",
            self.name
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut dates = BTreeMap::new();
        // A leap year has all of them.
        let last = Date::constant(2028, 1, 1).with().month(self.month).build();
        let last = last.map_or(31, |d| d.days_in_month());
        while let Some(key) = map.next_key::<String>()? {
            let date = key.parse::<i8>().ok();
            let date = date.filter(|d| (1..=last).contains(d) && d.to_string() == key);
            let Some(date) = date else {
                let why = format!("{} has the dates 1 to {last}, not {key:?}", self.name);
                return Err(A::Error::custom(why));
            };
            let place = format!("{} {date}", self.name);
            if dates.contains_key(&date) {
                return Err(A::Error::custom(format!("{place} stands here twice")));
            }
            let list = map.next_value_seed(List { place: &place })?;
            dates.insert(date, list);
        }
        Ok(dates)
    }
}

struct List<'a> {
    place: &'a str,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Vec<String>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list of days of {}", self.place)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut days: Vec<String> = Vec::new();
        while let Some(day) = list.next_element::<String>()? {
            let wrong = match unspeakable(&day) {
                None if days.contains(&day) => Some("it stands here twice".into()),
                None if days.len() == MOST => Some(format!("a date has at most {MOST} days")),
                other => other,
            };
            if let Some(why) = wrong {
                let told = format!("{}, {day:?}: {why}", self.place);
                return Err(A::Error::custom(told));
            }
            days.push(day);
        }
        Ok(days)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_shipped_list_has_a_day_for_every_date_of_a_leap_year() {
        let days = Days::read("national-days.json", crate::DAYS).unwrap();
        assert_eq!(days.dates(), 366);
        let mut at = date(2028, 1, 1);
        while at.year() == 2028 {
            assert!(!days.of(at).is_empty(), "{at}");
            at = at.tomorrow().unwrap();
        }
        assert!(
            days.of(date(2026, 1, 14))
                .contains(&"Dress Up Your Pet".to_string())
        );
        assert!(days.of(date(2028, 2, 29)).contains(&"Leap".to_string()));
        // Several on one date, and none twice in a year.
        assert!(days.days.values().any(|list| list.len() > 1));
        let mut all: Vec<&String> = days.days.values().flatten().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "a day stands on two dates");
    }

    #[test]
    fn a_date_may_have_several_days_one_or_none() {
        let text = r#"{"Prompt": "A ghost for", "march": {"3": ["A", "B"], "4": ["C"], "5": []}}"#;
        let days = Days::read("d", text).unwrap();
        let of = |day| days.of(date(2026, 3, day)).len();
        assert_eq!((of(3), of(4), of(5), of(6)), (2, 1, 0, 0));
        assert_eq!(days.prompt("Pie"), "A ghost for Pie");
        let text = text.replace("A ghost for", "The {day} of ghosts, {day}!");
        let days = Days::read("d", &text).unwrap();
        assert_eq!(days.prompt("Pie"), "The Pie of ghosts, Pie!");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let check = |text: &str, place: (usize, usize), why: &str| {
            let wrong = Days::read("d.json", text).unwrap_err();
            let told = wrong.to_string();
            assert_eq!((wrong.line, wrong.column), place, "{told}");
            assert!(told.contains(why), "{told}");
            assert!(told.starts_with(&format!("d.json:{}:", place.0)), "{told}");
        };
        check("", (1, 1), "EOF");
        check("[]", (1, 1), "an object with `Prompt`");
        check(
            "{\n \"Prompt\": \"p\",\n \"januray\": {}}",
            (3, 10),
            "did you mean `january`?",
        );
        check(
            "{\"Prompt\": \"p\",\n \"april\": {\"31\": []}}",
            (2, 15),
            "april has the dates 1 to 30, not \"31\"",
        );
        check(
            "{\"Prompt\": \"p\",\n \"april\": {\"01\": []}}",
            (2, 15),
            "not \"01\"",
        );
        check(
            "{\"Prompt\": \"p\",\n \"may\": {\"1\": \"x\"}}",
            (2, 17),
            "the list of days of may 1",
        );
        check(
            "{\"Prompt\": \"p\",\n \"may\": {\"1\": [\"A\",\n  \"lower\"]}}",
            (3, 10),
            "may 1, \"lower\"",
        );
        check(
            "{\"Prompt\": \"p\",\n \"may\": {\"1\": [\"A\", \"A\"]}}",
            (2, 24),
            "twice",
        );
        check(
            "{\"may\": {\"1\": [\"A\"]}}",
            (1, 21),
            "`Prompt` is missing",
        );
        check("{\"Prompt\": \" \"}", (1, 15), "`Prompt` has 1 to 800");
        check("{\"Prompt\": \"p\"} x", (1, 17), "trailing");
        check(
            "{\"Prompt\": \"p\", \"may\": {\"1\": [3]}}",
            (1, 31),
            "expected a string",
        );
    }

    #[test]
    fn february_29_is_a_date_and_the_30th_is_none() {
        let read = |day: u8| {
            let text = format!("{{\"Prompt\": \"p\", \"february\": {{\"{day}\": [\"Leap\"]}}}}");
            Days::read("d", &text)
        };
        assert_eq!(read(29).unwrap().of(date(2028, 2, 29)), ["Leap"]);
        assert!(read(30).is_err());
    }
}
