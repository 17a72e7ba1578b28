//! `auth.identities`: without a row there, Supabase Auth neither signs a user in nor links another provider.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use serde_json::json;
use uuid::Uuid;

use super::columns::Columns;
use super::pg_uuid;
use super::plans::Statement;
use crate::pg::{Jsonb, Timestamp};

/// What a registration writes. Older versions of the table have the provider's id in a text column `id`.
const INSERTED: &[(&str, &str)] = &[
    ("provider_id", "$1::text"),
    ("user_id", "$1"),
    ("identity_data", "$2"),
    ("provider", "'email'"),
    ("created_at", "$3"),
    ("updated_at", "$3"),
];

static INSERT: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "identities");
        if columns.has("provider_id") {
            columns.insert_statement("identities", INSERTED)
        } else {
            columns.insert_statement("identities", &[&[("id", "$1::text")], INSERTED].concat())
        }
    },
    &[UUIDOID, JSONBOID, TIMESTAMPTZOID],
);

/// Inserts the e-mail identity of a new user.
pub(crate) fn insert(client: &mut SpiClient<'_>, user_id: Uuid, email: &str, now: Timestamp) {
    let data = Jsonb::of(
        &json!({"sub": user_id.to_string(), "email": email, "email_verified": false, "phone_verified": false}),
    );
    INSERT.run(client, &[pg_uuid(user_id).into(), data.into(), TimestampWithTimeZone::from(now).into()]);
}

static CONFIRM: Statement = Statement::new(
    "UPDATE auth.identities SET identity_data = identity_data || jsonb_build_object('email', $2, 'email_verified', true), updated_at = $3
     WHERE user_id = $1 AND provider = 'email' AND jsonb_typeof(identity_data) = 'object'",
    &[UUIDOID, TEXTOID, TIMESTAMPTZOID],
);

/// Marks the e-mail identity of a user as verified.
pub(crate) fn confirm(client: &mut SpiClient<'_>, user_id: Uuid, email: &str, now: Timestamp) {
    CONFIRM.run(client, &[pg_uuid(user_id).into(), email.into(), TimestampWithTimeZone::from(now).into()]);
}
