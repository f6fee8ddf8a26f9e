use std::time::Duration;

use model::{MathEntry, MathExpression, MetricId, MetricStat, Stat, Time};
use proptest::prelude::*;

use super::*;

mod alarm;
mod properties;
mod search;

fn metric(id: &str) -> MathEntry {
    MathEntry {
        id: id.into(),
        source: MathExpression::Metric(MetricStat {
            metric: MetricId::new("Test", id, []),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        }),
        label: None,
    }
}

fn expression(id: &str, text: &str) -> MathEntry {
    MathEntry {
        id: id.into(),
        source: MathExpression::Expression {
            expression: text.into(),
            period: None,
        },
        label: None,
    }
}

/// `30 - 0`: a series, `-` is missing.
fn points(text: &str) -> Vec<f64> {
    let value = |word: &str| match word {
        "-" => f64::NAN,
        word => word.parse().unwrap_or_else(|e| panic!("{word}: {e}")),
    };
    text.split_whitespace().map(value).collect()
}

fn written(series: &[f64]) -> String {
    let word = |v: &f64| match v.is_nan() {
        true => "-".to_owned(),
        // Enough to read, and thirds are equal.
        false => ((v * 1e6).round() / 1e6).to_string(),
    };
    series.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn grid(len: usize) -> Grid {
    Grid {
        start: Time::parse("2026-01-05T08:00:00Z").unwrap(),
        step: Duration::from_secs(60),
        len,
    }
}

/// An expression over metrics, each given as `m1: 30 - 0`, one line each.
fn value(metrics: &str, text: &str, settings: Settings) -> Result<Value<'static>, Fault> {
    let (mut entries, mut series) = (Vec::new(), Vec::new());
    for line in metrics.lines() {
        let (id, values) = line.split_once(':').unwrap();
        entries.push(metric(id.trim()));
        series.push(points(values));
    }
    entries.push(expression("out", text));
    let program = Program::query(&entries, "out")?;
    let len = series.first().map_or(3, Vec::len);
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    Ok(program.evaluate(&Inputs {
        grid: grid(len),
        series: &series,
        bands: &[],
        settings,
    }))
}

#[track_caller]
fn check(metrics: &str, text: &str, expect: &str) {
    let got = match value(metrics, text, Settings::default()) {
        Ok(value) => value
            .list()
            .iter()
            .map(|s| written(s))
            .collect::<Vec<_>>()
            .join(" | "),
        Err(fault) => format!("! {fault}"),
    };
    assert_eq!(got, expect, "{text}");
}

#[test]
fn the_operators_of_the_guide() {
    let two = "m1: 30 20 0 0\nm2: 20 - 20 -";
    check(two, "m1 < m2", "0 0 1 0");
    check(two, "m1 >= 30", "1 0 0 0");
    check(two, "m1 > 15 AND m2 > 15", "1 0 0 0");
    check(two, "m1 > 15 && m2 > 15", "1 0 0 0");
    check(two, "m1 > 15 OR m2 > 15", "1 1 1 0");
    check(two, "m1 > 15 || m2 > 15", "1 1 1 0");
    check(two, "m1 == m2", "0 0 0 1");
    check(two, "m1 != m2", "1 1 1 0");
    check(two, "m1 <= m2", "0 0 1 1");
    check(two, "m1 > m2", "1 1 0 0");
}

#[test]
fn a_value_missing_on_one_side_is_0_and_a_division_by_0_drops_the_point() {
    let two = "m1: 6 6 - - 0\nm2: 3 - 3 - 0";
    check(two, "m1 + m2", "9 6 3 - 0");
    check(two, "m1 - m2", "3 6 -3 - 0");
    check(two, "m1 * m2", "18 0 0 - 0");
    check(two, "m1 / m2", "2 - 0 - -");
    check(two, "m1 ^ m2", "216 1 0 - 1");
    // A number has no gaps to fill: what is missing stays missing.
    check(two, "m1 + 1", "7 7 - - 1");
    check(two, "1 / m1", "0.166667 0.166667 - - -");
    check(two, "m1 / 0", "- - - - -");
    check(two, "m1 / (1 - 1)", "- - - - -");
    check(two, "-m1", "-6 -6 - - 0");
    check(two, "[m1, m2] * 2", "12 12 - - 0 | 6 - 6 - 0");
    check(two, "12 / [m1, m2]", "2 2 - - - | 4 - 4 - -");
    check(two, "[m1, m2] - m2", "3 6 -3 - 0 | 0 - 0 - 0");
    check(two, "m2 - [m1, m2]", "-3 -6 3 - 0 | 0 - 0 - 0");
    check(two, "-[m1, m2]", "-6 -6 - - 0 | -3 - -3 - 0");
}

#[test]
fn the_tables_of_if() {
    let three = "m1: 1 1 0 0 -\nm2: 30 - 0 0 30\nm3: 0 0 20 - 20";
    check(three, "IF(m1, m2, m3)", "30 0 20 - -");
    check(three, "IF(m1, 5, m3)", "5 5 20 - -");
    check(three, "IF(m1, m2, 5)", "30 0 5 5 -");
    check(three, "IF(m1, m2)", "30 0 - - -");
    check(three, "IF(m1, 5)", "5 5 - - -");
    check(three, "IF(m1, 10, 2)", "10 10 2 2 -");
    check(three, "IF(-m1, 10, 2)", "10 10 2 2 -");
    // A number as condition picks a whole series with its gaps.
    check(three, "IF(1, m2, m3)", "30 - 0 0 30");
    check(three, "IF(0, m2, m3)", "0 0 20 - 20");
    check(three, "IF(0, m2)", "- - - - -");
    check(three, "IF(2 > 1, 7, m3)", "7 7 7 7 7");
    check(three, "IF(m2 < 30, m2)", "- - 0 0 -");
    check(three, "m1 + IF(1 > 2, 1, 3)", "4 4 3 3 -");
}

#[test]
fn functions_of_each_point() {
    let one = "m1: -1.5 0 - 100";
    check(one, "ABS(m1)", "1.5 0 - 100");
    check(one, "CEIL(m1)", "-1 0 - 100");
    check(one, "FLOOR(m1)", "-2 0 - 100");
    check(one, "LOG10(m1)", "- - - 2");
    check(one, "LOG(m1)", "- - - 4.60517");
    check(one, "ABS([m1, m1 * 2])", "1.5 0 - 100 | 3 0 - 200");
    check(one, "m1 + CEIL(1.2)", "0.5 2 - 102");
}

#[test]
fn one_series_comes_to_a_number() {
    let two = "m1: 2 - 4 9\nm2: - - - -";
    let number = |call: &str, expect: &str| check(two, &format!("TIME_SERIES({call})"), expect);
    number("SUM(m1)", "15 15 15 15");
    number("AVG(m1)", "5 5 5 5");
    number("MIN(m1)", "2 2 2 2");
    number("MAX(m1)", "9 9 9 9");
    number("DATAPOINT_COUNT(m1)", "3 3 3 3");
    number("STDDEV(m1)", "2.94392 2.94392 2.94392 2.94392");
    number("SUM(m2)", "0 0 0 0");
    number("DATAPOINT_COUNT(m2)", "0 0 0 0");
    number("AVG(m2)", "- - - -");
    number("MAX(m2)", "- - - -");
    check(two, "m1 - AVG(m1)", "-3 - -1 4");
    check(two, "m1 / MAX(m2)", "- - - -");
    check(two, "MAX(m1) / m1", "4.5 - 2.25 1");
    let sample = Settings {
        deviation: Deviation::Sample,
        ..Settings::default()
    };
    let got = value(two, "TIME_SERIES(STDDEV(m1))", sample)
        .unwrap()
        .list();
    assert_eq!(written(&got[0]), "3.605551 3.605551 3.605551 3.605551");
}

#[test]
fn an_array_comes_to_a_series() {
    let three = "m1: 1 - - 4\nm2: 3 5 - -\nm3: 8 - - 0";
    check(three, "SUM([m1, m2, m3])", "12 5 - 4");
    // Missing values are 0 for the average, and only for it.
    check(three, "AVG([m1, m2, m3])", "4 1.666667 - 1.333333");
    check(three, "MIN([m1, m2, m3])", "1 5 - 0");
    check(three, "MAX([m1, m2, m3])", "8 5 - 4");
    check(three, "DATAPOINT_COUNT([m1, m2, m3])", "3 1 - 2");
    check(three, "STDDEV([m1, m2, m3])", "2.94392 0 - 2");
    check(three, "SUM(METRICS())", "12 5 - 4");
    check(three, "SUM(METRICS(\"m2\"))", "3 5 - -");
    check(three, "SUM([METRICS('1'), METRICS(\"3\")])", "9 - - 4");
    check(three, "SUM(METRICS(\"none\"))", "- - - -");
    check(
        three,
        "m1 / METRIC_COUNT(METRICS())",
        "0.333333 - - 1.333333",
    );
    check(
        three,
        "METRICS() / 100",
        "0.01 - - 0.04 | 0.03 0.05 - - | 0.08 - - 0",
    );
    check(three, "SUM(METRICS()) / SUM(m1)", "2.4 1 - 0.8");
    check(three, "AVG([m1, m2] / m3)", "0.25 - - -");
}

#[test]
fn differences_are_to_the_preceding_point_that_is_there() {
    let one = "m1: 10 - 16 19 -";
    check(one, "DIFF(m1)", "- - 6 3 -");
    check(one, "DIFF_TIME(m1)", "- - 120 60 -");
    check(one, "RATE(m1)", "- - 0.05 0.05 -");
    check(one, "RUNNING_SUM(m1)", "10 - 26 45 -");
    check(one, "DIFF([m1, m1 * 2])", "- - 6 3 - | - - 12 6 -");
    check(one, "RUNNING_SUM(METRICS())", "10 - 26 45 -");
}

#[test]
fn fill_in_all_modes() {
    let two = "m1: - 2 - - 8 -\nm2: 1 1 - 1 1 1";
    check(two, "FILL(m1, 0)", "0 2 0 0 8 0");
    check(two, "FILL(m1, MIN(m1))", "2 2 2 2 8 2");
    check(two, "FILL(m1, REPEAT)", "- 2 2 2 8 8");
    check(two, "FILL(m1, LINEAR)", "- 2 4 6 8 -");
    check(two, "FILL(m1, m2)", "1 2 - 1 8 1");
    check(two, "FILL(METRICS(), 0)", "0 2 0 0 8 0 | 1 1 0 1 1 1");
    check(two, "FILL(METRICS(), m2)", "1 2 - 1 8 1 | 1 1 - 1 1 1");
    check(two, "FILL(METRICS(), REPEAT)", "- 2 2 2 8 8 | 1 1 1 1 1 1");
    check("m1: - - -", "FILL(m1, LINEAR)", "- - -");
    check("m1: - - -", "FILL(m1, 7)", "7 7 7");
    let nearest = Settings {
        edges: FillEdges::Nearest,
        ..Settings::default()
    };
    let filled = |text| written(&value(two, text, nearest).unwrap().list()[0]);
    assert_eq!(filled("FILL(m1, REPEAT)"), "2 2 2 2 8 8");
    assert_eq!(filled("FILL(m1, LINEAR)"), "2 2 4 6 8 8");
}

#[test]
fn arrays_are_sorted_cut_and_picked_from() {
    let three = "m1: 1 9\nm2: 4 4\nm3: - -\nm4: 2 2";
    check(three, "SORT(METRICS(), MAX, DESC)", "1 9 | 4 4 | 2 2 | - -");
    check(three, "SORT(METRICS(), MIN, ASC)", "1 9 | 2 2 | 4 4 | - -");
    check(three, "SORT(METRICS(), SUM, DESC, 2)", "1 9 | 4 4");
    check(three, "SORT(METRICS(), AVG, ASC, 1)", "2 2");
    check(three, "SLICE(METRICS(), 1)", "4 4 | - - | 2 2");
    check(three, "SLICE(METRICS(), 1, 2)", "4 4");
    check(three, "SLICE(METRICS(), 2, 1)", "");
    check(three, "SLICE(METRICS(), 7)", "");
    check(three, "SLICE(METRICS(), -1, 1)", "1 9");
    check(three, "REMOVE_EMPTY(METRICS())", "1 9 | 4 4 | 2 2");
    check(three, "FIRST(METRICS())", "1 9");
    check(three, "LAST(METRICS())", "2 2");
    check(three, "FIRST(METRICS(\"none\"))", "- -");
    check(
        three,
        "IF(FIRST(SORT(METRICS(), AVG, DESC)) > 5, 1, 0)",
        "0 1",
    );
}

#[test]
fn a_number_becomes_a_series_and_a_period_a_number() {
    check("m1: 60 - 120", "m1 / PERIOD(m1)", "1 - 2");
    check("m1: 1 - 3", "TIME_SERIES(MAX(m1) * 2)", "6 6 6");
    check("m1: 1 - 3", "TIME_SERIES(10)", "10 10 10");
}

#[test]
fn dates_are_of_the_timestamp_whether_there_is_a_value_or_not() {
    let at = |start: &str, text: &str| {
        let entries = [metric("m1"), expression("out", text)];
        let program = Program::compile(&entries, "out").unwrap();
        let grid = Grid {
            start: Time::parse(start).unwrap(),
            ..grid(2)
        };
        let value = program.evaluate(&Inputs {
            grid,
            series: &[&points("1 -")],
            bands: &[],
            settings: Settings::default(),
        });
        written(&value.list()[0])
    };
    // A Monday.
    let monday = "2026-01-05T08:59:00Z";
    assert_eq!(at(monday, "MINUTE(m1)"), "59 0");
    assert_eq!(at(monday, "HOUR(m1)"), "8 9");
    assert_eq!(at(monday, "DAY(m1)"), "1 1");
    assert_eq!(at(monday, "DATE(m1)"), "5 5");
    assert_eq!(at(monday, "MONTH(m1)"), "1 1");
    assert_eq!(at(monday, "YEAR(m1)"), "2026 2026");
    assert_eq!(at(monday, "EPOCH(m1)"), "1767603540 1767603600");
    assert_eq!(at("2024-02-28T23:59:00Z", "DATE(m1)"), "28 29");
    assert_eq!(at("2026-02-28T23:59:00Z", "MONTH(m1)"), "2 3");
    assert_eq!(at("2026-12-31T23:59:00Z", "YEAR(m1)"), "2026 2027");
    assert_eq!(at("2026-01-04T23:59:00Z", "DAY(m1)"), "7 1");
    assert_eq!(at("1969-12-31T23:59:00Z", "EPOCH(m1)"), "-60 0");
    assert_eq!(at(monday, "IF(DAY(m1) < 6 AND HOUR(m1) >= 9, 1, 0)"), "0 1");
}

#[test]
fn operators_bind_as_documented() {
    let all = "m1: 2";
    check(all, "m1 + 3 * 4 ^ 2", "50");
    check(all, "-m1 ^ 2", "-4");
    check(all, "(-m1) ^ 2", "4");
    check(all, "m1 ^ -1 * 4", "2");
    check(all, "m1 ^ 3 ^ 2", "512");
    check(all, "m1 - 1 - 1", "0");
    check(all, "24 / m1 / 3", "4");
    check(all, "m1 * -3", "-6");
    check(all, "m1 + 1 > 2 AND 0 OR 1 == 1", "1");
    check(all, "0 AND 0 OR m1", "1");
    check(all, "m1 OR 0 AND 0", "1");
    check(all, "m1 + .5 + 1.5e1 + 1E-1", "17.6");
}

#[test]
fn what_is_wrong_is_said_with_the_column_and_what_was_expected() {
    let wrong = |text: &str, expect: &str| check("m1: 1\nerrors: 1", text, expect);
    wrong(
        "",
        "! `out`, column 1: expected a number, an id, a function, `(` or `[`, found the end",
    );
    wrong(
        "m1 +",
        "! `out`, column 5: expected a number, an id, a function, `(` or `[`, found the end",
    );
    wrong(
        "m1 m1",
        "! `out`, column 4: expected an operator or the end, found `m1`",
    );
    wrong(
        "(m1",
        "! `out`, column 4: expected `)` or an operator, found the end",
    );
    wrong(
        "SUM(m1 m1)",
        "! `out`, column 8: expected `,`, `)` or an operator, found `m1`",
    );
    wrong(
        "[m1",
        "! `out`, column 4: expected `,`, `]` or an operator, found the end",
    );
    wrong(
        "SUM([])",
        "! `out`, column 5: expected at least one time series between the brackets",
    );
    wrong("m1 = 1", "! `out`, column 4: expected `==`, found `=`");
    wrong(
        "!m1",
        "! `out`, column 1: expected `!=`, found `!`; metric math has no NOT: use `x == 0`",
    );
    wrong(
        "SMU(m1)",
        "! `out`, column 1: `SMU` is not a function; did you mean SUM?",
    );
    wrong(
        "1 + sum(m1)",
        "! `out`, column 5: functions are written in upper case: SUM, not `sum`",
    );
    wrong(
        "FOOBAR(m1)",
        "! `out`, column 1: `FOOBAR` is not a function of metric math",
    );
    wrong(
        "SUM",
        "! `out`, column 1: expected a time series or a number, found the word SUM",
    );
    wrong(
        "RATE",
        "! `out`, column 5: expected `(` after RATE, found the end",
    );
    wrong(
        "FILL(m1, LINEA)",
        "! `out`, column 10: `LINEA` is not known; did you mean LINEAR?",
    );
    wrong(
        "FILL(m1, ASC)",
        "! `out`, column 10: FILL fills with a number, a time series, REPEAT or LINEAR, found `ASC`",
    );
    wrong(
        "FILL(m1)",
        "! `out`, column 1: FILL takes 2 arguments, found 1",
    );
    wrong(
        "IF(m1)",
        "! `out`, column 1: IF takes 2 or 3 arguments, found 1",
    );
    wrong(
        "error + 1",
        "! `out`, column 1: no entry has the id `error`; did you mean `errors`?",
    );
    wrong("ABS(zzz)", "! `out`, column 5: no entry has the id `zzz`");
    wrong(
        "m1 + \"x\"",
        "! `out`, column 6: expected a time series or a number, found the text \"x\"",
    );
    wrong(
        "METRICS(\"x)",
        "! `out`, column 9: the closing \" of the text is missing",
    );
    wrong(
        "METRICS(m1)",
        "! `out`, column 9: METRICS takes a part of the ids in quotes, found `m1`",
    );
    wrong(
        "SUM([m1, 5])",
        "! `out`, column 10: an array holds time series, found a number; TIME_SERIES(5) makes a time series of it",
    );
    wrong(
        "[m1] + [m1]",
        "! `out`, column 1: `+` takes an array on one side at most; found one on both",
    );
    wrong(
        "[m1] > 1",
        "! `out`, column 1: `>` takes time series or numbers, found an array of time series",
    );
    wrong(
        "FIRST(m1)",
        "! `out`, column 7: FIRST takes an array of time series, found a time series",
    );
    wrong(
        "TIME_SERIES(m1)",
        "! `out`, column 13: TIME_SERIES takes a number, found a time series",
    );
    wrong(
        "DIFF(5)",
        "! `out`, column 6: DIFF takes a time series or an array of them, found a number",
    );
    wrong(
        "HOUR([m1])",
        "! `out`, column 6: HOUR takes one time series, found an array of time series",
    );
    wrong(
        "PERIOD(m1 + 1)",
        "! `out`, column 8: PERIOD takes the id of a metric, found `m1 + 1`",
    );
    wrong(
        "SORT(METRICS(), STDDEV, ASC)",
        "! `out`, column 23: expected `(` after STDDEV, found `,`",
    );
    wrong(
        "SORT(METRICS(), ASC, ASC)",
        "! `out`, column 17: SORT sorts by AVG, MIN, MAX or SUM, found `ASC`",
    );
    wrong(
        "SORT(METRICS(), AVG, 1)",
        "! `out`, column 22: SORT sorts ASC or DESC, found `1`",
    );
    wrong(
        "SLICE(METRICS(), m1)",
        "! `out`, column 18: SLICE takes a number here, found a time series",
    );
    wrong(
        "IF([m1], 1, 0)",
        "! `out`, column 4: IF takes time series and numbers, found an array of time series",
    );
    wrong(
        "1e999",
        "! `out`, column 1: `1e999` is too large for a number",
    );
    wrong(
        "1 + 1",
        "! `out`: the result must be a time series, this is a number; TIME_SERIES(...) makes a time series of it",
    );
    wrong(
        "SUM(m1)",
        "! `out`: the result must be a time series, this is a number; TIME_SERIES(...) makes a time series of it",
    );
    wrong(
        "m1 + ü",
        "! `out`, column 6: expected a number, an id, a function or an operator, found `ü`",
    );
    wrong(
        "METRICS(“m”)",
        "! `out`, column 9: expected a straight quote `\"`, found a curly one",
    );
    wrong(
        "SEARCH('{A} b', 'Sum')",
        "! `out`, column 1: SEARCH needs data that only AWS has",
    );
    wrong(
        "SERVICE_QUOTA(m1)",
        "! `out`, column 1: SERVICE_QUOTA needs data that only AWS has",
    );
    wrong(
        "SELECT MAX(a) FROM b",
        "! `out`, column 1: a Metrics Insights query needs data that only AWS has",
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let depth = format!("{}m1{}", "(".repeat(80), ")".repeat(80));
    check(
        "m1: 1",
        &depth,
        "! `out`, column 66: brackets are at most 64 deep",
    );
    let minus = format!("{}m1", "-".repeat(80));
    check(
        "m1: 1",
        &minus,
        "! `out`, column 66: brackets are at most 64 deep",
    );
    let long = format!("m1{}", " + 1".repeat(512));
    check(
        "m1: 1",
        &long,
        "! `out`, column 2049: an expression has at most 2048 characters",
    );
    // The longest chain that fits is evaluated.
    let chain = format!("m1{}", "+1".repeat(1_000));
    check("m1: 1", &chain, "1001");
    let many = format!("SUM([{}m1])", "METRICS(),".repeat(200));
    let metrics: Vec<String> = (1..=5).map(|i| format!("m{i}: 1")).collect();
    check(
        &metrics.join("\n"),
        &many,
        "! `out`, column 5: an array holds at most 500 time series, this 1001",
    );
}
