//! Dashboards as PNG files: for chats, wikis and whatever shows no SVG.

use raster::Look;

/// Draws an SVG with plain colours, twice its size, or as large as a picture may be.
///
/// # Errors
/// In words.
pub fn png(svg: &str) -> Result<Vec<u8>, raster::Error> {
    let sharp = Look::default();
    match raster::png(svg, sharp) {
        Err(raster::Error::Size { width, height }) if width > 0 && height > 0 => {
            let pixels = width as f64 * height as f64;
            // A little less, since each side is rounded up.
            let fits = (raster::MOST_PIXELS as f64 / pixels).sqrt() * 0.995;
            let scale = sharp.scale * fits as f32;
            raster::png(svg, Look { scale, ..sharp })
        }
        drawn => drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_sharp_or_as_large_as_it_may_be() {
        let check = |width: u32, height: u32, most: u32, least: u32| {
            let svg = format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"><rect width=\"9\" height=\"9\"/></svg>"
            );
            let png = png(&svg).unwrap();
            assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
            let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
            let drawn = side(16);
            assert!((least..=most).contains(&drawn), "{drawn} for {width}");
            assert!(u64::from(side(16)) * u64::from(side(20)) <= raster::MOST_PIXELS);
        };
        check(100, 40, 200, 200);
        check(1_400, 6_000, 2_000, 1_800);
        assert!(png("<p>").is_err());
    }
}
