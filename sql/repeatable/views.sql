-- Owned by whoever owns registrar_private, and readable by whom the owner lets.
CREATE OR REPLACE VIEW registrar.profile_tables AS
    SELECT
        p.schema_name,
        p.table_name,
        p.position,
        p.user_column,
        p.fields,
        p.on_failure,
        c.oid IS NOT NULL AS is_present,
        c.relowner::regrole AS owner
    FROM registrar_private.profile_tables AS p
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schema_name
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.table_name
    ORDER BY p.position;
COMMENT ON VIEW registrar.profile_tables IS
    'The attached profile tables, the primary one first, and how each is filled. Changed by attach_profile_table and detach_profile_table.';

CREATE OR REPLACE VIEW registrar.import_rows AS
    SELECT i.source, r.key, r.position, r.outcome, r.reason, r.message
    FROM registrar_private.import_rows AS r
    JOIN registrar_private.user_imports AS i ON i.id = r.import_id;
COMMENT ON VIEW registrar.import_rows IS
    'What became of each row of each source that import_users has read: imported, merged, skipped or failed, and why.';

CREATE OR REPLACE VIEW registrar.legacy_ids AS
    SELECT i.source, l.legacy_id, l.user_id
    FROM registrar_private.legacy_ids AS l
    JOIN registrar_private.user_imports AS i ON i.id = l.import_id;
COMMENT ON VIEW registrar.legacy_ids IS
    'Which user each key of a source of import_users is now, where that is not the same UUID.';
