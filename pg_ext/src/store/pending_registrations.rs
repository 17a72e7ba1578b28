//! `registrar_private.pending_registrations`: what waits for a verification.

use pgrx::JsonB;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::pg::{Jsonb, Timestamp};

/// The newest registration of a user who is not verified yet.
pub(crate) struct PendingRegistration {
    pub(crate) password_hash: Option<String>,
    /// Digits without `+`.
    pub(crate) phone: Option<String>,
    pub(crate) role: String,
    pub(crate) metadata: Map<String, Value>,
}

static REPLACE: Statement = Statement::new(
    "INSERT INTO registrar_private.pending_registrations (user_id, password_hash, phone, role, metadata, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (user_id) DO UPDATE
     SET password_hash = excluded.password_hash, phone = excluded.phone, role = excluded.role,
         metadata = excluded.metadata, created_at = excluded.created_at",
    &[UUIDOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID],
);

/// Lets a registration wait, in place of an earlier one.
pub(crate) fn replace(client: &mut SpiClient<'_>, user_id: Uuid, pending: &PendingRegistration, now: Timestamp) {
    REPLACE.run(
        client,
        &[
            pg_uuid(user_id).into(),
            pending.password_hash.as_deref().into(),
            pending.phone.as_deref().into(),
            pending.role.as_str().into(),
            Jsonb::of(&pending.metadata).into(),
            now.into(),
        ],
    );
}

static TAKE: Statement = Statement::new(
    "DELETE FROM registrar_private.pending_registrations WHERE user_id = $1 RETURNING password_hash, phone, role, metadata",
    &[UUIDOID],
);

/// Takes out the registration that waits for a user's verification.
pub(crate) fn take(client: &mut SpiClient<'_>, user_id: Uuid) -> Option<PendingRegistration> {
    let row = TAKE.run(client, &[pg_uuid(user_id).into()]).first();
    if row.is_empty() {
        return None;
    }
    let Some(JsonB(Value::Object(metadata))) = row.get(4).ok()? else { return None };
    Some(PendingRegistration {
        password_hash: row.get(1).ok().flatten(),
        phone: row.get(2).ok().flatten(),
        role: row.get(3).ok().flatten()?,
        metadata,
    })
}
