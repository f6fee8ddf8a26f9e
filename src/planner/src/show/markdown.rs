//! A plan as a comment on a pull request.

use std::fmt::Write;

use super::{about, change, clean, fired_words, headline, listed, money, over_words, price};
use crate::plan::{Line, Plan};
use crate::quota::Quotas;

/// GitHub takes comments of 65,536 characters; below that, for what a bot puts around it.
pub const LIMIT: usize = 64_000;

/// A plan as Markdown of at most [`LIMIT`] characters: what does not fit is counted.
pub fn markdown(plan: &Plan, quotas: &Quotas) -> String {
    let mut head = format!("### {}\n\n{}\n", headline(plan), money(plan));
    for over in &plan.budget {
        let _ = write!(head, "\n**Over budget**: {}\n", over_words(over));
    }
    if !plan.is_empty() {
        let _ = write!(
            head,
            "\nApplying takes {} under the API quotas.\n",
            match about(plan.takes(quotas)) {
                text if text == "at once" => "no time".to_string(),
                text => text,
            }
        );
    }
    head.push('\n');
    let mut parts: Vec<String> = plan.lines.iter().map(line).collect();
    for blocked in &plan.blocked {
        let what = match blocked.fields.is_empty() {
            true => "already as desired".to_string(),
            false => format!("differs in {}", code(&listed(&blocked.fields))),
        };
        parts.push(format!(
            "- {} {} is not ours and is not written ({what}); `nightbell adopt` takes it over\n",
            blocked.kind.as_str(),
            code(&blocked.name)
        ));
    }
    for kept in &plan.kept {
        parts.push(format!(
            "- alarm {} keeps its drift until {}: {}\n",
            code(&kept.name),
            kept.until,
            code(&kept.reason)
        ));
    }
    let mut out = head;
    let mut length = out.chars().count();
    let all = parts.len();
    for (i, part) in parts.iter().enumerate() {
        let more = part.chars().count();
        // Room for the last line.
        if length + more > LIMIT - 200 {
            let _ = write!(
                out,
                "\n{} of {all} entries are not shown: the comment would be too long. `nightbell plan` shows all.\n",
                all - i
            );
            break;
        }
        out.push_str(part);
        length += more;
    }
    out
}

fn line(line: &Line) -> String {
    let mut out = format!(
        "- `{}` {} {}",
        line.sign().as_char(),
        line.change.kind().as_str(),
        code(line.change.name())
    );
    let price = price(line);
    if !price.is_empty() {
        let _ = write!(out, " ({price})");
    }
    let _ = writeln!(out, ": {}", code(&line.reason));
    for risk in &line.risks {
        let _ = writeln!(out, "  - **{}**", risk.words());
    }
    if let Some(fired) = &line.fired {
        let _ = writeln!(out, "  - {}", code(&fired_words(fired)));
    }
    const SHOWN: usize = 20;
    for field in line.fields.iter().take(SHOWN) {
        let _ = writeln!(out, "  - {}: {}", code(&field.name), code(&change(field)));
    }
    if line.fields.len() > SHOWN {
        let _ = writeln!(out, "  - and {} more fields", line.fields.len() - SHOWN);
    }
    out
}

/// Text between more backticks than it has in a row, so that nothing in it is Markdown.
fn code(text: &str) -> String {
    let text = clean(text);
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    match text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}
