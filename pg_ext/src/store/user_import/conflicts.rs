//! Rows whose address, number or key a user has already.

use std::collections::{HashMap, HashSet};

use chrono::Utc;
use pgrx::Spi;
use pgrx::pg_sys::BuiltinOid::{TEXTARRAYOID, TEXTOID, UUIDARRAYOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::RowReason;
use uuid::Uuid;

use super::insertion::{
    StoredPassword, app_metadata, banned_until, email_confirmed_at, phone_confirmed_at, store_ids, store_legacy,
    written,
};
use super::{Candidate, Import, sorted};
use crate::pg::{self, PgError, subtransaction, transaction_start};
use crate::store::columns::Columns;
use crate::store::plans::Statement;
use crate::store::{from_pg_uuid, pending_registrations, pg_uuid, verification_tokens};

/// The users that have what a row has.
#[derive(Debug, Default)]
pub(super) struct Conflict {
    email: Option<Uuid>,
    phone: Option<Uuid>,
    id: Option<Uuid>,
    /// Whether the row has an address.
    has_email: bool,
}

impl Conflict {
    /// The user whom the row is about, where that can be told: whoever has the address, or the number of a row without one, unless
    /// another user has something of it too.
    pub(super) fn same_user(&self) -> Option<Uuid> {
        let user = if self.has_email { self.email } else { self.phone }?;
        let others = [self.email, self.phone, self.id];
        others.into_iter().flatten().all(|other| other == user).then_some(user)
    }

    pub(super) fn told(&self) -> (RowReason, &'static str) {
        if self.email.is_some() {
            (RowReason::EmailExists, "A user has this e-mail address.")
        } else if self.phone.is_some() {
            (RowReason::PhoneExists, "A user has this phone number.")
        } else {
            (RowReason::IdExists, "A user has this id, who has another address.")
        }
    }
}

/// Those that have nothing in common, and the rest.
pub(super) fn apart(candidates: Vec<Candidate>) -> (Vec<Candidate>, Vec<Candidate>) {
    let (mut emails, mut phones, mut ids) = (HashSet::new(), HashSet::new(), HashSet::new());
    candidates.into_iter().partition(|candidate| {
        let is_new = ids.insert(candidate.id);
        let is_new = candidate.email().is_none_or(|email| emails.insert(email.to_owned())) && is_new;
        candidate.phone().is_none_or(|phone| phones.insert(phone.to_owned())) && is_new
    })
}

// Users of single sign-on are left out: their address is their provider's business, and two users may have it.
static HOLDERS: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let not_sso = if columns.has("is_sso_user") { "AND is_sso_user = false" } else { "" };
        // Each by itself, as in KNOWN. Of `= ANY` a kept plan reads the whole table, and compares each row with each element.
        let holders = |place: usize, column: &str, condition: &str| {
            format!(
                "SELECT u.id, n.value::text, {place} FROM unnest(${place}) AS n (value)
                 CROSS JOIN LATERAL (SELECT id FROM auth.users WHERE {column} = n.value {condition} OFFSET 0) AS u"
            )
        };
        let by_phone = if columns.has("phone") {
            holders(2, "phone", "")
        } else {
            "SELECT NULL, NULL, 2 WHERE cardinality($2) < 0".to_owned()
        };
        [holders(1, "email", not_sso), by_phone, holders(3, "id", "")].join(" UNION ALL ")
    },
    &[TEXTARRAYOID, TEXTARRAYOID, UUIDARRAYOID],
);

/// Those that can be new users, and those that are in the way of one.
pub(super) fn divide(
    client: &mut SpiClient<'_>,
    candidates: Vec<Candidate>,
) -> (Vec<Candidate>, Vec<(Candidate, Conflict)>) {
    let emails = sorted(candidates.iter().filter_map(Candidate::email));
    let phones = sorted(candidates.iter().filter_map(Candidate::phone));
    // Only keys of the source can be taken.
    let ids = sorted(candidates.iter().filter_map(|row| row.user.id));
    let ids: Vec<_> = ids.into_iter().map(pg_uuid).collect();
    let mut holders: [HashMap<String, Uuid>; 3] = Default::default();
    let found = pg::with_indexes(|| HOLDERS.run(client, &[emails.into(), phones.into(), ids.into()]));
    for row in found {
        let (Ok(Some(id)), Ok(Some(value)), Ok(Some(place))) = (row.get(1), row.get(2), row.get::<i32>(3)) else {
            continue;
        };
        if let Some(holders) = usize::try_from(place - 1).ok().and_then(|place| holders.get_mut(place)) {
            holders.insert(value, from_pg_uuid(id));
        }
    }
    let [by_email, by_phone, by_id] = holders;
    let (mut new, mut taken) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let conflict = Conflict {
            email: candidate.email().and_then(|email| by_email.get(email)).copied(),
            phone: candidate.phone().and_then(|phone| by_phone.get(phone)).copied(),
            id: candidate.user.id.and_then(|id| by_id.get(&id.to_string())).copied(),
            has_email: candidate.email().is_some(),
        };
        if [conflict.email, conflict.phone, conflict.id].iter().all(Option::is_none) {
            new.push(candidate);
        } else {
            taken.push((candidate, conflict));
        }
    }
    (new, taken)
}

/// Whether nobody has shown to hold the account: a password on it may be anybody's.
const UNHELD: &str = "email_confirmed_at IS NULL AND {phone_confirmed_at} IS NULL AND {last_sign_in_at} IS NULL";

/// What a merge changes: what the user lacks. The password of an account that nobody has shown to hold is replaced, even by none.
const MERGED: &[(&str, &str)] = &[
    (
        "encrypted_password",
        "CASE WHEN {unheld} OR coalesce(encrypted_password, '') = '' THEN $2 ELSE encrypted_password END",
    ),
    ("email_confirmed_at", "coalesce(email_confirmed_at, $3::timestamptz)"),
    (
        "phone_confirmed_at",
        "CASE WHEN phone = $10 THEN coalesce(phone_confirmed_at, $4::timestamptz) ELSE phone_confirmed_at END",
    ),
    (
        "raw_app_meta_data",
        "CASE jsonb_typeof(raw_app_meta_data) WHEN 'object' THEN $5::jsonb || raw_app_meta_data ELSE $5::jsonb END",
    ),
    (
        "raw_user_meta_data",
        "CASE jsonb_typeof(raw_user_meta_data) WHEN 'object' THEN $6::jsonb || raw_user_meta_data ELSE $6::jsonb END",
    ),
    ("created_at", "least(created_at, $7::timestamptz)"),
    ("last_sign_in_at", "greatest(last_sign_in_at, $8::timestamptz)"),
    ("banned_until", "coalesce(banned_until, $9::timestamptz)"),
    ("updated_at", "now()"),
];

static MERGE: Statement = Statement::made_by(
    |client| {
        let columns = Columns::of_auth(client, "users");
        let unheld = UNHELD
            .replace("{phone_confirmed_at}", &columns.or_null("phone_confirmed_at", "timestamptz"))
            .replace("{last_sign_in_at}", &columns.or_null("last_sign_in_at", "timestamptz"));
        let merged: Vec<(&str, String)> =
            MERGED.iter().map(|(column, value)| (*column, value.replace("{unheld}", &unheld))).collect();
        let merged: Vec<(&str, &str)> = merged.iter().map(|(column, value)| (*column, value.as_str())).collect();
        format!(
            "WITH before AS (SELECT id, {unheld} AS is_unheld FROM auth.users WHERE id = $1 FOR NO KEY UPDATE)
             {} FROM before WHERE users.id = before.id
             RETURNING before.is_unheld, encrypted_password = $2",
            columns.update_statement("users", &merged)
        )
    },
    &[UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID],
);

/// Gives a user what a row has and the user lacks.
///
/// # Errors
/// What a trigger or constraint of the app's says.
pub(super) fn merge(import: &Import<'_>, row: &Candidate, user_id: Uuid) -> Result<(), PgError> {
    let now = Utc::now();
    let created_at = row.user.created_at.unwrap_or(now);
    let password = StoredPassword::of(import, row);
    subtransaction(|| {
        Spi::connect_mut(|client| {
            let merged = MERGE.run(
                client,
                &[
                    pg_uuid(user_id).into(),
                    password.in_auth_users.as_str().into(),
                    email_confirmed_at(row, created_at).map(written).into(),
                    phone_confirmed_at(row, created_at).map(written).into(),
                    app_metadata(row).into(),
                    serde_json::Value::Object(row.user.user_metadata.clone()).to_string().into(),
                    written(created_at).into(),
                    row.user.last_sign_in_at.map(written).into(),
                    banned_until(row, now).map(written).into(),
                    row.phone().into(),
                ],
            );
            let (is_unheld, is_in_force) = merged.first().get_two::<bool, bool>().unwrap_or_default();
            if is_in_force == Some(true) {
                store_legacy(client, import, std::iter::once((user_id, &password)));
            }
            if is_unheld == Some(true) {
                pending_registrations::take(client, user_id);
                verification_tokens::use_up(client, user_id, transaction_start());
            }
            store_ids(client, import, std::iter::once((user_id, row)));
        });
        Ok(())
    })
}
