//! All entries of a request, in the order in which they can be evaluated.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::problem::nearest;
use model::{MathEntry, MathExpression, MetricId, MetricStat, Span};

use super::evaluate::{Run, Value};
use super::expr::{Expr, Node};
use super::function::Function;
use super::origin::Origin;
use super::plan::{FoundAt, Kind, MOST_SERIES, Meaning, Plan, Scope};
use super::series::Grid;
use super::{Band, Fault, Settings, parse};
use crate::alarm::Slot;
use crate::search::{Call, MOST_SEARCHES};

/// The period of what SEARCH finds where nobody says one: that of a dashboard.
const SEARCHED_PERIOD: u32 = 300;

/// Entries that can be evaluated, and the one that is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// The ids of the metrics, in the order of the entries.
    ids: Vec<String>,
    needs: Vec<MetricStat>,
    steps: Vec<Step>,
    bands: Vec<String>,
    watched: Watched,
    kind: Kind,
    period: u32,
    found_more: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    plan: Plan,
    /// Whether what is watched depends on it.
    needed: bool,
    windowed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Watched {
    Metric(usize),
    Step(usize),
}

/// What a program is evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Where the points lie; its step is [`Program::period`].
    pub grid: Grid,
    /// One for each of [`Program::needs`]; what is missing at the end is missing.
    pub series: &'a [&'a [f64]],
    /// Recorded bands by the id of the entry that has `ANOMALY_DETECTION_BAND`.
    pub bands: &'a [(&'a str, Band<'a>)],
    /// What AWS leaves open.
    pub settings: Settings,
}

/// What a SEARCH looks among.
#[derive(Debug, Clone, Copy)]
pub struct Searched<'a> {
    /// All metrics there are.
    pub metrics: &'a [MetricId],
    /// What is found is read with this period at least, in seconds; 0: as the SEARCH says.
    pub at_least: u32,
}

impl Program {
    /// For an alarm: what is watched must be one time series.
    ///
    /// # Errors
    /// The first thing that is wrong with any entry.
    pub fn compile(entries: &[MathEntry], watch: &str) -> Result<Program, Fault> {
        let program = Program::query(entries, watch)?;
        if program.kind != Kind::Series {
            let message = format!("an alarm watches one time series, this is {}", program.kind);
            return Err(Fault::invalid(watch, 0, message));
        }
        Ok(program)
    }

    /// For a query: what is watched is one time series or an array of them.
    ///
    /// # Errors
    /// The first thing that is wrong with any entry.
    pub fn query(entries: &[MathEntry], watch: &str) -> Result<Program, Fault> {
        Program::made(Request::read(entries, None)?, watch)
    }

    /// For a query whose expressions may SEARCH. What is found joins
    /// [`Program::needs`] behind the entries' own, without an id.
    ///
    /// # Errors
    /// The first thing that is wrong with any entry.
    pub fn searching(
        entries: &[MathEntry],
        watch: &str,
        searched: &Searched<'_>,
    ) -> Result<Program, Fault> {
        Program::made(Request::read(entries, Some(searched))?, watch)
    }

    fn made(request: Request<'_>, watch: &str) -> Result<Program, Fault> {
        let entries = request.entries;
        let (steps, bands) = request.plan()?;
        let (watched, kind) = match request.meanings.get(watch).copied() {
            Some(Meaning::Metric { index, .. }) => (Watched::Metric(index), Kind::Series),
            Some(Meaning::Step { index, .. }) => (Watched::Step(index), steps[index].kind),
            None => return Err(unknown(watch, entries)),
        };
        if kind == Kind::Scalar {
            let message = "the result must be a time series, this is a number; TIME_SERIES(...) \
                           makes a time series of it";
            return Err(Fault::invalid(watch, 0, message));
        }
        let needed = request.needed(watched);
        let metrics = request.metrics.iter();
        Ok(Program {
            ids: request.metrics.iter().map(|(id, _)| (*id).into()).collect(),
            needs: metrics.map(|(_, stat)| stat.clone().into_owned()).collect(),
            steps: (0..)
                .zip(steps)
                .map(|(i, step)| Step {
                    plan: step.plan,
                    needed: needed.contains(&i),
                    windowed: step.windowed,
                })
                .collect(),
            bands,
            watched,
            kind,
            period: request.period,
            found_more: request.found_more,
        })
    }

    /// The metrics to fetch, in the order of the entries.
    pub fn needs(&self) -> &[MetricStat] {
        &self.needs
    }

    /// The ids of [`Program::needs`].
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The entries for which a recorded band can be given.
    pub fn bands(&self) -> &[String] {
        &self.bands
    }

    /// The period of every series, in seconds.
    pub fn period(&self) -> u32 {
        self.period
    }

    /// What is watched.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a SEARCH found more than [`crate::search::MOST_SERIES`], of which the first are used.
    pub fn found_more(&self) -> bool {
        self.found_more
    }

    /// Whether each point depends on the points of its own timestamp alone: then a whole history can
    /// be computed at once, and any window cut out of it. Other programs give in each window what
    /// they make of that window.
    pub fn is_pointwise(&self) -> bool {
        !self.steps.iter().any(|step| step.needed && step.windowed)
    }

    /// The value of what is watched: [`Value::Series`] after [`Program::compile`].
    pub fn evaluate(&self, inputs: &Inputs<'_>) -> Value<'static> {
        self.run(inputs, None)
    }

    /// The series of what is watched, each with the one of [`Program::needs`] that it is, or that
    /// it is computed from alone.
    pub fn series(&self, inputs: &Inputs<'_>) -> Vec<(Option<usize>, Vec<f64>)> {
        let mut origins = Vec::new();
        let value = self.run(inputs, Some(&mut origins));
        let of = |i: usize| origins.get(i).copied().flatten();
        let list = value.list().into_iter().enumerate();
        list.map(|(i, series)| (of(i), series.into_owned()))
            .collect()
    }

    fn run(&self, inputs: &Inputs<'_>, last_origins: Option<&mut Vec<Origin>>) -> Value<'static> {
        let len = inputs.grid.len;
        let metrics: Vec<Cow<'_, [f64]>> = (0..self.needs.len())
            .map(|i| match inputs.series.get(i) {
                Some(series) if series.len() == len => Cow::Borrowed(*series),
                short => {
                    let mut own = short.map(|s| s.to_vec()).unwrap_or_default();
                    own.resize(len, f64::NAN);
                    Cow::Owned(own)
                }
            })
            .collect();
        let bands: Vec<Option<Band<'_>>> = self
            .bands
            .iter()
            .map(|id| {
                inputs
                    .bands
                    .iter()
                    .find(|(of, _)| of == id)
                    .map(|(_, b)| *b)
            })
            .collect();
        let last = match self.watched {
            Watched::Metric(index) => {
                if let Some(origins) = last_origins {
                    *origins = vec![Some(index)];
                }
                let series = metrics.into_iter().nth(index).unwrap_or_default();
                return Value::Series(series).into_owned();
            }
            Watched::Step(index) => index,
        };
        let mut values: Vec<Value<'static>> = Vec::with_capacity(last + 1);
        let mut origins: Vec<Vec<Origin>> = Vec::new();
        for step in &self.steps[..=last] {
            let value = match step.needed {
                false => Value::Scalar(f64::NAN),
                true => {
                    let run = Run {
                        grid: inputs.grid,
                        settings: inputs.settings,
                        metrics: &metrics,
                        bands: &bands,
                        steps: &values,
                    };
                    if last_origins.is_some() {
                        let found = run.origins(&step.plan, &origins);
                        origins.resize(values.len(), Vec::new());
                        origins.push(found);
                    }
                    run.value(&step.plan).into_owned()
                }
            };
            values.push(value);
        }
        if let Some(of) = last_origins {
            *of = origins.pop().unwrap_or_default();
        }
        values.pop().unwrap_or(Value::Scalar(f64::NAN))
    }

    /// The slots of an alarm's window, for [`crate::alarm::evaluate`]. The series are those of
    /// [`Program::needs`] on [`Program::grid`] of the same window.
    pub fn slots(&self, window: Span, series: &[Vec<f64>], settings: Settings) -> Vec<Slot> {
        let grid = self.grid(window);
        let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        let value = self.evaluate(&Inputs {
            grid,
            series: &series,
            bands: &[],
            settings,
        });
        let points = value.list().into_iter().next().unwrap_or_default();
        (0..grid.len)
            .map(|i| Slot {
                start: grid.at(i),
                value: points.get(i).copied().filter(|v| !v.is_nan()),
                samples: None,
            })
            .collect()
    }

    /// The periods of a window.
    pub fn grid(&self, window: Span) -> Grid {
        Grid::of(window, Duration::from_secs(u64::from(self.period)))
    }
}

struct Planned {
    plan: Plan,
    kind: Kind,
    windowed: bool,
}

/// The entries as read, expressions in the order of their dependencies.
struct Request<'a> {
    entries: &'a [MathEntry],
    /// By id; those that a SEARCH found have none.
    metrics: Vec<(&'a str, Cow<'a, MetricStat>)>,
    found: Option<FoundAt>,
    found_more: bool,
    expressions: Vec<(&'a str, Expr)>,
    meanings: BTreeMap<&'a str, Meaning>,
    period: u32,
}

impl<'a> Request<'a> {
    fn read(entries: &'a [MathEntry], searched: Option<&Searched<'_>>) -> Result<Self, Fault> {
        if entries.len() > MOST_SERIES {
            let message = format!("a request has at most {MOST_SERIES} entries");
            return Err(Fault::invalid("", 0, message));
        }
        let mut seen = BTreeSet::new();
        let (mut metrics, mut expressions, mut own_period) = (Vec::new(), Vec::new(), None);
        for entry in entries {
            let id = entry.id.as_str();
            if !is_id(id) {
                let message = "ids begin with a lower-case letter and go on with letters, digits \
                               and `_`";
                return Err(Fault::invalid(id, 0, message));
            }
            if !seen.insert(id) {
                return Err(Fault::invalid(id, 0, "the id is given twice"));
            }
            match &entry.source {
                MathExpression::Metric(stat) => metrics.push((id, Cow::Borrowed(stat))),
                MathExpression::Expression { expression, period } => {
                    own_period = own_period.or(*period);
                    expressions.push((id, read(id, expression)?));
                }
            }
        }
        let (found, found_more) = match searched {
            Some(searched) => {
                let period = metrics.first().map(|(_, m)| m.period).or(own_period);
                let (found, more) = search(&expressions, searched, period, &mut metrics)?;
                (Some(found), more)
            }
            None => (None, false),
        };
        let period = metrics.first().map(|(_, m)| m.period);
        if let Some((id, stat)) = metrics.iter().find(|(_, m)| Some(m.period) != period) {
            let first = match metrics[0].0 {
                "" => "what SEARCH finds".to_owned(),
                id => format!("`{id}`"),
            };
            let message = format!(
                "its period of {} s differs from that of {first}, {} s: metrics of a request have \
                 one period here",
                stat.period,
                period.unwrap_or(0)
            );
            return Err(Fault::invalid(id, 0, message));
        }
        let period = period.or(own_period).unwrap_or(60).max(1);
        let meanings = (0..)
            .zip(&metrics)
            .filter(|(_, (id, _))| !id.is_empty())
            .map(|(index, (id, stat))| {
                let period = stat.period;
                (*id, Meaning::Metric { index, period })
            })
            .collect();
        let expressions = in_order(expressions)?;
        Ok(Request {
            entries,
            metrics,
            found,
            found_more,
            expressions,
            meanings,
            period,
        }
        .with_steps())
    }

    /// The kinds are filled in as the steps are planned.
    fn with_steps(mut self) -> Self {
        for (index, (id, _)) in self.expressions.iter().enumerate() {
            let kind = Kind::Series;
            self.meanings.insert(id, Meaning::Step { index, kind });
        }
        self
    }

    /// The steps, and the entries that have a band.
    fn plan(&self) -> Result<(Vec<Planned>, Vec<String>), Fault> {
        let ids: Vec<String> = self.metrics.iter().map(|(id, _)| (*id).into()).collect();
        let (mut steps, mut bands): (Vec<Planned>, _) = (Vec::new(), Vec::new());
        for (entry, expr) in &self.expressions {
            let meaning = |id: &str| match *self.meanings.get(id)? {
                Meaning::Step { index, .. } => {
                    let kind = steps.get(index)?.kind;
                    Some(Meaning::Step { index, kind })
                }
                metric => Some(metric),
            };
            let mut windowed = false;
            let (plan, kind) = Scope {
                entry,
                meaning: &meaning,
                known: self.entries,
                metrics: &ids,
                found: self.found.as_ref(),
                bands: &mut bands,
                windowed: &mut windowed,
            }
            .plan(expr)?;
            steps.push(Planned {
                plan,
                kind,
                windowed,
            });
        }
        Ok((steps, bands))
    }

    /// The steps that something watched depends on, itself included.
    fn needed(&self, watched: Watched) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open = match watched {
            Watched::Metric(_) => Vec::new(),
            Watched::Step(index) => vec![index],
        };
        while let Some(index) = open.pop() {
            if !needed.insert(index) {
                continue;
            }
            let ids = references(&self.expressions[index].1);
            open.extend(ids.iter().filter_map(|id| match self.meanings.get(id)? {
                Meaning::Step { index, .. } => Some(*index),
                Meaning::Metric { .. } => None,
            }));
        }
        needed
    }
}

/// Finds what the SEARCHes of expressions ask for: the metrics go behind those that are there.
fn search(
    expressions: &[(&str, Expr)],
    searched: &Searched<'_>,
    period: Option<u32>,
    metrics: &mut Vec<(&str, Cow<'_, MetricStat>)>,
) -> Result<(FoundAt, bool), Fault> {
    let (mut found, mut more) = (BTreeMap::new(), false);
    for (entry, expr) in expressions {
        for (column, arguments) in calls(expr, Function::Search) {
            if found.len() == MOST_SEARCHES {
                let message = format!("a request has at most {MOST_SEARCHES} SEARCHes");
                return Err(Fault::invalid(entry, column, message));
            }
            let call = call(entry, column, arguments)?;
            let start = metrics.len();
            let (list, cut) = call.find(searched.metrics, period.unwrap_or(SEARCHED_PERIOD));
            let longer = list.into_iter().map(|stat| MetricStat {
                period: stat.period.max(searched.at_least),
                ..stat
            });
            more |= cut;
            metrics.extend(longer.map(|stat| ("", Cow::Owned(stat))));
            found.insert(((*entry).to_owned(), column), start..metrics.len());
        }
    }
    Ok((found, more))
}

/// The entries that one of them needs, itself included, in their order: whatever else a request
/// asks for may have other periods. Expressions that cannot be read need nothing.
pub fn part(entries: &[MathEntry], watch: &str) -> Vec<MathEntry> {
    let mut needed = BTreeSet::new();
    let mut open = vec![watch.to_owned()];
    while let Some(id) = open.pop() {
        if !needed.insert(id.clone()) {
            continue;
        }
        let Some(entry) = entries.iter().find(|e| e.id == id) else {
            continue;
        };
        let MathExpression::Expression { expression, .. } = &entry.source else {
            continue;
        };
        let Ok(expr) = read(&id, expression) else {
            continue;
        };
        open.extend(references(&expr).into_iter().map(str::to_owned));
        for (_, arguments) in calls(&expr, Function::Metrics) {
            let like = match arguments.first().map(|a| &a.node) {
                Some(Node::Text(text)) => text.as_str(),
                _ => "",
            };
            let metrics = entries
                .iter()
                .filter(|e| matches!(e.source, MathExpression::Metric(_)) && e.id.contains(like));
            open.extend(metrics.map(|e| e.id.clone()));
        }
    }
    let part = entries.iter().filter(|e| needed.contains(&e.id));
    part.cloned().collect()
}

/// The calls of a function in an expression: their columns and arguments.
fn calls(expr: &Expr, function: Function) -> Vec<(usize, &[Expr])> {
    let (mut calls, mut open) = (Vec::new(), vec![expr]);
    while let Some(expr) = open.pop() {
        match &expr.node {
            Node::Call(called, arguments) if *called == function => {
                calls.push((expr.column, &arguments[..]));
            }
            Node::Array(items) | Node::Call(_, items) => open.extend(items),
            Node::Negate(of) => open.push(of),
            Node::Binary(_, left, right) => open.extend([left.as_ref(), right.as_ref()]),
            Node::Number(_) | Node::Text(_) | Node::Word(_) | Node::Id(_) => {}
        }
    }
    calls
}

/// `SEARCH('{Namespace} term', 'Statistic', period?)`
fn call(entry: &str, column: usize, arguments: &[Expr]) -> Result<Call, Fault> {
    let text = |place: usize, what: &str| match arguments.get(place) {
        Some(Expr {
            node: Node::Text(text),
            column,
        }) => Ok((text, *column)),
        Some(other) => {
            let message = format!("SEARCH takes {what} in quotes here, found `{other}`");
            Err(Fault::invalid(entry, other.column, message))
        }
        None => {
            let message = format!("SEARCH takes {what} in quotes as well");
            Err(Fault::invalid(entry, column, message))
        }
    };
    let (what, begins) = text(0, "what to look for")?;
    let search = crate::search::parse(what)
        .map_err(|e| Fault::invalid(entry, begins + e.column, format!("SEARCH: {}", e.message)))?;
    let (stat, begins) = text(1, "a statistic")?;
    let stat = (stat.parse::<model::Stat>())
        .map_err(|e| Fault::invalid(entry, begins, format!("SEARCH: {e}")))?;
    let period = match arguments.get(2) {
        None => None,
        Some(Expr {
            node: Node::Number(n),
            ..
        }) if n.fract() == 0.0 && *n <= 86_400.0 && model::query::legal_period(*n as u64) => {
            Some(*n as u32)
        }
        Some(other) => {
            let message = format!(
                "SEARCH takes a period of 1, 5, 10, 20, 30 or whole minutes in seconds here, found `{other}`"
            );
            return Err(Fault::invalid(entry, other.column, message));
        }
    };
    Ok(Call {
        search,
        stat,
        period,
    })
}

/// Reads the expression of an entry.
pub(super) fn read(id: &str, expression: &str) -> Result<Expr, Fault> {
    let first = expression.split_whitespace().next().unwrap_or_default();
    if first.eq_ignore_ascii_case("SELECT") {
        let message = "a Metrics Insights query needs data that only AWS has";
        return Err(Fault::unsupported(id, 1, message));
    }
    parse(expression).map_err(|error| Fault::invalid(id, error.column, error.message))
}

pub(super) fn unknown(id: &str, entries: &[MathEntry]) -> Fault {
    let ids = entries.iter().map(|e| e.id.as_str());
    Fault::invalid("", 0, no_id(id, nearest(id, ids)))
}

/// What is said of an id that no entry has.
pub(super) fn no_id(id: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("no entry has the id `{id}`; did you mean `{near}`?"),
        None => format!("no entry has the id `{id}`"),
    }
}

fn is_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The ids in an expression.
pub(super) fn references(expr: &Expr) -> BTreeSet<&str> {
    let mut ids = BTreeSet::new();
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match &expr.node {
            Node::Id(id) => {
                ids.insert(id.as_str());
            }
            Node::Array(items) | Node::Call(_, items) => open.extend(items),
            Node::Negate(of) => open.push(of),
            Node::Binary(_, left, right) => open.extend([left.as_ref(), right.as_ref()]),
            Node::Number(_) | Node::Text(_) | Node::Word(_) => {}
        }
    }
    ids
}

/// Puts expressions after those that they refer to; otherwise in their own order.
fn in_order(mut open: Vec<(&str, Expr)>) -> Result<Vec<(&str, Expr)>, Fault> {
    let mut done = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let waiting: BTreeSet<&str> = open.iter().map(|(id, _)| *id).collect();
        let (later, ready): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|(_, expr)| references(expr).iter().any(|id| waiting.contains(id)));
        if ready.is_empty() {
            return Err(cycle(&later));
        }
        done.extend(ready);
        open = later;
    }
    Ok(done)
}

/// Each of these refers to another of them: following any leads around.
fn cycle(all: &[(&str, Expr)]) -> Fault {
    let next = |id: &str| {
        let (_, expr) = all.iter().find(|(other, _)| *other == id)?;
        let of = references(expr);
        all.iter().map(|(id, _)| *id).find(|id| of.contains(id))
    };
    let mut path: Vec<&str> = Vec::new();
    let mut at = all.first().map(|(id, _)| *id);
    while let Some(id) = at {
        if let Some(start) = path.iter().position(|seen| *seen == id) {
            path.drain(..start);
            path.push(id);
            break;
        }
        path.push(id);
        at = next(id);
    }
    let ids: Vec<String> = path.iter().map(|id| format!("`{id}`")).collect();
    let message = format!("the expressions go round in a circle: {}", ids.join(" -> "));
    Fault::invalid(path.first().copied().unwrap_or_default(), 0, message)
}
