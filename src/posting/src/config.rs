//! What the service is told about its surroundings.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::upstream::openai::Model;

/// Names and limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// The table of jobs.
    pub jobs: String,
    /// The table of what people did.
    pub audit: String,
    /// The bucket of the list and the pictures.
    pub bucket: String,
    /// The list of days in the bucket.
    pub days: String,
    /// Queues and their dead letters.
    pub queues: Queues,
    /// The estate's time zone.
    pub zone: TimeZone,
    /// OpenAI's images.
    pub openai: OpenAi,
    /// X.
    pub x: X,
    /// The secret that the CDN sends in [`crate::http::ORIGIN_HEADER`]; its name.
    pub origin_secret: String,
    /// Where people sign in, for the page.
    pub sign_in: Option<SignIn>,
}

/// Where work waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queues {
    /// Pictures to be drawn.
    pub generate: String,
    /// Pictures to be posted.
    pub post: String,
    /// What could not be drawn.
    pub generate_dead: String,
    /// What could not be posted, or may have been.
    pub post_dead: String,
}

/// The images API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAi {
    /// Its base, without a slash at the end.
    pub url: String,
    /// The name of the secret that holds the key.
    pub secret: String,
    /// What is asked for.
    pub model: Model,
    /// How long one call may take. A picture takes up to two minutes, OpenAI says.
    pub timeout: Duration,
}

/// The X API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X {
    /// Its base, without a slash at the end.
    pub url: String,
    /// The name of the secret that holds the user's credentials.
    pub secret: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// Pictures larger than this are uploaded in pieces of this size.
    pub chunk: usize,
    /// X's search shows a post after this time at the latest. What it does not show before is not
    /// known to be missing.
    pub settles: Duration,
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
    /// How long a job is one worker's while a picture is drawn: longer than the function may run,
    /// shorter than the queue hides the message.
    pub const GENERATE_LEASE: Duration = Duration::from_secs(360);
    /// The same while it is posted.
    pub const POST_LEASE: Duration = Duration::from_secs(180);
    /// What both functions take at most.
    pub const GENERATE_TIMEOUT: Duration = Duration::from_secs(300);
    /// See [`Config::GENERATE_TIMEOUT`].
    pub const POST_TIMEOUT: Duration = Duration::from_secs(120);
    /// The queues' visibility timeout: what failed comes again after this time.
    pub const RETRY: Duration = Duration::from_secs(20 * 60);
    /// The queues' `maxReceiveCount`.
    pub const RECEIVES: u32 = 2;

    /// Reads `JOBS_TABLE`, `AUDIT_TABLE`, `BUCKET`, `GENERATE_QUEUE`, `POST_QUEUE`,
    /// `GENERATE_DEAD_LETTER_QUEUE`, `POST_DEAD_LETTER_QUEUE`; optionally `DAYS_KEY`
    /// (national-days.json), `TIME_ZONE` (America/New_York), `OPENAI_URL`, `OPENAI_SECRET`
    /// (openai), `OPENAI_MODEL`, `OPENAI_SIZE`, `OPENAI_QUALITY`, `OPENAI_STYLE`, `OPENAI_ANSWER`,
    /// `X_URL`, `X_SECRET` (x), `X_SEARCH_SETTLES` (1h), `ORIGIN_SECRET` (origin), `SIGN_IN_URL`
    /// and `CLIENT_ID`.
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
        let (jobs, audit) = (needed("JOBS_TABLE"), needed("AUDIT_TABLE"));
        let bucket = needed("BUCKET");
        let queues = Queues {
            generate: needed("GENERATE_QUEUE"),
            post: needed("POST_QUEUE"),
            generate_dead: needed("GENERATE_DEAD_LETTER_QUEUE"),
            post_dead: needed("POST_DEAD_LETTER_QUEUE"),
        };
        let or = |name: &str, default: &str| var(name).unwrap_or_else(|| default.into());
        let zone = or("TIME_ZONE", "America/New_York");
        let zone = TimeZone::get(&zone).unwrap_or_else(|e| {
            wrong.push(format!("TIME_ZONE is no time zone: {e}"));
            TimeZone::UTC
        });
        let address = |name: &str, default: &str, wrong: &mut Vec<String>| {
            let url = or(name, default);
            if !url.starts_with("https://") && !url.starts_with("http://") {
                wrong.push(format!("{name} is no web address: {url}"));
            }
            url.trim_end_matches('/').to_string()
        };
        let openai = address("OPENAI_URL", "https://api.openai.com", &mut wrong);
        let x = address("X_URL", "https://api.x.com", &mut wrong);
        let model = Model::read(&var).unwrap_or_else(|why| {
            wrong.push(why);
            Model::default()
        });
        let settles = model::time::parse_duration(&or("X_SEARCH_SETTLES", "1h"));
        let settles = settles.unwrap_or_else(|| {
            wrong.push("X_SEARCH_SETTLES is no duration such as 1h".into());
            Duration::ZERO
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
            jobs,
            audit,
            bucket,
            days: or("DAYS_KEY", "national-days.json"),
            queues,
            zone,
            openai: OpenAi {
                url: openai,
                secret: or("OPENAI_SECRET", "openai"),
                model,
                timeout: Duration::from_secs(90),
            },
            x: X {
                url: x,
                secret: or("X_SECRET", "x"),
                timeout: Duration::from_secs(20),
                chunk: 1024 * 1024,
                settles,
            },
            origin_secret: or("ORIGIN_SECRET", "origin"),
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

    fn read(more: &[(&str, &str)]) -> Result<Config, String> {
        let whole = [
            ("JOBS_TABLE", "j"),
            ("AUDIT_TABLE", "a"),
            ("BUCKET", "b"),
            ("GENERATE_QUEUE", "g"),
            ("POST_QUEUE", "p"),
            ("GENERATE_DEAD_LETTER_QUEUE", "gd"),
            ("POST_DEAD_LETTER_QUEUE", "pd"),
        ];
        let find = |name: &str| {
            let found = more.iter().chain(&whole).find(|(n, _)| *n == name);
            found.map(|(_, v)| (*v).to_string())
        };
        Config::from_vars(find).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let config = read(&[]).unwrap();
        assert_eq!(config.zone.iana_name(), Some("America/New_York"));
        assert_eq!(config.openai.url, "https://api.openai.com");
        assert_eq!(config.x.url, "https://api.x.com");
        assert_eq!(config.x.settles, Duration::from_secs(3_600));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let all = read(&[
            ("BUCKET", ""),
            ("TIME_ZONE", "Mars/Olympus"),
            ("X_URL", "ftp://x"),
            ("X_SEARCH_SETTLES", "soon"),
            ("OPENAI_STYLE", "vivid"),
        ]);
        let all = all.unwrap_err();
        for part in [
            "BUCKET is needed",
            "TIME_ZONE is no time zone",
            "X_URL is no web address: ftp://x",
            "X_SEARCH_SETTLES is no duration",
            "OPENAI_STYLE",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
    }
}
