//! From the bytes of a stranger to pictures that can be shown: what is accepted, decoded, resized
//! and encoded, and in how much memory. Pure: bytes in, bytes out; no clock, no store.
//!
//! A file is judged by its content before a pixel is decoded ([`Picture::read`]): its container is
//! walked once, which finds the size, the orientation and the colour profile, drops what only tells
//! about the photographer, and ends at the picture's own end, whatever follows it. Decoders only
//! ever see that cleaned copy. Decode, resize and encode are [`Picture::make`].

mod colour;
mod decode;
mod encode;
mod gif;
mod jpeg;
mod orient;
mod png;
mod refusal;
mod spare;
mod webp;

use bytes::Bytes;
use fast_image_resize as fir;

pub use refusal::Refusal;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Baseline and progressive, 8 bits; grey, YCbCr, RGB, CMYK, YCCK.
    Jpeg,
    /// All depths and colour types.
    Png,
    /// Lossy and lossless.
    Webp,
    /// The first frame.
    Gif,
}

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Output {
    /// Quality 80, 4:2:0; transparency on white.
    Jpeg,
    /// Quality 80, method 4; transparency kept.
    Webp,
}

/// What a file may be before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Width times height.
    pub pixels: u64,
    /// Pixels of one side. No more than [`MAX_SIDE`], which both output formats can hold.
    pub side: u32,
    /// Bytes of memory that decoding may take.
    pub memory: u64,
}

/// The longest side that WebP holds (JPEG: 65,535).
pub const MAX_SIDE: u32 = 16_383;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 32 << 20,
            pixels: 50_000_000,
            side: MAX_SIDE,
            memory: 512 << 20,
        }
    }
}

/// Which JPEG code is used. Both are tested where both are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Rust alone.
    Pure,
    /// libjpeg-turbo: decodes at a fraction of the size where that is enough.
    #[cfg(feature = "turbo")]
    Turbo,
}

impl Default for Engine {
    #[cfg(feature = "turbo")]
    fn default() -> Engine {
        Engine::Turbo
    }

    #[cfg(not(feature = "turbo"))]
    fn default() -> Engine {
        Engine::Pure
    }
}

/// A picture that may be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// What it is, by its content.
    pub format: Format,
    /// Pixels, as it is to be seen: orientation applied.
    pub width: u32,
    /// Pixels, as it is to be seen: orientation applied.
    pub height: u32,
    /// Whether it moves; only its first frame is resized.
    pub animated: bool,
    /// The same picture without what was said about it: no place, no device, no comment, nothing
    /// after its end. Pixels, colour profile and orientation are kept.
    pub clean: Bytes,
    /// An upper bound of the memory that [`Picture::make`] takes, in bytes.
    pub memory: u64,
    orientation: u8,
    /// Of JPEG, PNG and WebP; PNG's is still deflated, and read by its decoder.
    icc: Option<Vec<u8>>,
    /// Components of a JPEG.
    components: u8,
}

/// One size of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The width that was asked for.
    pub asked: u32,
    /// Pixels: what was asked for, or the picture's own width where that is less.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The encoded file.
    pub body: Bytes,
}

/// What a container says; sizes as stored.
#[derive(Debug)]
struct Container {
    format: Format,
    width: u32,
    height: u32,
    orientation: u8,
    icc: Option<Vec<u8>>,
    animated: bool,
    components: u8,
    /// Bytes of memory a pixel takes while it is decoded.
    per_pixel: u64,
    clean: Vec<u8>,
}

/// Pixels of 8 bits, row by row: RGB, or RGBA with straight alpha.
#[derive(Debug, Clone)]
struct Pixels {
    width: u32,
    height: u32,
    alpha: bool,
    data: Vec<u8>,
}

impl Format {
    /// `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            Format::Webp => "image/webp",
            Format::Gif => "image/gif",
        }
    }

    /// As file names end.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            Format::Png => "png",
            Format::Webp => "webp",
            Format::Gif => "gif",
        }
    }

    /// The format of its sizes: WebP stays WebP, all else becomes JPEG.
    pub fn output(self) -> Output {
        match self {
            Format::Webp => Output::Webp,
            Format::Jpeg | Format::Png | Format::Gif => Output::Jpeg,
        }
    }

    fn of(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Format::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
            _ => None,
        }
    }
}

impl Output {
    /// `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Output::Jpeg => "image/jpeg",
            Output::Webp => "image/webp",
        }
    }

    /// As file names end.
    pub fn extension(self) -> &'static str {
        match self {
            Output::Jpeg => "jpg",
            Output::Webp => "webp",
        }
    }
}

impl Picture {
    /// Reads the container of a file; no pixel is decoded.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Picture, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        if bytes.len() as u64 > limits.bytes {
            return Err(Refusal::TooManyBytes {
                limit: limits.bytes,
            });
        }
        let container = match Format::of(bytes).ok_or(Refusal::UnknownFormat)? {
            Format::Jpeg => jpeg::read(bytes),
            Format::Png => png::read(bytes),
            Format::Webp => webp::read(bytes),
            Format::Gif => gif::read(bytes),
        }?;
        let (width, height) = (container.width, container.height);
        if width == 0 || height == 0 {
            return Err(Refusal::Broken("it says that it has no pixels"));
        }
        let side = limits.side.min(MAX_SIDE);
        if width.max(height) > side {
            return Err(Refusal::SideTooLong {
                width,
                height,
                limit: side,
            });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > limits.pixels {
            return Err(Refusal::TooManyPixels {
                width,
                height,
                limit: limits.pixels,
            });
        }
        // The file itself, its cleaned copy, its pixels, and the pictures made of it.
        let memory = 2 * bytes.len() as u64 + pixels * container.per_pixel + (16 << 20);
        if memory > limits.memory {
            return Err(Refusal::TooMuchMemory {
                needed: memory,
                limit: limits.memory,
            });
        }
        let (seen_width, seen_height) = match container.orientation {
            5..=8 => (height, width),
            _ => (width, height),
        };
        Ok(Picture {
            format: container.format,
            width: seen_width,
            height: seen_height,
            animated: container.animated,
            clean: container.clean.into(),
            memory,
            orientation: container.orientation,
            icc: container.icc,
            components: container.components,
        })
    }

    /// Width and height of a size that is `asked` pixels wide: never larger than the picture.
    pub fn fit(&self, asked: u32) -> (u32, u32) {
        let width = asked.clamp(1, self.width);
        let height = (f64::from(self.height) * f64::from(width) / f64::from(self.width)).round();
        (width, (height as u32).max(1))
    }

    /// Makes the sizes of these widths, widest first, each once: decodes once, and each size comes
    /// from the one before (a cascade is as good and costs a fraction). Each step is a span.
    ///
    /// # Errors
    /// Why it cannot be decoded: only now it shows whether the pixels are there.
    pub fn make(&self, widths: &[u32], engine: Engine) -> Result<Vec<Made>, Refusal> {
        self.make_as(widths, engine, self.format.output())
    }

    /// The same in a format of the caller's choice.
    ///
    /// # Errors
    /// As [`Picture::make`].
    pub fn make_as(
        &self,
        widths: &[u32],
        engine: Engine,
        output: Output,
    ) -> Result<Vec<Made>, Refusal> {
        let mut widths = widths.to_vec();
        widths.sort_unstable_by(|a, b| b.cmp(a));
        widths.dedup();
        let Some(&widest) = widths.first() else {
            return Ok(Vec::new());
        };
        let (mut from, mut icc) = tracing::info_span!("decode").in_scope(|| {
            let need = self.stored(self.fit(widest));
            decode::decode(self, need, engine)
        })?;
        let mut resizer = fir::Resizer::new();
        let mut made = Vec::with_capacity(widths.len());
        for asked in widths {
            let name = format_args!("resize to {asked}");
            let span = tracing::info_span!("resize", otel.name = %name);
            let _step = span.enter();
            let (width, height) = self.fit(asked);
            from = scale(&mut resizer, from, self.stored((width, height)))?;
            // At the first size there are far fewer pixels to convert than in the original.
            if let Some(icc) = icc.take() {
                colour::to_srgb(&mut from, &icc);
            }
            let upright = orient::upright(&from, self.orientation);
            let body = encode::encode(upright.as_ref().unwrap_or(&from), output, engine)?;
            made.push(Made {
                asked,
                width,
                height,
                body: body.into(),
            });
        }
        Ok(made)
    }

    /// A size as it is seen, as the pixels are stored, and back.
    fn stored(&self, (width, height): (u32, u32)) -> (u32, u32) {
        match self.orientation {
            5..=8 => (height, width),
            _ => (width, height),
        }
    }
}

/// Lanczos3, on colours that alpha has been multiplied into, so that no fringe shows.
fn scale(resizer: &mut fir::Resizer, from: Pixels, size: (u32, u32)) -> Result<Pixels, Refusal> {
    if size == (from.width, from.height) {
        return Ok(from);
    }
    // Each by its type: asked by a value, the resizer has code and tables for all its thirteen, half a megabyte of them.
    let data = match from.alpha {
        true => scaled::<fir::pixels::U8x4>(resizer, &from, size),
        false => scaled::<fir::pixels::U8x3>(resizer, &from, size),
    };
    let data = data.ok_or(Refusal::Broken(
        "its pixels are not as many as its size says",
    ))?;
    let (width, height) = size;
    let alpha = from.alpha;
    spare::give_back(from.data);
    Ok(Pixels {
        width,
        height,
        alpha,
        data,
    })
}

/// The bytes of the picture at another size; none where they are not as many as the size says.
fn scaled<P: fir::PixelTrait>(
    resizer: &mut fir::Resizer,
    from: &Pixels,
    (width, height): (u32, u32),
) -> Option<Vec<u8>> {
    use fir::images::{TypedImage, TypedImageRef};
    let source = TypedImageRef::<P>::from_buffer(from.width, from.height, &from.data).ok()?;
    let mut data = vec![0; width as usize * height as usize * P::size()];
    let mut target = TypedImage::<P>::from_buffer(width, height, &mut data).ok()?;
    let lanczos = fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3);
    let options = fir::ResizeOptions::new().resize_alg(lanczos);
    resizer.resize_typed(&source, &mut target, &options).ok()?;
    Some(data)
}
