//! Whatever the input, pictures and pages are well-formed and hold no markup but ours.

use std::time::Duration;

use model::{Span, State, Time, Unit};
use proptest::prelude::*;
use render::chart::{Axis, Colour, Horizontal, Legend, Side, Vertical};
use render::dashboard::{AlarmState, Answer, Board, Data};
use render::trace::Waterfall;
use render::{Chart, Series, Sparkline, Theme, markdown};
use roxmltree::Document;
use serde_json::json;

/// The elements that this crate writes.
const OURS: &[&str] = &[
    "svg",
    "g",
    "path",
    "rect",
    "line",
    "circle",
    "text",
    "title",
    "style",
    "root",
    "div",
    "section",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "pre",
    "code",
    "ul",
    "ol",
    "li",
    "span",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "em",
    "strong",
    "del",
    "blockquote",
    "br",
    "hr",
    "input",
];

/// Parses, and refuses what could act.
fn safe(markup: &str) -> Result<(), String> {
    let wrapped = format!("<root>{markup}</root>");
    let document = Document::parse(&wrapped).map_err(|e| format!("{e}: {markup}"))?;
    for node in document.descendants().filter(|n| n.is_element()) {
        let name = node.tag_name().name();
        if !OURS.contains(&name) {
            return Err(format!("<{name}> in {markup}"));
        }
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            if name.starts_with("on") || (name == "style") {
                return Err(format!("{name}=\"{value}\" in {markup}"));
            }
            let scheme = value.split(['/', '?', '#']).next().unwrap_or_default();
            let scheme = scheme.split_once(':').map(|s| s.0.to_ascii_lowercase());
            if name == "href"
                && !matches!(scheme.as_deref(), None | Some("http" | "https" | "mailto"))
            {
                return Err(format!("href=\"{value}\""));
            }
        }
    }
    Ok(())
}

const HOSTILE: &[&str] = &[
    "</title><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onload='alert(1)",
    "&lt;b&gt; &amp; &#0; ]]>",
    "<![CDATA[x]]><!-- -->",
    "\u{0}\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{fffe}\u{ffff}\u{202e}",
    "javascript:alert(1)",
    "[x](javascript:alert(1)) <style>*{}</style> ![y](//evil/z)",
    "```query logs \"><script>\n</pre><script>x\n```",
];

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<String>(),
        1 => prop::sample::select(HOSTILE).prop_map(str::to_owned),
        1 => prop::collection::vec(prop::sample::select(HOSTILE), 1..4).prop_map(|v| v.concat()),
    ]
}

fn any_points() -> impl Strategy<Value = Vec<(Time, Option<f64>)>> {
    prop::collection::vec(
        (-10_000i64..10_000_000, prop::option::of(any::<f64>())),
        0..60,
    )
    .prop_map(|mut points| {
        points.sort_by_key(|p| p.0);
        points
            .into_iter()
            .map(|(t, v)| (Time::from_millis(t), v))
            .collect()
    })
}

fn any_theme() -> impl Strategy<Value = Theme> {
    prop_oneof![
        Just(Theme::Page),
        Just(Theme::Standalone),
        Just(Theme::Light),
        Just(Theme::Dark)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_chart_is_well_formed(
        labels in prop::collection::vec(any_text(), 0..10),
        points in prop::collection::vec(any_points(), 10),
        numbers in prop::collection::vec(any::<f64>(), 6),
        size in (0.0f64..2000.0, 0.0f64..1000.0),
        flags in any::<[bool; 5]>(),
        length in 0i64..10_000_000,
        theme in any_theme(),
    ) {
        let mut chart = Chart::new(
            labels.first().cloned().unwrap_or_default(),
            Span::new(Time::EPOCH, Time::from_millis(length)),
            Unit::Bytes,
        );
        for (label, points) in labels.iter().zip(points) {
            chart.series.push(Series {
                label: label.clone(),
                colour: if flags[0] { Colour::Hex(label.clone()) } else { Colour::Index(label.len()) },
                points,
                step: flags[1].then_some(Duration::from_secs(60)),
                side: if flags[2] { Side::Right } else { Side::Left },
            });
            chart.horizontal.push(Horizontal {
                until: flags[3].then_some(numbers[1]),
                label: label.clone(),
                colour: Some(Colour::Hex(label.clone())),
                ..Horizontal::limit(numbers[0])
            });
            chart.vertical.push(Vertical {
                at: Time::from_millis(5_000),
                until: flags[1].then_some(Time::from_millis(i64::MAX / 4)),
                label: label.clone(),
                colour: None,
            });
        }
        chart.left = Axis { min: flags[0].then_some(numbers[2]), max: flags[1].then_some(numbers[3]), label: labels.concat(), unit: Unit::Bytes };
        chart.stacked = flags[4];
        chart.legend = if flags[3] { Legend::Right } else { Legend::Auto };
        chart.breaching = vec![chart.span];
        (chart.width, chart.height) = size;
        chart.theme = theme;
        prop_assert_eq!(safe(&chart.svg()), Ok(()));
    }

    #[test]
    fn every_sparkline_is_well_formed(title in any_text(), points in any_points(), theme in any_theme()) {
        let values = points.into_iter().filter_map(|(t, v)| Some((t, v?)));
        let span = Span::new(Time::EPOCH, Time::from_secs(3600));
        let spark = Sparkline { theme, ..Sparkline::new(title, span, Duration::from_secs(60), Unit::None, values) };
        prop_assert_eq!(safe(&spark.svg()), Ok(()));
    }

    #[test]
    fn every_dashboard_is_well_formed(
        texts in prop::collection::vec(any_text(), 12),
        points in any_points(),
        failed in any::<bool>(),
        theme in any_theme(),
    ) {
        let t = |i: usize| texts[i % texts.len()].clone();
        let metrics = json!([
            [t(0), t(1), t(2), t(3), { "label": t(4), "color": t(5), "stat": "Sum" }],
            [".", ".", { "stat": t(6) }],
            [t(7), t(8), { "yAxis": "right" }],
            [{ "expression": t(9) }],
        ]);
        let mut widgets: Vec<_> = ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]
            .into_iter()
            .map(|view| json!({ "type": "metric", "width": 4, "properties": {
                "view": view, "title": t(10), "metrics": metrics, "sparkline": true, "stacked": view == "bar",
                "yAxis": { "left": { "label": t(11), "max": 5 } },
                "annotations": { "horizontal": [{ "value": 3, "label": t(2), "color": t(3) }], "vertical": [{ "value": "1970-01-01T00:10:00Z", "label": t(4) }] },
            } }))
            .collect();
        widgets.push(json!({ "type": "text", "properties": { "markdown": t(0) } }));
        widgets.push(json!({ "type": "alarm", "properties": { "title": t(1), "alarms": [t(2), t(3)] } }));
        widgets.push(json!({ "type": t(5), "properties": { "title": t(6) } }));
        widgets.push(json!({ "type": "log", "properties": { "query": t(7) } }));
        let (board, _) = Board::parse(&json!({ "widgets": widgets }));
        let span = Span::new(Time::EPOCH, Time::from_secs(3600));
        let mut data = Data { theme, ..Data::new(span) };
        for query in board.queries(span) {
            let answer = match failed {
                true => Answer::Failed(t(8)),
                false => Answer::Points(points.iter().filter_map(|(t, v)| Some((*t, (*v)?))).collect()),
            };
            data.series.insert(query.key, answer);
        }
        data.alarms.insert(t(2), AlarmState { state: State::Alarm, since: Time::EPOCH, link: Some("/alarms/x".into()) });
        prop_assert_eq!(safe(&board.html(&data)), Ok(()));
        prop_assert_eq!(safe(&board.svg(&data)), Ok(()));
    }

    #[test]
    fn every_waterfall_is_well_formed(texts in prop::collection::vec(any_text(), 6), times in prop::collection::vec(any::<f64>(), 6), flags in any::<[bool; 3]>()) {
        let document = json!({
            "id": texts[0], "name": texts[1], "start_time": times[0], "end_time": times[1], "fault": flags[0],
            "http": { "request": { "method": texts[2], "url": texts[3] } },
            "subsegments": [
                { "id": texts[4], "name": texts[5], "start_time": times[2], "end_time": times[3], "error": flags[1], "throttle": flags[2] },
                { "id": format!("{}x", texts[4]), "name": texts[5], "start_time": times[4], "in_progress": true, "fault": flags[1] },
            ],
        });
        let waterfall = Waterfall::new(&[document]);
        prop_assert_eq!(safe(&waterfall.html()), Ok(()));
        prop_assert_eq!(safe(&waterfall.svg(Theme::Standalone)), Ok(()));
    }

    #[test]
    fn every_markdown_is_well_formed(source in any_text()) {
        prop_assert_eq!(safe(&markdown::html(&source)), Ok(()));
        // Only that it ends and does not panic.
        let _ = (markdown::plain(&source), markdown::first_block(&source));
    }
}

#[test]
fn the_judge_refuses_what_could_act() {
    for bad in [
        "<script/>",
        "<p onclick=\"x\"/>",
        "<p style=\"x\"/>",
        "<a href=\"javascript:x\"/>",
        "<p>",
        "<b/>",
    ] {
        assert!(safe(bad).is_err(), "{bad}");
    }
    assert_eq!(safe("<a href=\"/alarms/a:b\">x</a>"), Ok(()));
}
