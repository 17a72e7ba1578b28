CREATE TABLE registrar_private.declared_relations (
    schema_name name NOT NULL,
    table_name name NOT NULL,
    column_name name NOT NULL,
    update_cascade boolean NOT NULL DEFAULT true,
    PRIMARY KEY (schema_name, table_name, column_name)
);
COMMENT ON TABLE registrar_private.declared_relations IS
    'Columns that hold users and that the app relies on, whether or not the table is there; the doctor watches over their foreign keys. Written by declare_relation.';
COMMENT ON COLUMN registrar_private.declared_relations.update_cascade IS
    'Whether the foreign key is to be ON UPDATE CASCADE besides ON DELETE CASCADE.';
