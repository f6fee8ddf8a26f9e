//! The small grammars inside values: statistics, periods, thresholds, datapoints, names.

use crate::alarm::{Comparison, RunbookRef, Threshold};
use crate::metric::{Stat, Unit};
use crate::problem::nearest;
use crate::shape::{DURATION, Grammar};
use crate::time::parse_duration;
use crate::yaml::clip;

/// An alarm's name: 1 to 255 characters without control characters (PutMetricAlarm).
pub(crate) static ALARM_NAME: Grammar = Grammar {
    expected: "a name of 1 to 255 characters",
    pattern: "^[^\\x00-\\x1f\\x7f]{1,255}$",
    numbers: false,
    read: |text| {
        let length = text.chars().count();
        if (1..=255).contains(&length) && !text.chars().any(|c| c.is_ascii_control()) {
            Ok(())
        } else if length > 255 {
            Err(format!(
                "a name of {length} characters is too long; CloudWatch takes 255"
            ))
        } else {
            Err(String::new())
        }
    },
};

/// A metric's namespace: 1 to 255 characters, not beginning with a colon (PutMetricData).
pub(crate) static NAMESPACE: Grammar = Grammar {
    expected: "a namespace such as AWS/Lambda",
    pattern: "^[^: ][^ ]{0,254}$",
    numbers: false,
    read: |text| {
        let right = !text.is_empty()
            && text.len() <= 255
            && !text.starts_with(':')
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        right.then_some(()).ok_or_default()
    },
};

/// `Statistic` or `ExtendedStatistic`.
pub(crate) static STAT: Grammar = Grammar {
    expected: "a statistic such as Sum or p99",
    pattern: "^(SampleCount|Sum|Average|Minimum|Maximum|IQM|(p|tm|wm|tc|ts)[0-9]{1,3}(\\.[0-9]{1,10})?|(TM|WM|PR|TC|TS)\\([^:()]*:[^:()]*\\))$",
    numbers: false,
    read: |text| match text.parse::<Stat>() {
        Ok(_) => Ok(()),
        Err(message) => {
            let words = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"];
            let near = words
                .into_iter()
                .find(|w| w.eq_ignore_ascii_case(text))
                .or_else(|| nearest(text, words));
            Err(match near {
                Some(near) => format!("`{text}` is not a statistic; did you mean `{near}`?"),
                None => message,
            })
        }
    },
};

/// A CloudWatch unit.
pub(crate) static UNIT: Grammar = Grammar {
    expected: "a CloudWatch unit such as Count or Milliseconds",
    pattern: "^(Seconds|Microseconds|Milliseconds|Percent|Count|None|((Kilo|Mega|Giga|Tera)?([Bb]ytes|[Bb]its))(/Second)?|Count/Second)$",
    numbers: false,
    read: |text| match text.parse::<Unit>() {
        Ok(_) => Ok(()),
        Err(message) => Err(match nearest(text, Unit::ALL.iter().map(|u| u.as_str())) {
            Some(near) => format!("{message}; did you mean `{near}`?"),
            None => message,
        }),
    },
};

/// 10, 20 or 30 seconds, or a multiple of 60 (PutMetricAlarm).
pub(crate) static PERIOD: Grammar = Grammar {
    expected: "a period: 10s, 20s, 30s or whole minutes such as 1m",
    pattern: DURATION,
    numbers: false,
    read: |text| period(text).map(|_| ()).ok_or_default(),
};

/// The seconds of a legal period.
pub(crate) fn period(text: &str) -> Option<u32> {
    let secs = u32::try_from(parse_duration(text)?.as_secs()).ok()?;
    legal_period(secs).then_some(secs)
}

/// Whether an alarm may have this period, in seconds.
pub(crate) fn legal_period(secs: u32) -> bool {
    matches!(secs, 10 | 20 | 30) || (secs > 0 && secs.is_multiple_of(60))
}

/// `> 0`, `<= 1.5`, `outside band`.
pub(crate) static THRESHOLD: Grammar = Grammar {
    expected: "a comparison such as \"> 0\", or `outside ID` for an anomaly band",
    pattern: "^\\s*((>=|<=|>|<)\\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?|(outside|above|below)\\s+[a-z][A-Za-z0-9_]*)\\s*$",
    numbers: false,
    read: |text| threshold(text).map(|_| ()).ok_or_default(),
};

/// Reads a threshold.
pub(crate) fn threshold(text: &str) -> Option<Threshold> {
    let text = text.trim();
    for (sign, comparison) in [
        (">=", Comparison::GreaterOrEqual),
        ("<=", Comparison::LessOrEqual),
        (">", Comparison::Greater),
        ("<", Comparison::Less),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            let rest = rest.trim();
            let value: f64 = rest.parse().ok()?;
            let digits = rest.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            return (digits && value.is_finite())
                .then_some(Threshold::Number { comparison, value });
        }
    }
    let (word, id) = text.split_once(char::is_whitespace)?;
    let comparison = match word {
        "outside" => Comparison::Outside,
        "above" => Comparison::Above,
        "below" => Comparison::Below,
        _ => return None,
    };
    let id = id.trim();
    is_math_id(id).then(|| Threshold::Band {
        comparison,
        id: id.into(),
    })
}

/// `2 of 3`, `3`.
pub(crate) static DATAPOINTS: Grammar = Grammar {
    expected: "datapoints \"of\" evaluation periods, such as 2 of 3, or 3 alone for 3 of 3",
    pattern: "^\\s*[0-9]+(\\s+of\\s+[0-9]+)?\\s*$",
    numbers: true,
    read: |text| match datapoints(text) {
        Some((Some(0), _) | (_, 0)) => Err("at least one datapoint is needed".into()),
        Some((Some(m), n)) if m > n => Err(format!(
            "{m} of {n} can never be reached; datapoints to alarm come first: {n} of {m}?"
        )),
        Some(_) => Ok(()),
        None => Err(String::new()),
    },
};

/// `(M, N)`; M is `None` where only N is given.
pub(crate) fn datapoints(text: &str) -> Option<(Option<u32>, u32)> {
    let number = |s: &str| -> Option<u32> {
        let s = s.trim();
        let digits = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| s.parse().ok()).flatten()
    };
    match text.split_once("of") {
        Some((m, n)) => Some((Some(number(m)?), number(n)?)),
        None => Some((None, number(text)?)),
    }
}

/// `counter-errors`, `counter-errors#is-it-the-table`.
pub(crate) static RUNBOOK: Grammar = Grammar {
    expected: "a runbook's file stem with an optional #heading, such as counter-errors#is-it-the-table",
    pattern: "^[^#/]+(#[^#]+)?$",
    numbers: false,
    read: |text| match runbook(text) {
        Some(reference) if reference.stem.ends_with(".md") => Err(format!(
            "a runbook is named without its ending; write `{}`",
            text.replace(".md", "")
        )),
        Some(_) => Ok(()),
        None => Err(String::new()),
    },
};

/// Reads a runbook reference.
pub(crate) fn runbook(text: &str) -> Option<RunbookRef> {
    let (stem, heading) = match text.split_once('#') {
        Some((stem, heading)) => (stem, Some(heading)),
        None => (text, None),
    };
    let wrong = |s: &str| s.is_empty() || s.contains(['#', '/', ' ']);
    if wrong(stem) || heading.is_some_and(wrong) {
        return None;
    }
    Some(RunbookRef {
        stem: stem.into(),
        heading: heading.map(str::to_string),
    })
}

/// The id of a math entry: a lower-case letter, then letters, digits, `_` (GetMetricData).
pub(crate) static MATH_ID: Grammar = Grammar {
    expected: "an id: a lower-case letter, then letters, digits or `_`",
    pattern: "^[a-z][A-Za-z0-9_]*$",
    numbers: false,
    read: |text| is_math_id(text).then_some(()).ok_or_default(),
};

/// Whether a text can be the id of a math entry.
pub(crate) fn is_math_id(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// 1 to 2,880 minutes (WarmUpConfiguration).
pub(crate) static WARM_UP: Grammar = Grammar {
    expected: "a duration of whole minutes from 1m to 2d",
    pattern: DURATION,
    numbers: false,
    read: |text| {
        parse_duration(text)
            .is_some_and(|d| {
                d.as_secs().is_multiple_of(60) && (1..=2880).contains(&(d.as_secs() / 60))
            })
            .then_some(())
            .ok_or_default()
    },
};

/// A topic's ARN.
pub(crate) static TOPIC: Grammar = Grammar {
    expected: "the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME",
    pattern: "^(arn:[a-z-]+:sns:[^:]+:[0-9]{12}:.+|.*\\$\\{.*)$",
    numbers: false,
    read: |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let right = matches!(parts[..], ["arn", partition, "sns", region, account, name]
            if partition.starts_with("aws") && !region.is_empty() && !name.is_empty() && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
        // What could not be looked up was reported already.
        (right || text.contains("${")).then_some(()).ok_or_default()
    },
};

/// A mail address, only as far as a typing error shows.
pub(crate) static ADDRESS: Grammar = Grammar {
    expected: "a mail address",
    pattern: "@",
    numbers: false,
    read: |text| {
        let right = text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
            && !text.contains(char::is_whitespace);
        (right || text.contains("${")).then_some(()).ok_or_default()
    },
};

/// `HH:MM`; `24:00` is the day's end.
pub(crate) static CLOCK: Grammar = Grammar {
    expected: "a time of day such as \"09:00\"",
    pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$",
    numbers: false,
    read: |text| clock(text).map(|_| ()).ok_or_default(),
};

/// Reads `HH:MM`.
pub(crate) fn clock(text: &str) -> Option<jiff::civil::Time> {
    if text == "24:00" {
        return Some(jiff::civil::Time::midnight());
    }
    let (hour, minute) = text.split_once(':')?;
    let two = |s: &str| -> Option<i8> {
        (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse().ok())
            .flatten()
    };
    jiff::civil::Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

/// A time zone's IANA name.
pub(crate) static ZONE: Grammar = Grammar {
    expected: "a time zone such as Europe/Berlin",
    pattern: "^[A-Za-z0-9_+/-]+$",
    numbers: false,
    read: |text| {
        if jiff::tz::TimeZone::get(text).is_ok() {
            return Ok(());
        }
        let names: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
        Err(match nearest(text, names.iter().map(String::as_str)) {
            Some(near) => format!(
                "`{}` is not a time zone; did you mean `{near}`?",
                clip(text)
            ),
            None => format!(
                "`{}` is not a time zone; expected an IANA name such as Europe/Berlin",
                clip(text)
            ),
        })
    },
};

/// `http://` or `https://`.
pub(crate) static WEB: Grammar = Grammar {
    expected: "an address beginning with http:// or https://",
    pattern: "^(https?://.+|.*\\$\\{.*)$",
    numbers: false,
    read: |text| {
        let right = ["http://", "https://"]
            .iter()
            .any(|s| text.strip_prefix(s).is_some_and(|rest| !rest.is_empty()));
        (right || text.contains("${")).then_some(()).ok_or_default()
    },
};

/// The ARN of an application load balancer.
pub(crate) static BALANCER: Grammar = Grammar {
    expected: "the ARN of an application load balancer, arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID",
    pattern: "^(arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/app/[^/]+/[^/]+|.*\\$\\{.*)$",
    numbers: false,
    read: |text| {
        let plain = |t: &str, more: fn(char) -> bool| !t.is_empty() && t.chars().all(more);
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let right = match parts[..] {
            [
                "arn",
                partition,
                "elasticloadbalancing",
                region,
                account,
                balancer,
            ] => {
                let name = balancer.strip_prefix("loadbalancer/app/").unwrap_or("");
                plain(partition, |c| c.is_ascii_lowercase() || c == '-')
                    && plain(region, |c| {
                        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
                    })
                    && account.len() == 12
                    && plain(account, |c| c.is_ascii_digit())
                    && name.split_once('/').is_some_and(|(name, id)| {
                        plain(name, |c| c != '/') && plain(id, |c| c != '/')
                    })
            }
            _ => false,
        };
        (right || text.contains("${")).then_some(()).ok_or_default()
    },
};

trait OkOrDefault {
    fn ok_or_default(self) -> Result<(), String>;
}

impl OkOrDefault for Option<()> {
    /// An empty error: the grammar's own `expected` says enough.
    fn ok_or_default(self) -> Result<(), String> {
        self.ok_or_else(String::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thresholds_are_a_comparison_or_a_band() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(
                threshold(text).map(|t| t.to_string()).as_deref(),
                expect,
                "{text}"
            );
        };
        check("> 0", Some("> 0"));
        check(">=5", Some(">= 5"));
        check(" < -1.5e3 ", Some("< -1500"));
        check("<= .5", Some("<= 0.5"));
        check("outside band", Some("outside band"));
        for bad in [
            "",
            "5",
            "= 5",
            "> five",
            "> inf",
            "> nan",
            ">",
            "above",
            "above Band",
            "over band",
            "> 1 2",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn datapoints_are_m_of_n() {
        assert_eq!(datapoints("2 of 3"), Some((Some(2), 3)));
        assert_eq!(datapoints("3"), Some((None, 3)));
        for bad in ["", "of", "2 of", "-1 of 3", "2of x", "2.5"] {
            assert_eq!(datapoints(bad), None, "{bad}");
        }
    }

    #[test]
    fn periods_are_those_of_put_metric_alarm() {
        for (text, secs) in [
            ("10s", 10),
            ("20s", 20),
            ("30s", 30),
            ("1m", 60),
            ("90m", 5400),
        ] {
            assert_eq!(period(text), Some(secs));
        }
        for bad in ["0s", "5s", "45s", "90s", "1m30s", "60"] {
            assert_eq!(period(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_written_threshold_reads_back(value in -1e12f64..1e12, sign in "(>|>=|<|<=)") {
            let text = format!("{sign} {value}");
            prop_assert_eq!(threshold(&text).map(|t| t.to_string()), Some(text));
        }

        #[test]
        fn grammars_never_panic(text in ".{0,24}") {
            for grammar in [&ALARM_NAME, &NAMESPACE, &STAT, &UNIT, &PERIOD, &THRESHOLD, &DATAPOINTS, &RUNBOOK, &MATH_ID, &WARM_UP, &TOPIC, &ADDRESS, &CLOCK, &WEB, &BALANCER] {
                let _ = (grammar.read)(&text);
            }
        }
    }

    #[test]
    fn what_a_grammar_reads_its_pattern_matches() {
        let grammars = [
            &ALARM_NAME,
            &NAMESPACE,
            &STAT,
            &UNIT,
            &PERIOD,
            &THRESHOLD,
            &DATAPOINTS,
            &RUNBOOK,
            &MATH_ID,
            &WARM_UP,
            &TOPIC,
            &ADDRESS,
            &CLOCK,
            &WEB,
            &BALANCER,
        ];
        let patterns = grammars.map(|g| (g, regex::Regex::new(g.pattern).unwrap()));
        let texts = "[a-zA-Z0-9 :/.#<>=@-]{1,12}|[0-9]{1,2}[smhd]|[<>]=? ?[0-9]{1,3}|[0-9] of [0-9]|p[0-9]{1,2}|TM\\([0-9]%:[0-9]%\\)|[0-9]{2}:[0-9]{2}|(Kilo|Mega)?(Bytes|Bits|Count)(/Second)?";
        proptest!(|(text in texts)| {
            for (grammar, pattern) in &patterns {
                if (grammar.read)(&text).is_ok() {
                    prop_assert!(pattern.is_match(&text), "{}: {text:?}", grammar.expected);
                }
            }
        });
    }
}
