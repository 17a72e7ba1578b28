-- The columns that hold users, each with its foreign keys: those named in $1 (attached, declared, registrar's own and Auth's), and
-- those that look like it on their own: a foreign key to auth.users, or a column user_id without any. $2 is the schemas of
-- PostgreSQL's, Supabase's and registrar's own, in which nothing is looked for; $3 is auth.users.
WITH named AS (
    SELECT n.origin, n.schema_name, n.table_name, n.column_name, n.update_cascade, c.oid AS table_oid, a.attnum
    FROM jsonb_to_recordset($1) AS n (
        origin text, schema_name text, table_name text, column_name text, update_cascade boolean
    )
    LEFT JOIN pg_catalog.pg_namespace AS s ON s.nspname = n.schema_name
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = s.oid AND c.relname = n.table_name
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = c.oid AND a.attname = n.column_name AND a.attnum > 0 AND NOT a.attisdropped
), users AS (
    SELECT $3::oid AS oid
), found AS (
    SELECT 'found' AS origin, s.nspname::text, c.relname::text, a.attname::text, false, c.oid, a.attnum
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN users
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND s.nspname <> ALL ($2)
        AND (
            EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS f
                WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid = users.oid AND f.conkey = ARRAY[a.attnum]
            )
            OR a.attname = 'user_id' AND a.atttypid IN ('uuid'::regtype, 'text'::regtype, 'varchar'::regtype)
        )
        AND NOT EXISTS (SELECT FROM named AS n WHERE n.table_oid = c.oid AND n.attnum = a.attnum)
        -- A quarantine, where rows without a user belong.
        AND coalesce(obj_description(c.oid, 'pg_class') NOT LIKE '%made by registrar.verify_and_fix_constraint.%', true)
        -- What an extension made is its own business.
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
), relations AS (
    SELECT * FROM named
    UNION ALL
    SELECT * FROM found
), described AS (
    SELECT
        r.origin,
        r.schema_name,
        r.table_name,
        r.column_name,
        r.update_cascade,
        r.table_oid::bigint,
        c.relkind::text AS kind,
        format_type(a.atttypid, NULL) AS column_type,
        EXISTS (
            SELECT FROM pg_catalog.pg_index AS i
            WHERE i.indrelid = r.table_oid AND i.indkey[0] = r.attnum AND i.indisvalid AND i.indpred IS NULL
        ) AS has_index,
        EXISTS (
            SELECT FROM pg_catalog.pg_index AS i
            WHERE i.indrelid = r.table_oid AND i.indkey[0] = r.attnum AND i.indisvalid AND i.indpred IS NULL
                AND i.indisunique AND i.indnkeyatts = 1
        ) AS is_unique,
        coalesce(
            (SELECT json_agg(f.conname ORDER BY f.conname) FROM pg_catalog.pg_constraint AS f WHERE f.conrelid = r.table_oid),
            '[]'
        ) AS constraint_names,
        coalesce(
            (
                SELECT json_agg(
                    json_build_object(
                        'name', f.conname,
                        'refers_to', format('%s.%s', ns.nspname, nc.relname),
                        'is_to_users', f.confrelid = users.oid AND k.attname = 'id',
                        'leads_to_users', EXISTS (
                            SELECT FROM pg_catalog.pg_constraint AS next
                            WHERE next.contype = 'f' AND next.conrelid = f.confrelid AND next.confrelid = users.oid
                                AND next.conkey = f.confkey
                        ),
                        'on_delete', f.confdeltype,
                        'on_update', f.confupdtype,
                        'is_valid', f.convalidated
                    )
                    ORDER BY f.conname
                )
                FROM pg_catalog.pg_constraint AS f
                JOIN pg_catalog.pg_class AS nc ON nc.oid = f.confrelid
                JOIN pg_catalog.pg_namespace AS ns ON ns.oid = nc.relnamespace
                JOIN pg_catalog.pg_attribute AS k ON k.attrelid = f.confrelid AND k.attnum = f.confkey[1]
                WHERE f.conrelid = r.table_oid AND f.contype = 'f' AND f.conkey = ARRAY[r.attnum]
            ),
            '[]'
        ) AS foreign_keys
    FROM relations AS r
    CROSS JOIN users
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = r.table_oid
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.table_oid AND a.attnum = r.attnum
)
SELECT coalesce(json_agg(d ORDER BY d.origin, d.schema_name, d.table_name, d.column_name), '[]')::text FROM described AS d
