//! Profile tables of an app's own, attached as their owner does it.

use ::postgres::GenericClient;
use serde_json::Value;
use uuid::Uuid;

use crate::database::Database;
use crate::sql_call::one;

/// Attaches a table, and returns how it is attached.
///
/// # Errors
/// The faults, each as `column: what is wrong and its fix`; or what else PostgreSQL says, as one line.
pub fn try_attach(
    client: &mut impl GenericClient,
    table: &str,
    user_column: &str,
    fields: &Value,
    on_failure: &str,
) -> Result<Value, Vec<String>> {
    let attach = "SELECT registrar.attach_profile_table($1::text::regclass, $2::text::name, $3, $4)";
    let attached = client.query_one(attach, &[&table, &user_column, fields, &on_failure]);
    attached.map(|row| row.get(0)).map_err(|error| {
        let error = error.as_db_error().expect("PostgreSQL refuses");
        match error.detail() {
            Some(faults) => faults.lines().map(str::to_owned).collect(),
            None => vec![format!("{}: {}", error.code().code(), error.message())],
        }
    })
}

impl Database {
    /// Attaches a table as superuser, with the policy `queue`.
    ///
    /// # Panics
    /// Where it has a fault.
    #[track_caller]
    pub fn attach(&self, table: &str, user_column: &str, fields: &Value) {
        self.attach_with_policy(table, user_column, fields, "queue");
    }

    /// Attaches a table as superuser.
    ///
    /// # Panics
    /// Where it has a fault.
    #[track_caller]
    pub fn attach_with_policy(&self, table: &str, user_column: &str, fields: &Value, on_failure: &str) {
        let mut admin = self.admin().unwrap_or_else(|error| panic!("{error:?}"));
        if let Err(faults) = try_attach(&mut admin, table, user_column, fields, on_failure) {
            panic!("{table} cannot be attached: {faults:?}");
        }
    }

    /// The user's row of a table, where there is one.
    #[track_caller]
    pub fn row(&self, table: &str, user_column: &str, user: Uuid) -> Option<Value> {
        let query = format!("SELECT (SELECT to_jsonb(p) FROM {table} AS p WHERE p.{user_column} = $1)");
        one(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), &query, &[&user])
    }
}
