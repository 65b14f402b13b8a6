//! A bar that shows how far a long work is, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Format;
use super::session::{Session, Stream};

/// Begins a bar of so many parts; nothing is shown where nobody looks, or where messages are for machines.
pub fn bar(session: &Session, count: usize, what: &'static str) -> ProgressBar {
    let is_seen =
        Stream::Message.is_terminal() && !session.global.quiet && session.global.output_format == Format::Human;
    let target = if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style =
        ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count as u64), target).with_style(style).with_message(what)
}
