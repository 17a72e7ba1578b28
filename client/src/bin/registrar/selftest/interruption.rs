//! Ctrl-C, and the signal that asks a program to end.

use std::io::{Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// Whether the test is to end early. The first signal no longer ends the program by itself.
pub(super) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// From now on signals are noted.
    pub(super) fn expect() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        let signal = signal().map_err(|source| Failure::Io { what: "Ctrl-C cannot be waited for", source })?;
        let seen = Arc::clone(&flag);
        tokio::spawn(async move {
            signal.await;
            seen.store(true, Ordering::Relaxed);
            let _ = writeln!(stderr(), "interrupted: the step is brought to its end, and what was made is removed");
        });
        Ok(Self(flag))
    }

    pub(super) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// A test that was not brought to its end proves nothing, whatever its steps say.
pub(super) fn ended_early() -> Failure {
    Failure::Unmet {
        exit_code: 1,
        code: "interrupted",
        message: "The test was interrupted.".to_owned(),
        hint: "Run it again, and let it come to its end.".to_owned(),
    }
}
