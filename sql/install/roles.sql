-- The owner of every SECURITY DEFINER function. It cannot log in, is no superuser, and holds what setup() grants it:
-- BYPASSRLS because Supabase's auth.users has row security without a policy, which would hide every row from it.
-- Made here and not by setup(), since ownership must restore from a dump, and roles are in none.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'registrar_owner') THEN
        CREATE ROLE registrar_owner NOLOGIN NOINHERIT BYPASSRLS;
    END IF;
EXCEPTION
    -- Another database of this cluster made it in the same moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
