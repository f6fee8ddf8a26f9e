use model::Time;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sim::{Sim, estate};
use crate::{Change, Desired, Options, plan};

const T: Time = Time::from_secs(1_700_000_000);

fn with(widgets: Value) -> Desired {
    let mut desired = estate(" []");
    desired.dashboards.insert(
        "main".into(),
        crate::desired::DesiredDashboard {
            body: json!({ "widgets": widgets }),
            place: Place::file("dashboards/main.json"),
        },
    );
    desired
}

fn graph(title: &str, y: u64) -> Value {
    json!({"type": "metric", "x": 0, "y": y, "width": 12, "height": 6, "properties": {
        "title": title, "region": "us-east-1",
        "metrics": [["AWS/Lambda", "Errors", "FunctionName", "f", {"stat": "Sum"}]],
        "annotations": {"horizontal": [{"label": "limit", "value": 5}]}}})
}

fn note(text: &str, x: u64, y: u64) -> Value {
    json!({"type": "text", "x": x, "y": y, "width": 12, "height": 2, "properties": {"markdown": text}})
}

fn body(sim: &Sim) -> Value {
    serde_json::from_str(&sim.boards["main"].0).unwrap()
}

fn edit(sim: &mut Sim, f: impl FnOnce(&mut Value)) {
    let mut value = body(sim);
    f(&mut value);
    // As another program writes it.
    let text = serde_json::to_string_pretty(&value).unwrap();
    sim.boards.insert("main".into(), (text, T));
}

fn widgets(value: &mut Value) -> &mut Vec<Value> {
    value["widgets"].as_array_mut().unwrap()
}

fn made(desired: &Desired) -> Sim {
    let mut sim = Sim::new();
    sim.apply(&plan(desired, &sim.observed(), &Options::at(T)), T);
    sim
}

fn again(desired: &Desired, sim: &Sim) -> crate::Plan {
    plan(desired, &sim.observed(), &Options::at(T))
}

#[test]
fn bodies_that_draw_the_same_do_not_differ() {
    let check = |a: Value, b: Value, equal: bool| {
        let body = |w: Value| json!({ "widgets": w });
        assert_eq!(same(&body(a.clone()), &body(b.clone())), equal, "{a} {b}");
    };
    let metrics =
        |m: Value| json!([{"type": "metric", "properties": {"metrics": m, "region": "r"}}]);
    check(
        metrics(
            json!([["N", "A", "x", "1", "y", "2"], ["N", "B", "y", "2", "x", "1"], ["N", "B", "x", "1", "y", "3", {"stat": "Sum"}]]),
        ),
        metrics(
            json!([["N", "A", "x", "1", "y", "2", {}], [".", "B", ".", ".", ".", "."], ["...", "3", {"stat": "Sum", "visible": true}]]),
        ),
        true,
    );
    check(
        metrics(json!([["N", "A", {"period": 300, "stat": "Average", "yAxis": "left"}]])),
        json!([{"type": "metric", "x": 0, "y": 0.0, "width": 6, "height": 6, "properties":
            {"metrics": [["N", "A"]], "region": "r", "view": "timeSeries", "stacked": false, "title": ""}}]),
        true,
    );
    check(
        metrics(json!([["N", "A"]])),
        metrics(json!([["N", "B"]])),
        false,
    );
    check(
        metrics(json!([["N", "A", {"stat": "Sum"}]])),
        metrics(json!([["N", "A"]])),
        false,
    );
    // Without a place, widgets flow; with one, their order in the list means nothing.
    check(
        json!([graph("a", 0), note("b", 12, 0)]),
        json!([note("b", 12, 0), graph("a", 0)]),
        true,
    );
    check(
        json!([{"type": "text", "properties": {"markdown": "a"}}, {"type": "text", "properties": {"markdown": "b"}}]),
        json!([{"type": "text", "properties": {"markdown": "b"}}, {"type": "text", "properties": {"markdown": "a"}}]),
        false,
    );
    let auto = |extra: Value| {
        let mut body = json!({"widgets": []});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    assert!(same(
        &auto(json!({"periodOverride": "auto"})),
        &auto(json!({}))
    ));
    assert!(!same(&auto(json!({"start": "-PT3H"})), &auto(json!({}))));
}

#[test]
fn the_mark_says_whose_a_dashboard_is() {
    let desired = with(json!([graph("errors", 0)]));
    let sim = made(&desired);
    let mark = Mark::read_text(&sim.boards["main"].0).unwrap();
    assert_eq!(mark.estate, "demo");
    assert_eq!(mark.widgets.len(), 1);
    assert_eq!(mark.widgets[0].annotations.len(), 1);
    assert!(again(&desired, &sim).is_empty());
    let read = Applied::read(&mark.widgets[0].write());
    assert_eq!(read.as_ref(), Some(&mark.widgets[0]));
    assert_eq!(Mark::read_text("[nightbell]: # \"v1|"), None);
}

#[test]
fn what_others_add_survives_a_change_of_ours() {
    let desired = with(json!([graph("errors", 0)]));
    let mut sim = made(&desired);
    let deploy = json!({"label": "deploy 41", "value": "2026-11-21T08:00:00Z"});
    edit(&mut sim, |b| {
        widgets(b).push(note("added by web", 12, 0));
        widgets(b)[0]["properties"]["annotations"]["vertical"] = json!([deploy]);
        b["foreign"] = json!(1);
    });
    // Others' additions are no drift.
    assert!(again(&desired, &sim).is_empty());
    let changed = with(json!([graph("errors", 0), graph("latency", 6)]));
    let plan = again(&changed, &sim);
    let fields: Vec<&str> = plan.lines[0]
        .fields
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(fields, ["widget metric \"latency\""]);
    sim.apply(&plan, T);
    let put = body(&sim);
    let texts = put.to_string();
    assert!(
        texts.contains("added by web") && texts.contains("deploy 41"),
        "{texts}"
    );
    assert_eq!(put["foreign"], json!(1));
    assert!(again(&changed, &sim).is_empty());
    // And when ours grows over theirs, theirs goes below.
    let wide = with(
        json!([{"type": "text", "x": 0, "y": 0, "width": 24, "height": 20,
        "properties": {"markdown": "wide"}}]),
    );
    sim.apply(&again(&wide, &sim), T);
    let put = body(&sim);
    let theirs = put["widgets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|w| w.to_string().contains("added"));
    assert!(theirs.unwrap()["y"].as_u64().unwrap() >= 20);
    assert!(!put.to_string().contains("errors"));
    assert!(again(&wide, &sim).is_empty());
}

#[test]
fn ours_changed_by_hand_comes_back() {
    let desired = with(json!([graph("errors", 0), graph("latency", 6)]));
    let sim = made(&desired);
    let check = |f: &dyn Fn(&mut Value)| {
        let mut sim = sim.clone();
        edit(&mut sim, f);
        let plan = again(&desired, &sim);
        assert_eq!(plan.lines.len(), 1);
        sim.apply(&plan, T);
        assert!(same(&body(&sim), &body(&made(&desired))), "{}", body(&sim));
    };
    check(&|b| widgets(b)[0]["properties"]["metrics"] = json!([["N", "other"]]));
    check(&|b| widgets(b)[0]["width"] = json!(24));
    check(&|b| widgets(b)[0]["properties"]["annotations"]["horizontal"][0]["value"] = json!(9));
    check(&|b| widgets(b)[0]["properties"]["annotations"] = json!({}));
    check(&|b| {
        widgets(b).remove(1);
    });
    check(&|b| b["start"] = json!("-P7D"));
}

#[test]
fn a_dashboard_without_our_mark_is_not_written_and_others_widgets_outlive_ours() {
    let desired = with(json!([graph("errors", 0)]));
    let mut sim = made(&desired);
    sim.boards.insert(
        "main".into(),
        (json!({"widgets": [note("x", 0, 0)]}).to_string(), T),
    );
    let offered = again(&desired, &sim);
    assert_eq!(offered.calls(), []);
    assert_eq!(offered.blocked.len(), 1);

    let mut sim = made(&desired);
    let nothing = estate(" []");
    let gone = again(&nothing, &sim);
    assert!(matches!(
        &gone.lines[0].change,
        Change::DeleteDashboard { .. }
    ));
    edit(&mut sim, |b| widgets(b).push(note("added by web", 12, 0)));
    let gone = again(&nothing, &sim);
    sim.apply(&gone, T);
    let left = body(&sim);
    assert_eq!(left["widgets"].as_array().unwrap().len(), 1);
    assert!(Mark::read(&left).is_none());
    assert!(again(&nothing, &sim).is_empty());
    sim.boards
        .insert("foreign".into(), ("{\"widgets\": []}".into(), T));
    assert!(crate::diff::destroy(&desired, &sim.observed(), T).is_empty());
}

fn any_widget(titles: &'static [&'static str]) -> impl Strategy<Value = Value> {
    (
        prop::sample::select(titles),
        prop::option::of((0u64..13, 0u64..30)),
        1u64..12,
        1u64..8,
        prop::collection::vec(0i32..3, 0..3),
        any::<bool>(),
    )
        .prop_map(|(title, at, width, height, lines, text)| {
            let lines: Vec<Value> = lines.iter().map(|n| json!({"label": format!("l{n}"), "value": n})).collect();
            let mut w = if text {
                json!({"type": "text", "properties": {"markdown": title}})
            } else {
                json!({"type": "metric", "properties": {"title": title, "region": "r",
                    "metrics": [["N", title], [".", "other"]], "annotations": {"horizontal": lines}}})
            };
            w["width"] = json!(width);
            w["height"] = json!(height);
            if let Some((x, y)) = at {
                w["x"] = json!(x);
                w["y"] = json!(y);
            }
            w
        })
}

proptest! {
    #[test]
    fn a_second_plan_of_a_dashboard_is_empty_and_nobody_elses_widget_is_lost(
        first in prop::collection::vec(any_widget(&["a", "b", "c"]), 0..5),
        second in prop::collection::vec(any_widget(&["a", "b", "c"]), 0..5),
        foreign in prop::collection::vec(any_widget(&["x", "y"]), 0..4),
        markers in prop::collection::vec(0usize..5, 0..3),
    ) {
        let (first, second) = (with(json!(first)), with(json!(second)));
        let mut sim = made(&first);
        prop_assert!(again(&first, &sim).is_empty());
        edit(&mut sim, |b| {
            let all = widgets(b);
            for i in markers {
                if let Some(w) = all.get_mut(i).filter(|w| w["type"] == "metric") {
                    w["properties"]["annotations"]["vertical"] = json!([{"label": "deploy", "value": i}]);
                }
            }
            for w in &foreign {
                let mut w = w.clone();
                for key in ["x", "y"] {
                    let there = w.get(key).cloned();
                    w[key] = there.unwrap_or(json!(3));
                }
                all.push(w);
            }
        });
        let before = again(&first, &sim);
        // Where ours is covered by nothing of ours, nothing is to do; else theirs goes below once.
        sim.apply(&before, T);
        prop_assert!(again(&first, &sim).is_empty(), "{:?}", again(&first, &sim).lines);
        sim.apply(&again(&second, &sim), T);
        let rest = again(&second, &sim);
        prop_assert!(rest.is_empty(), "{:?}", rest.lines);
        let put = body(&sim);
        let theirs = put["widgets"].as_array().unwrap().iter().filter(|w| {
            let t = title(w);
            t.contains("\"x\"") || t.contains("\"y\"")
        });
        prop_assert_eq!(theirs.count(), foreign.len());
    }
}
