use model::{Datum, Dimensions, MetricId, Values};
use proptest::prelude::*;

use super::*;

const fn metric(
    name: &'static str,
    unit: Unit,
    dimensions: &'static [&'static [&'static str]],
) -> Declared {
    Declared {
        namespace: "BenchSvc",
        name,
        unit,
        resolution: Resolution::Standard,
        dimensions,
    }
}

const BOTH: &[&[&str]] = &[&[], &["Service", "Route"]];

fn line() -> Emf<2, 3, 2> {
    let fast = Declared {
        resolution: Resolution::High,
        ..metric("Fault", Unit::Count, &[&["Service"]])
    };
    let metrics = [
        metric("Latency", Unit::Milliseconds, BOTH),
        fast,
        metric("Size", Unit::None, BOTH),
    ];
    Emf::declare(["Service", "Route"], metrics, ["trace_id", "agent"]).unwrap()
}

fn written(record: &Record<'_, 2, 3, 2>) -> Result<String, Refused> {
    let mut out = b"before".to_vec();
    let result = line().write(record, &mut out);
    let text = String::from_utf8(out).unwrap();
    let line = text.strip_prefix("before").unwrap();
    assert!(
        result.is_ok() || line.is_empty(),
        "a refused record leaves nothing behind"
    );
    result.map(|()| line.to_owned())
}

#[test]
fn a_line_is_what_the_specification_shows() {
    let record = Record {
        at: Time::from_millis(1_767_225_600_123),
        dimensions: ["counter", "/count"],
        metrics: [12.25, 0.0, -3.0],
        properties: ["1-65dfb5a1-0", ""],
    };
    assert_eq!(
        written(&record).unwrap(),
        concat!(
            r#"{"_aws":{"Timestamp":1767225600123,"CloudWatchMetrics":["#,
            r#"{"Namespace":"BenchSvc","Dimensions":[[],["Service","Route"]],"Metrics":[{"Name":"Latency","Unit":"Milliseconds"},{"Name":"Size"}]},"#,
            r#"{"Namespace":"BenchSvc","Dimensions":[["Service"]],"Metrics":[{"Name":"Fault","Unit":"Count","StorageResolution":1}]}]},"#,
            r#""Service":"counter","Route":"/count","Latency":12.250,"Fault":0,"Size":-3,"trace_id":"1-65dfb5a1-0"}"#
        )
    );
}

#[test]
fn cloudwatch_would_refuse_these_so_we_do() {
    let good = Record {
        at: Time::EPOCH,
        dimensions: ["a", "b"],
        metrics: [1.0; 3],
        properties: [""; 2],
    };
    for value in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        LARGEST * 1.1,
        -LARGEST * 1.1,
    ] {
        let refused = written(&Record {
            metrics: [1.0, value, 1.0],
            ..good
        })
        .unwrap_err();
        assert!(
            matches!(
                refused,
                Refused::Value {
                    metric: "Fault",
                    ..
                }
            ),
            "{refused:?}"
        );
    }
    assert_eq!(LARGEST, 2f64.powi(360));
    for value in [LARGEST, -LARGEST, f64::MIN_POSITIVE] {
        assert!(
            written(&Record {
                metrics: [value; 3],
                ..good
            })
            .is_ok()
        );
    }
    let long = "x".repeat(1025);
    for value in ["", &long] {
        let refused = written(&Record {
            dimensions: ["a", value],
            ..good
        })
        .unwrap_err();
        assert_eq!(refused, Refused::Dimension { index: 1 });
    }
}

#[test]
fn limits_are_checked_at_declaration() {
    fn check<const D: usize, const M: usize>(
        dimensions: [&'static str; D],
        metrics: [Declared; M],
        expect: &str,
    ) {
        match Emf::declare(dimensions, metrics, ["p"]) {
            Ok(_) => assert_eq!(expect, "", "it was accepted"),
            Err(problems) => assert!(
                !expect.is_empty() && problems.iter().any(|p| p.contains(expect)),
                "{problems:?}"
            ),
        }
    }
    let m = |dimensions| metric("M", Unit::Count, dimensions);
    check([], [m(&[&[]])], "");
    check([], [m(&[])], "has no dimension set");
    check([], [m(&[&["D"]])], "dimension `D` is not declared");
    check(["D"], [m(&[&[]])], "in no metric's set");
    check([":D"], [m(&[&[":D"]])], "no `:` in front");
    check(["é"], [m(&[&["é"]])], "ASCII");
    check(["D", "D"], [m(&[&["D"]])], "declared twice");
    check(["M"], [m(&[&["M"]])], "declared twice");
    check(["p"], [m(&[&["p"]])], "declared twice");
    check([], [metric("_aws", Unit::Count, &[&[]])], "declared twice");
    check([], [metric("", Unit::Count, &[&[]])], "1 to 1024");
    check(
        [],
        [Declared {
            namespace: "a b",
            ..m(&[&[]])
        }],
        "namespace `a b`",
    );
    check(
        [],
        [Declared {
            namespace: "",
            ..m(&[&[]])
        }],
        "namespace ``",
    );
    check(["D"], [m(&[&["D"; 31]])], "at most 30");
    let many: [Declared; 101] = std::array::from_fn(|i| {
        metric(
            &*Box::leak(i.to_string().into_boxed_str()),
            Unit::Count,
            &[&[]],
        )
    });
    check([], many, "at most 100");
}

#[test]
fn what_is_no_metric_line_is_left_alone() {
    for line in [
        "",
        "START RequestId: c0ffee",
        "{}",
        "[1]",
        r#"{"_aws":1}"#,
        r#"{"_aws":{}}"#,
        r#"{"_aws":{"CloudWatchMetrics":[]}"#,
        r#"{"note":"\"_aws\""}"#,
    ] {
        assert_eq!(extract(line), None, "{line}");
    }
}

#[test]
fn a_broken_metric_line_says_what_is_wrong() {
    let check = |directives: &str, members: &str, expect: &str| {
        let line =
            format!(r#"{{"_aws":{{"Timestamp":1,"CloudWatchMetrics":{directives}}}{members}}}"#);
        match extract(&line).unwrap() {
            Ok(data) => assert_eq!(data.len().to_string(), expect, "{line}"),
            Err(error) => assert!(error.contains(expect), "{error}, expected {expect}"),
        }
    };
    let d = r#"[{"Namespace":"N","Dimensions":[[],["D"]],"Metrics":[{"Name":"M"}]}]"#;
    check("[]", "", "0");
    check("1", "", "not a list");
    check(d, r#","D":"d","M":1"#, "2");
    check(d, r#","D":"d","M":[1,2.5]"#, "2");
    check(d, r#","D":"d""#, "metric `M`");
    check(d, r#","D":"d","M":"1""#, "metric `M`");
    check(d, r#","D":"d","M":[]"#, "metric `M`");
    check(d, r#","D":1,"M":1"#, "dimension `D`");
    check(d, r#","D":"","M":1"#, "dimension `D`");
    check(
        r#"[{"Namespace":"N","Dimensions":[],"Metrics":[]}]"#,
        "",
        "no dimension set",
    );
    check(r#"[{"Dimensions":[[]],"Metrics":[]}]"#, "", "no Namespace");
    check(
        r#"[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"M","Unit":"count"}]}]"#,
        r#","M":1"#,
        "not a CloudWatch unit",
    );
    check(
        r#"[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"M","StorageResolution":5}]}]"#,
        r#","M":1"#,
        "1 or 60",
    );
    let no_time = r#"{"_aws":{"CloudWatchMetrics":[]}}"#;
    assert!(extract(no_time).unwrap().unwrap_err().contains("Timestamp"));
    let list = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"M"}]}]},"M":[1,2.5]}"#;
    assert_eq!(
        extract(list).unwrap().unwrap()[0].values,
        Values::Counted(vec![(1.0, 1.0), (2.5, 1.0)])
    );
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x20\"\\\\/\\u{7f}-\\u{2029}]{0,40}",
        Just("\"},\"_aws\":{".to_owned())
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_what_cloudwatch_extracts(
        at in 0i64..4_000_000_000_000,
        service in hostile().prop_filter("not empty", |s| !s.is_empty() && s.len() <= 1024),
        route in hostile().prop_filter("not empty", |s| !s.is_empty() && s.len() <= 1024),
        latency in prop_oneof![-LARGEST..LARGEST, -1e6..1e6, (-1_000_000i64..1_000_000_000).prop_map(|i| i as f64 / 1000.0), (-1i64 << 60..1 << 60).prop_map(|i| i as f64)],
        fault in any::<bool>(),
        property in hostile(),
    ) {
        let at = Time::from_millis(at);
        let fault = f64::from(u8::from(fault));
        let record = Record { at, dimensions: [&*service, &*route], metrics: [latency, fault, 0.1], properties: [&*property, "x"] };
        let line = written(&record).unwrap();
        prop_assert!(!line.contains(['\n', '\r']), "one record is one line");
        let all: serde_json::Value = serde_json::from_str(&line).unwrap();
        if property.is_empty() {
            prop_assert!(all.get("trace_id").is_none());
        } else {
            prop_assert_eq!(&all["trace_id"], &property);
        }
        let data = extract(&line).unwrap().unwrap();
        let datum = |name: &str, unit, value, resolution, dimensions| Datum {
            metric: MetricId { namespace: "BenchSvc".into(), name: name.into(), dimensions },
            unit, at, resolution, values: Values::Single(value),
        };
        let both = Dimensions::new([("Service", &*service), ("Route", &*route)]);
        let by_service = Dimensions::new([("Service", &*service)]);
        prop_assert_eq!(data, vec![
            datum("Latency", Unit::Milliseconds, latency, Resolution::Standard, Dimensions::NONE),
            datum("Latency", Unit::Milliseconds, latency, Resolution::Standard, both.clone()),
            datum("Size", Unit::None, 0.1, Resolution::Standard, Dimensions::NONE),
            datum("Size", Unit::None, 0.1, Resolution::Standard, both),
            datum("Fault", Unit::Count, fault, Resolution::High, by_service),
        ]);
    }
}
