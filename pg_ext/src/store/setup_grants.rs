//! What `setup()` grants, read from its own script: who may call what is said in one place.

use super::storage;

/// The script, which is the parameter `$1` of a query that begins with [`SETUP_GRANTS`].
pub(super) const SCRIPT: &str = storage::API_ACCESS;

/// A query's `WITH` item: `object` is as GRANT writes it (`SCHEMA registrar`, `TABLE registrar.profile_tables`,
/// `ROUTINE registrar.verify_email(text)`), `role` quoted where it must be.
pub(super) const SETUP_GRANTS: &str = "
setup_grants (object, privilege, role) AS (
    SELECT
        CASE
            WHEN named[1] LIKE '%(%' THEN 'ROUTINE ' || to_regprocedure(named[1])::text
            WHEN named[1] LIKE 'SCHEMA %' THEN named[1]
            ELSE 'TABLE ' || named[1]
        END,
        statement[1],
        CASE role
            WHEN '%s' THEN (SELECT d.datdba::regrole::text FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
            ELSE role
        END
    FROM regexp_matches($1, 'GRANT ([A-Z]+) ON ([^;'']+)[[:space:]]TO[[:space:]]([^;'']+)[;'']', 'g') AS statement
    CROSS JOIN LATERAL regexp_matches(statement[2], '((?:SCHEMA )?registrar(?:[.][a-z0-9_]+(?:[(][^)]*[)])?)?)', 'g') AS named
    CROSS JOIN LATERAL regexp_split_to_table(statement[3], ',[[:space:]]*') AS role
)";
