-- What the benches of sessions compare. Tokens are made before the clock starts.
CREATE SCHEMA bench;

ALTER TABLE auth.users DISABLE TRIGGER USER;
CREATE TABLE bench.tokens AS
SELECT
    number,
    id,
    gen_random_uuid() AS session_id,
    -- 48 bytes in base64url: the user's id, and what would be random.
    translate(encode(uuid_send(id) || sha256(convert_to('session ' || number, 'UTF8')), 'base64'), '+/', '-_') AS token
FROM (SELECT number, gen_random_uuid() AS id FROM generate_series(1, 50000) AS number) AS people;
INSERT INTO auth.users (id, email, raw_user_meta_data) SELECT id, 'user' || number || '@example.com', '{}' FROM bench.tokens;
INSERT INTO registrar_private.sessions
    (user_id, id, token_hash, token_expires_at, created_at, refreshed_at, idle_expires_at, expires_at, method, device_name, address, user_agent)
SELECT id, session_id, sha256(convert_to(token, 'UTF8')), now() + '1 day', now(), now(), now() + '1 day', now() + '1 day', 'password',
       'phone', '192.0.2.1', 'Mozilla/5.0'
FROM bench.tokens;

-- Those of registrar's functions that an API role may not see are read as their owner.
CREATE PROCEDURE bench.find_bare(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    wanted bench.tokens[] := ARRAY(SELECT t FROM bench.tokens AS t WHERE number <= calls ORDER BY md5(token));
    hashes bytea[] := ARRAY(SELECT sha256(convert_to(t.token, 'UTF8')) FROM bench.tokens AS t WHERE number <= calls ORDER BY md5(token));
    found jsonb;
    started timestamptz := clock_timestamp();
BEGIN
    FOR place IN 1 .. calls LOOP
        SELECT to_jsonb(s) INTO found FROM registrar_private.sessions AS s
        WHERE s.user_id = wanted[place].id AND s.token_hash = hashes[place];
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

CREATE PROCEDURE bench.find_registrar(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    wanted text[] := ARRAY(SELECT t.token FROM bench.tokens AS t WHERE number <= calls ORDER BY md5(token));
    found jsonb;
    started timestamptz := clock_timestamp();
BEGIN
    FOR place IN 1 .. calls LOOP
        found := registrar.get_session(wanted[place]);
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
    IF NOT (found ->> 'success')::boolean THEN
        RAISE EXCEPTION '%', found;
    END IF;
END $$;

-- Each request has claims of its own; where `checks`, they are checked.
CREATE PROCEDURE bench.check_registrar(calls integer, checks boolean, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    claims text[] := ARRAY(
        SELECT json_build_object('iss', 'registrar', 'aud', 'authenticated', 'sub', id, 'role', 'authenticated', 'email', 'user@example.com',
                                 'phone', '', 'session_id', session_id, 'app_metadata', '{"role": "user"}'::json, 'iat', 1, 'exp', 901)::text
        FROM bench.tokens AS t WHERE number <= calls ORDER BY md5(token));
    started timestamptz := clock_timestamp();
BEGIN
    FOR place IN 1 .. calls LOOP
        PERFORM set_config('request.jwt.claims', claims[place], true);
        IF checks THEN
            PERFORM registrar.check_session();
        END IF;
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

-- Each sign-in is a transaction of its own, of another user.
CREATE PROCEDURE bench.sign_in_registrar(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    started timestamptz := clock_timestamp();
BEGIN
    FOR place IN 1 .. calls LOOP
        answer := registrar.sign_in_with_password(
            p_email => 'user' || place || '@example.com', p_password => 'correct horse battery staple', p_device_name => 'phone');
        COMMIT;
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
    IF NOT (answer ->> 'success')::boolean THEN
        RAISE EXCEPTION '%', answer;
    END IF;
END $$;

-- The rows that a sign-in writes: the attempt, the user, the session with its refresh token, and the record.
CREATE PROCEDURE bench.sign_in_bare(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    people bench.tokens[] := ARRAY(SELECT t FROM bench.tokens AS t WHERE number <= calls ORDER BY number);
    identifiers bytea[] := ARRAY(SELECT sha256(convert_to('identifier ' || t.token, 'UTF8')) FROM bench.tokens AS t WHERE number <= calls ORDER BY number);
    hashes bytea[] := ARRAY(SELECT sha256(convert_to(t.token, 'UTF8')) FROM bench.tokens AS t WHERE number <= calls ORDER BY number);
    refreshes bytea[] := ARRAY(SELECT sha256(convert_to('refresh ' || t.token, 'UTF8')) FROM bench.tokens AS t WHERE number <= calls ORDER BY number);
    started timestamptz := clock_timestamp();
BEGIN
    FOR place IN 1 .. calls LOOP
        INSERT INTO registrar_private.attempts (identifier_hash, purpose, occurred_at, succeeded, address, user_id)
        VALUES (identifiers[place], 'password', now(), true, NULL, people[place].id);
        UPDATE auth.users SET last_sign_in_at = now(), updated_at = now() WHERE id = people[place].id;
        INSERT INTO registrar_private.sessions
            (user_id, id, token_hash, token_expires_at, created_at, refreshed_at, idle_expires_at, expires_at, method, device_name)
        VALUES (people[place].id, people[place].session_id, hashes[place], now() + '1 hour', now(), now(), now() + '7 days',
                now() + '30 days', 'password', 'phone');
        INSERT INTO registrar_private.refresh_tokens (user_id, token_hash, session_id, issued_at)
        VALUES (people[place].id, refreshes[place], people[place].session_id, now());
        INSERT INTO registrar_private.audit_log (user_id, occurred_at, actor_role, action, outcome)
        VALUES (people[place].id, now(), 'service_role', 'sign_in', 'ok');
        COMMIT;
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
END $$;

GRANT USAGE ON SCHEMA bench TO service_role;
GRANT SELECT ON bench.tokens TO service_role;
-- What the floors read and write; registrar's own tables are closed to the API otherwise.
GRANT USAGE ON SCHEMA registrar_private TO service_role;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA registrar_private TO service_role;
GRANT SELECT, UPDATE ON auth.users TO service_role;
