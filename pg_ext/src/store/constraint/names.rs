//! The table and the column that a call names, and what can be said of a name that means nothing.

use pgrx::pg_sys::TEXTOID;
use pgrx::spi::{quote_identifier, quote_qualified_identifier};
use registrar_core::{FieldError, nearest_name};

use super::{facts, invalid};
use crate::pg::{PgError, without_trace};

/// Where a table is looked for that is named without its schema.
const DEFAULT_SCHEMA: &str = "public";

/// A table's schema and name, as the catalogue has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) schema: String,
    pub(super) name: String,
}

impl TableName {
    /// Reads a name as SQL does: without quotes, capitals mean small letters.
    ///
    /// # Errors
    /// Where it is none, or names more than schema and table.
    pub(super) fn parse(text: &str) -> Result<Self, FieldError> {
        let query = "SELECT to_json(parse_ident($1))::text";
        let parts: Result<Option<Vec<String>>, PgError> =
            without_trace(|| Ok(facts(query, &[TEXTOID], &[text.into()])));
        let hint =
            "Write it as in SQL: public.profiles, or \"My Schema\".\"My Table\" where it has capitals or blanks.";
        let mut parts = parts.ok().flatten().unwrap_or_default().into_iter();
        let name = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), None, None) => Self { schema: DEFAULT_SCHEMA.to_owned(), name },
            (Some(schema), Some(name), None) => Self { schema, name },
            _ => return Err(invalid("table", "That is not the name of a table.", hint)),
        };
        Ok(name)
    }

    /// Qualified and quoted.
    pub(super) fn quoted(&self) -> String {
        quote_qualified_identifier(&self.schema, &self.name)
    }

    /// What is said where there is no such table.
    pub(super) fn unknown(&self) -> FieldError {
        let tables = "SELECT coalesce(json_agg(c.relname ORDER BY c.relname), '[]')::text
                      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')";
        let schemas = "SELECT coalesce(json_agg(n.nspname ORDER BY n.nspname), '[]')::text
                       FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                       WHERE c.relname = $1 AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'";
        let names = |query, of: &str| facts::<Vec<String>>(query, &[TEXTOID], &[of.into()]).unwrap_or_default();
        let (beside, elsewhere) = (names(tables, &self.schema), names(schemas, &self.name));
        let hint = if let Some(nearest) = nearest_name(&self.name, beside.iter().map(String::as_str)) {
            format!("Did you mean {}?", quote_qualified_identifier(self.schema.as_str(), nearest))
        } else if let Some(schema) = elsewhere.first() {
            format!("Did you mean {}?", quote_qualified_identifier(schema, &self.name))
        } else {
            "Check the name and its schema.".to_owned()
        };
        invalid("table", format!("There is no table {}.", self.quoted()), hint)
    }
}

/// The column of that name, written as it is or in double quotes.
///
/// # Errors
/// Where there is none.
pub(super) fn find_column<'n>(asked: &str, known: &[&'n str]) -> Result<&'n str, FieldError> {
    let unquoted =
        asked.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map(|text| text.replace("\"\"", "\""));
    let is_it = |known: &&&str| **known == asked || Some(**known) == unquoted.as_deref();
    if let Some(found) = known.iter().find(is_it) {
        return Ok(found);
    }
    let hint = match nearest_name(asked, known.iter().copied()) {
        Some(nearest) => format!("Did you mean {}?", quote_identifier(nearest)),
        None => format!("Columns are: {}.", known.join(", ")),
    };
    Err(invalid("column", "The table has no such column.", hint))
}
