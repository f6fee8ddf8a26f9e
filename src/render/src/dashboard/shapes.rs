//! Gauge, bars and pie: values as lengths and angles.

use std::f64::consts::PI;

use model::Unit;

use super::MetricWidget;
use super::views::{Content, Place, ROW, SIZE, Shown, label_column, text};
use crate::number::number;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, push_tenths, text_width};

pub(super) fn gauge(
    w: &mut Writer,
    entry: &Shown<'_>,
    widget: &MetricWidget,
    place: Place,
    theme: Theme,
) {
    let (x, y, width, height) = place;
    let low = widget.left.min.unwrap_or(0.0);
    let most = entry.reduce(f64::max).unwrap_or(1.0);
    let high = widget.left.max.unwrap_or(most).max(low + f64::MIN_POSITIVE);
    let share = |v: f64| ((v - low) / (high - low)).clamp(0.0, 1.0);
    let radius = ((width / 2.0) - 8.0).min(height - 46.0).max(16.0);
    let centre = (x + width / 2.0, y + radius + 10.0);
    let stroke = (radius * 0.16).clamp(6.0, 14.0);
    let mut ring = |from: f64, to: f64, colour: &str| {
        w.open("path")
            .raw("d", |out| arc(out, centre, radius, from, to))
            .attr("fill", "none")
            .attr("stroke", colour)
            .num("stroke-width", stroke)
            .close();
    };
    ring(0.0, 1.0, &Ink::Grid.paint(theme));
    if let Some(value) = entry.last() {
        ring(0.0, share(value).max(0.004), &entry.colour.paint(theme));
    }
    for limit in &widget.horizontal {
        let at = share(limit.value);
        ring(
            (at - 0.006).max(0.0),
            (at + 0.006).min(1.0),
            &Ink::Threshold.paint(theme),
        );
    }
    let middle = |w: &mut Writer, y: f64, size: f64, ink: Ink, text: &str| {
        w.open("text")
            .num("x", centre.0)
            .num("y", y)
            .attr("text-anchor", "middle")
            .num("font-size", size)
            .attr("fill", &ink.paint(theme))
            .text(text)
            .close();
    };
    let size = (radius * 0.36).clamp(13.0, 30.0);
    middle(w, centre.1 - 4.0, size, Ink::Text, &entry.value());
    for (at, value) in [(-1.0, low), (1.0, high)] {
        w.open("text")
            .num("x", centre.0 + at * radius)
            .num("y", centre.1 + 15.0)
            .attr("text-anchor", "middle")
            .attr("fill", &Ink::Axis.paint(theme))
            .text(&number(value, entry.unit))
            .close();
    }
    let label = fit(&entry.label, width, SIZE);
    middle(w, centre.1 + 32.0, SIZE, Ink::Text2, &label);
}

pub(super) fn bars(w: &mut Writer, content: &Content<'_>, size: (f64, f64), theme: Theme) {
    let labels = label_column(content, size.0);
    let width = (size.0 - labels - 80.0).max(10.0);
    let values = || content.entries.iter().filter_map(Shown::last);
    let most = values().map(f64::abs).fold(0.0, f64::max);
    let row = (size.1 / content.entries.len().max(1) as f64).clamp(14.0, 30.0);
    for (i, entry) in content.entries.iter().enumerate() {
        let y = row * i as f64;
        if y + 12.0 > size.1 {
            break;
        }
        let base = y + row / 2.0 + 4.0;
        let label = fit(&entry.label, labels, SIZE);
        text(w, (labels, base), "end", &Ink::Text2.paint(theme), &label);
        if let Some(value) = entry.last() {
            let share = if most > 0.0 { value.abs() / most } else { 0.0 };
            w.open("rect")
                .num("x", labels + 8.0)
                .num("y", y + row * 0.18)
                .num("width", (share * width).max(1.0))
                .num("height", row * 0.64)
                .attr("rx", "2")
                .attr("fill", &entry.colour.paint(theme))
                .close();
            let x = labels + 8.0 + share * width + 6.0;
            text(
                w,
                (x, base),
                "start",
                &Ink::Text.paint(theme),
                &entry.value(),
            );
        }
    }
}

pub(super) fn pie(w: &mut Writer, content: &Content<'_>, size: (f64, f64), theme: Theme) {
    let total: f64 = content
        .entries
        .iter()
        .filter_map(Shown::last)
        .filter(|v| *v > 0.0 && v.is_finite())
        .sum();
    let radius = (size.1 / 2.0).min(size.0 / 4.0).max(20.0) - 12.0;
    let centre = (radius + 12.0, size.1 / 2.0);
    let mut from = 0.5;
    for entry in &content.entries {
        let value = entry
            .last()
            .filter(|v| *v > 0.0 && v.is_finite())
            .unwrap_or(0.0);
        if total <= 0.0 || value <= 0.0 {
            continue;
        }
        // A full turn would begin where it ends and draw nothing.
        let to = from + (value / total * 2.0).min(1.999);
        w.open("path")
            .raw("d", |out| arc(out, centre, radius, from, to))
            .attr("fill", "none")
            .attr("stroke", &entry.colour.paint(theme))
            .attr("stroke-width", "20");
        w.leaf("title", &format!("{}: {}", entry.label, entry.value()));
        w.close();
        from = to;
    }
    let x = centre.0 + radius + 28.0;
    let row = (size.1 / content.entries.len().max(1) as f64).clamp(14.0, ROW);
    let top = (size.1 - row * content.entries.len() as f64).max(0.0) / 2.0;
    for (i, entry) in content.entries.iter().enumerate() {
        let y = top + row * i as f64 + row / 2.0;
        if y > size.1 {
            break;
        }
        w.open("rect")
            .num("x", x)
            .num("y", y - 5.0)
            .attr("width", "10")
            .attr("height", "10")
            .attr("rx", "2")
            .attr("fill", &entry.colour.paint(theme))
            .close();
        let share = match entry.last() {
            Some(v) if total > 0.0 => {
                format!(
                    "{} ({})",
                    entry.value(),
                    number(v / total * 100.0, Unit::Percent)
                )
            }
            _ => entry.value(),
        };
        let room = size.0 - x - 16.0 - text_width(&share, SIZE) - 10.0;
        let label = fit(&entry.label, room, SIZE);
        text(
            w,
            (x + 16.0, y + 4.0),
            "start",
            &Ink::Text2.paint(theme),
            &label,
        );
        text(w, (size.0, y + 4.0), "end", &Ink::Text.paint(theme), &share);
    }
}

fn arc(out: &mut String, centre: (f64, f64), radius: f64, from: f64, to: f64) {
    // Angles in half turns from the left over the top, so that a gauge runs from 0 to 1.
    let point = |a: f64| {
        (
            centre.0 - radius * (PI * a).cos(),
            centre.1 - radius * (PI * a).sin(),
        )
    };
    let (start, end) = (point(from), point(to));
    out.push('M');
    for (i, v) in [start.0, start.1].into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        push_tenths(out, v);
    }
    out.push('A');
    push_tenths(out, radius);
    out.push(' ');
    push_tenths(out, radius);
    out.push_str(if to - from > 1.0 {
        " 0 1 1 "
    } else {
        " 0 0 1 "
    });
    push_tenths(out, end.0);
    out.push(' ');
    push_tenths(out, end.1);
}
