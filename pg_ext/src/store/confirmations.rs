//! Addresses and numbers that their owners have proved to be theirs by a code or token that was sent there.

use pgrx::pg_sys::BuiltinOid::{BOOLOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{Channel, UserSummary};
use uuid::Uuid;

use super::columns::Columns;
use super::plans::Statement;
use super::users::{summary, summary_columns};
use super::{identities, pending_registrations, pg_uuid, verification_tokens};
use crate::pg::Timestamp;

// The metadata only where they are an object, since some servers keep a string there.
fn update(client: &mut SpiClient<'_>, confirmed_at: &str, verified: &str) -> String {
    let columns = Columns::of_auth(client, "users");
    let update = columns.update_statement(
        "users",
        &[
            (confirmed_at, &format!("coalesce({confirmed_at}, $2)")),
            ("updated_at", "$2"),
            ("last_sign_in_at", "CASE WHEN $3 THEN $2 ELSE last_sign_in_at END"),
            ("encrypted_password", "CASE WHEN $4 THEN '' ELSE encrypted_password END"),
            ("confirmation_token", "''"),
            (
                "raw_user_meta_data",
                &format!(
                    "CASE jsonb_typeof(raw_user_meta_data) WHEN 'object'
                     THEN raw_user_meta_data || '{{\"{verified}\": true}}' ELSE raw_user_meta_data END"
                ),
            ),
        ],
    );
    format!("{update} WHERE id = $1 RETURNING {}", summary_columns(&columns))
}

static EMAIL: Statement = Statement::made_by(
    |client| update(client, "email_confirmed_at", "email_verified"),
    &[UUIDOID, TIMESTAMPTZOID, BOOLOID, BOOLOID],
);
static PHONE: Statement = Statement::made_by(
    |client| update(client, "phone_confirmed_at", "phone_verified"),
    &[UUIDOID, TIMESTAMPTZOID, BOOLOID, BOOLOID],
);

/// What comes with a confirmation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Besides {
    /// The user signs in by it.
    pub(crate) signs_in: bool,
    /// What somebody put there before anything was confirmed is dropped: the password, a registration that waits, and its token. Who squats
    /// on an address must not keep a way in.
    pub(crate) drops_unproven: bool,
}

/// Confirms the user's own address or number.
pub(crate) fn confirm(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    channel: Channel,
    besides: Besides,
    now: Timestamp,
) -> Option<UserSummary> {
    let (statement, provider) = match channel {
        Channel::Email => (&EMAIL, "email"),
        Channel::Phone => (&PHONE, "phone"),
    };
    if besides.drops_unproven {
        pending_registrations::take(client, user_id);
        verification_tokens::use_up(client, user_id, now);
    }
    identities::confirm(client, user_id, provider, now);
    let arguments = [pg_uuid(user_id).into(), now.into(), besides.signs_in.into(), besides.drops_unproven.into()];
    summary(statement.run(client, &arguments))
}
