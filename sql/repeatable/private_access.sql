-- Schema and tables belong to the superuser who ran setup(), and registrar_owner reads and writes rows: were they its own, whoever
-- gets to act as registrar_owner could leave a trigger there for a superuser to run. (A dump also restores schemas before the
-- extension, which makes that role.)
GRANT USAGE ON SCHEMA registrar_private TO registrar_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA registrar_private TO registrar_owner;
-- It reads the view of the users as everybody does.
GRANT USAGE ON SCHEMA registrar TO registrar_owner;
GRANT SELECT ON registrar.users TO registrar_owner;
GRANT EXECUTE ON FUNCTION
    registrar.profile_id(uuid),
    registrar_private.json_in_a_string(jsonb),
    registrar_private.profile_id(uuid)
TO registrar_owner;
