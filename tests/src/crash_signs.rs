//! What a server's log says of a crash.

use anyhow::Result;

use crate::cluster::Cluster;

/// Words of PostgreSQL's log that mean that a backend or the server went down, or that Rust panicked in it.
const SIGNS: [&str; 7] = [
    "PANIC:",
    "was terminated by signal",
    "terminating any other active server processes",
    "was not properly shut down",
    "panicked at",
    "stack smashing",
    "AddressSanitizer",
];

impl Cluster {
    /// The lines of the log that tell of a crash; none where all is well.
    pub fn crash_signs(&self) -> Result<Vec<String>> {
        let is_sign = |line: &&str| SIGNS.iter().any(|sign| line.contains(sign));
        Ok(self.log()?.lines().filter(is_sign).map(str::to_owned).collect())
    }
}
