//! The rule: a visit adds one to one attribute of one item.

use std::error::Error;
use std::fmt::Write;

use ports::Key;

/// The item that holds the count.
const ITEM: &str = "visitors";

/// Where the count is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    table: String,
    key: Key,
    attribute: String,
}

/// What a visit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit<'a> {
    /// The table.
    pub table: &'a str,
    /// The item.
    pub key: &'a Key,
    /// The number attribute.
    pub attribute: &'a str,
    /// How much is added.
    pub by: i64,
}

impl Config {
    /// A table with the attributes `pk` and `visitCount`.
    pub fn new(table: &str) -> Config {
        Config {
            table: table.into(),
            key: Key {
                attribute: "pk".into(),
                value: ITEM.into(),
            },
            attribute: "visitCount".into(),
        }
    }

    /// From variables as a function has them: `TABLE_NAME`, `PRIMARY_KEY` (default `pk`),
    /// `COUNTER_ATTR` (default `visitCount`). An empty one counts as not set.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
        let var = |name| var(name).filter(|value| !value.is_empty());
        let table = var("TABLE_NAME")
            .ok_or("variable TABLE_NAME is not set; it names the visitor table")?;
        let mut config = Config::new(&table);
        if let Some(attribute) = var("PRIMARY_KEY") {
            config.key.attribute = attribute;
        }
        if let Some(attribute) = var("COUNTER_ATTR") {
            config.attribute = attribute;
        }
        if config.attribute == config.key.attribute {
            return Err(format!(
                "COUNTER_ATTR and PRIMARY_KEY are both `{}`; a key cannot be counted up",
                config.attribute
            ));
        }
        Ok(config)
    }

    /// What one visit changes.
    pub fn visit(&self) -> Visit<'_> {
        Visit {
            table: &self.table,
            key: &self.key,
            attribute: &self.attribute,
            by: 1,
        }
    }
}

/// The answer's body.
pub fn body(count: i64) -> String {
    format!("{{\"count\":{count}}}")
}

/// An error and what it came from, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_say_where_the_count_is() {
        let check = |vars: &[(&str, &str)], expect: Result<(&str, &str, &str), &str>| {
            let var = |name: &str| {
                vars.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_string())
            };
            match (Config::from_vars(var), expect) {
                (Ok(config), Ok((table, key, attribute))) => {
                    let key = Key {
                        attribute: key.into(),
                        value: "visitors".into(),
                    };
                    assert_eq!(
                        config.visit(),
                        Visit {
                            table,
                            key: &key,
                            attribute,
                            by: 1
                        }
                    );
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (got, expect) => panic!("{vars:?}: {got:?}, expected {expect:?}"),
            }
        };
        check(&[("TABLE_NAME", "t")], Ok(("t", "pk", "visitCount")));
        check(
            &[
                ("TABLE_NAME", "t"),
                ("PRIMARY_KEY", ""),
                ("COUNTER_ATTR", ""),
            ],
            Ok(("t", "pk", "visitCount")),
        );
        check(
            &[
                ("TABLE_NAME", "t"),
                ("PRIMARY_KEY", "id"),
                ("COUNTER_ATTR", "n"),
            ],
            Ok(("t", "id", "n")),
        );
        check(&[], Err("TABLE_NAME is not set"));
        check(&[("TABLE_NAME", "")], Err("TABLE_NAME is not set"));
        check(
            &[("TABLE_NAME", "t"), ("COUNTER_ATTR", "pk")],
            Err("both `pk`"),
        );
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = ports::Error::new("add", "visitors", ports::Kind::Unavailable)
            .because("the disk is gone");
        assert_eq!(chain(&error), "add visitors: unavailable: the disk is gone");
    }
}
