-- Each session remembers what stands in the table; a change makes every one of them read it again.
CREATE TRIGGER registrar_configuration_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registrar_private.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.configuration_changed();
ALTER TRIGGER registrar_configuration_changed ON registrar_private.{table} DEPENDS ON EXTENSION registrar;
