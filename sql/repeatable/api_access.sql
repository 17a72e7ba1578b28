-- What the database's default privileges granted on registrar's schemas and tables, to whomever, is taken back; and on the functions that
-- setup() makes, what PostgreSQL grants to everybody.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT format('SCHEMA %I', n.nspname) AS object, acl.grantee
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN LATERAL aclexplode(n.nspacl) AS acl
        WHERE n.nspname IN ('registrar', 'registrar_private') AND acl.grantee <> n.nspowner
            AND acl.grantee <> 'registrar_owner'::regrole
        UNION
        SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname), acl.grantee
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
        WHERE n.nspname IN ('registrar', 'registrar_private') AND acl.grantee <> c.relowner
            AND acl.grantee <> 'registrar_owner'::regrole
        UNION
        SELECT format('FUNCTION %s', p.oid::regprocedure), acl.grantee
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE p.pronamespace = 'registrar_private'::regnamespace AND acl.grantee NOT IN (p.proowner, 'registrar_owner'::regrole)
    LOOP
        EXECUTE format(
            'REVOKE ALL ON %s FROM %s',
            granted.object,
            CASE WHEN granted.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(granted.grantee)) END
        );
    END LOOP;
END
$$;

-- The API. anon has none of it.
GRANT USAGE ON SCHEMA registrar TO authenticated, service_role;

-- On a user's own profile.
GRANT EXECUTE ON FUNCTION
    registrar.create_profile(uuid, jsonb, text),
    registrar.get_profile(uuid, text),
    registrar.get_profile_completion_status(uuid, text),
    registrar.get_user_profile_data(uuid, text),
    registrar.update_profile(uuid, jsonb, text),
    registrar.verify_user_profile(uuid, text)
TO authenticated, service_role;

-- On a user's own sessions and password; the last for PostgREST, which calls it as whoever sent the request.
GRANT EXECUTE ON FUNCTION
    registrar.change_password(text, text, text, text, uuid),
    registrar.list_sessions(text, uuid),
    registrar.logout(text, text, uuid),
    registrar.check_session()
TO authenticated, service_role;

-- On the own account.
GRANT EXECUTE ON FUNCTION
    registrar.get_user(uuid, text, text),
    registrar.update_user(uuid, jsonb)
TO authenticated, service_role;

-- Of the trusted back end.
GRANT EXECUTE ON FUNCTION
    registrar.backfill_profiles_batch(uuid, integer, text),
    registrar.build_info(),
    registrar.create_profiles(uuid[], boolean, text),
    registrar.create_user(jsonb),
    registrar.delete_user(uuid, boolean),
    registrar.doctor(),
    registrar.error_codes(),
    registrar.export_profiles(uuid, integer, text),
    registrar.export_users(uuid, integer, boolean),
    registrar.get_session(text),
    registrar.import_profiles(jsonb, text),
    registrar.import_user_rows(text, jsonb, boolean, jsonb, jsonb),
    registrar.list_users(uuid, integer, text, text),
    registrar.profile_id(uuid),
    registrar.profile_stats(integer, text),
    registrar.refresh_session(text),
    registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text),
    registrar.repair_profiles(integer),
    registrar.request_password_reset(text),
    registrar.resend_verification(text),
    registrar.reset_password(text, text, text),
    registrar.send_otp(text, text, text, text),
    registrar.sign_in_with_password(text, text, text, text),
    registrar.update_profiles(jsonb, boolean, text),
    registrar.verify_email(text),
    registrar.verify_otp(text, text, text, text, text, text)
TO service_role;
GRANT EXECUTE ON PROCEDURE registrar.backfill_profiles(integer, text, bigint, bigint) TO service_role;
GRANT SELECT ON registrar.import_rows, registrar.legacy_ids, registrar.profile_tables, registrar.users TO service_role;
-- What the view of the users calls, for whoever reads it.
GRANT EXECUTE ON FUNCTION registrar_private.json_in_a_string(jsonb), registrar_private.profile_id(uuid) TO service_role;

-- Of whoever owns the database, who owns its tables too as a rule. Other owners of tables need a GRANT.
DO $$
DECLARE
    owner name := (
        SELECT d.datdba::regrole::text FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()
    );
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA registrar TO %s', owner);
    EXECUTE format('GRANT SELECT ON registrar.import_rows, registrar.legacy_ids, registrar.profile_tables, registrar.users TO %s', owner);
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION registrar_private.json_in_a_string(jsonb), registrar_private.profile_id(uuid) TO %s', owner
    );
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION
             registrar.attach_profile_table(regclass, name, jsonb, text),
             registrar.create_profile_table(text, jsonb),
             registrar.declare_relation(text, text, boolean),
             registrar.detach_profile_table(text),
             registrar.doctor(),
             registrar.error_codes(),
             registrar.expose_api(text, text[]),
             registrar.fix_constraint_step(text, text, text, jsonb),
             registrar.foreign_key_script(regclass, text),
             registrar.import_users(text, jsonb, jsonb),
             registrar.legacy_user_id(text, text),
             registrar.migration_sql(),
             registrar.profile_id(uuid),
             registrar.signup_check(name),
             registrar.verify_and_fix_constraint(text, text, boolean, text),
             registrar.withdraw_relation(text, text)
         TO %s',
        owner
    );
    EXECUTE format('GRANT EXECUTE ON PROCEDURE registrar.fix_constraint(text, text, text, jsonb) TO %s', owner);
END
$$;
