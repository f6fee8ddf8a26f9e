//! Dashboards as they come out: places, queries, and what stands in each widget.

use std::time::Duration;

use model::{Span, State, Time, Unit};
use render::Theme;
use render::dashboard::{AlarmState, Answer, Board, Data, LogAnswer};
use render::dashboard::{Computed, Line};
use roxmltree::{Document, Node};
use serde_json::{Value, json};

fn span() -> Span {
    Span::last(
        Duration::from_secs(3 * 3600),
        Time::from_secs(1_767_600_000),
    )
}

fn board(widgets: Value) -> Board {
    let (board, problems) = Board::parse(&json!({ "widgets": widgets }));
    assert!(problems.is_empty(), "{problems:?}");
    board
}

/// Every series 1, 2, 3 … a minute, and its unit.
fn filled(board: &Board, unit: Unit) -> Data {
    let mut data = Data::new(span());
    for query in board.queries(span()) {
        let step = Duration::from_secs(u64::from(query.stat.period));
        let mut points = Vec::new();
        let mut at = query.span.start;
        while at < query.span.end {
            points.push((at, points.len() as f64 + 1.0));
            at = at + step;
        }
        data.units.insert(query.key.clone(), unit);
        data.series.insert(query.key, Answer::Points(points));
    }
    data
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("well-formed");
    document
        .descendants()
        .filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .map(|n: Node<'_, '_>| n.text().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn each_series_is_fetched_once_with_the_period_it_is_drawn_with() {
    let board = board(json!([
        { "type": "metric", "properties": { "period": 60, "stat": "Sum", "metrics": [
            ["A", "x", "D", "1"], [".", ".", ".", "."], [".", ".", ".", ".", { "visible": false, "stat": "p50" }], ["...", { "stat": "p99" }] ] } },
        { "type": "metric", "properties": { "period": 60, "stat": "Sum", "setPeriodToTimeRange": true, "metrics": [["A", "x", "D", "1"]] } },
    ]));
    let keys = |length: u64| -> Vec<String> {
        let span = Span::last(Duration::from_secs(length), Time::from_secs(1_767_600_000));
        board.queries(span).into_iter().map(|q| q.key).collect()
    };
    assert_eq!(
        keys(3 * 3600),
        [
            "Sum(A/x{D=\"1\"})[60]",
            "p99(A/x{D=\"1\"})[60]",
            "Sum(A/x{D=\"1\"})[10800]#1767589200",
        ]
    );
    assert_eq!(keys(3 * 86_400)[0], "Sum(A/x{D=\"1\"})[300]");
}

#[test]
fn the_grid_is_exact() {
    let board = board(json!([
        { "type": "text", "x": 3, "y": 2, "width": 9, "height": 4, "properties": { "markdown": "a" } },
        { "type": "text", "x": 12, "y": 2, "width": 12, "height": 1, "properties": { "markdown": "b" } },
    ]));
    let css = board.css();
    assert!(
        css.contains(".board .p0{grid-area:3/4/span 4/span 9}"),
        "{css}"
    );
    assert!(
        css.contains(".board .p1{grid-area:3/13/span 1/span 12}"),
        "{css}"
    );
    assert!(
        css.contains("repeat(24,") && css.contains("repeat(6,"),
        "{css}"
    );
    let svg = board.svg(&Data::new(span()));
    assert!(svg.contains("viewBox=\"0 0 1216 280\""), "{svg}");
    assert!(
        svg.contains("translate(162 100)") && svg.contains("translate(612 100)"),
        "{svg}"
    );
}

#[test]
fn every_view_shows_its_values() {
    let check = |view: &str, unit: Unit, expect: &[&str]| {
        let board = board(json!([{ "type": "metric", "width": 12, "properties": {
            "view": view, "period": 60, "stat": "Sum", "title": "The title", "sparkline": true,
            "yAxis": { "left": { "min": 0, "max": 1000 } },
            "metrics": [["A", "calls", { "label": "${LABEL}, max ${MAX}" }]] } }]));
        let shown = texts(&board.svg(&filled(&board, unit)));
        for text in expect.iter().chain(&["The title"]) {
            assert!(
                shown.iter().any(|t| t == text),
                "{view}: {text} in {shown:?}"
            );
        }
    };
    check("singleValue", Unit::Count, &["calls, max 180", "180"]);
    check(
        "gauge",
        Unit::Milliseconds,
        &["calls, max 180 ms", "180 ms", "0 ms", "1 s"],
    );
    check("bar", Unit::Count, &["calls, max 180", "180"]);
    check("pie", Unit::Count, &["calls, max 180", "180 (100 %)"]);
    check(
        "table",
        Unit::Count,
        &[
            "last", "min", "max", "average", "sum", "1", "180", "90.5", "16,290",
        ],
    );
    check("timeSeries", Unit::Milliseconds, &["0", "1 s", "UTC"]);
}

#[test]
fn a_table_shows_its_points_where_it_is_told_to() {
    let check = |table: Value, expect: &[&str], missing: &[&str]| {
        let board = board(json!([{ "type": "metric", "width": 12, "properties": {
            "view": "table", "period": 60, "stat": "Sum", "table": table, "timezone": "+0000",
            "metrics": [["A", "calls", { "label": "calls" }]] } }]));
        let data = filled(&board, Unit::Count);
        let newest = data.series.values().next().unwrap();
        let Answer::Points(points) = newest else {
            panic!("points")
        };
        let (at, value) = points.last().unwrap();
        let clock = at.to_jiff().strftime("%H:%M").to_string();
        let value = format!("{value}");
        let (svg, html) = (texts(&board.svg(&data)), board.html(&data));
        for text in expect {
            let text = text.replace("CLOCK", &clock).replace("VALUE", &value);
            assert!(svg.contains(&text), "{table}: {text} in {svg:?}");
            assert!(
                html.contains(&format!(">{text}<")),
                "{table}: {text} in {html}"
            );
        }
        for text in missing {
            let text = text.replace("CLOCK", &clock);
            assert!(!svg.contains(&text), "{table}: {text} in {svg:?}");
            assert!(
                !html.contains(&format!(">{text}<")),
                "{table}: {text} in {html}"
            );
        }
    };
    let columns = json!({ "showTimeSeriesData": true, "summaryColumns": ["MAX"] });
    check(columns, &["last", "max", "CLOCK", "VALUE"], &["min"]);
    let rows = json!({ "showTimeSeriesData": true, "layout": "vertical" });
    check(rows, &["calls", "last", "sum", "CLOCK"], &["metric"]);
    for none in [
        json!({}),
        json!({ "showTimeSeriesData": false, "layout": "vertical" }),
    ] {
        check(none, &["last", "sum"], &["CLOCK"]);
    }
}

#[test]
fn expressions_draw_the_lines_that_they_come_to() {
    let metrics = json!([
        ["A", "x", { "id": "m1", "visible": false }],
        [{ "expression": "SEARCH('{A,D} y', 'Sum', 60)", "id": "e1", "label": "found" }],
        [{ "expression": "m1 / 2", "id": "e2", "label": "half, now ${LAST}" }],
        [{ "expression": "m1 /", "id": "e3" }],
    ]);
    let body = json!({ "widgets": [{ "type": "metric", "width": 24, "height": 8,
        "properties": { "period": 60, "metrics": metrics } }] });
    let (board, problems) = Board::parse(&body);
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        board.queries(span()),
        [],
        "what is not visible is not drawn by itself"
    );
    let mut data = Data::new(span());
    let all = board.computations(span());
    let watched: Vec<&str> = all.iter().map(|c| c.watch.as_str()).collect();
    assert_eq!(watched, ["e1", "e2", "e3"]);
    assert!(
        all.iter()
            .all(|c| c.entries.len() == 4 && c.span.end == span().end)
    );
    let line = |name: &str, value: f64| Line {
        name: name.into(),
        origin: None,
        unit: Unit::None,
        step: Duration::from_secs(60),
        points: vec![
            (span().start, value),
            (span().start + Duration::from_secs(60), value),
        ],
    };
    for (computation, computed) in all.into_iter().zip([
        Computed::Lines(vec![line("a", 1.0), line("b", 2.0)]),
        Computed::Lines(vec![line("", 7.0)]),
        Computed::Failed("`e3`, column 5: expected a number".into()),
    ]) {
        data.computed.insert(computation.key, computed);
    }
    for out in [board.html(&data), board.svg(&data)] {
        for expect in ["found a", "found b", "half, now 7", "m1 /: `e3`, column 5"] {
            assert!(out.contains(expect), "{expect}: {out}");
        }
    }
}

#[test]
fn what_cannot_be_drawn_says_so_in_its_place() {
    let check = |mut widget: Value, expect: &str| {
        widget["width"] = json!(24);
        let (board, _) = Board::parse(&json!({ "widgets": [widget] }));
        let mut data = Data::new(span());
        for query in board.queries(span()) {
            data.series
                .insert(query.key, Answer::Failed("timed out after 5 s".into()));
        }
        for out in [board.html(&data), board.svg(&data)] {
            assert!(out.contains(expect), "{expect}: {out}");
        }
    };
    check(
        json!({ "type": "log", "properties": { "query": "fields @message" } }),
        "fields @message",
    );
    check(
        json!({ "type": "explorer" }),
        "This explorer names no metrics.",
    );
    check(json!({ "type": "custom" }), "in CloudWatch only");
    check(json!({ "type": "hologram" }), "`hologram`");
    check(
        json!({ "type": "metric", "properties": { "metrics": [[{ "expression": "a / b" }]] } }),
        "not computed: a / b",
    );
    check(
        json!({ "type": "metric", "properties": { "metrics": [["A", "x"]] } }),
        "x could not be read: timed out after 5 s",
    );
    check(
        json!({ "type": "metric", "properties": { "view": "table", "metrics": [["A", "x"]] } }),
        "x could not be read: timed out after 5 s",
    );
    check(
        json!({ "type": "metric", "properties": { "metrics": [] } }),
        "no metrics to show",
    );
}

#[test]
fn in_a_low_widget_what_rings_stands_first_and_the_rest_is_counted() {
    let names = ["a", "b", "c", "d", "e", "rings"];
    let board = board(json!([{ "type": "alarm", "width": 6, "height": 3,
        "properties": { "title": "Alarms", "alarms": names } }]));
    let mut data = Data::new(span());
    for name in names {
        let state = if name == "rings" {
            State::Alarm
        } else {
            State::Ok
        };
        data.alarms.insert(
            name.into(),
            AlarmState {
                state,
                since: Time::from_secs(1_767_590_000),
                link: None,
            },
        );
    }
    let shown = texts(&board.svg(&data));
    let place = |text: &str| shown.iter().position(|t| t == text);
    assert_eq!(
        place("rings").zip(place("a")).map(|(r, a)| r < a),
        Some(true),
        "{shown:?}"
    );
    assert!(
        shown
            .iter()
            .any(|t| t.starts_with("and ") && t.ends_with(" more")),
        "{shown:?}"
    );
}

#[test]
fn alarm_states_show_by_word_and_link() {
    let board = board(
        json!([{ "type": "alarm", "properties": { "title": "Alarms", "alarms": [
        "arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors", "gone" ] } }]),
    );
    let mut data = Data::new(span());
    data.alarms.insert(
        "counter-errors".into(),
        AlarmState {
            state: State::Alarm,
            since: span().end,
            link: Some("/alarms/counter-errors".into()),
        },
    );
    let html = board.html(&data);
    assert!(
        html.contains("<a href=\"/alarms/counter-errors\">counter-errors</a>"),
        "{html}"
    );
    assert!(
        html.contains("class=\"state\">ALARM<") && html.contains("class=\"state\">unknown<"),
        "{html}"
    );
    let shown = texts(&board.svg(&data));
    assert_eq!(
        shown,
        ["Alarms", "counter-errors", "ALARM", "gone", "unknown"]
    );
}

#[test]
fn plain_themes_name_no_custom_property() {
    let board = board(json!([
        { "type": "metric", "properties": { "metrics": [["A", "x"], ["A", "y"]], "stacked": true } },
        { "type": "alarm", "properties": { "alarms": ["a"] } },
        { "type": "text", "properties": { "markdown": "m" } },
    ]));
    for theme in [Theme::Light, Theme::Dark] {
        let data = Data {
            theme,
            ..filled(&board, Unit::Count)
        };
        assert!(!board.svg(&data).contains("var("));
    }
    let alone = Data {
        theme: Theme::Standalone,
        ..filled(&board, Unit::Count)
    };
    assert_eq!(board.svg(&alone).matches("<style>").count(), 1);
    assert!(!board.html(&filled(&board, Unit::Count)).contains("<style"));
}

#[test]
fn a_file_of_its_own_has_its_style_inside() {
    let board = board(json!([{ "type": "text", "properties": { "markdown": "# hello" } }]));
    let page = board.page("<demo>", &Data::new(span()));
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("<title>&lt;demo&gt;</title>") && page.contains(".p0{grid-area"));
}

fn bins() -> model::LogTable {
    let column = |name: &str, role| model::LogColumn {
        name: name.into(),
        role,
    };
    let row = |minute: i64, level: &str, n: f64| {
        vec![
            model::LogValue::Time(Time::from_secs(1_767_592_800 + minute * 60)),
            model::LogValue::Text(level.into()),
            model::LogValue::Number(n),
        ]
    };
    model::LogTable {
        columns: vec![
            column("bin(5m)", model::LogRole::Time),
            column("level", model::LogRole::Group),
            column("n", model::LogRole::Measure),
        ],
        rows: vec![
            row(10, "<b>ERROR", 4.0),
            row(5, "<b>ERROR", 9.0),
            row(5, "INFO", 70.0),
        ],
        scanned: 100,
        matched: 83,
        notes: vec!["Only a part.".into()],
    }
}

#[test]
fn a_log_widget_shows_its_answer_in_its_view_or_says_why_not() {
    let check = |view: &str, answer: Option<LogAnswer>, expect: &[&str], never: &[&str]| {
        let board = board(json!([{ "type": "log", "width": 12, "properties": {
            "title": "Levels", "view": view, "query": "SOURCE 'g' | stats count(*) as n by bin(5m), level" } }]));
        let mut data = Data::new(span());
        for query in board.log_queries(span()) {
            if let Some(answer) = answer.clone() {
                data.logs.insert(query.key, answer);
            }
        }
        let (html, svg) = (board.html(&data), board.svg(&data));
        Document::parse(&svg).expect("well-formed");
        for text in expect {
            assert!(html.contains(text), "{view}: {text} in {html}");
        }
        for text in never.iter().chain(&["<b>"]) {
            assert!(!html.contains(text), "{view}: {text} in {html}");
        }
        assert!(texts(&svg).iter().any(|t| t == "Levels"), "{svg}");
    };
    let table = || Some(LogAnswer::Table(bins()));
    check(
        "table",
        table(),
        &["bin(5m)", "&lt;b&gt;ERROR", "70", "Only a part."],
        &["<svg"],
    );
    check("timeSeries", table(), &["<svg", "INFO"], &["<table"]);
    check("bar", table(), &["<svg", "INFO"], &["<table"]);
    check("pie", table(), &["<svg", "INFO"], &["<table"]);
    let mut timeless = bins();
    timeless.columns[0].role = model::LogRole::Group;
    check(
        "timeSeries",
        Some(LogAnswer::Table(timeless)),
        &["only `stats", "<table"],
        &["<svg"],
    );
    let mut empty = bins();
    empty.rows.clear();
    check(
        "table",
        Some(LogAnswer::Table(empty)),
        &["No log event of this time"],
        &["<svg"],
    );
    let failed = LogAnswer::Failed("1:1: expected a command".into());
    check(
        "table",
        Some(failed),
        &["expected a command", "SOURCE &#39;g&#39;"],
        &[],
    );
    check("table", None, &["This query was not run."], &[]);
}

#[test]
fn an_explorer_is_the_search_of_each_metric() {
    let board = board(
        json!([{ "type": "explorer", "width": 24, "height": 15, "properties": {
        "title": "Functions", "labels": [{ "key": "team", "value": "web" }], "period": 60,
        "metrics": [
            { "metricName": "Errors", "resourceType": "AWS::Lambda::Function", "stat": "Sum" },
            { "metricName": "Duration", "resourceType": "AWS::Lambda::Function", "stat": "p99" },
        ],
        "aggregateBy": { "key": "*", "func": "MAX" },
        "widgetOptions": { "widgetsPerRow": 2, "view": "timeSeries", "stacked": false, "legend": { "position": "bottom" } } } }]),
    );
    let asked: Vec<String> = board
        .computations(span())
        .iter()
        .map(|c| format!("{:?}", c.entries[0].source))
        .collect();
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0].contains(
            "MAX(SEARCH('{AWS/Lambda,FunctionName} MetricName=\\\"Errors\\\"', 'Sum', 60))"
        ),
        "{asked:?}"
    );
    let svg = board.svg(&Data::new(span()));
    let shown = texts(&svg);
    for text in ["Functions", "Errors, Sum", "Duration, p99"] {
        assert!(shown.iter().any(|t| t == text), "{text} in {shown:?}");
    }
    assert!(shown.iter().any(|t| t.contains("team=web")), "{shown:?}");
    let (_, problems) = Board::parse(&json!({ "widgets": [{ "type": "explorer", "properties": {
        "metrics": [{ "metricName": "x", "resourceType": "AWS::Nothing" }] } }] }));
    assert_eq!(
        problems,
        [
            "/widgets/0/properties/metrics/0/resourceType: `AWS::Nothing` is not a kind of resource that is known here"
        ]
    );
}

#[test]
fn an_alarm_widget_keeps_to_its_states_and_its_order() {
    let alarm = |name: &str| format!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}");
    let check = |properties: Value, expect: &[&str]| {
        let mut p = json!({ "alarms": [alarm("a"), alarm("b"), alarm("c")] });
        p.as_object_mut()
            .unwrap()
            .extend(properties.as_object().unwrap().clone());
        let board = board(json!([{ "type": "alarm", "width": 12, "properties": p }]));
        let mut data = Data::new(span());
        for (name, state, since) in [
            ("a", State::Ok, 30),
            ("b", State::Alarm, 10),
            ("c", State::InsufficientData, 20),
        ] {
            let since = Time::from_secs(since);
            data.alarms.insert(
                name.into(),
                AlarmState {
                    state,
                    since,
                    link: None,
                },
            );
        }
        let shown = texts(&board.svg(&data));
        let names: Vec<&str> = shown
            .iter()
            .map(String::as_str)
            .filter(|t| t.len() == 1)
            .collect();
        assert_eq!(names, expect, "{shown:?}");
        let html = board.html(&data);
        let places: Vec<usize> = expect
            .iter()
            .map(|n| html.find(&format!("<span>{n}</span>")).expect(n))
            .collect();
        assert!(places.is_sorted(), "{html}");
    };
    check(json!({}), &["b", "c", "a"]);
    check(
        json!({ "sortBy": "stateUpdatedTimestamp" }),
        &["a", "c", "b"],
    );
    check(
        json!({ "states": ["ALARM", "INSUFFICIENT_DATA"] }),
        &["b", "c"],
    );
}
