//! What the service is told about its surroundings.

use std::time::Duration;

use crate::register::TableNames;

/// Names and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its tables.
    pub tables: TableNames,
    /// Where it answers, without a slash at the end: the base of the links in mails.
    pub url: String,
    /// Who sends formatted mail; without one mail goes by the SNS topic.
    pub from: Option<String>,
    /// The SNS topic.
    pub topic: Option<String>,
    /// Where fan-outs wait. What it holds is hidden for longer than [`Config::LEASE`] while a
    /// function works on it.
    pub queue: String,
    /// Where SES says what came back, if it does.
    pub feedback: Option<String>,
    /// Where what could not be delivered goes.
    pub dead_letters: String,
    /// The account's quota of sends a second; 0 for none.
    pub per_second: u32,
    /// A fan-out goes on in another invocation after this time.
    pub budget: Duration,
    /// Where people sign in, for the page.
    pub sign_in: Option<SignIn>,
}

/// The user pool's own pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Its base: `/oauth2/authorize`, `/oauth2/token` and `/logout` stand below it.
    pub url: String,
    /// The app client.
    pub client: String,
}

impl Config {
    /// How long a page of deliveries is one worker's.
    pub const LEASE: Duration = Duration::from_secs(150);

    /// Reads `EVENTS_TABLE`, `SUBSCRIPTIONS_TABLE`, `PUBLIC_URL`, `FAN_OUT_QUEUE`,
    /// `DEAD_LETTER_QUEUE`, and optionally `MAIL_FROM`, `TOPIC_ARN` (one of the two is needed),
    /// `FEEDBACK_QUEUE`, `SENDS_PER_SECOND` (14, what SES gives a new account),
    /// `SIGN_IN_URL` and `CLIENT_ID`.
    ///
    /// # Errors
    ///
    /// Everything that is missing or cannot be used.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Config, Unusable> {
        let mut wrong = Vec::new();
        let var = |name: &str| var(name).filter(|v| !v.is_empty());
        let mut needed = |name: &str| {
            var(name).unwrap_or_else(|| {
                wrong.push(format!("{name} is needed"));
                String::new()
            })
        };
        let tables = TableNames {
            events: needed("EVENTS_TABLE"),
            subscriptions: needed("SUBSCRIPTIONS_TABLE"),
        };
        let url = needed("PUBLIC_URL").trim_end_matches('/').to_string();
        let (queue, dead_letters) = (needed("FAN_OUT_QUEUE"), needed("DEAD_LETTER_QUEUE"));
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            wrong.push(format!("PUBLIC_URL is no web address: {url}"));
        }
        let (from, topic) = (var("MAIL_FROM"), var("TOPIC_ARN"));
        if from.is_none() && topic.is_none() {
            wrong.push("MAIL_FROM or TOPIC_ARN is needed, or nobody can be told".into());
        }
        let per_second = var("SENDS_PER_SECOND").map_or(Ok(14), |v| v.parse());
        let per_second = per_second.unwrap_or_else(|_| {
            wrong.push("SENDS_PER_SECOND is no whole number".into());
            0
        });
        let sign_in = match (var("SIGN_IN_URL"), var("CLIENT_ID")) {
            (Some(url), Some(client)) => Some(SignIn {
                url: url.trim_end_matches('/').into(),
                client,
            }),
            _ => None,
        };
        if !wrong.is_empty() {
            return Err(Unusable(wrong.join("; ")));
        }
        Ok(Config {
            tables,
            url,
            from,
            topic,
            queue,
            feedback: var("FEEDBACK_QUEUE"),
            dead_letters,
            per_second,
            budget: Duration::from_secs(40),
            sign_in,
        })
    }
}

/// The environment does not say enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config, String> {
        let find = |name: &str| {
            let found = vars.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| (*v).to_string())
        };
        Config::from_vars(find).map_err(|e| e.to_string())
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let whole = [
            ("EVENTS_TABLE", "e"),
            ("SUBSCRIPTIONS_TABLE", "s"),
            ("PUBLIC_URL", "https://example.org/prod/"),
            ("FAN_OUT_QUEUE", "q"),
            ("DEAD_LETTER_QUEUE", "d"),
            ("TOPIC_ARN", "arn"),
        ];
        let config = read(&whole).unwrap();
        assert_eq!(
            (config.url.as_str(), config.per_second),
            ("https://example.org/prod", 14)
        );
        let none = read(&[("PUBLIC_URL", "ftp://x"), ("SENDS_PER_SECOND", "many")]).unwrap_err();
        for part in [
            "EVENTS_TABLE is needed",
            "DEAD_LETTER_QUEUE is needed",
            "PUBLIC_URL is no web address: ftp://x",
            "MAIL_FROM or TOPIC_ARN is needed",
            "SENDS_PER_SECOND is no whole number",
        ] {
            assert!(none.contains(part), "{part} in {none}");
        }
    }
}
