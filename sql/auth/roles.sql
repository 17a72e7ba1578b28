-- The roles that PostgREST and Supabase switch to. None can log in: the gateway does, as a role of the owner's that is a
-- member of them.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role);
            IF role = 'service_role' THEN
                ALTER ROLE service_role BYPASSRLS;
            END IF;
        END IF;
    END LOOP;
END
$$;
