use aws_sdk_cloudwatch::types::{ActionsSuppressedBy, MessageData};
use model::{StatisticSet, Unit};
use serde_json::json;

use super::*;

fn datum(namespace: &str, name: &str, values: Values) -> Datum {
    Datum {
        metric: MetricId::new(namespace, name, []),
        unit: Unit::Count,
        at: Time::from_millis(1_800_000_000_123),
        resolution: Resolution::Standard,
        values,
    }
}

#[test]
fn data_are_cut_by_namespace_count_values_and_bytes() {
    let check = |data: Vec<Datum>, expect: &[(&str, usize)]| {
        let batches = to_batches(data).unwrap();
        let found: Vec<(&str, usize)> = batches
            .iter()
            .map(|b| (b.namespace.as_str(), b.data.len()))
            .collect();
        assert_eq!(found, expect);
        for batch in &batches {
            assert!(batch.data.iter().map(bytes).sum::<usize>() <= BYTES_PER_PUT);
        }
    };
    let one = |ns: &str| datum(ns, "M", Values::Single(1.0));
    check(vec![], &[]);
    check(vec![one("A"), one("B"), one("A")], &[("A", 2), ("B", 1)]);
    check(
        (0..1001).map(|_| one("A")).collect(),
        &[("A", 1000), ("A", 1)],
    );
    let many = |n: usize| Values::Counted((0..n).map(|i| (i as f64, 1.0)).collect());
    check(vec![datum("A", "M", many(301))], &[("A", 3)]);
    // 150 values with counts take some 2.9 kB each, so that bytes cut before the count does.
    let wide = (0..400).map(|_| datum("A", "M", many(150))).collect();
    let batches = to_batches(wide).unwrap();
    assert_eq!(
        batches.len(),
        2,
        "{:?}",
        batches.iter().map(|b| b.data.len()).collect::<Vec<_>>()
    );
}

#[test]
fn a_datum_keeps_unit_time_resolution_and_exactly_one_form_of_values() {
    let check = |values: Values, single: Option<f64>, listed: usize, set: bool| {
        let mut datum = datum("A", "M", values);
        datum.resolution = Resolution::High;
        datum.metric = MetricId::new("A", "M", [("Service", "counter")]);
        let sent = to_batches(vec![datum]).unwrap().remove(0).data.remove(0);
        assert_eq!(sent.unit(), Some(&StandardUnit::Count));
        assert_eq!(sent.storage_resolution(), Some(1));
        assert_eq!(
            sent.timestamp().map(from_sdk_time),
            Some(Time::from_millis(1_800_000_000_123))
        );
        assert_eq!(sent.dimensions()[0].value(), Some("counter"));
        assert_eq!(sent.value(), single);
        assert_eq!((sent.values().len(), sent.counts().len()), (listed, listed));
        assert_eq!(sent.statistic_values().is_some(), set);
    };
    check(Values::Single(2.5), Some(2.5), 0, false);
    check(
        Values::Counted(vec![(1.0, 2.0), (3.0, 1.0)]),
        None,
        2,
        false,
    );
    let set = StatisticSet {
        count: 2.0,
        sum: 3.0,
        min: 1.0,
        max: 2.0,
    };
    check(Values::Statistics(set), None, 0, true);
}

#[test]
fn what_cloudwatch_would_refuse_is_refused_with_the_metrics_name() {
    let check = |datum: Datum, words: &str| {
        let (subject, why) = to_batches(vec![datum]).unwrap_err();
        assert!(
            subject.contains('/') && why.contains(words),
            "{subject}: {why}"
        );
    };
    check(datum("AWS/Lambda", "M", Values::Single(1.0)), "AWS/");
    check(datum("", "M", Values::Single(1.0)), "namespace");
    check(datum("A", "", Values::Single(1.0)), "name");
    check(datum("A", "M", Values::Single(f64::NAN)), "NaN");
    check(datum("A", "M", Values::Single(f64::INFINITY)), "2^360");
    check(datum("A", "M", Values::Single(-1e109)), "2^360");
    check(datum("A", "M", Values::Counted(vec![])), "no values");
    check(datum("A", "M", Values::Counted(vec![(1.0, 0.0)])), "count");
    let backwards = StatisticSet {
        count: 1.0,
        sum: 1.0,
        min: 2.0,
        max: 1.0,
    };
    check(datum("A", "M", Values::Statistics(backwards)), "minimum");
    let mut long = datum("A", "M", Values::Single(1.0));
    long.metric.dimensions = Dimensions::new((0..31).map(|i| (format!("d{i}"), "v")));
    check(long, "31 dimensions");
    let mut blank = datum("A", "M", Values::Single(1.0));
    blank.metric.dimensions = Dimensions::new([("d", " ")]);
    check(blank, "dimension");
    assert!(to_batches(vec![datum("A", "M", Values::Single(2f64.powi(360)))]).is_ok());
}

fn query(name: &str, span: (i64, i64), region: Option<&str>) -> SeriesQuery {
    SeriesQuery {
        stat: MetricStat {
            metric: MetricId::new("AWS/Lambda", name, [("FunctionName", "demo-counter")]),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: region.map(str::to_owned),
        },
        span: Span::new(Time::from_secs(span.0), Time::from_secs(span.1)),
    }
}

#[test]
fn queries_of_one_region_and_span_share_a_call_of_at_most_500() {
    let check = |queries: &[SeriesQuery], expect: &[&[usize]]| {
        let calls = to_calls(queries);
        let found: Vec<&[usize]> = calls.iter().map(|c| c.entries.as_slice()).collect();
        assert_eq!(found, expect);
    };
    let q = query("Errors", (0, 60), None);
    check(&[], &[]);
    check(&[query("Errors", (60, 60), None)], &[]);
    check(
        &[q.clone(), query("Errors", (0, 120), None), q.clone()],
        &[&[0, 2], &[1]],
    );
    check(
        &[q.clone(), query("Errors", (0, 60), Some("eu-west-1"))],
        &[&[0], &[1]],
    );
    let many: Vec<SeriesQuery> = (0..501).map(|_| q.clone()).collect();
    let sizes: Vec<usize> = to_calls(&many).iter().map(|c| c.entries.len()).collect();
    assert_eq!(sizes, [500, 1]);
    assert_eq!(
        subject(&to_calls(&many)[0], &many),
        "AWS/Lambda/Errors{FunctionName=\"demo-counter\"} and 499 more"
    );
}

#[test]
fn a_query_names_statistic_period_and_unit_as_cloudwatch_spells_them() {
    let mut stat = query("Duration", (0, 60), None).stat;
    stat.stat = Stat::Percentile(99.0);
    stat.unit = Some(Unit::Milliseconds);
    let sent = to_query(7, &stat);
    assert_eq!(sent.id(), Some("q7"));
    let inner = sent.metric_stat().unwrap();
    assert_eq!(inner.stat(), Some("p99"));
    assert_eq!(inner.period(), Some(60));
    assert_eq!(inner.unit(), Some(&StandardUnit::Milliseconds));
}

#[test]
fn a_query_asks_for_exactly_the_dimensions_of_its_metric() {
    let check = |dimensions: &[(&str, &str)]| {
        let mut stat = query("Errors", (0, 60), None).stat;
        stat.metric.dimensions = Dimensions::new(dimensions.iter().copied());
        let sent = to_query(0, &stat).metric_stat.unwrap().metric.unwrap();
        assert_eq!(from_metric(sent), stat.metric);
    };
    check(&[]);
    check(&[("Service", "a")]);
    check(&[("Service", "a"), ("Route", "/")]);
}

fn result(id: &str, secs: &[i64], values: &[f64]) -> MetricDataResult {
    MetricDataResult::builder()
        .id(id)
        .set_timestamps(Some(secs.iter().map(|s| DateTime::from_secs(*s)).collect()))
        .set_values(Some(values.to_vec()))
        .build()
}

#[test]
fn pages_of_one_query_come_together_in_its_place() {
    let mut counting = query("Errors", (0, 600), None);
    counting.stat.stat = Stat::SampleCount;
    let queries = [query("Errors", (0, 600), None), counting];
    let mut answers = vec![Series::default(); 2];
    let message = MessageData::builder()
        .code("MultipleUnits")
        .value("Multiple units returned: '[Milliseconds, Seconds]'")
        .build();
    let mut first = result("q1", &[60], &[3.0]);
    first.messages = Some(vec![message]);
    for page in [first.clone(), result("q0", &[0, 60], &[1.0, 2.0]), first] {
        take_result(page, &queries, &mut answers).unwrap();
    }
    let point = |secs, value, samples| Point {
        at: Time::from_secs(secs),
        value,
        samples,
    };
    assert_eq!(
        answers[0].points,
        [point(0, 1.0, None), point(60, 2.0, None)]
    );
    assert_eq!(answers[1].points, vec![point(60, 3.0, Some(3.0)); 2]);
    assert_eq!(
        answers[1].messages,
        ["Multiple units returned: '[Milliseconds, Seconds]'"]
    );
}

#[test]
fn a_result_that_failed_or_was_not_asked_for_is_an_error() {
    let check = |result: MetricDataResult, kind: ports::Kind| {
        let mut answers = vec![Series::default()];
        let queries = [query("Errors", (0, 60), None)];
        let error = take_result(result, &queries, &mut answers).unwrap_err();
        assert_eq!(error.kind(), kind);
    };
    let mut failed = result("q0", &[], &[]);
    failed.status_code = Some(StatusCode::InternalError);
    check(failed.clone(), ports::Kind::Unavailable);
    failed.status_code = Some(StatusCode::Forbidden);
    check(failed, ports::Kind::Denied);
    check(result("q1", &[], &[]), ports::Kind::Unavailable);
    check(result("errors", &[], &[]), ports::Kind::Unavailable);
}

#[test]
fn alarms_of_both_kinds_read_alike() {
    let metric = MetricAlarm::builder()
        .alarm_name("counter-errors")
        .state_value(StateValue::Alarm)
        .state_reason("Threshold Crossed")
        .state_reason_data(r#"{"version":"1.0"}"#)
        .state_updated_timestamp(DateTime::from_secs(30))
        .state_transitioned_timestamp(DateTime::from_secs(20))
        .alarm_configuration_updated_timestamp(DateTime::from_secs(10))
        .build();
    let (name, status) = from_alarm(metric.into()).unwrap();
    assert_eq!(name, "counter-errors");
    assert_eq!(
        status,
        AlarmStatus {
            state: State::Alarm,
            since: Time::from_secs(20),
            created: Time::from_secs(10),
            reason: "Threshold Crossed".into(),
            reason_data: json!({ "version": "1.0" }),
            suppressed_by: None,
        }
    );
    let composite = CompositeAlarm::builder()
        .alarm_name("counter-down")
        .state_value(StateValue::InsufficientData)
        .state_updated_timestamp(DateTime::from_secs(30))
        .actions_suppressed_by(ActionsSuppressedBy::WaitPeriod)
        .build();
    let (_, status) = from_alarm(composite.into()).unwrap();
    assert_eq!(status.suppressed_by.as_deref(), Some("WaitPeriod"));
    assert_eq!(
        (status.since, status.created),
        (Time::from_secs(30), Time::from_secs(30))
    );
    assert_eq!(status.reason_data, Value::Null);
    let unknown = MetricAlarm::builder()
        .alarm_name("a")
        .state_value("SLEEPING".into())
        .build();
    assert!(from_alarm(unknown.into()).is_err());
}

#[test]
fn history_gives_both_states_and_a_sequence_that_every_reading_shares() {
    let item = |name: &str, data: Value| {
        AlarmHistoryItem::builder()
            .alarm_name(name)
            .timestamp(DateTime::from_millis(1_800_000_000_123))
            .history_data(data.to_string())
            .build()
    };
    let data = json!({
        "version": "1.0",
        "oldState": { "stateValue": "OK", "stateReason": "fine" },
        "newState": { "stateValue": "ALARM", "stateReason": "Threshold Crossed",
                      "stateReasonData": { "threshold": 1.0 } },
    });
    let a = from_history(item("a", data.clone())).unwrap();
    assert_eq!(
        (a.transition.from, a.transition.to),
        (State::Ok, State::Alarm)
    );
    assert_eq!(a.transition.reason, "Threshold Crossed");
    assert_eq!(a.transition.reason_data, json!({ "threshold": 1.0 }));
    assert_eq!(time_of(a.sequence), a.transition.at);
    assert_eq!(a, from_history(item("a", data.clone())).unwrap());
    assert_ne!(a.sequence, from_history(item("b", data)).unwrap().sequence);
    assert_eq!(time_of(-5), Time::EPOCH);
    for broken in [json!({}), json!({ "oldState": { "stateValue": "OK" } })] {
        let why = from_history(item("a", broken)).unwrap_err();
        assert!(why.contains("`a`"), "{why}");
    }
}

#[test]
fn a_listing_passes_its_dimensions_on_and_reads_metrics_back() {
    let filter = MetricFilter {
        namespace: None,
        name: None,
        dimensions: vec![("A".into(), Some("1".into())), ("B".into(), None)],
    };
    let sent = to_dimension_filters(&filter).unwrap();
    assert_eq!((sent[0].name(), sent[0].value()), (Some("A"), Some("1")));
    assert_eq!((sent[1].name(), sent[1].value()), (Some("B"), None));
    assert_eq!(to_dimension_filters(&MetricFilter::default()), None);
    let id = MetricId::new("AWS/Lambda", "Errors", [("FunctionName", "f")]);
    let listed = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name("Errors")
        .set_dimensions(to_dimensions(&id.dimensions))
        .build();
    assert_eq!(from_metric(listed), id);
}
