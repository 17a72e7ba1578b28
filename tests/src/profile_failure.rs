//! What `registrar_private.profile_failures` and `profile_warnings` say of a user.

use serde_json::Value;
use uuid::Uuid;

use crate::database::Database;
use crate::own_database::connect_as_supabase_auth;
use crate::sql_call::{all, one};

/// A row of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ProfileFailure {
    pub table: String,
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
    pub constraint: Option<String>,
    pub failed_table: Option<String>,
    pub attempts: i32,
}

impl Database {
    /// Inserts a user as Supabase Auth does, into a [`supabase_database`](crate::supabase_database).
    #[track_caller]
    pub fn sign_up(&self, email: &str, metadata: &Value) -> Uuid {
        let insert =
            "INSERT INTO users (id, email, raw_user_meta_data) VALUES (gen_random_uuid(), $1, $2) RETURNING id";
        one(&mut connect_as_supabase_auth(self), insert, &[&email, metadata])
    }

    /// Has a trigger of the app's own refuse rows of a table, with the message `refused`; `condition` says which, of `NEW`.
    /// Unlike a value that does not fit, this leaves nothing to fall back to: the profile fails.
    #[track_caller]
    pub fn refuse_rows(&self, table: &str, condition: &str) {
        let trigger = format!(
            "CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS
             $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table}
                 FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION public.refuse()"
        );
        self.psql(&trigger).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Lets a table take again what [`Database::refuse_rows`] refused.
    #[track_caller]
    pub fn refuse_no_more(&self, table: &str) {
        self.psql(&format!("DROP TRIGGER refuse ON {table}")).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The warnings about a user's values, by table and column, as `schema.table.column: message`.
    #[track_caller]
    pub fn profile_warnings(&self, user: Uuid) -> Vec<String> {
        let query = "SELECT format('%s.%s.%s: %s', schema_name, table_name, column_name, message)
                     FROM registrar_private.profile_warnings WHERE user_id = $1 ORDER BY 1";
        all(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), query, &[&user])
    }

    /// The failures of a user, by table.
    #[track_caller]
    pub fn profile_failures(&self, user: Uuid) -> Vec<ProfileFailure> {
        let query =
            "SELECT schema_name || '.' || table_name, sqlstate, message, detail, hint, context, constraint_name,
                            failed_table, attempts
                     FROM registrar_private.profile_failures WHERE user_id = $1 ORDER BY 1";
        let rows = self.admin().and_then(|mut admin| Ok(admin.query(query, &[&user])?));
        let rows = rows.unwrap_or_else(|error| panic!("{error:?}"));
        let failure = |row: &::postgres::Row| ProfileFailure {
            table: row.get(0),
            sqlstate: row.get(1),
            message: row.get(2),
            detail: row.get(3),
            hint: row.get(4),
            context: row.get(5),
            constraint: row.get(6),
            failed_table: row.get(7),
            attempts: row.get(8),
        };
        rows.iter().map(failure).collect()
    }

    /// The user's row of `public.user_profiles`, where there is one.
    #[track_caller]
    pub fn profile(&self, user: Uuid) -> Option<Value> {
        let query = "SELECT (SELECT to_jsonb(p) FROM public.user_profiles AS p WHERE user_id = $1)";
        one(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), query, &[&user])
    }

    /// Whether there is such a user.
    #[track_caller]
    pub fn has_user(&self, user: Uuid) -> bool {
        let query = "SELECT EXISTS (SELECT FROM auth.users WHERE id = $1)";
        one(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), query, &[&user])
    }
}
