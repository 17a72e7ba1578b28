CREATE TABLE registrar_private.legacy_peppers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pepper text NOT NULL UNIQUE CHECK (pepper <> '')
);
COMMENT ON TABLE registrar_private.legacy_peppers IS
    'What apps put behind each password before they hashed it (Devise). Without it their users'' passwords cannot be verified.';

CREATE TABLE registrar_private.legacy_passwords (
    user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    reference uuid NOT NULL,
    hash text NOT NULL CHECK (hash <> ''),
    pepper_id integer REFERENCES registrar_private.legacy_peppers (id),
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE registrar_private.legacy_passwords IS
    'Imported hashes that Supabase Auth cannot verify, until their users sign in: then argon2id takes their place in auth.users.';
COMMENT ON COLUMN registrar_private.legacy_passwords.reference IS
    'The hash is in force as long as auth.users.encrypted_password is $registrar-legacy$ with this behind it: whatever replaces that ends it.';
COMMENT ON COLUMN registrar_private.legacy_passwords.hash IS
    'As the other system stored it; one round of SHA-1 or MD5 only within argon2id.';

CREATE INDEX legacy_passwords_pepper_id_idx ON registrar_private.legacy_passwords (pepper_id);
