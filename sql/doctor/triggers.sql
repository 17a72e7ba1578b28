-- The triggers on auth.users, $1, that are nobody's internals, each with its function.
WITH users AS (
    SELECT c.oid, c.relowner FROM pg_catalog.pg_class AS c WHERE c.oid = $1
), signing_up AS (
    -- With whose search_path the triggers of a sign-up run, unless their functions set one: whoever owns the table, as Supabase
    -- Auth connects. The most special setting counts.
    SELECT coalesce(
        (
            SELECT substr(setting, length('search_path=') + 1)
            FROM pg_catalog.pg_db_role_setting AS s
            CROSS JOIN users
            CROSS JOIN LATERAL unnest(s.setconfig) AS setting
            WHERE starts_with(setting, 'search_path=')
                AND s.setrole IN (0, users.relowner)
                AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
            ORDER BY s.setrole = 0, s.setdatabase = 0
            LIMIT 1
        ),
        '"$user", public'
    ) AS search_path
), described AS (
    SELECT
        t.tgname AS name,
        t.tgenabled::text AS enabled,
        p.oid::regprocedure::text AS function,
        n.nspname AS function_schema,
        n.nspname = 'registrar' AND l.lanname = 'c' AS is_ours,
        l.lanname AS language,
        p.prosecdef AS is_definer,
        p.prosrc AS body,
        r.rolname AS owner,
        r.rolsuper AS is_owned_by_superuser,
        o.rolname AS signed_up_by,
        (
            SELECT substr(setting, length('search_path=') + 1) FROM unnest(p.proconfig) AS setting
            WHERE starts_with(setting, 'search_path=')
        ) AS own_search_path,
        signing_up.search_path AS outer_search_path
    FROM users
    CROSS JOIN signing_up
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = users.oid AND NOT t.tgisinternal
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
    JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
    JOIN pg_catalog.pg_roles AS o ON o.oid = users.relowner
)
SELECT coalesce(json_agg(d ORDER BY d.name), '[]')::text FROM described AS d
