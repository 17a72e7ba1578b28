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
    purpose text NOT NULL CHECK (purpose IN ('password', 'otp_send', 'otp_verify', 'password_reset')),
    id bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamptz NOT NULL,
    succeeded boolean NOT NULL,
    address inet,
    PRIMARY KEY (identifier_hash, purpose, id)
);
COMMENT ON TABLE registrar_private.attempts IS
    'Every attempt to sign in, to have a code sent and to use one: what the limits count. Pruned once no limit looks at it.';
COMMENT ON COLUMN registrar_private.attempts.identifier_hash IS 'The keyed hash of the address or number that was named, whoever''s it is.';

CREATE INDEX attempts_address_idx ON registrar_private.attempts (address, purpose, occurred_at) WHERE address IS NOT NULL;
