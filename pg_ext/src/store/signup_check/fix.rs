//! What to do about a sign-up that fails, by the kind of its error.

use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::pg_sys::Oid;
use pgrx::spi::{SpiClient, quote_identifier};

use super::culprit::Culprit;
use super::shapes::{Shape, Step};
use super::{fix_constraint, fix_rights};
use crate::pg::{self, PgError};
use crate::store::plans::Statement;

/// A sign-up that failed.
pub(super) struct Case<'a> {
    pub(super) shape: Shape,
    /// `None` for the commit.
    pub(super) step: Option<&'a Step>,
    pub(super) error: &'a PgError,
    pub(super) culprit: &'a Culprit,
    /// The search_path of the role that signs users up.
    pub(super) role_search_path: &'a str,
    pub(super) user_id: String,
}

impl Case<'_> {
    /// Where to look: in the function, or at the step.
    pub(super) fn place(&self) -> String {
        let step = || self.step.map_or("the deferred constraint", |step| step.words.as_str()).to_owned();
        self.culprit.place().unwrap_or_else(step)
    }

    /// The list of schemas that the function looks names up in.
    pub(super) fn search_path(&self) -> &str {
        let own = self.culprit.function.as_ref().and_then(|function| function.search_path.as_deref());
        own.unwrap_or(self.role_search_path)
    }

    /// ` or, where the trigger is of no use any more: DROP TRIGGER …;`
    pub(super) fn or_drop_trigger(&self) -> String {
        let trigger = self.culprit.trigger.as_ref();
        trigger.map_or_else(String::new, |trigger| {
            format!(" Where the trigger is of no use any more: DROP TRIGGER {};", trigger.name)
        })
    }
}

/// What to do, in sentences; where one statement does it, that is the last line.
pub(super) fn fix(client: &mut SpiClient<'_>, case: &Case<'_>) -> String {
    let place = case.place();
    if case.error.is_raised() {
        return raised(case, &place);
    }
    let sqlstate = case.error.sqlstate();
    let found = match sqlstate.as_str() {
        "42P01" | "42883" | "42704" => missing_name(client, case),
        "42501" => fix_rights::fix(client, case),
        "23502" => fix_constraint::not_null(client, case),
        "23503" => fix_constraint::foreign_key(client, case),
        "23505" => Some(fix_constraint::unique(case)),
        "23514" => fix_constraint::check(client, case),
        "55P03" => Some(locked(client)),
        "09000" => Some(suppressed(case)),
        "25006" => Some("Call signup_check in a transaction that may write, on the primary server.".to_owned()),
        "42703" => Some(format!("Name the columns in {place} as they are called now.")),
        "54001" => {
            Some(format!("Have {place} not write what its own trigger fires for: it sets itself off again and again."))
        }
        code if code.starts_with("22") => {
            Some(format!("Have {place} check or cut the value first: it is not of its type, or too long."))
        }
        _ => None,
    };
    let hint = case.error.hint.as_deref().map(|hint| format!(" PostgreSQL's hint: {hint}")).unwrap_or_default();
    found.unwrap_or_else(|| format!("Mend {place}.{hint}"))
}

fn raised(case: &Case<'_>, place: &str) -> String {
    let hint = case.error.hint.as_deref().map(|hint| format!(" Its hint: {hint}")).unwrap_or_default();
    format!(
        "The app's own code refuses this sign-up, at {place}. Where it should not, change what that asks for; a sign-up of the shape {} \
         brings no more than the check did.{hint}",
        case.shape.name()
    )
}

fn suppressed(case: &Case<'_>) -> String {
    match &case.culprit.function {
        Some(function) => format!("A BEFORE trigger that returns NULL drops the row: have {} RETURN NEW.", function.name),
        None => "A BEFORE trigger that returns NULL drops the row, or a rule does, or the role may not see it: have each trigger RETURN NEW, \
                 and the role be the owner of the table."
            .to_owned(),
    }
}

/// Too slow for the role's `statement_timeout`.
pub(super) fn slow(role: Oid, taken: u64) -> String {
    // Twice the time, in whole seconds.
    let enough = taken * 2 / 1000 + 1;
    format!(
        "A statement timeout cannot be caught: the sign-up is lost. Make the triggers faster, or give the role more time:\n\
         ALTER ROLE {} SET statement_timeout = '{enough}s';",
        quote_identifier(pg::role_name(role))
    )
}

// What is locked so that nobody else may write, by others.
static LOCKS: Statement = Statement::new(
    "SELECT format('%s is locked by process %s', l.relation::regclass, l.pid)
     FROM pg_catalog.pg_locks AS l
     JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
     WHERE l.granted AND l.pid <> pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p')
         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
         AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
         AND c.relnamespace <> 'pg_catalog'::regnamespace
     ORDER BY 1",
    &[],
);

fn locked(client: &mut SpiClient<'_>) -> String {
    let held: Vec<String> = LOCKS.run(client, &[]).filter_map(|row| row.get(1).ok().flatten()).collect();
    let held = if held.is_empty() { "Another session has locked it".to_owned() } else { held.join("; ") };
    format!(
        "{held}, a migration perhaps: let it commit, or end it. Until then sign-ups wait, for as long as the role's lock_timeout lets them. \
         A function with SET lock_timeout and an EXCEPTION block, as registrar's, costs no sign-up."
    )
}

// Where something of that name is, but for schemas of temporary tables.
static FOUND_IN: Statement = Statement::new(
    "SELECT n.nspname::text, found.oid
     FROM (
         SELECT 'relation', c.oid, c.relnamespace, c.relname::text FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
         UNION ALL
         SELECT 'function', p.oid, p.pronamespace, p.proname::text FROM pg_catalog.pg_proc AS p
         UNION ALL
         SELECT 'type', t.oid, t.typnamespace, t.typname::text FROM pg_catalog.pg_type AS t
     ) AS found (kind, oid, namespace, name)
     JOIN pg_catalog.pg_namespace AS n ON n.oid = found.namespace
     WHERE found.kind = $1 AND found.name = $2 AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
     ORDER BY n.nspname <> 'public', n.nspname
     LIMIT 1",
    &[TEXTOID, TEXTOID],
);

/// A name that is not there, or only in a schema that is not on the search_path.
fn missing_name(client: &mut SpiClient<'_>, case: &Case<'_>) -> Option<String> {
    let (kind, name) = missing(&case.error.message)?;
    let place = case.place();
    let absent = || format!("There is no {kind} {name}: make it, or mend {place}.{}", case.or_drop_trigger());
    let Some(function) = &case.culprit.function else { return Some(absent()) };
    let found = FOUND_IN.run(client, &[kind.into(), name.into()]).first();
    let (Some(schema), Some(oid)) = (found.get::<String>(1).ok().flatten(), found.get::<Oid>(2).ok().flatten()) else {
        return Some(absent());
    };
    let path = with_schema(case.search_path(), &schema);
    let definer = fix_rights::definer_needed(client, case, function, &schema, (kind == "relation").then_some(oid));
    Some(format!(
        "The {kind} {name} is in the schema {schema}, which {} does not look in. Write {schema}.{name}, or:\n\
         ALTER FUNCTION {}{definer} SET search_path = {path};",
        function.name, function.name
    ))
}

/// The kind and name that PostgreSQL's message says do not exist.
fn missing(message: &str) -> Option<(&'static str, &str)> {
    let name = message.strip_suffix(" does not exist")?;
    let quoted = |kind| Some((kind, name.strip_prefix(kind)?.strip_prefix(" \"")?.strip_suffix('"')?));
    let called = || Some(("function", name.strip_prefix("function ")?.split_once('(')?.0));
    quoted("relation").or_else(|| quoted("type")).or_else(called)
}

/// A search_path with one schema more, and temporary tables last: whoever makes one must not be preferred.
fn with_schema(path: &str, schema: &str) -> String {
    let (schema, mut schemas) = (quote_identifier(schema), schemas(path));
    if !schemas.contains(&schema.as_str()) {
        schemas.push(&schema);
    }
    schemas.push("pg_temp");
    schemas.join(", ")
}

/// The same schemas, temporary tables last.
pub(super) fn pinned(path: &str) -> String {
    let schemas = schemas(path);
    if schemas.is_empty() { "''".to_owned() } else { format!("{}, pg_temp", schemas.join(", ")) }
}

fn schemas(path: &str) -> Vec<&str> {
    path.split(',').map(str::trim).filter(|entry| !matches!(*entry, "" | "\"\"" | "pg_temp")).collect()
}
