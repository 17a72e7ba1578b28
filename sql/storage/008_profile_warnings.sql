CREATE TABLE registrar_private.profile_warnings (
    user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name name NOT NULL,
    table_name name NOT NULL,
    column_name name NOT NULL,
    occurred_at timestamptz NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (user_id, schema_name, table_name, column_name)
);
COMMENT ON TABLE registrar_private.profile_warnings IS
    'Values that did not fit their field, which has its default instead; never the value itself. One row for each user and field, the newest.';
