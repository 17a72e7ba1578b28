//! Users who go: with everything that belongs to them, or as a row that says nothing of them any more.

use pgrx::pg_sys::BuiltinOid::{TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::columns::Columns;
use super::plans::Statement;
use super::{deferrable, pg_uuid};
use crate::pg::{self, PgError, Timestamp};

static DELETE: Statement = Statement::new("DELETE FROM auth.users WHERE id = $1", &[UUIDOID]);

/// Deletes the row, and by the foreign keys whatever belongs to it.
///
/// # Errors
/// What PostgreSQL raises, now or else at commit: 23503 where a foreign key of the app's has no ON DELETE.
pub(crate) fn delete(client: &mut SpiClient<'_>, id: Uuid) -> Result<(), PgError> {
    DELETE.run_trapped(client, &[pg_uuid(id).into()])?;
    if deferrable::in_use()? { pg::check_deferred_constraints() } else { Ok(()) }
}

static IS_THERE: Statement = Statement::new("SELECT true FROM auth.users WHERE id = $1 FOR UPDATE", &[UUIDOID]);

/// Whether there is a row, be it of a user who was deleted softly.
pub(crate) fn is_there(client: &mut SpiClient<'_>, id: Uuid) -> bool {
    !IS_THERE.run(client, &[pg_uuid(id).into()]).is_empty()
}

/// What stands in place of a value that said who somebody was: Supabase Auth's hash, base64url of SHA-256 over id and value.
macro_rules! scrambled {
    ($value:literal) => {
        concat!(
            "translate(rtrim(encode(sha256(convert_to(users.id::text || ",
            $value,
            ", 'UTF8')), 'base64'), '='), '+/', '-_')"
        )
    };
}

/// What Supabase Auth's soft delete writes; a phone number has 15 characters at most.
const SCRAMBLED: &[(&str, &str)] = &[
    ("email", scrambled!("coalesce(users.email, '')")),
    ("phone", concat!("left(", scrambled!("coalesce(users.phone, '')"), ", 15)")),
    ("email_change", scrambled!("coalesce(users.email_change, '')")),
    ("phone_change", concat!("left(", scrambled!("coalesce(users.phone_change, '')"), ", 15)")),
    ("encrypted_password", "NULL"),
    ("confirmation_token", "''"),
    ("recovery_token", "''"),
    ("email_change_token_current", "''"),
    ("email_change_token_new", "''"),
    ("phone_change_token", "''"),
    ("reauthentication_token", "''"),
    ("raw_user_meta_data", "'{}'"),
    ("raw_app_meta_data", "'{}'"),
    ("deleted_at", "$2"),
    ("updated_at", "$2"),
];

static SCRAMBLE: Statement = Statement::made_by(
    |client| format!("{} WHERE id = $1", Columns::of_auth(client, "users").update_statement("users", SCRAMBLED)),
    &[UUIDOID, TIMESTAMPTZOID],
);

/// The provider's id last: it is part of what the hash is made of.
static SCRAMBLE_IDENTITIES: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "identities");
        let hash = scrambled!("i.provider || ':' || i.provider_id").replace("users.id", "i.user_id");
        let id = if columns.has("provider_id") { format!(", provider_id = {hash}") } else { String::new() };
        format!("UPDATE auth.identities AS i SET identity_data = '{{}}', updated_at = $2{id} WHERE i.user_id = $1")
    },
    &[UUIDOID, TIMESTAMPTZOID],
);

/// The sessions of Supabase Auth itself, where there are such: their refresh tokens would go on.
static END_SESSIONS: Statement = Statement::made_by(|client| delete_of(client, "sessions"), &[UUIDOID]);
static FORGET_FACTORS: Statement = Statement::made_by(|client| delete_of(client, "mfa_factors"), &[UUIDOID]);

fn delete_of(client: &mut SpiClient<'_>, table: &str) -> String {
    if Columns::of_auth(client, table).has("user_id") {
        format!("DELETE FROM auth.{table} WHERE user_id = $1")
    } else {
        "SELECT WHERE false".to_owned()
    }
}

static FORGET: Statement = Statement::new(
    "WITH tokens AS (DELETE FROM registrar_private.verification_tokens WHERE user_id = $1),
         registrations AS (DELETE FROM registrar_private.pending_registrations WHERE user_id = $1),
         resets AS (DELETE FROM registrar_private.password_resets WHERE user_id = $1)
     DELETE FROM registrar_private.legacy_passwords WHERE user_id = $1",
    &[UUIDOID],
);

/// Whether users can be deleted softly here.
pub(crate) fn can_be_soft(client: &mut SpiClient<'_>) -> bool {
    Columns::of_auth(client, "users").has("deleted_at")
}

/// Leaves the row, for the app's own rows that refer to it, and takes from it who it was.
///
/// # Errors
/// What a trigger of the app's raises.
pub(crate) fn scramble(client: &mut SpiClient<'_>, id: Uuid, now: Timestamp) -> Result<(), PgError> {
    SCRAMBLE.run_trapped(client, &[pg_uuid(id).into(), now.into()])?;
    SCRAMBLE_IDENTITIES.run(client, &[pg_uuid(id).into(), now.into()]);
    for statement in [&END_SESSIONS, &FORGET_FACTORS, &FORGET] {
        statement.run(client, &[pg_uuid(id).into()]);
    }
    Ok(())
}
