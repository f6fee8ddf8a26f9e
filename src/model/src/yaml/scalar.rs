//! Scalars: a text, and what it is under YAML's core schema.

use serde_json::{Number, Value as Json};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that `5` is a number and `true` a truth value.
    pub(crate) plain: bool,
    /// Columns from the place of the value to its first character, where the text stands in the
    /// file exactly as here; `None` where escapes, folding or substitution changed it.
    pub(crate) offset: Option<u32>,
    /// Refers to a secret, which is resolved only at the moment of use.
    pub(crate) secret: bool,
}

/// What a scalar is under YAML's core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    Null,
    Bool,
    Integer,
    Float,
    Text,
}

/// A text that is short enough for a message.
pub(crate) fn clip(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() > 60 || line.len() < text.trim_end().len() {
        let start: String = line.chars().take(57).collect();
        format!("{start}...")
    } else {
        line.to_string()
    }
}

impl Scalar {
    pub(crate) fn kind(&self) -> ScalarKind {
        if !self.plain {
            return ScalarKind::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => ScalarKind::Bool,
            ".nan" | ".NaN" | ".NAN" => ScalarKind::Float,
            text if integer(text) => ScalarKind::Integer,
            text if float(text) => ScalarKind::Float,
            _ => ScalarKind::Text,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        (self.kind() == ScalarKind::Bool).then(|| self.text.eq_ignore_ascii_case("true"))
    }

    /// A finite number.
    pub(crate) fn as_number(&self) -> Option<f64> {
        let number = match self.kind() {
            ScalarKind::Integer => match radix(&self.text) {
                Some((digits, radix)) => u64::from_str_radix(digits, radix).ok()? as f64,
                None => self.text.parse().ok()?,
            },
            ScalarKind::Float => self.text.parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    pub(super) fn to_json(&self) -> Json {
        match self.kind() {
            ScalarKind::Null => Json::Null,
            ScalarKind::Bool => Json::Bool(self.text.eq_ignore_ascii_case("true")),
            ScalarKind::Integer => self
                .text
                .trim_start_matches('+')
                .parse::<i64>()
                .map(Json::from)
                .ok()
                .or_else(|| self.text.parse::<u64>().map(Json::from).ok())
                .or_else(|| self.as_number().and_then(Number::from_f64).map(Json::from))
                .unwrap_or_else(|| Json::String(self.text.clone())),
            ScalarKind::Float => self
                .as_number()
                .and_then(Number::from_f64)
                .map_or_else(|| Json::String(self.text.clone()), Json::from),
            ScalarKind::Text => Json::String(self.text.clone()),
        }
    }
}

fn radix(text: &str) -> Option<(&str, u32)> {
    let hex = text.strip_prefix("0x").map(|d| (d, 16));
    hex.or_else(|| text.strip_prefix("0o").map(|d| (d, 8)))
        .filter(|(d, radix)| !d.is_empty() && d.chars().all(|c| c.is_digit(*radix)))
}

fn integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())) || radix(text).is_some()
}

fn float(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(body, ".inf" | ".Inf" | ".INF")
        || (body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && body.bytes().any(|b| b.is_ascii_digit())
            && body
                .bytes()
                .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
            && body.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    #[test]
    fn scalars_have_the_kinds_of_the_core_schema() {
        let check = |text: &str, kind: ScalarKind, json: Json| {
            let node = crate::yaml::parse(&format!("[{text}]"), &mut Report::new("")).unwrap();
            let scalar = node.items()[0].scalar().unwrap();
            assert_eq!(scalar.kind(), kind, "{text}");
            assert_eq!(scalar.to_json(), json, "{text}");
        };
        check("~", ScalarKind::Null, Json::Null);
        check("true", ScalarKind::Bool, Json::Bool(true));
        check("\"true\"", ScalarKind::Text, Json::from("true"));
        check("on", ScalarKind::Text, Json::from("on"));
        check("12", ScalarKind::Integer, Json::from(12));
        check("-1.5e3", ScalarKind::Float, Json::from(-1500.0));
        check("0x1F", ScalarKind::Integer, Json::from(31.0));
        check("3m", ScalarKind::Text, Json::from("3m"));
        check("1-2", ScalarKind::Text, Json::from("1-2"));
        check("2026-01-05", ScalarKind::Text, Json::from("2026-01-05"));
        check("!!str 12", ScalarKind::Text, Json::from("12"));
    }
}
