//! The `.ics` file beside a mail (RFC 5545).

use model::Time;

use crate::event::{Event, When};

/// Whether the event takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Confirmed,
    /// It was called off.
    Cancelled,
}

/// A calendar with one event. Whoever imports it again sees it changed, not twice: its `UID` is
/// the event's id, and a cancellation has the higher `SEQUENCE`.
pub fn calendar(event: &Event, standing: Standing, now: Time) -> String {
    let (method, status, sequence) = match standing {
        Standing::Confirmed => ("PUBLISH", "CONFIRMED", "0"),
        Standing::Cancelled => ("CANCEL", "CANCELLED", "1"),
    };
    let mut out = String::with_capacity(512);
    let mut line = |name: &str, value: &str| fold(&mut out, &format!("{name}:{value}"));
    line("BEGIN", "VCALENDAR");
    line("VERSION", "2.0");
    line("PRODID", "-//Nightbell//Announcements//EN");
    line("METHOD", method);
    line("BEGIN", "VEVENT");
    line("UID", &format!("{}@nightbell", event.id));
    line("DTSTAMP", &instant(now));
    line("SEQUENCE", sequence);
    line("STATUS", status);
    match &event.date {
        When::Day(day) => {
            line("DTSTART;VALUE=DATE", &day.strftime("%Y%m%d").to_string());
            // `DTEND` is exclusive; 9999-12-31 has no day after it, and no event is that late.
            if let Ok(next) = day.tomorrow() {
                line("DTEND;VALUE=DATE", &next.strftime("%Y%m%d").to_string());
            }
        }
        When::At { instant: at, .. } => line("DTSTART", &instant(*at)),
    }
    line("SUMMARY", &escape(&event.title));
    line("DESCRIPTION", &escape(&event.description));
    if let Some(place) = &event.place {
        line("LOCATION", &escape(place));
    }
    if let Some(link) = &event.link {
        line("URL", link);
    }
    line("END", "VEVENT");
    line("END", "VCALENDAR");
    out
}

fn instant(at: Time) -> String {
    at.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// RFC 5545, 3.3.11.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' | '\r' => out.push_str("\\n"),
            '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// RFC 5545, 3.1: no line longer than 75 bytes, a character never torn apart.
fn fold(out: &mut String, line: &str) {
    let mut used = 0;
    for c in line.chars() {
        if used + c.len_utf8() > 75 {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(c);
        used += c.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::NewEvent;

    fn event(title: &str, description: &str, date: &str) -> Event {
        let now = Time::parse("2026-11-21T12:00:00Z").unwrap();
        let body = json!({ "title": title, "description": description, "date": date,
            "place": "Town hall; room 2", "link": "https://example.org/open" });
        Event::new("0192".into(), NewEvent::read(&body, now).unwrap())
    }

    fn now() -> Time {
        Time::parse("2026-11-21T12:00:00Z").unwrap()
    }

    /// What a reader sees: lines joined again (RFC 5545, 3.1).
    fn unfolded(text: &str) -> Vec<String> {
        text.replace("\r\n ", "")
            .split("\r\n")
            .map(str::to_string)
            .collect()
    }

    #[test]
    fn a_day_lasts_until_the_next_and_an_instant_is_in_utc() {
        let day = calendar(
            &event("Open, day", "a\nb", "2026-12-31"),
            Standing::Confirmed,
            now(),
        );
        let lines = unfolded(&day);
        for expected in [
            "METHOD:PUBLISH",
            "UID:0192@nightbell",
            "DTSTAMP:20261121T120000Z",
            "DTSTART;VALUE=DATE:20261231",
            "DTEND;VALUE=DATE:20270101",
            "SUMMARY:Open\\, day",
            "DESCRIPTION:a\\nb",
            "LOCATION:Town hall\\; room 2",
            "URL:https://example.org/open",
        ] {
            assert!(
                lines.iter().any(|l| l == expected),
                "{expected} in {lines:?}"
            );
        }
        let instant = event("x", "y", "2027-03-14T19:00:00+01:00");
        let called_off = unfolded(&calendar(&instant, Standing::Cancelled, now()));
        for expected in [
            "METHOD:CANCEL",
            "STATUS:CANCELLED",
            "SEQUENCE:1",
            "DTSTART:20270314T180000Z",
        ] {
            assert!(
                called_off.iter().any(|l| l == expected),
                "{expected} in {called_off:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_text_lines_stay_short_and_the_structure_stands(
            title in "[^\\p{Cc}\\u{2028}\\u{2029}\\u{202A}-\\u{202E}\\u{2066}-\\u{2069}]{1,120}",
            description in "([^\\p{Cc}\\u{2028}\\u{2029}\\u{202A}-\\u{202E}\\u{2066}-\\u{2069}]|\\n|END:VEVENT){1,200}",
        ) {
            prop_assume!(!title.trim().is_empty() && !description.trim().is_empty());
            let text = calendar(&event(&title, &description, "2027-01-01"), Standing::Confirmed, now());
            for line in text.split("\r\n") {
                prop_assert!(line.len() <= 75);
                prop_assert!(!line.contains(['\r', '\n']));
            }
            let lines = unfolded(&text);
            prop_assert_eq!(lines.iter().filter(|l| l.starts_with("END:")).count(), 2);
        }
    }
}
