//! From text to a tree.
//!
//! `^` binds tighter than unary minus, that tighter than `* /`, `+ -`, comparisons, AND, OR.
//! AWS does not say how `2 ^ 3 ^ 2` groups; here from the right.

use std::fmt;

use model::problem::nearest;

use super::expr::{Expr, NEGATE, Node, Operator, Word};
use super::function::Function;

/// What CloudWatch takes of one expression, in characters.
pub const LONGEST: usize = 2_048;

/// Brackets, calls and signs within each other beyond this are refused.
const DEEPEST: usize = 64;

/// What is wrong with an expression's text, and at which character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Counts characters from 1.
    pub column: usize,
    /// A lowercase fragment that says what was expected.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// Reads an expression.
///
/// # Errors
/// The first place where the text is no expression, with what was expected there.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.chars().count() > LONGEST {
        return Err(SyntaxError {
            column: LONGEST + 1,
            message: format!("an expression has at most {LONGEST} characters"),
        });
    }
    let mut parser = Parser {
        tokens: lex(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.binary(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        found => Err(parser.error(format!("expected an operator or the end, found {found}"))),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    /// Begins with a lower-case letter.
    Id(String),
    /// Begins with an upper-case letter.
    Name(String),
    Text(String),
    Operator(Operator),
    Open,
    Close,
    OpenArray,
    CloseArray,
    Comma,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Number(value) => write!(f, "`{value}`"),
            Token::Id(word) | Token::Name(word) => write!(f, "`{word}`"),
            Token::Text(text) => write!(f, "{text:?}"),
            Token::Operator(operator) => write!(f, "`{}`", operator.as_str()),
            Token::Open => f.write_str("`(`"),
            Token::Close => f.write_str("`)`"),
            Token::OpenArray => f.write_str("`[`"),
            Token::CloseArray => f.write_str("`]`"),
            Token::Comma => f.write_str("`,`"),
            Token::End => f.write_str("the end"),
        }
    }
}

/// The tokens with their columns; the last one is the end.
fn lex(text: &str) -> Result<Vec<(Token, usize)>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    loop {
        let trimmed = rest.trim_start();
        column += rest[..rest.len() - trimmed.len()].chars().count();
        rest = trimmed;
        let Some(first) = rest.chars().next() else {
            tokens.push((Token::End, column));
            return Ok(tokens);
        };
        let (token, length) =
            one(rest, first).map_err(|message| SyntaxError { column, message })?;
        tokens.push((token, column));
        column += rest[..length].chars().count();
        rest = &rest[length..];
    }
}

/// The token that a text begins with, and its length in bytes.
fn one(rest: &str, first: char) -> Result<(Token, usize), String> {
    let second = rest[first.len_utf8()..].chars().next();
    let run = |wanted: fn(char) -> bool| rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    Ok(match (first, second) {
        ('<', Some('=')) => (Token::Operator(Operator::LessOrEqual), 2),
        ('>', Some('=')) => (Token::Operator(Operator::GreaterOrEqual), 2),
        ('=', Some('=')) => (Token::Operator(Operator::Equal), 2),
        ('!', Some('=')) => (Token::Operator(Operator::NotEqual), 2),
        ('&', Some('&')) => (Token::Operator(Operator::And), 2),
        ('|', Some('|')) => (Token::Operator(Operator::Or), 2),
        ('<', _) => (Token::Operator(Operator::Less), 1),
        ('>', _) => (Token::Operator(Operator::Greater), 1),
        ('+', _) => (Token::Operator(Operator::Add), 1),
        ('-', _) => (Token::Operator(Operator::Subtract), 1),
        ('*', _) => (Token::Operator(Operator::Multiply), 1),
        ('/', _) => (Token::Operator(Operator::Divide), 1),
        ('^', _) => (Token::Operator(Operator::Power), 1),
        ('(', _) => (Token::Open, 1),
        (')', _) => (Token::Close, 1),
        ('[', _) => (Token::OpenArray, 1),
        (']', _) => (Token::CloseArray, 1),
        (',', _) => (Token::Comma, 1),
        ('=', _) => return Err("expected `==`, found `=`".into()),
        ('!', _) => {
            return Err("expected `!=`, found `!`; metric math has no NOT: use `x == 0`".into());
        }
        ('&', _) => return Err("expected `&&` or AND, found `&`".into()),
        ('|', _) => return Err("expected `||` or OR, found `|`".into()),
        ('"' | '\'', _) => match rest[1..].find(first) {
            Some(end) => (Token::Text(rest[1..=end].into()), end + 2),
            None => return Err(format!("the closing {first} of the text is missing")),
        },
        ('0'..='9' | '.', _) => {
            let length = number(rest);
            match rest[..length].parse::<f64>() {
                Ok(value) if value.is_finite() => (Token::Number(value), length),
                Ok(_) => return Err(format!("`{}` is too large for a number", &rest[..length])),
                Err(_) => return Err(format!("`{}` is not a number", &rest[..length])),
            }
        }
        ('a'..='z' | 'A'..='Z' | '_', _) => {
            let length = run(|c| c.is_ascii_alphanumeric() || c == '_');
            let word = &rest[..length];
            let token = match word {
                "AND" => Token::Operator(Operator::And),
                "OR" => Token::Operator(Operator::Or),
                _ if first.is_ascii_lowercase() => Token::Id(word.into()),
                _ => Token::Name(word.into()),
            };
            (token, length)
        }
        ('“' | '”', _) => {
            return Err("expected a straight quote `\"`, found a curly one".into());
        }
        _ => {
            return Err(format!(
                "expected a number, an id, a function or an operator, found `{first}`"
            ));
        }
    })
}

/// The length of the number that a text begins with: digits, a fraction, an exponent.
fn number(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = &text[from..];
        from + rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len())
    };
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is the end, and nothing takes it.
        self.tokens.get(self.at).map_or(&Token::End, |(t, _)| t)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(1, |(_, column)| *column)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            column: self.column(),
            message: message.into(),
        }
    }

    fn deeper<T>(
        &mut self,
        what: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == DEEPEST {
            return Err(self.error(format!("brackets are at most {DEEPEST} deep")));
        }
        self.depth += 1;
        let out = what(self);
        self.depth -= 1;
        out
    }

    /// Operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Result<Expr, SyntaxError> {
        let column = self.column();
        let mut left = self.operand()?;
        while let Token::Operator(operator) = *self.peek() {
            let own = operator.precedence();
            if own < least {
                break;
            }
            self.at += 1;
            let right = match operator {
                Operator::Power => self.deeper(|p| p.binary(own))?,
                _ => self.deeper(|p| p.binary(own + 1))?,
            };
            left = Expr {
                node: Node::Binary(operator, Box::new(left), Box::new(right)),
                column,
            };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, SyntaxError> {
        let column = self.column();
        let node = match self.peek().clone() {
            Token::Operator(Operator::Subtract) => {
                self.at += 1;
                Node::Negate(Box::new(self.deeper(|p| p.binary(NEGATE))?))
            }
            Token::Number(value) => {
                self.at += 1;
                Node::Number(value)
            }
            Token::Text(text) => {
                self.at += 1;
                Node::Text(text)
            }
            Token::Id(id) => {
                self.at += 1;
                if *self.peek() == Token::Open {
                    self.at -= 1;
                    return Err(self.error(unknown(&id)));
                }
                Node::Id(id)
            }
            Token::Name(name) => return self.name(&name),
            Token::Open => {
                self.at += 1;
                let inner = self.deeper(|p| p.binary(0))?;
                self.close(&Token::Close, "`)`")?;
                return Ok(inner);
            }
            Token::OpenArray => {
                self.at += 1;
                let items = self.deeper(|p| p.list(Token::CloseArray))?;
                if items.is_empty() {
                    return Err(SyntaxError {
                        column,
                        message: "expected at least one time series between the brackets".into(),
                    });
                }
                Node::Array(items)
            }
            found => {
                return Err(self.error(format!(
                    "expected a number, an id, a function, `(` or `[`, found {found}"
                )));
            }
        };
        Ok(Expr { node, column })
    }

    /// A function, or a word among its arguments.
    fn name(&mut self, name: &str) -> Result<Expr, SyntaxError> {
        let column = self.column();
        let called = matches!(self.tokens.get(self.at + 1), Some((Token::Open, _)));
        let node = match (called, Function::named(name), Word::named(name)) {
            (true, Some(function), _) => {
                self.at += 2;
                let arguments = self.deeper(|p| p.list(Token::Close))?;
                arity(function, arguments.len())
                    .map_err(|message| SyntaxError { column, message })?;
                Node::Call(function, arguments)
            }
            (true, None, _) => return Err(self.error(unknown(name))),
            (false, _, Some(word)) => {
                self.at += 1;
                Node::Word(word)
            }
            (false, Some(_), None) => {
                self.at += 1;
                return Err(self.error(format!("expected `(` after {name}, found {}", self.peek())));
            }
            (false, None, None) => {
                let message = match nearest(name, Word::NAMES.iter().copied()) {
                    Some(near) => format!("`{name}` is not known; did you mean {near}?"),
                    None => format!("`{name}` is not an id: ids begin with a lower-case letter"),
                };
                return Err(self.error(message));
            }
        };
        Ok(Expr { node, column })
    }

    fn list(&mut self, close: Token) -> Result<Vec<Expr>, SyntaxError> {
        let mut items = Vec::new();
        if self.eat(&close) {
            return Ok(items);
        }
        loop {
            items.push(self.binary(0)?);
            if !self.eat(&Token::Comma) {
                let expected = match close {
                    Token::Close => "`,`, `)`",
                    _ => "`,`, `]`",
                };
                self.close(&close, expected)?;
                return Ok(items);
            }
        }
    }

    fn close(&mut self, close: &Token, expected: &str) -> Result<(), SyntaxError> {
        if self.eat(close) {
            return Ok(());
        }
        Err(self.error(format!(
            "expected {expected} or an operator, found {}",
            self.peek()
        )))
    }
}

fn arity(function: Function, given: usize) -> Result<(), String> {
    let (least, most) = function.arity();
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let takes = match (least, most) {
        (1, 1) => "1 argument".into(),
        (a, b) if a == b => format!("{a} arguments"),
        (a, b) => format!("{a} or {b} arguments"),
    };
    Err(format!("{function} takes {takes}, found {given}"))
}

fn unknown(name: &str) -> String {
    let names = Function::ALL.iter().map(|f| f.as_str());
    match nearest(&name.to_ascii_uppercase(), names) {
        Some(near) if near == name.to_ascii_uppercase() => {
            format!("functions are written in upper case: {near}, not `{name}`")
        }
        Some(near) => format!("`{name}` is not a function; did you mean {near}?"),
        None => format!("`{name}` is not a function of metric math"),
    }
}
