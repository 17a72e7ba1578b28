CREATE TABLE registrar_private.idempotency_keys (
    key_hash bytea PRIMARY KEY CHECK (octet_length(key_hash) = 32),
    user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE registrar_private.idempotency_keys IS
    'Which registration a key named, as the SHA-256 of the key; valid for 24 hours.';

CREATE INDEX idempotency_keys_user_id_idx ON registrar_private.idempotency_keys (user_id);
