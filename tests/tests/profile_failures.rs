//! A profile that cannot be filled never costs a sign-up, and its row in `profile_failures` says why. Each case is proved
//! for a sign-up of Supabase Auth's and for a registration.

use std::time::{Duration, Instant};

use registrar_tests::{
    Database, ProfileFailure, Role, Stack, call, connect_as_supabase_auth, one, supabase_database, try_call,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Registers as the trusted back end, which must succeed, and returns the user and the profile of the answer.
#[track_caller]
fn register(database: &Database, metadata: &Value) -> (Uuid, Value) {
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let parameters = json!({ "p_email": "registered@example.com", "p_metadata": metadata });
    let answer = call(&mut back_end, "register_user_with_token", &parameters);
    assert!(answer.success, "{answer:?}");
    let data = answer.data.unwrap();
    (data["user"]["id"].as_str().unwrap().parse().unwrap(), data["profile"].clone())
}

/// Breaks something, signs up and registers with the metadata; both users must stand without a profile. Returns why.
#[track_caller]
fn why_no_profile_after(breakage: &str, metadata: &Value) -> ProfileFailure {
    let database = supabase_database();
    database.psql(breakage).unwrap();
    let signed_up = database.sign_up("signed-up@example.com", metadata);
    let (registered, profile) = register(&database, metadata);
    assert_eq!(profile, Value::Null);

    let failures = [signed_up, registered].map(|user| {
        assert!(database.has_user(user));
        let [failure] = &database.profile_failures(user)[..] else { panic!("one failure for each user") };
        assert_eq!(failure.table, "public.user_profiles");
        let hint = failure.hint.as_deref().expect("what to do");
        assert!(hint.ends_with("then run SELECT registrar.repair_profiles();"), "{hint}");
        let audited = "SELECT detail FROM registrar_private.audit_log WHERE action = 'fill_profile' AND user_id = $1";
        let detail: String = one(&mut database.admin().unwrap(), audited, &[&user]);
        assert!(detail.contains(&failure.sqlstate) && detail.contains(&failure.message), "{detail}");
        failure.clone()
    });
    let [of_sign_up, of_registration] = failures;
    let reason =
        |failure: &ProfileFailure| (failure.sqlstate.clone(), failure.constraint.clone(), failure.failed_table.clone());
    assert_eq!(reason(&of_sign_up), reason(&of_registration));
    of_sign_up
}

#[track_caller]
fn assert_reason(failure: &ProfileFailure, sqlstate: &str, words: &str) {
    assert_eq!(failure.sqlstate, sqlstate, "{failure:?}");
    assert!(failure.message.contains(words), "{failure:?}");
}

#[track_caller]
fn assert_violated(failure: &ProfileFailure, constraint: Option<&str>, table: &str) {
    assert_eq!(failure.constraint.as_deref(), constraint, "{failure:?}");
    assert_eq!(failure.failed_table.as_deref(), Some(table), "{failure:?}");
}

#[test]
fn the_profile_table_is_dropped() {
    let failure = why_no_profile_after("DROP TABLE public.user_profiles", &json!({}));
    assert_reason(&failure, "42P01", "user_profiles");
}

#[test]
fn the_schema_of_the_profile_table_is_gone() {
    let elsewhere =
        "CREATE SCHEMA elsewhere; ALTER TABLE public.user_profiles SET SCHEMA elsewhere; DROP SCHEMA public CASCADE";
    assert_reason(&why_no_profile_after(elsewhere, &json!({})), "42P01", "public.user_profiles");
}

#[test]
fn the_column_of_the_user_is_renamed() {
    let failure =
        why_no_profile_after("ALTER TABLE public.user_profiles RENAME COLUMN user_id TO owner_id", &json!({}));
    assert_reason(&failure, "42703", "user_id");
}

#[test]
fn a_column_that_the_metadata_fills_is_renamed() {
    let renamed = "ALTER TABLE public.user_profiles RENAME COLUMN field_of_study TO study";
    assert_reason(&why_no_profile_after(renamed, &json!({ "field_of_study": "law" })), "42703", "field_of_study");
}

#[test]
fn a_column_that_the_metadata_does_not_fill_may_be_renamed() {
    let database = supabase_database();
    database.psql("ALTER TABLE public.user_profiles RENAME COLUMN field_of_study TO study").unwrap();
    let user = database.sign_up("user@example.com", &json!({ "experience_level": "mid" }));
    assert_eq!(database.profile(user).unwrap()["experience_level"], "mid");
}

#[test]
fn a_column_is_new_and_must_not_be_null() {
    let failure = why_no_profile_after("ALTER TABLE public.user_profiles ADD COLUMN tenant text NOT NULL", &json!({}));
    assert_reason(&failure, "23502", "tenant");
    assert_violated(&failure, None, "user_profiles");
    assert!(failure.detail.unwrap().contains("Failing row"));
}

#[test]
fn a_value_and_the_default_that_it_gives_way_to_fail_a_check() {
    let change =
        "ALTER TABLE public.user_profiles ADD CONSTRAINT some_years CHECK (years_of_experience BETWEEN 1 AND 100)";
    for metadata in [json!({}), json!({ "years_of_experience": 900 })] {
        let failure = why_no_profile_after(change, &metadata);
        assert_reason(&failure, "23514", "some_years");
        assert_violated(&failure, Some("some_years"), "user_profiles");
    }
}

#[test]
fn a_value_is_of_another_type_and_so_is_the_default_that_it_gives_way_to() {
    let change = "ALTER TABLE public.user_profiles ALTER COLUMN years_of_experience
                      SET DEFAULT (to_char(now(), '\"many\"'))::integer";
    let failure = why_no_profile_after(change, &json!({ "years_of_experience": "lots" }));
    assert_reason(&failure, "22P02", "many");
}

#[test]
fn another_row_has_the_value() {
    let one_for_all = "INSERT INTO auth.users (id) VALUES (gen_random_uuid());
                       CREATE UNIQUE INDEX one_currency ON public.user_profiles (salary_currency)";
    let failure = why_no_profile_after(one_for_all, &json!({}));
    assert_reason(&failure, "23505", "one_currency");
    assert_violated(&failure, Some("one_currency"), "user_profiles");
    assert!(failure.detail.unwrap().contains("(salary_currency)=(USD)"));
}

#[test]
fn the_user_column_is_no_longer_unique() {
    let database = supabase_database();
    database.psql("ALTER TABLE public.user_profiles DROP CONSTRAINT user_profiles_user_id_key").unwrap();
    let (user, _) = database.register("user@example.com");
    assert!(database.profile(user).is_some(), "a new user can have no profile yet");

    // The verification of a newer registration replaces the fields, and cannot find the row that it would replace.
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let again = json!({ "p_email": "user@example.com", "p_metadata": { "field_of_study": "law" } });
    let again = call(&mut back_end, "register_user_with_token", &again).data.unwrap();
    database.verify(again["verification"]["token"].as_str().unwrap());
    assert_reason(&database.profile_failures(user)[0], "42P10", "ON CONFLICT");
    database.psql("ALTER TABLE public.user_profiles ADD UNIQUE (user_id)").expect("there is one row still");
}

#[test]
fn row_security_forbids_it_to_the_owner() {
    let forced = "CREATE ROLE forced_owner; ALTER TABLE public.user_profiles OWNER TO forced_owner;
                  ALTER TABLE public.user_profiles FORCE ROW LEVEL SECURITY";
    assert_reason(&why_no_profile_after(forced, &json!({})), "42501", "row-level security");
}

#[test]
fn a_trigger_of_the_app_raises() {
    let raising = "CREATE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN
                       RAISE EXCEPTION 'no room' USING DETAIL = 'all seats are taken', HINT = 'add seats', ERRCODE = 'APP42';
                   END $$;
                   CREATE TRIGGER no_room BEFORE INSERT ON public.user_profiles
                   FOR EACH ROW EXECUTE FUNCTION public.no_room()";
    let failure = why_no_profile_after(raising, &json!({}));
    assert_reason(&failure, "APP42", "no room");
    assert_eq!(failure.detail.as_deref(), Some("all seats are taken"));
    assert_eq!(failure.hint.as_deref(), Some("add seats; then run SELECT registrar.repair_profiles();"));
    assert!(failure.context.unwrap().contains("function public.no_room()"), "where to look");
}

#[test]
fn a_trigger_of_the_app_violates_a_constraint_of_another_table() {
    let seats = "CREATE TABLE public.seats (seat integer CONSTRAINT seats_exist CHECK (seat < 0));
                 CREATE FUNCTION public.take_seat() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO public.seats VALUES (1); RETURN NULL; END $$;
                 CREATE TRIGGER take_seat AFTER INSERT ON public.user_profiles
                 FOR EACH ROW EXECUTE FUNCTION public.take_seat()";
    let failure = why_no_profile_after(seats, &json!({}));
    assert_reason(&failure, "23514", "seats_exist");
    assert_violated(&failure, Some("seats_exist"), "seats");
}

#[test]
fn the_reason_may_be_long() {
    let raising = "CREATE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS
                   $$ BEGIN RAISE EXCEPTION '%', repeat('no room ', 200000); END $$;
                   CREATE TRIGGER no_room BEFORE INSERT ON public.user_profiles
                   FOR EACH ROW EXECUTE FUNCTION public.no_room()";
    assert_reason(&why_no_profile_after(raising, &json!({})), "P0001", "no room");
}

#[test]
fn the_profile_table_is_locked_for_long() {
    let database = supabase_database();
    let mut migration = database.admin().unwrap();
    migration.batch_execute("BEGIN; LOCK TABLE public.user_profiles IN ACCESS EXCLUSIVE MODE").unwrap();
    std::thread::scope(|scope| {
        let sign_up = scope.spawn(|| database.sign_up("signed-up@example.com", &json!({})));
        let registration = scope.spawn(|| register(&database, &json!({})));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !(sign_up.is_finished() && registration.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let finished = [sign_up.is_finished(), registration.is_finished()];
        migration.batch_execute("COMMIT").unwrap();
        assert_eq!(finished, [true, true], "neither the sign-up nor the registration waits for the lock");
        let (registered, profile) = registration.join().unwrap();
        assert_eq!(profile, Value::Null);
        for user in [sign_up.join().unwrap(), registered] {
            assert!(database.has_user(user));
            assert_eq!(database.profile_failures(user)[0].sqlstate, "55P03");
        }
    });
    let mut auth = connect_as_supabase_auth(&database);
    auth.batch_execute("SET lock_timeout = '7s'; INSERT INTO users (id) VALUES (gen_random_uuid())").unwrap();
    assert_eq!(one::<String>(&mut auth, "SHOW lock_timeout", &[]), "7s", "the session's own setting is back");
}

#[test]
fn the_list_of_profile_tables_is_gone() {
    let database = supabase_database();
    database.psql("ALTER TABLE registrar_private.profile_tables RENAME TO gone").unwrap();
    let signed_up = database.sign_up("signed-up@example.com", &json!({}));
    let (registered, profile) = register(&database, &json!({}));
    assert_eq!(profile, Value::Null);
    assert!(database.has_user(signed_up) && database.has_user(registered));
    assert_warned(&database, "could not read its profile tables (42P01)");
}

#[test]
fn even_the_list_of_failures_is_gone() {
    let database = supabase_database();
    database.psql("ALTER TABLE registrar_private.profile_failures RENAME TO gone").unwrap();
    database.refuse_rows("public.user_profiles", "true");
    let signed_up = database.sign_up("signed-up@example.com", &json!({}));
    let (registered, profile) = register(&database, &json!({}));
    assert_eq!(profile, Value::Null);
    assert!(database.has_user(signed_up) && database.has_user(registered));
    assert_warned(&database, "could not fill public.user_profiles (P0001: refused)");
}

/// The server's log has a warning of a session in this database.
#[track_caller]
fn assert_warned(database: &Database, words: &str) {
    let log = Stack::shared().cluster().log().unwrap();
    let here = format!("@{} WARNING:  registrar ", database.name());
    assert!(log.lines().any(|line| line.contains(&here) && line.contains(words)), "{words}");
}

#[test]
fn only_a_statement_timeout_or_a_cancel_takes_the_sign_up_with_it() {
    let database = supabase_database();
    database
        .psql(
            "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_catalog.pg_sleep(30); RETURN NEW; END $$;
             CREATE TRIGGER dawdle BEFORE INSERT ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.dawdle()",
        )
        .unwrap();
    let mut auth = connect_as_supabase_auth(&database);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    for session in [&mut auth, &mut back_end] {
        session.batch_execute("SET statement_timeout = '300ms'").unwrap();
    }
    let lost = auth.execute("INSERT INTO users (id) VALUES (gen_random_uuid())", &[]).unwrap_err();
    assert_eq!(lost.code().unwrap().code(), "57014");
    let lost =
        try_call(&mut back_end, "register_user_with_token", &json!({ "p_email": "user@example.com" })).unwrap_err();
    assert_eq!(lost.code().unwrap().code(), "57014");
    let users = "SELECT count(*) FROM auth.users";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), users, &[]), 0, "no half-made user");

    auth.batch_execute("RESET statement_timeout").unwrap();
    let cancel = auth.cancel_token();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            cancel.cancel_query(postgres::NoTls).unwrap();
        });
        let lost = auth.execute("INSERT INTO users (id) VALUES (gen_random_uuid())", &[]).unwrap_err();
        assert_eq!(lost.code().unwrap().code(), "57014");
    });
}
