//! Plans for people: coloured text for a terminal, Markdown for a pull request.

mod markdown;

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

pub use self::markdown::{LIMIT, markdown};
use crate::birth::Settling;
use crate::change::Sign;
use crate::cost::{PRICES_AS_OF, dollars};
use crate::plan::{Count, Field, Fired, Line, OverBudget, Plan, Risk};
use crate::quota::Quotas;

/// Whether escape codes may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI escapes.
    Ansi,
    /// Signs and words alone; nothing is lost.
    Plain,
}

impl Colour {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Colour::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colour::Plain => text.into(),
        }
    }

    fn sign(self, sign: Sign) -> String {
        let code = match sign {
            Sign::Create => "32",
            Sign::Change => "33",
            Sign::Delete => "31",
            Sign::Adopt => "34",
        };
        self.paint(code, &sign.as_char().to_string())
    }
}

/// A plan in text; the last line says what to do next.
pub fn text(plan: &Plan, quotas: &Quotas, colour: Colour) -> String {
    let mut out = String::new();
    for line in &plan.lines {
        lines(&mut out, line, colour);
    }
    for blocked in &plan.blocked {
        let owner = match &blocked.owner {
            Some(estate) => format!("belongs to the estate `{estate}`"),
            None => "carries nobody's mark".into(),
        };
        let what = if blocked.fields.is_empty() {
            "is already as desired".to_string()
        } else {
            format!("differs in {}", listed(&blocked.fields))
        };
        let _ = writeln!(
            out,
            "{} {} {} {owner}, so it is not written; it {what}\n    take it over with: nightbell adopt {}",
            colour.paint("33", "x"),
            blocked.kind.as_str(),
            clean(&blocked.name),
            shell(&blocked.name)
        );
    }
    for kept in &plan.kept {
        let _ = writeln!(
            out,
            "= alarm {} keeps its drift in {} until {}: {}",
            clean(&kept.name),
            listed(&kept.fields),
            kept.until,
            clean(&kept.reason)
        );
    }
    for unmanaged in &plan.unmanaged {
        let _ = writeln!(
            out,
            "  alarm {} has {}, which this version does not know and leaves as it is",
            clean(&unmanaged.name),
            unmanaged.fields.join(", ")
        );
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", colour.paint("1", &headline(plan)));
    let _ = writeln!(out, "{}", money(plan));
    for over in &plan.budget {
        let _ = writeln!(
            out,
            "{} {}",
            colour.paint("31", "over budget:"),
            over_words(over)
        );
    }
    if plan.is_empty() {
        if !plan.has_changes() {
            out.push_str("Nothing to do.\n");
        }
    } else {
        let takes = plan.takes(quotas);
        let calls = plan.calls().len();
        let _ = writeln!(
            out,
            "{calls} {} to send, {} under the API quotas.",
            plural(calls, "call", "calls"),
            about(takes)
        );
        out.push_str("Do it with: nightbell apply\n");
    }
    out
}

fn lines(out: &mut String, line: &Line, colour: Colour) {
    let name = colour.paint("1", &clean(line.change.name()));
    let _ = write!(
        out,
        "{} {} {name}",
        colour.sign(line.sign()),
        line.change.kind().as_str()
    );
    let price = price(line);
    if !price.is_empty() {
        let _ = write!(out, "  {}", colour.paint("2", &price));
    }
    out.push('\n');
    let _ = writeln!(out, "    {}", clean(&line.reason));
    for risk in &line.risks {
        let code = if *risk <= Risk::WatchesOther {
            "31"
        } else {
            "33"
        };
        let _ = writeln!(out, "    {} {}", colour.paint(code, "risk:"), risk.words());
    }
    if let Some(fired) = &line.fired {
        let _ = writeln!(out, "    {}", fired_words(fired));
    }
    let width = line.fields.iter().map(|f| f.name.chars().count()).max();
    for field in &line.fields {
        let pad = " ".repeat(width.unwrap_or(0) - field.name.chars().count());
        let _ = writeln!(out, "    {}{pad}  {}", clean(&field.name), change(field));
    }
}

/// `2 to create, 1 to change; 30 are as desired.`
pub fn headline(plan: &Plan) -> String {
    let count = |sign: Sign| plan.lines.iter().filter(|l| l.sign() == sign).count();
    let mut parts = Vec::new();
    for (sign, word) in [
        (Sign::Create, "to create"),
        (Sign::Change, "to change"),
        (Sign::Adopt, "to take over"),
        (Sign::Delete, "to delete"),
    ] {
        match count(sign) {
            0 => {}
            n => parts.push(format!("{n} {word}")),
        }
    }
    if !plan.blocked.is_empty() {
        parts.push(format!("{} not ours", plan.blocked.len()));
    }
    if !plan.kept.is_empty() {
        parts.push(format!("{} kept by an override", plan.kept.len()));
    }
    let what = match parts.is_empty() {
        true => "no changes".to_string(),
        false => parts.join(", "),
    };
    format!(
        "Plan for {} in {}: {what}; {} as desired.",
        plan.estate, plan.region, plan.unchanged
    )
}

fn money(plan: &Plan) -> String {
    let (before, after) = (plan.monthly.before.usd(), plan.monthly.after.usd());
    let change = match after - before {
        d if d.abs() < 0.005 => "as now".to_string(),
        d if d > 0.0 => format!("{} more than now", dollars(d)),
        d => format!("{} less than now", dollars(-d)),
    };
    format!(
        "Cost: {} a month, {change} ({PRICES_AS_OF}).",
        dollars(after)
    )
}

fn over_words(over: &OverBudget) -> String {
    match over {
        OverBudget::Monthly { limit, usd } => format!(
            "{} a month, the project allows {} (budget.monthly_usd)",
            dollars(*usd),
            dollars(*limit)
        ),
        OverBudget::Increase { limit, usd } => format!(
            "{} more a month, the project allows {} (budget.increase_usd)",
            dollars(*usd),
            dollars(*limit)
        ),
    }
}

fn price(line: &Line) -> String {
    match line.monthly.after - line.monthly.before {
        d if d.abs() < 0.005 => String::new(),
        d if d > 0.0 => format!("+{}/month", dollars(d)),
        d => format!("{}/month", dollars(d)),
    }
}

fn fired_words(fired: &Fired) -> String {
    let over = model::time::spell_duration(Duration::from_secs(fired.over_secs));
    let count = |c: &Count| match c.times {
        0 => "never".to_string(),
        n => format!(
            "{n} {}, {} {} in ALARM{}",
            plural(n as usize, "time", "times"),
            c.minutes,
            plural(c.minutes as usize, "minute", "minutes"),
            match c.flaps {
                0 => String::new(),
                f => format!(", {f} soon after another"),
            }
        ),
    };
    let mut out = match (&fired.old, &fired.new) {
        (Some(old), Some(new)) => {
            format!(
                "in the last {over} it would have fired {} (as it is: {})",
                count(new),
                count(old)
            )
        }
        (None, Some(new)) => format!("in the last {over} it would have fired {}", count(new)),
        (Some(old), None) => format!("in the last {over} it fired {}", count(old)),
        (None, None) => format!("how often it would have fired in the last {over} is not known"),
    };
    if let Some(note) = &fired.note {
        let _ = write!(out, "; {}", clean(note));
    }
    out
}

/// What `apply` and the daemon say of new alarms.
pub fn settling(settling: &Settling) -> String {
    let mut out = String::new();
    for breaching in &settling.breaching {
        let _ = writeln!(
            out,
            "! alarm {} was already breaching when it was made: ALARM since {}",
            clean(&breaching.name),
            breaching.since
        );
    }
    for quiet in &settling.quiet {
        let mute = match quiet.muted {
            true => "its actions are off",
            false => "the daemon tells nobody",
        };
        let _ = writeln!(
            out,
            "  alarm {} is new: {mute} until it settles, {} at the latest",
            clean(&quiet.name),
            quiet.until
        );
    }
    out
}

fn change(field: &Field) -> String {
    match (&field.old, &field.new) {
        (None, Some(new)) => short(new),
        (Some(old), None) => format!("{} -> (none)", short(old)),
        (Some(old), Some(new)) => format!("{} -> {}", short(old), short(new)),
        (None, None) => String::new(),
    }
}

fn listed(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().take(5).map(|f| f.name.as_str()).collect();
    let more = match fields.len().saturating_sub(5) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    clean(&format!("{}{more}", names.join(", ")))
}

/// A value on one line: `5`, not `5.0`; texts in quotes; long ones cut.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Number(n) => match n.as_f64() {
            Some(f) if f.fract() == 0.0 && f.abs() < 1e15 => format!("{}", f as i64),
            _ => n.to_string(),
        },
        other => other.to_string(),
    };
    let text = clean(&text);
    if text.chars().count() <= 100 {
        return text;
    }
    let cut: String = text.chars().take(97).collect();
    format!("{cut}...")
}

/// What strangers named must not move the cursor.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A name as one word of a shell.
fn shell(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.into();
    }
    format!("'{}'", clean(name).replace('\'', "'\\''"))
}

fn about(takes: Duration) -> String {
    if takes < Duration::from_secs(1) {
        return "at once".into();
    }
    let rounded = Duration::from_secs((takes.as_secs_f64()).ceil() as u64);
    format!("about {}", model::time::spell_duration(rounded))
}

fn plural<'a>(n: usize, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}

#[cfg(test)]
mod tests;
