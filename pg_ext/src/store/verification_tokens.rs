//! `registrar_private.verification_tokens`: hashes only, one row for each user.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{SecretHash, Token};
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::pg::Timestamp;

/// A token to be stored.
pub(crate) struct NewToken<'a> {
    pub(crate) token: &'a Token,
    /// The address that it is sent to.
    pub(crate) email: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

static INSERT: Statement = Statement::new(
    "INSERT INTO registrar_private.verification_tokens (user_id, purpose, token_hash, created_at, expires_at, email)
     VALUES ($1, 'email', $2, $3, $4, $5)",
    &[UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID],
);

/// Stores the first token of a user.
pub(crate) fn insert(client: &mut SpiClient<'_>, token: &NewToken<'_>) {
    store(&INSERT, client, token);
}

static REPLACE: Statement = Statement::new(
    "INSERT INTO registrar_private.verification_tokens (user_id, purpose, token_hash, created_at, expires_at, email)
     VALUES ($1, 'email', $2, $3, $4, $5)
     ON CONFLICT (user_id, purpose) DO UPDATE
     SET token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL,
         email = excluded.email",
    &[UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID],
);

/// Stores a token as the only live one of its user.
pub(crate) fn replace(client: &mut SpiClient<'_>, token: &NewToken<'_>) {
    store(&REPLACE, client, token);
}

fn store(statement: &'static Statement, client: &mut SpiClient<'_>, new: &NewToken<'_>) {
    statement.run(
        client,
        &[
            pg_uuid(new.token.user_id()).into(),
            new.token.hash().as_bytes().as_slice().into(),
            new.now.into(),
            new.expires_at.into(),
            new.email.into(),
        ],
    );
}

/// What is known of a user's newest token.
pub(crate) struct StoredToken {
    pub(crate) hash: SecretHash,
    pub(crate) email: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_used: bool,
}

static FIND: Statement = Statement::new(
    "SELECT token_hash, expires_at, used_at IS NOT NULL, email FROM registrar_private.verification_tokens
     WHERE user_id = $1 AND purpose = 'email'",
    &[UUIDOID],
);

/// The newest token of a user.
pub(crate) fn find(client: &mut SpiClient<'_>, user_id: Uuid) -> Option<StoredToken> {
    let row = FIND.run(client, &[pg_uuid(user_id).into()]).first();
    if row.is_empty() {
        return None;
    }
    Some(StoredToken {
        hash: SecretHash::from_stored(row.get::<&[u8]>(1).ok()??)?,
        expires_at: row.get::<TimestampWithTimeZone>(2).ok()??.into(),
        is_used: row.get(3).ok()??,
        email: row.get(4).ok()??,
    })
}

static USE_UP: Statement = Statement::new(
    "UPDATE registrar_private.verification_tokens SET used_at = $2 WHERE user_id = $1 AND purpose = 'email'",
    &[UUIDOID, TIMESTAMPTZOID],
);

/// Uses up the newest token of a user.
pub(crate) fn use_up(client: &mut SpiClient<'_>, user_id: Uuid, now: Timestamp) {
    USE_UP.run(client, &[pg_uuid(user_id).into(), now.into()]);
}
