//! What registrar makes beside a table of the app's: functions for its triggers, a quarantine for its orphans.

use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::spi::{SpiClient, quote_qualified_identifier};
use registrar_core::FieldError;

use super::plans::Statement;

/// Longest name that PostgreSQL keeps whole, in bytes (NAMEDATALEN - 1).
pub(super) const MAX_NAME: usize = 63;

/// A relation, or a function without arguments, in the schema of a table.
pub(super) struct Companion {
    schema: String,
    name: String,
}

impl Companion {
    /// The one that serves that purpose for that table. The table's name is cut where both together are too long; what was cut off
    /// then stands in it as a number.
    pub(super) fn of(schema: &str, table: &str, purpose: &str) -> Self {
        let whole = format!("{table}_{purpose}");
        let name = if whole.len() <= MAX_NAME {
            whole
        } else {
            // Bernstein's hash: it must be the same for ever, and tell names apart that nobody chose to be alike.
            let number = table.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
            let tail = format!("_{number:08x}_{purpose}");
            let cut = (0..=MAX_NAME - tail.len()).rev().find(|&end| table.is_char_boundary(end)).unwrap_or_default();
            format!("{}{tail}", &table[..cut])
        };
        Self { schema: schema.to_owned(), name }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its name, qualified and quoted.
    pub(super) fn quoted(&self) -> String {
        quote_qualified_identifier(&self.schema, &self.name)
    }

    /// Whether there is a function of that name that registrar did not make.
    pub(super) fn is_foreign(&self, client: &mut SpiClient<'_>) -> bool {
        !FOREIGN.run(client, &[self.schema.as_str().into(), self.name.as_str().into()]).is_empty()
    }

    /// What is wrong where it is foreign.
    pub(super) fn fault(&self) -> FieldError {
        let message =
            format!("There is a function {}() of the app's own, which registrar would replace.", self.quoted());
        let error = FieldError::invalid("table", message);
        error.with_hint("Rename it, or give the table another name.")
    }
}

// Every function that registrar makes says so in its comment.
static FOREIGN: Statement = Statement::new(
    "SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
     WHERE n.nspname = $1 AND p.proname = $2 AND p.pronargs = 0
         AND coalesce(obj_description(p.oid, 'pg_proc') NOT LIKE '%made by registrar.%', true)",
    &[TEXTOID, TEXTOID],
);

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::{Companion, MAX_NAME};

    #[pg_test]
    fn a_name_is_cut_where_it_is_too_long_and_stays_its_own() {
        assert_eq!(Companion::of("public", "people", "touch").name, "people_touch");
        let long = "ö".repeat(31);
        let names = ["touch", "complete"].map(|purpose| Companion::of("public", &long, purpose).name);
        assert!(names.iter().all(|name| name.len() <= MAX_NAME), "{names:?}");
        assert!(names[0].ends_with("_touch") && names[1].ends_with("_complete"), "{names:?}");
        assert_ne!(names[0], Companion::of("public", &format!("{}a", "ö".repeat(30)), "touch").name);
    }
}
