CREATE TABLE {table} (
    id uuid PRIMARY KEY REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    first_name text,
    last_name text,
    phone_number text,
    account_type text NOT NULL DEFAULT 'personal',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {table} IS 'Profile of a user; one row each, with the user''s own id, filled by registrar.';

-- A row that is restored brings its own time.
CREATE OR REPLACE FUNCTION {touch}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION {touch}() IS 'Keeps updated_at; made by registrar.create_profile_table.';
REVOKE ALL ON FUNCTION {touch}() FROM PUBLIC;
CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {touch}();

ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
-- First what default privileges may have granted: row security stops no TRUNCATE.
REVOKE ALL ON {table} FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT (id, first_name, last_name, phone_number, account_type), UPDATE (first_name, last_name, phone_number, account_type) ON {table} TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO service_role;

CREATE POLICY registrar_own_row_select ON {table} FOR SELECT TO authenticated
    USING (id = (SELECT auth.uid()));
CREATE POLICY registrar_own_row_insert ON {table} FOR INSERT TO authenticated
    WITH CHECK (id = (SELECT auth.uid()));
CREATE POLICY registrar_own_row_update ON {table} FOR UPDATE TO authenticated
    USING (id = (SELECT auth.uid())) WITH CHECK (id = (SELECT auth.uid()));
