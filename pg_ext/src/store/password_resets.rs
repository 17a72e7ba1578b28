//! `registrar_private.password_resets`: hashes only, one row for each user.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{SecretHash, Token};
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::pg::Timestamp;

/// What a token is good for.
pub(crate) struct NewReset<'a> {
    pub(crate) token: &'a Token,
    /// The address that it is sent to.
    pub(crate) email: &'a str,
    /// The stored hash of the password that it is to replace; empty where there is none.
    pub(crate) password: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

static REPLACE: Statement = Statement::new(
    "INSERT INTO registrar_private.password_resets (user_id, email, token_hash, password_digest, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (user_id) DO UPDATE
     SET email = excluded.email, token_hash = excluded.token_hash, password_digest = excluded.password_digest,
         created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL",
    &[UUIDOID, TEXTOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
);

/// Stores a token as the only live one of its user.
pub(crate) fn replace(client: &mut SpiClient<'_>, new: &NewReset<'_>) {
    REPLACE.run(
        client,
        &[
            pg_uuid(new.token.user_id()).into(),
            new.email.into(),
            new.token.hash().as_bytes().as_slice().into(),
            SecretHash::of(new.password).as_bytes().as_slice().into(),
            new.now.into(),
            new.expires_at.into(),
        ],
    );
}

/// What is known of a user's newest token.
pub(crate) struct StoredReset {
    pub(crate) hash: SecretHash,
    pub(crate) email: String,
    password_digest: SecretHash,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_used: bool,
}

impl StoredReset {
    /// Whether the stored password is still the one that the token is to replace.
    pub(crate) fn replaces(&self, password: &str) -> bool {
        self.password_digest == SecretHash::of(password)
    }
}

static FIND: Statement = Statement::new(
    "SELECT token_hash, email, password_digest, expires_at, used_at IS NOT NULL FROM registrar_private.password_resets
     WHERE user_id = $1",
    &[UUIDOID],
);

/// The newest token of a user.
pub(crate) fn find(client: &mut SpiClient<'_>, user_id: Uuid) -> Option<StoredReset> {
    let row = FIND.run(client, &[pg_uuid(user_id).into()]).first();
    if row.is_empty() {
        return None;
    }
    Some(StoredReset {
        hash: SecretHash::from_stored(row.get::<&[u8]>(1).ok()??)?,
        email: row.get(2).ok()??,
        password_digest: SecretHash::from_stored(row.get::<&[u8]>(3).ok()??)?,
        expires_at: row.get::<TimestampWithTimeZone>(4).ok()??.into(),
        is_used: row.get(5).ok()??,
    })
}

static USE_UP: Statement = Statement::new(
    "UPDATE registrar_private.password_resets SET used_at = $2 WHERE user_id = $1",
    &[UUIDOID, TIMESTAMPTZOID],
);

/// Uses up the newest token of a user.
pub(crate) fn use_up(client: &mut SpiClient<'_>, user_id: Uuid, now: Timestamp) {
    USE_UP.run(client, &[pg_uuid(user_id).into(), now.into()]);
}
