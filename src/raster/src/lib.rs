//! SVG to PNG, for mails and for whatever shows no SVG.
//!
//! Pure: the letters come from two fonts in this crate, so that a picture is the same on every
//! machine, and no file, address or clock is looked at. Draw with `render::Theme::Light` or `Dark`:
//! custom properties of a page mean nothing here.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree, fontdb};

/// No picture has more pixels: 64 MiB of memory while it is drawn.
pub const MOST_PIXELS: u64 = 16 * 1024 * 1024;

const REGULAR: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed.ttf");
const BOLD: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed-Bold.ttf");
/// As the fonts name it: condensed is a width of this family.
const FAMILY: &str = "DejaVu Sans";

/// How a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Pixels for each unit of the SVG: 2 is sharp on most screens.
    pub scale: f32,
    /// What is behind it: red, green, blue. Without it the picture is transparent where nothing is
    /// drawn, which is unreadable on a dark mail.
    pub background: Option<[u8; 3]>,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            scale: 2.0,
            background: Some([255, 255, 255]),
        }
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// It is no SVG.
    #[error("cannot read the drawing: {0}")]
    Unreadable(String),
    /// It has more than [`MOST_PIXELS`], or none.
    #[error(
        "a picture of {width} x {height} pixels is not drawn; at most {MOST_PIXELS} pixels are, and at least one"
    )]
    Size {
        /// In pixels.
        width: u64,
        /// In pixels.
        height: u64,
    },
    /// It could not be packed.
    #[error("cannot pack the picture: {0}")]
    Pack(String),
}

/// Draws an SVG document as a PNG file.
///
/// The size is that of the document, times [`Look::scale`], rounded up. Images that the document
/// refers to are left out; letters that the font lacks show as boxes.
pub fn png(svg: &str, look: Look) -> Result<Vec<u8>, Error> {
    let tree = Tree::from_str(svg, &OPTIONS).map_err(|e| Error::Unreadable(e.to_string()))?;
    let pixels = |units: f32| (units * look.scale).ceil().max(0.0) as u64;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let refused = Error::Size { width, height };
    if width.saturating_mul(height) > MOST_PIXELS {
        return Err(refused);
    }
    // Both fit since their product does, or one of them is 0 and there is no such picture.
    let mut picture = Pixmap::new(width as u32, height as u32).ok_or(refused)?;
    if let Some([red, green, blue]) = look.background {
        picture.fill(Color::from_rgba8(red, green, blue, 255));
    }
    let scale = Transform::from_scale(look.scale, look.scale);
    resvg::render(&tree, scale, &mut picture.as_mut());
    picture.encode_png().map_err(|e| Error::Pack(e.to_string()))
}

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    for font in [REGULAR, BOLD] {
        fonts.load_font_data(font.to_vec());
    }
    fonts.set_sans_serif_family(FAMILY);
    fonts.set_serif_family(FAMILY);
    fonts.set_monospace_family(FAMILY);
    Options {
        font_family: FAMILY.into(),
        fontdb: Arc::new(fonts),
        // The usual ones would open files.
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    }
});
