//! Pixels to files.

use super::{Engine, Output, Pixels, Refusal};

const QUALITY: u8 = 80;

pub(super) fn encode(pixels: &Pixels, output: Output, engine: Engine) -> Result<Vec<u8>, Refusal> {
    match output {
        Output::Webp => webp(pixels),
        Output::Jpeg => {
            let flat = flatten(pixels);
            jpeg(flat.as_ref().unwrap_or(pixels), engine)
        }
    }
}

/// Transparency on white; none where there is none.
fn flatten(pixels: &Pixels) -> Option<Pixels> {
    if !pixels.alpha {
        return None;
    }
    let (source, _) = pixels.data.as_chunks::<4>();
    let mut data = Vec::with_capacity(source.len() * 3);
    for &[r, g, b, a] in source {
        let alpha = u32::from(a);
        let on_white = |c: u8| ((u32::from(c) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        data.extend_from_slice(&[on_white(r), on_white(g), on_white(b)]);
    }
    Some(Pixels {
        alpha: false,
        data,
        ..*pixels
    })
}

const FAILED: Refusal = Refusal::Broken("its pixels could not be written again");

fn jpeg(pixels: &Pixels, engine: Engine) -> Result<Vec<u8>, Refusal> {
    match engine {
        Engine::Pure => jpeg_pure(pixels),
        #[cfg(feature = "turbo")]
        Engine::Turbo => jpeg_turbo(pixels),
    }
}

fn jpeg_pure(pixels: &Pixels) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(pixels.data.len() / 8);
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, QUALITY);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    // Sides are at most MAX_SIDE.
    let (width, height) = (pixels.width as u16, pixels.height as u16);
    encoder
        .encode(&pixels.data, width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(|_| FAILED)?;
    Ok(out)
}

#[cfg(feature = "turbo")]
fn jpeg_turbo(pixels: &Pixels) -> Result<Vec<u8>, Refusal> {
    let mut compressor = turbojpeg::Compressor::new().map_err(|_| FAILED)?;
    compressor.set_quality(QUALITY.into()).map_err(|_| FAILED)?;
    compressor
        .set_subsamp(turbojpeg::Subsamp::Sub2x2)
        .map_err(|_| FAILED)?;
    // Optimised Huffman tables would save one percent of the bytes for a tenth of all the work.
    compressor.set_optimize(false).map_err(|_| FAILED)?;
    let width = pixels.width as usize;
    let image = turbojpeg::Image {
        pixels: &pixels.data[..],
        width,
        pitch: width * 3,
        height: pixels.height as usize,
        format: turbojpeg::PixelFormat::RGB,
    };
    compressor.compress_to_vec(image).map_err(|_| FAILED)
}

fn webp(pixels: &Pixels) -> Result<Vec<u8>, Refusal> {
    let mut config = webp::WebPConfig::new().map_err(|()| FAILED)?;
    config.quality = QUALITY.into();
    config.method = 4;
    let encoder = match pixels.alpha {
        true => webp::Encoder::from_rgba(&pixels.data, pixels.width, pixels.height),
        false => webp::Encoder::from_rgb(&pixels.data, pixels.width, pixels.height),
    };
    let file = encoder.encode_advanced(&config).map_err(|_| FAILED)?;
    Ok(file.to_vec())
}
