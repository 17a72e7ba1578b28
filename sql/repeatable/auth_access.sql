-- What registrar_owner needs in auth, and no more. A user who is deleted takes the identities along; the sessions and factors of Supabase
-- Auth end with a user who is deleted softly.
GRANT USAGE ON SCHEMA auth TO registrar_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.users TO registrar_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.identities TO registrar_owner;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['auth.sessions', 'auth.mfa_factors'] LOOP
        IF to_regclass(name) IS NOT NULL THEN
            EXECUTE format('GRANT SELECT, DELETE ON %s TO registrar_owner', to_regclass(name));
        END IF;
    END LOOP;
END
$$;
