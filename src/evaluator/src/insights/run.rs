//! Rows through the commands, one after the other.

use std::cmp::Ordering;
use std::collections::HashSet;

use model::{LogColumn, LogRole, LogTable, LogValue, Time};

use super::evaluate::{Scope, order};
use super::expr::Expr;
use super::fields::Row;
use super::stats::{MOST_GROUPS, stats};
use super::{Command, Event, MOST_ROWS, Named, Parse, Query};

pub(super) fn run(query: &Query, events: &[Event<'_>], now: Time) -> LogTable {
    let mut rows: Vec<Row<'_>> = events.iter().map(|e| Row::of(*e)).collect();
    let mut table = LogTable {
        scanned: rows.len(),
        ..LogTable::default()
    };
    let mut columns: Vec<LogColumn> = Vec::new();
    let mut matched = None;
    let mut limited = false;
    for command in &query.commands {
        match command {
            Command::Fields(list) => {
                compute(&mut rows, list, now);
                for named in list {
                    show(&mut columns, &named.name);
                }
            }
            Command::Display(list) => {
                compute(&mut rows, list, now);
                let before = std::mem::take(&mut columns);
                for named in list {
                    match before.iter().find(|c| c.name == named.name) {
                        Some(known) => columns.push(known.clone()),
                        None => show(&mut columns, &named.name),
                    }
                }
            }
            Command::Filter(expr) => rows.retain(|row| scope(row, now).holds(expr)),
            Command::Parse(parse) => {
                for row in &mut rows {
                    extract(parse, row, now);
                }
                if columns.is_empty() {
                    show(&mut columns, "@timestamp");
                    show(&mut columns, "@message");
                }
                for (_, name) in &parse.captures {
                    show(&mut columns, name);
                }
            }
            Command::Stats(wanted) => {
                matched.get_or_insert(rows.len());
                let (made, more) = stats(wanted, &rows, now);
                rows = made;
                if more {
                    let note = format!(
                        "There are more than {MOST_GROUPS} groups; those beyond are left out."
                    );
                    table.notes.push(note);
                }
                let by = wanted.by.iter().map(|n| LogColumn {
                    name: n.name.clone(),
                    role: match n.expr.is_time() {
                        true => LogRole::Time,
                        false => LogRole::Group,
                    },
                });
                let measures = wanted.columns.iter().map(|n| LogColumn {
                    name: n.name.clone(),
                    role: LogRole::Measure,
                });
                columns = by.chain(measures).collect();
            }
            Command::Sort(by) => {
                rows.sort_by(|a, b| {
                    let (a, b) = (scope(a, now), scope(b, now));
                    let compared = by.iter().map(|o| {
                        let order = order(&a.value(&o.by), &b.value(&o.by));
                        match o.descending {
                            true => order.reverse(),
                            false => order,
                        }
                    });
                    compared.fold(Ordering::Equal, Ordering::then)
                });
            }
            Command::Limit(most) => {
                matched.get_or_insert(rows.len());
                rows.truncate(*most);
                limited = true;
            }
            Command::Dedup(by) => {
                let mut seen: HashSet<Vec<String>> = HashSet::new();
                rows.retain(|row| {
                    let scope = scope(row, now);
                    let key: Vec<LogValue> = by.iter().map(|e| scope.value(e)).collect();
                    // Events without the field are no doubles of each other.
                    key.iter().any(LogValue::is_missing)
                        || seen.insert(key.iter().map(ToString::to_string).collect())
                });
            }
        }
    }
    table.matched = matched.unwrap_or(rows.len());
    if !limited && rows.len() > MOST_ROWS {
        let note = format!("The first {MOST_ROWS} of {} rows.", rows.len());
        table.notes.push(note);
        rows.truncate(MOST_ROWS);
    }
    if columns.is_empty() {
        show(&mut columns, "@timestamp");
        show(&mut columns, "@message");
    }
    table.rows = rows
        .iter()
        .map(|row| columns.iter().map(|c| row.get(&c.name)).collect())
        .collect();
    table.columns = columns;
    table
}

fn scope<'r, 'a>(row: &'r Row<'a>, now: Time) -> Scope<'r, 'a> {
    Scope {
        row,
        computed: &[],
        now,
    }
}

/// Gives rows what the expressions say, under their names.
fn compute(rows: &mut [Row<'_>], list: &[Named], now: Time) {
    for row in rows {
        for named in list {
            // A field that is only shown needs no second place.
            if matches!(&named.expr, Expr::Field(name) if *name == named.name) {
                continue;
            }
            let value = scope(row, now).value(&named.expr);
            row.name(&named.name, value);
        }
    }
}

/// Fields of several `fields` show together, each once.
fn show(columns: &mut Vec<LogColumn>, name: &str) {
    if !columns.iter().any(|c| c.name == name) {
        columns.push(LogColumn {
            name: name.to_owned(),
            role: LogRole::Field,
        });
    }
}

fn extract(parse: &Parse, row: &mut Row<'_>, now: Time) {
    let text = scope(row, now).value(&parse.from).to_string();
    let found = parse.regex.captures(&text);
    for (group, name) in &parse.captures {
        let part = found.as_ref().and_then(|found| found.get(*group));
        let part = part.map_or(LogValue::Missing, |m| LogValue::Text(m.as_str().to_owned()));
        row.name(name, part);
    }
}
