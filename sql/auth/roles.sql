-- The roles that PostgREST and Supabase switch to. None can log in: the gateway does, as a role of the owner's that is a
-- member of them.
DO $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT needed.role, needed.options
        FROM (VALUES ('anon', ''), ('authenticated', ''), ('service_role', 'BYPASSRLS')) AS needed (role, options)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = needed.role)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT %s', missing.role, missing.options);
        EXCEPTION
            -- Another database of this cluster made it in the same moment.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$;
