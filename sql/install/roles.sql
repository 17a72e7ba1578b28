-- The server puts the schema registrar first in the script's search_path. Were there an operator or a function in it, what
-- follows would call that, as a superuser. So nobody else may have made the schema, nor anything that can be called in it.
-- Until that is known every name here is qualified.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
        WHERE n.nspname OPERATOR(pg_catalog.=) 'registrar'::pg_catalog.name
            AND (
                NOT r.rolsuper
                OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p WHERE p.pronamespace OPERATOR(pg_catalog.=) n.oid)
                OR EXISTS (SELECT FROM pg_catalog.pg_operator AS o WHERE o.oprnamespace OPERATOR(pg_catalog.=) n.oid)
            )
    ) THEN
        RAISE EXCEPTION 'the schema registrar belongs to somebody else, or has functions or operators'
            USING ERRCODE = '42501', HINT = 'Rename or drop it; the extension makes its own.';
    END IF;
END
$$;

-- The owner of every SECURITY DEFINER function. It cannot log in, is no superuser, and holds what setup() grants it:
-- BYPASSRLS because Supabase's auth.users has row security without a policy, which would hide every row from it.
-- Made here and not by setup(), since ownership must restore from a dump, and roles are in none.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'registrar_owner') THEN
        CREATE ROLE registrar_owner NOLOGIN NOINHERIT BYPASSRLS;
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = 'registrar_owner'
            AND (
                r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR NOT r.rolbypassrls
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_auth_members AS m
                    JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
                    WHERE m.roleid = r.oid AND NOT member.rolsuper
                )
            )
    ) THEN
        RAISE EXCEPTION 'there is a role registrar_owner that registrar did not make'
            USING ERRCODE = '42501',
                HINT = 'It must not log in, have members, nor any attribute but BYPASSRLS. Rename or drop it; the extension makes its own.';
    END IF;
EXCEPTION
    -- Another database of this cluster made it in the same moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
