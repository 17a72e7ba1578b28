CREATE TABLE registrar_private.profile_tables (
    schema_name name NOT NULL,
    table_name name NOT NULL,
    position integer GENERATED ALWAYS AS IDENTITY,
    user_column name NOT NULL,
    fill_statement text NOT NULL,
    refill_statement text NOT NULL,
    read_statement text NOT NULL,
    PRIMARY KEY (schema_name, table_name)
);
COMMENT ON TABLE registrar_private.profile_tables IS
    'Tables that handle_new_user fills, in the order of position; the first is the primary one, whose row the answers show. The statements run as the owner of the table.';
COMMENT ON COLUMN registrar_private.profile_tables.fill_statement IS
    'Inserts the profile of a new user: $1 id, $2 e-mail, $3 phone, $4 user metadata, $5 app metadata.';
COMMENT ON COLUMN registrar_private.profile_tables.refill_statement IS
    'The same for a user who has a profile, whose mapped columns it overwrites: for metadata that a verification puts in force.';
COMMENT ON COLUMN registrar_private.profile_tables.read_statement IS 'The profile of user $1 as jsonb.';
