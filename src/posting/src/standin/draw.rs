//! A picture: a ghost in the moonlight, and a text under it.

use bytes::Bytes;
use jpeg_encoder::ColorType;

use super::font;
use crate::upstream::picture::encode;

/// Pixels in rows, three bytes each.
pub(super) struct Canvas {
    side: usize,
    pixels: Vec<u8>,
}

type Colour = [u8; 3];

/// A square JPEG with that text.
pub fn picture(text: &str, side: u16) -> Bytes {
    let canvas = canvas(text, side);
    // Sides of at least one pixel and three bytes each are what it takes.
    encode(&canvas.pixels, (side, side), ColorType::Rgb).unwrap_or_default()
}

/// The same as a PNG.
pub(super) fn png(text: &str, side: u16) -> Bytes {
    let canvas = canvas(text, side);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side.into(), side.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&canvas.pixels));
    match written {
        Ok(()) => out.into(),
        Err(_) => Bytes::new(),
    }
}

fn canvas(text: &str, side: u16) -> Canvas {
    let side = usize::from(side.max(16));
    // The text chooses the hour of the night.
    let hue = text
        .bytes()
        .fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    let [r, g, b] = SKIES[hue as usize % SKIES.len()];
    let mut canvas = Canvas {
        side,
        pixels: Vec::with_capacity(side * side * 3),
    };
    for y in 0..side {
        let fade = |c: u8| (usize::from(c) * (2 * side - y) / (2 * side)) as u8;
        let row = [fade(r), fade(g), fade(b)];
        for _ in 0..side {
            canvas.pixels.extend_from_slice(&row);
        }
    }
    let unit = side as i64 / 32;
    canvas.disc((25 * unit, 6 * unit), 3 * unit, [250, 240, 200]);
    ghost(&mut canvas, unit);
    canvas.text(text, unit);
    canvas
}

const SKIES: [Colour; 6] = [
    [70, 50, 120],
    [40, 70, 130],
    [120, 60, 70],
    [50, 100, 90],
    [110, 80, 40],
    [90, 50, 110],
];

fn ghost(canvas: &mut Canvas, unit: i64) {
    let white = [240, 240, 250];
    canvas.disc((14 * unit, 10 * unit), 6 * unit, white);
    canvas.block((8 * unit, 10 * unit), (20 * unit, 18 * unit), white);
    for foot in 0..3 {
        canvas.disc(((10 + 4 * foot) * unit, 18 * unit), 2 * unit, white);
    }
    for eye in [12, 16] {
        canvas.disc((eye * unit, 10 * unit), unit, [30, 30, 40]);
    }
    canvas.disc((14 * unit, 14 * unit), unit, [30, 30, 40]);
}

impl Canvas {
    fn dot(&mut self, x: i64, y: i64, colour: Colour) {
        let side = self.side as i64;
        if (0..side).contains(&x) && (0..side).contains(&y) {
            let at = (y * side + x) as usize * 3;
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    fn block(&mut self, (left, top): (i64, i64), (right, bottom): (i64, i64), colour: Colour) {
        for y in top..bottom {
            for x in left..right {
                self.dot(x, y, colour);
            }
        }
    }

    fn disc(&mut self, (x, y): (i64, i64), radius: i64, colour: Colour) {
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                if dx * dx + dy * dy <= radius * radius {
                    self.dot(x + dx, y + dy, colour);
                }
            }
        }
    }

    /// In the lower part, over as many lines as it needs.
    fn text(&mut self, text: &str, unit: i64) {
        let lines = font::lines(text, 22);
        let scale = (unit / 5).max(1);
        let mut y = 22 * unit;
        for line in lines.iter().take(4) {
            let width = line.chars().count() as i64 * 6 * scale;
            let mut x = (self.side as i64 - width) / 2;
            for letter in line.chars() {
                for (row, bits) in (0..).zip(font::glyph(letter)) {
                    for column in 0..5 {
                        if bits & (0b10000 >> column) != 0 {
                            let (left, top) = (x + column * scale, y + row * scale);
                            self.block((left, top), (left + scale, top + scale), [255, 250, 235]);
                        }
                    }
                }
                x += 6 * scale;
            }
            y += 9 * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_one_for_every_text_and_size() {
        for side in [16, 64, 256] {
            let one = picture("National Pie Day", side);
            let other = picture("National Dress Up Your Pet Day", side);
            assert!(crate::upstream::picture::jpeg(one.clone()).is_ok());
            assert_ne!(one, other, "{side}");
            assert!(crate::upstream::picture::jpeg(png("National Pie Day", side)).is_ok());
        }
    }
}
