//! From text to a query, without a pass of its own for words: whether `/` divides or begins a
//! regular expression is known only to whoever reads.

use model::LogValue;
use regex::{Regex, RegexBuilder};

use super::expr::{Expr, Function, Op, Pattern};
use super::reader::{REGEX, Reader, Result};
use super::{
    Aggregate, Command, Kind, LONGEST, MOST_ROWS, Named, Order, Parse, Query, Source, Stats,
};

/// How deep expressions may be nested.
const DEEPEST: usize = 64;
/// How many operators a query may have; each is a step down for whoever evaluates.
const OPERATORS: usize = 500;

/// Commands of Insights that are not among ours.
const FOREIGN: &[&str] = &[
    "pattern",
    "diff",
    "anomaly",
    "unmask",
    "unnest",
    "join",
    "lookup",
    "filterindex",
    "addtotals",
];

pub(super) fn split(text: &str) -> Result<(Vec<Source>, &str)> {
    let mut reader = Reader::of(text);
    let mut sources = Vec::new();
    loop {
        while reader.eat("|") {}
        if !reader.keyword("source") {
            return Ok((sources, reader.rest().trim()));
        }
        reader.sources(&mut sources)?;
    }
}

pub(super) fn query(text: &str) -> Result<Query> {
    let mut reader = Reader::of(text);
    if text.len() > LONGEST {
        return Err(reader.fault(format!("the query is longer than {LONGEST} bytes")));
    }
    let mut query = Query {
        sources: Vec::new(),
        commands: Vec::new(),
    };
    loop {
        // A query may end with a pipe, and pipes may follow each other, as people leave them.
        while reader.eat("|") {}
        if reader.ended() {
            break;
        }
        let before = reader.at;
        let word = reader.word().unwrap_or_default().to_ascii_lowercase();
        if word == "source" {
            if !query.commands.is_empty() {
                reader.at = before;
                return Err(reader.fault("SOURCE stands before every other command"));
            }
            reader.sources(&mut query.sources)?;
        } else {
            let command = reader.command(&word, before)?;
            query.commands.push(command);
        }
        if !reader.ended() && !reader.sees("|") {
            return Err(reader.unexpected("`|` and a further command, or the end"));
        }
    }
    Ok(query)
}

impl Reader<'_> {
    fn sources(&mut self, sources: &mut Vec<Source>) -> Result<()> {
        loop {
            if let Some(text) = self.quoted() {
                sources.push(Source::Group(text?));
            } else if self.keyword("logGroups") {
                self.expect("(")?;
                if !self.keyword("namePrefix") {
                    return Err(self.unexpected("`namePrefix: ['/aws/lambda/']`"));
                }
                self.expect(":")?;
                self.expect("[")?;
                loop {
                    match self.quoted() {
                        Some(text) => sources.push(Source::Prefix(text?)),
                        None => return Err(self.unexpected("a prefix between quotes")),
                    }
                    if !self.eat(",") {
                        break;
                    }
                }
                self.expect("]")?;
                self.expect(")")?;
            } else {
                return Err(self.unexpected("a log group between quotes"));
            }
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn command(&mut self, word: &str, before: usize) -> Result<Command> {
        match word {
            "fields" => Ok(Command::Fields(self.names()?)),
            "display" => Ok(Command::Display(self.names()?)),
            "filter" => Ok(Command::Filter(self.expression()?)),
            "parse" => self.parse(),
            "stats" => self.stats(),
            "sort" => self.sort(),
            "limit" | "head" | "tail" => {
                let n = self.number().filter(|n| *n >= 1.0 && n.fract() == 0.0);
                let n = n.ok_or_else(|| self.unexpected("a whole number from 1"))?;
                Ok(Command::Limit((n as usize).min(MOST_ROWS)))
            }
            "dedup" => {
                let mut by = vec![self.expression()?];
                while self.eat(",") {
                    by.push(self.expression()?);
                }
                Ok(Command::Dedup(by))
            }
            foreign if FOREIGN.contains(&foreign) => {
                self.at = before;
                self.skip();
                Err(self.fault(format!(
                    "`{foreign}` is a command of Logs Insights that only AWS runs; here there are \
                     fields, display, filter, parse, stats, sort, limit and dedup"
                )))
            }
            _ => {
                self.at = before;
                Err(self.unexpected(
                    "a command: fields, display, filter, parse, stats, sort, limit or dedup",
                ))
            }
        }
    }

    /// Expressions with names: `a, b / 2 as half`. Insights takes blanks for commas, too.
    fn names(&mut self) -> Result<Vec<Named>> {
        let mut list = Vec::new();
        loop {
            list.push(self.named()?);
            let more = self.eat(",") || (!self.ended() && !self.sees("|"));
            if !more || self.ended() || self.sees("|") {
                return Ok(list);
            }
        }
    }

    fn named(&mut self) -> Result<Named> {
        self.skip();
        let begin = self.at;
        let expr = self.expression()?;
        let written = self.text[begin..self.at]
            .trim()
            .trim_matches('`')
            .to_owned();
        let name = match self.keyword("as") {
            true => self.name()?,
            false => written,
        };
        Ok(Named { name, expr })
    }

    fn parse(&mut self) -> Result<Command> {
        // `parse 'glob' as a` speaks of the message.
        let quoted = self.sees("'") || self.sees("\"") || self.sees("/");
        let from = match quoted {
            true => Expr::Field("@message".into()),
            false => self.primary()?,
        };
        let (regex, mut captures) = if let Some(regex) = self.regex() {
            let regex = regex?;
            let named = regex.capture_names().enumerate();
            let named: Vec<(usize, String)> = named
                .filter_map(|(i, name)| Some((i, name?.to_owned())))
                .collect();
            (regex, named)
        } else if let Some(glob) = self.quoted() {
            (self.glob(&glob?)?, Vec::new())
        } else {
            return Err(
                self.unexpected("a glob between quotes or a regular expression between slashes")
            );
        };
        let groups = regex.captures_len() - 1;
        if self.keyword("as") {
            captures.clear();
            loop {
                captures.push((captures.len() + 1, self.name()?));
                if !self.eat(",") {
                    break;
                }
            }
        }
        if captures.is_empty() {
            return Err(
                self.unexpected("`as` and a name for each part, or groups such as (?<name>...)")
            );
        }
        if captures.len() > groups {
            return Err(self.fault(format!(
                "there are {} names and {groups} parts to name",
                captures.len()
            )));
        }
        Ok(Command::Parse(Parse {
            from,
            regex: Box::new(regex),
            captures,
        }))
    }

    /// A glob as a regular expression: each star is a part, as short as it can be.
    fn glob(&self, glob: &str) -> Result<Regex> {
        let mut source = String::from("(?s)");
        let parts: Vec<&str> = glob.split('*').collect();
        for (i, part) in parts.iter().enumerate() {
            source.push_str(&regex::escape(part));
            let last = i + 1 == parts.len();
            // A star at the end takes all that is left.
            let greedy = i + 2 == parts.len() && parts[i + 1].is_empty();
            if !last {
                source.push_str(if greedy { "(.*)" } else { "(.*?)" });
            }
        }
        RegexBuilder::new(&source)
            .size_limit(REGEX)
            .build()
            .map_err(|_| self.fault("the glob is too large"))
    }

    fn stats(&mut self) -> Result<Command> {
        self.aggregates = Some(Vec::new());
        let mut columns = Vec::new();
        loop {
            let before = self.aggregates.as_ref().map_or(0, Vec::len);
            self.skip();
            let begin = self.at;
            columns.push(self.named()?);
            if self.aggregates.as_ref().map_or(0, Vec::len) == before {
                self.at = begin;
                return Err(self.unexpected(
                    "count, count_distinct, sum, avg, min, max, pct, median, stddev, earliest, latest, sortsFirst or sortsLast",
                ));
            }
            if !self.eat(",") {
                break;
            }
        }
        let aggregates = self.aggregates.take().unwrap_or_default();
        let mut by = Vec::new();
        if self.keyword("by") {
            loop {
                by.push(self.named()?);
                if !self.eat(",") {
                    break;
                }
            }
        }
        Ok(Command::Stats(Stats {
            aggregates,
            columns,
            by,
        }))
    }

    fn sort(&mut self) -> Result<Command> {
        let mut list = Vec::new();
        loop {
            let by = self.expression()?;
            let descending = match self.keyword("desc") {
                true => true,
                false => {
                    self.keyword("asc");
                    false
                }
            };
            list.push(Order { by, descending });
            if !self.eat(",") {
                return Ok(Command::Sort(list));
            }
        }
    }

    fn expression(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.fault(format!("expressions are nested deeper than {DEEPEST}")));
        }
        let mut left = self.conjunction()?;
        while self.keyword("or") {
            let right = self.conjunction()?;
            left = self.joined(Op::Or, left, right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expr> {
        let mut left = self.negation()?;
        while self.keyword("and") {
            let right = self.negation()?;
            left = self.joined(Op::And, left, right)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expr> {
        let mut times = 0;
        while self.keyword("not") {
            times += 1;
        }
        let of = self.comparison()?;
        Ok(match times % 2 {
            1 => Expr::Not(Box::new(of)),
            _ => of,
        })
    }

    fn comparison(&mut self) -> Result<Expr> {
        let left = self.sum()?;
        let before = self.at;
        let negated = self.keyword("not");
        if self.keyword("like") || self.eat("=~") {
            let pattern = match self.regex() {
                Some(regex) => Pattern::Regex(Box::new(regex?)),
                None => match self.quoted() {
                    Some(text) => Pattern::Text(text?),
                    None => {
                        return Err(
                            self.unexpected("a text between quotes or /a regular expression/")
                        );
                    }
                },
            };
            return Ok(negate(negated, Expr::Like(Box::new(left), pattern)));
        }
        if self.keyword("in") {
            self.expect("[")?;
            let mut list = Vec::new();
            while !self.eat("]") {
                list.push(self.sum()?);
                if !self.eat(",") && !self.sees("]") {
                    return Err(self.unexpected("`,` or `]`"));
                }
            }
            return Ok(negate(negated, Expr::In(Box::new(left), list)));
        }
        self.at = before;
        for (sign, op) in [
            ("!=", Op::Unequal),
            ("<=", Op::LessOrEqual),
            (">=", Op::GreaterOrEqual),
            ("==", Op::Equal),
            ("=", Op::Equal),
            ("<", Op::Less),
            (">", Op::Greater),
        ] {
            if self.eat(sign) {
                let right = self.sum()?;
                return self.joined(op, left, right);
            }
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr> {
        let mut left = self.product()?;
        loop {
            let op = match self.eat("+") {
                true => Op::Add,
                false if self.eat("-") => Op::Subtract,
                false => return Ok(left),
            };
            let right = self.product()?;
            left = self.joined(op, left, right)?;
        }
    }

    fn product(&mut self) -> Result<Expr> {
        let mut left = self.power()?;
        loop {
            let op = match self.eat("*") {
                true => Op::Multiply,
                false if self.eat("/") => Op::Divide,
                false if self.eat("%") => Op::Remainder,
                false => return Ok(left),
            };
            let right = self.power()?;
            left = self.joined(op, left, right)?;
        }
    }

    fn power(&mut self) -> Result<Expr> {
        let mut minus = false;
        while self.eat("-") {
            minus = !minus;
        }
        let base = self.primary()?;
        let base = match self.eat("^") {
            true => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(self.fault(format!("expressions are nested deeper than {DEEPEST}")));
                }
                let exponent = self.power()?;
                self.depth -= 1;
                self.joined(Op::Power, base, exponent)?
            }
            false => base,
        };
        Ok(match minus {
            true => Expr::Negate(Box::new(base)),
            false => base,
        })
    }

    fn joined(&mut self, op: Op, left: Expr, right: Expr) -> Result<Expr> {
        self.operators += 1;
        match self.operators <= OPERATORS {
            true => Ok(Expr::Binary(op, Box::new(left), Box::new(right))),
            false => Err(self.fault(format!("there are more than {OPERATORS} operators"))),
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        if self.eat("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if let Some(text) = self.quoted() {
            return Ok(Expr::Literal(LogValue::Text(text?)));
        }
        if let Some(field) = self.ticked() {
            return Ok(Expr::Field(field?));
        }
        if let Some(n) = self.number() {
            return self.spelled(n);
        }
        let before = self.at;
        let Some(word) = self.word() else {
            return Err(self.unexpected("a field, a number or a text between quotes"));
        };
        // Only a bracket at once makes a call: `by (a)` is a field in brackets.
        if !self.rest().starts_with('(') {
            return Ok(match word {
                "true" => Expr::Literal(LogValue::Number(1.0)),
                "false" => Expr::Literal(LogValue::Number(0.0)),
                "null" => Expr::Literal(LogValue::Missing),
                field => Expr::Field(field.to_owned()),
            });
        }
        self.at += 1;
        let kind = word.to_ascii_lowercase();
        if self.aggregates.is_some()
            && let Some(aggregate) = self.aggregate(&kind)?
        {
            return Ok(aggregate);
        }
        let Some(function) = Function::named(match kind.as_str() {
            "upper" => "toupper",
            "lower" => "tolower",
            other => other,
        }) else {
            self.at = before;
            self.skip();
            return Err(self.fault(match is_aggregate(&kind) {
                true => format!("`{word}` computes over groups; it stands in `stats`"),
                false => format!(
                    "`{word}` is not a function that is known here; those are {}",
                    super::functions().join(", ")
                ),
            }));
        };
        let mut list = Vec::new();
        while !self.eat(")") {
            list.push(self.expression()?);
            if !self.eat(",") && !self.sees(")") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
        let (least, most) = function.arity();
        if list.len() < least || list.len() > most {
            self.at = before;
            self.skip();
            return Err(self.fault(format!(
                "`{word}` takes {least}{} arguments, not {}",
                if most > least {
                    format!(" to {most}")
                } else {
                    String::new()
                },
                list.len()
            )));
        }
        Ok(Expr::Call(function, list))
    }

    /// A number, or with a unit at once behind it a stretch of time.
    fn spelled(&mut self, n: f64) -> Result<Expr> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = rest[..end].to_ascii_lowercase();
        let millis = match unit.as_str() {
            "" => return Ok(Expr::Literal(LogValue::Number(n))),
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1.0,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
            "d" | "day" | "days" => 86_400_000.0,
            "w" | "week" | "weeks" => 7.0 * 86_400_000.0,
            _ => {
                return Err(self.unexpected("a unit of time: ms, s, m, h, d or w"));
            }
        };
        self.at += end;
        Ok(Expr::Span((n * millis) as i64))
    }

    /// The rest of an aggregate of this name behind its bracket; none where it is none.
    fn aggregate(&mut self, name: &str) -> Result<Option<Expr>> {
        if !is_aggregate(name) {
            return Ok(None);
        }
        let outer = self.aggregates.take();
        let mut of = None;
        if !self.eat("*") && !self.sees(")") {
            of = Some(self.expression()?);
        }
        let mut percent = 50.0;
        if matches!(name, "pct" | "percentile") {
            self.expect(",")?;
            percent = self
                .number()
                .filter(|p| (0.0..=100.0).contains(p))
                .ok_or_else(|| self.unexpected("a percentage from 0 to 100"))?;
        }
        self.expect(")")?;
        if of.is_none() && name != "count" {
            return Err(self.fault(format!("`{name}` needs to know of what")));
        }
        let kind = match name {
            "count" => Kind::Count,
            "count_distinct" => Kind::CountDistinct,
            "sum" => Kind::Sum,
            "avg" => Kind::Average,
            "min" => Kind::Minimum,
            "max" => Kind::Maximum,
            "stddev" => Kind::Deviation,
            "earliest" => Kind::Earliest,
            "latest" => Kind::Latest,
            "sortsfirst" => Kind::SortsFirst,
            "sortslast" => Kind::SortsLast,
            _ => Kind::Percentile(percent),
        };
        let mut all = outer.unwrap_or_default();
        all.push(Aggregate { kind, of });
        let place = all.len() - 1;
        self.aggregates = Some(all);
        Ok(Some(Expr::Aggregate(place)))
    }
}

fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "count_distinct"
            | "sum"
            | "avg"
            | "min"
            | "max"
            | "pct"
            | "percentile"
            | "median"
            | "stddev"
            | "earliest"
            | "latest"
            | "sortsfirst"
            | "sortslast"
    )
}

fn negate(wanted: bool, expr: Expr) -> Expr {
    match wanted {
        true => Expr::Not(Box::new(expr)),
        false => expr,
    }
}
