-- What the bench of an import compares. The rows are made before the clock starts: a users table as fastapi-users makes it.
CREATE SCHEMA bench;

CREATE TABLE bench.people AS
SELECT
    gen_random_uuid() AS id,
    'user' || number || '@example.com' AS email,
    '$argon2id$v=19$m=65536,t=3,p=4$' || rtrim(encode(decode(md5('salt' || number), 'hex'), 'base64'), '=') || '$'
        || rtrim(encode(sha256(convert_to('hash' || number, 'UTF8')), 'base64'), '=') AS hashed_password,
    true AS is_active,
    false AS is_superuser,
    number % 10 <> 0 AS is_verified,
    'Person ' || number AS full_name,
    number
FROM generate_series(1, $rows) AS number;
CREATE INDEX ON bench.people (number);

-- The bare statements: the same rows of users, identities and profiles, set-based, with the trigger switched off.
CREATE PROCEDURE bench.import_bare(first integer, last integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    INSERT INTO auth.users (
        instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at,
        updated_at, confirmation_token, recovery_token, email_change_token_new, email_change, email_change_token_current,
        email_change_confirm_status, phone_change, phone_change_token, reauthentication_token, is_super_admin
    )
    SELECT
        '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', lower(email), hashed_password,
        CASE WHEN is_verified THEN now() END,
        jsonb_build_object('provider', 'email', 'providers', jsonb_build_array('email'), 'role', 'user'),
        jsonb_build_object('full_name', full_name),
        now(), now(), '', '', '', '', '', 0, '', '', '', false
    FROM bench.people WHERE number BETWEEN first AND last;
    INSERT INTO auth.identities (id, provider_id, user_id, identity_data, provider, created_at, updated_at)
    SELECT
        gen_random_uuid(), id::text, id,
        jsonb_build_object('sub', id, 'email', lower(email), 'email_verified', is_verified, 'phone_verified', false), 'email', now(), now()
    FROM bench.people WHERE number BETWEEN first AND last;
    INSERT INTO public.user_profile (user_id, full_name) SELECT id, full_name FROM bench.people WHERE number BETWEEN first AND last;
    COMMIT;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / (last - first + 1);
END $$;

CREATE PROCEDURE bench.import_registrar(first integer, last integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    started timestamptz := clock_timestamp();
BEGIN
    answer := registrar.import_users(
        format('SELECT * FROM bench.people WHERE number BETWEEN %s AND %s', first, last), '"fastapi-users"', '{"source": "people"}'
    );
    IF (answer #>> '{data,imported}')::integer IS DISTINCT FROM last - first + 1 THEN
        RAISE EXCEPTION '% %', answer ->> 'message', answer #> '{data,reasons}';
    END IF;
    COMMIT;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / (last - first + 1);
END $$;

-- What the gateway moves in bulk JSON: the same rows in a body, written by bare statements.
CREATE FUNCTION registrar.bench_insert(p_rows jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    WITH people AS MATERIALIZED (
        SELECT p.* FROM jsonb_array_elements(p_rows) AS row
        CROSS JOIN LATERAL jsonb_to_record(row -> 'columns') AS p (id uuid, email text, hashed_password text, is_verified boolean, full_name text)
    ), users AS (
        INSERT INTO auth.users (
            instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at,
            updated_at, confirmation_token, recovery_token, email_change_token_new, email_change, email_change_token_current,
            email_change_confirm_status, phone_change, phone_change_token, reauthentication_token, is_super_admin
        )
        SELECT
            '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', lower(email), hashed_password,
            CASE WHEN is_verified THEN now() END,
            jsonb_build_object('provider', 'email', 'providers', jsonb_build_array('email'), 'role', 'user'),
            jsonb_build_object('full_name', full_name),
            now(), now(), '', '', '', '', '', 0, '', '', '', false
        FROM people
        RETURNING id
    ), identities AS (
        INSERT INTO auth.identities (id, provider_id, user_id, identity_data, provider, created_at, updated_at)
        SELECT
            gen_random_uuid(), id::text, id,
            jsonb_build_object('sub', id, 'email', lower(email), 'email_verified', is_verified, 'phone_verified', false), 'email', now(), now()
        FROM people
    )
    INSERT INTO public.user_profile (user_id, full_name) SELECT id, full_name FROM people;
    RETURN jsonb_build_object('success', true, 'rows', jsonb_array_length(p_rows));
END $$;
REVOKE ALL ON FUNCTION registrar.bench_insert(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registrar.bench_insert(jsonb) TO service_role;

VACUUM ANALYZE bench.people;
