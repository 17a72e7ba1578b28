//! What to do where a constraint refuses a row of the sign-up's.

use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::spi::{SpiClient, quote_identifier, quote_qualified_identifier};

use super::fix::Case;
use crate::store::plans::Statement;

// A column of the primary key, and what PostgreSQL makes the values of itself, stays NOT NULL.
static NOT_NULL: Statement = Statement::new(
    "SELECT format('%I.%I', n.nspname, c.relname), format('%I', a.attname),
         a.attnotnull AND a.attidentity = '' AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_index AS i
             WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)
         )
     FROM pg_catalog.pg_attribute AS a
     JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND NOT a.attisdropped",
    &[TEXTOID, TEXTOID, TEXTOID],
);

pub(super) fn not_null(client: &mut SpiClient<'_>, case: &Case<'_>) -> Option<String> {
    let error = case.error;
    let arguments = [error.schema.as_deref().into(), error.table.as_deref().into(), error.column.as_deref().into()];
    let row = NOT_NULL.run(client, &arguments).first();
    let (table, column): (String, String) = (row.get(1).ok().flatten()?, row.get(2).ok().flatten()?);
    let begin = format!(
        "A sign-up of the shape {} leaves {table}.{column} empty. Have {} write a value there, or give the column a DEFAULT",
        case.shape.name(),
        case.place()
    );
    match row.get::<bool>(3).ok().flatten() {
        Some(true) => Some(format!("{begin}, or:\nALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL;")),
        _ => Some(format!("{begin}.")),
    }
}

static FOREIGN_KEY: Statement = Statement::new(
    "SELECT format('%I.%I', n.nspname, c.relname), k.confrelid::regclass::text, pg_get_constraintdef(k.oid),
         (SELECT format('%I', a.attname) FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid = c.oid AND a.attnum = k.conkey[1] AND cardinality(k.conkey) = 1 AND a.atttypid = 'uuid'::regtype)
     FROM pg_catalog.pg_constraint AS k
     JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND k.conname = $3 AND k.contype = 'f'",
    &[TEXTOID, TEXTOID, TEXTOID],
);

pub(super) fn foreign_key(client: &mut SpiClient<'_>, case: &Case<'_>) -> Option<String> {
    let error = case.error;
    let arguments = [error.schema.as_deref().into(), error.table.as_deref().into(), error.constraint.as_deref().into()];
    let row = FOREIGN_KEY.run(client, &arguments).first();
    let text = |place| row.get::<String>(place).ok().flatten();
    let (table, target, definition) = (text(1)?, text(2)?, text(3)?);
    let constraint = quote_identifier(error.constraint.as_deref()?);
    if let Some(trigger) = case.culprit.trigger.as_ref().filter(|trigger| trigger.is_before && target == "auth.users") {
        let after = trigger.definition.replacen("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1);
        return Some(format!(
            "The trigger runs before the user is there for {table} to refer to. Unless its function changes the user's row itself:\n{};",
            after.replacen(" BEFORE ", " AFTER ", 1)
        ));
    }
    // Told of the user's own id, or of no value at all, where whoever signs up may not read the table.
    let is_of_user =
        error.detail.as_deref().is_none_or(|detail| detail.contains(&case.user_id) || !detail.contains(")=("));
    if let Some(column) = text(4).filter(|_| is_of_user && target.ends_with(".users") && target != "auth.users") {
        return Some(format!(
            "{table}.{column} holds the user's id, and refers to {target} in place of auth.users. VALIDATE CONSTRAINT checks the rows that \
             are there, once they are clean:\n\
             ALTER TABLE {table} DROP CONSTRAINT {constraint}, ADD CONSTRAINT {constraint} FOREIGN KEY ({column}) REFERENCES auth.users (id) \
             ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;"
        ));
    }
    Some(format!(
        "The row that {table} refers to is not there: {definition}. Have {} insert it first or refer to another, or drop the constraint: \
         ALTER TABLE {table} DROP CONSTRAINT {constraint};",
        case.place()
    ))
}

pub(super) fn unique(case: &Case<'_>) -> String {
    let place = case.place();
    if case.error.detail.as_deref().is_some_and(|detail| detail.contains(&case.user_id)) {
        return format!(
            "The row of this user is there already: two triggers make it, or one trigger twice. Add ON CONFLICT DO NOTHING at {place}.{}",
            case.or_drop_trigger()
        );
    }
    let constraint = case.error.constraint.as_deref().unwrap_or_default();
    let table = qualified(case);
    format!("Another row of {table} has the same value. Have {place} write one that is unique, or drop {constraint}.")
}

static CHECK: Statement = Statement::new(
    "SELECT format('%I.%I', n.nspname, c.relname), pg_get_constraintdef(k.oid)
     FROM pg_catalog.pg_constraint AS k
     JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND k.conname = $3 AND k.contype = 'c'",
    &[TEXTOID, TEXTOID, TEXTOID],
);

pub(super) fn check(client: &mut SpiClient<'_>, case: &Case<'_>) -> Option<String> {
    let error = case.error;
    let arguments = [error.schema.as_deref().into(), error.table.as_deref().into(), error.constraint.as_deref().into()];
    let row = CHECK.run(client, &arguments).first();
    let (table, definition): (String, String) = (row.get(1).ok().flatten()?, row.get(2).ok().flatten()?);
    let constraint = quote_identifier(error.constraint.as_deref()?);
    Some(format!(
        "{table} takes only {definition}. Have {} write such a value, or change the constraint: \
         ALTER TABLE {table} DROP CONSTRAINT {constraint};",
        case.place()
    ))
}

fn qualified(case: &Case<'_>) -> String {
    let error = case.error;
    quote_qualified_identifier(error.schema.as_deref().unwrap_or_default(), error.table.as_deref().unwrap_or_default())
}
