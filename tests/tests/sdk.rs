//! The official SDK, `@supabase/supabase-js`, on a database with registrar: the suites of `tests/js`, each run by Node's own test
//! runner against npm's `@supabase/lite`, which serves `/auth/v1` and `/rest/v1` and has an auth schema of its own.

use std::sync::{Mutex, OnceLock, PoisonError};

use registrar_tests::{Database, SupabaseLite, empty_database, run_js_suite};

struct Project {
    lite: SupabaseLite,
    database: Database,
}

impl Project {
    /// The project of nearly all: the server came first and made its auth schema, then registrar.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Project> = OnceLock::new();
        SHARED.get_or_init(|| {
            let database = empty_database();
            let lite = SupabaseLite::start(&database).unwrap_or_else(|error| panic!("{error:?}"));
            database.install_registrar().unwrap();
            Self { lite, database }.with_tables()
        })
    }

    /// A project whose auth schema is the one that `registrar.setup()` makes.
    fn with_the_auth_schema_of_registrar() -> Self {
        let database = empty_database();
        database.install_registrar().unwrap();
        let lite = SupabaseLite::start(&database).unwrap_or_else(|error| panic!("{error:?}"));
        Self { lite, database }.with_tables()
    }

    fn with_tables(mut self) -> Self {
        self.database.psql("SELECT registrar.create_profile_table('user_profile')").unwrap();
        self.lite.restart_serving("user_profiles").unwrap_or_else(|error| panic!("{error:?}"));
        self
    }

    /// One suite at a time: each fills, empties and repairs profile tables as if it were alone.
    #[track_caller]
    fn passes(&self, suite: &str) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = [
            ("DATABASE_URL", &*self.database.url()),
            ("SUPABASE_URL", &self.lite.url()),
            ("SUPABASE_PUBLISHABLE_KEY", self.lite.publishable_key()),
            ("SUPABASE_SECRET_KEY", self.lite.secret_key()),
        ];
        run_js_suite(suite, &environment).unwrap_or_else(|error| panic!("{error:#}"));
    }
}

#[test]
fn a_sign_up_by_the_sdk_gives_the_profile() {
    Project::shared().passes("sign_up.test.mjs");
}

#[test]
fn a_user_whom_registrar_registered_and_verified_signs_in_by_the_sdk() {
    Project::shared().passes("sign_in.test.mjs");
}

#[test]
fn so_does_one_in_the_auth_schema_that_registrar_makes() {
    Project::with_the_auth_schema_of_registrar().passes("sign_in.test.mjs");
}

#[test]
fn the_sdk_calls_what_its_role_may_and_gets_the_right_answers() {
    Project::shared().passes("calls.test.mjs");
}

#[test]
fn row_security_is_what_the_sdk_meets() {
    Project::shared().passes("row_security.test.mjs");
}
