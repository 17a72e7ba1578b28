CREATE TABLE registrar_private.password_resets (
    user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    email text NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    password_digest bytea NOT NULL CHECK (octet_length(password_digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
COMMENT ON TABLE registrar_private.password_resets IS 'The newest token of each user to reset the password with, as its SHA-256.';
COMMENT ON COLUMN registrar_private.password_resets.email IS
    'The address that the token is sent to: where the user''s is another by now, the token resets nothing.';
COMMENT ON COLUMN registrar_private.password_resets.password_digest IS
    'The SHA-256 of the stored hash of the password that the token is to replace: with that password the token dies.';
