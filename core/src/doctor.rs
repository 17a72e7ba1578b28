//! What `doctor` finds.

use serde::{Deserialize, Serialize};

/// How much a finding matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The check found nothing.
    Ok,
    /// Worth knowing; nothing is wrong.
    Notice,
    /// Something will go wrong, or is weaker than it should be.
    Warning,
    /// Something is wrong now: sign-ups fail, data is lost or open to others.
    Error,
}

impl Severity {
    /// The word in an answer, e.g. `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
