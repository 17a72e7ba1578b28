-- One row for each recipient and purpose, whose newest code replaces the one before. Keyed by the recipient and not by the user:
-- there may be none yet.
CREATE TABLE registrar_private.one_time_codes (
    recipient_hash bytea NOT NULL CHECK (octet_length(recipient_hash) = 32),
    purpose text NOT NULL CHECK (purpose IN ('sign_in', 'confirmation')),
    user_id uuid REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (octet_length(code_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    used_at timestamptz,
    PRIMARY KEY (recipient_hash, purpose)
);
COMMENT ON TABLE registrar_private.one_time_codes IS
    'The newest one-time code of each recipient, under a keyed hash: of six digits a plain one would tell the code.';
COMMENT ON COLUMN registrar_private.one_time_codes.user_id IS
    'Whose the address or number is; NULL where it is nobody''s, for whom no code is right.';
COMMENT ON COLUMN registrar_private.one_time_codes.tries IS 'Guesses made, right or wrong.';

CREATE INDEX one_time_codes_user_id_idx ON registrar_private.one_time_codes (user_id);
