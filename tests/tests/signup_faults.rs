//! `signup_check` finds what makes sign-ups fail in code of the app's own, and its fix mends it. Each fault is planted in the database
//! of a Supabase project in which registrar was never set up.

use registrar_tests::{SignupOutcome, app_of, app_with, one, signup_check};
use uuid::Uuid;

/// That it is the app's trigger, at the INSERT.
#[track_caller]
fn assert_blamed(fault: &SignupOutcome, sqlstate: &str) {
    assert_eq!(fault.sqlstate.as_deref(), Some(sqlstate), "{fault:?}");
    assert_eq!(fault.statement.as_deref(), Some("INSERT INTO auth.users"), "{fault:?}");
    assert_eq!(fault.trigger.as_deref(), Some("on_auth_user_created ON auth.users"), "{fault:?}");
    assert_eq!(fault.function.as_deref(), Some("public.handle_new_user()"), "{fault:?}");
    assert_eq!(fault.line, Some(4), "{fault:?}");
}

const ALL: &[&str] = &SignupOutcome::SHAPES;
const WITH_EMAIL: &[&str] = &["email", "oauth", "sso", "admin"];
const WITHOUT_EMAIL: &[&str] = &["phone", "anonymous"];

#[test]
fn an_app_without_fault_passes() {
    let database = app_with("");
    for outcome in signup_check(&mut database.admin().unwrap(), None) {
        assert!(outcome.ok, "{outcome:?}");
    }
}

#[test]
fn a_name_without_its_schema() {
    for options in ["", "SECURITY DEFINER", "SECURITY DEFINER SET search_path = ''"] {
        let database = app_of(options, "profiles", "");
        let fault = database.signup_fault(ALL);
        assert_blamed(&fault, "42P01");
        assert!(fault.fix.as_deref().unwrap().contains("Write public.profiles, or:"), "{fault:?}");
        database.mend_signup(&fault);
    }
}

#[test]
fn the_rights_of_whoever_signs_up() {
    let database = app_of("", "public.profiles", "");
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "42501");
    database.mend_signup(&fault);
}

#[test]
fn an_owner_of_the_function_without_rights() {
    let database = app_with(
        "DO $$ BEGIN CREATE ROLE function_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE, CREATE ON SCHEMA public TO function_owner;
         ALTER FUNCTION public.handle_new_user() OWNER TO function_owner",
    );
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "42501");
    assert_eq!(fault.fixing_statement(), Some("GRANT INSERT ON public.profiles TO function_owner;"));
    database.mend_signup(&fault);
}

#[test]
fn a_schema_that_may_not_be_used() {
    let database = app_of(
        "",
        "app.profiles",
        "CREATE SCHEMA app; ALTER TABLE public.profiles SET SCHEMA app; GRANT INSERT ON app.profiles TO PUBLIC",
    );
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "42501");
    assert_eq!(fault.message.as_deref(), Some("permission denied for schema app"));
    database.mend_signup(&fault);
}

#[test]
fn row_security_of_the_profiles() {
    for owner in ["postgres", "policy_reader"] {
        let database = app_of(
            "",
            "public.profiles",
            &format!(
                "ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY; GRANT INSERT ON public.profiles TO PUBLIC;
                 DO $$ BEGIN CREATE ROLE policy_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                 GRANT USAGE, CREATE ON SCHEMA public TO policy_reader;
                 ALTER FUNCTION public.handle_new_user() OWNER TO {owner}"
            ),
        );
        let fault = database.signup_fault(ALL);
        assert_blamed(&fault, "42501");
        let expected = if owner == "postgres" { "ALTER FUNCTION" } else { "CREATE POLICY" };
        assert!(fault.fixing_statement().unwrap().starts_with(expected), "{fault:?}");
        database.mend_signup(&fault);
    }
}

#[test]
fn a_table_that_is_gone() {
    let database = app_with("DROP TABLE public.profiles");
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "42P01");
    assert!(fault.fix.as_deref().unwrap().ends_with("DROP TRIGGER on_auth_user_created ON auth.users;"), "{fault:?}");
    assert_eq!(fault.fixing_statement(), None, "only a person can tell whether it is of use");
}

#[test]
fn an_address_that_must_not_be_missing() {
    let database = app_with("ALTER TABLE public.profiles ALTER COLUMN email SET NOT NULL");
    let fault = database.signup_fault(WITHOUT_EMAIL);
    assert_blamed(&fault, "23502");
    assert_eq!(fault.table.as_deref(), Some("public.profiles"));
    assert_eq!(fault.fixing_statement(), Some("ALTER TABLE public.profiles ALTER COLUMN email DROP NOT NULL;"));
    database.mend_signup(&fault);
}

#[test]
fn a_check_that_refuses_the_value() {
    let database =
        app_with("ALTER TABLE public.profiles ADD CONSTRAINT company CHECK (email LIKE '%@company.example')");
    let fault = database.signup_fault(WITH_EMAIL);
    assert_blamed(&fault, "23514");
    assert_eq!(fault.constraint.as_deref(), Some("company"));
    assert!(fault.fix.as_deref().unwrap().contains("CHECK ((email ~~ '%@company.example'::text))"), "{fault:?}");
}

#[test]
fn a_value_that_another_row_has() {
    let user = Uuid::new_v4();
    let database = app_with(&format!(
        "INSERT INTO auth.users (id) VALUES ('{user}');
         ALTER TABLE public.profiles ALTER COLUMN username SET DEFAULT '';
         UPDATE public.profiles SET username = ''; ALTER TABLE public.profiles ADD UNIQUE (username)"
    ));
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "23505");
    assert_eq!(fault.constraint.as_deref(), Some("profiles_username_key"));
}

#[test]
fn two_triggers_that_make_the_same_row() {
    let database = app_with(
        "CREATE TRIGGER on_auth_user_created_again AFTER INSERT ON auth.users
             FOR EACH ROW EXECUTE FUNCTION public.handle_new_user()",
    );
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "23505");
    assert_eq!(fault.constraint.as_deref(), Some("profiles_pkey"));
    assert!(fault.fix.as_deref().unwrap().contains("ON CONFLICT DO NOTHING"), "{fault:?}");
}

#[test]
fn a_foreign_key_to_another_table_of_users() {
    let database = app_with(
        "CREATE TABLE public.users (id uuid PRIMARY KEY);
         ALTER TABLE public.profiles DROP CONSTRAINT profiles_id_fkey,
             ADD CONSTRAINT profiles_id_fkey FOREIGN KEY (id) REFERENCES public.users (id)",
    );
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "23503");
    assert_eq!(fault.constraint.as_deref(), Some("profiles_id_fkey"));
    database.mend_signup(&fault);
    let target = "SELECT confrelid::regclass::text FROM pg_constraint WHERE conname = 'profiles_id_fkey'";
    assert_eq!(one::<String>(&mut database.admin().unwrap(), target, &[]), "auth.users");
}

#[test]
fn a_trigger_that_runs_before_the_user_is_there() {
    let database = app_with(
        "CREATE OR REPLACE TRIGGER on_auth_user_created BEFORE INSERT ON auth.users
             FOR EACH ROW EXECUTE FUNCTION public.handle_new_user()",
    );
    let fault = database.signup_fault(ALL);
    assert_blamed(&fault, "23503");
    database.mend_signup(&fault);
}

#[test]
fn a_value_that_is_not_of_its_type() {
    let database = app_with("ALTER TABLE public.profiles ALTER COLUMN email TYPE varchar(20)");
    let fault = database.signup_fault(WITH_EMAIL);
    assert_blamed(&fault, "22001");
    assert!(fault.fix.as_deref().unwrap().starts_with("Have line 4 of public.handle_new_user() check"), "{fault:?}");
}
