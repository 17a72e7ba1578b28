-- The yardstick "as people write it today": a registration in PL/pgSQL, with a trigger for the profile, on tables and
-- indexes like registrar's own. It does what registrar does on this path and leaves out what people leave out: the
-- second registration of an address, the idempotency key, phone numbers.
CREATE TABLE bench.roles (name text PRIMARY KEY, is_default boolean NOT NULL);
INSERT INTO bench.roles VALUES ('user', true), ('admin', false);

CREATE TABLE bench.verification_tokens (
    user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE bench.audit_log (
    user_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    actor_role text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    address inet,
    user_agent text,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX ON bench.audit_log USING brin (occurred_at);

CREATE TABLE bench.profile_failures (
    user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
    sqlstate text NOT NULL,
    message text NOT NULL
);

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
    INSERT INTO bench.profile_failures VALUES (new.id, sqlstate, sqlerrm);
    RETURN new;
END $$;

CREATE TRIGGER bench_handle_new_user AFTER INSERT ON auth.users
    FOR EACH ROW EXECUTE FUNCTION bench.handle_new_user();

CREATE FUNCTION bench.failure(p_status text, p_field text, p_code text, p_message text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('response.status', p_status, true);
    RETURN jsonb_build_object('success', false, 'message', p_message, 'data', NULL, 'errors', jsonb_build_array(
        jsonb_build_object('field', p_field, 'code', p_code, 'message', p_message, 'hint', NULL)));
END $$;

CREATE FUNCTION bench.register_user_with_token(
    p_email text,
    p_password_hash text DEFAULT NULL,
    p_full_name text DEFAULT NULL,
    p_role text DEFAULT NULL,
    p_metadata jsonb DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    v_email text := lower(trim(p_email));
    v_metadata jsonb := coalesce(p_metadata, '{}');
    v_role text;
    v_existing uuid;
    v_id uuid := gen_random_uuid();
    v_token text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
    v_expires_at timestamptz := now() + interval '30 minutes';
    v_claims jsonb;
    v_profile jsonb;
BEGIN
    IF v_email IS NULL OR length(v_email) > 254 OR v_email !~ '^[^@\s]+@[^@\s]+\.[^@\s]+$' THEN
        RETURN bench.failure('400', 'email', 'validation_failed', 'This is not an email address.');
    END IF;
    IF p_password_hash !~ '^\$(2[aby]|argon2id?)\$' THEN
        RETURN bench.failure('400', 'password_hash', 'validation_failed', 'This is not a password hash.');
    END IF;
    IF jsonb_typeof(v_metadata) <> 'object' THEN
        RETURN bench.failure('400', 'metadata', 'validation_failed', 'The metadata is not an object.');
    END IF;
    SELECT name INTO v_role FROM bench.roles WHERE CASE WHEN p_role IS NULL THEN is_default ELSE name = p_role END;
    IF NOT FOUND THEN
        RETURN bench.failure('422', 'role', 'invalid_role', 'There is no such role.');
    END IF;
    SELECT id INTO v_existing FROM auth.users WHERE email = v_email AND is_sso_user = false;
    IF FOUND THEN
        RETURN bench.failure('409', 'email', 'email_exists', 'This email is already in use.');
    END IF;

    v_claims := jsonb_build_object('sub', v_id, 'email', v_email, 'email_verified', false, 'phone_verified', false);
    IF p_full_name IS NOT NULL THEN
        v_metadata := v_metadata || jsonb_build_object('full_name', p_full_name);
    END IF;
    INSERT INTO auth.users (
        instance_id, id, aud, role, email, encrypted_password, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
        confirmation_token, recovery_token, email_change_token_new, email_change, email_change_token_current,
        email_change_confirm_status, phone_change, phone_change_token, reauthentication_token, is_super_admin
    ) VALUES (
        '00000000-0000-0000-0000-000000000000', v_id, 'authenticated', 'authenticated', v_email, coalesce(p_password_hash, ''),
        jsonb_build_object('provider', 'email', 'providers', jsonb_build_array('email'), 'role', v_role),
        v_metadata || v_claims, now(), now(), '', '', '', '', '', 0, '', '', '', false
    );
    INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
    VALUES (v_id::text, v_id, v_claims, 'email', now(), now());
    INSERT INTO bench.verification_tokens (user_id, token_hash, expires_at)
    VALUES (v_id, sha256(v_token::bytea), v_expires_at);
    INSERT INTO bench.audit_log (user_id, actor_role, action, outcome, address, user_agent)
    VALUES (
        v_id, session_user, 'register', 'ok',
        (nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-forwarded-for')::inet,
        nullif(current_setting('request.headers', true), '')::jsonb ->> 'user-agent'
    );
    SELECT to_jsonb(profile) INTO v_profile FROM public.user_profiles AS profile WHERE user_id = v_id;

    PERFORM set_config('response.status', '201', true);
    RETURN jsonb_build_object('success', true, 'message', 'User and profile created successfully', 'errors', '[]'::jsonb,
        'data', jsonb_build_object(
            'user', jsonb_build_object('id', v_id, 'email', v_email, 'role', v_role, 'created_at', now(), 'updated_at', now()),
            'profile', v_profile,
            'verification', jsonb_build_object('token', v_token, 'expires_at', v_expires_at)));
END $$;
