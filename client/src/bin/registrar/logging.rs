//! Debug logs on stderr.

use std::io::{IsTerminal, stderr};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Shows the events of registrar's own crates and of no other: an HTTP library may log headers and bodies.
pub(crate) fn start() {
    let ours = Targets::new().with_target("registrar", Level::DEBUG).with_target("registrar_client", Level::DEBUG);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_filter(ours);
    tracing_subscriber::registry().with(lines).init();
}
