-- No foreign key: what happened must still be told after the user is gone. The zero UUID stands for "no user known", so
-- that the key can begin with the user like every other.
CREATE TABLE registrar_private.audit_log (
    user_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    id bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamptz NOT NULL,
    actor_role text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    address inet,
    user_agent text,
    detail text,
    PRIMARY KEY (user_id, id)
);
COMMENT ON TABLE registrar_private.audit_log IS
    'Every registration, verification, refused attempt and profile failure. outcome is ok or an error code; detail is the cause of an internal error. Never a secret.';

CREATE INDEX audit_log_occurred_at_idx ON registrar_private.audit_log USING brin (occurred_at);
