//! `registrar_private.profile_tables`: which tables hold profiles, and the statements that fill and read them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::BuiltinOid::{JSONBOID, TEXTOID};
use pgrx::spi::{SpiClient, SpiHeapTupleData, quote_identifier, quote_literal, quote_qualified_identifier};
use serde_json::json;

use super::plans::Statement;
use super::remembered::{Slot, remembered};
use crate::pg::{Jsonb, TrappedStatement};

/// An attached profile table as the catalogue has it now.
pub(crate) struct ProfileTable {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    user_column: String,
    statements: RefCell<Statements>,
}

/// Most statements kept for one table: an app has a handful of sign-up forms, but whoever signs up chooses the keys, and a
/// plan takes 35 kB.
const MAX_STATEMENTS: usize = 32;

/// Keyed by what they do, and which fields they fill.
type Statements = HashMap<(Write, Vec<bool>), Rc<TrappedStatement>>;

/// A column that is filled from the metadata.
pub(crate) struct Field {
    pub(crate) key: String,
    column: String,
    /// The value of the key in `source.metadata`, of the column's type.
    expression: String,
}

/// What is done with a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    /// Insert it.
    Insert,
    /// Insert and return it.
    InsertAndReturn,
    /// Insert it, unless the user has one.
    InsertIfMissing,
    /// Insert it, or overwrite its fields.
    Refill,
}

impl ProfileTable {
    /// The statement that writes a profile with the given fields from the metadata; the others take their column's own
    /// default. Parameters: $1 the user, $2 the metadata.
    pub(crate) fn statement(
        &self,
        write: Write,
        present: Vec<bool>,
        prepare: impl FnOnce(&str) -> TrappedStatement,
    ) -> Rc<TrappedStatement> {
        let key = (write, present);
        if let Some(statement) = self.statements.borrow().get(&key) {
            return Rc::clone(statement);
        }
        let statement = Rc::new(prepare(&self.text(write, &key.1)));
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= MAX_STATEMENTS {
            statements.clear();
        }
        statements.insert(key, Rc::clone(&statement));
        statement
    }

    fn text(&self, write: Write, present: &[bool]) -> String {
        let table = quote_qualified_identifier(&self.schema, &self.name);
        let user = quote_identifier(&self.user_column);
        let (mut columns, mut values) = (vec![user.clone()], vec!["$1".to_owned()]);
        for (field, _) in self.fields.iter().zip(present).filter(|&(_, &present)| present) {
            columns.push(quote_identifier(&field.column));
            values.push(field.expression.clone());
        }
        let (columns, values) = (columns.join(", "), values.join(", "));
        let insert = format!(
            "INSERT INTO {table} AS profile ({columns}) SELECT {values} FROM (SELECT $2 AS metadata) AS source"
        );
        match write {
            Write::Insert => insert,
            Write::InsertAndReturn => format!("{insert} RETURNING row_to_json(profile)"),
            Write::Refill if self.fields.is_empty() => self.text(Write::InsertIfMissing, present),
            Write::InsertIfMissing => format!("{insert} ON CONFLICT ({user}) DO NOTHING"),
            Write::Refill => {
                // Of a column that the INSERT does not name, excluded has the default.
                let fields = self.fields.iter().map(|field| quote_identifier(&field.column));
                let overwrite: Vec<_> = fields.map(|column| format!("{column} = excluded.{column}")).collect();
                format!("{insert} ON CONFLICT ({user}) DO UPDATE SET {}", overwrite.join(", "))
            }
        }
    }

    /// The query for a user's profile as JSON text.
    pub(crate) fn read_statement(&self) -> String {
        let table = quote_qualified_identifier(&self.schema, &self.name);
        let user = quote_identifier(&self.user_column);
        format!("SELECT row_to_json(profile)::text FROM {table} AS profile WHERE {user} = $1")
    }
}

thread_local! {
    static TABLES: Slot<Vec<ProfileTable>> = const { RefCell::new(None) };
}

/// Every attached table, the primary one first; `read` calls [`load`], in whatever the caller needs around it.
pub(crate) fn all<E>(read: impl FnOnce() -> Result<Vec<ProfileTable>, E>) -> Result<Rc<Vec<ProfileTable>>, E> {
    remembered(&TABLES, read)
}

// Ordered by position: the first is the primary one. A table or column that is gone keeps its row: writing the profile then
// fails with a reason that names it.
static ALL: Statement = Statement::new(
    "SELECT p.schema_name::text, p.table_name::text, p.user_column::text, f.\"column\", f.key,
            format_type(a.atttypid, a.atttypmod), t.typcategory = 'A', t.typname IN ('json', 'jsonb')
     FROM registrar_private.profile_tables AS p
     LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schema_name
     LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.table_name
     LEFT JOIN LATERAL ROWS FROM (jsonb_to_recordset(p.fields) AS (\"column\" text, key text)) WITH ORDINALITY AS f ON true
     LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = f.\"column\" AND NOT a.attisdropped
     LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
     ORDER BY p.position, f.ordinality",
    &[],
);

/// Reads the attached tables.
pub(crate) fn load(client: &mut SpiClient<'_>) -> Vec<ProfileTable> {
    let mut tables: Vec<ProfileTable> = Vec::new();
    for row in ALL.run(client, &[]) {
        let text = |place| row.get::<String>(place).ok().flatten();
        let (Some(schema), Some(name), Some(user_column)) = (text(1), text(2), text(3)) else { continue };
        if tables.last().is_none_or(|table| (&table.schema, &table.name) != (&schema, &name)) {
            tables.push(ProfileTable { schema, name, user_column, fields: Vec::new(), statements: RefCell::default() });
        }
        if let (Some(table), Some(field)) = (tables.last_mut(), field(&row)) {
            table.fields.push(field);
        }
    }
    tables
}

/// An array is made from a JSON array, JSON is taken as it is, the rest is read from its text.
fn field(row: &SpiHeapTupleData<'_>) -> Option<Field> {
    let text = |place| row.get::<String>(place).ok().flatten();
    let is = |place| row.get::<bool>(place).ok().flatten().unwrap_or(false);
    let (column, key) = (text(4)?, text(5)?);
    let column_type = text(6).unwrap_or_else(|| "text".to_owned());
    let literal = quote_literal(&key);
    let expression = if is(7) {
        format!(
            "(SELECT array_agg(item)::{column_type} FROM jsonb_array_elements_text(source.metadata -> {literal}) AS item)"
        )
    } else if is(8) {
        format!("(source.metadata -> {literal})::{column_type}")
    } else {
        format!("(source.metadata ->> {literal})::{column_type}")
    };
    Some(Field { key, column, expression })
}

static ATTACH: Statement = Statement::new(
    "INSERT INTO registrar_private.profile_tables (schema_name, table_name, user_column, fields) VALUES ($1, $2, $3, $4)
     ON CONFLICT (schema_name, table_name) DO UPDATE SET user_column = excluded.user_column, fields = excluded.fields",
    &[TEXTOID, TEXTOID, TEXTOID, JSONBOID],
);

/// Attaches a table whose `user_column` is unique: each of `fields` is filled from the metadata key of the same name.
pub(crate) fn attach(client: &mut SpiClient<'_>, schema: &str, name: &str, user_column: &str, fields: &[&str]) {
    let fields: Vec<_> = fields.iter().map(|field| json!({"column": field, "key": field})).collect();
    ATTACH.run(client, &[schema.into(), name.into(), user_column.into(), Jsonb::of(&fields).into()]);
}
