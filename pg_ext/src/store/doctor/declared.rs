//! `registrar_private.declared_relations`, and whatever else is known to hold users without being looked for.

use pgrx::pg_sys::BuiltinOid::{BOOLOID, TEXTOID};
use pgrx::spi::SpiClient;
use serde::{Deserialize, Serialize};

use super::{facts, find_table};
use crate::pg::PgError;
use crate::store::plans::Statement;

/// A column that holds users, by what says so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) origin: Origin,
    pub(super) schema_name: String,
    pub(super) table_name: String,
    pub(super) column_name: String,
    /// Whether its foreign key is to be ON UPDATE CASCADE.
    pub(super) update_cascade: bool,
}

/// How a column came to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    /// It is a profile table's.
    Attached,
    /// The app has declared it.
    Declared,
    /// It is a table of registrar's own.
    Registrar,
    /// It is a table of Supabase Auth's.
    Auth,
    /// It looks like it.
    Found,
}

const ATTACHED: &str = "
    SELECT coalesce(json_agg(json_build_object(
        'origin', 'attached', 'schema_name', p.schema_name, 'table_name', p.table_name, 'column_name', p.user_column,
        'update_cascade', false) ORDER BY p.position), '[]')::text
    FROM registrar_private.profile_tables AS p";

// A profile table that is declared besides is told of once, as what it is.
const DECLARED: &str = "
    SELECT coalesce(json_agg(json_build_object(
        'origin', 'declared', 'schema_name', d.schema_name, 'table_name', d.table_name, 'column_name', d.column_name,
        'update_cascade', d.update_cascade) ORDER BY d.schema_name, d.table_name, d.column_name), '[]')::text
    FROM registrar_private.declared_relations AS d
    WHERE NOT EXISTS (
        SELECT FROM registrar_private.profile_tables AS p
        WHERE (p.schema_name, p.table_name, p.user_column) = (d.schema_name, d.table_name, d.column_name)
    )";

/// The tables of registrar and of Auth that belong to users, where they are there. The audit log outlives the users; refresh tokens
/// refer to the sessions, whose key begins with the user.
const OWN: &str = "
    SELECT coalesce(json_agg(json_build_object(
        'origin', CASE n.nspname WHEN 'auth' THEN 'auth' ELSE 'registrar' END, 'schema_name', n.nspname,
        'table_name', c.relname, 'column_name', a.attname, 'update_cascade', false) ORDER BY n.nspname, c.relname), '[]')::text
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'user_id' AND a.atttypid = 'uuid'::regtype
    WHERE c.relkind IN ('r', 'p')
        AND (
            n.nspname = 'registrar_private' AND c.relname NOT IN ('audit_log', 'refresh_tokens')
            OR n.nspname = 'auth' AND c.relname IN ('identities', 'sessions')
        )";

/// Every column that is known to hold users.
pub(super) fn named(client: &SpiClient<'_>) -> Result<Vec<Named>, PgError> {
    let mut named: Vec<Named> = Vec::new();
    if find_table(client, "registrar_private", "profile_tables")?.is_some() {
        named.extend(facts::<Vec<Named>>(client, ATTACHED, &[], &[])?);
    }
    if find_table(client, "registrar_private", "declared_relations")?.is_some() {
        named.extend(facts::<Vec<Named>>(client, DECLARED, &[], &[])?);
    }
    named.extend(facts::<Vec<Named>>(client, OWN, &[], &[])?);
    Ok(named)
}

static DECLARE: Statement = Statement::new(
    "INSERT INTO registrar_private.declared_relations (schema_name, table_name, column_name, update_cascade)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (schema_name, table_name, column_name) DO UPDATE SET update_cascade = excluded.update_cascade",
    &[TEXTOID, TEXTOID, TEXTOID, BOOLOID],
);

/// Has the doctor watch over a column, whether or not it is there.
pub(crate) fn declare(client: &mut SpiClient<'_>, (schema, table): (&str, &str), column: &str, update_cascade: bool) {
    DECLARE.run(client, &[schema.into(), table.into(), column.into(), update_cascade.into()]);
}

static WITHDRAW: Statement = Statement::new(
    "DELETE FROM registrar_private.declared_relations WHERE schema_name = $1 AND table_name = $2 AND column_name = $3",
    &[TEXTOID, TEXTOID, TEXTOID],
);

/// Takes a declaration back; whether there was one.
pub(crate) fn withdraw(client: &mut SpiClient<'_>, (schema, table): (&str, &str), column: &str) -> bool {
    !WITHDRAW.run(client, &[schema.into(), table.into(), column.into()]).is_empty()
}
