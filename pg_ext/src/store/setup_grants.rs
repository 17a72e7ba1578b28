//! What `setup()` grants, read from its own script: who may call what is said in one place.

use super::storage;

/// The script, which is the parameter `$1` of a query that begins with [`SETUP_GRANTS`].
pub(super) const SCRIPT: &str = storage::API_ACCESS;

/// Functions are looked up by their text: `to_regprocedure` would ask for a right on the schema, which the caller need not have.
///
/// A query's `WITH` item: `object` is as GRANT writes it (`SCHEMA registrar`, `TABLE registrar.profile_tables`,
/// `ROUTINE registrar.verify_email(text)`), `role` quoted where it must be.
pub(super) const SETUP_GRANTS: &str = "
setup_grants (object, privilege, role) AS (
    SELECT
        CASE
            WHEN named[1] LIKE '%(%' THEN 'ROUTINE ' || f.oid::regprocedure
            WHEN named[1] LIKE 'SCHEMA %' THEN named[1]
            ELSE 'TABLE ' || named[1]
        END,
        statement[1],
        CASE role
            WHEN '%s' THEN (SELECT d.datdba::regrole::text FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
            ELSE role
        END
    FROM regexp_matches($1, 'GRANT ([A-Z]+) ON ([^;'']+)[[:space:]]TO[[:space:]]([^;'']+)[;'']', 'g') AS statement
    CROSS JOIN LATERAL regexp_matches(statement[2], '((?:SCHEMA )?registrar(?:_private)?(?:[.][a-z0-9_]+(?:[(][^)]*[)])?)?)', 'g') AS named
    CROSS JOIN LATERAL regexp_split_to_table(statement[3], ',[[:space:]]*') AS role
    LEFT JOIN (
        SELECT p.oid, format('%s.%s(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('registrar', 'registrar_private')
    ) AS f (oid, signature) ON f.signature = named[1]
)";
