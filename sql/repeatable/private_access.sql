-- The schema belongs to the superuser and not to registrar_owner: a dump restores schemas before the extension, which
-- makes that role.
GRANT USAGE, CREATE ON SCHEMA registrar_private TO registrar_owner;
