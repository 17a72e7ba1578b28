//! `registrar_private.profile_tables`: which tables hold profiles, and the statements that fill and read them.

use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::spi::{SpiClient, SpiHeapTupleData, quote_identifier, quote_literal, quote_qualified_identifier};

use super::plans::Statement;

/// An attached profile table.
pub(crate) struct ProfileTable {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) fill: String,
    pub(crate) refill: String,
    pub(crate) read: String,
}

// Ordered by position: the first is the primary one.
static ALL: Statement = Statement::new(
    "SELECT schema_name::text, table_name::text, fill_statement, refill_statement, read_statement
     FROM registrar_private.profile_tables ORDER BY position",
    &[],
);

/// Every attached table, the primary one first.
pub(crate) fn all(client: &mut SpiClient<'_>) -> Vec<ProfileTable> {
    ALL.run(client, &[]).filter_map(|row| profile_table(&row)).collect()
}

fn profile_table(row: &SpiHeapTupleData<'_>) -> Option<ProfileTable> {
    let text = |place| row.get::<String>(place).ok().flatten();
    Some(ProfileTable { schema: text(1)?, name: text(2)?, fill: text(3)?, refill: text(4)?, read: text(5)? })
}

static ATTACH: Statement = Statement::new(
    "INSERT INTO registrar_private.profile_tables
         (schema_name, table_name, user_column, fill_statement, refill_statement, read_statement)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (schema_name, table_name) DO UPDATE
     SET user_column = excluded.user_column, fill_statement = excluded.fill_statement,
         refill_statement = excluded.refill_statement, read_statement = excluded.read_statement",
    &[TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID],
);

/// Attaches a table whose `user_column` is unique: each of `fields` is filled from the metadata key of the same name, and
/// has the column's own default where the metadata has none.
pub(crate) fn attach(client: &mut SpiClient<'_>, schema: &str, name: &str, user_column: &str, fields: &[&str]) {
    let table = quote_qualified_identifier(schema, name);
    let user = quote_identifier(user_column);
    let columns: Vec<String> = fields.iter().map(quote_identifier).collect();
    let values: Vec<String> = fields.iter().map(|field| field_expression(client, &table, field)).collect();
    let overwrite: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let insert = format!(
        "INSERT INTO {table} ({user}, {}) SELECT $1, {} \
         FROM (SELECT CASE jsonb_typeof($4) WHEN 'string' THEN ($4 #>> '{{}}')::jsonb ELSE $4 END AS metadata) AS source \
         ON CONFLICT ({user})",
        columns.join(", "),
        values.join(", "),
    );
    let fill = format!("{insert} DO NOTHING");
    let refill = format!("{insert} DO UPDATE SET {}", overwrite.join(", "));
    let read = format!("SELECT to_jsonb(profile) FROM {table} AS profile WHERE {user} = $1");
    ATTACH.run(client, &[schema.into(), name.into(), user_column.into(), fill.into(), refill.into(), read.into()]);
}

/// The value of a field for the column of its name: an array from a JSON array, JSON as it is, the rest from its text.
fn field_expression(client: &mut SpiClient<'_>, table: &str, field: &str) -> String {
    let row = client
        .update(
            "SELECT format_type(a.atttypid, a.atttypmod), t.typcategory = 'A', t.typname IN ('json', 'jsonb'), pg_get_expr(d.adbin, d.adrelid)
             FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
             LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = $1::regclass AND a.attname = $2",
            Some(1),
            &[table.into(), field.into()],
        )
        .expect("a catalogue query")
        .first();
    let column_type: String = row.get(1).ok().flatten().expect("the field is a column of the table");
    let is = |place| row.get::<bool>(place).ok().flatten().unwrap_or(false);
    let key = quote_literal(field);
    let value = if is(2) {
        format!(
            "(SELECT array_agg(item)::{column_type} FROM jsonb_array_elements_text(nullif(source.metadata -> {key}, 'null')) AS item)"
        )
    } else if is(3) {
        format!("nullif(source.metadata -> {key}, 'null')::{column_type}")
    } else {
        format!("(source.metadata ->> {key})::{column_type}")
    };
    match row.get::<String>(4).ok().flatten() {
        Some(default) => format!("coalesce({value}, {default})"),
        None => value,
    }
}
