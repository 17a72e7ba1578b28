-- One model of a user, whatever wrote the row. What stands in braces is what this auth.users has, or NULL.
--
-- A view that called a function of the extension would be in the way of DROP EXTENSION; these two, which belong to registrar's owner like
-- the tables, name none until they run. They are run by whoever reads the view, who has no way to them but that.
CREATE OR REPLACE FUNCTION registrar_private.profile_id(p_user_id uuid)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN registrar.profile_id(p_user_id);
EXCEPTION
    -- Without the extension there are still users.
    WHEN undefined_function THEN
        RETURN NULL;
END
$$;
COMMENT ON FUNCTION registrar_private.profile_id(uuid) IS 'registrar.profile_id, for the view registrar.users.';

CREATE OR REPLACE FUNCTION registrar_private.json_in_a_string(p_string jsonb)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (p_string #>> '{}')::jsonb;
EXCEPTION
    WHEN invalid_text_representation OR untranslatable_character THEN
        RETURN NULL;
END
$$;
COMMENT ON FUNCTION registrar_private.json_in_a_string(jsonb) IS
    'The JSON that a server has stored as the text of it; NULL for a string that is none. For the view registrar.users.';

CREATE OR REPLACE VIEW registrar.users AS
    SELECT
        u.id,
        u.email::text AS email,
        '+' || nullif({phone}, '') AS phone,
        coalesce({banned_until} <= now(), true) AS is_active,
        coalesce(app.metadata -> 'is_superuser' = 'true', false) AS is_superuser,
        (CASE WHEN u.email IS NULL THEN {phone_confirmed_at} ELSE u.email_confirmed_at END) IS NOT NULL AS is_verified,
        app.metadata ->> 'role' AS role,
        registrar_private.profile_id(u.id) AS profile_id,
        u.created_at,
        u.updated_at,
        {last_sign_in_at} AS last_sign_in_at
    FROM auth.users AS u
    CROSS JOIN LATERAL (
        SELECT CASE jsonb_typeof(u.raw_app_meta_data)
            WHEN 'string' THEN registrar_private.json_in_a_string(u.raw_app_meta_data)
            ELSE u.raw_app_meta_data
        END
    ) AS app (metadata)
    WHERE {deleted_at} IS NULL;
COMMENT ON VIEW registrar.users IS
    'Users that are not deleted, each as get_user answers: is_active unless banned now, is_verified by the e-mail address or else the phone number, role and is_superuser from the app metadata, profile_id the key of the row in the primary profile table. Read only; changed by update_user.';
