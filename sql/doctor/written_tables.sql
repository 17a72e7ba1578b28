-- What becomes of the tables that trigger functions write, $1: where each name leads, and whether the function's role may go there.
WITH asked AS (
    SELECT * FROM jsonb_to_recordset($1) AS asked (
        place integer, schema_name text, table_name text, privilege text, role_name text, search_path text[]
    )
), named AS (
    SELECT
        a.*,
        c.oid,
        n.oid AS schema_oid,
        -- Where the text names no schema, the first of the search_path that has such a table counts.
        row_number() OVER (
            PARTITION BY a.place
            ORDER BY array_position(a.search_path, n.nspname::text) NULLS LAST, n.nspname
        ) AS rank,
        array_position(a.search_path, n.nspname::text) IS NOT NULL AS is_in_path
    FROM asked AS a
    LEFT JOIN (
        pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n
            ON n.oid = c.relnamespace AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
    ) ON c.relname = a.table_name AND c.relkind IN ('r', 'p', 'v', 'f') AND coalesce(n.nspname = a.schema_name, true)
), described AS (
    SELECT
        n.place,
        n.oid::bigint AS table_oid,
        n.oid::regclass::text AS quoted,
        CASE WHEN n.oid IS NOT NULL THEN n.schema_name IS NOT NULL OR n.is_in_path END AS is_reached,
        (
            SELECT json_agg(quote_ident(s.nspname) ORDER BY s.nspname)
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
            WHERE c.relname = n.table_name AND c.relkind IN ('r', 'p')
                AND s.nspname <> 'information_schema' AND s.nspname NOT LIKE 'pg\_%'
        ) AS schemas,
        quote_ident(s.nspname) AS schema,
        has_schema_privilege(n.role_name, s.oid, 'USAGE') AS may_use_schema,
        has_table_privilege(n.role_name, n.oid, n.privilege)
            OR n.privilege <> 'DELETE' AND has_any_column_privilege(n.role_name, n.oid, n.privilege) AS may_write,
        o.rolname AS owner,
        o.rolsuper AS is_owned_by_superuser
    FROM named AS n
    LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = n.schema_oid
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = n.oid
    LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner
    WHERE n.rank = 1
)
SELECT coalesce(json_agg(d ORDER BY d.place), '[]')::text FROM described AS d
