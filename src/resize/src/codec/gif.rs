//! GIF's container: blocks, from the logical screen to the trailer.

use super::{Container, Format, Refusal};

/// Walks the blocks up to the trailer.
pub(super) fn read(bytes: &[u8]) -> Result<Container, Refusal> {
    let &[_, _, _, _, _, _, w0, w1, h0, h1, flags, _, _, ..] = bytes else {
        return Err(Refusal::Truncated);
    };
    let mut at = 13 + table(flags);
    let mut clean = bytes.get(..at).ok_or(Refusal::Truncated)?.to_vec();
    let mut frames = 0u32;
    loop {
        let begin = at;
        let keep = match bytes.get(at).ok_or(Refusal::Truncated)? {
            0x3b => break,
            0x21 => {
                let label = *bytes.get(at + 1).ok_or(Refusal::Truncated)?;
                let body = at + 2;
                at = sub_blocks(bytes, body)?;
                // How long a frame stays, and how often it all repeats; nothing else is said.
                match label {
                    0xf9 => true,
                    0xff => bytes[body..at].starts_with(b"\x0bNETSCAPE2.0"),
                    _ => false,
                }
            }
            0x2c => {
                let flags = *bytes.get(at + 9).ok_or(Refusal::Truncated)?;
                // The descriptor, its colours, the code size, the pixels.
                at = sub_blocks(bytes, at + 10 + table(flags) + 1)?;
                frames += 1;
                true
            }
            _ => return Err(Refusal::Broken("one of its blocks does not exist")),
        };
        if keep {
            clean.extend_from_slice(&bytes[begin..at]);
        }
    }
    if frames == 0 {
        return Err(Refusal::Broken("it has no pixels"));
    }
    clean.push(0x3b);
    Ok(Container {
        format: Format::Gif,
        width: u16::from_le_bytes([w0, w1]).into(),
        height: u16::from_le_bytes([h0, h1]).into(),
        orientation: 1,
        icc: None,
        animated: frames > 1,
        components: 3,
        // The frame's indices, its colours, the screen they stand on.
        per_pixel: 9,
        clean,
    })
}

/// Bytes of a colour table.
fn table(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    }
}

/// Where a chain of sub-blocks ends.
fn sub_blocks(bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
    loop {
        let length = usize::from(*bytes.get(at).ok_or(Refusal::Truncated)?);
        at += 1 + length;
        if length == 0 {
            return Ok(at);
        }
    }
}
