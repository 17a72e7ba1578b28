-- For each statement, so that a thousand users are filled in one. DEPENDS ON EXTENSION: DROP EXTENSION takes the trigger with
-- it, and sign-ups go on without one.
CREATE OR REPLACE TRIGGER registrar_handle_new_user
    AFTER INSERT ON auth.users
    REFERENCING NEW TABLE AS new_users
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.handle_new_user();
ALTER TRIGGER registrar_handle_new_user ON auth.users DEPENDS ON EXTENSION registrar;
