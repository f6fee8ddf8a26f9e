//! Scratch: pictures to look at.
use model::*;
use render::chart::*;
use render::{Board, Theme, dashboard, palette, trace};
use std::time::Duration;
fn main() {
    let end = Time::parse("2026-01-05T08:16:00Z").unwrap();
    let out = std::env::args().nth(1).unwrap();
    let w = |name: &str, text: String| std::fs::write(format!("{out}/{name}"), text).unwrap();
    let noise = |i: i64, k: f64| {
        ((i as f64 * 12.9898 + k * 78.233).sin() * 43758.5453)
            .fract()
            .abs()
    };
    let pts = |n: i64, step: i64, f: &dyn Fn(i64) -> Option<f64>| -> Vec<(Time, f64)> {
        (0..n)
            .filter_map(|i| f(i).map(|v| (end - Duration::from_secs(((n - i) * step) as u64), v)))
            .collect()
    };
    let hour = Span::last(Duration::from_secs(3600), end);
    let day = Span::last(Duration::from_secs(86400), end);
    let min = Duration::from_secs(60);
    let mut all = String::new();
    let mut add = |title: &str, svg: String| {
        all.push_str(&format!("<h3>{title}</h3>{svg}\n"));
    };
    // alarm chart
    let mut c = Chart::new("Errors", hour, Unit::Count);
    c.series.push(Series::new(
        "Errors",
        0,
        min,
        pts(60, 60, &|i| {
            Some(if i > 54 {
                12.0 + (i - 54) as f64 * 5.0
            } else {
                0.0
            })
        }),
    ));
    c.horizontal.push(Horizontal::limit(0.0));
    c.breaching.push(Span::last(Duration::from_secs(300), end));
    c.zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    add("alarm", c.svg());
    w(
        "alarm.svg",
        Chart {
            theme: Theme::Standalone,
            ..c.clone()
        }
        .svg(),
    );
    // latency with p50/p99 and gap and limit
    let mut c = Chart::new("Latency", day, Unit::Milliseconds);
    c.series.push(Series::new(
        "p99",
        0,
        min,
        pts(1440, 60, &|i| {
            (i % 700 < 600)
                .then(|| 180.0 + noise(i, 1.0) * 900.0 + if i > 1300 { 900.0 } else { 0.0 })
        }),
    ));
    c.series.push(Series::new(
        "p50",
        1,
        min,
        pts(1440, 60, &|i| {
            (i % 700 < 600).then(|| 40.0 + noise(i, 2.0) * 60.0)
        }),
    ));
    c.horizontal.push(Horizontal::limit(2000.0));
    c.vertical.push(Vertical {
        at: end - Duration::from_secs(9000),
        until: None,
        label: "deploy 41".into(),
        colour: None,
    });
    c.breaching.push(Span::new(
        end - Duration::from_secs(8400),
        end - Duration::from_secs(4200),
    ));
    add("latency", c.svg());
    // eight series
    let mut c = Chart::new("Eight", hour, Unit::Bytes);
    for s in 0..8 {
        c.series.push(Series::new(
            format!("series number {s}"),
            s,
            min,
            pts(60, 60, &|i| {
                Some(1e6 * (s as f64 + 1.0 + noise(i, s as f64)))
            }),
        ));
    }
    add("eight", c.svg());
    c.stacked = true;
    c.legend = Legend::Bottom;
    add("stacked", c.svg());
    // two axes
    let mut c = Chart::new("Two", hour, Unit::Count);
    c.series.push(Series::new(
        "Invocations",
        0,
        min,
        pts(60, 60, &|i| Some(300.0 + noise(i, 3.0) * 50.0)),
    ));
    c.series.push(Series {
        side: Side::Right,
        ..Series::new(
            "Duration",
            1,
            min,
            pts(60, 60, &|i| Some(20.0 + noise(i, 4.0) * 10.0)),
        )
    });
    c.right.unit = Unit::Milliseconds;
    c.left.label = "calls".into();
    c.right.label = "time".into();
    c.width = 480.0;
    add("two axes", c.svg());
    let mut c = Chart::new("none", hour, Unit::Count);
    c.series.push(Series::new("Errors", 0, min, []));
    c.width = 480.0;
    c.height = 160.0;
    add("empty", c.svg());
    let mut s = String::new();
    for (i, a) in [false, true, false].into_iter().enumerate() {
        let mut k = Sparkline::new(
            "errors",
            hour,
            min,
            if i == 2 {
                Unit::Milliseconds
            } else {
                Unit::Count
            },
            pts(60, 60, &|j| {
                Some(match i {
                    0 => 0.0,
                    1 => {
                        if j > 50 {
                            noise(j, 1.0) * 30.0
                        } else {
                            0.0
                        }
                    }
                    _ => 100.0 + noise(j, 9.0) * 40.0,
                })
            }),
        );
        k.alarm = a;
        if i == 1 {
            k.limit = Some(5.0);
        }
        s.push_str(&k.svg());
    }
    add("sparks", s);
    let docs = vec![
        serde_json::json!({"id":"a1","name":"demo-counter-api","start_time":100.0,"end_time":102.31,"fault":true,"http":{"request":{"method":"GET","url":"/count"},"response":{"status":500}}}),
        serde_json::json!({"id":"b1","name":"demo-counter","parent_id":"a1","start_time":100.004,"end_time":102.308,"fault":true,"subsegments":[
            {"id":"c1","name":"parse","start_time":100.005,"end_time":100.006},
            {"id":"c2","name":"DynamoDB","namespace":"aws","start_time":100.018,"end_time":102.306,"fault":true,"aws":{"operation":"UpdateItem","table_name":"demo-visitors"},"cause":{"exceptions":[{"id":"1","type":"ConditionalCheckFailed","message":"no"}]}},
            {"id":"c3","name":"slow down","start_time":102.1,"end_time":102.2,"error":true,"throttle":true}]}),
    ];
    let wf = trace::Waterfall::new(&docs);
    add("trace", wf.svg(Theme::Page));
    add("trace html", wf.html());
    let css = "body{background:var(--bg);color:var(--text);font:15px system-ui;margin:20px;width:960px}.hover rect:hover{fill:var(--text);fill-opacity:.06}table{width:100%;border-collapse:collapse}th,td{text-align:left;font-weight:400;padding:3px}.bar{width:45%}";
    for (name, dark) in [("light", false), ("dark", true)] {
        let vars = palette::css();
        let vars = if dark {
            vars.replace("@media (prefers-color-scheme:dark)", "@media all")
        } else {
            vars.split("@media").next().unwrap().to_string()
        };
        w(
            &format!("charts-{name}.html"),
            format!("<!doctype html><meta charset=utf-8><style>{vars}{css}</style>{all}"),
        );
    }
    // board
    let body = serde_json::json!({"widgets":[
        {"type":"metric","width":6,"height":5,"properties":{"title":"Page views","view":"singleValue","sparkline":true,"stat":"Sum","period":60,"metrics":[["CloudResume","PageView"]]}},
        {"type":"metric","width":12,"height":5,"properties":{"title":"API latency","period":60,"metrics":[["AWS/ApiGateway","Latency","ApiName","demo",{"stat":"p50"}],["...",{"stat":"p99"}]],"annotations":{"horizontal":[{"value":2000,"label":"limit 2 s"}]}}},
        {"type":"alarm","width":6,"height":5,"properties":{"title":"Alarms","alarms":["arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors","counter-latency","counter-no-page-views","what"]}},
        {"type":"metric","width":12,"height":6,"properties":{"title":"Function","stacked":true,"stat":"Sum","period":60,"metrics":[["AWS/Lambda","Invocations","FunctionName","demo"],[".","Errors",".","."]]}},
        {"type":"metric","width":6,"height":6,"properties":{"title":"Concurrency","view":"gauge","yAxis":{"left":{"min":0,"max":1000}},"period":60,"metrics":[["AWS/Lambda","ConcurrentExecutions"]],"annotations":{"horizontal":[{"value":800}]}}},
        {"type":"text","width":6,"height":6,"properties":{"markdown":"## Counter\nWhat visitors see. See the [runbook](/runbooks/counter-errors).\n\n- one\n- two"}},
        {"type":"metric","width":8,"height":5,"properties":{"title":"By kind","view":"bar","stat":"Sum","metrics":[["A","Get"],["A","Post"],["A","Delete a thing"]]}},
        {"type":"metric","width":8,"height":5,"properties":{"title":"Share","view":"pie","stat":"Sum","metrics":[["A","Get"],["A","Post"],["A","Delete a thing"]]}},
        {"type":"metric","width":8,"height":5,"properties":{"title":"Table","view":"table","stat":"Sum","metrics":[["A","Get"],["A","Post"],["A","Delete a thing"],[{"expression":"m1/m2"}]]}},
        {"type":"log","width":12,"height":3,"properties":{"title":"Errors in logs","query":"SOURCE 'x' | fields @message | filter level = 'ERROR'"}},
        {"type":"metric","width":12,"height":5,"properties":{"title":"Broken","metrics":[["B","x"],[{"expression":"m1*2"}]]}}
    ]});
    let (board, problems) = Board::parse(&body);
    println!("{problems:?}");
    let span = Span::last(Duration::from_secs(3 * 3600), end);
    let mut data = dashboard::Data::new(span);
    for (n, q) in board.queries(span).into_iter().enumerate() {
        if q.key.contains("(B/") {
            data.series
                .insert(q.key, dashboard::Answer::Failed("timed out".into()));
            continue;
        }
        let scale = if q.key.contains("Latency") {
            data.units.insert(q.key.clone(), Unit::Milliseconds);
            if q.key.contains("p99") { 900.0 } else { 60.0 }
        } else if q.key.contains("Errors") {
            4.0
        } else if q.key.contains("Concurrent") {
            412.0
        } else {
            40.0
        };
        let step = q.stat.period as i64;
        let points = pts(3 * 3600 / step, step, &|i| {
            Some((scale * (0.7 + 0.6 * noise(i, n as f64))).round())
        });
        data.series.insert(q.key, dashboard::Answer::Points(points));
    }
    for (n, s) in [
        ("counter-errors", State::Alarm),
        ("counter-latency", State::Ok),
        ("counter-no-page-views", State::InsufficientData),
    ] {
        data.alarms.insert(
            n.into(),
            dashboard::AlarmState {
                state: s,
                since: end - Duration::from_secs(120),
                link: Some("/alarms/x".into()),
            },
        );
    }
    w(
        "board-light.html",
        board
            .page("demo", &data)
            .replace("prefers-color-scheme:dark", "prefers-color-scheme:nope"),
    );
    w(
        "board-dark.html",
        board
            .page("demo", &data)
            .replace("(prefers-color-scheme:dark)", "all"),
    );
    let svg = |t: Theme| {
        let d = dashboard::Data {
            theme: t,
            ..data.clone()
        };
        board.svg(&d)
    };
    w("board.svg", svg(Theme::Standalone));
    w("board-dark.svg", svg(Theme::Dark));
    {
        let ws: Vec<serde_json::Value> = (0..12).map(|i| serde_json::json!({"type":"metric","width":12,"height":6,"properties":{"title":format!("w{i}"),"period":60,"metrics":[["A",format!("m{i}"),"D","1",{"stat":"p50"}],["...",{"stat":"p90"}],["...",{"stat":"p99"}]]}})).collect();
        let (board, _) = Board::parse(&serde_json::json!({"widgets":ws}));
        let mut data = dashboard::Data::new(day);
        for (n, q) in board.queries(day).into_iter().enumerate() {
            data.series.insert(q.key, dashboard::Answer::Points(pts(1440, 60, &|i| Some((noise(i, n as f64) * 1000.0).round()))));
        }
        for _ in 0..3 { let t = std::time::Instant::now(); let mut len = 0; for _ in 0..20 { len = board.html(&data).len(); } println!("12x3x1440: {:?} a board, {} bytes", t.elapsed() / 20, len);
          let t = std::time::Instant::now(); for _ in 0..20 { len = board.svg(&data).len(); } println!("svg: {:?}, {} bytes", t.elapsed() / 20, len); }
    }
    println!("board html {} bytes", board.html(&data).len());
}
