-- The API of the trusted back end. anon and authenticated have none of it.
GRANT USAGE ON SCHEMA registrar TO service_role;
GRANT EXECUTE ON FUNCTION registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text) TO service_role;
GRANT EXECUTE ON FUNCTION registrar.verify_email(text) TO service_role;
GRANT EXECUTE ON FUNCTION registrar.resend_verification(text) TO service_role;
GRANT EXECUTE ON FUNCTION registrar.error_codes() TO service_role;

-- Default privileges of the database may have granted more on new objects.
REVOKE ALL ON SCHEMA registrar_private FROM PUBLIC, anon, authenticated, service_role;
REVOKE ALL ON ALL TABLES IN SCHEMA registrar_private FROM PUBLIC, anon, authenticated, service_role;
