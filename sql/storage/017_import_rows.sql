-- What an import asks and writes for each of its rows. Keys are compared by their bytes, whatever the database's collation; and the import,
-- whose row is locked by the only one that writes these, is not looked up again for each of them.
DROP VIEW IF EXISTS registrar.import_rows;
ALTER TABLE registrar_private.import_rows
    ALTER COLUMN key TYPE text COLLATE "C",
    DROP CONSTRAINT import_rows_import_id_fkey;
COMMENT ON COLUMN registrar_private.import_rows.import_id IS
    'The source in user_imports. No foreign key: whoever deletes a source there deletes its rows here.';
