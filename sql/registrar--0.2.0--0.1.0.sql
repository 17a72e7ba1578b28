-- Back to 0.1.0. The tables of imports stay, since what they say may be needed again; but nobody could sign in with an imported password that
-- only 0.2.0 verifies.
\echo Run ALTER EXTENSION registrar UPDATE TO '0.1.0' to load this file. \quit

DO $$
DECLARE
    locked_out bigint;
BEGIN
    IF to_regclass('registrar_private.legacy_passwords') IS NOT NULL THEN
        SELECT count(*) INTO locked_out
        FROM registrar_private.legacy_passwords AS l
        JOIN auth.users AS u ON u.id = l.user_id AND u.encrypted_password = '$registrar-legacy$' || l.reference;
        IF locked_out > 0 THEN
            RAISE EXCEPTION '% users have passwords that version 0.1.0 cannot verify', locked_out
                USING HINT = 'Have them sign in first, which hashes the password anew; or clear their passwords, for them to reset.';
        END IF;
    END IF;
END
$$;

-- What setup() has made for the functions that go.
DROP VIEW IF EXISTS registrar.import_rows, registrar.legacy_ids, registrar.users;
DROP FUNCTION IF EXISTS registrar_private.json_in_a_string(jsonb), registrar_private.profile_id(uuid);
REVOKE DELETE ON auth.identities, auth.users FROM registrar_owner;

DROP FUNCTION
    registrar.create_user(jsonb),
    registrar.delete_user(uuid, boolean),
    registrar.export_users(uuid, integer, boolean),
    registrar.foreign_key_script(regclass, text),
    registrar.get_user(uuid, text, text),
    registrar.import_user_rows(text, jsonb, boolean, jsonb, jsonb),
    registrar.import_users(text, jsonb, jsonb),
    registrar.legacy_user_id(text, text),
    registrar.list_users(uuid, integer, text, text),
    registrar.profile_id(uuid),
    registrar.update_user(uuid, jsonb);
