CREATE TABLE registrar_private.sessions (
    user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    token_expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('logout', 'replay', 'password', 'user')),
    method text NOT NULL CHECK (method IN ('password', 'otp')),
    device_name text,
    address inet,
    user_agent text,
    PRIMARY KEY (user_id, id)
);
COMMENT ON TABLE registrar_private.sessions IS
    'Who is signed in, where. An ended session keeps its row for a while: access tokens made for it are refused by it.';
COMMENT ON COLUMN registrar_private.sessions.token_hash IS 'The SHA-256 of the session token, a new one with each refresh.';
COMMENT ON COLUMN registrar_private.sessions.idle_expires_at IS 'When the session ends if it is not refreshed before.';
COMMENT ON COLUMN registrar_private.sessions.expires_at IS 'When it ends however often it is refreshed.';
COMMENT ON COLUMN registrar_private.sessions.end_reason IS
    'logout; replay (a used refresh token came again); password (it was changed or reset); user (banned or deleted).';

CREATE UNIQUE INDEX sessions_token_hash_key ON registrar_private.sessions (user_id, token_hash);

-- Used ones stay as long as their session: one that comes again tells that somebody copied it.
CREATE TABLE registrar_private.refresh_tokens (
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    session_id uuid NOT NULL,
    issued_at timestamptz NOT NULL,
    used_at timestamptz,
    forgiven boolean NOT NULL DEFAULT false,
    PRIMARY KEY (user_id, token_hash),
    FOREIGN KEY (user_id, session_id) REFERENCES registrar_private.sessions (user_id, id) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE registrar_private.refresh_tokens IS 'The refresh tokens of each session, as their SHA-256; live are those not used.';
COMMENT ON COLUMN registrar_private.refresh_tokens.forgiven IS
    'Whether it came a second time within the grace period, as from two tabs at once: that is forgiven once.';

CREATE INDEX refresh_tokens_session_id_idx ON registrar_private.refresh_tokens (user_id, session_id);
