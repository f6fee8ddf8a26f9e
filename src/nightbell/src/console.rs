//! The console: view models in, pages out.
//!
//! Everything here is pure. The shell fills the structs of [`view`], [`pages`] turns them into
//! HTML, and [`assets`] holds the one stylesheet, the one small script and the icon. Every page
//! works without the script, and under [`assets::CONTENT_SECURITY_POLICY`]: no inline style, no
//! inline script. Text is escaped by the templates; only [`view::Html`] and [`view::Svg`], which
//! pictures and rendered Markdown arrive in, pass as they are.

pub mod assets;
pub mod clock;
mod marks;
pub mod pages;
pub mod view;
pub mod words;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
