-- From 0.1.0: users of other systems, and one model of a user. Afterwards run SELECT registrar.setup(), which makes the tables and views, and
-- grants the functions.
\echo Run ALTER EXTENSION registrar UPDATE TO '0.2.0' to load this file. \quit

CREATE FUNCTION registrar.create_user(
    p_values jsonb DEFAULT '{}'
) RETURNS jsonb
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'create_user_wrapper';
COMMENT ON FUNCTION registrar.create_user(jsonb) IS
    'Creates a user from an object of email, phone, password or password_hash, full_name, metadata, role, is_active, is_superuser, is_verified; an e-mail address that is not verified gets a token to send. 201 created; 400 validation_failed; 409 email_exists, phone_exists; 422 invalid_role, weak_password.';

CREATE FUNCTION registrar.delete_user(
    p_user_id uuid DEFAULT NULL,
    p_soft boolean DEFAULT false
) RETURNS jsonb
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'delete_user_wrapper';
COMMENT ON FUNCTION registrar.delete_user(uuid, boolean) IS
    'Deletes a user with everything that belongs to them; with p_soft the row stays, without what it said of them, as Supabase Auth does it. 200 done; 404 user_not_found; 500 internal where rows of the app''s keep the user, naming their table.';

CREATE FUNCTION registrar.export_users(
    p_after uuid DEFAULT NULL,
    p_limit integer DEFAULT 1000,
    p_with_hashes boolean DEFAULT false
) RETURNS jsonb
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'export_users_wrapper';
COMMENT ON FUNCTION registrar.export_users(uuid, integer, boolean) IS
    'The next users after one, in the order of their ids, in the columns of auth.users that the preset supabase of an import reads; with the hashes of their passwords only where registrar.export_password_hashes is on. 200 done; 400 validation_failed; 403 forbidden.';

CREATE FUNCTION registrar.foreign_key_script(
    p_table regclass,
    p_source text DEFAULT NULL
) RETURNS text
STABLE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'foreign_key_script_wrapper';
COMMENT ON FUNCTION registrar.foreign_key_script(regclass, text) IS
    'The script that has every foreign key to a table of users, which were imported from it, refer to auth.users; it changes nothing by itself. Run by the owner of the database; the script as superuser.';

CREATE FUNCTION registrar.get_user(
    p_user_id uuid DEFAULT NULL,
    p_email text DEFAULT NULL,
    p_phone text DEFAULT NULL
) RETURNS jsonb
STABLE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'get_user_wrapper';
COMMENT ON FUNCTION registrar.get_user(uuid, text, text) IS
    'A user by id, e-mail address or phone number, as the view registrar.users shows one; without arguments the own one of who is signed in. 200 done; 403 forbidden; 404 user_not_found.';

CREATE FUNCTION registrar.import_user_rows(
    p_source text DEFAULT NULL,
    p_rows jsonb DEFAULT NULL,
    p_begins boolean DEFAULT true,
    p_mapping jsonb DEFAULT NULL,
    p_options jsonb DEFAULT NULL
) RETURNS jsonb
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'import_user_rows_wrapper';
COMMENT ON FUNCTION registrar.import_user_rows(text, jsonb, boolean, jsonb, jsonb) IS
    'Imports rows of another system''s users, [{"position": 1, "columns": {…}}], up to 10,000 in a call; p_begins says that they are the first of the source. Mapping and options are those of import_users. What was done before is not done again. 200 done; 400 validation_failed; 403 forbidden.';

CREATE FUNCTION registrar.import_users(
    p_source text,
    p_mapping jsonb DEFAULT NULL,
    p_options jsonb DEFAULT NULL
) RETURNS jsonb
LANGUAGE c
AS 'MODULE_PATHNAME', 'import_users_wrapper';
COMMENT ON FUNCTION registrar.import_users(text, jsonb, jsonb) IS
    'Imports the users of another system from a table or query, with their passwords: p_mapping names a preset (fastapi-users, django, devise, laravel, firebase, auth0, supabase, custom) or says which column is what; p_options: source, on_conflict (skip, merge, fail), allow_weak, assume_verified, pepper, firebase, phone_region, dry_run. Reads the source with the rights of its caller. One transaction; may be called again after what was wrong with rows is mended. 200 done; 400 validation_failed.';

CREATE FUNCTION registrar.legacy_user_id(
    p_source text,
    p_legacy_id text
) RETURNS uuid
STABLE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'legacy_user_id_wrapper';
COMMENT ON FUNCTION registrar.legacy_user_id(text, text) IS
    'Who a key of a source of import_users is now; raises where no user was imported with it. For scripts that change the type of a column.';

CREATE FUNCTION registrar.list_users(
    p_after uuid DEFAULT NULL,
    p_limit integer DEFAULT 100,
    p_email_prefix text DEFAULT NULL,
    p_role text DEFAULT NULL
) RETURNS jsonb
STABLE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'list_users_wrapper';
COMMENT ON FUNCTION registrar.list_users(uuid, integer, text, text) IS
    'The next users after one, in the order of their ids, 100 unless p_limit says otherwise (10,000 at most): all, or those whose e-mail address begins like p_email_prefix and whose role is p_role. next is the p_after of the following page. 200 done; 400 validation_failed.';

CREATE FUNCTION registrar.profile_id(
    p_user_id uuid DEFAULT NULL
) RETURNS jsonb
STABLE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'profile_id_wrapper';
COMMENT ON FUNCTION registrar.profile_id(uuid) IS
    'The key of the user''s row in the primary profile table; NULL where there is none.';

CREATE FUNCTION registrar.update_user(
    p_user_id uuid DEFAULT NULL,
    p_updates jsonb DEFAULT '{}'
) RETURNS jsonb
SET search_path TO pg_catalog, pg_temp
LANGUAGE c
AS 'MODULE_PATHNAME', 'update_user_wrapper';
COMMENT ON FUNCTION registrar.update_user(uuid, jsonb) IS
    'Changes those fields of a user that the object has, of those that create_user takes; null clears. Another e-mail address is unverified and gets a token; another password ends the other sessions, and is_active false all. A user changes the own address, number and password within a fresh session only, and never role, is_active, is_superuser, is_verified. 200 done; 400 validation_failed; 403 forbidden; 404 user_not_found; 409 email_exists, phone_exists; 422 invalid_role, weak_password.';

-- A new function is everybody's (PostgreSQL's default), or whoever's the database's default privileges say.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT p.oid::regprocedure AS routine,
               CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE p.oid IN (
            'registrar.create_user(jsonb)'::regprocedure,
            'registrar.delete_user(uuid, boolean)'::regprocedure,
            'registrar.export_users(uuid, integer, boolean)'::regprocedure,
            'registrar.foreign_key_script(regclass, text)'::regprocedure,
            'registrar.get_user(uuid, text, text)'::regprocedure,
            'registrar.import_user_rows(text, jsonb, boolean, jsonb, jsonb)'::regprocedure,
            'registrar.import_users(text, jsonb, jsonb)'::regprocedure,
            'registrar.legacy_user_id(text, text)'::regprocedure,
            'registrar.list_users(uuid, integer, text, text)'::regprocedure,
            'registrar.profile_id(uuid)'::regprocedure,
            'registrar.update_user(uuid, jsonb)'::regprocedure
        ) AND acl.grantee <> p.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM %s', granted.routine, granted.grantee);
    END LOOP;
END
$$;
