//! Metrics add up as CloudWatch's do.

use std::time::Duration;

use model::{
    Datum, MetricId, MetricStat, Resolution, Span, Stat, StatisticSet, Time, Unit, Values,
};

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Kind, MetricFilter, Metrics, Series, SeriesQuery};

/// The contract of [`Metrics`].
pub async fn metrics(port: &dyn Metrics, run: &Run) {
    let on = On { port, run };
    let mut report = Report::new("metrics", run);
    report
        .case(Case::PlainStatistics, plain_statistics(&on))
        .await;
    report.case(Case::CountedValues, counted_values(&on)).await;
    report.case(Case::StatisticSets, statistic_sets(&on)).await;
    report.case(Case::Percentiles, percentiles(&on)).await;
    report.case(Case::LongerPeriods, longer_periods(&on)).await;
    report
        .case(Case::GapsAreLeftOut, gaps_are_left_out(&on))
        .await;
    report
        .case(Case::HighResolution, high_resolution(&on))
        .await;
    report
        .case(Case::UnitsKeepApart, units_keep_apart(&on))
        .await;
    report.case(Case::SeveralUnits, several_units(&on)).await;
    report
        .case(Case::DimensionsAreExact, dimensions_are_exact(&on))
        .await;
    report
        .case(Case::QueriesInOrder, queries_in_order(&on))
        .await;
    report.case(Case::ListFilters, list_filters(&on)).await;
    report
        .case(Case::BadDataAreInvalid, bad_data_are_invalid(&on))
        .await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Metrics,
    run: &'a Run,
}

impl On<'_> {
    fn namespace(&self) -> String {
        format!("Contract/{}", self.run.prefix)
    }

    fn metric<const N: usize>(&self, name: &str, dimensions: [(&str, &str); N]) -> MetricId {
        MetricId::new(&self.namespace(), name, dimensions)
    }

    fn datum(&self, name: &str, at: Time, values: Values) -> Datum {
        Datum {
            metric: self.metric(name, []),
            unit: Unit::Count,
            at,
            resolution: Resolution::Standard,
            values,
        }
    }

    fn query(&self, name: &str, stat: Stat) -> SeriesQuery {
        SeriesQuery {
            stat: MetricStat {
                metric: self.metric(name, []),
                stat,
                period: 60,
                unit: None,
                region: None,
            },
            span: self.run.last_minutes(10),
        }
    }

    async fn put(&self, data: Vec<Datum>) -> Outcome {
        done("put", self.port.put(data).await)
    }

    async fn get(&self, query: SeriesQuery) -> Result<Series, String> {
        let mut answers = done("get", self.port.get(&[query]).await)?;
        match answers.len() {
            1 => Ok(answers.remove(0)),
            n => Err(format!("one query got {n} answers")),
        }
    }

    /// The points of one query, once they are as wanted.
    async fn expect(&self, query: SeriesQuery, want: &[(Time, f64)]) -> Outcome {
        self.run
            .eventually(async || {
                let got = self.get(query.clone()).await?;
                close(&query.stat.stat.to_string(), &got, want)
            })
            .await
    }
}

/// The same times, and values up to rounding.
fn close(what: &str, got: &Series, want: &[(Time, f64)]) -> Outcome {
    let equal = |(p, (at, value)): (&crate::Point, &(Time, f64))| {
        p.at == *at && (p.value - value).abs() <= value.abs() * 1e-9
    };
    if got.points.len() == want.len() && got.points.iter().zip(want).all(equal) {
        return Ok(());
    }
    let points: Vec<(Time, f64)> = got.points.iter().map(|p| (p.at, p.value)).collect();
    Err(format!("{what}: expected {want:?}, got {points:?}"))
}

const PLAIN: [Stat; 5] = [
    Stat::SampleCount,
    Stat::Sum,
    Stat::Average,
    Stat::Minimum,
    Stat::Maximum,
];

async fn plain_statistics(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let single = |v| on.datum("Plain", at, Values::Single(v));
    on.put(vec![single(3.0), single(1.0)]).await?;
    on.put(vec![single(8.0)]).await?;
    for (stat, want) in PLAIN.into_iter().zip([3.0, 12.0, 4.0, 1.0, 8.0]) {
        on.expect(on.query("Plain", stat), &[(at, want)]).await?;
    }
    Ok(())
}

async fn counted_values(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let values = Values::Counted(vec![(2.0, 3.0), (10.0, 1.0)]);
    on.put(vec![on.datum("Counted", at, values)]).await?;
    for (stat, want) in PLAIN.into_iter().zip([4.0, 16.0, 4.0, 2.0, 10.0]) {
        on.expect(on.query("Counted", stat), &[(at, want)]).await?;
    }
    Ok(())
}

async fn statistic_sets(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let set = StatisticSet {
        count: 10.0,
        sum: 55.0,
        min: 1.0,
        max: 10.0,
    };
    on.put(vec![
        on.datum("Sets", at, Values::Single(11.0)),
        on.datum("Sets", at, Values::Statistics(set)),
    ])
    .await?;
    for (stat, want) in PLAIN.into_iter().zip([11.0, 66.0, 6.0, 1.0, 11.0]) {
        on.expect(on.query("Sets", stat), &[(at, want)]).await?;
    }
    Ok(())
}

async fn percentiles(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let values = Values::Counted((1..=100).map(|v| (f64::from(v), 1.0)).collect());
    on.put(vec![on.datum("Percentiles", at, values)]).await?;
    for (p, want) in [(50.0, 50.0), (90.0, 90.0), (99.0, 99.0)] {
        on.run
            .eventually(async || {
                let query = on.query("Percentiles", Stat::Percentile(p));
                let got = on.get(query).await?;
                // CloudWatch does not publish how it interpolates: near is right.
                match got.points.as_slice() {
                    [point] if (point.value - want).abs() <= 2.0 => Ok(()),
                    other => Err(format!("p{p}: expected about {want}, got {other:?}")),
                }
            })
            .await?;
    }
    Ok(())
}

async fn longer_periods(on: &On<'_>) -> Outcome {
    let start = on.run.minutes_ago(10);
    let minute = |m: u32| start + Duration::from_secs(60) * m;
    let data = (0..7).map(|m| on.datum("Long", minute(m), Values::Single(f64::from(m))));
    on.put(data.collect()).await?;
    let mut query = on.query("Long", Stat::Sum);
    query.stat.period = 300;
    query.span = Span::new(start, minute(10));
    on.expect(query, &[(start, 10.0), (minute(5), 11.0)]).await
}

async fn gaps_are_left_out(on: &On<'_>) -> Outcome {
    let (first, last) = (on.run.minutes_ago(6), on.run.minutes_ago(2));
    let data = [first, last].map(|at| on.datum("Gaps", at, Values::Single(0.0)));
    on.put(data.to_vec()).await?;
    let query = on.query("Gaps", Stat::Sum);
    on.expect(query, &[(first, 0.0), (last, 0.0)]).await?;
    let got = on.get(on.query("NeverPut", Stat::Sum)).await?;
    same("a metric that was never put", got, Series::default())
}

async fn high_resolution(on: &On<'_>) -> Outcome {
    let start = on.run.minutes_ago(2);
    let second = |s: u64| start + Duration::from_secs(s);
    let data = [0, 4, 11].map(|s| Datum {
        resolution: Resolution::High,
        ..on.datum("Fine", second(s), Values::Single(1.0))
    });
    on.put(data.to_vec()).await?;
    let ask = |period, want: Vec<(Time, f64)>| {
        let mut query = on.query("Fine", Stat::Sum);
        query.stat.period = period;
        query.span = Span::new(start, second(60));
        async move { on.expect(query, &want).await }
    };
    ask(
        1,
        vec![(second(0), 1.0), (second(4), 1.0), (second(11), 1.0)],
    )
    .await?;
    ask(10, vec![(second(0), 2.0), (second(10), 1.0)]).await?;
    ask(60, vec![(start, 3.0)]).await
}

async fn put_two_units(on: &On<'_>, name: &str, at: Time) -> Outcome {
    let of = |unit, value| Datum {
        unit,
        ..on.datum(name, at, Values::Single(value))
    };
    on.put(vec![
        of(Unit::Seconds, 1.0),
        of(Unit::Milliseconds, 5.0),
        of(Unit::Milliseconds, 7.0),
    ])
    .await
}

async fn units_keep_apart(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    put_two_units(on, "Units", at).await?;
    let of = |unit| {
        let mut query = on.query("Units", Stat::Sum);
        query.stat.unit = Some(unit);
        query
    };
    on.expect(of(Unit::Seconds), &[(at, 1.0)]).await?;
    on.expect(of(Unit::Milliseconds), &[(at, 12.0)]).await?;
    on.expect(of(Unit::Bytes), &[]).await
}

async fn several_units(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    put_two_units(on, "SeveralUnits", at).await?;
    on.run
        .eventually(async || {
            let got = on.get(on.query("SeveralUnits", Stat::Sum)).await?;
            let want = "Multiple units returned: '[Milliseconds, Seconds]'";
            same("messages", got.messages.clone(), vec![want.to_owned()])?;
            let one = close("seconds", &got, &[(at, 1.0)]);
            one.or_else(|_| close("either unit", &got, &[(at, 12.0)]))
        })
        .await
}

async fn dimensions_are_exact(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let metrics = [
        on.metric("Exact", []),
        on.metric("Exact", [("Service", "a")]),
        on.metric("Exact", [("Service", "a"), ("Route", "/")]),
    ];
    let data = metrics
        .iter()
        .zip([1.0, 2.0, 4.0])
        .map(|(metric, v)| Datum {
            metric: metric.clone(),
            ..on.datum("Exact", at, Values::Single(v))
        });
    on.put(data.collect()).await?;
    for (metric, want) in metrics.iter().zip([1.0, 2.0, 4.0]) {
        let mut query = on.query("Exact", Stat::Sum);
        query.stat.metric = metric.clone();
        on.expect(query, &[(at, want)]).await?;
    }
    Ok(())
}

async fn queries_in_order(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    on.put(vec![
        on.datum("First", at, Values::Single(1.0)),
        on.datum("Third", at, Values::Single(3.0)),
    ])
    .await?;
    let names = ["First", "Second", "Third"];
    let queries = names.map(|name| on.query(name, Stat::Sum));
    on.run
        .eventually(async || {
            let got = done("get", on.port.get(&queries).await)?;
            same("answers", got.len(), 3)?;
            close("first", &got[0], &[(at, 1.0)])?;
            close("second", &got[1], &[])?;
            close("third", &got[2], &[(at, 3.0)])
        })
        .await
}

async fn list_filters(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let metrics = [
        on.metric("Listed", [("Service", "a")]),
        on.metric("Listed", [("Service", "b"), ("Zone", "z")]),
        on.metric("ListedToo", [("Service", "b")]),
    ];
    let data = metrics.iter().map(|metric| Datum {
        metric: metric.clone(),
        ..on.datum("Listed", at, Values::Single(1.0))
    });
    on.put(data.collect()).await?;
    let ask = |name: Option<&str>, dimensions: &[(&str, Option<&str>)], want: &[usize]| {
        let filter = MetricFilter {
            namespace: Some(on.namespace()),
            name: name.map(str::to_owned),
            dimensions: dimensions
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned)))
                .collect(),
        };
        let want: Vec<MetricId> = want.iter().map(|i| metrics[*i].clone()).collect();
        async move {
            on.run
                .eventually(async || {
                    let mut got = done("list", on.port.list(&filter).await)?;
                    got.retain(|m| m.name.starts_with("Listed"));
                    same("metrics", got, want.clone())
                })
                .await
        }
    };
    ask(None, &[], &[0, 1, 2]).await?;
    ask(Some("Listed"), &[], &[0, 1]).await?;
    ask(None, &[("Service", Some("b"))], &[1, 2]).await?;
    ask(None, &[("Zone", None)], &[1]).await?;
    ask(Some("Listed"), &[("Service", Some("c"))], &[]).await
}

async fn bad_data_are_invalid(on: &On<'_>) -> Outcome {
    let at = on.run.minutes_ago(2);
    let day = Duration::from_secs(86_400);
    let single = |at, v| on.datum("Bad", at, Values::Single(v));
    for (what, datum) in [
        ("not a number", single(at, f64::NAN)),
        ("infinite", single(at, f64::INFINITY)),
        ("beyond 2^360", single(at, 1e109)),
        ("15 days old", single(at - day * 15, 1.0)),
        ("3 hours ahead", single(at + day / 8, 1.0)),
        ("no name", on.datum("", at, Values::Single(1.0))),
    ] {
        fails(what, on.port.put(vec![datum]).await, Kind::Invalid)?;
    }
    Ok(())
}
