//! SEARCH in queries: what is found takes part in the math, and keeps its name.

use model::Dimensions;

use super::*;

fn known() -> Vec<MetricId> {
    let errors = ["a", "b", "c"].map(|function| MetricId {
        namespace: "AWS/Lambda".into(),
        name: "Errors".into(),
        dimensions: Dimensions::new([("FunctionName", function)]),
    });
    let mut all = errors.to_vec();
    all.push(MetricId::new("Own", "Orders", []));
    all
}

fn searched(metrics: &[MetricId]) -> Searched<'_> {
    Searched {
        metrics,
        at_least: 0,
    }
}

const ERRORS: &str = "SEARCH('{AWS/Lambda,FunctionName} MetricName=\"Errors\"', 'Sum', 60)";

#[test]
fn what_search_finds_is_computed_with_and_keeps_its_name() {
    // a, b and c have these points; m1 stands before them.
    let check = |entries: &[(&str, &str)], expect: &[(&str, &[f64])]| {
        let mut all = vec![metric("m1")];
        all.extend(
            entries
                .iter()
                .map(|(id, text)| expression(id, &text.replace("ERRORS", ERRORS))),
        );
        let watch = entries.last().unwrap().0;
        let program = Program::searching(&all, watch, &searched(&known()))
            .unwrap_or_else(|fault| panic!("{entries:?}: {fault}"));
        let value = |stat: &MetricStat| match stat.metric.dimensions.iter().next() {
            Some((_, "a")) => vec![1.0, 5.0],
            Some((_, "b")) => vec![f64::NAN, f64::NAN],
            Some((_, "c")) => vec![2.0, 1.0],
            _ => vec![10.0, 10.0],
        };
        let series: Vec<Vec<f64>> = program.needs().iter().map(value).collect();
        let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        let found = program.series(&Inputs {
            grid: Grid {
                start: Time::EPOCH,
                step: Duration::from_secs(60),
                len: 2,
            },
            series: &series,
            bands: &[],
            settings: Settings::default(),
        });
        let name = |origin: Option<usize>| {
            let stat = origin.map(|i| &program.needs()[i].metric);
            stat.map_or("-".to_owned(), |m| match m.dimensions.iter().next() {
                Some((_, value)) => value.to_owned(),
                None => m.name.clone(),
            })
        };
        let found: Vec<(String, Vec<f64>)> = found
            .into_iter()
            .map(|(origin, points)| (name(origin), points))
            .collect();
        assert_eq!(found.len(), expect.len(), "{entries:?}: {found:?}");
        for ((name, points), (wanted, values)) in found.iter().zip(expect) {
            assert_eq!(name, wanted, "{entries:?}");
            let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
            assert!(
                points.iter().zip(*values).all(same),
                "{entries:?}: {points:?}"
            );
        }
    };
    const NONE: f64 = f64::NAN;
    check(
        &[("e", "ERRORS")],
        &[("a", &[1.0, 5.0]), ("b", &[NONE, NONE]), ("c", &[2.0, 1.0])],
    );
    check(&[("e", "SUM(ERRORS)")], &[("-", &[3.0, 6.0])]);
    check(
        &[("e1", "ERRORS"), ("e2", "SUM(e1) / m1")],
        &[("-", &[0.3, 0.6])],
    );
    check(
        &[("e", "SORT(REMOVE_EMPTY(ERRORS), MAX, ASC)")],
        &[("c", &[2.0, 1.0]), ("a", &[1.0, 5.0])],
    );
    check(
        &[("e", "SLICE(SORT(ERRORS, SUM, DESC), 0, 1) * 2 + m1")],
        &[("-", &[12.0, 20.0])],
    );
    check(
        &[("e", "-REMOVE_EMPTY(ERRORS)")],
        &[("a", &[-1.0, -5.0]), ("c", &[-2.0, -1.0])],
    );
    // METRICS() is of the request's own.
    check(
        &[("e1", "ERRORS"), ("e2", "METRICS()")],
        &[("m1", &[10.0, 10.0])],
    );
    check(&[("e", "SEARCH('NothingLikeThis', 'Sum', 60)")], &[]);
    check(
        &[("e", "[m1, SEARCH('{Own} Orders', 'Sum', 60)]")],
        &[("m1", &[10.0, 10.0]), ("Orders", &[10.0, 10.0])],
    );
}

#[test]
fn what_is_wrong_with_a_search_is_said_with_its_column() {
    let check = |text: &str, expect: &str| {
        let entries = [metric("m1"), expression("e", text)];
        let fault = Program::searching(&entries, "e", &searched(&known())).unwrap_err();
        assert!(fault.to_string().contains(expect), "{text}: {fault}");
    };
    check(
        "1 + SUM(SEARCH('{AWS/Lambda', 'Sum', 60))",
        "`e`, column 28: SEARCH: expected `,` or `}`, found the end",
    );
    check(
        "SEARCH('a', 'Som', 60)",
        "`e`, column 13: SEARCH: `Som` is not a statistic",
    );
    check(
        "SEARCH('a')",
        "column 1: SEARCH takes a statistic in quotes as well",
    );
    check(
        "SEARCH(m1, 'Sum')",
        "column 8: SEARCH takes what to look for in quotes here, found `m1`",
    );
    check("SEARCH('a', 'Sum', 7)", "column 20: SEARCH takes a period");
    check("SEARCH('Errors', 'Sum', 300)", "one period here");
    // Not in alarms, and not without metrics to search.
    let entries = [expression("e", ERRORS)];
    let fault = Program::query(&entries, "e").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
}
