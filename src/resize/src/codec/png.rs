//! PNG's container: chunks of length, type, data and checksum, from `IHDR` to `IEND`.

use super::orient::{exif_of, of_exif};
use super::{Container, Format, Refusal};

const SIGNATURE: usize = 8;

/// Walks the chunks up to the end of the image.
pub(super) fn read(bytes: &[u8]) -> Result<Container, Refusal> {
    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend_from_slice(&bytes[..SIGNATURE]);
    let mut rest = &bytes[SIGNATURE..];
    let (mut header, mut after_header) = (None, clean.len());
    let (mut orientation, mut animated, mut pixels) = (1, false, false);
    loop {
        let Some((head, body)) = rest.split_first_chunk::<8>() else {
            return Err(Refusal::Truncated);
        };
        let [l0, l1, l2, l3, kind @ ..] = head;
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
        let data = body.get(..length).ok_or(Refusal::Truncated)?;
        // The data and its checksum; the decoder looks whether they agree.
        let whole = rest.get(..length + 12).ok_or(Refusal::Truncated)?;
        rest = &rest[length + 12..];
        if header.is_none() && kind != b"IHDR" {
            return Err(Refusal::Broken("its first chunk is no header"));
        }
        let keep = match kind {
            b"IHDR" => {
                if header.is_some() {
                    return Err(Refusal::Broken("it says its size twice"));
                }
                header = Some(Header::read(data)?);
                true
            }
            b"IDAT" => {
                pixels = true;
                true
            }
            b"PLTE" | b"IEND" | b"tRNS" | b"iCCP" | b"sRGB" | b"gAMA" | b"cHRM" => true,
            b"eXIf" => {
                orientation = of_exif(data);
                false
            }
            b"acTL" => {
                animated = true;
                false
            }
            _ => false,
        };
        if keep {
            clean.extend_from_slice(whole);
        }
        match kind {
            b"IHDR" => after_header = clean.len(),
            b"IEND" => break,
            _ => {}
        }
    }
    let Some(header) = header.filter(|_| pixels) else {
        return Err(Refusal::Broken("it has no pixels"));
    };
    if orientation != 1 {
        let exif = chunk(*b"eXIf", &exif_of(orientation));
        clean.splice(after_header..after_header, exif);
    }
    Ok(Container {
        format: Format::Png,
        width: header.width,
        height: header.height,
        orientation,
        icc: None,
        animated,
        components: header.channels,
        // As stored, and as RGBA.
        per_pixel: u64::from(header.channels) * u64::from(header.depth.div_ceil(8)) + 4,
        clean,
    })
}

struct Header {
    width: u32,
    height: u32,
    depth: u8,
    channels: u8,
}

impl Header {
    fn read(data: &[u8]) -> Result<Header, Refusal> {
        let &[w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, _, _, _] = data else {
            return Err(Refusal::Broken("its header has the wrong length"));
        };
        let channels = match colour {
            0 => 1,
            // A palette becomes colours.
            2 | 3 => 3,
            4 => 2,
            6 => 4,
            _ => return Err(Refusal::Broken("its colour type does not exist")),
        };
        Ok(Header {
            width: u32::from_be_bytes([w3, w2, w1, w0]),
            height: u32::from_be_bytes([h3, h2, h1, h0]),
            depth,
            channels,
        })
    }
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(&kind);
    chunk.extend_from_slice(data);
    let crc = crc32fast::hash(&chunk[4..]);
    chunk.extend_from_slice(&crc.to_be_bytes());
    chunk
}
