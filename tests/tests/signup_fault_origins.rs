//! `signup_check` tells where a fault lies: in which step of the sign-up, which of nested functions, which trigger of which table, and
//! in registrar's own triggers too.

use registrar_tests::{
    Installation, SignupOutcome, app_of, app_with, bare_supabase_database, one, signup_check, supabase_database,
};
use serde_json::json;

const ALL: &[&str] = &SignupOutcome::SHAPES;

/// A trigger of the app's that refuses what it fires for.
fn refusing(event: &str, table: &str) -> String {
    format!(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS
         $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'AP001', HINT = 'ask the app'; END $$;
         CREATE TRIGGER refuse AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
}

#[test]
fn each_step_of_a_sign_up_is_made_and_told() {
    for (event, table, step, shapes) in [
        ("INSERT", "auth.users", "INSERT INTO auth.users", ALL),
        ("UPDATE OF role", "auth.users", "UPDATE auth.users (role)", ALL),
        ("INSERT", "auth.identities", "INSERT INTO auth.identities", &["email", "phone", "oauth", "sso", "admin"]),
        (
            "UPDATE OF raw_user_meta_data",
            "auth.users",
            "UPDATE auth.users (raw_user_meta_data)",
            &["email", "phone", "oauth", "sso", "admin"],
        ),
        (
            "UPDATE OF raw_app_meta_data",
            "auth.users",
            "UPDATE auth.users (raw_app_meta_data)",
            &["email", "phone", "oauth", "sso", "admin"],
        ),
        (
            "INSERT",
            "auth.audit_log_entries",
            "INSERT INTO auth.audit_log_entries",
            &["email", "phone", "oauth", "sso", "admin"],
        ),
        (
            "UPDATE OF confirmation_sent_at",
            "auth.users",
            "UPDATE auth.users (confirmation_token, confirmation_sent_at)",
            &["email", "phone"],
        ),
        (
            "UPDATE OF email_confirmed_at",
            "auth.users",
            "UPDATE auth.users (confirmation_token, email_confirmed_at)",
            &["oauth", "sso", "admin"],
        ),
        ("UPDATE OF encrypted_password", "auth.users", "UPDATE auth.users (encrypted_password)", &["oauth", "sso"]),
        ("INSERT", "auth.one_time_tokens", "INSERT INTO auth.one_time_tokens", &["email", "phone"]),
        ("INSERT", "auth.sessions", "INSERT INTO auth.sessions", &["anonymous", "oauth", "sso"]),
        (
            "UPDATE OF last_sign_in_at",
            "auth.users",
            "UPDATE auth.users (last_sign_in_at)",
            &["anonymous", "oauth", "sso"],
        ),
    ] {
        let database = app_with(&refusing(event, table));
        let fault = database.signup_fault(shapes);
        assert_eq!(fault.statement.as_deref(), Some(step));
        assert_eq!(fault.trigger.as_deref(), Some(&*format!("refuse ON {table}")), "{fault:?}");
        assert_eq!(fault.function.as_deref(), Some("public.refuse()"));
        assert_eq!((fault.line, fault.sqlstate.as_deref()), (Some(1), Some("AP001")));
        assert_eq!(fault.message.as_deref(), Some("refused"));
        assert!(fault.fix.as_deref().unwrap().ends_with("Its hint: ask the app"), "{fault:?}");
    }
}

#[test]
fn a_deferred_foreign_key_fails_at_commit() {
    let database = app_with(
        "CREATE TABLE public.teams (id integer PRIMARY KEY);
         ALTER TABLE public.profiles ADD COLUMN team integer DEFAULT 7
             CONSTRAINT profile_team REFERENCES public.teams DEFERRABLE INITIALLY DEFERRED",
    );
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.statement.as_deref(), Some("COMMIT"));
    assert_eq!(fault.sqlstate.as_deref(), Some("23503"));
    assert_eq!(fault.constraint.as_deref(), Some("profile_team"));
    assert_eq!(fault.table.as_deref(), Some("public.profiles"));
}

#[test]
fn a_deferred_trigger_fails_at_commit() {
    // Since PostgreSQL 18 a deferred trigger runs as whoever inserted the row, here the owner of the app's function.
    let runs_as = if Installation::under_test().unwrap().major() < 18 { "supabase_auth_admin" } else { "postgres" };
    let database = app_with(&format!(
        "CREATE FUNCTION public.object() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF current_user <> '{runs_as}' THEN RAISE 'not as in a sign-up, but as %', current_user; END IF;
             RAISE 'objection';
         END $$;
         CREATE CONSTRAINT TRIGGER objecting AFTER INSERT ON public.profiles DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION public.object()"
    ));
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.statement.as_deref(), Some("COMMIT"));
    assert_eq!(fault.message.as_deref(), Some("objection"));
    assert_eq!(fault.trigger.as_deref(), Some("objecting ON public.profiles"));
    assert_eq!((fault.function.as_deref(), fault.line), (Some("public.object()"), Some(4)));
}

#[test]
fn what_is_deferred_until_another_trigger_has_run_is_no_fault() {
    let database = app_with(
        "ALTER TABLE public.profiles ADD COLUMN team uuid;
         CREATE TABLE public.teams (id uuid PRIMARY KEY);
         ALTER TABLE public.profiles ADD FOREIGN KEY (id) REFERENCES public.teams DEFERRABLE INITIALLY DEFERRED;
         CREATE FUNCTION public.found_team() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS
         $$ BEGIN INSERT INTO public.teams VALUES (NEW.id); RETURN NULL; END $$;
         CREATE TRIGGER z_found_team AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.found_team()",
    );
    for outcome in signup_check(&mut database.admin().unwrap(), None) {
        assert!(outcome.ok, "{outcome:?}");
    }
}

#[test]
fn a_function_that_the_trigger_calls() {
    let database = app_with(
        "CREATE FUNCTION public.\"Greet (new)\"(who uuid, words text) RETURNS void LANGUAGE plpgsql AS $$
         DECLARE
             year integer;
         BEGIN
             year := words::integer;
         END $$;
         CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM public.\"Greet (new)\"(NEW.id, 'hello');
             RETURN NEW;
         END $$",
    );
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.sqlstate.as_deref(), Some("22P02"));
    assert_eq!(fault.function.as_deref(), Some("public.\"Greet (new)\"(uuid,text)"));
    assert_eq!(fault.line, Some(5));
    assert_eq!(fault.trigger.as_deref(), Some("on_auth_user_created ON auth.users"));
}

#[test]
fn a_function_in_sql_that_the_trigger_calls() {
    let database = app_with(
        "CREATE FUNCTION public.year_of(words text) RETURNS integer LANGUAGE sql AS $$ SELECT words::integer $$;
         ALTER FUNCTION public.year_of(text) SET search_path = '';
         CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM public.year_of('hello'); RETURN NEW; END $$",
    );
    let fault = database.signup_fault(ALL);
    assert_eq!((fault.function.as_deref(), fault.line), (Some("public.year_of(text)"), None));
    assert_eq!(fault.trigger.as_deref(), Some("on_auth_user_created ON auth.users"));
}

#[test]
fn a_trigger_of_the_table_that_the_trigger_writes() {
    let database = app_with(
        "CREATE FUNCTION public.log() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.log VALUES (NEW.id);
             RETURN NEW;
         END $$;
         CREATE TABLE public.log (id uuid);
         CREATE TRIGGER log AFTER INSERT ON public.profiles FOR EACH ROW EXECUTE FUNCTION public.log();
         DO $$ BEGIN CREATE ROLE log_writer; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE, CREATE ON SCHEMA public TO log_writer; GRANT INSERT ON public.profiles TO log_writer;
         ALTER FUNCTION public.handle_new_user() OWNER TO log_writer",
    );
    let fault = database.signup_fault(ALL);
    assert_eq!((fault.function.as_deref(), fault.line), (Some("public.log()"), Some(3)));
    assert_eq!(fault.trigger.as_deref(), Some("log ON public.profiles"));
    assert!(
        fault.fix.as_deref().unwrap().contains("the rights of log_writer"),
        "the definer's, not the caller's: {fault:?}"
    );
    database.mend_signup(&fault);
}

#[test]
fn one_function_of_two_triggers_is_told_by_the_statement_that_called_it() {
    let database = app_with(&format!(
        "{} ; CREATE TRIGGER refuse AFTER INSERT ON public.profiles FOR EACH ROW EXECUTE FUNCTION public.refuse()",
        refusing("UPDATE", "auth.users")
    ));
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.statement.as_deref(), Some("INSERT INTO auth.users"));
    assert_eq!(fault.trigger.as_deref(), Some("refuse ON public.profiles"));
    database.psql("DROP TRIGGER refuse ON public.profiles").unwrap();
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.statement.as_deref(), Some("UPDATE auth.users (role)"));
    assert_eq!(fault.trigger.as_deref(), Some("refuse ON auth.users"));
}

#[test]
fn a_trigger_that_returns_null_before_the_row_is_written() {
    let database = app_with(
        "CREATE FUNCTION public.forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER forget BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.forget()",
    );
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.sqlstate.as_deref(), Some("09000"));
    assert_eq!(fault.trigger.as_deref(), Some("forget ON auth.users"));
    assert!(fault.fix.as_deref().unwrap().contains("RETURN NEW"), "{fault:?}");
}

#[test]
fn functions_and_types_of_extensions_that_are_not_on_the_search_path() {
    for body in ["id := new_id();", "RAISE DEBUG '%', 'x'::mood;"] {
        let database = app_of(
            "SECURITY DEFINER",
            "public.profiles",
            &format!(
                "CREATE SCHEMA extensions; GRANT USAGE ON SCHEMA extensions TO PUBLIC;
                 CREATE FUNCTION extensions.new_id() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
                 CREATE TYPE extensions.mood AS ENUM ('x');
                 CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS $$
                 DECLARE
                     id uuid;
                 BEGIN
                     {body}
                     RETURN NEW;
                 END $$"
            ),
        );
        let fault = database.signup_fault(ALL);
        assert!(["42883", "42704"].contains(&fault.sqlstate.as_deref().unwrap()), "{fault:?}");
        assert_eq!(fault.line, Some(5));
        database.mend_signup(&fault);
    }
}

#[test]
fn a_table_that_a_migration_has_locked() {
    let database = app_with("");
    let mut migration = database.admin().unwrap();
    migration.batch_execute("BEGIN; ALTER TABLE public.profiles ADD COLUMN city text").unwrap();
    let pid: i32 = one(&mut migration, "SELECT pg_backend_pid()", &[]);
    let fault = {
        let outcomes = signup_check(&mut database.admin().unwrap(), None);
        outcomes.into_iter().next().unwrap()
    };
    assert_eq!(fault.sqlstate.as_deref(), Some("55P03"), "{fault:?}");
    assert_eq!((fault.function.as_deref(), fault.line), (Some("public.handle_new_user()"), Some(4)));
    let fix = fault.fix.as_deref().unwrap();
    assert!(fix.starts_with(&format!("public.profiles is locked by process {pid}, a migration")), "{fix}");
    migration.batch_execute("COMMIT").unwrap();
    assert!(signup_check(&mut database.admin().unwrap(), None).iter().all(|outcome| outcome.ok));
}

#[test]
fn what_takes_longer_than_the_role_may() {
    let database = app_with(
        "DO $$ BEGIN
             CREATE ROLE hasty BYPASSRLS; ALTER ROLE hasty SET statement_timeout = '100ms';
         EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE ON SCHEMA auth TO hasty; GRANT ALL ON ALL TABLES IN SCHEMA auth TO hasty;
         CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$;
         CREATE TRIGGER dawdle AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.dawdle()",
    );
    for outcome in signup_check(&mut database.admin().unwrap(), Some("hasty")) {
        assert!(!outcome.ok);
        assert_eq!(outcome.sqlstate.as_deref(), Some("57014"));
        assert_eq!(outcome.statement.as_deref(), Some("INSERT INTO auth.users"));
        assert!(
            outcome.message.as_deref().unwrap().ends_with("the statement_timeout of hasty is 100 ms"),
            "{outcome:?}"
        );
        assert_eq!(outcome.fixing_statement(), Some("ALTER ROLE hasty SET statement_timeout = '1s';"));
    }
    database.psql("ALTER ROLE hasty SET statement_timeout = '1s'").unwrap();
    assert!(signup_check(&mut database.admin().unwrap(), Some("hasty")).iter().all(|outcome| outcome.ok));
}

#[test]
fn a_role_whose_search_path_finds_the_table_needs_none_in_the_function() {
    let database = app_of("SECURITY DEFINER", "profiles", "");
    let roles = "DO $$ BEGIN
                     CREATE ROLE looks_in_public BYPASSRLS; ALTER ROLE looks_in_public SET search_path = auth, public;
                     CREATE ROLE looks_nowhere BYPASSRLS; ALTER ROLE looks_nowhere SET search_path = '';
                 END $$;
                 GRANT USAGE ON SCHEMA auth TO looks_in_public, looks_nowhere;
                 GRANT ALL ON ALL TABLES IN SCHEMA auth TO looks_in_public, looks_nowhere";
    database.psql(roles).unwrap();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("SET search_path = public").unwrap();
    assert!(signup_check(&mut admin, Some("looks_in_public")).iter().all(|outcome| outcome.ok));
    assert!(signup_check(&mut admin, Some("looks_nowhere")).iter().all(|outcome| !outcome.ok));
    database
        .psql(
            "ALTER ROLE looks_nowhere IN DATABASE {} SET search_path = public".replace("{}", database.name()).as_str(),
        )
        .unwrap();
    assert!(signup_check(&mut admin, Some("looks_nowhere")).iter().all(|outcome| outcome.ok));
}

#[test]
fn a_profile_that_registrar_queues_is_told_of_a_sign_up_that_stands() {
    let database = supabase_database();
    database.psql("ALTER TABLE public.user_profiles ADD COLUMN tenant text NOT NULL").unwrap();
    let before = database.rows_of_every_table();
    for outcome in signup_check(&mut database.admin().unwrap(), None) {
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!((&outcome.statement, &outcome.sqlstate), (&None, &None));
        let message = outcome.message.as_deref().unwrap();
        assert!(
            message
                .starts_with("registrar could not fill public.user_profiles, and has queued it: null value in column")
        );
        assert!(message.ends_with("(23502)"));
        assert!(outcome.fix.as_deref().unwrap().ends_with("then run SELECT registrar.repair_profiles();"));
    }
    assert_eq!(database.rows_of_every_table(), before);
}

#[test]
fn a_value_that_gives_way_to_its_default_is_told_of_a_sign_up_that_stands() {
    let database = supabase_database();
    database
        .psql("CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name integer)")
        .unwrap();
    database.attach("public.people", "id", &json!(["name"]));
    for outcome in signup_check(&mut database.admin().unwrap(), None) {
        assert!(outcome.ok, "{outcome:?}");
        // Only a provider tells a name.
        assert_eq!(outcome.message.is_some(), outcome.shape == "oauth", "{outcome:?}");
        if let Some(message) = outcome.message {
            assert!(message.starts_with("public.people.name has its default: "), "{message}");
        }
    }
}

#[test]
fn a_profile_table_that_blocks_is_told_with_what_blocks_it() {
    let database = supabase_database();
    database
        .psql("CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, city text)")
        .unwrap();
    database.attach_with_policy("public.people", "id", &json!(["city"]), "block");
    database.psql("ALTER TABLE public.people ALTER COLUMN city SET NOT NULL").unwrap();
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.sqlstate.as_deref(), Some("23502"));
    assert_eq!(fault.trigger.as_deref(), Some("registrar_handle_new_user ON auth.users"));
    assert_eq!(fault.function.as_deref(), Some("registrar.handle_new_user()"));
    assert_eq!(fault.table.as_deref(), Some("public.people"));
    database.mend_signup(&fault);

    database.refuse_rows("public.people", "true");
    let fault = database.signup_fault(ALL);
    assert_eq!(fault.message.as_deref(), Some("refused"));
    assert_eq!((fault.function.as_deref(), fault.line), (Some("public.refuse()"), Some(1)));
    assert_eq!(fault.trigger.as_deref(), Some("refuse ON public.people"));
}

#[test]
fn a_role_without_rights_on_the_users() {
    let database = bare_supabase_database();
    database.psql("CREATE EXTENSION registrar; CREATE ROLE newcomer_writer").unwrap();
    let mut steps = Vec::new();
    for _ in 0..20 {
        let outcomes = signup_check(&mut database.admin().unwrap(), Some("newcomer_writer"));
        let Some(outcome) = outcomes.into_iter().find(|outcome| !outcome.ok) else { break };
        assert_eq!(outcome.sqlstate.as_deref(), Some("42501"), "{outcome:?}");
        let statement = outcome.fixing_statement().unwrap_or_else(|| panic!("{outcome:?}")).to_owned();
        database.psql(&statement).unwrap();
        steps.push(statement);
    }
    assert_eq!(
        steps[..4],
        [
            "GRANT USAGE ON SCHEMA auth TO newcomer_writer;",
            "GRANT SELECT, INSERT, UPDATE ON auth.users TO newcomer_writer;",
            "ALTER ROLE newcomer_writer BYPASSRLS;",
            "GRANT SELECT, INSERT, UPDATE ON auth.identities TO newcomer_writer;",
        ]
    );
    assert!(steps[4..].iter().all(|step| step.starts_with("GRANT ") && step.contains(" ON auth.")), "{steps:?}");
    assert!(signup_check(&mut database.admin().unwrap(), Some("newcomer_writer")).iter().all(|outcome| outcome.ok));
}
