-- Each session remembers what stands in these tables; a change makes every one of them read it again.
CREATE TRIGGER registrar_configuration_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registrar_private.roles
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.configuration_changed();
ALTER TRIGGER registrar_configuration_changed ON registrar_private.roles DEPENDS ON EXTENSION registrar;

CREATE TRIGGER registrar_configuration_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registrar_private.profile_tables
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.configuration_changed();
ALTER TRIGGER registrar_configuration_changed ON registrar_private.profile_tables DEPENDS ON EXTENSION registrar;
