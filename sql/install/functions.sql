-- SECURITY DEFINER functions, all of them; tests/THREATS.md says what each may be used for:
--   handle_new_user, register_user_with_token, resend_verification, verify_email
ALTER FUNCTION registrar.handle_new_user() OWNER TO registrar_owner;
ALTER FUNCTION registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text) OWNER TO registrar_owner;
ALTER FUNCTION registrar.resend_verification(text) OWNER TO registrar_owner;
ALTER FUNCTION registrar.verify_email(text) OWNER TO registrar_owner;

-- A new function is everybody's (PostgreSQL's default), or whoever's the database's default privileges say. Here it is
-- nobody's but its owner's, until setup() grants it.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT p.oid::regprocedure AS function,
               CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE p.pronamespace = 'registrar'::regnamespace AND acl.grantee <> p.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s', granted.function, granted.grantee);
    END LOOP;
END
$$;

COMMENT ON FUNCTION registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text) IS
    'Creates a user, the e-mail verification token and the profile in one transaction. 201 created; 200 for an unverified e-mail, which gets a new token; 409 email_exists, phone_exists; 400 validation_failed; 422 invalid_role, weak_password.';
COMMENT ON FUNCTION registrar.verify_email(text) IS
    'Confirms the e-mail address of the token''s user and puts the newest registration''s password and metadata in force. 200 done; 401 token_invalid; 410 token_expired.';
COMMENT ON FUNCTION registrar.resend_verification(text) IS
    'Replaces the verification token of an unverified e-mail address. 200 done; 404 user_not_found; 409 email_exists where it is verified.';
COMMENT ON FUNCTION registrar.handle_new_user() IS
    'Trigger on auth.users: fills the attached profile tables for a new user. A failure never costs the sign-up; it is queued in registrar_private.profile_failures.';
COMMENT ON FUNCTION registrar.configuration_changed() IS
    'Trigger on registrar''s configuration tables: makes every session read them again.';
COMMENT ON FUNCTION registrar.setup() IS
    'Makes and migrates everything outside the extension: roles, the auth schema where it is missing, registrar_private, the trigger on auth.users, grants. Idempotent; returns what it did. Run as superuser.';
COMMENT ON FUNCTION registrar.create_profile_table(text) IS
    'Makes a profile table from a template (user_profiles) in the schema public and attaches it. Returns its name. Run as superuser.';
COMMENT ON FUNCTION registrar.error_codes() IS
    'The error codes of the contract with their HTTP status, meaning and what to do.';
COMMENT ON FUNCTION registrar.build_info() IS
    'Version of the library, the profile it was compiled in (release or debug) and the PostgreSQL it was compiled for.';
