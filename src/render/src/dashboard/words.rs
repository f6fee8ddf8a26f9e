//! Text in pictures, and what stands where nothing can be drawn.

use super::views::SIZE;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, text_width};

/// Lines of text, wrapped to the width, as many as fit.
pub(super) fn lines(w: &mut Writer, source: &str, size: (f64, f64), theme: Theme) {
    let mut y = 13.0;
    w.open("g")
        .attr("font-size", "12")
        .attr("fill", &Ink::Text2.paint(theme));
    'all: for line in source.lines() {
        let mut row = String::new();
        for word in line.split(' ') {
            let longer = match row.as_str() {
                "" => word.to_owned(),
                _ => format!("{row} {word}"),
            };
            if !row.is_empty() && text_width(&longer, SIZE) > size.0 {
                put(w, y, &row, size.0);
                y += 17.0;
                if y > size.1 {
                    break 'all;
                }
                row = word.to_owned();
            } else {
                row = longer;
            }
        }
        put(w, y, &row, size.0);
        y += 17.0;
        if y > size.1 {
            break;
        }
    }
    w.close();
}

fn put(w: &mut Writer, y: f64, row: &str, width: f64) {
    if !row.trim().is_empty() {
        w.open("text")
            .attr("x", "0")
            .num("y", y)
            .text(&fit(row, width, SIZE))
            .close();
    }
}

/// What a widget says that is not drawn.
pub(super) fn cannot(kind: &str) -> String {
    match kind {
        "custom" => "A custom widget: a Lambda function draws it in CloudWatch only.".into(),
        other => format!("A widget of kind `{other}`. It cannot be drawn here."),
    }
}
