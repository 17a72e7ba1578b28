//! Changes of a user, written as Supabase Auth writes them.

use pgrx::pg_sys::BuiltinOid::{BOOLOID, JSONBOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::columns::Columns;
use super::pg_uuid;
use super::plans::Statement;
use crate::pg::{Jsonb, PgError, Timestamp};

/// What a user's row holds that a change begins with.
pub(crate) struct Stored {
    pub(crate) email: Option<String>,
    /// In digits.
    pub(crate) phone: Option<String>,
    pub(crate) is_email_confirmed: bool,
    pub(crate) is_phone_confirmed: bool,
    pub(crate) app_metadata: Map<String, Value>,
    pub(crate) user_metadata: Map<String, Value>,
}

static STORED: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        format!(
            "SELECT email::text, nullif({}, ''), email_confirmed_at IS NOT NULL, {} IS NOT NULL, raw_app_meta_data, raw_user_meta_data
             FROM auth.users WHERE id = $1 AND {} IS NULL FOR NO KEY UPDATE",
            columns.or_null("phone", "text"),
            columns.or_null("phone_confirmed_at", "timestamptz"),
            columns.or_null("deleted_at", "timestamptz"),
        )
    },
    &[UUIDOID],
);

/// The row, locked to the end of the transaction; `None` where there is none, or only a deleted one.
pub(crate) fn lock(client: &mut SpiClient<'_>, id: Uuid) -> Option<Stored> {
    let row = STORED.run(client, &[pg_uuid(id).into()]).first();
    let metadata = |place| row.get(place).ok().flatten().map(object).unwrap_or_default();
    Some(Stored {
        is_email_confirmed: row.get(3).ok().flatten()?,
        is_phone_confirmed: row.get(4).ok().flatten()?,
        email: row.get(1).ok().flatten(),
        phone: row.get(2).ok().flatten(),
        app_metadata: metadata(5),
        user_metadata: metadata(6),
    })
}

/// Metadata, be they an object or the text of one.
fn object(metadata: Jsonb) -> Map<String, Value> {
    let text = metadata.into_text();
    let value = serde_json::from_str(&text).ok();
    let value = match value {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        value => value,
    };
    match value {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// What is to stand in a user's row.
pub(crate) struct Change<'a> {
    pub(crate) email: Option<&'a str>,
    pub(crate) phone: Option<&'a str>,
    pub(crate) is_email_confirmed: bool,
    pub(crate) is_phone_confirmed: bool,
    /// `Some(true)` lifts a ban, `Some(false)` bans for good.
    pub(crate) is_active: Option<bool>,
    /// `None` where they stay as they are.
    pub(crate) app_metadata: Option<&'a Map<String, Value>>,
    pub(crate) user_metadata: Option<&'a Map<String, Value>>,
}

/// What is as it was keeps its time. Messages that were sent to another address or number prove nothing any more.
const CHANGED: &[(&str, &str)] = &[
    ("email", "$2"),
    ("phone", "$3"),
    (
        "email_confirmed_at",
        "CASE WHEN NOT $4 THEN NULL WHEN email IS NOT DISTINCT FROM $2 THEN coalesce(email_confirmed_at, $9) ELSE $9 END",
    ),
    (
        "phone_confirmed_at",
        "CASE WHEN NOT $5 THEN NULL WHEN phone IS NOT DISTINCT FROM $3 THEN coalesce(phone_confirmed_at, $9) ELSE $9 END",
    ),
    ("banned_until", "CASE WHEN $6 THEN NULL WHEN NOT $6 THEN $9 + interval '100 years' ELSE banned_until END"),
    ("raw_app_meta_data", "coalesce($7, raw_app_meta_data)"),
    ("raw_user_meta_data", "coalesce($8, raw_user_meta_data)"),
    ("confirmation_token", "CASE WHEN email IS NOT DISTINCT FROM $2 THEN confirmation_token ELSE '' END"),
    ("recovery_token", "CASE WHEN email IS NOT DISTINCT FROM $2 THEN recovery_token ELSE '' END"),
    ("email_change", "CASE WHEN email IS NOT DISTINCT FROM $2 THEN email_change ELSE '' END"),
    ("email_change_token_new", "CASE WHEN email IS NOT DISTINCT FROM $2 THEN email_change_token_new ELSE '' END"),
    (
        "email_change_token_current",
        "CASE WHEN email IS NOT DISTINCT FROM $2 THEN email_change_token_current ELSE '' END",
    ),
    ("phone_change", "CASE WHEN phone IS NOT DISTINCT FROM $3 THEN phone_change ELSE '' END"),
    ("phone_change_token", "CASE WHEN phone IS NOT DISTINCT FROM $3 THEN phone_change_token ELSE '' END"),
    ("is_anonymous", "is_anonymous AND $2 IS NULL AND $3 IS NULL"),
    ("updated_at", "$9"),
];

static APPLY: Statement = Statement::made_by(
    |client| format!("{} WHERE id = $1", Columns::of_auth(client, "users").update_statement("users", CHANGED)),
    &[UUIDOID, TEXTOID, TEXTOID, BOOLOID, BOOLOID, BOOLOID, JSONBOID, JSONBOID, TIMESTAMPTZOID],
);

/// Writes a change.
///
/// # Errors
/// What PostgreSQL raises: 23505 where somebody has the address or number, or anything that a trigger of the app's raises.
pub(crate) fn apply(client: &mut SpiClient<'_>, id: Uuid, change: &Change<'_>, now: Timestamp) -> Result<(), PgError> {
    APPLY.run_trapped(
        client,
        &[
            pg_uuid(id).into(),
            change.email.into(),
            change.phone.into(),
            change.is_email_confirmed.into(),
            change.is_phone_confirmed.into(),
            change.is_active.into(),
            change.app_metadata.map(Jsonb::of).into(),
            change.user_metadata.map(Jsonb::of).into(),
            now.into(),
        ],
    )
}
