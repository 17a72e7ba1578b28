//! `auth.identities`: without a row there, Supabase Auth neither signs a user in nor links another provider.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::columns::Columns;
use super::pg_uuid;
use super::plans::Statement;
use crate::pg::{Timestamp, jsonb};

/// What a registration writes. Older versions of the table have the provider's id in a text column `id`.
const INSERTED: &[(&str, &str)] =
    &[("user_id", "$1"), ("identity_data", "$2"), ("provider", "$5"), ("created_at", "$3"), ("updated_at", "$3")];

static INSERT: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "identities");
        if columns.has("provider_id") {
            columns.insert_statement("identities", &[&[("id", "$4"), ("provider_id", "$1::text")], INSERTED].concat())
        } else {
            columns.insert_statement("identities", &[&[("id", "$1::text")], INSERTED].concat())
        }
    },
    &[UUIDOID, JSONBOID, TIMESTAMPTZOID, UUIDOID, TEXTOID],
);

/// Inserts the identity of a new user with a provider, `email` or `phone`, and the claims of [`users::claims`](super::users::claims).
pub(crate) fn insert(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    provider: &str,
    claims: &DatumWithOid<'_>,
    now: Timestamp,
) {
    let id = pg_uuid(Uuid::new_v4());
    INSERT.run(client, &[pg_uuid(user_id).into(), jsonb::share(claims), now.into(), id.into(), provider.into()]);
}

static CONFIRM: Statement = Statement::new(
    "UPDATE auth.identities SET identity_data = identity_data || jsonb_build_object($3 || '_verified', true), updated_at = $2
     WHERE user_id = $1 AND provider = $3 AND jsonb_typeof(identity_data) = 'object'",
    &[UUIDOID, TIMESTAMPTZOID, TEXTOID],
);

/// Marks the identity of a user with a provider, `email` or `phone`, as verified.
pub(crate) fn confirm(client: &mut SpiClient<'_>, user_id: Uuid, provider: &str, now: Timestamp) {
    CONFIRM.run(client, &[pg_uuid(user_id).into(), now.into(), provider.into()]);
}

static REPLACE: Statement = Statement::new(
    "UPDATE auth.identities SET identity_data = $2, updated_at = $3 WHERE user_id = $1 AND provider = 'email'",
    &[UUIDOID, JSONBOID, TIMESTAMPTZOID],
);

/// Replaces the claims of a user's e-mail identity by those of a newer registration.
pub(crate) fn replace(client: &mut SpiClient<'_>, user_id: Uuid, claims: &DatumWithOid<'_>, now: Timestamp) {
    REPLACE.run(client, &[pg_uuid(user_id).into(), jsonb::share(claims), now.into()]);
}

static CHANGE: Statement = Statement::new(
    "UPDATE auth.identities
     SET identity_data = CASE jsonb_typeof(identity_data) WHEN 'object' THEN identity_data || $2 ELSE $2 END, updated_at = $3
     WHERE user_id = $1 AND provider = $4",
    &[UUIDOID, JSONBOID, TIMESTAMPTZOID, TEXTOID],
);

/// Gives the identity of a user with a provider, `email` or `phone`, other claims; whether there is one.
pub(crate) fn change(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    provider: &str,
    claims: &DatumWithOid<'_>,
    now: Timestamp,
) -> bool {
    let arguments = [pg_uuid(user_id).into(), jsonb::share(claims), now.into(), provider.into()];
    !CHANGE.run(client, &arguments).is_empty()
}

static REMOVE: Statement =
    Statement::new("DELETE FROM auth.identities WHERE user_id = $1 AND provider = $2", &[UUIDOID, TEXTOID]);

/// Removes the identity of a user who has no such address or number any more.
pub(crate) fn remove(client: &mut SpiClient<'_>, user_id: Uuid, provider: &str) {
    REMOVE.run(client, &[pg_uuid(user_id).into(), provider.into()]);
}
