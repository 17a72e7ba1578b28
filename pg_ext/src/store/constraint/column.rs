//! The column that holds the user: whether it can refer to `auth.users`.

use pgrx::spi::quote_identifier;
use registrar_core::FieldError;

use super::invalid;
use super::names::find_column;
use super::table::{Table, TableColumn};

/// The column of that name.
///
/// # Errors
/// Where there is none, or it is none that can refer to a user.
pub(super) fn find<'t>(table: &'t Table, asked: &str) -> Result<&'t TableColumn, FieldError> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let name = find_column(asked, &names)?;
    let column = table.columns.iter().find(|column| column.name == name).expect("its name was found among theirs");
    if column.is_generated {
        let hint = "Refer to the users from a column that is written.";
        let message = "PostgreSQL computes the column, and cannot change it where a user's id changes.";
        return Err(invalid("column", message, hint));
    }
    if !column.is_uuid {
        return Err(wrong_type(table, column));
    }
    Ok(column)
}

/// What becomes of the values is for a person to decide.
fn wrong_type(table: &Table, column: &TableColumn) -> FieldError {
    let (name, table) = (quote_identifier(&column.name), table.quoted());
    let hint = if column.category == 'S' {
        format!(
            "Where every value is a UUID: ALTER TABLE {table} ALTER COLUMN {name} TYPE uuid \
             USING nullif(btrim({name}), '')::uuid; It rewrites the table and locks it meanwhile."
        )
    } else {
        "These are no ids of users. Add a column of type uuid and fill it: only the app knows which user is which."
            .to_owned()
    };
    invalid("column", format!("The column is of type {}; ids of users are uuid.", column.sql_type), hint)
}
