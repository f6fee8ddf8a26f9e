//! The references of a composite alarm's rule.
//!
//! Grammar (CloudWatch user guide, "Create a composite alarm"): `ALARM(ref)`, `OK(ref)`,
//! `INSUFFICIENT_DATA(ref)`, `AT_LEAST(M | P%, [NOT] STATE, (ref, ref))`, joined by AND, OR, NOT and
//! brackets, and the constants TRUE and FALSE. A reference is a name or ARN, bare or in double
//! quotes. Here only the words and the references are judged; what a rule means is the evaluator's.

use std::iter::Peekable;

/// Characters of one rule (PutCompositeAlarm).
const MAX_RULE: usize = 10_240;
/// Distinct children of one rule (PutCompositeAlarm).
const MAX_CHILDREN: usize = 100;

/// One reference of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Name or ARN, quotes and escapes resolved.
    pub alarm: String,
    /// Characters of the rule before it.
    pub offset: usize,
}

/// What is wrong in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Characters of the rule before it.
    pub offset: usize,
    /// A lowercase fragment.
    pub message: String,
}

/// The references of a rule, in its order.
///
/// # Errors
/// The first thing that is not of the grammar's words, and the limits of PutCompositeAlarm.
pub fn references(rule: &str) -> Result<Vec<Reference>, RuleError> {
    let fail = |offset: usize, message: String| RuleError { offset, message };
    let length = rule.chars().count();
    if length > MAX_RULE {
        return Err(fail(
            0,
            format!("a rule of {length} characters; CloudWatch takes {MAX_RULE}"),
        ));
    }
    let mut out: Vec<Reference> = Vec::new();
    // The brackets that are open, each with what may stand directly inside.
    let mut open: Vec<(usize, Inside)> = Vec::new();
    let mut tokens = Tokens {
        chars: rule.chars().enumerate().peekable(),
    };
    let mut next = Inside::Group;
    while let Some((offset, token)) = tokens.next()? {
        let inside = open.last().map_or(Inside::Group, |(_, inside)| *inside);
        match token {
            Token::Open => open.push((
                offset,
                match (inside, next) {
                    // The second bracket of AT_LEAST holds references.
                    (Inside::AtLeast, Inside::Group) => Inside::References,
                    (_, next) => next,
                },
            )),
            Token::Close => {
                if open.pop().is_none() {
                    return Err(fail(offset, "`)` closes nothing".into()));
                }
            }
            Token::Comma => {
                if inside == Inside::Group {
                    return Err(fail(offset, "`,` stands outside of AT_LEAST".into()));
                }
            }
            Token::Word { text, quoted } => match inside {
                Inside::References => out.push(Reference {
                    alarm: text,
                    offset,
                }),
                Inside::AtLeast => {}
                Inside::Group => {
                    let calls = matches!(tokens.peek(), Some('('));
                    next = match (text.as_str(), quoted, calls) {
                        ("ALARM" | "OK" | "INSUFFICIENT_DATA", false, true) => Inside::References,
                        ("AT_LEAST", false, true) => Inside::AtLeast,
                        ("AND" | "OR" | "NOT", false, _) | ("TRUE" | "FALSE", false, false) => {
                            Inside::Group
                        }
                        ("ALARM" | "OK" | "INSUFFICIENT_DATA" | "AT_LEAST", false, false) => {
                            return Err(fail(offset, format!("`{text}` needs `(` after it")));
                        }
                        _ => {
                            return Err(fail(
                                offset,
                                format!(
                                    "`{text}` is not a word of the rule; expected ALARM(\"...\"), OK(\"...\"), INSUFFICIENT_DATA(\"...\"), AT_LEAST(...), AND, OR, NOT, TRUE or FALSE"
                                ),
                            ));
                        }
                    };
                    continue;
                }
            },
        }
        next = Inside::Group;
    }
    if let Some((offset, _)) = open.pop() {
        return Err(fail(offset, "`(` is never closed".into()));
    }
    let mut distinct: Vec<&str> = out.iter().map(|r| r.alarm.as_str()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() > MAX_CHILDREN {
        return Err(fail(
            0,
            format!(
                "{} children; CloudWatch takes {MAX_CHILDREN}",
                distinct.len()
            ),
        ));
    }
    Ok(out)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Group,
    References,
    AtLeast,
}

enum Token {
    Open,
    Close,
    Comma,
    Word { text: String, quoted: bool },
}

struct Tokens<I: Iterator<Item = (usize, char)>> {
    chars: Peekable<I>,
}

impl<I: Iterator<Item = (usize, char)>> Tokens<I> {
    /// The next character that is not blank.
    fn peek(&mut self) -> Option<char> {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        self.chars.peek().map(|(_, c)| *c)
    }

    fn next(&mut self) -> Result<Option<(usize, Token)>, RuleError> {
        self.peek();
        let Some((offset, first)) = self.chars.next() else {
            return Ok(None);
        };
        let token = match first {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '"' => {
                let mut text = String::new();
                loop {
                    match self.chars.next() {
                        Some((_, '"')) => break,
                        Some((_, '\\')) => text.extend(self.chars.next().map(|(_, c)| c)),
                        Some((_, c)) => text.push(c),
                        None => {
                            return Err(RuleError {
                                offset,
                                message: "the quote is never closed".into(),
                            });
                        }
                    }
                }
                Token::Word { text, quoted: true }
            }
            first => {
                let mut text = String::from(first);
                let bare = |c: &char| !c.is_whitespace() && !"(),\"".contains(*c);
                while let Some((_, c)) = self.chars.next_if(|(_, c)| bare(c)) {
                    text.push(c);
                }
                Token::Word {
                    text,
                    quoted: false,
                }
            }
        };
        Ok(Some((offset, token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rules_references_are_found_wherever_they_stand() {
        let check = |rule: &str, expect: &[(&str, usize)]| {
            let found = references(rule).unwrap_or_else(|e| panic!("{rule}: {}", e.message));
            let found: Vec<(&str, usize)> =
                found.iter().map(|r| (r.alarm.as_str(), r.offset)).collect();
            assert_eq!(found, expect, "{rule}");
        };
        check("TRUE", &[]);
        check("ALARM(a)", &[("a", 6)]);
        check(
            "ALARM(\"counter-errors\") AND NOT (OK(b) OR INSUFFICIENT_DATA(\"c \\\"d\\\"\"))",
            &[("counter-errors", 6), ("b", 36), ("c \"d\"", 60)],
        );
        check(
            "AT_LEAST(2, NOT ALARM, (a, \"b c\", arn:aws:cloudwatch:r:1:alarm:d)) AND ALARM ( e )",
            &[
                ("a", 24),
                ("b c", 27),
                ("arn:aws:cloudwatch:r:1:alarm:d", 34),
                ("e", 79),
            ],
        );
        check("AT_LEAST(50%, OK, (x))", &[("x", 19)]);
    }

    #[test]
    fn what_is_not_of_the_grammar_is_told_with_its_offset() {
        let check = |rule: &str, offset: usize, part: &str| {
            let error = references(rule).unwrap_err();
            assert_eq!(error.offset, offset, "{rule}: {}", error.message);
            assert!(error.message.contains(part), "{rule}: {}", error.message);
        };
        check("ALARM(a", 5, "never closed");
        check("ALARM(\"a)", 6, "quote is never closed");
        check("ALARM(a))", 8, "closes nothing");
        check("ALARM(a) and ALARM(b)", 9, "`and` is not a word");
        check("ALARM a", 0, "needs `(`");
        check("ALARM(a), ALARM(b)", 8, "outside of AT_LEAST");
    }

    proptest! {
        #[test]
        fn any_rule_is_read_or_refused(rule in "[ALRMOKNDT_(),\" \\\\a-d0-9%]{0,40}") {
            let _ = references(&rule);
        }
    }
}
