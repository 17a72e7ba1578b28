//! `registrar_private.one_time_codes`: one for each recipient and purpose, under keyed hashes.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{CodePurpose, OneTimeCode, SecretHash};
use uuid::Uuid;

use super::plans::Statement;
use super::secrets::keyed_hash;
use super::{from_pg_uuid, pg_uuid};
use crate::pg::Timestamp;

/// The hash of a code, for one recipient and purpose: the same digits sent to somebody else have another.
fn hash(recipient: &SecretHash, purpose: CodePurpose, code: &OneTimeCode) -> SecretHash {
    keyed_hash(&[b"code", recipient.as_bytes(), purpose.as_str().as_bytes(), code.expose().as_bytes()])
}

static REPLACE: Statement = Statement::new(
    "INSERT INTO registrar_private.one_time_codes (recipient_hash, purpose, user_id, code_hash, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (recipient_hash, purpose) DO UPDATE
     SET user_id = excluded.user_id, code_hash = excluded.code_hash, created_at = excluded.created_at,
         expires_at = excluded.expires_at, tries = 0, used_at = NULL",
    &[BYTEAOID, TEXTOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
);

/// Stores a code as the only live one of its recipient and purpose; `user_id` is whose address or number it is.
pub(crate) fn replace(
    client: &mut SpiClient<'_>,
    recipient: &SecretHash,
    purpose: CodePurpose,
    user_id: Option<Uuid>,
    code: &OneTimeCode,
    (now, expires_at): (Timestamp, Timestamp),
) {
    REPLACE.run(
        client,
        &[
            recipient.as_bytes().as_slice().into(),
            purpose.as_str().into(),
            user_id.map(pg_uuid).into(),
            hash(recipient, purpose, code).as_bytes().as_slice().into(),
            now.into(),
            expires_at.into(),
        ],
    );
}

/// A code as it is stored, locked to the end of the transaction.
pub(crate) struct StoredCode {
    pub(crate) user_id: Option<Uuid>,
    hash: SecretHash,
    pub(crate) expires_at: Timestamp,
    /// Guesses made before.
    pub(crate) tries: i32,
    pub(crate) is_used: bool,
}

impl StoredCode {
    /// Whether it is that code.
    pub(crate) fn is(&self, recipient: &SecretHash, purpose: CodePurpose, code: &OneTimeCode) -> bool {
        self.hash == hash(recipient, purpose, code)
    }
}

// Locked, so that guesses which come at once are counted one after the other.
static LOCK: Statement = Statement::new(
    "SELECT user_id, code_hash, expires_at, tries, used_at IS NOT NULL FROM registrar_private.one_time_codes
     WHERE recipient_hash = $1 AND purpose = $2 FOR UPDATE",
    &[BYTEAOID, TEXTOID],
);

/// The newest code of a recipient and purpose, used or not.
pub(crate) fn lock(client: &mut SpiClient<'_>, recipient: &SecretHash, purpose: CodePurpose) -> Option<StoredCode> {
    let row = LOCK.run(client, &[recipient.as_bytes().as_slice().into(), purpose.as_str().into()]).first();
    if row.is_empty() {
        return None;
    }
    Some(StoredCode {
        user_id: row.get(1).ok().flatten().map(from_pg_uuid),
        hash: SecretHash::from_stored(row.get::<&[u8]>(2).ok()??)?,
        expires_at: row.get::<TimestampWithTimeZone>(3).ok()??.into(),
        tries: row.get(4).ok()??,
        is_used: row.get(5).ok()??,
    })
}

static COUNT_TRY: Statement = Statement::new(
    "UPDATE registrar_private.one_time_codes SET tries = tries + 1 WHERE recipient_hash = $1 AND purpose = $2",
    &[BYTEAOID, TEXTOID],
);

/// Counts a guess, right or wrong.
pub(crate) fn count_try(client: &mut SpiClient<'_>, recipient: &SecretHash, purpose: CodePurpose) {
    COUNT_TRY.run(client, &[recipient.as_bytes().as_slice().into(), purpose.as_str().into()]);
}

static USE_UP: Statement = Statement::new(
    "UPDATE registrar_private.one_time_codes SET used_at = $3 WHERE recipient_hash = $1 AND purpose = $2",
    &[BYTEAOID, TEXTOID, TIMESTAMPTZOID],
);

/// Uses a code up.
pub(crate) fn use_up(client: &mut SpiClient<'_>, recipient: &SecretHash, purpose: CodePurpose, now: Timestamp) {
    USE_UP.run(client, &[recipient.as_bytes().as_slice().into(), purpose.as_str().into(), now.into()]);
}
