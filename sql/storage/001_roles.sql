CREATE TABLE registrar_private.roles (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    description text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE registrar_private.roles IS
    'Roles a user can have in the app. They stand in raw_app_meta_data.role, apart from auth.users.role, which is the PostgreSQL role of the access token.';

CREATE UNIQUE INDEX roles_default_key ON registrar_private.roles (is_default) WHERE is_default;

INSERT INTO registrar_private.roles (name, description, is_default) VALUES
    ('user', 'Whoever registers without asking for a role.', true),
    ('admin', 'Runs the app; a registration has this role only where the back end asks for it.', false);
