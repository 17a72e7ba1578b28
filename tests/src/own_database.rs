//! Databases for one test alone, in the cluster of the test process's shared stack.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use ::postgres::{Client, NoTls};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Database;
use crate::jwt::Role;
use crate::sql_call::call;
use crate::stack::Stack;

/// The auth schema as a Supabase project has it before registrar comes.
const SUPABASE_AUTH: &str =
    concat!(include_str!("../fixtures/supabase_auth.sql"), include_str!("../fixtures/supabase_auth_tables.sql"));

/// A database with nothing in it; the cluster has the API roles.
///
/// # Panics
/// Where PostgreSQL refuses, as everything here does.
pub fn empty_database() -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let name = format!("own_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    Stack::shared().cluster().create_database(&name).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A database with registrar and its profile table, as on plain PostgreSQL.
pub fn plain_database() -> Database {
    let database = empty_database();
    database.install_registrar().unwrap_or_else(|error| panic!("{error:?}"));
    database
}

/// A database with the auth schema of a Supabase project, without registrar.
pub fn bare_supabase_database() -> Database {
    // The fixture makes roles, which all databases of the cluster share.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let database = empty_database();
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    database.psql(SUPABASE_AUTH).unwrap_or_else(|error| panic!("{error:?}"));
    database
}

/// A database with the auth schema of a Supabase project, with registrar and its profile table.
pub fn supabase_database() -> Database {
    let database = bare_supabase_database();
    database.install_registrar().unwrap_or_else(|error| panic!("{error:?}"));
    database
}

/// Supabase Auth's own connection to a [`supabase_database`]: the role that its sign-ups are inserted by.
pub fn connect_as_supabase_auth(database: &Database) -> Client {
    let mut config = database.config();
    // The fixture's password for it.
    config.user("supabase_auth_admin").password("throwaway");
    config.connect(NoTls).unwrap_or_else(|error| panic!("supabase_auth_admin cannot connect: {error}"))
}

impl Database {
    /// Registers as the trusted back end, which must create a user, and returns the user's id and token.
    #[track_caller]
    pub fn register(&self, email: &str) -> (Uuid, String) {
        let mut back_end = self.connect_as(Role::ServiceRole).unwrap_or_else(|error| panic!("{error:?}"));
        let answer = call(&mut back_end, "register_user_with_token", &json!({ "p_email": email }));
        assert!(answer.success, "{answer:?}");
        let data = answer.data.unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_else(|| panic!("{data}"));
        let id = text(&data["user"]["id"]).parse().unwrap_or_else(|error| panic!("{error} in {data}"));
        (id, text(&data["verification"]["token"]))
    }

    /// Verifies as the trusted back end, which must succeed.
    #[track_caller]
    pub fn verify(&self, token: &str) {
        let mut back_end = self.connect_as(Role::ServiceRole).unwrap_or_else(|error| panic!("{error:?}"));
        let answer = call(&mut back_end, "verify_email", &json!({ "p_token": token }));
        assert!(answer.success, "{answer:?}");
        assert_ne!(answer.data.unwrap_or_default()["user"]["email_confirmed_at"], Value::Null);
    }

    /// The database as a script of `pg_dump` with these options, without what differs between two dumps of one state.
    pub fn script(&self, options: &[&str]) -> String {
        let output = self.program("pg_dump").args(options).output().unwrap_or_else(|error| panic!("pg_dump: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let script = String::from_utf8(output.stdout).expect("the database is UTF-8");
        // pg_dump guards its script with a key that is new each time.
        script.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
    }
}
