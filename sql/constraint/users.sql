-- auth.users, as far as a foreign key needs it.
SELECT json_build_object(
    'oid', c.oid::bigint,
    'kind', c.relkind,
    'id_type', (
        SELECT format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped
    ),
    'id_is_unique', EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND a.attname = 'id' AND i.indnkeyatts = 1
            AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
    )
)::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'auth' AND c.relname = 'users'
