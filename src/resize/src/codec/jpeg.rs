//! JPEG's container: ITU-T T.81, annex B, and where JFIF, Exif, ICC and Adobe put theirs.

use super::orient::{exif_of, of_exif};
use super::{Container, Format, Refusal};

/// More scans than any camera or tool writes; each costs a pass over all coefficients.
const MOST_SCANS: usize = 100;

/// Walks the segments up to the end of the image.
pub(super) fn read(bytes: &[u8]) -> Result<Container, Refusal> {
    let mut walk = Walk { bytes, at: 2 };
    let mut clean = Vec::with_capacity(bytes.len() + 64);
    clean.extend_from_slice(&[0xff, 0xd8]);
    let mut frame: Option<Frame> = None;
    let (mut orientation, mut scans, mut coded) = (None, 0, 0);
    let mut profile = Profile::default();
    // Where what we say ourselves goes: JFIF wants to be first.
    let mut after_jfif = clean.len();
    loop {
        let marker = walk.marker()?;
        match marker {
            0xd9 => break,
            // Stand alone; between segments they mean nothing.
            0x01 | 0xd0..=0xd7 => continue,
            0xd8 => return Err(Refusal::Broken("a second picture begins inside it")),
            _ => {}
        }
        let segment = walk.segment()?;
        let mut keep = true;
        match marker {
            0xc0..=0xc2 => {
                if frame.is_some() {
                    return Err(Refusal::Broken("it says its size twice"));
                }
                frame = Some(Frame::read(segment, marker == 0xc2)?);
            }
            0xc4 | 0xcc | 0xdb | 0xdd => {}
            0xc3 => return Err(Refusal::Unsupported(Format::Jpeg, "lossless coding")),
            0xc5..=0xc7 | 0xcd..=0xcf | 0xde | 0xdf => {
                return Err(Refusal::Unsupported(Format::Jpeg, "hierarchical coding"));
            }
            0xc9..=0xcb => return Err(Refusal::Unsupported(Format::Jpeg, "arithmetic coding")),
            0xdc => return Err(Refusal::Unsupported(Format::Jpeg, "a height told late")),
            0xda => {
                if frame.is_none() {
                    return Err(Refusal::Broken("its pixels come before its size"));
                }
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(Refusal::Broken("it has more passes than any real picture"));
                }
            }
            0xe1 if segment.starts_with(b"Exif\0\0") => {
                orientation.get_or_insert_with(|| of_exif(segment));
                keep = false;
            }
            0xe2 if profile.take(segment) => {}
            // JFIF and Adobe say how to read the components.
            0xe0 if segment.starts_with(b"JFIF\0") => {}
            0xee if segment.starts_with(b"Adobe") => {}
            _ => keep = false,
        }
        if keep {
            clean.extend_from_slice(&[0xff, marker]);
            clean.extend_from_slice(&(segment.len() as u16 + 2).to_be_bytes());
            clean.extend_from_slice(segment);
            if marker == 0xe0 {
                after_jfif = clean.len();
            }
        }
        if marker == 0xda {
            let scan = walk.scan()?;
            coded += scan.len();
            clean.extend_from_slice(scan);
        }
    }
    let Some(frame) = frame.filter(|_| scans > 0) else {
        return Err(Refusal::Broken("it has no pixels"));
    };
    // Each block of 8 x 8 takes a bit at least, however flat it is: a small file that says that it
    // is a large picture would only keep a decoder busy.
    let blocks = u64::from(frame.width.div_ceil(8)) * u64::from(frame.height.div_ceil(8));
    if (coded as u64) * 8 < blocks {
        return Err(Refusal::Truncated);
    }
    clean.extend_from_slice(&[0xff, 0xd9]);
    let orientation = orientation.unwrap_or(1);
    if orientation != 1 {
        let tiff = exif_of(orientation);
        let mut exif = vec![0xff, 0xe1, 0, (2 + 6 + tiff.len()) as u8];
        exif.extend_from_slice(b"Exif\0\0");
        exif.extend_from_slice(&tiff);
        clean.splice(after_jfif..after_jfif, exif);
    }
    let components = u64::from(frame.components);
    Ok(Container {
        format: Format::Jpeg,
        width: frame.width,
        height: frame.height,
        orientation,
        icc: profile.whole(),
        animated: false,
        components: frame.components,
        // Colour comes out; a progressive picture keeps all coefficients until its last scan.
        per_pixel: components.max(3) + if frame.progressive { 2 * components } else { 0 },
        clean,
    })
}

struct Frame {
    width: u32,
    height: u32,
    components: u8,
    progressive: bool,
}

impl Frame {
    fn read(segment: &[u8], progressive: bool) -> Result<Frame, Refusal> {
        let &[precision, h1, h0, w1, w0, components, ..] = segment else {
            return Err(Refusal::Truncated);
        };
        if precision != 8 {
            return Err(Refusal::Unsupported(
                Format::Jpeg,
                "more than 8 bits a colour",
            ));
        }
        if !matches!(components, 1 | 3 | 4) {
            return Err(Refusal::Unsupported(
                Format::Jpeg,
                "an unusual number of colours",
            ));
        }
        if segment.len() != 6 + 3 * usize::from(components) {
            return Err(Refusal::Broken("its frame header has the wrong length"));
        }
        Ok(Frame {
            width: u16::from_be_bytes([w1, w0]).into(),
            height: u16::from_be_bytes([h1, h0]).into(),
            components,
            progressive,
        })
    }
}

/// A colour profile, in pieces: `ICC_PROFILE\0`, sequence number from 1, how many there are.
#[derive(Default)]
struct Profile {
    pieces: Vec<(u8, Vec<u8>)>,
}

impl Profile {
    fn take(&mut self, segment: &[u8]) -> bool {
        let Some([number, _, piece @ ..]) = segment.strip_prefix(b"ICC_PROFILE\0") else {
            return false;
        };
        self.pieces.push((*number, piece.to_vec()));
        true
    }

    fn whole(mut self) -> Option<Vec<u8>> {
        self.pieces.sort_by_key(|(number, _)| *number);
        let whole: Vec<u8> = self.pieces.into_iter().flat_map(|(_, p)| p).collect();
        (!whole.is_empty()).then_some(whole)
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// The next marker; fill bytes before it are passed over.
    fn marker(&mut self) -> Result<u8, Refusal> {
        match self.bytes.get(self.at) {
            None => return Err(Refusal::Truncated),
            Some(0xff) => {}
            Some(_) => return Err(Refusal::Broken("there is something between its segments")),
        }
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().take_while(|b| **b == 0xff).count();
        let marker = *rest.get(fill).ok_or(Refusal::Truncated)?;
        if marker == 0 {
            return Err(Refusal::Broken("there is something between its segments"));
        }
        self.at += fill + 1;
        Ok(marker)
    }

    /// What a segment holds, without its length.
    fn segment(&mut self) -> Result<&'a [u8], Refusal> {
        let rest = &self.bytes[self.at..];
        let [high, low, ..] = rest else {
            return Err(Refusal::Truncated);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 2 {
            return Err(Refusal::Broken("a segment is shorter than its own length"));
        }
        let segment = rest.get(2..length).ok_or(Refusal::Truncated)?;
        self.at += length;
        Ok(segment)
    }

    /// Entropy-coded data up to the next marker that is none of its own.
    fn scan(&mut self) -> Result<&'a [u8], Refusal> {
        let data = &self.bytes[self.at..];
        let mut from = 0;
        loop {
            let found = memchr::memchr(0xff, &data[from..]).ok_or(Refusal::Truncated)?;
            let at = from + found;
            match data.get(at + 1) {
                None => return Err(Refusal::Truncated),
                Some(0x00 | 0xd0..=0xd7) => from = at + 2,
                // A fill byte: the next may belong to a marker.
                Some(0xff) => from = at + 1,
                Some(_) => {
                    self.at += at;
                    return Ok(&data[..at]);
                }
            }
        }
    }
}
