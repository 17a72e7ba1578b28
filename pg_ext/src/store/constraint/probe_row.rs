//! A row for a probe: the user, and in every column that must have a value a neutral one of its type.

use pgrx::spi::quote_identifier;

use super::situation::Situation;
use super::table::TableColumn;

/// `INSERT` of such a row for the user `$1`.
///
/// # Errors
/// A sentence where a column's type has no neutral value.
pub(super) fn insert(situation: &Situation) -> Result<String, String> {
    let mut names = vec![situation.quoted_column()];
    let mut values = vec!["$1".to_owned()];
    let others = situation.table.columns.iter().filter(|column| column.name != situation.column);
    for column in others.filter(|column| column.is_demanded) {
        let missing =
            || format!("{} must have a value, and {} is a type without a neutral one.", column.name, column.sql_type);
        names.push(quote_identifier(&column.name));
        values.push(neutral(column).ok_or_else(missing)?);
    }
    Ok(format!("INSERT INTO {} ({}) VALUES ({})", situation.table.quoted(), names.join(", "), values.join(", ")))
}

/// As an expression; what has no type of its own takes the column's.
fn neutral(column: &TableColumn) -> Option<String> {
    let value = match (column.category, column.base_type.as_str()) {
        ('U', "uuid") => "gen_random_uuid()",
        ('U', "json" | "jsonb") | ('A', _) => "'{}'",
        ('U', "bytea" | "xml" | "tsvector") | ('S', _) => "''",
        ('N', _) => "0",
        ('B', _) => "false",
        ('D', _) => "now()",
        ('T', _) => "'0'",
        ('R', _) => "'empty'",
        ('I', _) => "'0.0.0.0'",
        ('E', of) => return Some(format!("(enum_range(NULL::{of}))[1]")),
        _ => return None,
    };
    Some(value.to_owned())
}
