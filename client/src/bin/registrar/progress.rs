//! How far a long command has come: a bar on stderr, so that stdout holds results alone.

use std::fmt;
use std::io::{Write, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::logging;
use crate::output::printable;

const OF_UNKNOWN: &str = "{spinner} {human_pos} {msg}, {rate}";
const OF_ITEMS: &str = "{wide_bar} {human_pos}/{human_len} {msg}, {rate}, {eta} left";
const OF_BYTES: &str = "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";

/// A bar that is cleared when it is dropped; none where stderr is no terminal or shows logs.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// So many items, once [`expect`](Self::expect) has said how many there are.
    pub(crate) fn of(items: &'static str) -> Self {
        Self::start(OF_UNKNOWN, ProgressBar::no_length()).named(items)
    }

    pub(crate) fn of_bytes(total: u64) -> Self {
        Self::start(OF_BYTES, ProgressBar::new(total))
    }

    fn start(template: &str, bar: ProgressBar) -> Self {
        // indicatif itself draws nothing where stderr is no terminal.
        bar.set_draw_target(if logging::are_shown() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        });
        bar.set_style(style(template));
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    fn named(self, items: &'static str) -> Self {
        self.0.set_message(items);
        self
    }

    /// From now on the time left is told.
    pub(crate) fn expect(&self, total: u64) {
        self.0.set_style(style(OF_ITEMS));
        self.0.set_length(total);
    }

    pub(crate) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// Prints a line on stderr, above the bar. That stderr is closed changes nothing.
    pub(crate) fn say(&self, line: &str) {
        self.0.suspend(|| {
            let _ = writeln!(stderr(), "{}", printable(line));
        });
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid").with_key("rate", rate)
}

/// indicatif's own has four decimal places.
fn rate(state: &ProgressState, text: &mut dyn fmt::Write) {
    let _ = write!(text, "{:.0}/s", state.per_sec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_counts_items_or_bytes() {
        let items = Progress::of("users");
        assert_eq!(items.0.length(), None);
        items.expect(10);
        items.advance(3);
        assert_eq!((items.0.length(), items.0.position()), (Some(10), 3));
        let bytes = Progress::of_bytes(2048);
        bytes.advance(1024);
        assert_eq!((bytes.0.length(), bytes.0.position()), (Some(2048), 1024));
    }
}
