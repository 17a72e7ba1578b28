-- One row for each user and purpose, whose newest token replaces the one before: that there is one live token, and that it
-- is the newest, follows from the primary key.
CREATE TABLE registrar_private.verification_tokens (
    user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose = 'email'),
    email text NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, purpose)
);
COMMENT ON COLUMN registrar_private.verification_tokens.email IS
    'The address that the token is sent to: where the user''s is another by now, the token verifies nothing.';
COMMENT ON TABLE registrar_private.verification_tokens IS 'The newest verification token of each user, as its SHA-256.';
