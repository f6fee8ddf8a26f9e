//! How far an apply is: a bar on a terminal, and nothing anywhere else.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Global;
use super::plan::about;
use crate::reconcile::Progress;

/// A bar on standard error.
pub struct Bar(ProgressBar);

impl Bar {
    /// Invisible unless somebody watches.
    pub fn new(global: &Global) -> Bar {
        let seen = std::io::stderr().is_terminal() && !global.quiet && !global.json;
        let target = match seen {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("  {bar:30} {pos}/{len}  {msg}") {
            bar.set_style(style.progress_chars("█▌ "));
        }
        Bar(bar)
    }

    /// Shows how far it is. The time left is what the quotas allow, not what was fast so far.
    pub fn show(&self, progress: Progress) {
        self.0.set_length(progress.of as u64);
        self.0.set_position(progress.done as u64);
        self.0.set_message(format!("{} left", about(progress.left)));
    }

    /// Says what is waited for.
    pub fn wait(&self, what: String) {
        self.0.set_message(what);
    }

    /// Takes it away.
    pub fn done(self) {
        self.0.finish_and_clear();
    }
}
