//! Who is signed in: the answers to a sign-in, a refresh, and the questions about sessions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::UserSummary;

/// One session, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session's own key; it stands in the access tokens made for it as `session_id`.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// When the user signed in, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was last refreshed, or began.
    pub refreshed_at: DateTime<Utc>,
    /// When it ends if it is not refreshed before; never later than its absolute end.
    pub expires_at: DateTime<Utc>,
    /// What the user calls the device, where the app said so at sign-in.
    pub device_name: Option<String>,
    /// The address that the user signed in from, as far as proxies are trusted.
    pub address: Option<String>,
    /// The user agent that the user signed in with.
    pub user_agent: Option<String>,
}

/// The tokens of a session, shown once and nowhere at rest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTokens {
    /// Names the session to the app's back end, which asks `get_session` about it.
    pub session_token: String,
    /// How long that is valid; `refresh_session` gives a new one.
    pub session_token_expires_at: DateTime<Utc>,
    /// Good for one refresh.
    pub refresh_token: String,
    /// A JSON Web Token (RFC 7519) that PostgREST and Supabase accept; `null` where registrar was given no secret to sign it with.
    pub access_token: Option<String>,
    /// When that expires.
    pub access_token_expires_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for SessionTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let expiries = (self.session_token_expires_at, self.access_token_expires_at);
        formatter.debug_struct("SessionTokens").field("expire_at", &expiries).finish_non_exhaustive()
    }
}

/// The answer to a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Who signed in.
    pub user: UserSummary,
    /// The new session.
    pub session: Session,
    /// Its tokens.
    pub tokens: SessionTokens,
}

/// The answer to `refresh_session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The session, which ends later now.
    pub session: Session,
    /// Its new tokens; the old ones are used up.
    pub tokens: SessionTokens,
}

/// The answer to `get_session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundSession {
    /// The session of the token.
    pub session: Session,
}

/// The answer to `list_sessions`: the live ones, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Each with whether it is the caller's own.
    pub sessions: Vec<ListedSession>,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Whether it is the one that the caller asks with.
    pub is_current: bool,
}

/// The answer to `logout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// How many sessions were ended.
    pub ended: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_token() {
        let tokens = SessionTokens {
            session_token: "secret-1".into(),
            session_token_expires_at: DateTime::<Utc>::MIN_UTC,
            refresh_token: "secret-2".into(),
            access_token: Some("secret-3".into()),
            access_token_expires_at: None,
        };
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
