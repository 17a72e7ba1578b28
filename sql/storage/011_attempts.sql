CREATE TABLE registrar_private.secrets (
    name text PRIMARY KEY,
    value bytea NOT NULL
);
COMMENT ON TABLE registrar_private.secrets IS
    'Keys that registrar makes for itself: identifier_key, under which codes and identifiers are hashed.';

-- Two random UUIDs: 244 random bits.
INSERT INTO registrar_private.secrets (name, value)
SELECT 'identifier_key', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE registrar_private.attempts (
    identifier_hash bytea NOT NULL CHECK (octet_length(identifier_hash) = 32),
    purpose text NOT NULL CHECK (purpose ~ '^[a-z][a-z_]*$'),
    id bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamptz NOT NULL,
    succeeded boolean NOT NULL,
    address inet,
    user_id uuid REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    PRIMARY KEY (identifier_hash, purpose, id)
);
COMMENT ON TABLE registrar_private.attempts IS
    'Every attempt to sign in: what the limits count.';
COMMENT ON COLUMN registrar_private.attempts.identifier_hash IS 'The keyed hash of the address or number that was named, whoever''s it is.';

COMMENT ON COLUMN registrar_private.attempts.user_id IS 'Whose the address or number is, where there is such a user.';

CREATE INDEX attempts_user_id_idx ON registrar_private.attempts (user_id);
CREATE INDEX attempts_address_idx ON registrar_private.attempts (address, purpose, occurred_at) WHERE address IS NOT NULL;
