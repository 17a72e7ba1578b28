//! Foreign keys to `auth.users`, verified and fixed as their table's owner does it.

use ::postgres::{Client, GenericClient};
use registrar_core::Envelope;
use serde_json::Value;

use crate::database::Database;
use crate::sql_call::{all, one};

/// What a call of `verify_and_fix_constraint` or of `fix_constraint` is about.
#[derive(Debug, Clone, Copy)]
pub struct ConstraintCall<'a> {
    /// `p_table`.
    pub table: &'a str,
    /// `p_column`.
    pub column: &'a str,
    /// `p_orphans`.
    pub orphans: &'a str,
}

impl<'a> ConstraintCall<'a> {
    /// Of the column `user_id`, whose orphans are reported.
    pub fn of(table: &'a str) -> Self {
        Self { table, column: "user_id", orphans: "report" }
    }

    /// The same of another column.
    #[must_use]
    pub fn column(self, column: &'a str) -> Self {
        Self { column, ..self }
    }

    /// The same with another fate of orphans.
    #[must_use]
    pub fn orphans(self, orphans: &'a str) -> Self {
        Self { orphans, ..self }
    }

    /// Calls without `p_fix`.
    #[track_caller]
    pub fn verify(self, client: &mut impl GenericClient) -> Envelope<Value> {
        self.call(client, "SELECT registrar.verify_and_fix_constraint($1, $2, p_orphans => $3)")
    }

    /// Calls with `p_fix`.
    #[track_caller]
    pub fn fix(self, client: &mut impl GenericClient) -> Envelope<Value> {
        self.call(client, "SELECT registrar.verify_and_fix_constraint($1, $2, true, $3)")
    }

    /// Calls the procedure, which commits each step.
    #[track_caller]
    pub fn fix_in_steps(self, client: &mut Client) -> Envelope<Value> {
        self.call(client, "CALL registrar.fix_constraint($1, $2, $3)")
    }

    /// Calls with `p_fix`, or the procedure, which must succeed; its data.
    #[track_caller]
    pub fn fixed(self, client: &mut Client, way: FixedIn) -> Value {
        let answer = match way {
            FixedIn::OneTransaction => self.fix(client),
            FixedIn::Steps => self.fix_in_steps(client),
        };
        assert!(answer.success, "{way:?}: {answer:?}");
        answer.data.unwrap_or_default()
    }

    #[track_caller]
    fn call(self, client: &mut impl GenericClient, call: &str) -> Envelope<Value> {
        let answer: Value = one(client, call, &[&self.table, &self.column, &self.orphans]);
        serde_json::from_value(answer).unwrap_or_else(|error| panic!("every call answers with an envelope: {error}"))
    }
}

/// The two ways to fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedIn {
    /// The function.
    OneTransaction,
    /// The procedure.
    Steps,
}

impl FixedIn {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::OneTransaction, Self::Steps];
}

impl Database {
    /// Inserts as many rows with a `user_id` that no user has.
    #[track_caller]
    pub fn insert_orphans(&self, table: &str, number: usize) {
        let insert =
            format!("INSERT INTO {table} (user_id) SELECT gen_random_uuid() FROM generate_series(1, {number})");
        self.psql(&insert).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The foreign keys of a table, as `name definition` with every name qualified.
    #[track_caller]
    pub fn foreign_keys(&self, table: &str) -> Vec<String> {
        let query = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                     WHERE conrelid = $1::text::regclass AND contype = 'f' ORDER BY 1";
        let mut admin = self.admin().unwrap_or_else(|error| panic!("{error:?}"));
        admin.batch_execute("SET search_path = pg_catalog").unwrap_or_else(|error| panic!("{error:?}"));
        all(&mut admin, query, &[&table])
    }

    /// How many rows a table or query has.
    #[track_caller]
    pub fn count(&self, from: &str) -> i64 {
        one(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), &format!("SELECT count(*) FROM {from}"), &[])
    }
}
