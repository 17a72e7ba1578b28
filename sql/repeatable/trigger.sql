-- DEPENDS ON EXTENSION: DROP EXTENSION takes the trigger with it, and sign-ups go on without one.
CREATE TRIGGER registrar_handle_new_user
    AFTER INSERT ON auth.users
    FOR EACH ROW EXECUTE FUNCTION registrar.handle_new_user();
ALTER TRIGGER registrar_handle_new_user ON auth.users DEPENDS ON EXTENSION registrar;
