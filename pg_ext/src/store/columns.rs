//! Which columns a table of Supabase Auth's has here: versions and look-alikes differ.

use std::collections::HashSet;

use pgrx::spi::SpiClient;

/// The columns of a table.
pub(crate) struct Columns(HashSet<String>);

impl Columns {
    /// The columns of `auth.<table>`; none where there is no such table.
    pub(crate) fn of_auth(client: &mut SpiClient<'_>, table: &str) -> Self {
        let rows = client.update(
            "SELECT a.attname::text
             FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname = 'auth' AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped",
            None,
            &[table.into()],
        );
        Self(rows.expect("a catalogue query").filter_map(|row| row.get(1).ok().flatten()).collect())
    }

    /// These columns.
    pub(crate) fn named(names: HashSet<String>) -> Self {
        Self(names)
    }

    /// Whether there is such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.0.contains(column)
    }

    /// The column where there is one, else NULL of the type.
    pub(crate) fn or_null(&self, column: &str, sql_type: &str) -> String {
        if self.has(column) { format!("{column}::{sql_type}") } else { format!("NULL::{sql_type}") }
    }

    /// `INSERT INTO auth.<table> (…) VALUES (…)` of those of the columns that there are.
    pub(crate) fn insert_statement(&self, table: &str, values: &[(&str, &str)]) -> String {
        let (columns, values): (Vec<_>, Vec<_>) = values.iter().filter(|(column, _)| self.has(column)).copied().unzip();
        format!("INSERT INTO auth.{table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
    }

    /// `INSERT INTO auth.<table> (…) SELECT …` of those of the columns that there are; `FROM` is the caller's.
    pub(crate) fn insert_select(&self, table: &str, values: &[(&str, &str)]) -> String {
        let (columns, values): (Vec<_>, Vec<_>) = values.iter().filter(|(column, _)| self.has(column)).copied().unzip();
        format!("INSERT INTO auth.{table} ({}) SELECT {}", columns.join(", "), values.join(", "))
    }

    /// `UPDATE auth.<table> SET …` of those of the columns that there are.
    pub(crate) fn update_statement(&self, table: &str, values: &[(&str, &str)]) -> String {
        let set: Vec<_> = values
            .iter()
            .filter(|(column, _)| self.has(column))
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        format!("UPDATE auth.{table} SET {}", set.join(", "))
    }
}
