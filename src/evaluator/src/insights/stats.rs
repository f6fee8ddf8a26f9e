//! `stats`: one row a group, of what was kept of its events.

use std::collections::{HashMap, HashSet};

use model::{LogValue, Time};

use super::evaluate::{Scope, order};
use super::fields::Row;
use super::{Aggregate, Kind, Stats};

/// As many groups as are kept; what belongs to others is left out and said.
pub(super) const MOST_GROUPS: usize = 10_000;

/// The rows of the groups, and whether there were more.
pub(super) fn stats<'a>(stats: &Stats, rows: &[Row<'a>], now: Time) -> (Vec<Row<'a>>, bool) {
    let mut places: HashMap<Vec<String>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<LogValue>, Vec<Kept>)> = Vec::new();
    let mut more = false;
    let fresh = || -> Vec<Kept> {
        let kinds = stats.aggregates.iter().map(|a| a.kind);
        kinds.map(Kept::new).collect()
    };
    for row in rows {
        let scope = Scope {
            row,
            computed: &[],
            now,
        };
        let key: Vec<LogValue> = stats.by.iter().map(|n| scope.value(&n.expr)).collect();
        let shown: Vec<String> = key.iter().map(ToString::to_string).collect();
        let known = places.get(&shown).copied();
        let place = match known {
            Some(place) => place,
            None if groups.len() >= MOST_GROUPS => {
                more = true;
                continue;
            }
            None => {
                places.insert(shown, groups.len());
                groups.push((key, fresh()));
                groups.len() - 1
            }
        };
        for (aggregate, kept) in stats.aggregates.iter().zip(&mut groups[place].1) {
            kept.take(aggregate, &scope);
        }
    }
    // Without groups there is one row, also of no events.
    if stats.by.is_empty() && groups.is_empty() {
        groups.push((Vec::new(), fresh()));
    }
    let empty = Row::made(Vec::new());
    let mut made: Vec<Row<'a>> = Vec::with_capacity(groups.len());
    // What is grouped by time comes newest first, as rows of events do.
    if let Some(time) = stats.by.iter().position(|n| n.expr.is_time()) {
        groups.sort_by(|a, b| order(&b.0[time], &a.0[time]));
    }
    for (key, kept) in groups {
        let computed: Vec<LogValue> = kept.into_iter().map(Kept::value).collect();
        let scope = Scope {
            row: &empty,
            computed: &computed,
            now,
        };
        let mut own: Vec<(String, LogValue)> = stats
            .by
            .iter()
            .zip(key)
            .map(|(n, value)| (n.name.clone(), value))
            .collect();
        for column in &stats.columns {
            own.push((column.name.clone(), scope.value(&column.expr)));
        }
        made.push(Row::made(own));
    }
    (made, more)
}

/// What is kept of a group for one aggregate.
enum Kept {
    Count(f64),
    Distinct(HashSet<String>),
    /// Sum and count.
    Sum(f64, f64),
    Average(f64, f64),
    /// The best so far, and whether a later one has to be less or more.
    Best(LogValue, Kind),
    Values(Vec<f64>, f64),
    /// Welford: count, mean, sum of squared distances.
    Deviation(f64, f64, f64),
    /// The value at the first or last time.
    At(Option<i64>, LogValue, Kind),
}

impl Kept {
    fn new(kind: Kind) -> Kept {
        match kind {
            Kind::Count => Kept::Count(0.0),
            Kind::CountDistinct => Kept::Distinct(HashSet::new()),
            Kind::Sum => Kept::Sum(0.0, 0.0),
            Kind::Average => Kept::Average(0.0, 0.0),
            Kind::Minimum | Kind::Maximum | Kind::SortsFirst | Kind::SortsLast => {
                Kept::Best(LogValue::Missing, kind)
            }
            Kind::Percentile(p) => Kept::Values(Vec::new(), p),
            Kind::Deviation => Kept::Deviation(0.0, 0.0, 0.0),
            Kind::Earliest | Kind::Latest => Kept::At(None, LogValue::Missing, kind),
        }
    }

    fn take(&mut self, aggregate: &Aggregate, scope: &Scope<'_, '_>) {
        let Some(of) = &aggregate.of else {
            if let Kept::Count(n) = self {
                *n += 1.0;
            }
            return;
        };
        let value = scope.value(of);
        if value.is_missing() {
            return;
        }
        match self {
            Kept::Count(n) => *n += 1.0,
            Kept::Distinct(seen) => {
                seen.insert(value.to_string());
            }
            Kept::Sum(sum, count) | Kept::Average(sum, count) => {
                if let Some(n) = value.number() {
                    *sum += n;
                    *count += 1.0;
                }
            }
            Kept::Best(best, kind) => {
                let numeric = matches!(kind, Kind::Minimum | Kind::Maximum);
                if numeric && value.number().is_none() {
                    return;
                }
                let less = matches!(kind, Kind::Minimum | Kind::SortsFirst);
                let compared = order(&value, best);
                if best.is_missing() || (compared.is_lt() && less) || (compared.is_gt() && !less) {
                    *best = value;
                }
            }
            Kept::Values(values, _) => values.extend(value.number()),
            Kept::Deviation(count, mean, squares) => {
                if let Some(n) = value.number() {
                    *count += 1.0;
                    let distance = n - *mean;
                    *mean += distance / *count;
                    *squares += distance * (n - *mean);
                }
            }
            Kept::At(best, kept, kind) => {
                let at = match scope.row.get("@timestamp") {
                    LogValue::Time(at) => at.millis(),
                    _ => 0,
                };
                let better = match (*best, *kind) {
                    (None, _) => true,
                    (Some(best), Kind::Earliest) => at <= best,
                    (Some(best), _) => at > best,
                };
                if better {
                    (*best, *kept) = (Some(at), value);
                }
            }
        }
    }

    fn value(self) -> LogValue {
        match self {
            Kept::Count(n) => LogValue::Number(n),
            Kept::Distinct(seen) => LogValue::Number(seen.len() as f64),
            Kept::Sum(_, 0.0) | Kept::Average(_, 0.0) | Kept::Deviation(0.0, ..) => {
                LogValue::Missing
            }
            Kept::Sum(sum, _) => LogValue::Number(sum),
            Kept::Average(sum, count) => LogValue::Number(sum / count),
            Kept::Best(LogValue::Text(text), Kind::Minimum | Kind::Maximum) => {
                let number = LogValue::Text(text).number();
                number.map_or(LogValue::Missing, LogValue::Number)
            }
            Kept::Best(best, _) => best,
            Kept::Values(values, p) => percentile(values, p),
            Kept::Deviation(count, _, squares) => LogValue::Number((squares / count).sqrt()),
            Kept::At(_, value, _) => value,
        }
    }
}

/// Between the two nearest ranks. AWS does not say how Insights computes percentiles.
fn percentile(mut values: Vec<f64>, p: f64) -> LogValue {
    if values.is_empty() {
        return LogValue::Missing;
    }
    values.sort_by(f64::total_cmp);
    let rank = p / 100.0 * (values.len() - 1) as f64;
    let below = rank.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    let share = rank - below as f64;
    LogValue::Number(values[below] + (values[above] - values[below]) * share)
}
