//! What a picture is called: its file, and the caption that follows from it.

use std::fmt;

use jiff::civil::Date;

/// The twelve months as files name them.
pub const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Where pictures stand in the bucket.
pub const FOLDER: &str = "images/";

/// `<month>_<day>_<index>_<DayWithoutSpaces>.jpg`: the id of a job, and with its folder the key of
/// the object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureName(String);

impl PictureName {
    /// Of one day of a date's list.
    pub fn new(date: Date, index: usize, day: &str) -> PictureName {
        let month = MONTHS[date.month() as usize - 1];
        let words: String = day.split_whitespace().collect();
        PictureName(format!("{month}_{}_{index}_{words}.jpg", date.day()))
    }

    /// Out of a file name; none when it is not one of ours.
    pub fn parse(file: &str) -> Option<PictureName> {
        let stem = file.strip_suffix(".jpg")?;
        let mut parts = stem.split('_');
        let (month, day, index) = (parts.next()?, parts.next()?, parts.next()?);
        let words = parts.next()?;
        let number = |text: &str| {
            let plain =
                text.len() <= 3 && !text.is_empty() && (text == "0" || !text.starts_with('0'));
            plain.then(|| text.parse::<u16>().ok()).flatten()
        };
        let known = MONTHS.contains(&month)
            && number(day).is_some_and(|d| (1..=31).contains(&d))
            && number(index).is_some()
            && parts.next().is_none()
            && words.starts_with(|c: char| c.is_ascii_uppercase())
            && words.bytes().all(|b| b.is_ascii_alphanumeric());
        known.then(|| PictureName(file.into()))
    }

    /// Out of the key of an object.
    pub fn of_key(key: &str) -> Option<PictureName> {
        PictureName::parse(key.strip_prefix(FOLDER)?)
    }

    /// The key of its object.
    pub fn key(&self) -> String {
        format!("{FOLDER}{}", self.0)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The day with its spaces: one before every capital but the first.
    pub fn day(&self) -> String {
        let stem = self.0.trim_end_matches(".jpg");
        let words = stem.rsplit('_').next().unwrap_or_default();
        let mut day = String::with_capacity(words.len() + 8);
        for c in words.chars() {
            if c.is_ascii_uppercase() && !day.is_empty() {
                day.push(' ');
            }
            day.push(c);
        }
        day
    }

    /// What is posted beside the picture.
    pub fn caption(&self) -> String {
        format!("National {} Day!", self.day())
    }
}

impl fmt::Display for PictureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a day cannot be called that: its caption would read differently.
pub fn unspeakable(day: &str) -> Option<String> {
    if day.len() > 100 {
        return Some("a day has at most 100 letters".into());
    }
    if let Some(bad) = day
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && *c != ' ')
    {
        return Some(format!(
            "a day has letters, digits and spaces only, not {bad:?}"
        ));
    }
    let name = PictureName::new(Date::constant(2026, 1, 1), 0, day);
    let read = name.day();
    (read != day || PictureName::parse(name.as_str()).is_none()).then(|| {
        format!("its caption would read {read:?}: each word begins with a capital and has no other, with one space between")
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_caption_has_a_space_before_every_capital_but_the_first() {
        let check = |day: &str, file: &str, caption: &str| {
            let name = PictureName::new(date(2026, 1, 14), 0, day);
            assert_eq!((name.as_str(), name.caption().as_str()), (file, caption));
            assert_eq!(PictureName::of_key(&name.key()), Some(name));
        };
        check(
            "Dress Up Your Pet",
            "january_14_0_DressUpYourPet.jpg",
            "National Dress Up Your Pet Day!",
        );
        check("Pie", "january_14_0_Pie.jpg", "National Pie Day!");
        check(
            "Take A Walk",
            "january_14_0_TakeAWalk.jpg",
            "National Take A Walk Day!",
        );
        let leap = PictureName::new(date(2028, 2, 29), 1, "Leap");
        assert_eq!(leap.as_str(), "february_29_1_Leap.jpg");
    }

    #[test]
    fn what_is_no_picture_of_ours_has_no_name() {
        for file in [
            "",
            "x.jpg",
            "january_14_0_Pie.png",
            "january_14_Pie.jpg",
            "janury_14_0_Pie.jpg",
            "january_0_0_Pie.jpg",
            "january_32_0_Pie.jpg",
            "january_014_0_Pie.jpg",
            "january_1_0_pie.jpg",
            "january_1_0_P/../x.jpg",
            "january_1_0_Pie_2.jpg",
            "january_1__Pie.jpg",
        ] {
            assert_eq!(PictureName::parse(file), None, "{file}");
        }
        assert_eq!(PictureName::of_key("other/january_1_0_Pie.jpg"), None);
    }

    #[test]
    fn a_day_that_would_read_differently_is_refused_with_how_it_would_read() {
        let check = |day: &str, why: &str| {
            let told = unspeakable(day).unwrap_or_else(|| panic!("{day} is taken"));
            assert!(told.contains(why), "{day}: {told}");
        };
        check("Peanut Butter and Jelly", "Peanut Butterand Jelly");
        check("IPA", "I P A");
        check("Lover's", "'\\''");
        check("Two  Spaces", "Two Spaces");
        check("", "capital");
        check(&"A".repeat(101), "100 letters");
        assert_eq!(unspeakable("Take A Walk In The Park"), None);
    }

    proptest! {
        #[test]
        fn every_speakable_day_comes_back_from_its_file_name(
            words in proptest::collection::vec("[A-Z][a-z0-9]{0,9}", 1..6), index in 0usize..50,
        ) {
            let day = words.join(" ");
            prop_assert_eq!(unspeakable(&day), None);
            let name = PictureName::new(date(2026, 6, 30), index, &day);
            prop_assert_eq!(PictureName::parse(name.as_str()).map(|n| n.day()), Some(day));
        }
    }
}
