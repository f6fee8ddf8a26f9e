//! Which metrics exist: what our own code declares, and the table of AWS metrics.

use crate::metric::{Resolution, Unit};

/// A metric that our own code emits, declared beside the code that emits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// For example `CloudResume`.
    pub namespace: &'static str,
    /// For example `PageView`.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How finely it is kept.
    pub resolution: Resolution,
    /// The dimension names of every set that it is put under; `&[]` is the set without dimensions.
    pub dimensions: &'static [&'static [&'static str]],
}
