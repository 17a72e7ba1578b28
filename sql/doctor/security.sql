-- What an API role could read or write that it should not. $1 is the attached profile tables, $2 the schemas of PostgreSQL's
-- and Supabase's own, $3 auth.users, $4 the functions of registrar's that the owner lets visitors call.
WITH api_roles AS (
    SELECT r.oid, r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ('anon', 'authenticated')
    UNION ALL
    SELECT 0, 'PUBLIC'
), profile_tables AS (
    SELECT
        c.oid,
        c.relrowsecurity,
        c.relacl,
        c.relowner,
        c.relnamespace,
        format('%I.%I', p.schema_name, p.table_name) AS name,
        format('%I = (SELECT auth.uid())', p.column_name) AS own_row,
        has_schema_privilege('authenticated', c.relnamespace, 'USAGE')
            AND (
                has_any_column_privilege('authenticated', c.oid, 'SELECT, INSERT, UPDATE')
                OR has_table_privilege('authenticated', c.oid, 'DELETE')
                OR has_any_column_privilege('anon', c.oid, 'SELECT, INSERT, UPDATE')
                OR has_table_privilege('anon', c.oid, 'DELETE')
            ) AS is_exposed
    FROM jsonb_to_recordset($1) AS p (schema_name text, table_name text, column_name text)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schema_name
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.table_name
    WHERE to_regrole('anon') IS NOT NULL AND to_regrole('authenticated') IS NOT NULL
), findings (check_name, severity, object, finding, fix_sql) AS (
    SELECT
        'row_security_off',
        'error',
        name,
        'API roles have rights on the table, and no row security limits them to their own rows.',
        format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', name)
    FROM profile_tables
    WHERE is_exposed AND NOT relrowsecurity

    UNION ALL
    SELECT
        'row_security_no_policy',
        'warning',
        t.name,
        'Row security is on and there is no policy: users see no row, not even their own.',
        concat_ws(
            E'\n',
            format('CREATE POLICY own_row_select ON %s FOR SELECT TO authenticated USING (%s);', t.name, t.own_row),
            format(
                'CREATE POLICY own_row_update ON %s FOR UPDATE TO authenticated USING (%s) WITH CHECK (%2$s);', t.name, t.own_row
            )
        )
    FROM profile_tables AS t
    WHERE t.is_exposed AND t.relrowsecurity
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = t.oid)

    UNION ALL
    SELECT
        'policy_open_to_all',
        CASE p.polcmd WHEN 'r' THEN 'warning' ELSE 'error' END,
        format('policy %I on %s', p.polname, t.name),
        format(
            'It lets %s %s rows of every user.',
            (
                SELECT string_agg(CASE r.oid WHEN 0 THEN 'everybody' ELSE r.rolname END, ' and ' ORDER BY r.rolname)
                FROM api_roles AS r WHERE r.oid = ANY (p.polroles)
            ),
            CASE p.polcmd WHEN 'r' THEN 'read' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'change' WHEN 'd' THEN 'delete' ELSE 'read and write' END
        ),
        -- To let everybody read may be meant.
        CASE p.polcmd
            WHEN 'r' THEN NULL
            WHEN 'a' THEN format('ALTER POLICY %I ON %s WITH CHECK (%s);', p.polname, t.name, t.own_row)
            WHEN 'd' THEN format('ALTER POLICY %I ON %s USING (%s);', p.polname, t.name, t.own_row)
            ELSE format('ALTER POLICY %I ON %s USING (%s) WITH CHECK (%3$s);', p.polname, t.name, t.own_row)
        END
    FROM profile_tables AS t
    JOIN pg_catalog.pg_policy AS p ON p.polrelid = t.oid
    WHERE p.polpermissive
        AND EXISTS (SELECT FROM api_roles AS r WHERE r.oid = ANY (p.polroles))
        AND 'true' IN (pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))

    UNION ALL
    SELECT
        'rights_of_anon',
        CASE WHEN t.relrowsecurity THEN 'notice' ELSE 'error' END,
        t.name,
        format(
            '%s has %s on a profile table.',
            r.rolname,
            string_agg(DISTINCT acl.privilege_type, ', ' ORDER BY acl.privilege_type)
        ),
        format('REVOKE ALL ON %s FROM %s;', t.name, r.rolname)
    FROM profile_tables AS t
    CROSS JOIN LATERAL aclexplode(t.relacl) AS acl
    JOIN api_roles AS r ON r.oid = acl.grantee AND r.rolname <> 'authenticated'
    GROUP BY t.name, t.relrowsecurity, r.rolname

    UNION ALL
    SELECT
        'rights_on_registrar',
        'error',
        p.oid::regprocedure::text,
        format('%s may call it.', r.rolname),
        format('REVOKE ALL ON ROUTINE %s FROM %s;', p.oid::regprocedure, r.rolname)
    FROM pg_catalog.pg_proc AS p
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
    JOIN api_roles AS r ON r.oid = acl.grantee AND r.rolname <> 'authenticated'
    WHERE p.pronamespace = to_regnamespace('registrar') AND NOT (r.rolname = 'anon' AND p.proname = ANY ($4))

    UNION ALL
    SELECT
        'rights_on_registrar',
        'error',
        format('%I.%I', n.nspname, c.relname),
        format('%s has %s on it.', r.rolname, string_agg(DISTINCT acl.privilege_type, ', ' ORDER BY acl.privilege_type)),
        format('REVOKE ALL ON %I.%I FROM %s;', n.nspname, c.relname, r.rolname)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('registrar', 'registrar_private')
    CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
    JOIN (
        SELECT oid, rolname FROM api_roles
        UNION ALL
        SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = 'service_role'
    ) AS r ON r.oid = acl.grantee AND (n.nspname = 'registrar_private' OR r.rolname <> 'service_role')
    WHERE c.relkind IN ('r', 'p', 'v', 'm')
    GROUP BY n.nspname, c.relname, r.rolname

    UNION ALL
    SELECT
        'view_bypasses_row_security',
        'error',
        v.oid::regclass::text,
        format(
            'API roles can read it, and it reads %s with the rights of its owner, past every policy.',
            string_agg(DISTINCT t.oid::regclass::text, ', ')
        ),
        CASE
            WHEN v.relkind = 'v' AND bool_and(t.oid <> $3::oid)
                THEN format('ALTER VIEW %s SET (security_invoker = true);', v.oid::regclass)
            ELSE format('REVOKE ALL ON %s FROM PUBLIC, anon, authenticated;', v.oid::regclass)
        END
    FROM pg_catalog.pg_class AS v
    JOIN pg_catalog.pg_namespace AS n ON n.oid = v.relnamespace AND n.nspname <> ALL ($2)
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    JOIN (
        SELECT oid FROM profile_tables
        UNION
        SELECT $3::oid
    ) AS t ON t.oid = d.refobjid
    WHERE v.relkind IN ('v', 'm')
        AND NOT coalesce(v.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=yes', 'security_invoker=1'], false)
        AND EXISTS (
            SELECT FROM pg_catalog.pg_roles AS r
            WHERE r.rolname IN ('anon', 'authenticated')
                AND has_schema_privilege(r.oid, v.relnamespace, 'USAGE') AND has_any_column_privilege(r.oid, v.oid, 'SELECT')
        )
    GROUP BY v.oid, v.relkind

    UNION ALL
    SELECT
        'definer_search_path',
        'warning',
        p.oid::regprocedure::text,
        'It runs with the rights of its owner and the search_path of its caller, who can lead it to tables and functions of the own.',
        format('ALTER ROUTINE %s SET search_path = pg_catalog, %I, pg_temp;', p.oid::regprocedure, n.nspname)
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname <> ALL ($2)
    WHERE p.prosecdef
        AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE starts_with(setting, 'search_path='))
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        )
        -- trigger_search_path tells of these.
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgfoid = p.oid AND t.tgrelid = $3::oid
        )
)
SELECT coalesce(json_agg(f ORDER BY f.check_name, f.object, f.finding), '[]')::text FROM findings AS f
