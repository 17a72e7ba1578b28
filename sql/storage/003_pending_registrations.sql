-- Whoever registers an unverified address again brings a password and metadata that must wait: only the owner of the
-- mailbox, who holds the newest token, may put them in force. NULL or {} is a value here too: it clears what was there.
CREATE TABLE registrar_private.pending_registrations (
    user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    password_hash text,
    phone text,
    role text NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE registrar_private.pending_registrations IS
    'The newest registration of a user that is not verified yet, where it is not the first; takes effect with its token.';
