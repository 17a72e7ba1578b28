//! `auth.identities`: without a row there, Supabase Auth neither signs a user in nor links another provider.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::columns::Columns;
use super::pg_uuid;
use super::plans::Statement;
use crate::pg::{Timestamp, jsonb};

/// What a registration writes. Older versions of the table have the provider's id in a text column `id`.
const INSERTED: &[(&str, &str)] =
    &[("user_id", "$1"), ("identity_data", "$2"), ("provider", "'email'"), ("created_at", "$3"), ("updated_at", "$3")];

static INSERT: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "identities");
        if columns.has("provider_id") {
            columns.insert_statement("identities", &[&[("id", "$4"), ("provider_id", "$1::text")], INSERTED].concat())
        } else {
            columns.insert_statement("identities", &[&[("id", "$1::text")], INSERTED].concat())
        }
    },
    &[UUIDOID, JSONBOID, TIMESTAMPTZOID, UUIDOID],
);

/// Inserts the e-mail identity of a new user, with the claims of [`users::claims`](super::users::claims).
pub(crate) fn insert(client: &mut SpiClient<'_>, user_id: Uuid, claims: &DatumWithOid<'_>, now: Timestamp) {
    INSERT.run(client, &[pg_uuid(user_id).into(), jsonb::share(claims), now.into(), pg_uuid(Uuid::new_v4()).into()]);
}

static CONFIRM: Statement = Statement::new(
    "UPDATE auth.identities SET identity_data = identity_data || '{\"email_verified\": true}', updated_at = $2
     WHERE user_id = $1 AND provider = 'email' AND jsonb_typeof(identity_data) = 'object'",
    &[UUIDOID, TIMESTAMPTZOID],
);

/// Marks the e-mail identity of a user as verified.
pub(crate) fn confirm(client: &mut SpiClient<'_>, user_id: Uuid, now: Timestamp) {
    CONFIRM.run(client, &[pg_uuid(user_id).into(), now.into()]);
}

static REPLACE: Statement = Statement::new(
    "UPDATE auth.identities SET identity_data = $2, updated_at = $3 WHERE user_id = $1 AND provider = 'email'",
    &[UUIDOID, JSONBOID, TIMESTAMPTZOID],
);

/// Replaces the claims of a user's e-mail identity by those of a newer registration.
pub(crate) fn replace(client: &mut SpiClient<'_>, user_id: Uuid, claims: &DatumWithOid<'_>, now: Timestamp) {
    REPLACE.run(client, &[pg_uuid(user_id).into(), jsonb::share(claims), now.into()]);
}
