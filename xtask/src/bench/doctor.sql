-- A million users with a profile each, as healthy as they can be: nothing to find is what takes the longest to know.
INSERT INTO auth.users (
    instance_id, id, aud, role, email, encrypted_password, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
    confirmation_token, recovery_token, email_change_token_new, email_change
)
SELECT
    '00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated', 'user' || number || '@example.com', '',
    '{"provider": "email", "providers": ["email"]}', '{}', now(), now(), '', '', '', ''
FROM generate_series(1, 1000000) AS number;
VACUUM ANALYZE auth.users;
VACUUM ANALYZE public.user_profiles;

CREATE SCHEMA bench;

CREATE PROCEDURE bench.doctor(INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    found bigint;
BEGIN
    SELECT count(*) INTO found FROM registrar.doctor() WHERE severity <> 'ok';
    IF found > 0 THEN
        RAISE EXCEPTION 'the doctor found % faults in a healthy database', found;
    END IF;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6;
END $$;

-- The scans that cannot be avoided: users without a profile, and profiles without a user.
CREATE PROCEDURE bench.anti_joins(INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    found bigint;
BEGIN
    SELECT count(*) INTO found FROM auth.users AS u
    WHERE u.deleted_at IS NULL AND NOT EXISTS (SELECT FROM public.user_profiles AS p WHERE p.user_id = u.id);
    SELECT found + count(*) INTO found FROM public.user_profiles AS p
    WHERE NOT EXISTS (SELECT FROM auth.users AS u WHERE u.id = p.user_id);
    IF found > 0 THEN
        RAISE EXCEPTION '% rows do not belong together', found;
    END IF;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6;
END $$;
