//! The image platform: uploads, sizes, short links.
//!
//! A library on the ports [`ports::Items`] and [`ports::Objects`]; the shells (a Lambda binary, the
//! local runtime) bring the table and the bucket. [`codec`] turns the bytes of strangers into
//! pictures, [`domain`] has the rules, [`platform`] keeps them over a store, [`http`] speaks HTTP.

pub mod codec;
pub mod domain;
pub mod http;
pub mod meters;
pub mod platform;
pub mod pool;

use model::catalogue::Declared;

pub use domain::Config;
pub use http::{Admins, NoAdmins, router};
pub use platform::Platform;

/// The namespace of its metrics.
pub const NAMESPACE: &str = "ImagePlatform";

/// The service's name: the value of the dimension `Service`.
pub const SERVICE: &str = "resize";

/// What it emits, for the catalogue.
pub fn declared() -> Vec<Declared> {
    let mut all = telemetry::service::declared(NAMESPACE);
    all.extend(meters::declared());
    all
}
