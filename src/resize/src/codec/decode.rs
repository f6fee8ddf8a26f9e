//! Files to pixels. Only cleaned files whose size was checked come here.

use std::io::Cursor;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::{Engine, Format, MAX_SIDE, Picture, Pixels, Refusal, spare, webp as riff};

/// Pixels and the colour profile that they are in.
type Decoded = (Pixels, Option<Vec<u8>>);

/// Decodes, to no less than `need` pixels (as stored) where an engine can decode at a fraction.
pub(super) fn decode(
    picture: &Picture,
    need: (u32, u32),
    engine: Engine,
) -> Result<Decoded, Refusal> {
    let (width, height) = picture.stored((picture.width, picture.height));
    let (pixels, icc) = match picture.format {
        Format::Jpeg => (jpeg(picture, need, engine)?, picture.icc.clone()),
        Format::Png => png(&picture.clean)?,
        Format::Webp => (webp(picture)?, picture.icc.clone()),
        Format::Gif => (gif(&picture.clean)?, None),
    };
    let channels = if pixels.alpha { 4 } else { 3 };
    let count = u64::from(pixels.width) * u64::from(pixels.height);
    if pixels.data.len() as u64 != count * channels {
        return Err(Refusal::Broken(
            "its pixels are not as many as its size says",
        ));
    }
    // What was checked before decoding has to be what came out.
    if pixels.width > width || pixels.height > height {
        return Err(Refusal::Broken("it is larger than it says"));
    }
    Ok((pixels, icc))
}

fn jpeg(picture: &Picture, need: (u32, u32), engine: Engine) -> Result<Pixels, Refusal> {
    match engine {
        #[cfg(feature = "turbo")]
        Engine::Turbo if picture.components < 4 => jpeg_turbo(&picture.clean, need),
        _ => {
            let _ = need;
            jpeg_pure(&picture.clean)
        }
    }
}

fn jpeg_pure(clean: &[u8]) -> Result<Pixels, Refusal> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE as usize)
        .set_max_height(MAX_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(clean), options);
    let refuse = |error: zune_jpeg::errors::DecodeErrors| {
        tracing::debug!(%error, "zune-jpeg refused");
        BROKEN
    };
    decoder.decode_headers().map_err(refuse)?;
    let mut data = spare::zeros(decoder.output_buffer_size().ok_or(BROKEN)?);
    decoder.decode_into(&mut data).map_err(refuse)?;
    let (width, height) = decoder.dimensions().ok_or(BROKEN)?;
    Ok(Pixels {
        width: width as u32,
        height: height as u32,
        alpha: false,
        data,
    })
}

const BROKEN: Refusal = Refusal::Broken("its pixels cannot be read");

#[cfg(feature = "turbo")]
fn jpeg_turbo(clean: &[u8], need: (u32, u32)) -> Result<Pixels, Refusal> {
    use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};
    let refuse = |error: turbojpeg::Error| {
        tracing::debug!(%error, "libjpeg-turbo refused");
        BROKEN
    };
    let mut decompressor = Decompressor::new().map_err(refuse)?;
    let header = decompressor.read_header(clean).map_err(refuse)?;
    let enough = |factor: &ScalingFactor| {
        factor.scale(header.width) >= need.0 as usize
            && factor.scale(header.height) >= need.1 as usize
    };
    // Fractions whose inverse DCT has SIMD.
    let factor = [
        ScalingFactor::ONE_EIGHTH,
        ScalingFactor::ONE_QUARTER,
        ScalingFactor::ONE_HALF,
    ]
    .into_iter()
    .find(enough)
    .unwrap_or(ScalingFactor::ONE);
    decompressor.set_scaling_factor(factor).map_err(refuse)?;
    let scaled = header.scaled(factor);
    let mut data = spare::zeros(scaled.width * scaled.height * 3);
    let image = Image {
        pixels: &mut data[..],
        width: scaled.width,
        pitch: scaled.width * 3,
        height: scaled.height,
        format: PixelFormat::RGB,
    };
    decompressor.decompress(clean, image).map_err(refuse)?;
    Ok(Pixels {
        width: scaled.width as u32,
        height: scaled.height as u32,
        alpha: false,
        data,
    })
}

fn png(clean: &[u8]) -> Result<Decoded, Refusal> {
    let refuse = |error: png::DecodingError| {
        tracing::debug!(%error, "png refused");
        match error {
            png::DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Refusal::Truncated
            }
            _ => BROKEN,
        }
    };
    // Beyond the pixels, whose number was checked, a file may bring a profile.
    let limits = png::Limits { bytes: 64 << 20 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(clean), limits);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(refuse)?;
    let mut data = spare::zeros(reader.output_buffer_size().ok_or(BROKEN)?);
    let frame = reader.next_frame(&mut data).map_err(refuse)?;
    data.truncate(frame.buffer_size());
    let (alpha, data) = match frame.color_type {
        png::ColorType::Rgb => (false, data),
        png::ColorType::Rgba => (true, data),
        png::ColorType::Grayscale => (false, data.iter().flat_map(|&g| [g, g, g]).collect()),
        png::ColorType::GrayscaleAlpha => {
            let (pairs, _) = data.as_chunks::<2>();
            (
                true,
                pairs.iter().flat_map(|&[g, a]| [g, g, g, a]).collect(),
            )
        }
        png::ColorType::Indexed => return Err(BROKEN),
    };
    let info = reader.info();
    let icc = info.icc_profile.as_ref().map(|icc| icc.to_vec());
    let pixels = Pixels {
        width: frame.width,
        height: frame.height,
        alpha,
        data,
    };
    Ok((pixels, icc))
}

fn webp(picture: &Picture) -> Result<Pixels, Refusal> {
    let first;
    let file = match picture.animated {
        true => {
            first = riff::first_frame(&picture.clean).ok_or(BROKEN)?;
            &first[..]
        }
        false => &picture.clean[..],
    };
    // Asked before it allocates: what libwebp sees has to be what we saw.
    let seen = webp::BitstreamFeatures::new(file).ok_or(BROKEN)?;
    let (width, height) = picture.stored((picture.width, picture.height));
    if seen.width() > width || seen.height() > height {
        return Err(Refusal::Broken("it is larger than it says"));
    }
    let image = webp::Decoder::new(file).decode().ok_or(BROKEN)?;
    Ok(Pixels {
        width: image.width(),
        height: image.height(),
        alpha: image.is_alpha(),
        data: image.to_vec(),
    })
}

/// The first frame where it stands on its screen; what it does not cover is transparent.
fn gif(clean: &[u8]) -> Result<Pixels, Refusal> {
    let refuse = |error: gif::DecodingError| {
        tracing::debug!(%error, "gif refused");
        BROKEN
    };
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(clean).map_err(refuse)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let frame = decoder
        .read_next_frame()
        .map_err(refuse)?
        .ok_or(Refusal::Broken("it has no pixels"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (wide, high) = (usize::from(frame.width), usize::from(frame.height));
    let data = if (left, top, wide, high) == (0, 0, width, height) {
        frame.buffer.to_vec()
    } else {
        let mut screen = vec![0; width * height * 4];
        for (row, line) in frame.buffer.chunks_exact(wide.max(1) * 4).enumerate() {
            let begin = ((top + row) * width + left) * 4;
            let place = screen.get_mut(begin..begin + line.len()).ok_or(BROKEN)?;
            place.copy_from_slice(line);
        }
        screen
    };
    Ok(Pixels {
        width: width as u32,
        height: height as u32,
        alpha: true,
        data,
    })
}
