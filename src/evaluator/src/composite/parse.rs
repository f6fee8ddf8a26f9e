//! The grammar of `AlarmRule`.
//!
//! ```text
//! or      := and { OR and }
//! and     := not { AND not }
//! not     := { NOT } primary
//! primary := ( or ) | TRUE | FALSE | STATE ( ref )
//!          | AT_LEAST ( quota , [NOT] STATE , ( ref { , ref } ) )
//! ```
//!
//! A quota is a count or a percentage, which may stand in quotes. Words are upper case. A reference is bare (no blank, bracket, comma or quote) or in double
//! quotes, where a backslash takes the next character as it is.

use std::collections::HashMap;
use std::fmt;

use model::State;
use model::problem::nearest;

use super::{AtLeast, Expression, Precedence, Quota, Rule, Settings};

/// Characters of one rule (PutCompositeAlarm).
const MAX_LENGTH: usize = 10_240;
/// Distinct children of one rule (user guide, "Composite alarms").
const MAX_CHILDREN: usize = 100;
/// Elements of one rule (user guide): references, constants and brackets. It does not say whether
/// a pair of brackets is one element or two; we count it once, so that no rule is refused that
/// CloudWatch takes.
const MAX_ELEMENTS: usize = 500;

/// Why a rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Characters of the rule before it; the column is one more.
    pub offset: usize,
    /// A lowercase fragment: what is wrong and what was expected.
    pub message: String,
}

/// `column 7: expected ...`
impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.offset + 1, self.message)
    }
}

impl std::error::Error for RuleError {}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// The first place where the text leaves the grammar, or a limit of PutCompositeAlarm.
    pub fn parse(text: &str, settings: &Settings) -> Result<Rule, RuleError> {
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(RuleError {
                offset: MAX_LENGTH,
                message: format!("a rule of {length} characters; CloudWatch takes {MAX_LENGTH}"),
            });
        }
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            end: length,
            precedence: settings.precedence,
            children: Vec::new(),
            positions: HashMap::new(),
            elements: 0,
            ambiguous: None,
        };
        let expression = parser.any()?;
        if let Some(token) = parser.peek() {
            let what = match &token.what {
                What::Close => "`)` closes nothing".to_owned(),
                other => format!("expected AND, OR or the end, found {other}"),
            };
            return Err(token.error(what));
        }
        Ok(Rule {
            expression,
            children: parser.children,
            ambiguous: parser.ambiguous,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Open,
    Close,
    Comma,
    /// A run of characters without blank, bracket, comma or quote.
    Bare(String),
    Quoted(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Open => f.write_str("`(`"),
            What::Close => f.write_str("`)`"),
            What::Comma => f.write_str("`,`"),
            What::Bare(text) => write!(f, "`{text}`"),
            What::Quoted(text) => write!(f, "\"{text}\""),
        }
    }
}

#[derive(Debug, Clone)]
struct Token {
    offset: usize,
    what: What,
}

impl Token {
    fn error(&self, message: impl Into<String>) -> RuleError {
        RuleError {
            offset: self.offset,
            message: message.into(),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, RuleError> {
    let mut out = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some((offset, first)) = chars.next() {
        let what = match first {
            c if c.is_whitespace() => continue,
            '(' => What::Open,
            ')' => What::Close,
            ',' => What::Comma,
            '"' => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some((_, '"')) => break What::Quoted(name),
                        Some((_, '\\')) => name.extend(chars.next().map(|(_, c)| c)),
                        Some((_, c)) => name.push(c),
                        None => {
                            return Err(RuleError {
                                offset,
                                message: "the quote is never closed".into(),
                            });
                        }
                    }
                }
            }
            first => {
                let mut word = String::from(first);
                let bare = |c: &char| !c.is_whitespace() && !"(),\"".contains(*c);
                while let Some((_, c)) = chars.next_if(|(_, c)| bare(c)) {
                    word.push(c);
                }
                What::Bare(word)
            }
        };
        out.push(Token { offset, what });
    }
    Ok(out)
}

/// Every word of the grammar.
const WORDS: [&str; 9] = [
    "ALARM",
    "OK",
    "INSUFFICIENT_DATA",
    "AT_LEAST",
    "AND",
    "OR",
    "NOT",
    "TRUE",
    "FALSE",
];
const OPERAND: &str = "ALARM(\"...\"), OK(\"...\"), INSUFFICIENT_DATA(\"...\"), AT_LEAST(...), NOT, TRUE, FALSE or `(`";

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Characters of the rule, where an error at its end is placed.
    end: usize,
    precedence: Precedence,
    children: Vec<String>,
    positions: HashMap<String, usize>,
    elements: usize,
    ambiguous: Option<usize>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn peek_word(&self) -> Option<&str> {
        match &self.peek()?.what {
            What::Bare(word) => Some(word),
            _ => None,
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        self.at += usize::from(found);
        found
    }

    /// An error at the next token, or at the end.
    fn expected<T>(&self, expected: &str) -> Result<T, RuleError> {
        Err(match self.peek() {
            Some(token) => token.error(format!("expected {expected}, found {}", token.what)),
            None => RuleError {
                offset: self.end,
                message: format!("expected {expected}, but the rule ends here"),
            },
        })
    }

    fn expect(&mut self, what: &What, after: &str) -> Result<(), RuleError> {
        match self.peek() {
            Some(token) if token.what == *what => {
                self.at += 1;
                Ok(())
            }
            _ => self.expected(&format!("{what} {after}")),
        }
    }

    fn element(&mut self, offset: usize) -> Result<(), RuleError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(RuleError {
                offset,
                message: format!(
                    "more than {MAX_ELEMENTS} elements (references, constants, brackets), which \
                     is what CloudWatch takes"
                ),
            });
        }
        Ok(())
    }

    /// Operands joined by AND and OR. The limit on elements bounds how deep this calls itself.
    fn any(&mut self) -> Result<Expression, RuleError> {
        let first = self.operand()?;
        let mut rest: Vec<(Join, Expression)> = Vec::new();
        loop {
            let offset = self.peek().map_or(self.end, |token| token.offset);
            let join = match self.peek_word() {
                Some("AND") => Join::And,
                Some("OR") => Join::Or,
                _ => break,
            };
            self.at += 1;
            if rest.first().is_some_and(|(other, _)| *other != join) {
                self.ambiguous.get_or_insert(offset);
            }
            rest.push((join, self.operand()?));
        }
        Ok(match self.precedence {
            Precedence::AndFirst => and_first(first, rest),
            Precedence::LeftToRight => left_to_right(first, rest),
        })
    }

    fn operand(&mut self) -> Result<Expression, RuleError> {
        // A loop, because a rule has room for some thousand NOTs.
        let mut negated = false;
        while self.eat_word("NOT") {
            negated = !negated;
        }
        let inner = self.primary()?;
        Ok(match inner {
            inner if !negated => inner,
            Expression::Not(inner) => *inner,
            inner => Expression::Not(Box::new(inner)),
        })
    }

    fn primary(&mut self) -> Result<Expression, RuleError> {
        let Some(token) = self.peek().cloned() else {
            return self.expected(OPERAND);
        };
        match &token.what {
            What::Open => {
                self.element(token.offset)?;
                self.at += 1;
                let inner = self.any()?;
                if self.peek().is_none() {
                    return Err(token.error("`(` is never closed"));
                }
                self.expect(&What::Close, "after the brackets' content, or AND or OR")?;
                Ok(inner)
            }
            What::Bare(word) => match word.as_str() {
                "TRUE" | "FALSE" => {
                    self.element(token.offset)?;
                    self.at += 1;
                    Ok(Expression::Constant(word == "TRUE"))
                }
                "AT_LEAST" => {
                    self.at += 1;
                    self.at_least().map(Expression::AtLeast)
                }
                word => match word.parse::<State>() {
                    Ok(state) => {
                        self.at += 1;
                        self.expect(&What::Open, &format!("after {state}"))?;
                        let child = self.reference()?;
                        self.expect(&What::Close, "after the alarm")?;
                        Ok(Expression::Is(state, child))
                    }
                    Err(_) => Err(token.error(not_a_word(word))),
                },
            },
            _ => self.expected(OPERAND),
        }
    }

    fn at_least(&mut self) -> Result<AtLeast, RuleError> {
        self.expect(&What::Open, "after AT_LEAST")?;
        let written = match self.peek().map(|token| &token.what) {
            // The user guide writes percentages bare; another of AWS's texts quotes one.
            Some(What::Quoted(text)) if text.ends_with('%') => Some(text.as_str()),
            _ => self.peek_word(),
        };
        let quota = match written.map(quota) {
            Some(Some(quota)) => quota,
            _ => return self.expected("a count such as 2, or a percentage such as 50%"),
        };
        self.at += 1;
        self.expect(&What::Comma, "after the count")?;
        let not = self.eat_word("NOT");
        let state = match self.peek_word().map(str::parse::<State>) {
            Some(Ok(state)) => state,
            _ => return self.expected("ALARM, OK or INSUFFICIENT_DATA"),
        };
        self.at += 1;
        self.expect(&What::Comma, "after the state")?;
        self.expect(&What::Open, "before the alarms")?;
        let mut children = vec![self.reference()?];
        while self.peek().is_some_and(|t| t.what == What::Comma) {
            self.at += 1;
            children.push(self.reference()?);
        }
        self.expect(&What::Close, "after the alarms, or `,`")?;
        self.expect(&What::Close, "after AT_LEAST's alarms")?;
        Ok(AtLeast {
            quota,
            not,
            state,
            children,
        })
    }

    fn reference(&mut self) -> Result<usize, RuleError> {
        let Some(token) = self.peek().cloned() else {
            return self.expected("an alarm's name or ARN");
        };
        let (What::Bare(name) | What::Quoted(name)) = &token.what else {
            return self.expected("an alarm's name or ARN");
        };
        if name.is_empty() {
            return Err(token.error("expected an alarm's name or ARN, found an empty one"));
        }
        self.element(token.offset)?;
        self.at += 1;
        if let Some(position) = self.positions.get(name) {
            return Ok(*position);
        }
        let position = self.children.len();
        if position == MAX_CHILDREN {
            return Err(token.error(format!(
                "more than {MAX_CHILDREN} children, which is what CloudWatch takes"
            )));
        }
        self.children.push(name.clone());
        self.positions.insert(name.clone(), position);
        Ok(position)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

fn and_first(first: Expression, rest: Vec<(Join, Expression)>) -> Expression {
    let mut runs = vec![vec![first]];
    for (join, next) in rest {
        match (join, runs.last_mut()) {
            (Join::And, Some(run)) => run.push(next),
            _ => runs.push(vec![next]),
        }
    }
    let runs = runs.into_iter().map(|run| joined(Join::And, run));
    joined(Join::Or, runs.collect())
}

fn left_to_right(first: Expression, rest: Vec<(Join, Expression)>) -> Expression {
    let (mut by, mut parts) = (Join::And, vec![first]);
    for (join, next) in rest {
        if join != by {
            parts = vec![joined(by, parts)];
            by = join;
        }
        parts.push(next);
    }
    joined(by, parts)
}

fn joined(by: Join, mut parts: Vec<Expression>) -> Expression {
    match by {
        _ if parts.len() == 1 => parts.swap_remove(0),
        Join::And => Expression::And(parts),
        Join::Or => Expression::Or(parts),
    }
}

fn quota(word: &str) -> Option<Quota> {
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match word.strip_suffix('%') {
        Some(number) if digits(number) => {
            let percent: f64 = number.parse().ok()?;
            (0.0..=100.0)
                .contains(&percent)
                .then_some(Quota::Percent(percent))
        }
        Some(_) => None,
        None if digits(word) => word.parse().ok().map(Quota::Count),
        None => None,
    }
}

fn not_a_word(word: &str) -> String {
    let upper = word.to_uppercase();
    match nearest(&upper, WORDS) {
        Some(near) => format!("`{word}` is not a word of the rule; did you mean `{near}`?"),
        None => format!("`{word}` is not a word of the rule; expected {OPERAND}"),
    }
}
