//! Orientation: what EXIF says of it, and turning pixels upright.

use super::Pixels;

/// EXIF's orientation (1 to 8) out of a TIFF block; 1 when it does not say.
pub(super) fn of_exif(tiff: &[u8]) -> u8 {
    let tiff = tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff);
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    let read = reader
        .read_raw(tiff.to_vec())
        .or_else(|e| e.distill_partial_result(|_| {}));
    let value = read.ok().and_then(|exif| {
        let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?;
        field.value.get_uint(0)
    });
    match value {
        Some(value @ 1..=8) => value as u8,
        _ => 1,
    }
}

/// A TIFF block that says nothing but the orientation.
pub(super) fn exif_of(orientation: u8) -> [u8; 26] {
    // Little endian; one directory of one entry: tag 0x0112, type SHORT, count 1; no next one.
    let mut tiff = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0";
    tiff[18] = orientation;
    tiff
}

/// The pixels as they are to be seen; none where they are so already.
pub(super) fn upright(pixels: &Pixels, orientation: u8) -> Option<Pixels> {
    match pixels.alpha {
        true => turn::<4>(pixels, orientation),
        false => turn::<3>(pixels, orientation),
    }
}

fn turn<const N: usize>(pixels: &Pixels, orientation: u8) -> Option<Pixels> {
    let (w, h) = (pixels.width as usize, pixels.height as usize);
    let (source, rest) = pixels.data.as_chunks::<N>();
    debug_assert!(rest.is_empty());
    let mut data = vec![0; pixels.data.len()];
    let (target, _) = data.as_chunks_mut::<N>();
    // For each pixel as stored, where it is seen.
    match orientation {
        2 => put::<N>(source, target, w, |x, y| y * w + (w - 1 - x)),
        3 => put::<N>(source, target, w, |x, y| (h - 1 - y) * w + (w - 1 - x)),
        4 => put::<N>(source, target, w, |x, y| (h - 1 - y) * w + x),
        5 => put::<N>(source, target, w, |x, y| x * h + y),
        6 => put::<N>(source, target, w, |x, y| x * h + (h - 1 - y)),
        7 => put::<N>(source, target, w, |x, y| (w - 1 - x) * h + (h - 1 - y)),
        8 => put::<N>(source, target, w, |x, y| (w - 1 - x) * h + y),
        _ => return None,
    }
    let (width, height) = match orientation {
        5..=8 => (pixels.height, pixels.width),
        _ => (pixels.width, pixels.height),
    };
    Some(Pixels {
        width,
        height,
        alpha: pixels.alpha,
        data,
    })
}

fn put<const N: usize>(
    source: &[[u8; N]],
    target: &mut [[u8; N]],
    width: usize,
    place: impl Fn(usize, usize) -> usize,
) {
    for (y, row) in source.chunks_exact(width).enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            target[place(x, y)] = *pixel;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_is_turned_upright() {
        // The letters as they are seen are abc / def; each row is how a camera may have stored them.
        let check = |orientation: u8, width: u32, stored: &str| {
            let data: Vec<u8> = stored.bytes().flat_map(|b| [b, b, b]).collect();
            let pixels = Pixels {
                width,
                height: stored.len() as u32 / width,
                alpha: false,
                data,
            };
            let seen = upright(&pixels, orientation).unwrap_or(pixels);
            let letters: Vec<u8> = seen.data.iter().step_by(3).copied().collect();
            assert_eq!(String::from_utf8_lossy(&letters), "abcdef", "{orientation}");
            assert_eq!((seen.width, seen.height), (3, 2), "{orientation}");
        };
        check(1, 3, "abcdef");
        check(2, 3, "cbafed");
        check(3, 3, "fedcba");
        check(4, 3, "defabc");
        check(5, 2, "adbecf");
        check(6, 2, "cfbead");
        check(7, 2, "fcebda");
        check(8, 2, "daebfc");
    }

    #[test]
    fn an_orientation_survives_being_written() {
        for orientation in 1..=8 {
            assert_eq!(of_exif(&exif_of(orientation)), orientation);
        }
        assert_eq!(of_exif(b""), 1);
        assert_eq!(of_exif(b"II*\0\xff\xff\xff\xff"), 1);
        assert_eq!(of_exif(&exif_of(9)), 1);
    }
}
