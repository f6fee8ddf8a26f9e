//! What people read: mails, text messages, and what the topic says.
//!
//! Every mail names the way out, in its text and in its header (RFC 8058): mail programs show a
//! button for it.

use bytes::Bytes;
use model::Time;
use ports::{Attachment, Letter};

use crate::calendar::{Standing, calendar};
use crate::event::Event;
use crate::jobs::{About, JobId};
use crate::subscriber::{Contact, Subscription};

/// Who writes, and where the links lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Whose name stands in `From`.
    pub from: String,
    /// The base of links, without a slash at the end.
    pub url: String,
}

/// A page for one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Where it is confirmed.
    Confirm,
    /// Where it ends.
    Unsubscribe,
}

impl Writer {
    /// The link for one subscription.
    pub fn link(&self, link: Link, subscription: &Subscription) -> String {
        let step = match link {
            Link::Confirm => "confirm",
            Link::Unsubscribe => "unsubscribe",
        };
        let Subscription { id, token, .. } = subscription;
        format!("{}/subscriptions/{id}/{step}?token={token}", self.url)
    }

    /// Asks a new subscriber whether it was them. `key` names the attempt.
    pub fn confirmation(&self, subscription: &Subscription, key: String) -> Letter {
        let link = self.link(Link::Confirm, subscription);
        let about = match subscription.topics.is_empty() {
            true => "all events".to_string(),
            false => format!("events about {}", subscription.topics.join(", ")),
        };
        let text = format!(
            "Somebody, hopefully you, asked to be told of {about}.\n\n\
             Confirm it here, within seven days:\n{link}\n\n\
             If it was not you, do nothing: you will not be written to.\n"
        );
        let html = page(
            "Please confirm",
            &format!(
                "<p>Somebody, hopefully you, asked to be told of {}.</p>{}\
                 <p style=\"{SMALL}\">The link works for seven days. If it was not you, do nothing: you will not be written to.</p>",
                escape(&about),
                button(&link, "Confirm"),
            ),
        );
        Letter {
            from: self.from.clone(),
            to: subscription.contact.address().into(),
            subject: "Please confirm: shall we tell you of events?".into(),
            text,
            html: Some(html),
            headers: self.way_out(subscription),
            attachments: Vec::new(),
            key,
        }
    }

    /// The same as a text message.
    pub fn confirmation_text(&self, subscription: &Subscription) -> String {
        let link = self.link(Link::Confirm, subscription);
        format!("Shall we tell you of events? Confirm: {link} (If you did not ask, do nothing.)")
    }

    /// Tells one subscriber.
    pub fn notice(
        &self,
        (about, event): (About, &Event),
        subscription: &Subscription,
        now: Time,
    ) -> Letter {
        let leave = self.link(Link::Unsubscribe, subscription);
        let (subject, lead) = heading(about, event);
        let text = format!(
            "{}\n\nYou get this because you subscribed. Unsubscribe:\n{leave}\n",
            self.body((about, event))
        );
        let mut html = format!(
            "<p>{}</p><p><b>{}</b>",
            escape(lead),
            escape(&event.date.spell())
        );
        if let Some(place) = &event.place {
            html.push_str(&format!("<br>{}", escape(place)));
        }
        html.push_str("</p>");
        for paragraph in event.description.split("\n\n") {
            let lines: Vec<String> = paragraph.lines().map(escape).collect();
            html.push_str(&format!("<p>{}</p>", lines.join("<br>")));
        }
        if let Some(link) = event.link.as_ref().filter(|_| about != About::Cancellation) {
            html.push_str(&button(link, "More about it"));
        }
        html.push_str(&format!(
            "<p style=\"{SMALL}\">You get this because you subscribed. <a href=\"{}\" style=\"color:#545b64\">Unsubscribe</a></p>",
            escape(&leave)
        ));
        let (standing, method) = match about {
            About::Cancellation => (Standing::Cancelled, "CANCEL"),
            About::Announcement | About::Reminder => (Standing::Confirmed, "PUBLISH"),
        };
        let id = JobId::new(about, &event.id);
        Letter {
            from: self.from.clone(),
            to: subscription.contact.address().into(),
            html: Some(page(&event.title, &html)),
            text,
            subject,
            headers: self.way_out(subscription),
            attachments: vec![Attachment {
                name: "event.ics".into(),
                content_type: format!("text/calendar; charset=utf-8; method={method}"),
                body: Bytes::from(calendar(event, standing, now)),
                inline: None,
            }],
            key: format!("{id}/{}", subscription.id),
        }
    }

    /// Tells one subscriber by a text message: at most 1,600 characters, ten times the shortest.
    pub fn notice_text(
        &self,
        (about, event): (About, &Event),
        subscription: &Subscription,
    ) -> String {
        let (subject, _) = heading(about, event);
        let mut text = format!("{subject}: {}", event.date.spell());
        for more in [&event.place, &event.link].into_iter().flatten() {
            if text.chars().count() + more.chars().count() < 1_000 {
                text.push_str(&format!(". {more}"));
            }
        }
        let leave = self.link(Link::Unsubscribe, subscription);
        format!("{text} Stop: {leave}")
    }

    /// What everybody reads; also what the topic says, whose way out SNS adds.
    pub fn body(&self, (about, event): (About, &Event)) -> String {
        let (_, lead) = heading(about, event);
        let mut text = format!("{lead}\n\n{}\n{}\n", event.title, event.date.spell());
        if let Some(place) = &event.place {
            text.push_str(&format!("{place}\n"));
        }
        text.push_str(&format!("\n{}\n", event.description));
        if about != About::Cancellation {
            if let Some(link) = &event.link {
                text.push_str(&format!("\nMore about it: {link}\n"));
            }
            let id = &event.id;
            text.push_str(&format!(
                "\nFor your calendar: {}/events/{id}/calendar.ics\n",
                self.url
            ));
        }
        text
    }

    /// RFC 2369 and RFC 8058: one click, without a page.
    fn way_out(&self, subscription: &Subscription) -> Vec<(String, String)> {
        match subscription.contact {
            Contact::Phone(_) => Vec::new(),
            Contact::Email(_) => vec![
                (
                    "List-Unsubscribe".into(),
                    format!("<{}>", self.link(Link::Unsubscribe, subscription)),
                ),
                (
                    "List-Unsubscribe-Post".into(),
                    "List-Unsubscribe=One-Click".into(),
                ),
            ],
        }
    }
}

/// The subject and the first line.
fn heading(about: About, event: &Event) -> (String, &'static str) {
    let title = &event.title;
    match about {
        About::Announcement => (title.clone(), "A new event:"),
        About::Reminder => (format!("Tomorrow: {title}"), "A reminder: this is soon."),
        About::Cancellation => (
            format!("Cancelled: {title}"),
            "This event does not take place.",
        ),
    }
}

/// The subject for SNS: printable ASCII, under 100 characters, beginning with something to read.
pub fn topic_subject(about: About, event: &Event) -> String {
    let (subject, _) = heading(about, event);
    let plain: String = subject
        .chars()
        .map(|c| if (' '..='~').contains(&c) { c } else { '?' })
        .collect();
    let plain: String = plain.trim().chars().take(99).collect();
    match plain.chars().any(|c| c.is_ascii_alphanumeric()) {
        true => plain,
        // A title in another script would be question marks only.
        false => match about {
            About::Announcement => "A new event".into(),
            About::Reminder => "Tomorrow: an event".into(),
            About::Cancellation => "Cancelled: an event".into(),
        },
    }
}

const SMALL: &str = "color:#545b64;font-size:13px;line-height:18px";

/// Mail programs know inline styles only, and turn light colours dark by themselves.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title><body style=\"margin:0\"><div style=\"max-width:560px;margin:0 auto;padding:24px 16px;\
         font:15px/22px -apple-system,'Segoe UI',sans-serif\"><h1 style=\"font-size:22px;line-height:28px;margin:0 0 12px\">{title}</h1>\
         {body}</div></body></html>",
        title = escape(title)
    )
}

fn button(link: &str, text: &str) -> String {
    format!(
        "<p><a href=\"{}\" style=\"display:inline-block;background:#0a58ca;color:#ffffff;padding:8px 16px;\
         border-radius:6px;text-decoration:none\">{text}</a></p>",
        escape(link)
    )
}

/// Text into HTML, in quoted attributes too.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::NewEvent;
    use crate::subscriber::{Channel, Standing as Stands};

    fn now() -> Time {
        Time::parse("2026-11-21T12:00:00Z").unwrap()
    }

    fn event(title: &str) -> Event {
        let body = json!({ "title": title, "description": "All <b>are</b>\nwelcome.\n\nCome!",
            "date": "2027-03-14", "place": "Town hall", "link": "https://example.org/open?a=1&b=2" });
        Event::new("0192".into(), NewEvent::read(&body, now()).unwrap())
    }

    fn subscription(contact: Contact) -> Subscription {
        Subscription {
            id: "s1".into(),
            contact,
            channel: Channel::Mail,
            topics: vec!["music".into()],
            standing: Stands::Confirmed,
            owner: "o".into(),
            token: "t0k3n".into(),
            since: now(),
        }
    }

    fn writer() -> Writer {
        Writer {
            from: "Events <events@example.org>".into(),
            url: "https://example.org/prod".into(),
        }
    }

    #[test]
    fn every_mail_names_the_way_out_and_carries_the_calendar() {
        let ann = subscription(Contact::Email("ann@example.org".into()));
        let leave = "https://example.org/prod/subscriptions/s1/unsubscribe?token=t0k3n";
        for (about, subject, method) in [
            (About::Announcement, "Open day", "PUBLISH"),
            (About::Reminder, "Tomorrow: Open day", "PUBLISH"),
            (About::Cancellation, "Cancelled: Open day", "CANCEL"),
        ] {
            let letter = writer().notice((about, &event("Open day")), &ann, now());
            assert_eq!(letter.subject, subject);
            assert_eq!(letter.to, "ann@example.org");
            assert!(letter.text.contains(leave) && letter.text.contains("Sunday, 14 March 2027"));
            assert!(letter.html.as_ref().unwrap().contains(leave));
            let header = |name: &str| {
                let found = letter.headers.iter().find(|(n, _)| n == name);
                found.map(|(_, v)| v.as_str())
            };
            assert_eq!(
                header("List-Unsubscribe"),
                Some(format!("<{leave}>").as_str())
            );
            assert_eq!(
                header("List-Unsubscribe-Post"),
                Some("List-Unsubscribe=One-Click")
            );
            let file = &letter.attachments[0];
            assert!(file.content_type.ends_with(&format!("method={method}")));
            assert!(file.body.starts_with(b"BEGIN:VCALENDAR"));
            assert_eq!(letter.key, format!("{}/0192/s1", about.as_str()));
        }
    }

    #[test]
    fn what_an_event_says_shows_as_text() {
        let ann = subscription(Contact::Email("ann@example.org".into()));
        let letter = writer().notice((About::Announcement, &event("<script>")), &ann, now());
        let html = letter.html.unwrap();
        assert!(
            !html.contains("<script>") && !html.contains("<b>are"),
            "{html}"
        );
        assert!(html.contains("All &lt;b&gt;are&lt;/b&gt;<br>welcome.</p><p>Come!"));
        assert!(html.contains("open?a=1&amp;b=2"));
    }

    #[test]
    fn a_text_message_fits_and_says_how_to_stop() {
        let bob = subscription(Contact::Phone("+12065550100".into()));
        let mut long = event("Open day");
        long.title = "x".repeat(120);
        long.place = Some("y".repeat(200));
        long.link = Some(format!("https://example.org/{}", "z".repeat(1_900)));
        let text = writer().notice_text((About::Reminder, &long), &bob);
        assert!(
            text.chars().count() <= 1_600 && text.contains("Stop: https://"),
            "{text}"
        );
        assert!(
            writer()
                .confirmation_text(&bob)
                .contains("/subscriptions/s1/confirm?token=t0k3n")
        );
        assert!(writer().confirmation(&bob, "k".into()).headers.is_empty());
    }

    #[test]
    fn a_topic_takes_plain_subjects_only() {
        for (title, expected) in [
            ("Open day", "Open day"),
            ("Fête", "F?te"),
            ("Праздник", "A new event"),
            (&"x".repeat(120), &"x".repeat(99)),
        ] {
            let subject = topic_subject(About::Announcement, &event(title));
            assert_eq!(subject, expected);
        }
    }
}
