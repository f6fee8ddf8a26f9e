//! Expressions: what is compared, computed and called.

use model::LogValue;
use regex::Regex;

#[derive(Debug, Clone)]
pub(super) enum Expr {
    Field(String),
    Literal(LogValue),
    /// `5m`, in milliseconds.
    Span(i64),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Like(Box<Expr>, Pattern),
    In(Box<Expr>, Vec<Expr>),
    Call(Function, Vec<Expr>),
    /// One of the aggregates of its `stats`.
    Aggregate(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// What a text is held against.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// It has to occur.
    Text(String),
    /// It has to match.
    Regex(Box<Regex>),
}

impl Pattern {
    pub(super) fn found_in(&self, text: &str) -> bool {
        match self {
            Pattern::Text(part) => text.contains(part.as_str()),
            Pattern::Regex(regex) => regex.is_match(text),
        }
    }
}

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal..=$most:literal),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function { $($variant),+ }

        impl Function {
            pub(super) fn named(name: &str) -> Option<Function> {
                match name.to_ascii_lowercase().as_str() {
                    $($name => Some(Function::$variant),)+
                    _ => None,
                }
            }

            /// How many arguments it takes, at least and at most.
            pub(super) fn arity(self) -> (usize, usize) {
                match self { $(Function::$variant => ($least, $most),)+ }
            }
        }

        /// Every function there is besides those of `stats`, in lower case; Insights writes some
        /// with capitals, and case does not matter here.
        pub const fn functions() -> &'static [&'static str] {
            &[$($name),+]
        }
    };
}

functions! {
    Abs "abs" 1..=1,
    Bin "bin" 1..=1,
    Ceil "ceil" 1..=1,
    Coalesce "coalesce" 1..=64,
    Concat "concat" 1..=64,
    DateCeil "dateceil" 2..=2,
    DateFloor "datefloor" 2..=2,
    Floor "floor" 1..=1,
    FromMillis "frommillis" 1..=1,
    Greatest "greatest" 1..=64,
    If "if" 3..=3,
    IsBlank "isblank" 1..=1,
    IsEmpty "isempty" 1..=1,
    IsPresent "ispresent" 1..=1,
    Least "least" 1..=64,
    Log "log" 1..=1,
    Lower "tolower" 1..=1,
    Now "now" 0..=0,
    Replace "replace" 3..=3,
    Round "round" 1..=1,
    Sqrt "sqrt" 1..=1,
    StrContains "strcontains" 2..=2,
    StrLen "strlen" 1..=1,
    Substr "substr" 2..=3,
    ToMillis "tomillis" 1..=1,
    Trim "trim" 1..=2,
    TrimLeft "ltrim" 1..=2,
    TrimRight "rtrim" 1..=2,
    Upper "toupper" 1..=1,
}

impl Expr {
    /// Adds the texts without which the message cannot pass this as a filter.
    pub(super) fn terms(&self, terms: &mut Vec<String>) {
        match self {
            Expr::Binary(Op::And, a, b) => {
                a.terms(terms);
                b.terms(terms);
            }
            Expr::Like(of, Pattern::Text(part)) if of.is_message() && !part.is_empty() => {
                terms.push(part.clone());
            }
            Expr::Call(Function::StrContains, list) if list[0].is_message() => {
                if let Expr::Literal(LogValue::Text(part)) = &list[1]
                    && !part.is_empty()
                {
                    terms.push(part.clone());
                }
            }
            _ => {}
        }
    }

    fn is_message(&self) -> bool {
        matches!(self, Expr::Field(name) if name == "@message")
    }

    /// Whether it is a `bin()`, or a `datefloor` of the timestamp, which is the same.
    pub(super) fn is_time(&self) -> bool {
        match self {
            Expr::Call(Function::Bin, _) => true,
            Expr::Call(Function::DateFloor | Function::DateCeil, list) => {
                matches!(&list[0], Expr::Field(name) if name == "@timestamp")
            }
            _ => false,
        }
    }
}
