//! Which metric each series of a result comes from, for its label.

use super::evaluate::Run;
use super::plan::Plan;
use super::series::present;

/// The place of the metric that a series is, or is computed from alone.
pub(super) type Origin = Option<usize>;

impl<'a> Run<'a> {
    /// One for each series that [`Run::value`] gives. `steps` are those of the earlier expressions.
    pub(super) fn origins(&self, plan: &'a Plan, steps: &[Vec<Origin>]) -> Vec<Origin> {
        let of = |plan: &'a Plan| self.origins(plan, steps);
        match plan {
            Plan::Metric(index) => vec![Some(*index)],
            Plan::Step(index) => steps.get(*index).cloned().unwrap_or_default(),
            Plan::Array(items) => items.iter().flat_map(of).collect(),
            Plan::Negate(inner)
            | Plan::PerPoint(_, inner)
            | Plan::Along(_, inner)
            | Plan::Fill(inner, _) => of(inner),
            Plan::Binary(_, left, right) => match (of(left), of(right)) {
                // An array stands on one side at most, and gives its series their names.
                (array, other) if array.len() > 1 || other.is_empty() => array,
                (one, array) if array.len() > 1 || one.is_empty() => array,
                // Of two series, the result is of neither alone.
                _ => vec![None],
            },
            Plan::RemoveEmpty(inner) => {
                let values = self.value(inner).list();
                let both = of(inner).into_iter().zip(values);
                both.filter(|(_, series)| present(series).next().is_some())
                    .map(|(origin, _)| origin)
                    .collect()
            }
            Plan::Slice(inner, from, to) => self.cut(of(inner), from, to.as_deref()),
            Plan::Sort(inner, order) => {
                let before = of(inner);
                let sorted = self.sorted(inner, order).into_iter();
                sorted
                    .map(|(place, _)| before.get(place).copied().flatten())
                    .collect()
            }
            Plan::Number(_) | Plan::MetricCount(_) => Vec::new(),
            Plan::Band(_) => vec![None; 2],
            Plan::If(..)
            | Plan::Aggregate(..)
            | Plan::Calendar(_)
            | Plan::Pick(..)
            | Plan::TimeSeries(_) => vec![None],
        }
    }
}
