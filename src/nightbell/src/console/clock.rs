//! Times as pages show them: UTC first, the local zone beside it, relative where that is meant.

use std::time::Duration;

use jiff::tz::TimeZone;
use model::Time;
use model::time::spell_duration;

use super::view::{Frame, Html};

/// Now, and the zone beside UTC. The methods take references because templates hand them over.
#[derive(Debug, Clone, Copy)]
pub struct Clock<'a> {
    now: Time,
    zone: &'a TimeZone,
}

impl<'a> Clock<'a> {
    /// The clock of a page.
    pub fn of(frame: &'a Frame) -> Clock<'a> {
        Clock {
            now: frame.now,
            zone: &frame.zone,
        }
    }

    /// The name of the local zone, `Berlin`; none where it is UTC itself.
    pub fn zone_name(&self) -> Option<String> {
        let name = match self.zone.iana_name() {
            Some("UTC" | "Etc/UTC" | "Etc/UCT" | "Zulu" | "GMT" | "Etc/GMT") => return None,
            Some(name) => name.rsplit('/').next().unwrap_or(name).replace('_', " "),
            None => "local".to_string(),
        };
        Some(name)
    }

    /// `08:14`, with the day in front when it is not today: `4 Jan 08:14`.
    pub fn utc(&self, at: &Time) -> String {
        stamp(*at, self.now, &TimeZone::UTC)
    }

    /// The same in the local zone; none where that is UTC.
    pub fn local(&self, at: &Time) -> Option<String> {
        let name = self.zone_name()?;
        Some(format!("{} {name}", stamp(*at, self.now, self.zone)))
    }

    /// `08:14 UTC`, machine-readable, with the local time as its title.
    pub fn at(&self, at: &Time) -> Html {
        self.element(at, &format!("{} UTC", self.utc(at)))
    }

    /// `08:14 UTC (09:14 Berlin)`.
    pub fn both(&self, at: &Time) -> Html {
        let text = match self.local(at) {
            Some(local) => format!("{} UTC ({local})", self.utc(at)),
            None => format!("{} UTC", self.utc(at)),
        };
        self.element(at, &text)
    }

    /// `08:14`, for columns whose head says UTC.
    pub fn bare(&self, at: &Time) -> Html {
        self.element(at, &self.utc(at))
    }

    /// `08:14:07.123`, for columns of logs.
    pub fn exact(&self, at: &Time) -> Html {
        let text = at.to_jiff().strftime("%H:%M:%S.%3f").to_string();
        self.element(at, &text)
    }

    /// `2 minutes ago`, `in 3 minutes`, `just now`.
    pub fn ago(&self, at: &Time) -> String {
        if *at > self.now {
            format!("in {}", about(at.since(self.now)))
        } else if self.now.since(*at) < Duration::from_secs(5) {
            "just now".into()
        } else {
            format!("{} ago", about(self.now.since(*at)))
        }
    }

    /// How long it lasted or lasts: `14 minutes`.
    pub fn lasted(&self, from: &Time, until: &Option<Time>) -> String {
        about(until.unwrap_or(self.now).since(*from))
    }

    /// How long it lasts already.
    pub fn age(&self, from: &Time) -> String {
        self.lasted(from, &None)
    }

    fn element(&self, at: &Time, text: &str) -> Html {
        let title = match self.local(at) {
            Some(local) => format!("{at}, {local}"),
            None => at.to_string(),
        };
        Html(format!(
            "<time datetime=\"{at}\" title=\"{}\">{}</time>",
            escape(&title),
            escape(text)
        ))
    }
}

/// A duration in the one or two largest units that matter to somebody who reads in a hurry.
pub fn about(d: Duration) -> String {
    let step = match d.as_secs() {
        0..120 => 1,
        120..21_600 => 60,
        21_600..172_800 => 3_600,
        _ => 86_400,
    };
    spell_duration(Duration::from_secs(d.as_secs() / step * step))
}

/// Text as HTML text or as a quoted attribute's value.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn stamp(at: Time, now: Time, zone: &TimeZone) -> String {
    let (then, today) = (
        at.to_jiff().to_zoned(zone.clone()),
        now.to_jiff().to_zoned(zone.clone()),
    );
    let format = if then.date() == today.date() {
        "%H:%M"
    } else if now.since(at) < Duration::from_secs(300 * 86_400) && at <= now {
        "%-d %b %H:%M"
    } else {
        "%-d %b %Y %H:%M"
    };
    then.strftime(format).to_string()
}
