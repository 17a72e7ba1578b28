//! Sessions as a sign-in leaves them, for suites on what comes after it.

use ::postgres::Client;
use registrar_core::Token;
use uuid::Uuid;

/// A session and its tokens.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// Whose it is.
    pub user_id: Uuid,
    /// Its key.
    pub id: Uuid,
    /// What a back end asks about.
    pub session_token: String,
    /// What it is refreshed with.
    pub refresh_token: String,
}

/// Opens a session of a user, beginning now.
///
/// # Panics
/// Where there is no such user.
#[track_caller]
pub fn open_session(admin: &mut Client, user_id: Uuid) -> OpenSession {
    let (id, session, refresh) = (Uuid::new_v4(), Token::generate(user_id), Token::generate(user_id));
    let session_row = "INSERT INTO registrar_private.sessions (user_id, id, token_hash, token_expires_at, created_at, refreshed_at,
                           idle_expires_at, expires_at, method)
                       VALUES ($1, $2, $3, now() + '1 hour', now(), now(), now() + '7 days', now() + '30 days', 'password')";
    admin.execute(session_row, &[&user_id, &id, &session.hash().as_bytes().as_slice()]).unwrap();
    let refresh_row = "INSERT INTO registrar_private.refresh_tokens (user_id, token_hash, session_id, issued_at)
                       VALUES ($1, $2, $3, now())";
    admin.execute(refresh_row, &[&user_id, &refresh.hash().as_bytes().as_slice(), &id]).unwrap();
    OpenSession { user_id, id, session_token: session.expose().to_owned(), refresh_token: refresh.expose().to_owned() }
}
