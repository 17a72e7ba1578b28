//! What `expose_api` refuses: to overwrite what it did not make, whatever that looks like, and schemas and names that are none.

use std::sync::Barrier;

use postgres::Client;
use registrar_tests::{Database, Role, one, plain_database, supabase_database};
use serde_json::{Value, json};

fn expose(client: &mut Client, arguments: &str) -> Value {
    one(client, &format!("SELECT registrar.expose_api({arguments})"), &[])
}

/// What a refusal says.
struct Refusal {
    sqlstate: String,
    message: String,
    lines: Vec<String>,
    hint: String,
}

/// A call that must be refused, and change nothing.
#[track_caller]
fn refused(database: &Database, client: &mut Client, arguments: &str) -> Refusal {
    let before = database.script(&[]);
    let error = client.query(&format!("SELECT registrar.expose_api({arguments})"), &[]).unwrap_err();
    assert_eq!(database.script(&[]), before, "nothing is changed");
    let error = error.as_db_error().expect("PostgreSQL refuses");
    Refusal {
        sqlstate: error.code().code().to_owned(),
        message: error.message().to_owned(),
        lines: error.detail().unwrap_or_default().lines().map(str::to_owned).collect(),
        hint: error.hint().unwrap_or_default().to_owned(),
    }
}

#[test]
fn everything_in_the_way_is_told_at_once_and_stays() {
    let database = plain_database();
    database
        .psql(
            "CREATE FUNCTION public.get_profile(p_user_id uuid DEFAULT NULL, p_table text DEFAULT NULL) RETURNS jsonb
                 LANGUAGE sql RETURN '{}'::jsonb;
             CREATE FUNCTION public.verify_email(p_code integer) RETURNS boolean LANGUAGE sql RETURN true;
             CREATE PROCEDURE public.update_profile() LANGUAGE sql AS 'SELECT 1';
             CREATE AGGREGATE public.repair_profiles(integer) (SFUNC = int4pl, STYPE = integer);
             CREATE FUNCTION public.setup() RETURNS void LANGUAGE sql AS ''",
        )
        .unwrap();
    let mut admin = database.admin().unwrap();
    let refusal = refused(&database, &mut admin, "");
    assert_eq!(refusal.sqlstate, "42723");
    assert_eq!(refusal.message, "the schema public has functions in the way: 4 collisions");
    assert_eq!(
        refusal.lines,
        [
            "public.get_profile(uuid,text) was not made by registrar.expose_api.",
            "public.repair_profiles(integer) was not made by registrar.expose_api.",
            "public.update_profile() was not made by registrar.expose_api.",
            "public.verify_email(integer) was not made by registrar.expose_api.",
        ]
    );
    assert!(refusal.hint.contains("Rename or drop"), "{}", refusal.hint);
    let made = expose(&mut admin, "p_functions => '{profile_stats}'");
    assert_eq!(made["created"], json!(["profile_stats"]), "the hint's way out");
    assert_eq!(refused(&database, &mut admin, "p_functions => '{verify_email}'").lines.len(), 1);
}

#[test]
fn a_wrapper_that_was_edited_or_only_resembles_one_is_not_overwritten() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    let wrapper = |change: &str| {
        database.psql("SELECT registrar.expose_api(p_functions => '{}')").unwrap();
        database.psql("SELECT registrar.expose_api(p_functions => '{verify_email}')").unwrap();
        database.psql(change).unwrap();
    };
    let body = "SELECT registrar.verify_email(p_token => $1)";
    for change in [
        "CREATE OR REPLACE FUNCTION public.verify_email(p_token text DEFAULT NULL) RETURNS jsonb LANGUAGE sql
             SET search_path = pg_catalog, pg_temp AS 'SELECT registrar.verify_email(p_token => trim($1))'",
        "ALTER FUNCTION public.verify_email SECURITY DEFINER",
        "ALTER FUNCTION public.verify_email SET search_path = public",
        "ALTER FUNCTION public.verify_email RESET ALL",
        "ALTER FUNCTION public.verify_email SET work_mem = '1MB'",
        "CREATE OR REPLACE FUNCTION public.verify_email(p_token text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql
             SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
    ] {
        wrapper(change);
        let refusal = refused(&database, &mut admin, "");
        let changed = "public.verify_email(text) was changed since registrar.expose_api made it.";
        assert_eq!((refusal.sqlstate.as_str(), refusal.lines), ("42723", vec![changed.to_owned()]), "{change}");
        let removed = expose(&mut admin, "p_functions => '{}'");
        assert_eq!(removed["dropped"], json!([]), "{change}");
        database.psql("DROP FUNCTION public.verify_email").unwrap();
    }
    for change in [
        "COMMENT ON FUNCTION public.verify_email IS NULL",
        "COMMENT ON FUNCTION public.verify_email IS 'Made by registrar.expose_api. And mine by now'",
    ] {
        wrapper(change);
        let refusal = refused(&database, &mut admin, "");
        let others = "public.verify_email(text) was not made by registrar.expose_api.";
        assert_eq!(refusal.lines, [others], "the app's own, with {body}: {change}");
        database.psql("DROP FUNCTION public.verify_email").unwrap();
    }
}

/// A database of an owner who is no superuser, and that owner's session.
fn owned_database(owner: &str) -> (Database, Client) {
    let database = supabase_database();
    let name = database.name();
    database
        .psql(&format!("CREATE ROLE {owner}; ALTER DATABASE {name} OWNER TO {owner}; SELECT registrar.setup()"))
        .unwrap();
    let mut session = database.admin().unwrap();
    session.batch_execute(&format!("SET ROLE {owner}")).unwrap();
    (database, session)
}

#[test]
fn the_owner_of_the_database_exposes_and_a_superuser_keeps_what_the_owner_made() {
    let (database, mut owner) = owned_database("exposing_owner");
    let created = expose(&mut owner, "");
    let owners = "SELECT array_agg(DISTINCT proowner::regrole::text) FROM pg_proc WHERE proname = 'get_profile' AND pronamespace = 'public'::regnamespace";
    let mut admin = database.admin().unwrap();
    assert_eq!(one::<Vec<String>>(&mut admin, owners, &[]), ["exposing_owner"]);
    assert_eq!(expose(&mut admin, "")["kept"], created["created"]);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer: Value = one(&mut back_end, "SELECT public.register_user_with_token('user@example.com')", &[]);
    assert_eq!(answer["success"], true, "{answer}");

    expose(&mut admin, "p_functions => '{}'");
    expose(&mut admin, "p_functions => '{get_profile}'");
    let refusal = refused(&database, &mut owner, "p_functions => '{}'");
    assert_eq!(refusal.lines, ["public.get_profile(uuid,text) belongs to postgres, whose rights you do not have."]);
}

#[test]
fn a_function_planted_where_a_wrapper_will_stand_is_told_and_not_adopted() {
    let database = supabase_database();
    database.psql("CREATE ROLE planter; GRANT CREATE ON SCHEMA public TO planter").unwrap();
    let mut planter = database.admin().unwrap();
    planter.batch_execute("SET ROLE planter; SET check_function_bodies = off").unwrap();
    planter
        .batch_execute(
            "CREATE FUNCTION public.get_profile(p_user_id uuid DEFAULT NULL, p_table text DEFAULT NULL) RETURNS jsonb
                 LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
                 AS 'SELECT registrar.get_profile(p_user_id => $1, p_table => $2)';
             COMMENT ON FUNCTION public.get_profile(uuid, text) IS 'Made by registrar.expose_api.'",
        )
        .unwrap_or_else(|error| panic!("{error:?}"));
    let mut admin = database.admin().unwrap();
    for arguments in ["", "p_functions => '{get_profile}'", "p_functions => '{}'"] {
        let refusal = refused(&database, &mut admin, arguments);
        let planted = "public.get_profile(uuid,text) belongs to planter, who owns neither the schema nor the database.";
        assert_eq!((refusal.sqlstate.as_str(), refusal.lines), ("42723", vec![planted.to_owned()]), "{arguments}");
    }
    planter
        .batch_execute(
            "CREATE OR REPLACE FUNCTION public.get_profile(p_user_id uuid DEFAULT NULL, p_table text DEFAULT NULL) RETURNS jsonb
                 LANGUAGE sql STABLE AS 'SELECT ''{\"stolen\": true}''::jsonb'",
        )
        .expect("what an adopted one could become");
    database.psql("DROP FUNCTION public.get_profile; SELECT registrar.expose_api()").unwrap();
    for attempt in [
        "CREATE OR REPLACE FUNCTION public.get_profile(p_user_id uuid DEFAULT NULL, p_table text DEFAULT NULL) RETURNS jsonb
             LANGUAGE sql RETURN '{}'::jsonb",
        "DROP FUNCTION public.get_profile(uuid, text)",
        "ALTER FUNCTION public.get_profile(uuid, text) SECURITY DEFINER",
    ] {
        assert_eq!(planter.batch_execute(attempt).unwrap_err().code().unwrap().code(), "42501", "{attempt}");
    }
}

#[test]
fn a_schema_that_is_no_apps_is_refused() {
    let (database, mut owner) = owned_database("schema_owner");
    database.psql("CREATE SCHEMA api").unwrap();
    let mut admin = database.admin().unwrap();
    for schema in ["registrar", "registrar_private", "pg_catalog", "pg_toast", "information_schema"] {
        let refusal = refused(&database, &mut admin, &format!("'{schema}'"));
        assert_eq!(
            (refusal.sqlstate, refusal.message),
            ("22023".into(), format!("the schema {schema} is none of an app's"))
        );
    }
    let missing = refused(&database, &mut admin, "'pubilc'");
    assert_eq!((missing.sqlstate.as_str(), missing.hint.as_str()), ("3F000", "Did you mean public?"));
    let missing = refused(&database, &mut admin, "'something else'");
    assert_eq!(missing.hint, "Schemas are: api, auth, public.");
    let closed = refused(&database, &mut owner, "'api'");
    assert_eq!(closed.sqlstate, "42501");
    assert_eq!(closed.message, "you may not create functions in the schema api");
}

#[test]
fn names_that_are_none_of_the_apis_are_told_with_the_nearest() {
    let database = plain_database();
    let names = "p_functions => '{get_profil, setup, backfill_profiles, verify_email, NULL, GET_PROFILE, \"a''b\"}'";
    let refusal = refused(&database, &mut database.admin().unwrap(), names);
    assert_eq!(refusal.sqlstate, "42883");
    assert_eq!(refusal.message, "p_functions has names that no function of the API has: 6 unknown names");
    assert_eq!(refusal.lines[0], "get_profil: did you mean get_profile?");
    assert!(refusal.lines[1].starts_with("setup: the functions are backfill_profiles_batch, "), "{}", refusal.lines[1]);
    assert_eq!(refusal.lines[2], "backfill_profiles: did you mean backfill_profiles_batch?");
    let told: Vec<_> = refusal.lines[3..].iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(told, ["NULL", "GET_PROFILE", "a'b"]);
}

#[test]
fn eight_sessions_at_once_make_the_wrappers_once() {
    let database = plain_database();
    let start = Barrier::new(8);
    let made: Vec<Value> = std::thread::scope(|scope| {
        let session = || {
            let mut session = database.admin().unwrap();
            start.wait();
            expose(&mut session, "")
        };
        let sessions: Vec<_> = (0..8).map(|_| scope.spawn(session)).collect();
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    });
    let busy = made.iter().filter(|made| made["created"] != json!([])).count();
    assert_eq!(busy, 1, "{made:?}");
    assert!(made.iter().all(|made| made["replaced"] == json!([]) && made["dropped"] == json!([])), "{made:?}");
}
