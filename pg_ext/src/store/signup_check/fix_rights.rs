//! What to do where a right is missing: have the function run as its owner, or grant the right.

use pgrx::pg_sys::BuiltinOid::{OIDOID, TEXTARRAYOID, TEXTOID};
use pgrx::pg_sys::Oid;
use pgrx::spi::{SpiClient, quote_identifier};

use super::culprit::Function;
use super::fix::{Case, pinned};
use super::shapes::Event;
use crate::pg;
use crate::store::plans::Statement;

/// `None` where the error is about no right that can be granted.
pub(super) fn fix(client: &mut SpiClient<'_>, case: &Case<'_>) -> Option<String> {
    let message = case.error.message.as_str();
    if message.contains("row-level security policy") {
        let (_, table) = message.strip_suffix('"')?.rsplit_once('"')?;
        return row_security(client, case, table);
    }
    let (kind, name) = message.strip_prefix("permission denied for ")?.split_once(' ')?;
    let denied = Denied::find(client, case, kind, name)?;
    let acting = quote_identifier(pg::role_name(case.culprit.acting));
    if let Some(function) = case.culprit.function.as_ref().filter(|function| denied.is_held_by(client, function)) {
        return Some(format!(
            "{} runs with the rights of {acting}, which has no {} on {}. Its owner has:\n{}",
            function.name,
            denied.privileges.join(", "),
            denied.object,
            as_its_owner(case, function)
        ));
    }
    Some(format!(
        "The rights in force at {} are those of {acting}, which has no {privileges} on {object}:\nGRANT {privileges} ON {object} TO {acting};",
        case.place(),
        privileges = denied.privileges.join(", "),
        object = denied.object
    ))
}

/// `ALTER FUNCTION … SECURITY DEFINER`, looking names up where it does now: what it found it finds again, and what a caller puts before
/// that it does not.
fn as_its_owner(case: &Case<'_>, function: &Function) -> String {
    match &function.search_path {
        Some(_) => format!("ALTER FUNCTION {} SECURITY DEFINER;", function.name),
        None => {
            format!(
                "ALTER FUNCTION {} SECURITY DEFINER SET search_path = {};",
                function.name,
                pinned(case.search_path())
            )
        }
    }
}

/// ` SECURITY DEFINER` where a function, once it finds a table, would lack the right to write it, and its owner has it.
pub(super) fn definer_needed(
    client: &mut SpiClient<'_>,
    case: &Case<'_>,
    function: &Function,
    schema: &str,
    table: Option<Oid>,
) -> &'static str {
    let may = |client: &mut SpiClient<'_>, role: Oid| {
        let row = MAY_WRITE.run(client, &[role.into(), schema.into(), table.into()]).first();
        row.get_one().ok().flatten() == Some(true)
    };
    let lacks = !function.is_definer && !may(client, case.culprit.acting);
    if lacks && may(client, function.owner) { " SECURITY DEFINER" } else { "" }
}

static MAY_WRITE: Statement = Statement::new(
    "SELECT has_schema_privilege($1, $2, 'USAGE') AND coalesce(has_table_privilege($1, $3, 'INSERT'), true)
         AND ($3 IS NULL OR NOT EXISTS (
             SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = $3 AND c.relrowsecurity AND c.relowner <> $1
         ) OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = $1 AND (r.rolsuper OR r.rolbypassrls)))",
    &[OIDOID, TEXTOID, OIDOID],
);

/// An object that somebody has no right on.
struct Denied {
    oid: Oid,
    /// As GRANT takes it.
    object: String,
    kind: &'static str,
    /// What is needed and lacking.
    privileges: Vec<String>,
}

// PostgreSQL names the object without its schema: of several of that name the one is meant that the failing statement names whole.
static DENIED: Statement = Statement::new(
    "SELECT found.oid, found.object, lacking.privileges
     FROM (
         SELECT c.oid, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, format('%I.%I', n.nspname, c.relname)
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
         UNION ALL
         SELECT n.oid, 'schema', format('%I', n.nspname) FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $2
         UNION ALL
         SELECT p.oid, 'function', p.oid::regprocedure::text FROM pg_catalog.pg_proc AS p WHERE p.proname = $2
     ) AS found (oid, kind, object)
     CROSS JOIN LATERAL (
         SELECT array_agg(privilege ORDER BY place)
         FROM unnest($3) WITH ORDINALITY AS wanted (privilege, place)
         WHERE NOT CASE found.kind
             WHEN 'table' THEN has_table_privilege($4, found.oid, privilege)
             WHEN 'sequence' THEN has_sequence_privilege($4, found.oid, privilege)
             WHEN 'schema' THEN has_schema_privilege($4, found.oid, privilege)
             ELSE has_function_privilege($4, found.oid, privilege)
         END
     ) AS lacking (privileges)
     WHERE found.kind = $1 AND lacking.privileges IS NOT NULL
     ORDER BY strpos($5, found.object) > 0 DESC, found.object
     LIMIT 1",
    &[TEXTOID, TEXTOID, TEXTARRAYOID, OIDOID, TEXTOID],
);

static HOLDS: Statement = Statement::new(
    "SELECT bool_and(CASE $3
         WHEN 'table' THEN has_table_privilege($1, $2, privilege)
         WHEN 'sequence' THEN has_sequence_privilege($1, $2, privilege)
         WHEN 'schema' THEN has_schema_privilege($1, $2, privilege)
         ELSE has_function_privilege($1, $2, privilege)
     END)
     FROM unnest($4) AS wanted (privilege)",
    &[OIDOID, OIDOID, TEXTOID, TEXTARRAYOID],
);

impl Denied {
    fn find(client: &mut SpiClient<'_>, case: &Case<'_>, kind: &str, name: &str) -> Option<Self> {
        let (kind, wanted) = match kind {
            // A materialized view is told by two words; nothing can be written there.
            "table" | "view" => ("table", wanted(case)),
            "sequence" => ("sequence", vec!["USAGE"]),
            "schema" => ("schema", vec!["USAGE"]),
            "function" | "procedure" => ("function", vec!["EXECUTE"]),
            _ => return None,
        };
        let statement = case.culprit.statement.as_deref().or(case.step.map(|step| step.text.as_str()));
        let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        let arguments =
            [kind.into(), name.into(), wanted.into(), case.culprit.acting.into(), statement.unwrap_or_default().into()];
        let row = DENIED.run(client, &arguments).first();
        let object: String = row.get(2).ok().flatten()?;
        let object = match kind {
            "table" => object,
            other => format!("{} {object}", other.to_uppercase()),
        };
        Some(Self { oid: row.get(1).ok().flatten()?, object, kind, privileges: row.get(3).ok().flatten()? })
    }

    /// Whether the function's owner has what the function lacks, so that it need only run as the owner.
    fn is_held_by(&self, client: &mut SpiClient<'_>, function: &Function) -> bool {
        let arguments = [function.owner.into(), self.oid.into(), self.kind.into(), self.privileges.clone().into()];
        !function.is_definer && HOLDS.run(client, &arguments).first().get_one().ok().flatten() == Some(true)
    }
}

/// The privileges that the failing statement takes, by its words.
fn wanted(case: &Case<'_>) -> Vec<&'static str> {
    let Some(statement) = case.culprit.statement.as_deref() else {
        return match case.step.map(|step| step.event) {
            Some(Event::Delete) => vec!["SELECT", "DELETE"],
            _ => vec!["SELECT", "INSERT", "UPDATE"],
        };
    };
    let words: Vec<String> = statement
        .split(|char: char| !char.is_ascii_alphabetic())
        .map(str::to_ascii_uppercase)
        .filter(|word| !word.is_empty())
        .collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    let reads = ["SELECT", "RETURNING", "WHERE", "CONFLICT"].iter().any(|word| has(word));
    let mut wanted: Vec<_> = ["INSERT", "UPDATE", "DELETE"].into_iter().filter(|word| has(word)).collect();
    if reads || wanted.is_empty() {
        wanted.insert(0, "SELECT");
    }
    wanted
}

// Of several tables of that name the one that the failing statement names whole.
static SECURED: Statement = Statement::new(
    "SELECT format('%I.%I', n.nspname, c.relname), c.relowner, n.nspname = 'auth', c.relforcerowsecurity
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relname = $1 AND c.relrowsecurity
     ORDER BY strpos($2, format('%I.%I', n.nspname, c.relname)) > 0 DESC, 1
     LIMIT 1",
    &[TEXTOID, TEXTOID],
);

static EXEMPT: Statement =
    Statement::new("SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles AS r WHERE r.oid = $1", &[OIDOID]);

fn row_security(client: &mut SpiClient<'_>, case: &Case<'_>, table: &str) -> Option<String> {
    let statement = case.culprit.statement.as_deref().or(case.step.map(|step| step.text.as_str())).unwrap_or_default();
    let row = SECURED.run(client, &[table.into(), statement.into()]).first();
    let (table, owner): (String, Oid) = (row.get(1).ok().flatten()?, row.get(2).ok().flatten()?);
    let (is_of_auth, binds_owner): (bool, bool) = (row.get(3).ok().flatten()?, row.get(4).ok().flatten()?);
    let acting = quote_identifier(pg::role_name(case.culprit.acting));
    if is_of_auth && case.culprit.function.is_none() {
        return Some(format!(
            "{table} lets nobody write whom no policy names but its owner, {}. If {acting} is to sign users up:\n\
             ALTER ROLE {acting} BYPASSRLS;",
            quote_identifier(pg::role_name(owner))
        ));
    }
    let is_exempt = |client: &mut SpiClient<'_>, role: Oid| {
        role == owner && !binds_owner
            || EXEMPT.run(client, &[role.into()]).first().get_one().ok().flatten() == Some(true)
    };
    let function = case.culprit.function.as_ref().filter(|function| !function.is_definer);
    if let Some(function) = function.filter(|function| is_exempt(client, function.owner)) {
        return Some(format!(
            "{} writes {table} with the rights of {acting}, which no policy lets. The function's owner needs none:\n{}",
            function.name,
            as_its_owner(case, function)
        ));
    }
    let (action, condition) = if statement.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("update"))
    {
        ("UPDATE", "USING (true)")
    } else {
        ("INSERT", "WITH CHECK (true)")
    };
    Some(format!(
        "No policy of {table} lets {acting} write this row:\n\
         CREATE POLICY signup_{} ON {table} FOR {action} TO {acting} {condition};",
        action.to_lowercase()
    ))
}
