//! `registrar_private.legacy_ids`: who a key of another system is now, and the script by which the app's own tables learn it.

use pgrx::pg_sys::BuiltinOid::{OIDOID, TEXTOID, UUIDOID};
use pgrx::pg_sys::Oid;
use pgrx::spi::{SpiClient, quote_literal};
use uuid::Uuid;

use super::plans::Statement;
use super::{from_pg_uuid, pg_uuid};

static USER: Statement = Statement::new(
    "SELECT l.user_id
     FROM registrar_private.user_imports AS i JOIN registrar_private.legacy_ids AS l ON l.import_id = i.id
     WHERE i.source = $1 AND l.legacy_id = $2",
    &[TEXTOID, TEXTOID],
);

static IS_USER: Statement = Statement::new("SELECT true FROM auth.users WHERE id = $1", &[UUIDOID]);

/// Who a key of a source is now: another one, or the same where it was a UUID that could be kept.
pub(crate) fn user(client: &mut SpiClient<'_>, source: &str, legacy_id: &str) -> Option<Uuid> {
    let row = USER.run(client, &[source.into(), legacy_id.into()]).first();
    let other: Option<pgrx::Uuid> = row.get_one().ok().flatten();
    if let Some(other) = other {
        return Some(from_pg_uuid(other));
    }
    let same = Uuid::try_parse(legacy_id).ok()?;
    (!IS_USER.run(client, &[pg_uuid(same).into()]).is_empty()).then_some(same)
}

static SOURCES: Statement = Statement::new(
    "SELECT i.source
     FROM registrar_private.user_imports AS i
     JOIN pg_catalog.pg_class AS c ON c.oid = $1
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE i.source IN (format('%I.%I', n.nspname, c.relname), quote_ident(c.relname), n.nspname || '.' || c.relname)",
    &[OIDOID],
);

/// The sources that are called like a table.
pub(crate) fn sources(client: &mut SpiClient<'_>, table: Oid) -> Vec<String> {
    SOURCES.run(client, &[table.into()]).filter_map(|row| row.get(1).ok().flatten()).collect()
}

/// The foreign keys to a table, the one of a partitioned table for all of its partitions.
static FOREIGN_KEYS: Statement = Statement::new(
    "SELECT
         c.conrelid::regclass::text,
         quote_ident(c.conname),
         quote_ident(a.attname),
         cardinality(c.conkey) = 1 AND c.confkey = k.conkey,
         CASE c.confupdtype WHEN 'c' THEN ' ON UPDATE CASCADE' WHEN 'r' THEN ' ON UPDATE RESTRICT' WHEN 'n' THEN ' ON UPDATE SET NULL'
             WHEN 'd' THEN ' ON UPDATE SET DEFAULT' ELSE '' END
         || CASE c.confdeltype WHEN 'c' THEN ' ON DELETE CASCADE' WHEN 'r' THEN ' ON DELETE RESTRICT' WHEN 'n' THEN ' ON DELETE SET NULL'
             WHEN 'd' THEN ' ON DELETE SET DEFAULT' ELSE '' END
         || CASE WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END
         || CASE WHEN c.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END,
         EXISTS (SELECT FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid = c.conrelid AND d.adnum = c.conkey[1]),
         pg_get_constraintdef(c.oid)
     FROM pg_catalog.pg_constraint AS c
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
     LEFT JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.confrelid AND k.contype = 'p'
     WHERE c.contype = 'f' AND c.confrelid = $1 AND c.conparentid = 0
     ORDER BY c.conrelid::regclass::text COLLATE \"C\", c.conname COLLATE \"C\"",
    &[OIDOID],
);

/// The script that has the app's foreign keys to a table refer to `auth.users`, row by row.
pub(crate) fn foreign_key_script(client: &mut SpiClient<'_>, table: Oid, table_name: &str, source: &str) -> String {
    let mut script = format!(
        "-- What referred to {table_name} refers to auth.users afterwards, by the ids that its users have there.
-- Each table is locked and written anew while its column is changed. A row whose user was not imported stops the script, and all stays
-- as it was: import that user, or decide what becomes of the row. Run it as superuser.
BEGIN;
"
    );
    for row in FOREIGN_KEYS.run(client, &[table.into()]) {
        let text = |place| row.get::<String>(place).ok().flatten().unwrap_or_default();
        let (referring, constraint, column, actions) = (text(1), text(2), text(3), text(5));
        if row.get::<bool>(4).ok().flatten() != Some(true) {
            let definition = text(7).replace('\n', " ");
            script.push_str(&format!(
                "\n-- Left alone, since it refers to more or else than the key: {referring}: {definition}\n"
            ));
            continue;
        }
        script.push_str(&format!("\nALTER TABLE {referring} DROP CONSTRAINT {constraint};\n"));
        if row.get::<bool>(6).ok().flatten() == Some(true) {
            script.push_str(&format!("ALTER TABLE {referring} ALTER COLUMN {column} DROP DEFAULT;\n"));
        }
        script.push_str(&format!(
            "ALTER TABLE {referring} ALTER COLUMN {column} TYPE uuid USING registrar.legacy_user_id({}, {column}::text);
ALTER TABLE {referring} ADD CONSTRAINT {constraint} FOREIGN KEY ({column}) REFERENCES auth.users (id){actions};\n",
            quote_literal(source)
        ));
    }
    script.push_str("\nCOMMIT;\n");
    script
}
