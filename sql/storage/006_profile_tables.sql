CREATE TABLE registrar_private.profile_tables (
    schema_name name NOT NULL,
    table_name name NOT NULL,
    position integer GENERATED ALWAYS AS IDENTITY,
    user_column name NOT NULL,
    fields jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (schema_name, table_name)
);
COMMENT ON TABLE registrar_private.profile_tables IS
    'Tables that handle_new_user fills, in the order of position; the first is the primary one, whose row the answers show. They are written with the rights of their owner.';
COMMENT ON COLUMN registrar_private.profile_tables.user_column IS 'The column, unique, that holds the id of the user.';
COMMENT ON COLUMN registrar_private.profile_tables.fields IS
    'What is filled from the user''s metadata: [{"column": …, "key": …}]. A key that the metadata lacks leaves the column to its own default.';
