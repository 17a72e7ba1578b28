-- A trigger that the change of a row of a table ($1) sets off on a table that refers to it, by however many foreign keys, and that
-- belongs to somebody who is no superuser. Before PostgreSQL 18 an AFTER trigger runs as whoever changed the row, though the foreign
-- key's own work is done as the owner of the table with the trigger.
WITH RECURSIVE reached AS (
    SELECT f.conrelid AS relation FROM pg_catalog.pg_constraint AS f WHERE f.contype = 'f' AND f.confrelid = $1
    UNION
    SELECT f.conrelid FROM reached JOIN pg_catalog.pg_constraint AS f ON f.confrelid = reached.relation AND f.contype = 'f'
)
SELECT to_json(format('%I on %I.%I', t.tgname, n.nspname, c.relname))::text
FROM reached
JOIN pg_catalog.pg_class AS c ON c.oid = reached.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_roles AS w ON w.oid = p.proowner
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    -- Not BEFORE (2) nor INSTEAD OF (64), but for DELETE (8) or UPDATE (16).
    AND t.tgtype & 66 = 0 AND t.tgtype & 24 <> 0
    AND NOT (o.rolsuper AND w.rolsuper)
ORDER BY n.nspname, c.relname, t.tgname
LIMIT 1
