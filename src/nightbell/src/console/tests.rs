//! What holds for every page: hostile text stays text, the policy holds, a reader of any kind
//! finds their way, and the colours can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use model::Time;

use super::clock::{Clock, about};
use super::sample;
use super::view::*;
use super::{assets, pages};

/// A tag of a page: its name and its attributes as a browser would read them.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Reads tags as the HTML standard's tokenizer does, as far as these pages go: quoted values may
/// hold anything but their quote. Of closing tags only `/svg` is listed, for nested pictures.
fn tags(html: &str) -> Vec<Tag> {
    let mut list = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with("/svg>") {
            list.push(Tag {
                name: "/svg".into(),
                attributes: BTreeMap::new(),
            });
        }
        if rest.starts_with('!') || rest.starts_with('/') {
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let mut tag = Tag {
            name: rest[..end].to_string(),
            attributes: BTreeMap::new(),
        };
        assert!(end > 0, "a bare `<` in the page: {:.40}", rest);
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>").or_else(|| rest.strip_prefix('>')) {
                rest = after;
                break;
            }
            let end = rest
                .find(|c: char| c.is_whitespace() || "=>".contains(c))
                .unwrap_or(rest.len());
            let name = rest[..end].to_string();
            assert!(!name.is_empty(), "a broken tag: {:.80}", rest);
            rest = &rest[end..];
            let mut value = String::new();
            if let Some(after) = rest.strip_prefix("=\"") {
                let end = after.find('"').expect("an attribute's value ends");
                value = after[..end].to_string();
                rest = &after[end + 1..];
            }
            assert!(
                tag.attributes.insert(name.clone(), value).is_none(),
                "<{}> has {name} twice",
                tag.name
            );
        }
        list.push(tag);
    }
    list
}

/// Names of two pages that differ only in their texts' mark have the same tags: the mark is text.
#[test]
fn hostile_names_show_as_text_on_every_page() {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' onfocus='alert(3) {{7*7}} </title></textarea><!-- &lt;b&gt;";
    let shape = |html: &str| -> Vec<(String, Vec<String>)> {
        tags(html)
            .into_iter()
            .map(|t| (t.name, t.attributes.into_keys().collect()))
            .collect()
    };
    for ((name, calm), (_, hostile)) in sample::pages("").iter().zip(sample::pages(HOSTILE)) {
        for raw in [
            "<script>alert",
            "<img src=x",
            "onerror=alert(2)>",
            "<!-- &lt;b&gt;",
        ] {
            assert!(!hostile.0.contains(raw), "{name}: {raw} came through");
        }
        assert!(
            hostile.0.contains("alert(1)"),
            "{name}: the sample shows no text of a user"
        );
        let allowed: BTreeSet<(String, Vec<String>)> = shape(&calm.0).into_iter().collect();
        for tag in shape(&hostile.0) {
            // A longer name may only make a picture place its labels otherwise.
            let drawn = [
                "g", "text", "tspan", "rect", "path", "line", "title", "circle",
            ];
            assert!(
                allowed.contains(&tag) || drawn.contains(&tag.0.as_str()),
                "{name}: {tag:?} is not in the calm page"
            );
        }
    }
}

#[test]
fn every_page_keeps_to_the_policy() {
    assert!(!assets::CONTENT_SECURITY_POLICY.contains("unsafe"));
    for (page, html) in sample::pages("") {
        for tag in tags(&html.0) {
            for (name, value) in &tag.attributes {
                assert!(
                    name != "style" && !name.starts_with("on"),
                    "{page}: {tag:?}"
                );
                if name == "href" || name == "src" || name == "action" {
                    assert!(
                        ["/", "#", "http://", "https://"]
                            .iter()
                            .any(|s| value.starts_with(s)),
                        "{page}: {tag:?}"
                    );
                }
            }
            assert!(tag.name != "style", "{page} has an inline style sheet");
            assert!(
                tag.name != "script" || tag.get("src").is_some(),
                "{page}: inline script"
            );
        }
    }
}

#[test]
fn every_page_is_smaller_than_100_kb() {
    for (page, html) in sample::pages("") {
        let assets = [&*assets::STYLE, &*assets::SCRIPT, &*assets::ICON];
        let assets: usize = assets.iter().map(|a| a.bytes.len()).sum();
        let all = html.0.len() + assets;
        assert!(
            all < 100_000,
            "{page}: {all} bytes, {assets} of them assets"
        );
        assert!(html.0.len() > 2_000, "{page}: {} bytes", html.0.len());
    }
}

#[test]
fn every_page_can_be_found_ones_way_in_without_eyes() {
    for (page, html) in sample::pages("") {
        let tags = tags(&html.0);
        let of = |name: &str| tags.iter().filter(|t| t.name == name).collect::<Vec<_>>();
        assert_eq!(of("html")[0].get("lang"), Some("en"), "{page}");
        assert_eq!(of("main").len(), 1, "{page}");
        assert_eq!(of("h1").len(), 1, "{page}");
        let mut level = 0;
        for tag in &tags {
            if let Some(digit) = tag
                .name
                .strip_prefix('h')
                .and_then(|d| d.parse::<u8>().ok())
            {
                assert!(digit <= level + 1, "{page}: h{digit} after h{level}");
                level = digit;
            }
        }
        let mut ids = BTreeSet::new();
        for id in tags.iter().filter_map(|t| t.get("id")) {
            assert!(ids.insert(id), "{page}: two elements with the id {id}");
        }
        let mut nested = 0;
        let labelled: BTreeSet<&str> = of("label").iter().filter_map(|t| t.get("for")).collect();
        for tag in &tags {
            for reference in ["aria-labelledby", "aria-describedby", "for"] {
                if let Some(id) = tag.get(reference) {
                    assert!(ids.contains(id), "{page}: {reference} {id} leads nowhere");
                }
            }
            if let Some(id) = tag.get("href").and_then(|h| h.strip_prefix('#')) {
                assert!(ids.contains(id), "{page}: #{id} leads nowhere");
            }
            if ["input", "select"].contains(&tag.name.as_str()) && tag.get("type") != Some("hidden")
            {
                let named = tag.get("aria-label").is_some_and(|name| !name.is_empty())
                    || labelled.contains(tag.get("id").unwrap_or(""));
                assert!(named, "{page}: {tag:?}");
            }
            if tag.name == "th" {
                assert!(tag.get("scope").is_some(), "{page}: {tag:?}");
            }
            if tag.name == "nav" {
                assert!(tag.get("aria-label").is_some(), "{page}: {tag:?}");
            }
            if tag.name == "/svg" {
                nested -= 1;
            }
            if tag.name == "svg" {
                let hidden = tag.get("aria-hidden") == Some("true");
                let named = tag.get("role") == Some("img");
                assert!(nested > 0 || hidden || named, "{page}: {tag:?}");
                nested += 1;
            }
        }
    }
}

#[test]
fn every_form_that_writes_carries_the_token() {
    for (page, html) in sample::pages("") {
        for form in html.0.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            if form.contains("method=\"post\"") {
                assert!(
                    form.contains("name=\"csrf\" value=\"f3a9c1\""),
                    "{page}: {form}"
                );
            }
        }
    }
}

#[test]
fn headings_are_sentences_when_something_is_wrong() {
    let check = |page: &str, heading: &str| {
        let pages = sample::pages("");
        let (_, html) = pages.iter().find(|(name, _)| *name == page).unwrap();
        let h1 = html.0.split("<h1").nth(1).unwrap();
        let text = h1.split_once('>').unwrap().1.split("</h1>").next().unwrap();
        assert_eq!(text, heading, "{page}");
    };
    check("now", "3 incidents open, the oldest for 14 minutes");
    check("now-quiet", "No incident is open");
    check("now-empty", "Nothing is watched yet");
    check("alarms", "2 of 14 alarms are in ALARM");
    check("incidents", "2 incidents open, the oldest for 14 minutes");
    check("traces", "5 of the last 14 traces failed");
    check("faults", "counter is broken on purpose");
    check("mailbox-empty", "Mailbox");
}

#[test]
fn empty_pages_say_what_to_do() {
    let check = |page: &str, words: &str| {
        let pages = sample::pages("");
        let (_, html) = pages.iter().find(|(name, _)| *name == page).unwrap();
        assert!(html.0.contains(words), "{page} does not say {words}");
    };
    check(
        "mailbox-empty",
        "nightbell fault counter --error-rate 1 --for 5m",
    );
    check("now-empty", "nightbell.yaml");
    check("alarm-failed", "This chart could not be drawn.");
    check("alarm-failed", "throttled; tried 3 times");
    check("incident-bare", "No runbook");
}

#[test]
fn times_show_utc_first_and_the_local_zone_beside_it() {
    let frame = |zone: &str| Frame {
        estate: String::new(),
        mode: Mode::Aws,
        now: Time::parse("2026-01-05T08:28:00Z").unwrap(),
        zone: TimeZone::get(zone).unwrap(),
        counts: Counts::default(),
        csrf: String::new(),
        notice: None,
        person: None,
    };
    let check = |zone: &str, at: &str, text: &str, ago: &str| {
        let frame = frame(zone);
        let clock = Clock::of(&frame);
        let at = Time::parse(at).unwrap();
        let html = clock.both(&at).0;
        assert!(html.contains(&format!(">{text}<")), "{html} is not {text}");
        assert_eq!(clock.ago(&at), ago, "{at}");
    };
    check(
        "Europe/Berlin",
        "2026-01-05T08:14:00Z",
        "08:14 UTC (09:14 Berlin)",
        "14 minutes ago",
    );
    check("UTC", "2026-01-05T08:27:57Z", "08:27 UTC", "just now");
    check("UTC", "2026-01-05T08:32:00Z", "08:32 UTC", "in 4 minutes");
    check(
        "America/New_York",
        "2026-01-05T02:00:00Z",
        "02:00 UTC (4 Jan 21:00 New York)",
        "6 hours ago",
    );
    check(
        "UTC",
        "2025-12-30T02:28:00Z",
        "30 Dec 02:28 UTC",
        "6 days ago",
    );
    check(
        "UTC",
        "2024-12-30T02:28:00Z",
        "30 Dec 2024 02:28 UTC",
        "371 days ago",
    );

    let check = |secs: u64, text: &str| assert_eq!(about(Duration::from_secs(secs)), text);
    check(45, "45 seconds");
    check(119, "1 minute 59 seconds");
    check(899, "14 minutes");
    check(11_460, "3 hours 11 minutes");
    check(86_399, "23 hours");
}

#[test]
fn a_letter_links_addresses_and_keeps_its_chart_on_one_line() {
    let check = |text: &str, html: &str| {
        let mails = MailPage {
            mail: MailRow {
                id: "1".into(),
                at: Time::EPOCH,
                to: String::new(),
                subject: String::new(),
                preview: String::new(),
                reply: false,
            },
            from: String::new(),
            body: text.into(),
            thread: Vec::new(),
        };
        let page = pages::mail(&sample::frame(), &mails).0;
        assert!(
            page.contains(&format!("<div class=\"letter\">{html}</div>")),
            "{text}"
        );
    };
    check(
        "see http://127.0.0.1:5000/x?a=1&b=2, or (https://e.org).",
        "see <a href=\"http://127.0.0.1:5000/x?a=1&amp;b=2\" rel=\"noopener\">http://127.0.0.1:5000/x?a=1&amp;b=2</a>, \
         or (<a href=\"https://e.org\" rel=\"noopener\">https://e.org</a>).",
    );
    check(
        "last hour  ▁▁▅█  now",
        "last hour  <span class=\"blocks\">▁▁▅█</span>  now",
    );
    check("a · b ▁▁ c", "a · b ▁▁ c");
    check("javascript:alert(1) <b>", "javascript:alert(1) &lt;b&gt;");
    check(
        "http://x\"onclick=1",
        "<a href=\"http://x\" rel=\"noopener\">http://x</a>&quot;onclick=1",
    );
}

#[test]
fn range_links_keep_the_rest_of_the_query() {
    let page = LogsPage {
        groups: Vec::new(),
        group: "g".into(),
        asked: LogsAsked::Words("a b&c".into()),
        found: LogsFound::Lines(Evidence::Nothing("none".into())),
        limit: 10,
        range: Range {
            chosen: Duration::from_secs(1_800),
            path: "/logs".into(),
            keep: vec![("q".into(), "a b&c".into())],
        },
    };
    let html = pages::logs(&sample::frame(), &page).0;
    assert!(
        html.contains("href=\"/logs?range=3h&#38;q=a%20b%26c\""),
        "{html}"
    );
    assert!(html.contains("href=\"/logs?range=30m&#38;q=a%20b%26c\" aria-current=\"true\">30m<"));
}

#[test]
fn assets_are_named_by_their_content() {
    for name in ["console.css", "console.js", "favicon.svg"] {
        let asset = assets::asset(name).unwrap();
        assert!(asset.href.starts_with(&format!("/assets/{name}?v=")));
        assert!(asset.href.ends_with(asset.etag.trim_matches('"')));
        assert!(!asset.bytes.is_empty());
    }
    assert!(assets::asset("../Cargo.toml").is_none());
    let style = std::str::from_utf8(assets::STYLE.bytes).unwrap();
    assert!(
        !style.contains("url("),
        "the stylesheet asks for another file"
    );
}

/// The custom properties of the light and of the dark scheme.
fn schemes(css: &str) -> [BTreeMap<String, String>; 2] {
    let read = |block: &str| -> BTreeMap<String, String> {
        block[..block.find('}').unwrap()]
            .split(';')
            .filter_map(|line| line.split_once(':'))
            .filter_map(|(name, value)| {
                Some((
                    name.rsplit("--").next()?.trim().to_string(),
                    value.trim().to_string(),
                ))
            })
            .collect()
    };
    let css: String = css
        .split("/*")
        .map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest))
        .collect();
    let mut schemes = [BTreeMap::new(), BTreeMap::new()];
    // Blocks come in pairs: the light scheme, then what the dark one changes.
    for (i, block) in css.split(":root").skip(1).take(4).enumerate() {
        let properties = read(block);
        if i % 2 == 0 {
            schemes[1].extend(properties.clone());
        }
        schemes[i % 2].extend(properties);
    }
    schemes
}

#[test]
fn every_colour_that_the_stylesheet_and_pictures_name_is_defined() {
    let css = std::str::from_utf8(assets::STYLE.bytes).unwrap();
    let pages: String = sample::pages("")
        .into_iter()
        .map(|(_, html)| html.0)
        .collect();
    let used: BTreeSet<&str> = [css, pages.as_str()]
        .iter()
        .flat_map(|text| text.split("var(--").skip(1))
        .filter_map(|rest| rest.split([',', ')']).next())
        .collect();
    assert!(used.contains("series-1") && used.contains("accent"));
    for scheme in schemes(css) {
        for name in &used {
            assert!(scheme.contains_key(*name), "--{name} is not defined");
        }
    }
}

#[test]
fn text_has_aa_contrast_in_both_schemes() {
    let luminance = |hex: &str| -> f64 {
        let channel = |i: usize| {
            let v = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    for scheme in schemes(std::str::from_utf8(assets::STYLE.bytes).unwrap()) {
        let check = |text: &str, ground: &str, least: f64| {
            let (a, b) = (luminance(&scheme[text]), luminance(&scheme[ground]));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= least, "{text} on {ground}: {contrast:.2}");
        };
        for text in ["text", "text-2", "accent", "accent-2", "alarm", "late"] {
            for ground in ["bg", "bg-2", "hover", "alarm-bg", "late-bg"] {
                check(text, ground, 4.5);
            }
        }
        check("on-accent", "accent", 4.5);
        check("on-accent", "accent-2", 4.5);
        for series in 1..=8 {
            check(&format!("series-{series}"), "bg", 3.0);
        }
    }
}
