//! What CloudWatch takes in an alarm and advises against.

use std::collections::BTreeSet;

use model::{MathEntry, MathExpression, MetricStat};

use super::expr::{Expr, Node};
use super::function::Function;
use super::plan::Kind;
use super::program::{Program, read};
use super::{Fault, FaultKind};

/// The most metrics in one alarm.
const MOST_METRICS: usize = 10;

/// Everything that CloudWatch refuses or advises against in the entries of an alarm, and what is
/// not evaluated here.
pub fn check_alarm(entries: &[MathEntry], watch: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut read_all = Vec::new();
    for entry in entries {
        if let MathExpression::Expression { expression, .. } = &entry.source {
            match read(&entry.id, expression) {
                Ok(expr) => read_all.push((entry.id.as_str(), expr)),
                Err(fault) => faults.push(fault),
            }
        }
    }
    let metrics: Vec<&MetricStat> = entries
        .iter()
        .filter_map(|entry| match &entry.source {
            MathExpression::Metric(stat) => Some(stat),
            MathExpression::Expression { .. } => None,
        })
        .collect();
    if metrics.len() > MOST_METRICS {
        let message = format!(
            "{} metrics in one alarm; CloudWatch takes {MOST_METRICS}",
            metrics.len()
        );
        faults.push(Fault::invalid("", 0, message));
    }
    let all = calls(&read_all);
    let banded = all
        .iter()
        .any(|c| c.function == Function::AnomalyDetectionBand);
    for call in &all {
        faults.extend(call.refused(banded));
    }
    if banded && metrics.iter().any(|m| m.period < 60) {
        let message = "an anomaly band takes no metric with a period under a minute";
        faults.push(Fault::invalid("", 0, message));
    }
    // A band's alarm watches the metric, and the expression need not be one series.
    match Program::query(entries, watch) {
        Ok(program) => match program.kind() {
            Kind::Array(count) => {
                let message =
                    format!("an alarm watches one time series, this is an array of up to {count}");
                faults.push(Fault::invalid(watch, 0, message));
            }
            Kind::Series | Kind::Scalar => {}
        },
        Err(fault)
            if faults
                .iter()
                .any(|f| f.entry == fault.entry && f.column == fault.column) => {}
        Err(fault) => faults.push(fault),
    }
    faults.extend(all.iter().filter_map(Found::advice));
    faults
}

/// A function that an expression calls.
struct Found<'a> {
    entry: &'a str,
    column: usize,
    function: Function,
    /// Whether it is of one series, and so gives a number of all points fetched.
    total: bool,
}

impl Found<'_> {
    fn refused(&self, banded: bool) -> Option<Fault> {
        let message = match self.function {
            Function::Search => "an alarm cannot watch SEARCH",
            Function::Metrics if banded => "METRICS cannot be used together with an anomaly band",
            _ => return None,
        };
        Some(Fault::invalid(self.entry, self.column, message))
    }

    fn advice(&self) -> Option<Fault> {
        let function = self.function;
        let message = match function {
            Function::Sum | Function::Avg | Function::Min | Function::Max | Function::Stddev
                if self.total =>
            {
                format!(
                    "{function} of one series depends on how many points CloudWatch fetches, \
                     which are more than the evaluation periods"
                )
            }
            Function::DatapointCount | Function::RemoveEmpty | Function::RunningSum => format!(
                "{function} depends on how many points CloudWatch fetches, which are more than \
                 the evaluation periods"
            ),
            Function::Fill => "a metric that is a little late is always filled in the newest \
                               period, which can hold the alarm in one state; M of N datapoints \
                               help"
                .into(),
            _ => return None,
        };
        Some(Fault {
            kind: FaultKind::Advice,
            ..Fault::invalid(self.entry, self.column, message)
        })
    }
}

/// Every call, in the order of the text.
fn calls<'a>(expressions: &'a [(&'a str, Expr)]) -> Vec<Found<'a>> {
    let arrays = arrays(expressions);
    let mut found = Vec::new();
    for (entry, expr) in expressions {
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            match &expr.node {
                Node::Array(items) => open.extend(items),
                Node::Negate(of) => open.push(of),
                Node::Binary(_, left, right) => open.extend([left.as_ref(), right.as_ref()]),
                Node::Call(function, arguments) => {
                    open.extend(arguments);
                    let of_array = arguments.first().is_some_and(|a| is_array(a, &arrays));
                    found.push(Found {
                        entry,
                        column: expr.column,
                        function: *function,
                        total: !of_array,
                    });
                }
                Node::Number(_) | Node::Id(_) | Node::Text(_) | Node::Word(_) => {}
            }
        }
    }
    found.sort_by_key(|call| (call.entry, call.column));
    found
}

/// The ids of the expressions that are arrays, also by way of others.
fn arrays<'a>(expressions: &'a [(&'a str, Expr)]) -> BTreeSet<&'a str> {
    let mut arrays = BTreeSet::new();
    loop {
        let before = arrays.len();
        for (id, expr) in expressions {
            if is_array(expr, &arrays) {
                arrays.insert(*id);
            }
        }
        if arrays.len() == before {
            return arrays;
        }
    }
}

/// Whether an expression is an array, going by the ids that are known to be.
fn is_array(expr: &Expr, arrays: &BTreeSet<&str>) -> bool {
    match &expr.node {
        Node::Array(_) => true,
        Node::Id(id) => arrays.contains(id.as_str()),
        Node::Negate(of) => is_array(of, arrays),
        Node::Binary(_, left, right) => is_array(left, arrays) || is_array(right, arrays),
        Node::Call(function, arguments) => match function {
            Function::Metrics
            | Function::Sort
            | Function::Slice
            | Function::RemoveEmpty
            | Function::AnomalyDetectionBand => true,
            Function::Abs
            | Function::Ceil
            | Function::Floor
            | Function::Log
            | Function::Log10
            | Function::Diff
            | Function::DiffTime
            | Function::Rate
            | Function::RunningSum
            | Function::Fill => arguments.first().is_some_and(|a| is_array(a, arrays)),
            _ => false,
        },
        Node::Number(_) | Node::Text(_) | Node::Word(_) => false,
    }
}
