//! What is drawn is there, in letters too, and nothing outside the document is looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Span, Time, Unit};
use proptest::prelude::*;
use raster::{Error, Look, png};
use render::{Chart, Series, Theme};

/// Width, height and the pixels, four bytes each.
fn read(file: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    let pixels = bytes.as_chunks().0.to_vec();
    (info.width, info.height, pixels)
}

fn svg(inner: &str) -> String {
    format!(r##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="40">{inner}</svg>"##)
}

/// How many pixels are not white.
fn inked(inner: &str) -> usize {
    let (_, _, pixels) = read(&png(&svg(inner), Look::default()).unwrap());
    pixels.iter().filter(|p| **p != [255; 4]).count()
}

#[test]
fn letters_are_drawn_whatever_font_is_asked_for() {
    let text = |family: &str, weight: &str, letters: &str| {
        inked(&format!(
            r#"<text x="5" y="25" font-family="{family}" font-weight="{weight}" font-size="16">{letters}</text>"#
        ))
    };
    assert_eq!(inked(""), 0);
    let plain = text("system-ui, 'Segoe UI', sans-serif", "400", "Errors 5%");
    assert!(plain > 300, "{plain}");
    for family in ["serif", "monospace", "No Such Font", ""] {
        assert_eq!(text(family, "400", "Errors 5%"), plain, "{family}");
    }
    let bold = text("sans-serif", "600", "Errors 5%");
    assert!(bold > plain, "{bold} {plain}");
    // Letters that the font has are not the box that stands for those that it lacks.
    let lacking = text("sans-serif", "400", "\u{4e2d}");
    for letters in ["\u{fc}", "\u{416}", "\u{3bb}", "\u{2265}", "\u{b7}"] {
        assert_ne!(text("sans-serif", "400", letters), lacking, "{letters}");
    }
}

#[test]
fn a_chart_is_a_picture_of_its_size_and_the_same_each_time() {
    let start = Time::from_secs(1_760_000_000);
    let step = Duration::from_secs(60);
    let points = (0..60).map(|i| (start + step * i, f64::from(i % 7)));
    let span = Span {
        start,
        end: start + step * 60,
    };
    let mut chart = Chart::new("Errors", span, Unit::Count);
    chart.theme = Theme::Light;
    chart.series = vec![Series::new("Errors", 0, step, points)];
    let drawn = chart.svg();
    let file = png(&drawn, Look::default()).unwrap();
    let (width, height, pixels) = read(&file);
    assert_eq!(
        (width, height),
        (2 * chart.width as u32, 2 * chart.height as u32)
    );
    assert_eq!(pixels[0], [255; 4], "what is behind it is white");
    let colours: BTreeSet<_> = pixels.iter().collect();
    assert!(colours.len() > 20, "{}", colours.len());
    // The line of the first series.
    assert!(pixels.contains(&[0x25, 0x63, 0xb8, 255]));
    assert_eq!(png(&drawn, Look::default()).unwrap(), file);
    let clear = Look {
        scale: 1.0,
        background: None,
    };
    let (width, _, pixels) = read(&png(&svg(""), clear).unwrap());
    assert_eq!((width, pixels[0]), (100, [0; 4]));
}

#[test]
fn what_is_too_large_or_no_drawing_is_refused_before_memory_is_taken() {
    let size = |width: &str, height: &str| {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"/>"#
        );
        png(&svg, Look::default())
    };
    assert!(size("2048", "2048").is_ok());
    for (width, height) in [("2049", "2048"), ("1e9", "1"), ("1e30", "1e30")] {
        let refused = size(width, height).unwrap_err();
        assert!(matches!(refused, Error::Size { .. }), "{width}: {refused}");
    }
    for text in [
        "",
        "no drawing",
        "<svg",
        "<svg width='0' height='0'/>",
        "<html/>",
    ] {
        let refused = png(text, Look::default()).unwrap_err();
        assert!(matches!(refused, Error::Unreadable(_)), "{text}: {refused}");
    }
    let nothing = Look {
        scale: 0.0,
        ..Look::default()
    };
    assert!(matches!(png(&svg(""), nothing), Err(Error::Size { .. })));
}

#[test]
fn no_file_is_opened_that_a_drawing_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("red.svg");
    let red = svg(r#"<rect width="100" height="40" fill="red"/>"#);
    std::fs::write(&file, &red).unwrap();
    assert!(inked(r#"<rect width="100" height="40" fill="red"/>"#) > 0);
    let named = format!(
        r#"<image href="{}" width="100" height="40"/>"#,
        file.display()
    );
    assert_eq!(inked(&named), 0);
    let inside = r#"<image href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'%3E%3Crect width='9' height='9'/%3E%3C/svg%3E" width="9" height="9"/>"#;
    assert_eq!(inked(inside), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_a_document_there_is_a_picture_or_a_reason(
        text in "[ -~\u{e0}-\u{17f}\u{600}-\u{6ff}\u{4e00}-\u{4e20}\u{1f600}-\u{1f610}]{0,40}",
        number in prop::num::f32::ANY,
    ) {
        let _ = png(&text, Look::default());
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let look = Look { scale: 1.0, ..Look::default() };
        let _ = png(&svg(&format!(r#"<text x="{number}" y="9" font-size="{number}">{escaped}</text>"#)), look);
        let drawn = png(&svg(&format!(r#"<text y="20" font-family="{escaped}">{escaped}</text>"#)), look);
        prop_assert!(drawn.is_ok(), "{drawn:?}");
    }
}
