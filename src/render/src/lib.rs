//! Values to text, SVG and HTML: charts, dashboards, mails.
//!
//! Everything here is a pure function from values to a `String`. Whatever is user-supplied is
//! escaped on its way out. Markup carries no `style` attribute, no script and no `<style>`
//! element (a strict Content-Security-Policy holds), except in what is made to stand alone.
//! Colours are CSS custom properties, see [`palette`]; the page defines them, [`palette::css`]
//! has values that were checked for contrast and colour-vision deficiencies.
//!
//! - [`line`](mod@line), [`number`]: text for sentences, mails and the terminal
//! - [`mail`]: what is sent about an incident
//! - [`chart`]: SVG line charts and sparklines; [`dashboard`]: CloudWatch dashboard bodies
//! - [`trace`]: X-Ray documents as a waterfall; [`map`](mod@map): who calls whom; [`markdown`]: runbooks as safe HTML or plain text

pub mod chart;
pub mod dashboard;
pub mod line;
pub mod mail;
pub mod map;
pub mod markdown;
pub mod number;
pub mod palette;
pub mod svg;
pub mod trace;

pub use chart::{Chart, Series, Sparkline};
pub use dashboard::Board;
pub use palette::Theme;
