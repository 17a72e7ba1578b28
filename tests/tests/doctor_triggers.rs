//! Triggers on auth.users, the app's own above all: each fault that costs sign-ups planted, found, and mended.

use registrar_tests::{Database, connect_as_supabase_auth, supabase_database};
use serde_json::json;

const TRIGGER: &str = "trigger on_auth_user_created on auth.users";

/// A database with a table that only the app fills, by a trigger as it should be.
fn with_trigger() -> Database {
    let database = supabase_database();
    // Roles are shared by the databases of a cluster.
    let owner = owner_in(&database);
    database
        .psql(&format!(
            "CREATE ROLE {owner}; GRANT USAGE, CREATE ON SCHEMA public TO {owner};
             CREATE TABLE public.members (id uuid PRIMARY KEY, plan text);
             ALTER TABLE public.members OWNER TO {owner};
             CREATE FUNCTION public.handle_new_member() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
             BEGIN
                 INSERT INTO public.members (id) VALUES (NEW.id);
                 RETURN NEW;
             EXCEPTION WHEN OTHERS THEN
                 RETURN NEW;
             END $$;
             ALTER FUNCTION public.handle_new_member() OWNER TO {owner};
             CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
                 FOR EACH ROW EXECUTE FUNCTION public.handle_new_member()"
        ))
        .unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new(), "a trigger as it should be is no finding");
    database
}

fn owner_in(database: &Database) -> String {
    format!("owner_in_{}", database.name())
}

/// The function again, with that head and body.
fn function(head: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION public.handle_new_member() RETURNS trigger LANGUAGE plpgsql {head} AS $$
         BEGIN {body}; RETURN NEW; EXCEPTION WHEN OTHERS THEN RAISE; END $$"
    )
}

fn found(check: &str, severity: &str) -> String {
    format!("{check} {severity} {TRIGGER}")
}

/// That Supabase Auth can sign a user up.
fn assert_signs_up(database: &Database) {
    database.sign_up("user@example.com", &json!({}));
}

/// That it cannot, and why.
#[track_caller]
fn assert_costs_sign_ups(database: &Database, sqlstate: &str) {
    let insert = "INSERT INTO users (id) VALUES (gen_random_uuid())";
    let refused = connect_as_supabase_auth(database).execute(insert, &[]).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), sqlstate, "{refused}");
}

#[test]
fn registrars_own_are_missing() {
    let database = supabase_database();
    for trigger in ["registrar_handle_new_user", "registrar_handle_user_update"] {
        let expected = format!("trigger_missing error trigger {trigger} on auth.users");
        database.plant_and_mend(&format!("DROP TRIGGER {trigger} ON auth.users"), &[&expected]);
    }
}

#[test]
fn one_is_disabled() {
    let database = with_trigger();
    let ours = "ALTER TABLE auth.users DISABLE TRIGGER registrar_handle_new_user";
    database.plant_and_mend(ours, &["trigger_disabled error trigger registrar_handle_new_user on auth.users"]);
    let replica = "ALTER TABLE auth.users ENABLE REPLICA TRIGGER registrar_handle_new_user";
    database.plant_and_mend(replica, &["trigger_disabled error trigger registrar_handle_new_user on auth.users"]);
    let theirs = "ALTER TABLE auth.users DISABLE TRIGGER on_auth_user_created";
    database.plant_and_mend(theirs, &[&found("trigger_disabled", "warning")]);
}

#[test]
fn it_runs_with_the_rights_of_whoever_signs_up() {
    let database = with_trigger();
    let invoker = function("SECURITY INVOKER SET search_path = ''", "INSERT INTO public.members (id) VALUES (NEW.id)");
    database.plant(&invoker, &[&found("trigger_invoker_rights", "error")]);
    assert_costs_sign_ups(&database, "42501");
    database.mend();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    assert_signs_up(&database);
}

#[test]
fn it_sets_no_search_path() {
    let database = with_trigger();
    let unset = "ALTER FUNCTION public.handle_new_member() RESET search_path";
    database.plant_and_mend(unset, &[&found("trigger_search_path", "warning")]);
    assert_signs_up(&database);
}

#[test]
fn a_table_without_its_schema_is_not_found() {
    let database = with_trigger();
    let unqualified = function("SECURITY DEFINER", "INSERT INTO members (id) VALUES (NEW.id)");
    database.plant(&unqualified, &[&found("trigger_unqualified_names", "error")]);
    assert_costs_sign_ups(&database, "42P01");
    database.mend();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    assert_signs_up(&database);

    database.psql("DROP TABLE public.members CASCADE; CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.members (id uuid); CREATE TABLE b.members (id uuid)").unwrap();
    let of_two = database.findings();
    assert_eq!(of_two[0].check, "trigger_unqualified_names");
    assert_eq!(of_two[0].fix_sql, None, "which of the two is meant, only a person can say");
}

#[test]
fn a_table_that_it_writes_is_gone() {
    let database = with_trigger();
    let rename = "ALTER TABLE public.members RENAME TO people";
    database.plant_and_decide(
        rename,
        &[&found("trigger_target_missing", "error")],
        "ALTER TABLE public.people RENAME TO members",
    );
}

#[test]
fn its_owner_has_no_rights_on_the_table() {
    let database = with_trigger();
    let other = format!("other_{}", owner_in(&database));
    let other = format!("CREATE ROLE {other}; ALTER TABLE public.members OWNER TO {other}");
    database.plant(&other, &[&found("trigger_owner_rights", "error")]);
    database.mend();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    let caught = "SELECT count(*) FROM public.members";
    assert_signs_up(&database);
    assert_eq!(database.psql(caught).unwrap().trim(), "1", "what was caught in silence is written now");
}

#[test]
fn its_owner_is_superuser() {
    let database = with_trigger();
    let superuser = "ALTER FUNCTION public.handle_new_member() OWNER TO postgres";
    database.plant_and_mend(superuser, &[&found("trigger_owner_superuser", "notice")]);
    database
        .psql(
            "ALTER TABLE public.members OWNER TO postgres; ALTER FUNCTION public.handle_new_member() OWNER TO postgres",
        )
        .unwrap();
    assert_eq!(database.findings()[0].fix_sql, None, "there is nobody else to give it to");
}

#[test]
fn it_catches_no_error() {
    let database = with_trigger();
    database.plant_and_decide(
        "CREATE OR REPLACE FUNCTION public.handle_new_member() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
         BEGIN
             -- EXCEPTION WHEN OTHERS THEN: not yet
             INSERT INTO public.members (id) VALUES (NEW.id);
             RETURN NEW;
         END $$",
        &[&found("trigger_unguarded", "warning")],
        "DROP TRIGGER on_auth_user_created ON auth.users",
    );
}

#[test]
fn it_fills_what_another_fills() {
    let database = with_trigger();
    database
        .psql(
            "CREATE TRIGGER second AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_member()",
        )
        .unwrap();
    let twice = database.findings();
    assert_eq!(twice[0].brief(), "trigger_duplicate_work warning trigger second on auth.users");
    assert!(twice[0].finding.contains("the trigger on_auth_user_created fills too"), "{twice:?}");
    assert_eq!(twice[0].fix_sql, None, "which of them goes, only a person can say");
    database.psql("DROP TRIGGER second ON auth.users; TRUNCATE public.members").unwrap();

    database.psql("ALTER TABLE public.members ADD FOREIGN KEY (id) REFERENCES auth.users ON DELETE CASCADE").unwrap();
    let attach = "SELECT registrar.attach_profile_table('public.members', 'id')";
    database.plant_and_mend(attach, &[&found("trigger_duplicate_work", "warning")]);
    assert_signs_up(&database);
}

#[test]
fn what_a_disabled_trigger_would_do_costs_nobody_a_sign_up() {
    let database = with_trigger();
    database.psql(&function("SECURITY DEFINER", "INSERT INTO nowhere VALUES (1)")).unwrap();
    database.psql("ALTER TABLE auth.users DISABLE TRIGGER on_auth_user_created").unwrap();
    assert_eq!(database.brief_findings(), [found("trigger_disabled", "warning")]);
}
