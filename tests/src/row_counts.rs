//! How many rows there are, of one user or of all: what a call made, and what a refused one must not have made.

use std::collections::BTreeMap;

use ::postgres::Client;

use crate::database::Database;
use crate::sql_call::{all, one};
use crate::stack::{PROFILE_TABLE, Stack};

/// Rows by where they stand. The audit log is left out: it tells of refusals too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RowCounts {
    pub users: i64,
    pub identities: i64,
    pub profiles: i64,
    pub profile_failures: i64,
    pub tokens: i64,
    pub live_tokens: i64,
    pub pending_registrations: i64,
    pub idempotency_keys: i64,
}

impl RowCounts {
    /// Nothing.
    pub const NONE: Self = Self {
        users: 0,
        identities: 0,
        profiles: 0,
        profile_failures: 0,
        tokens: 0,
        live_tokens: 0,
        pending_registrations: 0,
        idempotency_keys: 0,
    };

    /// One user who is waiting for verification, made in one registration without an idempotency key.
    pub const ONE_UNVERIFIED: Self =
        Self { users: 1, identities: 1, profiles: 1, tokens: 1, live_tokens: 1, ..Self::NONE };

    /// The same user, verified.
    pub const ONE_VERIFIED: Self = Self { live_tokens: 0, ..Self::ONE_UNVERIFIED };
}

impl Stack {
    /// The rows of all users.
    pub fn row_counts(&self) -> RowCounts {
        counts(&mut self.admin(), None)
    }

    /// The rows of the user with an e-mail address.
    pub fn row_counts_of(&self, email: &str) -> RowCounts {
        counts(&mut self.admin(), Some(email))
    }
}

impl Database {
    /// The rows of every table but the catalogue's, the audit log included, by `schema.table`.
    #[track_caller]
    pub fn rows_of_every_table(&self) -> BTreeMap<String, i64> {
        let mut admin = self.admin().unwrap_or_else(|error| panic!("{error:?}"));
        let tables = "SELECT format('%I.%I', n.nspname, c.relname)
                      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";
        let tables: Vec<String> = all(&mut admin, tables, &[]);
        tables
            .into_iter()
            .map(|table| (table.clone(), one(&mut admin, &format!("SELECT count(*) FROM {table}"), &[])))
            .collect()
    }
}

fn counts(admin: &mut Client, email: Option<&str>) -> RowCounts {
    let mut count = |table: &str, user_column: &str, condition: &str| -> i64 {
        let statement = format!(
            "SELECT count(*) FROM {table} WHERE ({condition})
             AND ($1::text IS NULL OR {user_column} IN (SELECT id FROM auth.users WHERE email = $1))"
        );
        admin.query_one(&statement, &[&email]).unwrap_or_else(|error| panic!("{table}: {error}")).get(0)
    };
    let tokens = "registrar_private.verification_tokens";
    RowCounts {
        users: count("auth.users", "id", "true"),
        identities: count("auth.identities", "user_id", "true"),
        profiles: count(&format!("public.{PROFILE_TABLE}"), "user_id", "true"),
        profile_failures: count("registrar_private.profile_failures", "user_id", "true"),
        tokens: count(tokens, "user_id", "true"),
        live_tokens: count(tokens, "user_id", "used_at IS NULL AND expires_at > now()"),
        pending_registrations: count("registrar_private.pending_registrations", "user_id", "true"),
        idempotency_keys: count("registrar_private.idempotency_keys", "user_id", "true"),
    }
}
