CREATE TABLE registrar_private.public_access (
    feature text PRIMARY KEY CHECK (feature = 'sign_in'),
    sender_schema name,
    sender_name name,
    CHECK ((sender_schema IS NULL) = (sender_name IS NULL))
);
COMMENT ON TABLE registrar_private.public_access IS
    'What visitors (anon) may do. Written by allow_public_sign_in; setup() grants it again.';
COMMENT ON COLUMN registrar_private.public_access.sender_name IS
    'The function of the app''s, of one jsonb, that sends codes and tokens which visitors ask for; it runs with the rights of its owner.';
