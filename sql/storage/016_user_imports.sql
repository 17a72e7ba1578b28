CREATE TABLE registrar_private.user_imports (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL UNIQUE CHECK (source <> ''),
    runs integer NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE registrar_private.user_imports IS
    'The sources that users came from. An import of a source of the same name goes on where the one before stopped.';
COMMENT ON COLUMN registrar_private.user_imports.runs IS 'How often the source was imported from its beginning.';

CREATE TABLE registrar_private.import_rows (
    import_id integer NOT NULL REFERENCES registrar_private.user_imports (id) ON DELETE CASCADE,
    key text NOT NULL,
    position bigint NOT NULL,
    run integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('imported', 'merged', 'skipped', 'failed')),
    reason text,
    message text,
    PRIMARY KEY (import_id, key),
    CHECK ((outcome = 'imported') = (reason IS NULL))
);
COMMENT ON TABLE registrar_private.import_rows IS
    'What became of each row of a source. One that was imported or merged is done; others are tried again with the next run.';
COMMENT ON COLUMN registrar_private.import_rows.key IS
    'What the row is known by: its key in the source, else its address, number or place; with its place where another row has the same.';

CREATE TABLE registrar_private.legacy_ids (
    user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    import_id integer NOT NULL REFERENCES registrar_private.user_imports (id) ON DELETE CASCADE,
    legacy_id text NOT NULL,
    PRIMARY KEY (user_id, import_id, legacy_id),
    UNIQUE (import_id, legacy_id)
);
COMMENT ON TABLE registrar_private.legacy_ids IS 'Which user a key of another system is now, where that is not the same UUID.';
