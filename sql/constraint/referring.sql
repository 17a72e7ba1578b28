-- The foreign keys that lead to a table ($1): what refers to its rows is touched when one of them goes.
SELECT coalesce(json_agg(json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'kind', c.relkind,
    'constraint', f.conname,
    'on_delete', f.confdeltype,
    'is_own', f.conrelid = $1,
    'columns', (
        SELECT json_agg(json_build_array(a.attname, b.attname) ORDER BY key.place)
        FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS key (referring, referred, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = key.referring
        JOIN pg_catalog.pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = key.referred
    )
) ORDER BY n.nspname, c.relname, f.conname), '[]')::text
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND f.confrelid = $1 AND f.conparentid = 0
