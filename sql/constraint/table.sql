-- A table by its schema ($1) and name ($2), with its columns and, where it is partitioned, the partitions that hold rows.
SELECT json_build_object(
    'oid', c.oid::bigint,
    'schema', n.nspname,
    'name', c.relname,
    'kind', c.relkind,
    'is_temporary', c.relpersistence = 't',
    'partition_of', (
        SELECT format('%I.%I', pn.nspname, p.relname)
        FROM pg_catalog.pg_inherits AS i
        JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
        JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
        WHERE i.inhrelid = c.oid AND c.relispartition
    ),
    'owner', c.relowner::bigint,
    'owner_name', c.relowner::regrole::text,
    'columns', coalesce(columns.all, '[]'),
    'leaves', coalesce(leaves.all, '[]')
)::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'is_uuid', base.oid = 'uuid'::regtype,
        'base_type', format_type(base.oid, NULL),
        'category', base.typcategory,
        'is_generated', a.attgenerated <> '',
        -- Whether an insert that leaves it out fails.
        'is_demanded', a.attnotnull AND a.attidentity = '' AND NOT a.atthasdef AND t.typdefault IS NULL
    ) ORDER BY a.attnum) AS "all"
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    CROSS JOIN LATERAL (
        WITH RECURSIVE below AS (
            SELECT t.oid, t.typtype, t.typbasetype, t.typcategory
            UNION ALL
            SELECT b.oid, b.typtype, b.typbasetype, b.typcategory
            FROM below JOIN pg_catalog.pg_type AS b ON b.oid = below.typbasetype
            WHERE below.typtype = 'd'
        )
        SELECT below.oid, below.typcategory FROM below WHERE below.typtype <> 'd'
    ) AS base
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS columns
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object('oid', l.oid::bigint, 'schema', ln.nspname, 'name', l.relname, 'kind', l.relkind)
                    ORDER BY l.oid) AS "all"
    FROM pg_catalog.pg_partition_tree(c.oid) AS part
    JOIN pg_catalog.pg_class AS l ON l.oid = part.relid
    JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace
    WHERE c.relkind = 'p' AND part.isleaf AND l.oid <> c.oid
) AS leaves
WHERE n.nspname = $1 AND c.relname = $2
