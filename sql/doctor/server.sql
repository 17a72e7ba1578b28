-- What the server, its roles and its gateway's settings lack. $1 is the version of the library, $2 auth.users.
WITH settings AS (
    -- PostgREST reads its configuration from the settings of the role that it logs in as.
    SELECT
        split_part(setting, '=', 1) AS name,
        substr(setting, strpos(setting, '=') + 1) AS value,
        s.setrole::regrole::text AS role,
        d.datname
    FROM pg_catalog.pg_db_role_setting AS s
    CROSS JOIN LATERAL unnest(s.setconfig) AS setting
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
    WHERE starts_with(setting, 'pgrst.') AND s.setrole <> 0 AND (d.oid IS NULL OR d.datname = current_database())
), findings (check_name, severity, object, finding, fix_sql) AS (
    SELECT
        'extension_version',
        'error',
        'extension registrar',
        format('The database has version %s of the functions, and the library is %s.', e.extversion, $1),
        'ALTER EXTENSION registrar UPDATE;' || E'\n' || 'SELECT registrar.setup();'
    FROM pg_catalog.pg_extension AS e
    WHERE e.extname = 'registrar' AND e.extversion <> $1

    UNION ALL
    SELECT
        'roles_missing',
        'error',
        'role ' || wanted.name,
        'There is no such role, so that no key of that kind can be used.',
        'SELECT registrar.setup();'
    FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS wanted (name)
    WHERE to_regrole(wanted.name) IS NULL

    UNION ALL
    SELECT
        'registrar_owner_rights',
        'error',
        'role registrar_owner',
        format(
            'It cannot write users: it has %s.',
            CASE WHEN r.rolbypassrls THEN 'no right to ' || lacking.privileges ELSE 'lost BYPASSRLS' END
        ),
        concat_ws(
            E'\n', CASE WHEN NOT r.rolbypassrls THEN 'ALTER ROLE registrar_owner BYPASSRLS;' END, 'SELECT registrar.setup();'
        )
    FROM pg_catalog.pg_roles AS r
    CROSS JOIN LATERAL (
        SELECT string_agg(privilege, ', ') AS privileges
        FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
        WHERE NOT has_table_privilege(r.oid, $2::oid, privilege)
            OR NOT has_schema_privilege(r.oid, to_regnamespace('auth'), 'USAGE')
    ) AS lacking
    WHERE r.rolname = 'registrar_owner' AND $2::oid IS NOT NULL
        AND to_regnamespace('registrar_private') IS NOT NULL AND (lacking.privileges IS NOT NULL OR NOT r.rolbypassrls)

    UNION ALL
    SELECT
        'db_tx_end',
        'error',
        format('setting %s of role %s', s.name, s.role),
        format('It is %s: a client that sends "Prefer: tx=rollback" undoes what a refused call has recorded.', s.value),
        concat_ws(
            E'\n',
            format(
                'ALTER ROLE %s %sSET pgrst.db_tx_end = %L;',
                s.role,
                'IN DATABASE ' || quote_ident(s.datname) || ' ',
                replace(s.value, '-allow-override', '')
            ),
            'NOTIFY pgrst, ''reload config'';'
        )
    FROM settings AS s
    WHERE s.name = 'pgrst.db_tx_end' AND s.value LIKE '%-allow-override'

    UNION ALL
    SELECT
        'schema_not_exposed',
        'warning',
        format('setting %s of role %s', s.name, s.role),
        format('PostgREST serves %s and not registrar: its calls are answered 406 or 404.', s.value),
        concat_ws(
            E'\n',
            format(
                'ALTER ROLE %s %sSET pgrst.db_schemas = %L;',
                s.role,
                'IN DATABASE ' || quote_ident(s.datname) || ' ',
                concat_ws(', ', nullif(btrim(s.value), ''), 'registrar')
            ),
            'NOTIFY pgrst, ''reload config'';'
        )
    FROM settings AS s
    WHERE s.name IN ('pgrst.db_schemas', 'pgrst.db_schema')
        AND NOT 'registrar' = ANY (string_to_array(replace(s.value, ' ', ''), ','))

    UNION ALL
    SELECT
        'text_encoding',
        'error',
        'database ' || quote_ident(current_database()),
        format('Its encoding is %s, which has no room for most names.', pg_encoding_to_char(d.encoding)),
        NULL
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = current_database() AND pg_encoding_to_char(d.encoding) <> 'UTF8'

    UNION ALL
    SELECT
        'email_collation',
        'error',
        'database ' || quote_ident(current_database()),
        format('lower(''I'') is ''%s'' here: addresses with that letter are never found again.', lower('I')),
        NULL
    WHERE lower('I') <> 'i'

    UNION ALL
    SELECT
        'email_collation',
        'error',
        'auth.users.email',
        format('Its collation %s takes different texts for equal: two people''s addresses can collide.', c.oid::regcollation),
        NULL
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation AND NOT c.collisdeterministic
    WHERE a.attrelid = $2::oid AND a.attname = 'email' AND NOT a.attisdropped

    UNION ALL
    SELECT
        'collation_version',
        'warning',
        'database ' || quote_ident(current_database()),
        format(
            'Its indexes were built with version %s of the collation and the system has %s: a look-up may miss rows, and a unique index let duplicates in.',
            d.datcollversion,
            pg_database_collation_actual_version(d.oid)
        ),
        format('REINDEX DATABASE %I;', d.datname) || E'\n' || format('ALTER DATABASE %I REFRESH COLLATION VERSION;', d.datname)
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = current_database() AND d.datcollversion <> pg_database_collation_actual_version(d.oid)
)
SELECT coalesce(json_agg(f ORDER BY f.check_name, f.object, f.finding), '[]')::text FROM findings AS f
