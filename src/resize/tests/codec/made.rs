//! Files for the tests, made here.

use resize::codec::Engine;

/// The engines that this build has.
pub const ENGINES: &[Engine] = &[
    Engine::Pure,
    #[cfg(feature = "turbo")]
    Engine::Turbo,
];

/// A smooth picture with edges: a gradient under a grid.
pub fn rgb(width: u32, height: u32) -> Vec<u8> {
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let grid = if (x / 16 + y / 16) % 2 == 0 { 0 } else { 40 };
            data.push((x * 200 / width.max(1)) as u8 + grid);
            data.push((y * 200 / height.max(1)) as u8 + grid);
            data.push(120);
        }
    }
    data
}

pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut out, 90);
    let data = rgb(width.into(), height.into());
    encoder
        .encode(&data, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    out
}

pub fn progressive(width: u16, height: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, 90);
    encoder.set_progressive(true);
    let data = rgb(width.into(), height.into());
    encoder
        .encode(&data, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    out
}

/// One colour, in inks: 255 is all of it. The file holds them inverted, which is Adobe's way.
pub fn cmyk(width: u16, height: u16, inks: [u8; 4]) -> Vec<u8> {
    let data: Vec<u8> = inks
        .iter()
        .copied()
        .cycle()
        .take(usize::from(width) * usize::from(height) * 4)
        .collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 95)
        .encode(&data, width, height, jpeg_encoder::ColorType::Cmyk)
        .unwrap();
    out
}

pub fn grey_jpeg(width: u16, height: u16, value: u8) -> Vec<u8> {
    let data = vec![value; usize::from(width) * usize::from(height)];
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 95)
        .encode(&data, width, height, jpeg_encoder::ColorType::Luma)
        .unwrap();
    out
}

pub fn png(
    width: u32,
    height: u32,
    (colour, depth): (png::ColorType, png::BitDepth),
    data: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    out
}

pub fn png_rgb(width: u32, height: u32) -> Vec<u8> {
    let kind = (png::ColorType::Rgb, png::BitDepth::Eight);
    png(width, height, kind, &rgb(width, height))
}

/// The left half is solid red, the right half is clear.
pub fn half_clear(width: u32, height: u32) -> Vec<u8> {
    (0..width * height)
        .flat_map(|i| match i % width < width / 2 {
            true => [200, 0, 0, 255],
            false => [0, 0, 0, 0],
        })
        .collect()
}

pub fn png_half_clear(width: u32, height: u32) -> Vec<u8> {
    let kind = (png::ColorType::Rgba, png::BitDepth::Eight);
    png(width, height, kind, &half_clear(width, height))
}

pub fn webp(width: u32, height: u32) -> Vec<u8> {
    webp::Encoder::from_rgb(&rgb(width, height), width, height)
        .encode(85.0)
        .to_vec()
}

pub fn webp_half_clear(width: u32, height: u32) -> Vec<u8> {
    let data = half_clear(width, height);
    webp::Encoder::from_rgba(&data, width, height)
        .encode_lossless()
        .to_vec()
}

/// Frames of one colour each: the first is red, the second is blue.
pub fn webp_animated(width: u32, height: u32) -> Vec<u8> {
    let mut config = webp::WebPConfig::new().unwrap();
    config.lossless = 1;
    let mut encoder = webp::AnimEncoder::new(width, height, &config);
    let count = (width * height) as usize;
    let (red, blue) = (
        [220, 0, 0, 255].repeat(count),
        [0, 0, 220, 255].repeat(count),
    );
    encoder.add_frame(webp::AnimFrame::from_rgba(&red, width, height, 0));
    encoder.add_frame(webp::AnimFrame::from_rgba(&blue, width, height, 100));
    encoder.encode().to_vec()
}

/// The same as a GIF, with a comment.
pub fn gif_animated(width: u16, height: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let palette = [220, 0, 0, 0, 0, 220];
    let mut encoder = gif::Encoder::new(&mut out, width, height, &palette).unwrap();
    encoder
        .write_raw_extension(gif::Extension::Comment.into(), &[b"GPS 51.5 N"])
        .unwrap();
    for colour in [0, 1] {
        let pixels = vec![colour; usize::from(width) * usize::from(height)];
        encoder
            .write_frame(&gif::Frame::from_indexed_pixels(
                width, height, pixels, None,
            ))
            .unwrap();
    }
    drop(encoder);
    out
}

/// An Exif segment's TIFF block: an orientation, a camera, a place.
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x03".to_vec();
    // Make, ASCII, 12 bytes at 50.
    tiff.extend_from_slice(b"\x01\x0f\0\x02\0\0\0\x0c\0\0\0\x32");
    tiff.extend_from_slice(b"\x01\x12\0\x03\0\0\0\x01");
    tiff.extend_from_slice(&orientation.to_be_bytes());
    tiff.extend_from_slice(b"\0\0");
    // The place: a directory at 62.
    tiff.extend_from_slice(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x3e");
    tiff.extend_from_slice(b"\0\0\0\0");
    assert_eq!(tiff.len(), 50);
    tiff.extend_from_slice(b"SecretCam42\0");
    // GPSLatitudeRef, ASCII, "N".
    tiff.extend_from_slice(b"\0\x01\0\x01\0\x02\0\0\0\x02N\0\0\0\0\0\0\0");
    tiff
}

/// Puts segments behind a JPEG's beginning.
pub fn with_segments(jpeg: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    for (marker, data) in segments {
        out.extend_from_slice(&[0xff, *marker]);
        out.extend_from_slice(&(data.len() as u16 + 2).to_be_bytes());
        out.extend_from_slice(data);
    }
    out.extend_from_slice(&jpeg[2..]);
    out
}

pub fn with_exif(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    let segment = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
    with_segments(jpeg, &[(0xe1, &segment)])
}

/// Puts a chunk behind a PNG's header.
pub fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend_from_slice(data);
    let crc = crc32fast::hash(&chunk[4..]);
    chunk.extend_from_slice(&crc.to_be_bytes());
    // The signature has 8 bytes, the header chunk 25.
    [&png[..33], &chunk, &png[33..]].concat()
}

/// A still WebP as an extended one with metadata.
pub fn webp_with_exif(webp: &[u8], (width, height): (u32, u32), orientation: u16) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    let mut push = |kind: &[u8; 4], data: &[u8]| {
        body.extend_from_slice(kind);
        body.extend_from_slice(&(data.len() as u32).to_le_bytes());
        body.extend_from_slice(data);
        if data.len() % 2 == 1 {
            body.push(0);
        }
    };
    let mut head = vec![0x08 | 0x04, 0, 0, 0];
    head.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
    head.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
    push(b"VP8X", &head);
    // The one chunk of a simple file follows its 12 bytes of header.
    let length = u32::from_le_bytes(webp[16..20].try_into().unwrap()) as usize;
    push(webp[12..16].try_into().unwrap(), &webp[20..20 + length]);
    push(b"EXIF", &exif(orientation));
    push(b"XMP ", b"<x>SecretCam42</x>");
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&body);
    out
}

/// Decoded by a decoder that the platform does not use for it: RGB or RGBA, width, height.
pub fn look(file: &[u8]) -> (Vec<u8>, usize, u32, u32) {
    if file.starts_with(b"RIFF") {
        let image = webp::Decoder::new(file).decode().unwrap();
        let channels = if image.is_alpha() { 4 } else { 3 };
        return (image.to_vec(), channels, image.width(), image.height());
    }
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(file));
    let data = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    let channels = data.len() / (width * height);
    (data, channels, width as u32, height as u32)
}

/// The colour at a place.
pub fn at(file: &[u8], x: u32, y: u32) -> Vec<u8> {
    let (data, channels, width, _) = look(file);
    let begin = (y * width + x) as usize * channels;
    data[begin..begin + channels].to_vec()
}

/// Whether two colours look the same.
pub fn near(a: &[u8], b: &[u8], by: u8) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= by)
}
