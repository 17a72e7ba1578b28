//! The attached profile tables in the script of `migration_sql`: how each is attached, its row security, and what the API's roles
//! may do with it. The table itself is the app's.

use pgrx::spi::SpiClient;

use super::migration_script::{do_statement, lines};

/// That part of the script, empty where nothing is attached.
pub(super) fn write(client: &mut SpiClient<'_>) -> String {
    let mut part = String::new();
    let mut add = |title: &str, statements: &[String]| {
        if !statements.is_empty() {
            part.push_str(&format!("\n-- {title}.\n{}\n", statements.join("\n")));
        }
    };
    add("Profile tables, the primary one first", &lines(client, ATTACHMENTS, None));
    let row_security = lines(client, &row_security(), None);
    if !row_security.is_empty() {
        let body = format!("BEGIN\n{}\nEND", row_security.join("\n"));
        add("Row security of the profile tables", &[do_statement(&body)]);
    }
    let mut rights = lines(client, &usage(), None);
    let objects = lines(client, &objects(), None);
    if !objects.is_empty() {
        rights.push(do_statement(&set_rights(&objects)));
    }
    add(
        "Rights of the API's roles on the profile tables, these and no others: default privileges may give more",
        &rights,
    );
    part
}

const ATTACHMENTS: &str = "
    SELECT CASE
        WHEN c.oid IS NULL THEN
            format('-- %s is attached, but missing.', translate(named.relation, E'\\r\\n', '  '))
        ELSE format(
            'SELECT registrar.attach_profile_table(%L, %L, %L, %L);', named.relation, p.user_column, listed.fields, p.on_failure
        )
    END
    FROM registrar_private.profile_tables AS p
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schema_name
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.table_name
    CROSS JOIN LATERAL format('%I.%I', p.schema_name, p.table_name) AS named (relation)
    CROSS JOIN LATERAL (
        SELECT coalesce(E'[\\n    ' || string_agg(field.spec::text, E',\\n    ' ORDER BY field.place) || E'\\n]', '[]')
        FROM jsonb_array_elements(p.fields) WITH ORDINALITY AS field (spec, place)
    ) AS listed (fields)
    ORDER BY p.position";

/// The tables that are there, as `c`.
const ATTACHED: &str = "
    registrar_private.profile_tables AS p
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schema_name
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.table_name";

/// A policy that is there stays as it is.
fn row_security() -> String {
    format!(
        "SELECT secured.statement
         FROM (
             SELECT p.position, '', format(
                 E'    IF NOT (SELECT %s FROM pg_catalog.pg_class WHERE oid = %L::regclass) THEN\\n'
                     '        ALTER TABLE %s %s ROW LEVEL SECURITY;\\n    END IF;',
                 switch.name, c.oid::regclass, c.oid::regclass, switch.action
             )
             FROM {ATTACHED}
             CROSS JOIN LATERAL (
                 VALUES ('relrowsecurity', 'ENABLE', c.relrowsecurity), ('relforcerowsecurity', 'FORCE', c.relforcerowsecurity)
             ) AS switch (name, action, is_on)
             WHERE switch.is_on
             UNION ALL
             SELECT p.position, policy.polname, format(
                 E'    IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = %L::regclass AND polname = %L) THEN\\n'
                     '        CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s;\\n    END IF;',
                 c.oid::regclass, policy.polname, policy.polname, c.oid::regclass,
                 CASE WHEN policy.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                 CASE policy.polcmd
                     WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL'
                 END,
                 (
                     SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ' ORDER BY place)
                     FROM unnest(policy.polroles) WITH ORDINALITY AS named (role, place)
                 ),
                 ' USING (' || pg_get_expr(policy.polqual, policy.polrelid) || ')',
                 ' WITH CHECK (' || pg_get_expr(policy.polwithcheck, policy.polrelid) || ')'
             )
             FROM {ATTACHED} JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = c.oid
         ) AS secured (position, policy, statement)
         ORDER BY secured.position, secured.policy, secured.statement COLLATE \"C\""
    )
}

fn usage() -> String {
    format!(
        "SELECT format('GRANT USAGE ON SCHEMA %I TO %s;', n.nspname, coalesce(r.rolname, 'PUBLIC'))
         FROM pg_catalog.pg_namespace AS n
         CROSS JOIN LATERAL aclexplode(n.nspacl) WITH ORDINALITY AS acl (grantor, grantee, privilege_type, is_grantable, place)
         LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = acl.grantee
         WHERE n.oid IN (SELECT c.relnamespace FROM {ATTACHED}) AND acl.privilege_type = 'USAGE'
             AND (acl.grantee = 0 OR r.rolname IN ('anon', 'authenticated', 'service_role'))
         ORDER BY n.nspname, acl.place"
    )
}

/// The rights that everybody and the API's roles have on the table or sequence `object`, as statements. It stands in the script
/// too, which compares: so rights that are as they should be are not touched.
const RIGHTS: &str = "ARRAY(
            SELECT format(
                'GRANT %s ON %s TO %s%s', string_agg(privilege.words, ', ' ORDER BY privilege.words COLLATE \"C\"), object.name,
                privilege.role, CASE WHEN privilege.is_grantable THEN ' WITH GRANT OPTION' END
            )
            FROM (
                SELECT
                    coalesce(r.rolname, 'PUBLIC'), held.is_grantable,
                    held.privilege_type || coalesce(' (' || string_agg(quote_ident(held.column_name), ', ' ORDER BY held.column_name) || ')', '')
                FROM (
                    SELECT acl.grantee, acl.privilege_type, acl.is_grantable, NULL
                    FROM pg_catalog.pg_class AS c
                    CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
                    WHERE c.oid = object.id AND acl.grantee <> c.relowner
                    UNION
                    SELECT acl.grantee, acl.privilege_type, acl.is_grantable, a.attname
                    FROM pg_catalog.pg_attribute AS a
                    CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
                    WHERE a.attrelid = object.id AND NOT a.attisdropped
                ) AS held (grantee, privilege_type, is_grantable, column_name)
                LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = held.grantee
                WHERE held.grantee = 0 OR r.rolname IN ('anon', 'authenticated', 'service_role')
                GROUP BY r.rolname, held.is_grantable, held.privilege_type, held.column_name IS NULL
            ) AS privilege (role, is_grantable, words)
            GROUP BY privilege.role, privilege.is_grantable
            ORDER BY privilege.role, privilege.is_grantable
        )";

/// The tables, and the sequences of their columns.
fn objects() -> String {
    format!(
        "SELECT format(
             E'            (%L, %L::regclass, ARRAY[%s]::text[])', object.name, object.id::regclass,
             (
                 SELECT string_agg(E'\\n                ' || quote_literal(statement), ',' ORDER BY place)
                 FROM unnest({RIGHTS}) WITH ORDINALITY AS granted (statement, place)
             )
         )
         FROM (
             SELECT p.position, format('TABLE %s', c.oid::regclass), c.oid FROM {ATTACHED}
             UNION ALL
             SELECT p.position, format('SEQUENCE %s', s.oid::regclass), s.oid
             FROM {ATTACHED}
             JOIN pg_catalog.pg_depend AS d ON d.refobjid = c.oid AND d.deptype = 'a'
             JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND d.classid = 'pg_class'::regclass AND s.relkind = 'S'
         ) AS object (position, name, id)
         ORDER BY object.position, object.name COLLATE \"C\" DESC"
    )
}

fn set_rights(objects: &[String]) -> String {
    format!(
        "DECLARE
    differing record;
    statement text;
BEGIN
    FOR differing IN
        SELECT object.name, object.grants
        FROM (VALUES
{}
        ) AS object (name, id, grants)
        WHERE object.grants <> {RIGHTS}
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, anon, authenticated, service_role', differing.name);
        FOREACH statement IN ARRAY differing.grants LOOP
            EXECUTE statement;
        END LOOP;
    END LOOP;
END",
        objects.join(",\n")
    )
}
