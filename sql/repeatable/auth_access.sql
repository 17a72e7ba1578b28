-- What registrar_owner needs in auth, and no more.
GRANT USAGE ON SCHEMA auth TO registrar_owner;
GRANT SELECT, INSERT, UPDATE ON auth.users TO registrar_owner;
GRANT SELECT, INSERT, UPDATE ON auth.identities TO registrar_owner;
