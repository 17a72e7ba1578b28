-- SECURITY DEFINER functions, all of them; tests/THREATS.md says what each may be used for:
--   handle_new_user, handle_user_update, refresh_session, register_user_with_token, resend_verification,
--   sign_in_with_password, verify_email
-- The calls on profiles are not among them: each takes registrar's rights for what it reads of registrar's own, and writes a
-- profile with those of the table's owner, or of the user whose profile it is. Nor are those that must know their caller before they take
-- registrar's rights: change_password, create_user, delete_user, export_users, get_user, import_user_rows, import_users,
-- legacy_user_id, list_sessions, list_users, logout, profile_id, request_password_reset, reset_password, send_otp, update_user, verify_otp.
ALTER FUNCTION registrar.handle_new_user() OWNER TO registrar_owner;
ALTER FUNCTION registrar.handle_user_update() OWNER TO registrar_owner;
ALTER FUNCTION registrar.refresh_session(text) OWNER TO registrar_owner;
ALTER FUNCTION registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text) OWNER TO registrar_owner;
ALTER FUNCTION registrar.resend_verification(text) OWNER TO registrar_owner;
ALTER FUNCTION registrar.sign_in_with_password(text, text, text, text) OWNER TO registrar_owner;
ALTER FUNCTION registrar.verify_email(text) OWNER TO registrar_owner;

-- In batches that commit, which only a procedure without SET can; whoever calls it runs it with the own rights and search_path,
-- so that every name in it says its schema.
CREATE PROCEDURE registrar.backfill_profiles(
    p_batch integer DEFAULT 1000,
    p_table text DEFAULT NULL,
    INOUT p_created bigint DEFAULT 0,
    INOUT p_failed bigint DEFAULT 0
)
LANGUAGE plpgsql
AS $$
DECLARE
    batch pg_catalog.jsonb;
    after pg_catalog.uuid;
BEGIN
    p_created := 0;
    p_failed := 0;
    LOOP
        batch := registrar.backfill_profiles_batch(after, p_batch, p_table);
        IF NOT pg_catalog.jsonb_extract_path_text(batch, 'success')::boolean THEN
            RAISE EXCEPTION '%', pg_catalog.jsonb_extract_path_text(batch, 'message')
                USING HINT = coalesce(pg_catalog.jsonb_extract_path_text(batch, 'errors', '0', 'hint'), '');
        END IF;
        COMMIT;
        p_created := p_created OPERATOR(pg_catalog.+) pg_catalog.jsonb_extract_path_text(batch, 'data', 'created')::bigint;
        p_failed := p_failed OPERATOR(pg_catalog.+) pg_catalog.jsonb_extract_path_text(batch, 'data', 'failed')::bigint;
        after := pg_catalog.jsonb_extract_path_text(batch, 'data', 'next')::pg_catalog.uuid;
        EXIT WHEN after IS NULL;
    END LOOP;
END
$$;

-- In steps that commit, so that no lock is held longer than a step needs it; a procedure without SET, as above. What a step answers
-- has the member so_far while there is more to do.
CREATE PROCEDURE registrar.fix_constraint(
    p_table text,
    p_column text,
    p_orphans text DEFAULT 'report',
    INOUT p_answer jsonb DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
    so_far pg_catalog.jsonb;
BEGIN
    LOOP
        p_answer := registrar.fix_constraint_step(p_table, p_column, p_orphans, so_far);
        COMMIT;
        so_far := pg_catalog.jsonb_extract_path(p_answer, 'data', 'so_far');
        EXIT WHEN so_far IS NULL;
    END LOOP;
END
$$;

-- A new function is everybody's (PostgreSQL's default), or whoever's the database's default privileges say. Here it is
-- nobody's but its owner's, until setup() grants it.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT p.oid::regprocedure AS routine,
               CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE p.pronamespace = 'registrar'::regnamespace AND acl.grantee <> p.proowner
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM %s', granted.routine, granted.grantee);
    END LOOP;
END
$$;

COMMENT ON FUNCTION registrar.register_user_with_token(text, text, text, text, text, text, jsonb, text) IS
    'Creates a user, the e-mail verification token and the profile in one transaction. 201 created; 200 for an unverified e-mail, which gets a new token; 409 email_exists, phone_exists; 400 validation_failed; 422 invalid_role, weak_password.';
COMMENT ON FUNCTION registrar.verify_email(text) IS
    'Confirms the e-mail address of the token''s user and puts the newest registration''s password and metadata in force. 200 done; 401 token_invalid; 410 token_expired.';
COMMENT ON FUNCTION registrar.resend_verification(text) IS
    'Replaces the verification token of an unverified e-mail address. 200 done; 404 user_not_found; 409 email_exists where it is verified, or somebody holds the account who never confirmed it.';
COMMENT ON FUNCTION registrar.sign_in_with_password(text, text, text, text) IS
    'Opens a session for whoever has the password of an e-mail address or a phone number. 200 with the user, the session and its tokens; 401 invalid_credentials, whether or not there is such a user; 403 not_confirmed, user_banned and 410 user_deleted after a right password only; 423 locked and 429 rate_limited with Retry-After.';
COMMENT ON FUNCTION registrar.allow_public_sign_in(boolean, regprocedure) IS
    'Lets visitors (anon) sign in, refresh, log out, and choose a password by a token, without a back end between; false takes it back. With p_sender, a function of one jsonb that sends messages, also ask for codes and tokens, which are never in the answer. Run as superuser; returns what is in force.';
COMMENT ON FUNCTION registrar.set_jwt_secret(text) IS
    'Stores the secret that access tokens are signed with (HS256), that of PostgREST or Supabase, of at least 32 bytes; NULL forgets it. Run as superuser. True where there is one now.';
COMMENT ON FUNCTION registrar.send_otp(text, text, text, text) IS
    'Makes a one-time code of six digits for one e-mail address or phone number (p_mobile and p_phone take what people type), to be sent there by the back end that calls; it ends the one before. p_purpose: sign_in, or confirmation where the user is known. 200, or 201 where registrar.otp_creates_users made a user; 404 user_not_found; 403 user_banned; 410 user_deleted; 429 rate_limited with Retry-After.';
COMMENT ON FUNCTION registrar.verify_otp(text, text, text, text, text, text) IS
    'Uses a one-time code up, confirms the address or number that it was sent to, and opens a session. 200 with the user, the session and its tokens; 401 invalid_credentials; 410 otp_expired; 403 not_confirmed where somebody holds the account who never confirmed it; 403 user_banned; 410 user_deleted; 429 rate_limited with Retry-After.';
COMMENT ON FUNCTION registrar.request_password_reset(text) IS
    'Makes a token to choose a new password with, to be sent to the address by the back end that calls; it ends the one before. 200 done; 404 user_not_found; 403 not_confirmed, user_banned; 410 user_deleted; 429 rate_limited with Retry-After.';
COMMENT ON FUNCTION registrar.reset_password(text, text, text) IS
    'Puts a new password in force by a token of request_password_reset, which dies with the old password, and ends all sessions of its user. 200 done; 401 token_invalid; 410 token_expired; 422 weak_password with all reasons.';
COMMENT ON FUNCTION registrar.change_password(text, text, text, text, uuid) IS
    'Puts a new password in force by the current one, or by a fresh session, and ends all other sessions. Of the signed-in user; for a back end of the user of a session token or of p_user_id. 200 done; 401 invalid_credentials, session_expired; 403 forbidden; 422 weak_password with all reasons; 423 locked.';
COMMENT ON FUNCTION registrar.refresh_session(text) IS
    'New tokens for the session of a refresh token, which is good for one refresh: one that comes again later than the grace period ends its session. 200 done; 401 token_invalid, session_expired.';
COMMENT ON FUNCTION registrar.get_session(text) IS
    'The session of a session token, for a back end that is shown one. 200 done; 401 token_invalid, session_expired.';
COMMENT ON FUNCTION registrar.list_sessions(text, uuid) IS
    'The live sessions of the signed-in user, or for a back end of the user of a session token or of p_user_id; the newest first. 200 done; 401 token_invalid, session_expired; 403 forbidden.';
COMMENT ON FUNCTION registrar.logout(text, text, uuid) IS
    'Ends sessions at once: p_scope is this, others or all. Of the signed-in user; for a back end those of the user of a session token, or with scope all of p_user_id. 200 done; 401 token_invalid, session_expired; 403 forbidden.';
COMMENT ON FUNCTION registrar.check_session() IS
    'For PostgREST''s db-pre-request: refuses access tokens of registrar''s whose session has ended with 401 session_expired, and lets every other request pass.';
COMMENT ON FUNCTION registrar.handle_new_user() IS
    'Trigger on auth.users: fills the attached profile tables for a new user. A failure never costs the sign-up; it is queued in registrar_private.profile_failures.';
COMMENT ON FUNCTION registrar.configuration_changed() IS
    'Trigger on registrar''s configuration tables: makes every session read them again.';
COMMENT ON FUNCTION registrar.setup() IS
    'Makes and migrates everything outside the extension: roles, the auth schema where it is missing, registrar_private, the trigger on auth.users, grants. Idempotent; returns what it did. Run as superuser.';
COMMENT ON FUNCTION registrar.handle_user_update() IS
    'Trigger on auth.users: lets the fields marked sync follow changes of e-mail, phone and metadata.';
COMMENT ON FUNCTION registrar.attach_profile_table(regclass, name, jsonb, text) IS
    'Makes a table a profile table, filled for every new user; or changes how it is filled. Checks everything first and lists every fault with its fix. Run as the table''s owner. p_fields is an array of column names, or of objects: column, source (user_metadata, app_metadata, email, phone, none), key or path, default, required, allowed, minimum, maximum, sync. p_on_failure: queue, block, ignore.';
COMMENT ON FUNCTION registrar.detach_profile_table(text) IS
    'Makes a table no profile table any more; its rows stay. False where it was none. Run as the table''s owner.';
COMMENT ON FUNCTION registrar.create_profile_table(text, jsonb) IS
    'Makes a profile table from a template (profiles, user_profiles, user_profile) as the caller''s own, and attaches it. Returns its name. p_options: name, schema, defaults, required, on_failure.';
COMMENT ON FUNCTION registrar.create_profile(uuid, jsonb, text) IS
    'Creates a user''s profile from p_values, else from where each field is attached to. 201 created; 409 profile_exists; 404 user_not_found; 400 validation_failed; 403 forbidden.';
COMMENT ON FUNCTION registrar.get_profile(uuid, text) IS
    'A user''s profile; without p_user_id the caller''s own. 200 done; 404 user_not_found, profile_not_found; 403 forbidden.';
COMMENT ON FUNCTION registrar.update_profile(uuid, jsonb, text) IS
    'Changes the fields in p_updates and no other; null clears. 200 done; 404 user_not_found, profile_not_found; 400 validation_failed, every bad field with its allowed values; 403 forbidden.';
COMMENT ON FUNCTION registrar.get_profile_completion_status(uuid, text) IS
    'Whether a profile is complete, to which percentage, and which required fields are missing. 200 done; 404 user_not_found, profile_not_found; 403 forbidden.';
COMMENT ON FUNCTION registrar.verify_user_profile(uuid, text) IS
    'Whether a user has a profile, and whether it is complete. 200 done; 404 user_not_found; 403 forbidden.';
COMMENT ON FUNCTION registrar.get_user_profile_data(uuid, text) IS
    'A user with profile: id, email, phone, created_at, profile, profile_complete. 200 done; 404 user_not_found; 403 forbidden.';
COMMENT ON FUNCTION registrar.create_profiles(uuid[], boolean, text) IS
    'Creates the profiles of up to 10,000 users, with one result for each; with p_all_or_nothing none where one fails. 200 done; 403 forbidden.';
COMMENT ON FUNCTION registrar.update_profiles(jsonb, boolean, text) IS
    'Updates up to 10,000 profiles, [{"user_id": …, "updates": {…}}], with one result for each; with p_all_or_nothing none where one fails. 200 done; 400 validation_failed; 403 forbidden.';
COMMENT ON FUNCTION registrar.export_profiles(uuid, integer, text) IS
    'The next rows of a profile table after a user, as they are. 200 done; 403 forbidden.';
COMMENT ON FUNCTION registrar.import_profiles(jsonb, text) IS
    'Inserts rows as export_profiles gave them, or overwrites those of their users where they differ, with one result for each. 200 done; 400 validation_failed; 403 forbidden.';
COMMENT ON FUNCTION registrar.profile_stats(integer, text) IS
    'Counts of users and profiles, how complete they are, the fields most often missing, sign-ups and failures of each of the last days. 200 done; 403 forbidden.';
COMMENT ON FUNCTION registrar.repair_profiles(integer) IS
    'Tries the queued profile failures again, the oldest first, and says what became of them. 200 done; 403 forbidden.';
COMMENT ON FUNCTION registrar.backfill_profiles_batch(uuid, integer, text) IS
    'Gives those of the next p_limit users after p_after a profile who have none. 200 done; 403 forbidden.';
COMMENT ON PROCEDURE registrar.backfill_profiles(integer, text, bigint, bigint) IS
    'Gives every user without a profile one, in batches of p_batch that commit; may be called again after it was stopped. Counts what it made and what failed.';
COMMENT ON FUNCTION registrar.import_users(text, jsonb, jsonb) IS
    'Imports the users of another system from a table or query, with their passwords: p_mapping names a preset (fastapi-users, django, devise, laravel, firebase, auth0, supabase, custom) or says which column is what; p_options: source, on_conflict (skip, merge, fail), allow_weak, assume_verified, pepper, firebase, phone_region, dry_run. Reads the source with the rights of its caller. One transaction; may be called again after what was wrong with rows is mended. 200 done; 400 validation_failed.';
COMMENT ON FUNCTION registrar.import_user_rows(text, jsonb, boolean, jsonb, jsonb) IS
    'Imports rows of another system''s users, [{"position": 1, "columns": {…}}], up to 10,000 in a call; p_begins says that they are the first of the source. Mapping and options are those of import_users. What was done before is not done again. 200 done; 400 validation_failed; 403 forbidden.';
COMMENT ON FUNCTION registrar.doctor() IS
    'What is wrong with users, profiles, triggers, foreign keys, rights and the server: one row for each finding with severity (ok, notice, warning, error), why it matters and the statements that mend it. Reads only.';
COMMENT ON FUNCTION registrar.declare_relation(text, text, boolean) IS
    'Has the doctor watch over a column that holds users, whether or not the table is there yet: that its foreign key is right, and that no row is without a user.';
COMMENT ON FUNCTION registrar.withdraw_relation(text, text) IS
    'Takes a declaration of declare_relation back. False where there was none.';
COMMENT ON FUNCTION registrar.expose_api(text, text[]) IS
    'Makes functions in a schema of the app''s that call those of the API of the same name, for callers that cannot send Content-Profile; all, or those in p_functions, and drops others that it made. Replaces nothing that it did not make, and lists what is in the way. Run as whoever may create functions in the schema.';
COMMENT ON FUNCTION registrar.migration_sql() IS
    'What registrar has outside the app''s own schemas, as one script for a folder of migrations: extension, trigger, settings, roles, attached tables with their row security and rights, wrappers. The script may be run again.';
COMMENT ON FUNCTION registrar.signup_check(name) IS
    'A dry run of a sign-up as the role p_as (the owner of auth.users where none is named), statement by statement as Supabase Auth writes it, and rolled back: one row for each shape with what fails, where, and what to do. Run as superuser, or as the owner of the database with the rights of that role. Uses up sequence values.';
COMMENT ON FUNCTION registrar.verify_and_fix_constraint(text, text, boolean, text) IS
    'Shows the foreign keys of a table''s user column, and what would put the right one in place (REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE); with p_fix does it, in one transaction, and tries whether it works. p_orphans says what becomes of rows whose user does not exist: report, quarantine, delete. Run as the table''s owner or superuser. 200 done; 400 validation_failed; 403 forbidden; 500 internal where a lock is not to be had.';
COMMENT ON PROCEDURE registrar.fix_constraint(text, text, text, jsonb) IS
    'The same with p_fix for large tables: commits after each step, so that sign-ups wait for none. p_answer is the envelope. May be called again after it was stopped.';
COMMENT ON FUNCTION registrar.fix_constraint_step(text, text, text, jsonb) IS
    'The next step of the procedure fix_constraint, which commits it and passes its so_far on.';
COMMENT ON FUNCTION registrar.create_user(jsonb) IS
    'Creates a user from an object of email, phone, password or password_hash, full_name, metadata, role, is_active, is_superuser, is_verified; an e-mail address that is not verified gets a token to send. 201 created; 400 validation_failed; 409 email_exists, phone_exists; 422 invalid_role, weak_password.';
COMMENT ON FUNCTION registrar.get_user(uuid, text, text) IS
    'A user by id, e-mail address or phone number, as the view registrar.users shows one; without arguments the own one of who is signed in. 200 done; 403 forbidden; 404 user_not_found.';
COMMENT ON FUNCTION registrar.list_users(uuid, integer, text, text) IS
    'The next users after one, in the order of their ids, 100 unless p_limit says otherwise (10,000 at most): all, or those whose e-mail address begins like p_email_prefix and whose role is p_role. next is the p_after of the following page. 200 done; 400 validation_failed.';
COMMENT ON FUNCTION registrar.update_user(uuid, jsonb) IS
    'Changes those fields of a user that the object has, of those that create_user takes; null clears. Another e-mail address is unverified and gets a token; another password ends the other sessions, and is_active false all. A user changes the own address, number and password within a fresh session only, and never role, is_active, is_superuser, is_verified. 200 done; 400 validation_failed; 403 forbidden; 404 user_not_found; 409 email_exists, phone_exists; 422 invalid_role, weak_password.';
COMMENT ON FUNCTION registrar.delete_user(uuid, boolean) IS
    'Deletes a user with everything that belongs to them; with p_soft the row stays, without what it said of them, as Supabase Auth does it. 200 done; 404 user_not_found; 500 internal where rows of the app''s keep the user, naming their table.';
COMMENT ON FUNCTION registrar.export_users(uuid, integer, boolean) IS
    'The next users after one, in the order of their ids, in the columns of auth.users that the preset supabase of an import reads; with the hashes of their passwords only where registrar.export_password_hashes is on. 200 done; 400 validation_failed; 403 forbidden.';
COMMENT ON FUNCTION registrar.legacy_user_id(text, text) IS
    'Who a key of a source of import_users is now; raises where no user was imported with it. For scripts that change the type of a column.';
COMMENT ON FUNCTION registrar.foreign_key_script(regclass, text) IS
    'The script that has every foreign key to a table of users, which were imported from it, refer to auth.users; it changes nothing by itself. Run by the owner of the database; the script as superuser.';
COMMENT ON FUNCTION registrar.profile_id(uuid) IS
    'The key of the user''s row in the primary profile table; NULL where there is none.';
COMMENT ON FUNCTION registrar.error_codes() IS
    'The error codes of the contract with their HTTP status, meaning and what to do.';
COMMENT ON FUNCTION registrar.build_info() IS
    'Version of the library, the profile it was compiled in (release or debug) and the PostgreSQL it was compiled for.';
