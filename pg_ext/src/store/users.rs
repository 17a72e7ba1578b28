//! `auth.users`: written as Supabase Auth writes it, in whatever columns this database has.

use std::cell::RefCell;
use std::convert::Infallible;

use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{JSONBOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::{SpiClient, SpiTupleTable};
use registrar_core::{FieldError, UserProfileData, UserSummary};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::columns::Columns;
use super::pending_registrations::PendingRegistration;
use super::plans::Statement;
use super::remembered::{Slot, remembered};
use super::{from_pg_uuid, pg_uuid};
use crate::pg::{Jsonb, PgError, Timestamp, jsonb};

/// A user to be inserted.
pub(crate) struct NewUser<'a> {
    pub(crate) id: Uuid,
    /// The address; without one, the user is known by the phone number.
    pub(crate) email: Option<&'a str>,
    /// Digits without `+`.
    pub(crate) phone: Option<&'a str>,
    pub(crate) password_hash: Option<&'a str>,
    pub(crate) role: &'a str,
    /// What [`claims`] makes, as a parameter.
    pub(crate) claims: &'a DatumWithOid<'a>,
}

impl NewUser<'_> {
    /// What Supabase Auth calls the provider of the identity.
    pub(crate) fn provider(&self) -> &'static str {
        if self.email.is_some() { "email" } else { "phone" }
    }
}

/// Each column that a registration writes, and with what. Every token column is '', which Supabase Auth can read, and not
/// NULL, which it cannot.
const INSERTED: &[(&str, &str)] = &[
    ("instance_id", "'00000000-0000-0000-0000-000000000000'"),
    ("id", "$1"),
    ("aud", "'authenticated'"),
    ("role", "'authenticated'"),
    ("email", "$2"),
    ("encrypted_password", "coalesce($3, '')"),
    ("phone", "$4"),
    ("raw_app_meta_data", "$5"),
    ("raw_user_meta_data", "$6"),
    ("created_at", "$7"),
    ("updated_at", "$7"),
    ("confirmation_token", "''"),
    ("recovery_token", "''"),
    ("email_change_token_new", "''"),
    ("email_change", "''"),
    ("email_change_token_current", "''"),
    ("email_change_confirm_status", "0"),
    ("phone_change", "''"),
    ("phone_change_token", "''"),
    ("reauthentication_token", "''"),
    ("is_super_admin", "false"),
    ("is_sso_user", "false"),
    ("is_anonymous", "false"),
];

static INSERT: Statement = Statement::made_by(
    |client| Columns::of_auth(client, "users").insert_statement("users", INSERTED),
    &[UUIDOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TIMESTAMPTZOID],
);

/// Inserts a user. Of two calls racing for one e-mail or phone the second waits here for the first.
///
/// `ON CONFLICT DO NOTHING` would look into each of the table's eight unique indexes first, a tenth of the floor.
///
/// # Errors
/// What PostgreSQL raises: 23505 where e-mail or phone are taken, or anything that a trigger of the app's raises.
pub(crate) fn insert(client: &mut SpiClient<'_>, user: &NewUser<'_>, now: Timestamp) -> Result<(), PgError> {
    let app_metadata =
        Jsonb::of(&json!({"provider": user.provider(), "providers": [user.provider()], "role": user.role}));
    INSERT.run_trapped(
        client,
        &[
            pg_uuid(user.id).into(),
            user.email.into(),
            user.password_hash.into(),
            user.phone.into(),
            app_metadata.into(),
            jsonb::share(user.claims),
            now.into(),
        ],
    )
}

/// The app's metadata with what Supabase Auth keeps beside it, which no client can make up. It is the same in
/// `raw_user_meta_data` and in the identity.
pub(crate) fn claims(id: Uuid, email: &str, verified: bool, metadata: &Map<String, Value>) -> Jsonb {
    let mut claims = metadata.clone();
    claims.insert("sub".into(), id.to_string().into());
    claims.insert("email".into(), email.into());
    claims.insert("email_verified".into(), verified.into());
    claims.insert("phone_verified".into(), false.into());
    Jsonb::of(&claims)
}

/// The same of a user who is known by a phone number, in digits.
pub(crate) fn phone_claims(id: Uuid, phone: &str, metadata: &Map<String, Value>) -> Jsonb {
    let mut claims = metadata.clone();
    claims.insert("sub".into(), id.to_string().into());
    claims.insert("phone".into(), phone.into());
    claims.insert("email_verified".into(), false.into());
    claims.insert("phone_verified".into(), false.into());
    Jsonb::of(&claims)
}

/// What [`summary`] reads, as a list of columns.
pub(super) fn summary_columns(columns: &Columns) -> String {
    format!(
        "id, email::text, {}, raw_app_meta_data, email_confirmed_at, coalesce(created_at, now()), coalesce(updated_at, now())",
        columns.or_null("phone", "text"),
    )
}

pub(super) fn summary(rows: SpiTupleTable<'_>) -> Option<UserSummary> {
    let row = rows.first();
    if row.is_empty() {
        return None;
    }
    let time =
        |place| row.get::<TimestampWithTimeZone>(place).ok().flatten().map(|time| Timestamp::from(time).to_utc());
    Some(UserSummary {
        id: row.get(1).ok().flatten().map(from_pg_uuid)?,
        email: row.get(2).ok().flatten(),
        phone: row.get::<String>(3).ok().flatten().filter(|phone| !phone.is_empty()).map(|digits| format!("+{digits}")),
        role: row.get(4).ok().flatten().and_then(role),
        email_confirmed_at: time(5),
        created_at: time(6)?,
        updated_at: time(7)?,
    })
}

/// The role that app metadata name, be they an object or the text of one.
fn role(app_metadata: Jsonb) -> Option<String> {
    #[derive(Deserialize)]
    struct AppMetadata {
        role: Option<String>,
    }
    serde_json::from_str::<AppMetadata>(&app_metadata.into_text()).ok()?.role
}

static WITH_PROFILE: Statement = Statement::made_by(
    |client| {
        let phone = Columns::of_auth(client, "users").or_null("phone", "text");
        format!("SELECT id, email::text, nullif({phone}, ''), created_at FROM auth.users WHERE id = $1")
    },
    &[UUIDOID],
);

/// A user together with a profile.
pub(crate) fn with_profile<P>(
    client: &mut SpiClient<'_>,
    id: Uuid,
    profile: Option<P>,
    profile_complete: bool,
) -> Option<UserProfileData<P>> {
    let row = WITH_PROFILE.run(client, &[pg_uuid(id).into()]).first();
    let phone: Option<String> = row.get(3).ok()?;
    let created_at: Option<TimestampWithTimeZone> = row.get(4).ok()?;
    Some(UserProfileData {
        id: row.get(1).ok().flatten().map(from_pg_uuid)?,
        email: row.get(2).ok()?,
        phone: phone.map(|digits| format!("+{digits}")),
        created_at: created_at.map(|time| Timestamp::from(time).to_utc()),
        profile,
        profile_complete,
    })
}

/// A user whose row is locked to the end of the transaction.
pub(crate) struct LockedUser {
    pub(crate) summary: UserSummary,
    /// Whether the account is more than a registration that waits for its e-mail: it has signed in, has a confirmed phone
    /// number, was invited, banned or deleted. Whoever holds the mailbox has no right to put another password on it.
    pub(crate) is_in_use: bool,
}

fn locked(rows: SpiTupleTable<'_>) -> Option<LockedUser> {
    let rows = rows.first();
    let is_in_use = !rows.is_empty() && rows.get(8).ok().flatten() == Some(true);
    Some(LockedUser { summary: summary(rows)?, is_in_use })
}

/// Whether any of the columns that tell of a life beyond the registration is filled.
fn in_use(columns: &Columns) -> String {
    let signs = ["phone_confirmed_at", "last_sign_in_at", "invited_at", "banned_until", "deleted_at"];
    let present = signs.iter().filter(|sign| columns.has(sign)).map(|sign| format!("{sign} IS NOT NULL"));
    present.fold("false".to_owned(), |any, sign| format!("{any} OR {sign}"))
}

// NO KEY UPDATE: calls for one user go one after the other, and foreign keys to the row are not held up.
static LOCK_BY_EMAIL: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let not_sso = if columns.has("is_sso_user") { "AND is_sso_user = false" } else { "" };
        format!(
            "SELECT {}, {} FROM auth.users WHERE email = $1 {not_sso} FOR NO KEY UPDATE",
            summary_columns(&columns),
            in_use(&columns)
        )
    },
    &[TEXTOID],
);

/// The user of an e-mail address, locked to the end of the transaction. Users of single sign-on are not found: their
/// address is their provider's business.
pub(crate) fn lock_by_email(client: &mut SpiClient<'_>, email: &str) -> Option<LockedUser> {
    locked(LOCK_BY_EMAIL.run(client, &[email.into()]))
}

static LOCK_BY_ID: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        format!(
            "SELECT {}, {} FROM auth.users WHERE id = $1 FOR NO KEY UPDATE",
            summary_columns(&columns),
            in_use(&columns)
        )
    },
    &[UUIDOID],
);

/// The user of an id, locked to the end of the transaction.
pub(crate) fn lock_by_id(client: &mut SpiClient<'_>, id: Uuid) -> Option<LockedUser> {
    locked(LOCK_BY_ID.run(client, &[pg_uuid(id).into()]))
}

/// Whether a user may be signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    /// For now: the ban has not ended yet.
    Banned,
    /// Softly, as Supabase Auth does it: the row is there.
    Deleted,
}

static STANDING: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        format!(
            "SELECT coalesce({} > now(), false), {} IS NOT NULL FROM auth.users WHERE id = $1",
            columns.or_null("banned_until", "timestamptz"),
            columns.or_null("deleted_at", "timestamptz"),
        )
    },
    &[UUIDOID],
);

/// How a user stands; `None` where there is none.
pub(crate) fn standing(client: &mut SpiClient<'_>, id: Uuid) -> Option<Standing> {
    let (is_banned, is_deleted) = STANDING.run(client, &[pg_uuid(id).into()]).first().get_two::<bool, bool>().ok()?;
    Some(match (is_banned?, is_deleted?) {
        (_, true) => Standing::Deleted,
        (true, _) => Standing::Banned,
        _ => Standing::Good,
    })
}

static PHONE_OWNER: Statement = Statement::new("SELECT id FROM auth.users WHERE phone = $1", &[TEXTOID]);

thread_local! {
    static KEEPS_PHONES: Slot<bool> = const { RefCell::new(None) };
}

/// Whether this `auth.users` has a column for phone numbers.
pub(crate) fn keeps_phones(client: &mut SpiClient<'_>) -> bool {
    let Ok(keeps) = remembered(&KEEPS_PHONES, || Ok::<_, Infallible>(Columns::of_auth(client, "users").has("phone")));
    *keeps
}

/// The refusal of a phone number where there is none.
pub(crate) fn no_phones() -> FieldError {
    FieldError::invalid("phone", "This database keeps no phone numbers.")
        .with_hint("Its auth.users has no column phone; update Supabase Auth, or leave the number out.")
}

/// Whose phone number it is.
pub(crate) fn phone_owner(client: &mut SpiClient<'_>, digits: &str) -> Option<Uuid> {
    PHONE_OWNER.run(client, &[digits.into()]).first().get_one().ok().flatten().map(from_pg_uuid)
}

/// What a verification changes: `raw_user_meta_data` only where it is an object, since some servers keep a string there.
const CONFIRMED: &[(&str, &str)] = &[
    ("email_confirmed_at", "$2"),
    ("updated_at", "$2"),
    ("confirmation_token", "''"),
    (
        "raw_user_meta_data",
        "CASE jsonb_typeof(raw_user_meta_data) WHEN 'object' THEN raw_user_meta_data || '{\"email_verified\": true}' ELSE raw_user_meta_data END",
    ),
];

static CONFIRM: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let update = columns.update_statement("users", CONFIRMED);
        format!("{update} WHERE id = $1 RETURNING {}", summary_columns(&columns))
    },
    &[UUIDOID, TIMESTAMPTZOID],
);

/// Marks the e-mail address as verified.
pub(crate) fn confirm(client: &mut SpiClient<'_>, id: Uuid, now: Timestamp) -> Option<UserSummary> {
    summary(CONFIRM.run(client, &[pg_uuid(id).into(), now.into()]))
}

/// What a verification changes where a newer registration waits: everything that registration brought. A phone number
/// that somebody else took in the meantime is left out.
const CONFIRMED_WITH_PENDING: &[(&str, &str)] = &[
    ("email_confirmed_at", "$2"),
    ("updated_at", "$2"),
    ("confirmation_token", "''"),
    ("encrypted_password", "coalesce($3, '')"),
    (
        "phone",
        "CASE WHEN EXISTS (SELECT FROM auth.users AS other WHERE other.phone = $4 AND other.id <> $1) THEN users.phone ELSE coalesce($4, users.phone) END",
    ),
    (
        "raw_app_meta_data",
        "CASE jsonb_typeof(raw_app_meta_data) WHEN 'object' THEN raw_app_meta_data ELSE coalesce($7, '{}') END || jsonb_build_object('role', $5)",
    ),
    ("raw_user_meta_data", "$6"),
];

static CONFIRM_WITH_PENDING: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let update = columns.update_statement("users", CONFIRMED_WITH_PENDING);
        format!("{update} WHERE id = $1 RETURNING {}", summary_columns(&columns))
    },
    &[UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID],
);

static APP_METADATA_IN_A_STRING: Statement = Statement::new(
    "SELECT raw_app_meta_data FROM auth.users WHERE id = $1 AND jsonb_typeof(raw_app_meta_data) = 'string'",
    &[UUIDOID],
);

/// The app metadata of a user for whom a server has stored them as the text of the object.
fn app_metadata_in_a_string(client: &mut SpiClient<'_>, id: Uuid) -> Option<Jsonb> {
    let stored: Option<Jsonb> = APP_METADATA_IN_A_STRING.run(client, &[pg_uuid(id).into()]).first().get_one().ok()?;
    stored.map(Jsonb::into_text).and_then(Jsonb::parse_object)
}

/// Marks the e-mail address as verified, and puts the newest registration in force.
pub(crate) fn confirm_with_pending(
    client: &mut SpiClient<'_>,
    id: Uuid,
    pending: &PendingRegistration,
    claims: &DatumWithOid<'_>,
    now: Timestamp,
) -> Option<UserSummary> {
    let app_metadata = app_metadata_in_a_string(client, id);
    summary(CONFIRM_WITH_PENDING.run(
        client,
        &[
            pg_uuid(id).into(),
            now.into(),
            pending.password_hash.as_deref().into(),
            pending.phone.as_deref().into(),
            pending.role.as_str().into(),
            jsonb::share(claims),
            app_metadata.into(),
        ],
    ))
}
