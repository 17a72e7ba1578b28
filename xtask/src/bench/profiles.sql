-- What the benches of profiles compare. People and their metadata are made before the clock starts.
CREATE SCHEMA bench;

CREATE TABLE bench.people AS
SELECT
    number,
    gen_random_uuid() AS id,
    'user' || number || '@example.com' AS email,
    number % 40 AS years_of_experience,
    (ARRAY['entry', 'mid', 'senior'])[1 + number % 3] AS experience_level,
    'field ' || number % 100 AS field_of_study
FROM generate_series(1, 100000) AS number;
ALTER TABLE bench.people ADD COLUMN metadata jsonb;
UPDATE bench.people SET metadata = jsonb_build_object(
    'sub', id, 'email', email, 'email_verified', false, 'years_of_experience', years_of_experience,
    'experience_level', experience_level, 'field_of_study', field_of_study);

-- The twin of the trigger: as people write it today.
CREATE FUNCTION bench.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO public.user_profiles (user_id, years_of_experience, experience_level, field_of_study)
    VALUES (
        new.id,
        coalesce((new.raw_user_meta_data ->> 'years_of_experience')::integer, 0),
        coalesce(new.raw_user_meta_data ->> 'experience_level', 'entry'),
        new.raw_user_meta_data ->> 'field_of_study'
    );
    RETURN new;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'no profile for %: %', new.id, sqlerrm;
    RETURN new;
END $$;
CREATE TRIGGER bench_handle_new_user AFTER INSERT ON auth.users
    FOR EACH ROW EXECUTE FUNCTION bench.handle_new_user();

-- One transaction for each user; where `with_profile` the profile is inserted bare.
CREATE PROCEDURE bench.sign_up_each(calls integer, with_profile boolean, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    people bench.people[] := ARRAY(SELECT p FROM bench.people AS p WHERE number <= calls ORDER BY number);
    person bench.people;
    started timestamptz := clock_timestamp();
BEGIN
    FOREACH person IN ARRAY people LOOP
        INSERT INTO auth.users (
            instance_id, id, aud, role, email, encrypted_password, raw_app_meta_data, raw_user_meta_data, created_at,
            updated_at, confirmation_token, recovery_token, email_change_token_new, email_change
        ) VALUES (
            '00000000-0000-0000-0000-000000000000', person.id, 'authenticated', 'authenticated', person.email, '',
            '{"provider": "email", "providers": ["email"]}', person.metadata, now(), now(), '', '', '', ''
        );
        IF with_profile THEN
            INSERT INTO public.user_profiles (user_id, years_of_experience, experience_level, field_of_study)
            VALUES (person.id, person.years_of_experience, person.experience_level, person.field_of_study);
        END IF;
        COMMIT;
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

-- All users in one statement.
CREATE PROCEDURE bench.sign_up_all(calls integer, with_profile boolean, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    INSERT INTO auth.users (
        instance_id, id, aud, role, email, encrypted_password, raw_app_meta_data, raw_user_meta_data, created_at,
        updated_at, confirmation_token, recovery_token, email_change_token_new, email_change
    )
    SELECT
        '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email, '',
        '{"provider": "email", "providers": ["email"]}', metadata, now(), now(), '', '', '', ''
    FROM bench.people WHERE number <= calls;
    IF with_profile THEN
        INSERT INTO public.user_profiles (user_id, years_of_experience, experience_level, field_of_study)
        SELECT id, years_of_experience, experience_level, field_of_study FROM bench.people WHERE number <= calls;
    END IF;
    COMMIT;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

-- The profiles of users who have none.
CREATE PROCEDURE bench.backfill_bare(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
BEGIN
    INSERT INTO public.user_profiles (user_id, years_of_experience, experience_level, field_of_study)
    SELECT
        id,
        (raw_user_meta_data ->> 'years_of_experience')::integer,
        raw_user_meta_data ->> 'experience_level',
        raw_user_meta_data ->> 'field_of_study'
    FROM auth.users;
    COMMIT;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

CREATE PROCEDURE bench.backfill_registrar(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    created bigint;
    failed bigint;
BEGIN
    CALL registrar.backfill_profiles(1000, NULL, created, failed);
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

-- A profile by its user.
CREATE PROCEDURE bench.look_up_bare(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := ARRAY(SELECT id FROM bench.people WHERE number <= calls ORDER BY md5(email));
    wanted uuid;
    found jsonb;
    started timestamptz := clock_timestamp();
BEGIN
    FOREACH wanted IN ARRAY ids LOOP
        SELECT to_jsonb(profile) INTO found FROM public.user_profiles AS profile WHERE profile.user_id = wanted;
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

CREATE PROCEDURE bench.look_up_registrar(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := ARRAY(SELECT id FROM bench.people WHERE number <= calls ORDER BY md5(email));
    wanted uuid;
    found jsonb;
    started timestamptz := clock_timestamp();
BEGIN
    FOREACH wanted IN ARRAY ids LOOP
        found := registrar.get_profile(wanted);
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

-- Nobody signs users up as superuser, whose rights cost nothing to check: all run as service_role, who may write both tables.
GRANT USAGE ON SCHEMA bench TO service_role;
GRANT SELECT ON bench.people TO service_role;
GRANT SELECT, INSERT ON auth.users TO service_role;
