CREATE TABLE registrar_private.profile_tables (
    schema_name name NOT NULL,
    table_name name NOT NULL,
    position integer GENERATED ALWAYS AS IDENTITY,
    user_column name NOT NULL,
    fields jsonb NOT NULL DEFAULT '[]',
    on_failure text NOT NULL DEFAULT 'queue' CHECK (on_failure IN ('queue', 'block', 'ignore')),
    PRIMARY KEY (schema_name, table_name)
);
COMMENT ON TABLE registrar_private.profile_tables IS
    'Tables that handle_new_user fills, in the order of position; the first is the primary one, whose row the answers show. Written by attach_profile_table; filled with the rights of their owner.';
COMMENT ON COLUMN registrar_private.profile_tables.user_column IS 'The column, unique, that holds the id of the user.';
COMMENT ON COLUMN registrar_private.profile_tables.fields IS
    'p_fields of attach_profile_table: what fills each column and what it may hold.';
COMMENT ON COLUMN registrar_private.profile_tables.on_failure IS
    'What becomes of a sign-up whose profile fails: queue (it stands, profile_failures says why), block (it fails with that reason), ignore (it stands).';
