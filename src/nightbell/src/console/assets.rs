//! The console's files: one stylesheet, one small script, one icon.
//!
//! Their addresses carry a hash of their content, so that a browser may keep them for ever and
//! never shows an old one with a new page.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The policy that every page is served with. It has no place for inline style or script.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
     script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// What every page is served with, the policy included.
pub const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// A file of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The file.
    pub bytes: &'static [u8],
    /// `ETag`, quotes included.
    pub etag: String,
    /// Where pages ask for it: `/assets/console.css?v=…`.
    pub href: String,
}

/// `Cache-Control` of an asset: its address changes with its content.
pub const ASSET_CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The file of this name under `/assets/`; none where there is none.
pub fn asset(name: &str) -> Option<&'static Asset> {
    match name {
        "console.css" => Some(&STYLE),
        "console.js" => Some(&SCRIPT),
        "favicon.svg" => Some(&ICON),
        _ => None,
    }
}

/// The stylesheet.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console.css", "text/css; charset=utf-8", CSS.as_bytes()));

/// The colours that pictures and pages share, then the sheet.
static CSS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\n{}",
        render::palette::css(),
        include_str!("../../assets/console.css")
    )
});

/// The script, optional everywhere.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "console.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/console.js").as_bytes(),
    )
});

/// The icon: a night bell.
pub static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "favicon.svg",
        "image/svg+xml",
        include_str!("../../assets/favicon.svg").as_bytes(),
    )
});

impl Asset {
    fn new(name: &str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
        let hash = Sha256::digest(bytes)
            .iter()
            .take(6)
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
        Asset {
            content_type,
            bytes,
            etag: format!("\"{hash}\""),
            href: format!("/assets/{name}?v={hash}"),
        }
    }
}
