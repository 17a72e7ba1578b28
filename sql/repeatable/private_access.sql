-- Schema and tables belong to the superuser who ran setup(), and registrar_owner reads and writes rows: were they its own, whoever
-- gets to act as registrar_owner could leave a trigger there for a superuser to run. (A dump also restores schemas before the
-- extension, which makes that role.)
GRANT USAGE ON SCHEMA registrar_private TO registrar_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA registrar_private TO registrar_owner;
