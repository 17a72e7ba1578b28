//! What registrar says of itself.

use serde::{Deserialize, Serialize};

/// Answer of `build_info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInfo {
    /// Version of the library on the database server, like `0.1.0`.
    pub version: String,
    /// How it was compiled: `release` or `debug`.
    pub profile: String,
    /// The major version of PostgreSQL that it was compiled for, like `15`.
    pub postgres: u32,
}
