//! Logs on stderr.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Shows the events of registrar's own crates from this level on, and of no other: an HTTP library may log headers and
/// bodies.
pub(crate) fn start(level: LevelFilter) {
    if level == LevelFilter::OFF {
        return;
    }
    let ours = Targets::new().with_target("registrar", level).with_target("registrar_client", level);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_filter(ours);
    tracing_subscriber::registry().with(lines).init();
}

/// Whether logs are shown. A bar that moves would be torn apart by them.
pub(crate) fn are_shown() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}
