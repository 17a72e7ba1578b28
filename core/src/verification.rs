//! The answers to a verification and to the request for a new token.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{UserSummary, Verification};

/// The answer to `verify_email`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verified<P = Value> {
    /// The user, whose `email_confirmed_at` is now set.
    pub user: UserSummary,
    /// The row of the primary profile table, as in [`Registration`](crate::Registration).
    pub profile: Option<P>,
}

/// The answer to `resend_verification`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resent {
    /// The user, still waiting for verification.
    pub user: UserSummary,
    /// The new token; every older one of the user is used up.
    pub verification: Verification,
}
