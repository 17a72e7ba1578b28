//! New users, many in one statement.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use pgrx::Spi;
use pgrx::pg_sys::BuiltinOid::{INT4ARRAYOID, INT4OID, TEXTARRAYOID, TEXTOID, UUIDARRAYOID};
use pgrx::spi::SpiClient;
use registrar_core::{ForeignHash, HashPolicy, PasswordHash};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Candidate, Import};
use crate::pg::{PgError, settle_deferred_constraints, subtransaction};
use crate::store::columns::Columns;
use crate::store::legacy_passwords::REFERENCE;
use crate::store::pg_uuid;
use crate::store::plans::Statement;

/// How long somebody is banned who was not active: Supabase Auth cannot read `infinity`.
const A_CENTURY: TimeDelta = TimeDelta::days(36_525);

/// Inserts the users, all in one statement; where a row is to blame for a failure, it is looked for by halves, and added to `failed` with its
/// place.
///
/// # Errors
/// A failure that no row is to blame for.
pub(super) fn insert(
    import: &Import<'_>,
    users: &[Candidate],
    first: usize,
    failed: &mut HashMap<usize, PgError>,
) -> Result<(), PgError> {
    if users.is_empty() {
        return Ok(());
    }
    let done = subtransaction(|| {
        Spi::connect_mut(|client| insert_all(client, import, users))?;
        // What the app deferred to the commit would take the whole import with it.
        settle_deferred_constraints()
    });
    match done {
        Ok(()) => Ok(()),
        Err(error) if !error.is_of_a_row() => Err(error),
        Err(error) if users.len() == 1 => {
            failed.insert(first, error);
            Ok(())
        }
        Err(_) => {
            let (left, right) = users.split_at(users.len() / 2);
            insert(import, left, first, failed)?;
            insert(import, right, first + left.len(), failed)
        }
    }
}

/// The parameters, as arrays of one element a user.
const NEW_USERS: &str = "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[])
    AS n (id, email, phone, password, email_confirmed_at, phone_confirmed_at, app_metadata, user_metadata, created_at, last_sign_in_at,
          banned_until)";

/// Each column that is written, and with what: what a registration writes, and what the other system knew.
const INSERTED: &[(&str, &str)] = &[
    ("instance_id", "'00000000-0000-0000-0000-000000000000'"),
    ("id", "n.id"),
    ("aud", "'authenticated'"),
    ("role", "'authenticated'"),
    ("email", "n.email"),
    ("encrypted_password", "n.password"),
    ("phone", "n.phone"),
    ("email_confirmed_at", "n.email_confirmed_at::timestamptz"),
    ("phone_confirmed_at", "n.phone_confirmed_at::timestamptz"),
    ("raw_app_meta_data", "n.app_metadata::jsonb"),
    ("raw_user_meta_data", "n.user_metadata::jsonb"),
    ("created_at", "n.created_at::timestamptz"),
    ("updated_at", "now()"),
    ("last_sign_in_at", "n.last_sign_in_at::timestamptz"),
    ("banned_until", "n.banned_until::timestamptz"),
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

/// An identity for each user: by the address where there is one.
const IDENTITY: &[(&str, &str)] = &[
    ("user_id", "u.id"),
    ("provider", "CASE WHEN u.email IS NULL THEN 'phone' ELSE 'email' END"),
    (
        "identity_data",
        "jsonb_strip_nulls(jsonb_build_object('sub', u.id, 'email', u.email, 'phone', CASE WHEN u.email IS NULL THEN u.phone END,
             'email_verified', u.email_confirmed_at IS NOT NULL, 'phone_verified', u.phone_confirmed_at IS NOT NULL))",
    ),
    ("created_at", "u.created_at"),
    ("updated_at", "now()"),
];

// Both in one statement: identities are those of the users as they were inserted, which a trigger of the app's may have changed or left
// out, and nobody is looked up again.
static INSERT: Statement = Statement::made_by(
    |client| {
        let users = Columns::of_auth(client, "users");
        let identities = Columns::of_auth(client, "identities");
        let keys: &[(&str, &str)] = if identities.has("provider_id") {
            &[("id", "gen_random_uuid()"), ("provider_id", "u.id::text")]
        } else {
            &[("id", "u.id::text")]
        };
        format!(
            "WITH u AS (
                 {} FROM {NEW_USERS}
                 RETURNING users.id, users.email, {} AS phone, users.email_confirmed_at, {} AS phone_confirmed_at, users.created_at
             )
             {} FROM u",
            users.insert_select("users", INSERTED),
            users.or_null("phone", "text"),
            users.or_null("phone_confirmed_at", "timestamptz"),
            identities.insert_select("identities", &[keys, IDENTITY].concat())
        )
    },
    &[
        UUIDARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
        TEXTARRAYOID,
    ],
);

static INSERT_LEGACY_PASSWORDS: Statement = Statement::new(
    "INSERT INTO registrar_private.legacy_passwords AS l (user_id, reference, hash, pepper_id, created_at)
     SELECT n.user_id, n.reference, n.hash, n.pepper_id, now() FROM unnest($1, $2, $3, $4) AS n (user_id, reference, hash, pepper_id)
     ON CONFLICT (user_id) DO UPDATE
     SET reference = excluded.reference, hash = excluded.hash, pepper_id = excluded.pepper_id, created_at = excluded.created_at",
    &[UUIDARRAYOID, UUIDARRAYOID, TEXTARRAYOID, INT4ARRAYOID],
);

static INSERT_LEGACY_IDS: Statement = Statement::new(
    "INSERT INTO registrar_private.legacy_ids (user_id, import_id, legacy_id)
     SELECT n.user_id, $1, n.legacy_id FROM unnest($2, $3) AS n (user_id, legacy_id)
     ON CONFLICT (import_id, legacy_id) DO UPDATE SET user_id = excluded.user_id",
    &[INT4OID, UUIDARRAYOID, TEXTARRAYOID],
);

static PEPPER: Statement = Statement::new(
    "INSERT INTO registrar_private.legacy_peppers (pepper) VALUES ($1)
     ON CONFLICT (pepper) DO UPDATE SET pepper = excluded.pepper RETURNING id",
    &[TEXTOID],
);

fn insert_all(client: &mut SpiClient<'_>, import: &Import<'_>, users: &[Candidate]) -> Result<(), PgError> {
    let now = Utc::now();
    let passwords: Vec<StoredPassword> = users.iter().map(|user| StoredPassword::of(import, user)).collect();
    let each = |value: &dyn Fn(&Candidate) -> Option<String>| users.iter().map(value).collect::<Vec<_>>();
    let created_at = |user: &Candidate| user.user.created_at.unwrap_or(now);
    let inserted = INSERT.run(
        client,
        &[
            users.iter().map(|user| pg_uuid(user.id)).collect::<Vec<_>>().into(),
            each(&|user| user.email().map(str::to_owned)).into(),
            each(&|user| user.phone().map(str::to_owned)).into(),
            passwords.iter().map(|password| password.in_auth_users.clone()).collect::<Vec<_>>().into(),
            each(&|user| email_confirmed_at(user, created_at(user)).map(written)).into(),
            each(&|user| phone_confirmed_at(user, created_at(user)).map(written)).into(),
            each(&|user| Some(app_metadata(user))).into(),
            each(&|user| Some(Value::Object(user.user.user_metadata.clone()).to_string())).into(),
            each(&|user| Some(written(created_at(user)))).into(),
            each(&|user| user.user.last_sign_in_at.map(written)).into(),
            each(&|user| banned_until(user, now).map(written)).into(),
        ],
    );
    // What a trigger of the app's has suppressed is no user, and must not be told to be one.
    if inserted.len() < users.len() {
        return Err(PgError::not_written());
    }
    store_legacy(client, import, users.iter().map(|user| user.id).zip(&passwords));
    store_ids(client, import, users.iter().map(|user| (user.id, user)));
    Ok(())
}

/// Stores those of the passwords that Supabase Auth cannot verify.
pub(super) fn store_legacy<'p>(
    client: &mut SpiClient<'_>,
    import: &Import<'_>,
    passwords: impl Iterator<Item = (Uuid, &'p StoredPassword)>,
) {
    let legacy: Vec<_> = passwords.filter_map(|(id, password)| Some((id, password.legacy.as_ref()?))).collect();
    if legacy.is_empty() {
        return;
    }
    let pepper_id: Option<i32> = import
        .options
        .pepper
        .as_ref()
        .and_then(|pepper| PEPPER.run(client, &[pepper.expose_secret().into()]).first().get_one().ok().flatten());
    let peppers = |(_, legacy): &(Uuid, &Legacy)| pepper_id.filter(|_| legacy.is_peppered);
    let arguments = [
        legacy.iter().map(|(id, _)| pg_uuid(*id)).collect::<Vec<_>>().into(),
        legacy.iter().map(|(_, legacy)| pg_uuid(legacy.reference)).collect::<Vec<_>>().into(),
        legacy.iter().map(|(_, legacy)| legacy.hash.clone()).collect::<Vec<_>>().into(),
        legacy.iter().map(peppers).collect::<Vec<_>>().into(),
    ];
    INSERT_LEGACY_PASSWORDS.run(client, &arguments);
}

/// Stores which user each key is now that is none of a user.
pub(super) fn store_ids<'u>(
    client: &mut SpiClient<'_>,
    import: &Import<'_>,
    users: impl Iterator<Item = (Uuid, &'u Candidate)>,
) {
    let of_source = |user: &Candidate| user.user.legacy_id.clone().or(user.user.id.map(|id| id.to_string()));
    let (ids, legacy): (Vec<_>, Vec<_>) = users
        .filter(|(id, user)| user.user.id != Some(*id))
        .filter_map(|(id, user)| Some((pg_uuid(id), of_source(user)?)))
        .unzip();
    if !ids.is_empty() {
        INSERT_LEGACY_IDS.run(client, &[import.id.into(), ids.into(), legacy.into()]);
    }
}

/// Where the hash of a password rests.
pub(super) struct StoredPassword {
    /// What stands in `auth.users`; empty where there is no password.
    pub(super) in_auth_users: String,
    legacy: Option<Legacy>,
}

struct Legacy {
    reference: Uuid,
    hash: String,
    is_peppered: bool,
}

impl StoredPassword {
    pub(super) fn of(import: &Import<'_>, candidate: &Candidate) -> Self {
        let Some(hash) = &candidate.user.hash else { return Self { in_auth_users: String::new(), legacy: None } };
        let hash = strong(hash, &import.policy);
        let pepper = import.options.pepper.as_ref().filter(|_| hash.scheme().takes_pepper());
        let is_peppered = pepper.is_some();
        if hash.is_for_auth_users() && !is_peppered {
            return Self { in_auth_users: hash.expose().to_owned(), legacy: None };
        }
        let reference = Uuid::new_v4();
        let legacy = Legacy { reference, hash: hash.expose().to_owned(), is_peppered };
        Self { in_auth_users: format!("{REFERENCE}{reference}"), legacy: Some(legacy) }
    }
}

fn strong(hash: &ForeignHash, policy: &HashPolicy) -> PasswordHash {
    match hash {
        ForeignHash::Strong(hash) => hash.clone(),
        ForeignHash::Weak(hash) => hash.wrapped(policy),
    }
}

pub(super) fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339()
}

/// When the address was confirmed: as far as is known, else when the user signed up.
pub(super) fn email_confirmed_at(user: &Candidate, created_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let is_confirmed = user.user.is_verified && user.user.email.is_some();
    is_confirmed.then(|| user.user.verified_at.unwrap_or(created_at))
}

/// The same of the number, which is what is confirmed where there is no address.
pub(super) fn phone_confirmed_at(user: &Candidate, created_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    user.user.phone.as_ref()?;
    let is_confirmed = user.user.is_verified && user.user.email.is_none();
    user.user.phone_verified_at.or(is_confirmed.then(|| user.user.verified_at.unwrap_or(created_at)))
}

pub(super) fn banned_until(user: &Candidate, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    user.user.banned_until.or((!user.user.is_active).then(|| now + A_CENTURY))
}

pub(super) fn app_metadata(user: &Candidate) -> String {
    let provider = if user.user.email.is_some() { "email" } else { "phone" };
    let mut metadata: Map<String, Value> = user.user.app_metadata.clone();
    metadata.insert("provider".into(), provider.into());
    metadata.insert("providers".into(), json!([provider]));
    metadata.insert("role".into(), user.role.as_str().into());
    if user.user.is_superuser {
        metadata.insert("is_superuser".into(), true.into());
    }
    Value::Object(metadata).to_string()
}
