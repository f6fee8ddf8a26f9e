//! `slo:` items: one item is several alarms.

use crate::alarm::{AlarmKind, AlarmSpec, Severity};
use crate::report::Report;
use crate::slo::{Slo, TIERS};

use super::tables::{METRIC, SLO};
use super::{AlarmFile, Found, Item, metric_stat};

/// Reads an item's objective and adds the alarms that watch it to the file. Where it cannot be
/// read, the file has the names of its tiers all the same.
pub(super) fn decode(item: &Item<'_>, file: &mut AlarmFile, report: &mut Report) {
    let Some((name, at)) = item.name() else {
        return;
    };
    if let Some(labels) = item.fields.node.get("labels") {
        super::own_labels(labels, report);
    }
    let Some(slo) = read(item, &name) else {
        file.names
            .extend(TIERS.iter().map(|tier| (tier.alarm(&name), at)));
        return;
    };
    let mut found = item.found(name, at);
    let like = AlarmSpec {
        // The file's default is for alarms; of an objective, each tier has its own.
        severity: super::severity(item.fields.text("severity")).unwrap_or(Severity::Page),
        ..item.spec_of(&found, nothing(), report)
    };
    let expansion = match slo.expand(&like) {
        Ok(expansion) => expansion,
        Err(why) => {
            let name = &found.name;
            report.error(at, format!("the objective `{name}`: {why}"));
            let tiers = TIERS.iter().map(|tier| (tier.alarm(name), at));
            file.names.extend(tiers);
            file.alarms.push(found);
            return;
        }
    };
    for (tier, why) in &expansion.left_out {
        report.warn_with(
            at,
            format!("`{}` is left out: {why}", tier.alarm(&slo.name)),
            None,
        );
    }
    let metrics = std::mem::take(&mut found.metrics);
    for spec in expansion.alarms {
        file.names.push((spec.name.clone(), at));
        file.alarms.push(Found {
            name: spec.name.clone(),
            at,
            metrics: match spec.kind {
                AlarmKind::Metric(_) => metrics.clone(),
                AlarmKind::Composite { .. } => Vec::new(),
            },
            spec: Some(spec),
            runbook: found.runbook.clone(),
            service: found.service.clone(),
            rule: None,
            suppressor: None,
        });
    }
    file.inhibit.extend(expansion.inhibit);
}

/// A kind for what the alarms of an objective share: every one of them brings its own.
fn nothing() -> AlarmKind {
    AlarmKind::Composite {
        rule: "FALSE".into(),
        suppressor: None,
    }
}

fn read(item: &Item<'_>, name: &str) -> Option<Slo> {
    let fields = item.fields.table("slo", &SLO)?;
    Some(Slo {
        name: name.to_owned(),
        description: fields.string("description").unwrap_or_default(),
        good: metric_stat(fields.table("good", &METRIC)?)?,
        total: metric_stat(fields.table("total", &METRIC)?)?,
        objective: fields.number("objective")?,
        window: fields.duration("window")?,
        min_requests: fields.integer("min_requests"),
    })
}
