//! SEARCH: which metrics an expression such as
//! `SEARCH('{AWS/Lambda,FunctionName} MetricName="Errors" NOT test', 'Sum', 300)` finds.
//!
//! [`parse`] reads what stands in the first quotes, [`Search::matches`] answers for one metric.
//! The rules are those of the CloudWatch user guide, "Search expression syntax":
//!
//! - A schema in braces is a namespace and dimension names. With dimension names, a metric has to
//!   have exactly these. The guide does not say what a namespace alone means; here, any dimensions.
//! - `"quoted"` is a whole namespace, metric name, dimension name or dimension value. A bare term
//!   is looked for among the tokens of these: parts between other characters than letters and
//!   digits, at a change from lower to upper case, and at the begin and end of a number.
//! - A token is found in any case. Tokens that are written together (`CustomCount`) have to follow
//!   each other in the name, in the same case.
//! - `MetricName=`, `Namespace=` or the name of a dimension narrows a term to that property.
//! - NOT binds before AND, which may be left out; the guide does not say whether AND binds before
//!   OR; here it does.

mod parse;

use model::{MetricId, MetricStat};

pub use self::parse::{LONGEST, parse};

/// The most series that an expression finds.
pub const MOST_SERIES: usize = 500;

/// The most SEARCHes in one request or widget.
pub const MOST_SEARCHES: usize = 100;

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// `{Namespace, Dimension}`
    pub schema: Option<Schema>,
    /// What has to be true; `None`: the schema is enough.
    pub term: Option<Term>,
}

/// `{Namespace, Dimension}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Exactly this.
    pub namespace: String,
    /// Exactly these; none: any.
    pub dimensions: Vec<String>,
}

/// A condition on a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// Some property is this.
    Is(Property, Text),
    /// `NOT`
    Not(Box<Term>),
    /// All of them.
    And(Vec<Term>),
    /// One of them.
    Or(Vec<Term>),
}

/// Where a text is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    /// In all names and values.
    Any,
    /// `MetricName=`
    MetricName,
    /// `Namespace=`
    Namespace,
    /// The value of this dimension.
    Dimension(String),
}

/// What is looked for in a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// `"t2.micro"`: the whole of it.
    Exact(String),
    /// `micro`: tokens of it.
    Partial(String),
}

/// What a call of SEARCH finds: metrics, and how each is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which metrics.
    pub search: Search,
    /// How each is read; the metric is filled in.
    pub stat: model::Stat,
    /// Its period, where the call gives one.
    pub period: Option<u32>,
}

impl Call {
    /// Those of `metrics` that are found, in their order, at most [`MOST_SERIES`], as they are
    /// read; and whether there are more.
    pub fn find(&self, metrics: &[MetricId], period: u32) -> (Vec<MetricStat>, bool) {
        let mut found = metrics.iter().filter(|metric| self.search.matches(metric));
        let list = (found.by_ref())
            .take(MOST_SERIES)
            .map(|metric| MetricStat {
                metric: metric.clone(),
                stat: self.stat,
                period: self.period.unwrap_or(period),
                unit: None,
                region: None,
            })
            .collect();
        (list, found.next().is_some())
    }
}

impl Search {
    /// Whether a metric is found.
    pub fn matches(&self, metric: &MetricId) -> bool {
        self.schema
            .as_ref()
            .is_none_or(|schema| schema.matches(metric))
            && self.term.as_ref().is_none_or(|term| term.matches(metric))
    }
}

impl Schema {
    fn matches(&self, metric: &MetricId) -> bool {
        let names = || metric.dimensions.iter().map(|(name, _)| name);
        metric.namespace == self.namespace
            && (self.dimensions.is_empty()
                || (names().count() == self.dimensions.len()
                    && names().all(|name| self.dimensions.iter().any(|d| d == name))))
    }
}

impl Term {
    fn matches(&self, metric: &MetricId) -> bool {
        match self {
            Term::Is(property, text) => match property {
                Property::MetricName => text.is_in(&metric.name),
                Property::Namespace => text.is_in(&metric.namespace),
                Property::Dimension(name) => metric
                    .dimensions
                    .iter()
                    .any(|(own, value)| own == name && text.is_in(value)),
                Property::Any => {
                    text.is_in(&metric.name)
                        || text.is_in(&metric.namespace)
                        || metric
                            .dimensions
                            .iter()
                            .any(|(name, value)| text.is_in(name) || text.is_in(value))
                }
            },
            Term::Not(term) => !term.matches(metric),
            Term::And(terms) => terms.iter().all(|term| term.matches(metric)),
            Term::Or(terms) => terms.iter().any(|term| term.matches(metric)),
        }
    }
}

impl Text {
    fn is_in(&self, name: &str) -> bool {
        match self {
            Text::Exact(text) => text == name,
            Text::Partial(text) => partially(text, name),
        }
    }
}

/// Whether the tokens of `text` follow each other among those of `name`.
fn partially(text: &str, name: &str) -> bool {
    let wanted: Vec<Token<'_>> = words(text).flat_map(tokens).collect();
    let found: Vec<Token<'_>> = words(name).flat_map(tokens).collect();
    if wanted.is_empty() {
        return false;
    }
    // The whole name is a token as well, in lower case and without what stands between.
    let whole = |text: &str| words(text).collect::<String>().to_lowercase();
    if whole(text) == whole(name) {
        return true;
    }
    found.windows(wanted.len()).any(|window| {
        window.iter().zip(&wanted).all(|(found, wanted)| {
            found.text == wanted.text
                || (wanted.alone && found.text.eq_ignore_ascii_case(wanted.text))
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    /// Whether it is its whole word; only those that are written together keep their case.
    alone: bool,
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// `SDBFailure2` is `SDB`, `Failure`, `2`.
fn tokens(word: &str) -> Vec<Token<'_>> {
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let mut starts = vec![0];
    for i in 1..chars.len() {
        let (before, here) = (chars[i - 1].1, chars[i].1);
        let next = chars.get(i + 1).map(|(_, c)| *c);
        let begins = before.is_numeric() != here.is_numeric()
            || (here.is_uppercase()
                && (!before.is_uppercase() || next.is_some_and(char::is_lowercase)));
        if begins {
            starts.push(chars[i].0);
        }
    }
    let alone = starts.len() == 1;
    let ends = starts.iter().skip(1).copied().chain([word.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| Token {
            text: &word[*start..end],
            alone,
        })
        .collect()
}

#[cfg(test)]
mod tests;
