-- A table ($1, $2) as a quarantine for rows of another ($3), whose owner is $4 and whose quarantine $5 makes.
SELECT json_build_object(
    'table', (
        SELECT json_build_object(
            'is_ours', c.relkind = 'r' AND coalesce(obj_description(c.oid, 'pg_class') LIKE '%made by registrar.%', false),
            'is_the_owners', c.relowner = $4,
            'has_row_security', c.relrowsecurity,
            'has_code', c.relhasrules OR c.relhastriggers OR EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'x')
            ) OR EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid),
            'missing_columns', (
                SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]')
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = $3 AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_attribute AS q
                    WHERE q.attrelid = c.oid AND q.attname = a.attname AND NOT q.attisdropped
                        AND q.atttypid = a.atttypid AND q.atttypmod = a.atttypmod
                )
            ),
            'grantees', (
                SELECT coalesce(json_agg(DISTINCT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END), '[]')
                FROM aclexplode(c.relacl) AS acl WHERE acl.grantee <> c.relowner
            )
        )
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2
    ),
    -- To whom a table is granted when it is made.
    'default_grantees', (
        SELECT coalesce(json_agg(DISTINCT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END), '[]')
        FROM pg_catalog.pg_default_acl AS d
        CROSS JOIN LATERAL aclexplode(d.defaclacl) AS acl
        WHERE d.defaclrole = $5 AND d.defaclobjtype = 'r' AND acl.grantee <> $5
            AND d.defaclnamespace IN (0, (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1))
    )
)::text
