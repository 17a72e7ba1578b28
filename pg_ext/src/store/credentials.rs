//! Passwords in `auth.users`: read to verify one, and replaced where the hash is outdated.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::BuiltinOid::{TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{HashPolicy, PasswordHash, UserSummary};
use uuid::Uuid;

use super::columns::Columns;
use super::legacy_passwords::{self, REFERENCE};
use super::plans::Statement;
use super::users::{summary, summary_columns};
use super::{from_pg_uuid, pg_uuid};
use crate::pg::Timestamp;

/// What a sign-in asks of a user.
pub(crate) struct Credentials {
    pub(crate) user_id: Uuid,
    /// Whatever stands where the hash is; empty where the user has no password.
    pub(crate) stored: String,
    /// Whether the address or number that named the user is confirmed.
    pub(crate) is_confirmed: bool,
    /// Whether something else shows that somebody holds the account: the other of address and number is confirmed, or the user has signed
    /// in.
    pub(crate) is_held: bool,
}

impl Credentials {
    /// The hash of the user's password, be it in `auth.users` or a legacy one; `None` where there is none that can be verified.
    pub(crate) fn hash(&self, client: &mut SpiClient<'_>, policy: &HashPolicy) -> Option<PasswordHash> {
        match self.stored.strip_prefix(REFERENCE) {
            Some(reference) => legacy_passwords::find(client, self.user_id, reference, policy),
            None => PasswordHash::stored(policy, self.stored.as_str().into(), None),
        }
    }
}

// Users of single sign-on have no password here: their address is their provider's business.
fn query(client: &mut SpiClient<'_>, identifier: &str, confirmed: &str, other: &str) -> String {
    let columns = Columns::of_auth(client, "users");
    let not_sso = if columns.has("is_sso_user") { "AND is_sso_user = false" } else { "" };
    format!(
        "SELECT id, coalesce({}, ''), {} IS NOT NULL, coalesce({}, {}) IS NOT NULL FROM auth.users WHERE {} = $1 {not_sso}",
        columns.or_null("encrypted_password", "text"),
        columns.or_null(confirmed, "timestamptz"),
        columns.or_null(other, "timestamptz"),
        columns.or_null("last_sign_in_at", "timestamptz"),
        columns.or_null(identifier, "text"),
    )
}

static OF_EMAIL: Statement =
    Statement::made_by(|client| query(client, "email", "email_confirmed_at", "phone_confirmed_at"), &[TEXTOID]);
static OF_PHONE: Statement =
    Statement::made_by(|client| query(client, "phone", "phone_confirmed_at", "email_confirmed_at"), &[TEXTOID]);

static OF_ID: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let password = columns.or_null("encrypted_password", "text");
        format!("SELECT id, coalesce({password}, ''), true, true FROM auth.users WHERE id = $1")
    },
    &[UUIDOID],
);

/// Those of a user who is known.
pub(crate) fn of_id(client: &mut SpiClient<'_>, user_id: Uuid) -> Option<Credentials> {
    read(client, &OF_ID, pg_uuid(user_id))
}

/// Those of an e-mail address.
pub(crate) fn of_email(client: &mut SpiClient<'_>, email: &str) -> Option<Credentials> {
    read(client, &OF_EMAIL, email)
}

/// Those of a phone number, in digits.
pub(crate) fn of_phone(client: &mut SpiClient<'_>, digits: &str) -> Option<Credentials> {
    read(client, &OF_PHONE, digits)
}

fn read<'a>(
    client: &mut SpiClient<'_>,
    statement: &'static Statement,
    identifier: impl Into<DatumWithOid<'a>>,
) -> Option<Credentials> {
    let row = statement.run(client, &[identifier.into()]).first();
    Some(Credentials {
        user_id: row.get(1).ok().flatten().map(from_pg_uuid)?,
        stored: row.get(2).ok().flatten()?,
        is_confirmed: row.get(3).ok().flatten()?,
        is_held: row.get(4).ok().flatten()?,
    })
}

/// What a sign-in changes. The password only where it is hashed anew, and all only where the hash is still the one that was verified.
const SIGNED_IN: &[(&str, &str)] =
    &[("last_sign_in_at", "$2"), ("updated_at", "$2"), ("encrypted_password", "coalesce($4, encrypted_password)")];

static SIGN_IN: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let update = columns.update_statement("users", SIGNED_IN);
        format!(
            "{update} WHERE id = $1 AND encrypted_password = $3
                 AND coalesce({} <= now(), true) AND {} IS NULL RETURNING {}",
            columns.or_null("banned_until", "timestamptz"),
            columns.or_null("deleted_at", "timestamptz"),
            summary_columns(&columns)
        )
    },
    &[UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID],
);

/// Records a sign-in of a user who may, and puts a newer hash of the same password in place. `None` where the user may not, or the
/// password was changed while it was verified.
pub(crate) fn sign_in(
    client: &mut SpiClient<'_>,
    verified: &Credentials,
    newer: Option<&str>,
    now: Timestamp,
) -> Option<UserSummary> {
    let arguments = [pg_uuid(verified.user_id).into(), now.into(), verified.stored.as_str().into(), newer.into()];
    let user = summary(SIGN_IN.run(client, &arguments))?;
    if newer.is_some() && verified.stored.starts_with(REFERENCE) {
        legacy_passwords::forget(client, verified.user_id);
    }
    Some(user)
}

/// What a new password changes.
const REPLACED: &[(&str, &str)] = &[("encrypted_password", "$2"), ("recovery_token", "''"), ("updated_at", "$3")];

static REPLACE: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let update = columns.update_statement("users", REPLACED);
        format!("{update} WHERE id = $1 RETURNING {}", summary_columns(&columns))
    },
    &[UUIDOID, TEXTOID, TIMESTAMPTZOID],
);

/// Puts another password in force, and forgets a legacy one.
pub(crate) fn replace(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    hash: &PasswordHash,
    now: Timestamp,
) -> Option<UserSummary> {
    legacy_passwords::forget(client, user_id);
    summary(REPLACE.run(client, &[pg_uuid(user_id).into(), hash.expose().into(), now.into()]))
}
