//! What `registrar.signup_check` says of each shape of a sign-up.

use ::postgres::GenericClient;

use crate::database::Database;
use crate::own_database::bare_supabase_database;

/// A row of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SignupOutcome {
    pub shape: String,
    pub ok: bool,
    pub statement: Option<String>,
    pub trigger: Option<String>,
    pub function: Option<String>,
    pub line: Option<i32>,
    pub table: Option<String>,
    pub constraint: Option<String>,
    pub sqlstate: Option<String>,
    pub message: Option<String>,
    pub fix: Option<String>,
}

impl SignupOutcome {
    /// The shapes, in the order in which they are told.
    pub const SHAPES: [&str; 6] = ["email", "phone", "anonymous", "oauth", "sso", "admin"];

    /// The statement that the fix ends with, where it has one.
    pub fn fixing_statement(&self) -> Option<&str> {
        self.fix.as_deref()?.rsplit_once('\n').map(|(_, statement)| statement)
    }
}

/// The outcome of every shape, as the role, or where none is named as the owner of `auth.users`.
///
/// # Errors
/// What PostgreSQL raises.
pub fn try_signup_check(
    client: &mut impl GenericClient,
    role: Option<&str>,
) -> Result<Vec<SignupOutcome>, ::postgres::Error> {
    let query = "SELECT shape, ok, statement, \"trigger\", \"function\", line, \"table\", \"constraint\", sqlstate, message, fix
                 FROM registrar.signup_check($1::text::name)";
    let rows = client.query(query, &[&role])?;
    let outcome = |row: &::postgres::Row| SignupOutcome {
        shape: row.get(0),
        ok: row.get(1),
        statement: row.get(2),
        trigger: row.get(3),
        function: row.get(4),
        line: row.get(5),
        table: row.get(6),
        constraint: row.get(7),
        sqlstate: row.get(8),
        message: row.get(9),
        fix: row.get(10),
    };
    Ok(rows.iter().map(outcome).collect())
}

/// The same where PostgreSQL must not raise.
///
/// # Panics
/// Where it does, or where a shape is missing.
#[track_caller]
pub fn signup_check(client: &mut impl GenericClient, role: Option<&str>) -> Vec<SignupOutcome> {
    let outcomes = try_signup_check(client, role).unwrap_or_else(|error| panic!("{error:?}"));
    let shapes: Vec<_> = outcomes.iter().map(|outcome| outcome.shape.as_str()).collect();
    assert_eq!(shapes, SignupOutcome::SHAPES);
    outcomes
}

/// What signs users up in most apps: a table of profiles, and a trigger whose function inserts one. `{options}` are those of the function,
/// `{table}` is how it names the table.
const APP: &str = "
    CREATE EXTENSION registrar;
    CREATE TABLE public.profiles (
        id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE, email text, username text);
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql {options} AS $$
    BEGIN
        -- The user's profile.
        INSERT INTO {table} (id, email) VALUES (NEW.id, NEW.email);
        RETURN NEW;
    END $$;
    CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
        FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();";

/// A Supabase project in which registrar was never set up, with an app's trigger as it should be, and then changed.
pub fn app_with(change: &str) -> Database {
    app_of("SECURITY DEFINER SET search_path = ''", "public.profiles", change)
}

/// The same with a function that has other options, or names the table otherwise.
///
/// # Panics
/// Where PostgreSQL refuses.
pub fn app_of(options: &str, table: &str, change: &str) -> Database {
    let database = bare_supabase_database();
    let app = APP.replace("{options}", options).replace("{table}", table);
    database.psql(&format!("{app} {change}")).unwrap_or_else(|error| panic!("{error:?}"));
    database
}

impl Database {
    /// Checks sign-ups, of which those shapes must fail and no other, all in the same way, and nothing be left of any.
    #[track_caller]
    pub fn signup_fault(&self, shapes: &[&str]) -> SignupOutcome {
        self.signup_fault_as(None, shapes)
    }

    /// The same for sign-ups by a role.
    #[track_caller]
    pub fn signup_fault_as(&self, role: Option<&str>, shapes: &[&str]) -> SignupOutcome {
        let before = self.rows_of_every_table();
        let outcomes = signup_check(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), role);
        assert_eq!(self.rows_of_every_table(), before, "nothing is left");
        let (stood, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| outcome.ok);
        assert_eq!(failed.iter().map(|outcome| outcome.shape.as_str()).collect::<Vec<_>>(), shapes, "{failed:?}");
        assert!(stood.iter().all(|outcome| outcome.message.is_none() && outcome.sqlstate.is_none()), "{stood:?}");
        let first = failed[0].clone();
        for outcome in failed {
            let fix = outcome.fix.map(|fix| fix.replace(&format!("shape {}", outcome.shape), "shape email"));
            let expected = first.fix.as_ref().map(|fix| fix.replace(&format!("shape {}", first.shape), "shape email"));
            assert_eq!(fix, expected);
            assert_eq!(SignupOutcome { shape: first.shape.clone(), fix: first.fix.clone(), ..outcome }, first);
        }
        first
    }

    /// Runs the statement of the fix, after which every shape must be ok.
    #[track_caller]
    pub fn mend_signup(&self, fault: &SignupOutcome) {
        self.mend_signup_as(None, fault);
    }

    /// The same for sign-ups by a role.
    #[track_caller]
    pub fn mend_signup_as(&self, role: Option<&str>, fault: &SignupOutcome) {
        let statement = fault.fixing_statement().unwrap_or_else(|| panic!("no statement in {fault:?}"));
        self.psql(statement).unwrap_or_else(|error| panic!("{error:?}"));
        for outcome in signup_check(&mut self.admin().unwrap_or_else(|error| panic!("{error:?}")), role) {
            assert!(outcome.ok, "after {statement}: {outcome:?}");
        }
    }
}
