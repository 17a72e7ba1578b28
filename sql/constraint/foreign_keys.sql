-- The foreign keys that a column ($2) of a table ($1) and of its partitions is part of; $3 is auth.users.
SELECT coalesce(json_agg(json_build_object(
    'relation', f.conrelid::bigint,
    'table', format('%I.%I', n.nspname, c.relname),
    'name', f.conname,
    'columns', cardinality(f.conkey),
    'definition', pg_get_constraintdef(f.oid),
    'referenced_schema', rn.nspname,
    'referenced_table', r.relname,
    'references', format('%I.%I (%s)', rn.nspname, r.relname, (
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY key.place)
        FROM unnest(f.confkey) WITH ORDINALITY AS key (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = key.attnum
    )),
    'on_update', f.confupdtype,
    'on_delete', f.confdeltype,
    'is_valid', f.convalidated,
    -- The column is there since PostgreSQL 18.
    'is_enforced', coalesce((to_jsonb(f) ->> 'conenforced')::boolean, true) AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_constraint AS k ON k.oid = t.tgconstraint
        WHERE (k.oid = f.oid OR k.conparentid = f.oid) AND t.tgenabled IN ('D', 'R')
    ),
    'is_inherited', f.conparentid <> 0,
    'is_to_users', f.confrelid = $3 AND f.confkey = ARRAY[(
        SELECT a.attnum FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = $3 AND a.attname = 'id'
    )],
    'deferral', CASE
        WHEN f.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED'
        WHEN f.condeferrable THEN ' DEFERRABLE'
        ELSE ''
    END
) ORDER BY f.conrelid <> $1, f.conrelid, f.conname), '[]')::text
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attname = $2 AND a.attnum = ANY (f.conkey)
JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class AS r ON r.oid = f.confrelid
JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
WHERE f.contype = 'f'
    AND f.conrelid IN (SELECT $1 UNION ALL SELECT part.relid FROM pg_catalog.pg_partition_tree($1) AS part)
