//! Pictures as they arrive: whatever the model answers becomes a JPEG.

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};

/// X takes pictures of at most 5 MB.
pub const LARGEST: usize = 5 * 1024 * 1024;
/// Pixels on a side; a header that promises more is no picture of theirs.
const WIDEST: u32 = 4_096;

/// The bytes of a JPEG, out of a JPEG or a PNG.
///
/// # Errors
///
/// What it is instead, in a lowercase fragment.
pub fn jpeg(bytes: Bytes) -> Result<Bytes, String> {
    let made = match bytes.get(..4) {
        Some([0xff, 0xd8, 0xff, _]) => whole(bytes)?,
        Some([0x89, b'P', b'N', b'G']) => of_png(&bytes)?,
        _ => {
            return Err(format!(
                "{} bytes that are neither JPEG nor PNG",
                bytes.len()
            ));
        }
    };
    if made.len() > LARGEST {
        return Err(format!(
            "a picture of {} bytes; X takes {LARGEST}",
            made.len()
        ));
    }
    Ok(made)
}

/// A JPEG that was cut short has no end, or not as many pixels as it promised.
fn whole(bytes: Bytes) -> Result<Bytes, String> {
    let options = zune_core::options::DecoderOptions::default()
        .set_max_width(WIDEST as usize)
        .set_max_height(WIDEST as usize)
        .set_strict_mode(true);
    let cursor = zune_core::bytestream::ZCursor::new(&bytes[..]);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(cursor, options);
    decoder
        .decode()
        .map_err(|e| format!("a JPEG that cannot be read: {e:?}"))?;
    Ok(bytes)
}

fn of_png(bytes: &[u8]) -> Result<Bytes, String> {
    let told = |e: &dyn std::fmt::Display| format!("a PNG that cannot be read: {e}");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| told(&e))?;
    let info = reader.info();
    if info.width > WIDEST || info.height > WIDEST {
        return Err(told(&format!("{} × {} pixels", info.width, info.height)));
    }
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| told(&"too large"))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(|e| told(&e))?;
    pixels.truncate(frame.buffer_size());
    let color = match frame.color_type {
        png::ColorType::Grayscale => ColorType::Luma,
        png::ColorType::Rgb => ColorType::Rgb,
        png::ColorType::Rgba => ColorType::Rgba,
        png::ColorType::GrayscaleAlpha => {
            pixels = pixels.chunks_exact(2).map(|p| p[0]).collect();
            ColorType::Luma
        }
        png::ColorType::Indexed => return Err(told(&"its palette stayed")),
    };
    let (width, height) = (frame.width as u16, frame.height as u16);
    encode(&pixels, (width, height), color).map_err(|e| told(&e))
}

/// A JPEG of pixels.
pub(crate) fn encode(
    pixels: &[u8],
    (width, height): (u16, u16),
    color: ColorType,
) -> Result<Bytes, jpeg_encoder::EncodingError> {
    let mut out = Vec::new();
    Encoder::new(&mut out, 90).encode(pixels, width, height, color)?;
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Bytes {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, 2, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        out.into()
    }

    #[test]
    fn every_form_of_png_becomes_a_jpeg_and_a_jpeg_stays() {
        use png::{BitDepth, ColorType};
        for (color, depth, bytes) in [
            (ColorType::Grayscale, BitDepth::Eight, 4),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, 8),
            (ColorType::Rgb, BitDepth::Eight, 12),
            (ColorType::Rgba, BitDepth::Eight, 16),
            (ColorType::Rgb, BitDepth::Sixteen, 24),
        ] {
            let made = jpeg(png(color, depth, &vec![120; bytes])).unwrap();
            assert_eq!(made[..3], [0xff, 0xd8, 0xff], "{color:?}");
            assert_eq!(jpeg(made.clone()).unwrap(), made);
        }
    }

    #[test]
    fn what_is_no_picture_or_half_of_one_is_said() {
        let check = |bytes: &[u8], why: &str| {
            let told = jpeg(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert!(told.contains(why), "{told}");
        };
        check(b"", "0 bytes that are neither");
        check(b"<html>not found</html>", "neither JPEG nor PNG");
        check(b"\x89PNG\r\n\x1a\nxxxx", "a PNG that cannot be read");
        check(b"\xff\xd8\xff\xe0", "a JPEG that cannot be read");
        let whole = png(png::ColorType::Rgb, png::BitDepth::Eight, &[9; 12]);
        check(&whole[..whole.len() / 2], "a PNG that cannot be read");
        let whole = jpeg(whole).unwrap();
        check(&whole[..whole.len() / 2], "a JPEG that cannot be read");
    }
}
