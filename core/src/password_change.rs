//! The answers to what replaces a password.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::UserSummary;

/// The answer to `request_password_reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordResetRequested {
    /// The token, for a back end to send; `null` for everybody else.
    pub reset: Option<PasswordReset>,
}

/// A token to choose a new password with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// 64 characters of base64url; send it to the user's address and store it nowhere.
    pub token: String,
    /// When it ceases to be valid, UTC. It ceases before, where the password is changed in another way.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for PasswordReset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordReset").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The answer to `reset_password` and `change_password`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// Whose password is another now.
    pub user: UserSummary,
    /// How many sessions were ended by it: all after a reset, all others after a change.
    pub sessions_ended: u64,
}
