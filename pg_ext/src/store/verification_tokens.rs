//! `registrar_private.verification_tokens`: hashes only, one row for each user.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{Token, TokenHash};
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::pg::Timestamp;

static INSERT: Statement = Statement::new(
    "INSERT INTO registrar_private.verification_tokens (user_id, purpose, token_hash, created_at, expires_at)
     VALUES ($1, 'email', $2, $3, $4)",
    &[UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
);

/// Stores the first token of a user.
pub(crate) fn insert(client: &mut SpiClient<'_>, token: &Token, now: Timestamp, expires_at: Timestamp) {
    store(&INSERT, client, token, now, expires_at);
}

static REPLACE: Statement = Statement::new(
    "INSERT INTO registrar_private.verification_tokens (user_id, purpose, token_hash, created_at, expires_at)
     VALUES ($1, 'email', $2, $3, $4)
     ON CONFLICT (user_id, purpose) DO UPDATE
     SET token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL",
    &[UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
);

/// Stores a token as the only live one of its user.
pub(crate) fn replace(client: &mut SpiClient<'_>, token: &Token, now: Timestamp, expires_at: Timestamp) {
    store(&REPLACE, client, token, now, expires_at);
}

fn store(
    statement: &'static Statement,
    client: &mut SpiClient<'_>,
    token: &Token,
    now: Timestamp,
    expires_at: Timestamp,
) {
    statement.run(
        client,
        &[
            pg_uuid(token.user_id()).into(),
            token.hash().as_bytes().as_slice().into(),
            TimestampWithTimeZone::from(now).into(),
            TimestampWithTimeZone::from(expires_at).into(),
        ],
    );
}

/// What is known of a user's newest token.
pub(crate) struct StoredToken {
    pub(crate) hash: TokenHash,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_used: bool,
}

static FIND: Statement = Statement::new(
    "SELECT token_hash, expires_at, used_at IS NOT NULL FROM registrar_private.verification_tokens
     WHERE user_id = $1 AND purpose = 'email'",
    &[UUIDOID],
);

/// The newest token of a user.
pub(crate) fn find(client: &mut SpiClient<'_>, user_id: Uuid) -> Option<StoredToken> {
    let row = FIND.run(client, &[pg_uuid(user_id).into()]).first();
    let (hash, expires_at, is_used) = row.get_three::<&[u8], TimestampWithTimeZone, bool>().ok()?;
    Some(StoredToken { hash: TokenHash::from_stored(hash?)?, expires_at: expires_at?.into(), is_used: is_used? })
}

static USE_UP: Statement = Statement::new(
    "UPDATE registrar_private.verification_tokens SET used_at = $2 WHERE user_id = $1 AND purpose = 'email'",
    &[UUIDOID, TIMESTAMPTZOID],
);

/// Uses up the newest token of a user.
pub(crate) fn use_up(client: &mut SpiClient<'_>, user_id: Uuid, now: Timestamp) {
    USE_UP.run(client, &[pg_uuid(user_id).into(), TimestampWithTimeZone::from(now).into()]);
}
