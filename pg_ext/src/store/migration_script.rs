//! Everything of registrar's that stands outside the app's own schemas, as one script for a folder of migrations.

use pgrx::spi::{SpiClient, quote_literal};

use super::public_access::PublicAccess;
use super::setup_grants::{SCRIPT, SETUP_GRANTS};
use super::{api_wrappers, migration_tables, public_access, storage};
use crate::pg;

/// The script. Two calls give the same text as long as nothing was changed, and the script changes nothing where all is there.
pub(crate) fn write(client: &mut SpiClient<'_>) -> String {
    let mut script = format!(
        "-- registrar {}: what a dump of the app's schemas alone does not bring back. Written by registrar.migration_sql().
-- Run it as superuser, where the app's tables are. Run again it changes nothing.
SET search_path = pg_catalog, pg_temp;

CREATE EXTENSION IF NOT EXISTS registrar;
SELECT registrar.setup();
",
        env!("CARGO_PKG_VERSION")
    );
    for (title, statements) in [
        ("Settings of the database, in force for new sessions", settings(client)),
        // The caller has no right to look into registrar_private.
        ("Roles that users can have in the app", pg::as_registrar(|| roles(client))),
        ("What visitors may do", pg::as_registrar(|| public_access(client))),
        ("Rights on registrar's own that are others than setup() gives", rights(client)),
        ("Columns that the doctor watches over", pg::as_registrar(|| lines(client, DECLARED, None))),
    ] {
        if !statements.is_empty() {
            script.push_str(&format!("\n-- {title}.\n{}\n", statements.join("\n")));
        }
    }
    script.push_str(&pg::as_registrar(|| migration_tables::write(client)));
    let wrappers = wrappers(client);
    if !wrappers.is_empty() {
        let title = "Wrappers for callers that cannot name the schema registrar";
        script.push_str(&format!("\n-- {title}.\n{}\n", wrappers.join("\n")));
    }
    script.push_str("\nRESET search_path;\n");
    script
}

/// The text in the first column of each row.
pub(super) fn lines(client: &mut SpiClient<'_>, query: &str, parameter: Option<&str>) -> Vec<String> {
    let parameters: Vec<_> = parameter.into_iter().map(Into::into).collect();
    let rows = client.update(query, None, &parameters).expect("a catalogue query");
    rows.filter_map(|row| row.get(1).ok().flatten()).collect()
}

/// A DO statement, quoted by a word that its body has not.
pub(super) fn do_statement(body: &str) -> String {
    let mut word = "registrar".to_owned();
    while body.contains(&format!("${word}$")) {
        word.push('_');
    }
    format!("DO ${word}$\n{body}\n${word}$;")
}

const DECLARED: &str = "
    SELECT format(
        'SELECT registrar.declare_relation(%L, %L, %s);',
        format('%I.%I', d.schema_name, d.table_name), d.column_name, d.update_cascade::text
    )
    FROM registrar_private.declared_relations AS d
    ORDER BY d.schema_name COLLATE \"C\", d.table_name COLLATE \"C\", d.column_name COLLATE \"C\"";

/// A setting that the library does not know (any more) would be refused.
const SETTINGS: &str = "
    SELECT CASE s.setrole
        WHEN 0 THEN format(
            '    EXECUTE format(''ALTER DATABASE %%I SET %s TO %%L'', current_database(), %L);', known.name, item.value
        )
        ELSE format(
            '    EXECUTE format(''ALTER ROLE %%I IN DATABASE %%I SET %s TO %%L'', %L, current_database(), %L);',
            known.name, r.rolname, item.value
        )
    END
    FROM pg_catalog.pg_db_role_setting AS s
    JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase AND d.datname = current_database()
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    CROSS JOIN LATERAL unnest(s.setconfig) AS config
    CROSS JOIN LATERAL (
        SELECT split_part(config, '=', 1), substr(config, strpos(config, '=') + 1)
    ) AS item (name, value)
    JOIN pg_catalog.pg_settings AS known ON known.name = lower(item.name) AND known.name LIKE 'registrar.%'
    ORDER BY r.rolname NULLS FIRST, known.name";

fn settings(client: &mut SpiClient<'_>) -> Vec<String> {
    let settings = lines(client, SETTINGS, None);
    if settings.is_empty() {
        return Vec::new();
    }
    vec![do_statement(&format!("BEGIN\n{}\nEND", settings.join("\n")))]
}

/// Nothing, unless the owner has said otherwise.
fn public_access(client: &mut SpiClient<'_>) -> Vec<String> {
    let PublicAccess::SignIn { sender } = public_access::read(client) else { return Vec::new() };
    let sender = sender.map(|name| format!(", {}", quote_literal(format!("{name}(jsonb)"))));
    vec![format!("SELECT registrar.allow_public_sign_in(true{});", sender.unwrap_or_default())]
}

/// Those that `setup()` did not make, or not as they are now; and what it made and is gone.
fn roles(client: &mut SpiClient<'_>) -> Vec<String> {
    let (_, made) = storage::ROLES.rsplit_once("VALUES").expect("the migration inserts roles");
    let made = format!(
        "SELECT * FROM (VALUES {}) AS made (name, description, is_default)",
        made.trim_end().trim_end_matches(';')
    );
    let rows = format!(
        "SELECT format('    (%L, %L, %s)', r.name, r.description, r.is_default::text)
         FROM registrar_private.roles AS r
         WHERE (r.name, r.description, r.is_default) NOT IN ({made})
         ORDER BY r.is_default, r.name COLLATE \"C\""
    );
    let gone = format!(
        "SELECT format('DELETE FROM registrar_private.roles WHERE name = %L;', made.name)
         FROM ({made}) AS made
         WHERE made.name NOT IN (SELECT r.name FROM registrar_private.roles AS r)
         ORDER BY made.name COLLATE \"C\""
    );
    // There is one default role at most, at any moment.
    let no_longer_default = format!(
        "SELECT format(
             'UPDATE registrar_private.roles SET is_default = false WHERE is_default AND name IS DISTINCT FROM %L;',
             (SELECT r.name FROM registrar_private.roles AS r WHERE r.is_default)
         )
         FROM ({made}) AS made
         WHERE made.is_default AND NOT EXISTS (
             SELECT FROM registrar_private.roles AS r WHERE r.is_default AND r.name = made.name
         )"
    );
    let mut statements = lines(client, &no_longer_default, None);
    let rows = lines(client, &rows, None);
    if !rows.is_empty() {
        statements.push(format!(
            "INSERT INTO registrar_private.roles AS r (name, description, is_default) VALUES\n{}
ON CONFLICT (name) DO UPDATE SET description = excluded.description, is_default = excluded.is_default
WHERE (r.description, r.is_default) <> (excluded.description, excluded.is_default);",
            rows.join(",\n")
        ));
    }
    statements.extend(lines(client, &gone, None));
    statements
}

/// What was granted besides, in the order in which it was, so that granting it once more leaves it as it is; and what the API's roles
/// were deprived of.
fn rights(client: &mut SpiClient<'_>) -> Vec<String> {
    let query = format!(
        "WITH {SETUP_GRANTS},
         objects (object, owner, acl) AS (
             SELECT format('SCHEMA %I', n.nspname), n.nspowner, n.nspacl
             FROM pg_catalog.pg_namespace AS n
             WHERE n.nspname IN ('registrar', 'registrar_private')
             UNION ALL
             SELECT format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass), c.relowner, c.relacl
             FROM pg_catalog.pg_class AS c
             WHERE c.relnamespace::regnamespace::text IN ('registrar', 'registrar_private')
                 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
             UNION ALL
             SELECT format('ROUTINE %s', p.oid::regprocedure), p.proowner, p.proacl
             FROM pg_catalog.pg_proc AS p
             WHERE p.pronamespace::regnamespace::text IN ('registrar', 'registrar_private')
         ),
         granted (object, privilege, role, is_grantable, place) AS (
             SELECT o.object, acl.privilege_type, CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END,
                    acl.is_grantable, acl.place
             FROM objects AS o
             CROSS JOIN LATERAL aclexplode(o.acl) WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, place)
             WHERE acl.grantee NOT IN (o.owner, 'registrar_owner'::regrole)
         )
         SELECT differing.statement
         FROM (
             SELECT object, place, format(
                 'GRANT %s ON %s TO %s%s;', privilege, object, role, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END
             )
             FROM granted
             WHERE (object, privilege, role) NOT IN (
                 SELECT object, privilege, role FROM setup_grants WHERE object IS NOT NULL
             )
             UNION ALL
             SELECT object, 0, format('REVOKE %s ON %s FROM %s;', privilege, object, role)
             FROM setup_grants
             WHERE role IN ('anon', 'authenticated', 'service_role')
                 AND (object, privilege, role) NOT IN (SELECT object, privilege, role FROM granted)
         ) AS differing (object, place, statement)
         ORDER BY differing.object COLLATE \"C\", differing.place, differing.statement COLLATE \"C\""
    );
    let public = pg::as_registrar(|| public_access::read(client).script());
    lines(client, &query, Some(&format!("{SCRIPT}{public}")))
}

fn wrappers(client: &mut SpiClient<'_>) -> Vec<String> {
    let exposed = api_wrappers::exposed(client);
    exposed
        .into_iter()
        .map(|schema| {
            let functions = schema.functions.map(|names| {
                let names: Vec<_> = names.iter().map(quote_literal).collect();
                format!(", ARRAY[{}]::text[]", names.join(", "))
            });
            let call =
                format!("registrar.expose_api({}{})", quote_literal(&schema.name), functions.unwrap_or_default());
            match schema.owner {
                None => format!("SELECT {call};"),
                Some(owner) => do_statement(&format!(
                    "DECLARE
    caller constant text := current_setting('role');
BEGIN
    PERFORM set_config('role', {owner}, true);
    PERFORM {call};
    PERFORM set_config('role', caller, true);
END",
                    owner = quote_literal(owner)
                )),
            }
        })
        .collect()
}
