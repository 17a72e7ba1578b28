//! Users as they are moved elsewhere, in the columns of `auth.users`.

use pgrx::pg_sys::BuiltinOid::{BOOLOID, INT8OID, UUIDOID};
use pgrx::spi::SpiClient;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::columns::Columns;
use super::legacy_passwords::REFERENCE;
use super::plans::Statement;
use super::{from_pg_uuid, pg_uuid};
use crate::pg;

/// What is exported, with the type that it has at least.
const EXPORTED: [(&str, &str); 9] = [
    ("email", "text"),
    ("phone", "text"),
    ("email_confirmed_at", "timestamptz"),
    ("phone_confirmed_at", "timestamptz"),
    ("banned_until", "timestamptz"),
    ("raw_user_meta_data", "jsonb"),
    ("raw_app_meta_data", "jsonb"),
    ("created_at", "timestamptz"),
    ("last_sign_in_at", "timestamptz"),
];

// Two statements: of one with `$1 IS NULL OR id > $1` a kept plan reads the index from its beginning.
static FIRST_PAGE: Statement = Statement::made_by(|client| query(client, "$1 IS NULL"), &[UUIDOID, BOOLOID, INT8OID]);
static NEXT_PAGE: Statement = Statement::made_by(|client| query(client, "id > $1"), &[UUIDOID, BOOLOID, INT8OID]);

// The page is found before the legacy passwords are looked up, each by its key.
fn query(client: &mut SpiClient<'_>, beginning: &str) -> String {
    let columns = Columns::of_auth(client, "users");
    let exported = EXPORTED.map(|(column, sql_type)| format!("'{column}', {}", columns.or_null(column, sql_type)));
    format!(
        "WITH page AS (
             SELECT id, jsonb_build_object('id', id, {}) AS exported, {} AS stored
             FROM auth.users WHERE {beginning} AND {} IS NULL ORDER BY id LIMIT $3
         )
         SELECT p.id,
             (p.exported || CASE WHEN $2 THEN jsonb_build_object(
                 'encrypted_password',
                 CASE WHEN p.stored NOT LIKE '{REFERENCE}%' THEN nullif(p.stored, '') WHEN l.pepper_id IS NULL THEN l.hash END
             ) ELSE '{{}}' END)::text,
             $2 AND l.pepper_id IS NOT NULL
         FROM page AS p
         LEFT JOIN registrar_private.legacy_passwords AS l ON l.user_id = p.id AND p.stored = '{REFERENCE}' || l.reference
         ORDER BY p.id",
        exported.join(", "),
        columns.or_null("encrypted_password", "text"),
        columns.or_null("deleted_at", "timestamptz"),
    )
}

/// A user to be written down.
pub(crate) struct Exported {
    pub(crate) id: Uuid,
    pub(crate) columns: Map<String, Value>,
    /// Whether the hash stays behind for want of its pepper.
    pub(crate) is_peppered: bool,
}

/// The next users after one, in the order of their ids.
pub(crate) fn page(client: &mut SpiClient<'_>, after: Option<Uuid>, with_hashes: bool, limit: i64) -> Vec<Exported> {
    let statement = if after.is_some() { &NEXT_PAGE } else { &FIRST_PAGE };
    let arguments = [after.map(pg_uuid).into(), with_hashes.into(), limit.into()];
    let rows = pg::without_sorting(|| statement.run(client, &arguments));
    rows.filter_map(|row| {
        let columns: String = row.get(2).ok().flatten()?;
        Some(Exported {
            id: row.get(1).ok().flatten().map(from_pg_uuid)?,
            columns: serde_json::from_str(&columns).expect("PostgreSQL makes JSON"),
            is_peppered: row.get(3).ok().flatten() == Some(true),
        })
    })
    .collect()
}
