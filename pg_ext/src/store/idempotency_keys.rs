//! `registrar_private.idempotency_keys`: which registration a key named.

use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::IdempotencyKey;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::pg::Timestamp;

static CLAIM: Statement = Statement::new(
    "INSERT INTO registrar_private.idempotency_keys AS known (key_hash, user_id, created_at) VALUES ($1, $2, $3)
     ON CONFLICT (key_hash) DO UPDATE SET user_id = excluded.user_id, created_at = excluded.created_at
     WHERE known.user_id = excluded.user_id OR known.created_at < excluded.created_at - interval '24 hours'",
    &[BYTEAOID, UUIDOID, TIMESTAMPTZOID],
);

/// Notes that a key names the registration of a user; `false` where it named another's in the last 24 hours.
pub(crate) fn claim(client: &mut SpiClient<'_>, key: &IdempotencyKey, user_id: Uuid, now: Timestamp) -> bool {
    let arguments = [key.hash().as_slice().into(), pg_uuid(user_id).into(), now.into()];
    CLAIM.run(client, &arguments).len() == 1
}

static NAMES: Statement = Statement::new(
    "SELECT true FROM registrar_private.idempotency_keys
     WHERE key_hash = $1 AND user_id = $2 AND created_at >= $3 - interval '24 hours'",
    &[BYTEAOID, UUIDOID, TIMESTAMPTZOID],
);

/// Whether a key named the registration of that user in the last 24 hours.
pub(crate) fn names(client: &mut SpiClient<'_>, key: &IdempotencyKey, user_id: Uuid, now: Timestamp) -> bool {
    let arguments = [key.hash().as_slice().into(), pg_uuid(user_id).into(), now.into()];
    !NAMES.run(client, &arguments).is_empty()
}
