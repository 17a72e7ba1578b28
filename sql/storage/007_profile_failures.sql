CREATE TABLE registrar_private.profile_failures (
    user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name name NOT NULL,
    table_name name NOT NULL,
    occurred_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    hint text,
    context text,
    constraint_name text,
    failed_table text,
    PRIMARY KEY (user_id, schema_name, table_name)
);
COMMENT ON TABLE registrar_private.profile_failures IS
    'Profiles that could not be filled, each with the reason. failed_table is where the error arose: the profile table, or one that its triggers write to.';
