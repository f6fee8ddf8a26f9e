//! WebP's container: RIFF chunks. <https://developers.google.com/speed/webp/docs/riff_container>.

use super::orient::{exif_of, of_exif};
use super::{Container, Format, Refusal};

const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;

/// Walks the chunks that the RIFF header spans.
pub(super) fn read(bytes: &[u8]) -> Result<Container, Refusal> {
    let said = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    let inside = bytes.get(12..said + 8).ok_or(Refusal::Truncated)?;
    let mut chunks: Vec<([u8; 4], &[u8])> = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (chunk, after) = next(rest)?;
        chunks.push(chunk);
        rest = after;
    }
    let (mut width, mut height) = (0, 0);
    let (mut orientation, mut icc, mut extended) = (1, None, None);
    let (mut pixels, mut frames) = (false, 0u32);
    let mut kept = Vec::new();
    for (kind, data) in chunks {
        match &kind {
            b"VP8X" => {
                let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = data else {
                    return Err(Refusal::Truncated);
                };
                let wide = |a, b, c| 1 + u32::from_le_bytes([a, b, c, 0]);
                (width, height) = (wide(w0, w1, w2), wide(h0, h1, h2));
                extended = Some((flags, data.get(4..10).ok_or(Refusal::Truncated)?));
                continue;
            }
            b"VP8 " | b"VP8L" => {
                let (w, h) = bitstream_size(&kind, data)?;
                (width, height) = (width.max(w), height.max(h));
                pixels = true;
            }
            b"ANMF" => {
                frames += 1;
                pixels = true;
            }
            b"ICCP" => icc = Some(data.to_vec()),
            b"ALPH" | b"ANIM" => {}
            b"EXIF" => {
                orientation = of_exif(data);
                continue;
            }
            _ => continue,
        }
        kept.push((kind, data));
    }
    if !pixels {
        return Err(Refusal::Broken("it has no pixels"));
    }
    let tiff = exif_of(orientation);
    let mut clean = b"RIFF\0\0\0\0WEBP".to_vec();
    if let Some((flags, size)) = extended {
        let mut flags = flags & !(EXIF | XMP);
        if orientation != 1 {
            flags |= EXIF;
        }
        let mut head = vec![flags, 0, 0, 0];
        head.extend_from_slice(size);
        push(&mut clean, *b"VP8X", &head);
    } else {
        // What only an extended file may have has no say in a simple one.
        orientation = 1;
    }
    for (kind, data) in &kept {
        push(&mut clean, *kind, data);
    }
    if orientation != 1 {
        push(&mut clean, *b"EXIF", &tiff);
    }
    finish(&mut clean);
    Ok(Container {
        format: Format::Webp,
        width,
        height,
        orientation,
        icc,
        animated: frames > 0,
        components: 3,
        // libwebp's planes or ARGB, what it gives out, and our copy.
        per_pixel: 12,
        clean,
    })
}

/// The first frame of an animation, as a file of its own: libwebp's simple decoder wants one.
pub(super) fn first_frame(clean: &[u8]) -> Option<Vec<u8>> {
    let mut rest = clean.get(12..)?;
    loop {
        let ((kind, data), after) = next(rest).ok()?;
        rest = after;
        if &kind != b"ANMF" {
            continue;
        }
        // x, y, width - 1, height - 1 and duration of three bytes each, flags, and then chunks.
        let (head, mut inner) = data.split_first_chunk::<16>()?;
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        let mut alpha = None;
        while let Ok(((kind, data), after)) = next(inner) {
            inner = after;
            match &kind {
                b"ALPH" => alpha = Some(data),
                b"VP8 " | b"VP8L" => {
                    if let Some(alpha) = alpha {
                        let mut extended = vec![ALPHA, 0, 0, 0];
                        extended.extend_from_slice(&head[6..12]);
                        push(&mut file, *b"VP8X", &extended);
                        push(&mut file, *b"ALPH", alpha);
                    }
                    push(&mut file, kind, data);
                    finish(&mut file);
                    return Some(file);
                }
                _ => {}
            }
        }
        return None;
    }
}

/// A chunk and what follows it.
type Next<'a> = (([u8; 4], &'a [u8]), &'a [u8]);

fn next(rest: &[u8]) -> Result<Next<'_>, Refusal> {
    let (head, body) = rest.split_first_chunk::<8>().ok_or(Refusal::Truncated)?;
    let [k0, k1, k2, k3, l0, l1, l2, l3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let data = body.get(..length).ok_or(Refusal::Truncated)?;
    // Padded to an even length; the last chunk's padding may be missing.
    let padded = (length + length % 2).min(body.len());
    Ok((([k0, k1, k2, k3], data), &body[padded..]))
}

fn bitstream_size(kind: &[u8; 4], data: &[u8]) -> Result<(u32, u32), Refusal> {
    if kind == b"VP8L" {
        let &[0x2f, b0, b1, b2, b3, ..] = data else {
            return Err(Refusal::Broken("its lossless data does not begin as such"));
        };
        let bits = u32::from_le_bytes([b0, b1, b2, b3]);
        return Ok((1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)));
    }
    let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = data else {
        return Err(Refusal::Broken("its lossy data does not begin as such"));
    };
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Ok((size(w0, w1), size(h0, h1)))
}

fn push(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend_from_slice(&kind);
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    if data.len() % 2 == 1 {
        file.push(0);
    }
}

fn finish(file: &mut [u8]) {
    let length = (file.len() - 8) as u32;
    file[4..8].copy_from_slice(&length.to_le_bytes());
}
