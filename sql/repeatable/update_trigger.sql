-- {columns} are those of them that this auth.users has, {changed} whether one is another value now. A sign-in writes others, and costs
-- nothing. What a soft-deleted user has is scrambled, and must not reach the profile.
CREATE OR REPLACE TRIGGER registrar_handle_user_update
    AFTER UPDATE OF {columns} ON auth.users
    FOR EACH ROW WHEN ({changed})
    EXECUTE FUNCTION registrar.handle_user_update();
ALTER TRIGGER registrar_handle_user_update ON auth.users DEPENDS ON EXTENSION registrar;
