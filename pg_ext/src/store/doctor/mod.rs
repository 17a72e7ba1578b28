//! The doctor: what is wrong with users, profiles and all that belongs to them, and the statement that mends it. It reads only.

mod belonging;
mod catalogue;
mod checks;
mod declared;
mod relations;
mod rows;
mod set_up;
mod triggers;
mod written_tables;

use pgrx::Spi;
use pgrx::pg_sys::{Oid, TEXTOID};
use pgrx::spi::SpiClient;
use registrar_core::Severity;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::checks::Check;
use self::declared::Named;
pub(crate) use self::declared::{declare, withdraw};
use self::relations::Relation;
use crate::pg::{self, Jsonb, PgError, TrappedStatement, subtransaction};

/// What was found.
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) severity: Severity,
    pub(crate) object: String,
    pub(crate) finding: String,
    /// Complete statements, for the owner to run one by one; `None` where only a person can decide.
    pub(crate) fix_sql: Option<String>,
}

/// Schemas whose tables and functions are not the app's: nothing is looked for there that was not named.
const SYSTEM_SCHEMAS: &[&str] = &[
    "_analytics",
    "_realtime",
    "_supavisor",
    "auth",
    "cron",
    "extensions",
    "graphql",
    "graphql_public",
    "information_schema",
    "net",
    "pg_catalog",
    "pg_toast",
    "pgbouncer",
    "pgmq",
    "pgsodium",
    "pgsodium_masks",
    "pgtle",
    "realtime",
    "registrar",
    "registrar_private",
    "storage",
    "supabase_functions",
    "supabase_migrations",
    "tiger",
    "topology",
    "vault",
];

/// What the checks look at.
struct Subjects {
    /// `auth.users`, where there is one.
    users: Option<Oid>,
    is_set_up: bool,
    /// The columns that registrar and the app say hold users.
    named: Vec<Named>,
    /// Those, and what looks like them, with their foreign keys.
    relations: Vec<Relation>,
}

impl Subjects {
    fn attached(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(|relation| relation.is_attached())
    }
}

type Family = fn(&SpiClient<'_>, &Subjects) -> Result<Vec<Finding>, PgError>;

/// The checks that are made together, and what to call them where they fail.
const FAMILIES: &[(&str, Family)] = &[
    ("set-up", set_up::find),
    ("server", catalogue::find_of_server),
    ("triggers", triggers::find),
    ("foreign keys", relations::find),
    ("rows", rows::find),
    ("security", catalogue::find_of_security),
];

/// Everything that is wrong, in the order of [`Check::ALL`].
pub(crate) fn examine() -> Vec<Finding> {
    let mut findings = Vec::new();
    match trapped(Subjects::load) {
        Ok(subjects) => {
            for (name, find) in FAMILIES {
                match trapped(|client| find(client, &subjects)) {
                    Ok(found) => findings.extend(found),
                    Err(error) => findings.push(failed(name, &error)),
                }
            }
        }
        Err(error) => findings.push(failed("subjects", &error)),
    }
    findings.sort_by_key(|finding| finding.check as usize);
    findings
}

/// A part that fails must not silence the others.
fn trapped<T>(work: impl FnOnce(&SpiClient<'_>) -> Result<T, PgError>) -> Result<T, PgError> {
    subtransaction(|| pg::as_registrar(|| Spi::connect(|client| work(client))))
}

fn failed(name: &str, error: &PgError) -> Finding {
    Finding {
        check: Check::Incomplete,
        severity: Severity::Error,
        object: format!("checks of {name}"),
        finding: format!("{} ({})", error.message, error.sqlstate()),
        fix_sql: None,
    }
}

impl Subjects {
    fn load(client: &SpiClient<'_>) -> Result<Self, PgError> {
        let users = find_table(client, "auth", "users")?;
        let named = declared::named(client)?;
        let relations = relations::load(client, &named, users)?;
        let is_set_up = find_table(client, "registrar_private", "migrations")?.is_some();
        Ok(Self { users, is_set_up, named, relations })
    }
}

/// A table, looked for in the catalogue: to_regclass() asks for the right to use its schema, which nobody may have granted yet.
fn find_table(client: &SpiClient<'_>, schema: &str, table: &str) -> Result<Option<Oid>, PgError> {
    let query = "SELECT to_json((
                     SELECT c.oid::bigint FROM pg_catalog.pg_class AS c
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
                 ))::text";
    let found: Option<u32> = facts(client, query, &[TEXTOID, TEXTOID], &[schema.into(), table.into()])?;
    Ok(found.map(Oid::from))
}

/// What a query of the catalogue tells as JSON.
fn facts<T: DeserializeOwned>(
    client: &SpiClient<'_>,
    query: &str,
    types: &[Oid],
    arguments: &[pgrx::datum::DatumWithOid<'_>],
) -> Result<T, PgError> {
    TrappedStatement::prepare(client, query, types).fetch(client, arguments)?;
    let json = pg::first_returned(client).unwrap_or_else(|| "null".to_owned());
    Ok(serde_json::from_str(&json)
        .unwrap_or_else(|error| panic!("the query makes what is read, not {error} in {json}")))
}

fn json<'a, T: Serialize>(value: &T) -> pgrx::datum::DatumWithOid<'a> {
    Jsonb::of(value).into()
}

fn system_schemas<'a>() -> pgrx::datum::DatumWithOid<'a> {
    SYSTEM_SCHEMAS.iter().map(|schema| (*schema).to_owned()).collect::<Vec<_>>().into()
}
