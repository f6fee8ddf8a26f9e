//! What is assumed of a month: a plan's JSON says sizes and counts, never usage.

use std::fmt::Write;

/// A month's assumptions. All are amounts of a month unless they say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Requests to all APIs together.
    pub requests: f64,
    /// The share of them that the CDN answers by itself.
    pub cached: f64,
    /// Milliseconds that a function works on one.
    pub function_ms: f64,
    /// Writes to tables a request, and reads.
    pub table_writes: f64,
    /// See `table_writes`.
    pub table_reads: f64,
    /// Log lines of a request, in KB.
    pub log_kb: f64,
    /// KB that the CDN sends for a request.
    pub answer_kb: f64,
    /// Pictures that are uploaded.
    pub uploads: f64,
    /// GB of pictures that are kept.
    pub picture_gb: f64,
    /// GB in tables.
    pub table_gb: f64,
    /// Mails of announcements.
    pub mails: f64,
    /// Mails of alerts.
    pub alert_mails: f64,
    /// People who sign in.
    pub users: f64,
    /// Custom metrics: each name with each set of dimensions counts.
    pub custom_metrics: f64,
    /// GB through NAT gateways.
    pub nat_gb: f64,
    /// Capacity units of the load balancer, on average.
    pub balancer_units: f64,
    /// GB of images in the registry.
    pub image_gb: f64,
}

impl Default for Usage {
    /// A small estate: 10,000 requests.
    fn default() -> Usage {
        Usage {
            requests: 10_000.0,
            cached: 0.5,
            function_ms: 20.0,
            table_writes: 1.0,
            table_reads: 1.0,
            log_kb: 2.0,
            answer_kb: 20.0,
            uploads: 100.0,
            picture_gb: 0.5,
            table_gb: 0.1,
            mails: 500.0,
            alert_mails: 100.0,
            users: 10.0,
            custom_metrics: 0.0,
            nat_gb: 0.5,
            balancer_units: 0.05,
            image_gb: 0.5,
        }
    }
}

impl Usage {
    /// Lines of `key: number`; `#` begins a comment. What is left out has the default.
    ///
    /// # Errors
    /// Every line that cannot be used, with its number.
    pub fn read(text: &str) -> Result<Usage, String> {
        let mut usage = Usage::default();
        let mut wrong = String::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut say = |what: String| {
                let _ = writeln!(wrong, "line {}: {what}", i + 1);
            };
            let Some((key, value)) = line.split_once(':') else {
                say(format!("expected `key: number`, found `{line}`"));
                continue;
            };
            let value: Option<f64> = value.trim().replace('_', "").parse().ok();
            let Some(value) = value.filter(|v| v.is_finite() && *v >= 0.0) else {
                say(format!(
                    "`{}` has to be a number that is not negative",
                    key.trim()
                ));
                continue;
            };
            match usage
                .slots()
                .into_iter()
                .find(|(name, _)| *name == key.trim())
            {
                Some((_, slot)) => *slot = value,
                None => {
                    let names: Vec<_> = Usage::default()
                        .slots()
                        .into_iter()
                        .map(|(n, _)| n)
                        .collect();
                    say(format!(
                        "`{}` is no assumption; known: {}",
                        key.trim(),
                        names.join(", ")
                    ));
                }
            }
        }
        match wrong.is_empty() {
            true => Ok(usage),
            false => Err(wrong.trim_end().to_owned()),
        }
    }

    fn slots(&mut self) -> [(&'static str, &mut f64); 17] {
        [
            ("requests", &mut self.requests),
            ("cached", &mut self.cached),
            ("function_ms", &mut self.function_ms),
            ("table_writes", &mut self.table_writes),
            ("table_reads", &mut self.table_reads),
            ("log_kb", &mut self.log_kb),
            ("answer_kb", &mut self.answer_kb),
            ("uploads", &mut self.uploads),
            ("picture_gb", &mut self.picture_gb),
            ("table_gb", &mut self.table_gb),
            ("mails", &mut self.mails),
            ("alert_mails", &mut self.alert_mails),
            ("users", &mut self.users),
            ("custom_metrics", &mut self.custom_metrics),
            ("nat_gb", &mut self.nat_gb),
            ("balancer_units", &mut self.balancer_units),
            ("image_gb", &mut self.image_gb),
        ]
    }
}
