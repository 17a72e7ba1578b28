-- Who is calling, for policies: read from the claims that PostgREST sets for the request. Each is made only where it is
-- missing; Supabase's own are left alone.
DO $$
BEGIN
    IF to_regprocedure('auth.jwt()') IS NULL THEN
        CREATE FUNCTION auth.jwt() RETURNS jsonb
        LANGUAGE sql STABLE
        RETURN coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
        COMMENT ON FUNCTION auth.jwt() IS 'The claims of the caller''s access token; {} where there is none.';
        GRANT EXECUTE ON FUNCTION auth.jwt() TO anon, authenticated, service_role;
    END IF;
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE FUNCTION auth.uid() RETURNS uuid
        LANGUAGE sql STABLE
        RETURN nullif(auth.jwt() ->> 'sub', '')::uuid;
        COMMENT ON FUNCTION auth.uid() IS 'The id of the calling user; NULL where nobody is signed in.';
        GRANT EXECUTE ON FUNCTION auth.uid() TO anon, authenticated, service_role;
    END IF;
    IF to_regprocedure('auth.role()') IS NULL THEN
        CREATE FUNCTION auth.role() RETURNS text
        LANGUAGE sql STABLE
        RETURN auth.jwt() ->> 'role';
        COMMENT ON FUNCTION auth.role() IS 'The role claim of the caller''s access token.';
        GRANT EXECUTE ON FUNCTION auth.role() TO anon, authenticated, service_role;
    END IF;
    IF to_regprocedure('auth.email()') IS NULL THEN
        CREATE FUNCTION auth.email() RETURNS text
        LANGUAGE sql STABLE
        RETURN auth.jwt() ->> 'email';
        COMMENT ON FUNCTION auth.email() IS 'The e-mail claim of the caller''s access token.';
        GRANT EXECUTE ON FUNCTION auth.email() TO anon, authenticated, service_role;
    END IF;
END
$$;
