//! What a deployment chooses.

use std::time::Duration;

use super::limit::Rate;
use crate::codec::Limits;

/// What a deployment chooses.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The bucket of originals and sizes.
    pub bucket: String,
    /// The table of images, links and limits.
    pub table: String,
    /// Where pictures are served, without a last slash: the CDN, or this service.
    pub pictures: String,
    /// Whether this service serves the pictures itself, where no CDN does.
    pub serve: bool,
    /// Where short links are, without a last slash.
    pub links: String,
    /// The widths that every upload is resized to, in pixels.
    pub widths: Vec<u32>,
    /// What is accepted.
    pub limits: Limits,
    /// Bytes of a file that comes in the request itself; larger ones are uploaded to the bucket.
    pub direct: u64,
    /// Whether who has neither a token nor an account may upload.
    pub anonymous: bool,
    /// How long images are kept; for ever without.
    pub keep: Option<Duration>,
    /// Uploads of one client.
    pub uploads: Rate,
    /// Other writes of one client.
    pub writes: Rate,
    /// How many proxies of ours stand in front and append to `X-Forwarded-For`.
    pub proxies: usize,
    /// When a click is counted in the table.
    pub clicks: Clicks,
    /// Images decoded at the same time.
    pub workers: usize,
    /// Bytes of memory for all of them.
    pub memory: u64,
}

/// When a click is counted in the table. The metric counts every click at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clicks {
    /// Before the redirect is answered: for a process that may be frozen after its answer.
    AtOnce,
    /// With others, when [`crate::Platform::flush_clicks`] is called: for a process that lives on. The redirect
    /// does not wait for a disk.
    Together,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

impl Config {
    /// The shipped choices for a bucket and a table; pictures and links under the service's own
    /// relative addresses.
    pub fn new(bucket: &str, table: &str) -> Config {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Config {
            bucket: bucket.into(),
            table: table.into(),
            pictures: "pictures".into(),
            serve: true,
            links: "short".into(),
            widths: vec![100, 300, 600],
            limits: Limits::default(),
            direct: 10 << 20,
            anonymous: true,
            keep: Some(365 * DAY),
            uploads: Rate {
                most: 60,
                window: MINUTE,
            },
            writes: Rate {
                most: 240,
                window: MINUTE,
            },
            proxies: 0,
            clicks: Clicks::Together,
            // One core stays free for who only wants a redirect.
            workers: cores.saturating_sub(1).max(1),
            memory: 768 << 20,
        }
    }

    /// From variables as a function has them: `BUCKET_NAME`, `TABLE_NAME`, `PICTURES_URL` and `LINKS_URL`
    /// are needed; `WIDTHS` (`100,300,600`), `ANONYMOUS_UPLOAD` (`true`), `KEEP_DAYS` (`365`; `0` is for
    /// ever), `UPLOADS_PER_MINUTE` (`60`), `PROXIES` (`1`: API Gateway; `2` with a CDN before it),
    /// `MEMORY_MB` have defaults. An empty one counts as not set.
    ///
    /// # Errors
    /// Which variable is missing or cannot be read.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let needed = |name: &str, what: &str| {
            var(name).ok_or_else(|| format!("variable {name} is not set; it names {what}"))
        };
        let number = |name: &str, default: u64| match var(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<u64>()
                .map_err(|_| format!("variable {name} is `{text}`; it has to be a whole number")),
        };
        let url = |text: String| text.trim_end_matches('/').to_string();
        let mut config = Config::new(
            &needed("BUCKET_NAME", "the bucket of pictures")?,
            &needed("TABLE_NAME", "the table of images and links")?,
        );
        config.pictures = url(needed("PICTURES_URL", "where the CDN serves the bucket")?);
        config.links = url(needed(
            "LINKS_URL",
            "where `/short` is reached from outside",
        )?);
        config.serve = false;
        if let Some(text) = var("WIDTHS") {
            let widths: Result<Vec<u32>, _> = text.split(',').map(|w| w.trim().parse()).collect();
            config.widths = widths
                .ok()
                .filter(|all| all.iter().all(|w| (1..=config.limits.side).contains(w)))
                .ok_or_else(|| {
                    format!("variable WIDTHS is `{text}`; it has to be pixels, as in `100,300,600`")
                })?;
        }
        config.anonymous = match var("ANONYMOUS_UPLOAD").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => {
                return Err(format!(
                    "variable ANONYMOUS_UPLOAD is `{other}`; it has to be `true` or `false`"
                ));
            }
        };
        let days = number("KEEP_DAYS", 365)?;
        config.keep = (days > 0).then(|| DAY * u32::try_from(days).unwrap_or(u32::MAX));
        let most = |name, default: i64| {
            number(name, default.unsigned_abs()).map(|n| i64::try_from(n).unwrap_or(i64::MAX))
        };
        config.uploads.most = most("UPLOADS_PER_MINUTE", config.uploads.most)?;
        config.writes.most = most("WRITES_PER_MINUTE", config.writes.most)?;
        config.proxies = usize::try_from(number("PROXIES", 1)?).unwrap_or(1);
        config.memory = number("MEMORY_MB", config.memory >> 20)? << 20;
        config.limits.memory = config.limits.memory.min(config.memory);
        // Lambda takes 6 MB, and a binary body comes as base64, four bytes for three.
        config.direct = 4_400_000;
        config.clicks = Clicks::AtOnce;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_say_what_a_deployment_chooses() {
        let base = [
            ("BUCKET_NAME", "b"),
            ("TABLE_NAME", "t"),
            ("PICTURES_URL", "https://cdn.example.org/"),
            ("LINKS_URL", "https://go.example.org/short"),
        ];
        let read = |more: &[(&str, &str)]| {
            Config::from_vars(|name| {
                let all = base.iter().chain(more);
                all.rev()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_string())
            })
        };
        let config = read(&[]).unwrap();
        assert_eq!(config.pictures, "https://cdn.example.org");
        assert!(!config.serve && config.anonymous && config.clicks == Clicks::AtOnce);
        assert!(config.direct * 4 / 3 < 6 << 20);
        let config = read(&[
            ("WIDTHS", "50, 80"),
            ("KEEP_DAYS", "0"),
            ("ANONYMOUS_UPLOAD", "false"),
        ]);
        let config = config.unwrap();
        assert_eq!((config.widths, config.keep), (vec![50, 80], None));
        assert!(!config.anonymous);
        let check = |name: &str, value: &str, part: &str| {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.contains(part) && error.contains(name), "{error}");
        };
        check("BUCKET_NAME", "", "is not set");
        check("PICTURES_URL", "", "where the CDN serves");
        check("WIDTHS", "100,many", "as in `100,300,600`");
        check("WIDTHS", "0", "pixels");
        check("KEEP_DAYS", "long", "whole number");
        check("ANONYMOUS_UPLOAD", "yes", "`true` or `false`");
    }
}
