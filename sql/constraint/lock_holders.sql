-- Who else holds, or waits before others for, a lock on one of some tables ($1 their schemas, $2 their names), of that strength ($3)
-- or more.
SELECT coalesce(json_agg(DISTINCT format(
    '%s on %s by %s',
    l.mode,
    format('%I.%I', n.nspname, c.relname),
    CASE
        WHEN l.pid IS NULL THEN 'a prepared transaction (see pg_prepared_xacts)'
        ELSE format('process %s (%s)', l.pid, concat_ws(
            ', ',
            'user ' || a.usename,
            nullif(a.application_name, ''),
            a.state,
            'transaction of ' || extract(epoch FROM date_trunc('second', now() - a.xact_start)) || ' s'
        ))
    END
)), '[]')::text
FROM unnest($1, $2, $3) AS wanted (schema_name, table_name, strength)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = wanted.schema_name
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
JOIN pg_catalog.pg_locks AS l ON l.relation = c.oid AND l.locktype = 'relation'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.pid IS DISTINCT FROM pg_backend_pid()
    AND array_position(
        ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
              'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'],
        l.mode
    ) >= wanted.strength
