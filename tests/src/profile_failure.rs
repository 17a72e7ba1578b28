//! What `registrar_private.profile_failures` says of a user.

use serde_json::Value;
use uuid::Uuid;

use crate::database::Database;
use crate::own_database::connect_as_supabase_auth;
use crate::sql_call::one;

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
}

impl Database {
    /// Inserts a user as Supabase Auth does, into a [`supabase_database`](crate::supabase_database).
    #[track_caller]
    pub fn sign_up(&self, email: &str, metadata: &Value) -> Uuid {
        let insert =
            "INSERT INTO users (id, email, raw_user_meta_data) VALUES (gen_random_uuid(), $1, $2) RETURNING id";
        one(&mut connect_as_supabase_auth(self), insert, &[&email, metadata])
    }

    /// The failures of a user, by table.
    #[track_caller]
    pub fn profile_failures(&self, user: Uuid) -> Vec<ProfileFailure> {
        let query =
            "SELECT schema_name || '.' || table_name, sqlstate, message, detail, hint, context, constraint_name,
                            failed_table
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
