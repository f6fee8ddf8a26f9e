//! Entries that refer to each other, and what an alarm may hold.

use super::*;

fn compile(entries: &[MathEntry], watch: &str) -> String {
    match Program::compile(entries, watch) {
        Ok(program) => program.ids().join(" "),
        Err(fault) => format!("! {fault}"),
    }
}

fn last(entries: &[MathEntry], watch: &str, series: &[&str]) -> String {
    let program = Program::query(entries, watch).unwrap();
    let series: Vec<Vec<f64>> = series.iter().map(|s| points(s)).collect();
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let value = program.evaluate(&Inputs {
        grid: grid(series[0].len()),
        series: &series,
        bands: &[],
        settings: Settings::default(),
    });
    value
        .list()
        .iter()
        .map(|s| written(s))
        .collect::<Vec<_>>()
        .join(" | ")
}

#[test]
fn entries_may_stand_in_any_order() {
    let entries = [
        expression("percent", "100 * rate"),
        metric("errors"),
        expression("rate", "errors / calls"),
        expression("unused", "rate * both"),
        expression("both", "SUM([errors, calls])"),
        metric("calls"),
    ];
    assert_eq!(last(&entries, "percent", &["1 - 3", "4 4 -"]), "25 0 -");
    assert_eq!(last(&entries, "unused", &["1 - 3", "4 4 -"]), "1.25 0 0");
    assert_eq!(last(&entries, "calls", &["1 - 3", "4 4 -"]), "4 4 -");
    assert_eq!(compile(&entries, "percent"), "errors calls");
}

#[test]
fn arrays_pass_from_entry_to_entry_and_metrics_never_holds_expressions() {
    let entries = [
        metric("m1"),
        metric("m2"),
        expression("twice", "METRICS() * 2"),
        expression("all", "[twice, METRICS()]"),
        expression("sum", "SUM(all)"),
    ];
    assert_eq!(last(&entries, "sum", &["1 2", "10 -"]), "33 6");
    assert_eq!(
        last(&entries, "all", &["1 2", "10 -"]),
        "2 4 | 20 - | 1 2 | 10 -"
    );
    assert_eq!(
        compile(&entries, "all"),
        "! `all`: an alarm watches one time series, this is an array of time series"
    );
}

#[test]
fn it_is_known_which_programs_need_a_window() {
    let pointwise = |text: &str| {
        let entries = [
            metric("m1"),
            expression("all", "METRICS() * 2"),
            expression("unused", "DIFF(m1)"),
            expression("out", text),
        ];
        Program::compile(&entries, "out").unwrap().is_pointwise()
    };
    for text in [
        "m1 / 2",
        "SUM(all)",
        "IF(m1 > 2, FILL(m1, 0))",
        "HOUR(m1)",
        "FIRST(SLICE(all, 0))",
    ] {
        assert!(pointwise(text), "{text}");
    }
    for text in [
        "m1 - AVG(m1)",
        "RATE(m1)",
        "FILL(m1, REPEAT)",
        "SUM(REMOVE_EMPTY(all))",
        "unused + 1",
    ] {
        assert!(!pointwise(text), "{text}");
    }
}

#[test]
fn a_circle_is_told_with_its_path() {
    let entries = [
        metric("m1"),
        expression("out", "a + 1"),
        expression("a", "b"),
        expression("b", "m1 + c"),
        expression("c", "a"),
    ];
    assert_eq!(
        compile(&entries, "out"),
        "! `a`: the expressions go round in a circle: `a` -> `b` -> `c` -> `a`"
    );
    let own = [expression("e1", "e1 + 1")];
    assert_eq!(
        compile(&own, "e1"),
        "! `e1`: the expressions go round in a circle: `e1` -> `e1`"
    );
}

#[test]
fn ids_are_checked() {
    assert_eq!(
        compile(&[metric("m1"), metric("m1")], "m1"),
        "! `m1`: the id is given twice"
    );
    assert_eq!(
        compile(&[metric("M1")], "M1"),
        "! `M1`: ids begin with a lower-case letter and go on with letters, digits and `_`"
    );
    assert_eq!(
        compile(&[metric("rate")], "rat"),
        "! no entry has the id `rat`; did you mean `rate`?"
    );
}

/// `kind entry@column message`
fn faults(entries: &[MathEntry], watch: &str) -> Vec<String> {
    check_alarm(entries, watch)
        .into_iter()
        .map(|fault| format!("{:?} {fault}", fault.kind))
        .collect()
}

#[test]
fn an_alarm_that_cloudwatch_takes_has_no_faults() {
    let entries = [
        metric("errors"),
        metric("calls"),
        expression("rate", "IF(calls >= 20, 100 * errors / calls, 0)"),
    ];
    assert_eq!(faults(&entries, "rate"), [""; 0]);
    assert_eq!(faults(&entries, "calls"), [""; 0]);
    let of_arrays = [
        metric("m1"),
        metric("m2"),
        expression("all", "[m1, m2]"),
        expression("sum", "SUM(METRICS()) + MAX(all) + AVG(all * 2)"),
    ];
    assert_eq!(faults(&of_arrays, "sum"), [""; 0]);
}

#[test]
fn what_an_alarm_must_not_hold_is_refused() {
    let many: Vec<MathEntry> = (0..11).map(|i| metric(&format!("m{i}"))).collect();
    assert_eq!(
        faults(&many, "m1"),
        ["Invalid 11 metrics in one alarm; CloudWatch takes 10"]
    );

    let mut slow = metric("m2");
    if let MathExpression::Metric(stat) = &mut slow.source {
        stat.period = 300;
    }
    assert_eq!(
        faults(&[metric("m1"), slow, expression("e1", "m1 + m2")], "e1"),
        [
            "Invalid `m2`: its period of 300 s differs from that of `m1`, 60 s: metrics of a request have one period here"
        ]
    );
    assert_eq!(
        faults(
            &[
                metric("m1"),
                expression("e1", "FIRST(SEARCH('{A} b', 'Sum'))")
            ],
            "e1"
        ),
        ["Invalid `e1`, column 7: an alarm cannot watch SEARCH"]
    );
    assert_eq!(
        faults(&[metric("m1"), expression("e1", "[m1]")], "e1"),
        ["Invalid `e1`: an alarm watches one time series, this is an array of up to 1"]
    );
    assert_eq!(
        faults(
            &[
                metric("m1"),
                expression("e1", "m1 +"),
                expression("e2", "m1 m1")
            ],
            "e1"
        ),
        [
            "Invalid `e1`, column 5: expected a number, an id, a function, `(` or `[`, found the end",
            "Invalid `e2`, column 4: expected an operator or the end, found `m1`"
        ]
    );
    assert_eq!(
        faults(&[metric("m1"), expression("e1", "SERVICE_QUOTA(m1)")], "e1"),
        ["Unsupported `e1`, column 1: SERVICE_QUOTA needs data that only AWS has"]
    );
    let banded = [
        metric("m1"),
        expression("ad1", "ANOMALY_DETECTION_BAND(m1, 2)"),
        expression("e1", "SUM(METRICS())"),
    ];
    assert_eq!(
        faults(&banded, "m1"),
        ["Invalid `e1`, column 5: METRICS cannot be used together with an anomaly band"]
    );
}

#[test]
fn what_is_advised_against_is_said() {
    let entries = [
        metric("m1"),
        expression("e1", "m1 - AVG(m1)"),
        expression("e2", "RUNNING_SUM(m1) + FILL(m1, 0)"),
    ];
    let found = faults(&entries, "e1");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("Advice `e1`, column 6: AVG of one series depends"));
    assert!(found[1].starts_with("Advice `e2`, column 1: RUNNING_SUM depends"));
    assert!(found[2].starts_with("Advice `e2`, column 19: a metric that is a little late"));
}

#[test]
fn a_band_is_the_recorded_one() {
    let entries = [
        metric("m1"),
        expression("ad1", "ANOMALY_DETECTION_BAND(m1, 3)"),
        expression("over", "m1 > FIRST(ad1)"),
        expression("under", "m1 < LAST(ad1)"),
    ];
    let check = |watch: &str, bands: &[(&str, Band<'_>)], expect: &str| {
        let program = Program::compile(&entries, watch).unwrap();
        assert_eq!(program.bands(), ["ad1"]);
        let value = program.evaluate(&Inputs {
            grid: grid(3),
            series: &[&points("1 5 9")],
            bands,
            settings: Settings::default(),
        });
        assert_eq!(written(&value.list()[0]), expect);
    };
    let (upper, lower) = (points("8 8 8"), points("2 2"));
    let band = Band {
        upper: &upper,
        lower: &lower,
    };
    check("over", &[("ad1", band)], "0 0 1");
    // A bound that ends early is missing there, and counts as 0.
    check("under", &[("ad1", band)], "1 0 0");
    check("over", &[], "1 1 1");
    assert_eq!(
        compile(
            &[
                metric("m1"),
                expression(
                    "e1",
                    "FIRST([ANOMALY_DETECTION_BAND(m1), ANOMALY_DETECTION_BAND(m1)])"
                )
            ],
            "e1"
        ),
        "! `e1`, column 36: an expression has at most one ANOMALY_DETECTION_BAND"
    );
}

#[test]
fn points_are_put_into_the_periods_that_they_lie_in() {
    let grid = grid(3);
    let at = |secs: i64| Time::from_millis(grid.start.millis() + secs * 1_000);
    let series = grid.align([
        (at(-1), 9.0),
        (at(0), 1.0),
        (at(119), 2.0),
        (at(61), 3.0),
        (at(120), f64::INFINITY),
        (at(180), 9.0),
    ]);
    assert_eq!(written(&series), "1 3 -");
}
