-- What the database's default privileges granted on registrar's schemas and tables, to whomever, is taken back.
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
        WHERE n.nspname = 'registrar_private' AND acl.grantee <> c.relowner
            AND acl.grantee <> 'registrar_owner'::regrole
    LOOP
        EXECUTE format(
            'REVOKE ALL ON %s FROM %s',
            granted.object,
            CASE WHEN granted.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(granted.grantee)) END
        );
    END LOOP;
END
$$;

-- The API of the trusted back end. anon and authenticated have none of it.
GRANT USAGE ON SCHEMA registrar TO service_role;
GRANT EXECUTE ON FUNCTION registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text) TO service_role;
GRANT EXECUTE ON FUNCTION registrar.verify_email(text) TO service_role;
GRANT EXECUTE ON FUNCTION registrar.resend_verification(text) TO service_role;
GRANT EXECUTE ON FUNCTION registrar.error_codes() TO service_role;
