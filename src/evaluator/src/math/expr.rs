//! What an expression says, as a tree, and how it is written.

use std::fmt;

use super::function::Function;

/// An expression. Two are equal that say the same; where they stand is no part of it.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it says.
    pub node: Node,
    /// Where it begins, in characters from 1.
    pub column: usize,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.node == other.node
    }
}

/// The kinds of expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `0.5`: never negative, always finite.
    Number(f64),
    /// `m1`: the id of an entry.
    Id(String),
    /// `"errors"`
    Text(String),
    /// `REPEAT`, `ASC`: a word that only some functions take.
    Word(Word),
    /// `[m1, m2]`
    Array(Vec<Expr>),
    /// `-m1`
    Negate(Box<Expr>),
    /// `m1 + m2`
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `SUM(m1)`
    Call(Function, Vec<Expr>),
}

/// A word that only some functions take, among their arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `REPEAT` of FILL.
    Repeat,
    /// `LINEAR` of FILL.
    Linear,
    /// `ASC` of SORT.
    Asc,
    /// `DESC` of SORT.
    Desc,
    /// `AVG`, `MIN`, `MAX`, `SUM` of SORT: functions by name.
    By(Function),
}

impl Word {
    pub(super) const NAMES: &'static [&'static str] = &[
        "REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM",
    ];

    pub(super) fn named(name: &str) -> Option<Word> {
        Some(match name {
            "REPEAT" => Word::Repeat,
            "LINEAR" => Word::Linear,
            "ASC" => Word::Asc,
            "DESC" => Word::Desc,
            "AVG" | "MIN" | "MAX" | "SUM" => Word::By(Function::named(name)?),
            _ => return None,
        })
    }

    /// The spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Word::Repeat => "REPEAT",
            Word::Linear => "LINEAR",
            Word::Asc => "ASC",
            Word::Desc => "DESC",
            Word::By(function) => function.as_str(),
        }
    }
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `OR`, `||`
    Or,
    /// `AND`, `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `^`
    Power,
}

/// How tightly unary minus binds: more than `*`, less than `^`.
pub(super) const NEGATE: u8 = 6;

impl Operator {
    /// How tightly it binds.
    pub(super) const fn precedence(self) -> u8 {
        match self {
            Operator::Or => 1,
            Operator::And => 2,
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::Greater
            | Operator::LessOrEqual
            | Operator::GreaterOrEqual => 3,
            Operator::Add | Operator::Subtract => 4,
            Operator::Multiply | Operator::Divide => 5,
            Operator::Power => 7,
        }
    }

    /// Whether it computes a number; the others say 0 or 1.
    pub const fn is_arithmetic(self) -> bool {
        self.precedence() >= 4
    }

    /// The spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operator::Or => "OR",
            Operator::And => "AND",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::Greater => ">",
            Operator::LessOrEqual => "<=",
            Operator::GreaterOrEqual => ">=",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Power => "^",
        }
    }
}

impl Expr {
    fn precedence(&self) -> u8 {
        match &self.node {
            Node::Binary(operator, ..) => operator.precedence(),
            Node::Negate(_) => NEGATE,
            _ => u8::MAX,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.precedence() < least {
            f.write_str("(")?;
            self.write(f, 0)?;
            return f.write_str(")");
        }
        match &self.node {
            Node::Number(value) => write!(f, "{value}"),
            Node::Id(id) => f.write_str(id),
            Node::Text(text) => {
                let quote = if text.contains('"') { '\'' } else { '"' };
                write!(f, "{quote}{text}{quote}")
            }
            Node::Word(word) => f.write_str(word.as_str()),
            Node::Array(items) => list(f, "[", items, "]"),
            Node::Call(function, arguments) => {
                f.write_str(function.as_str())?;
                list(f, "(", arguments, ")")
            }
            Node::Negate(of) => {
                f.write_str("-")?;
                of.write(f, NEGATE)
            }
            Node::Binary(operator, left, right) => {
                let own = operator.precedence();
                // `^` groups from the right and takes a minus there, the others from the left.
                let (on_left, on_right) = match operator {
                    Operator::Power => (own + 1, NEGATE),
                    _ => (own, own + 1),
                };
                left.write(f, on_left)?;
                write!(f, " {} ", operator.as_str())?;
                right.write(f, on_right)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: &str, items: &[Expr], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        item.write(f, 0)?;
    }
    f.write_str(close)
}

/// With no more brackets than are needed.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}
