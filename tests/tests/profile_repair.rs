//! Profiles that failed or were never made are made once the cause is gone: `repair_profiles` and `backfill_profiles`.

use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use registrar_core::RepairReport;
use registrar_tests::{Database, Role, all, call, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

const PROFILES: &str = "public.user_profiles";

fn repair(database: &Database) -> (String, RepairReport) {
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer = call(&mut back_end, "repair_profiles", &json!({}));
    assert!(answer.success, "{answer:?}");
    (answer.message.into_owned(), serde_json::from_value(answer.data.unwrap()).unwrap())
}

/// What happened, in numbers: attempted, repaired, failed, remaining.
fn numbers(report: &RepairReport) -> [u64; 4] {
    [report.attempted, report.repaired, report.failed, report.remaining]
}

fn sign_up_and_register(database: &Database, metadata: &Value) -> [Uuid; 2] {
    let signed_up = database.sign_up("signed-up@example.com", metadata);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let parameters = json!({ "p_email": "registered@example.com", "p_metadata": metadata });
    let answer = call(&mut back_end, "register_user_with_token", &parameters);
    assert!(answer.success, "{answer:?}");
    [signed_up, answer.data.unwrap()["user"]["id"].as_str().unwrap().parse().unwrap()]
}

/// Breaks something: a sign-up and a registration stand, and say what to do. Repaired too early they fail again and say so;
/// mended, both users have their profiles. Returns those.
#[track_caller]
fn repaired(breakage: &str, sqlstate: &str, advice: &str, mend: &str) -> [Value; 2] {
    let database = supabase_database();
    database.psql(breakage).unwrap();
    let users = sign_up_and_register(&database, &json!({ "field_of_study": "law" }));
    let failures = |user: Uuid| database.profile_failures(user);
    for user in users {
        let [failure] = &failures(user)[..] else { panic!("one failure for each user") };
        assert_eq!((failure.sqlstate.as_str(), failure.attempts), (sqlstate, 1), "{failure:?}");
        let hint = failure.hint.as_deref().unwrap();
        assert!(hint.contains(advice) && hint.ends_with("then run SELECT registrar.repair_profiles();"), "{hint}");
    }

    let (message, too_early) = repair(&database);
    assert_eq!((message.as_str(), numbers(&too_early)), ("0 of 2 profiles repaired", [2, 0, 2, 2]));
    for (told, user) in too_early.failures.iter().zip(users) {
        assert_eq!((told.user_id, told.table.as_str(), told.sqlstate.as_str()), (user, PROFILES, sqlstate));
        assert!(told.hint.as_deref().unwrap().contains(advice), "{told:?}");
        assert_eq!(failures(user)[0].attempts, 2, "the attempt is counted");
        assert_eq!(failures(user)[0].message, told.message);
    }

    database.psql(mend).unwrap();
    let (message, in_time) = repair(&database);
    assert_eq!((message.as_str(), numbers(&in_time)), ("2 of 2 profiles repaired", [2, 2, 0, 0]), "{in_time:?}");
    assert_eq!(numbers(&repair(&database).1), [0, 0, 0, 0], "nothing is left to do");
    users.map(|user| {
        assert_eq!(failures(user), []);
        database.profile(user).expect("the profile is there now")
    })
}

#[test]
fn after_the_profile_table_was_dropped() {
    let made_again = "SELECT registrar.create_profile_table('user_profiles')";
    for profile in
        repaired("DROP TABLE public.user_profiles", "42P01", "Bring the table back, or detach it", made_again)
    {
        assert_eq!((&profile["field_of_study"], &profile["profile_completed"]), (&json!("law"), &json!(true)));
    }
}

#[test]
fn after_a_column_was_renamed() {
    let attached_again = "SELECT registrar.attach_profile_table('public.user_profiles', 'user_id',
                              '[{\"column\": \"study\", \"key\": \"field_of_study\"}]')";
    let renamed = "ALTER TABLE public.user_profiles RENAME COLUMN field_of_study TO study";
    for profile in repaired(renamed, "42703", "Attach public.user_profiles again", attached_again) {
        assert_eq!(profile["study"], "law");
    }
}

#[test]
fn after_a_column_was_added_that_must_not_be_null() {
    let added = "ALTER TABLE public.user_profiles ADD COLUMN tenant text NOT NULL";
    let mend = "ALTER TABLE public.user_profiles ALTER COLUMN tenant SET DEFAULT 'none'";
    for profile in repaired(added, "23502", "Give the column a DEFAULT", mend) {
        assert_eq!((&profile["tenant"], &profile["field_of_study"]), (&json!("none"), &json!("law")));
    }
}

#[test]
fn after_a_deferred_constraint_failed() {
    let added = "CREATE TABLE public.teams (id integer PRIMARY KEY);
                 ALTER TABLE public.user_profiles ADD COLUMN team integer NOT NULL DEFAULT 7
                     REFERENCES public.teams DEFERRABLE INITIALLY DEFERRED";
    let mend = "INSERT INTO public.teams VALUES (7)";
    for profile in repaired(added, "23503", "Insert the row that the foreign key points to", mend) {
        assert_eq!(profile["team"], 7);
    }
}

#[test]
fn after_a_trigger_of_the_app_raised() {
    let raising = "CREATE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS
                   $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
                   CREATE TRIGGER no_room BEFORE INSERT ON public.user_profiles
                       FOR EACH ROW EXECUTE FUNCTION public.no_room()";
    let mend = "DROP TRIGGER no_room ON public.user_profiles";
    for profile in repaired(raising, "P0001", "Mend the trigger on public.user_profiles", mend) {
        assert_eq!(profile["field_of_study"], "law");
    }
}

#[test]
fn after_the_table_was_locked_for_ten_seconds() {
    let database = supabase_database();
    let mut migration = database.admin().unwrap();
    let locked = Instant::now();
    migration.batch_execute("BEGIN; LOCK TABLE public.user_profiles IN ACCESS EXCLUSIVE MODE").unwrap();
    let users = sign_up_and_register(&database, &json!({ "field_of_study": "law" }));
    for user in users {
        let failure = &database.profile_failures(user)[0];
        assert_eq!(failure.sqlstate, "55P03");
        assert!(
            failure.hint.as_deref().unwrap().starts_with("The table was locked, by a migration perhaps;"),
            "{failure:?}"
        );
    }
    assert_eq!(numbers(&repair(&database).1), [2, 0, 2, 2], "not even a repair waits for the migration");
    assert!(locked.elapsed() < Duration::from_secs(10), "all of this took less time than the lock");
    migration.batch_execute("COMMIT").unwrap();
    assert_eq!(numbers(&repair(&database).1), [2, 2, 0, 0]);
    for user in users {
        assert_eq!(database.profile(user).unwrap()["field_of_study"], "law");
    }
}

#[test]
fn many_users_in_one_statement_do_not_each_wait_for_the_lock() {
    let database = supabase_database();
    let mut migration = database.admin().unwrap();
    migration.batch_execute("BEGIN; LOCK TABLE public.user_profiles IN ACCESS EXCLUSIVE MODE").unwrap();
    let mut auth = connect_as_supabase_auth(&database);
    let insert = "INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 100)";
    let started = Instant::now();
    assert_eq!(auth.execute(insert, &[]).unwrap(), 100);
    assert!(started.elapsed() < Duration::from_secs(10), "a hundred waits would be forty seconds");
    migration.batch_execute("COMMIT").unwrap();
    assert_eq!(numbers(&repair(&database).1), [100, 100, 0, 0]);
}

#[test]
fn what_waits_the_longest_is_repaired_first_and_no_more_than_asked_for() {
    let database = supabase_database();
    database.refuse_rows(PROFILES, "true");
    let users: Vec<Uuid> = (0..5).map(|n| database.sign_up(&format!("{n}@example.com"), &json!({}))).collect();
    database.refuse_no_more(PROFILES);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let report: Value = one(&mut back_end, "SELECT registrar.repair_profiles(2) -> 'data'", &[]);
    assert_eq!((&report["attempted"], &report["remaining"]), (&json!(2), &json!(3)));
    assert!(users[..2].iter().all(|user| database.profile(*user).is_some()));
    assert!(users[2..].iter().all(|user| database.profile(*user).is_none()));
    for limit in [0, -1, 10_001] {
        let refused: Value = one(&mut back_end, "SELECT registrar.repair_profiles($1)", &[&limit]);
        assert_eq!(refused["errors"][0]["code"], "validation_failed", "{limit}");
    }
}

#[test]
fn a_failure_of_a_table_that_is_detached_or_of_a_user_who_is_deleted_is_no_business_of_repair() {
    let database = supabase_database();
    database.refuse_rows(PROFILES, "true");
    let users: Vec<Uuid> = (0..3).map(|n| database.sign_up(&format!("{n}@example.com"), &json!({}))).collect();
    database.refuse_no_more(PROFILES);
    let mut admin = database.admin().unwrap();
    admin.execute("UPDATE auth.users SET deleted_at = now() WHERE id = $1", &[&users[0]]).unwrap();
    admin.execute("DELETE FROM auth.users WHERE id = $1", &[&users[1]]).unwrap();
    assert_eq!(numbers(&repair(&database).1)[..3], [1, 1, 0]);
    assert_eq!(users.iter().filter(|user| database.profile(**user).is_some()).count(), 1);

    database.refuse_rows(PROFILES, "true");
    database.sign_up("last@example.com", &json!({}));
    database.psql("SELECT registrar.detach_profile_table('public.user_profiles')").unwrap();
    assert_eq!(numbers(&repair(&database).1)[..3], [0, 0, 0]);
}

#[test]
fn a_profile_made_by_hand_in_the_meantime_settles_the_failure_and_stays() {
    let database = supabase_database();
    database.refuse_rows(PROFILES, "true");
    let user = database.sign_up("user@example.com", &json!({ "field_of_study": "law" }));
    database.refuse_no_more(PROFILES);
    let by_hand = format!("INSERT INTO public.user_profiles (user_id, field_of_study) VALUES ('{user}', 'by hand')");
    database.psql(&by_hand).unwrap();
    assert_eq!(numbers(&repair(&database).1), [1, 1, 0, 0]);
    assert_eq!(database.profile(user).unwrap()["field_of_study"], "by hand");
}

/// A database with as many users from before their profile table was attached.
fn with_earlier_users(users: i32) -> Database {
    let database = supabase_database();
    database
        .psql(&format!(
            "SELECT registrar.detach_profile_table('public.user_profiles');
             INSERT INTO auth.users (id, email, raw_user_meta_data)
             SELECT gen_random_uuid(), n || '@example.com', jsonb_build_object('name', 'user ' || n)
             FROM generate_series(1, {users}) AS n;
             CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, email text, name text)"
        ))
        .unwrap();
    database.attach("public.people", "id", &json!([{ "column": "email", "source": "email" }, "name"]));
    database
}

fn profiles(database: &Database) -> i64 {
    one(&mut database.admin().unwrap(), "SELECT count(*) FROM public.people", &[])
}

/// Fills what is missing, in batches; returns how many were made and how many failed.
#[track_caller]
fn backfill(client: &mut Client, batch: i32) -> (i64, i64) {
    let row = client.query_one(&format!("CALL registrar.backfill_profiles({batch})"), &[]);
    let row = row.unwrap_or_else(|error| panic!("{error:?}"));
    (row.get(0), row.get(1))
}

#[test]
fn users_from_before_get_their_profiles_from_a_back_end() {
    let database = with_earlier_users(350);
    assert_eq!(profiles(&database), 0);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    assert_eq!(backfill(&mut back_end, 100), (350, 0));
    assert_eq!(backfill(&mut back_end, 100), (0, 0), "again, there is nothing to do");
    let wrong = "SELECT count(*) FROM auth.users AS u LEFT JOIN public.people AS p USING (id)
                 WHERE p.email IS DISTINCT FROM u.email OR p.name IS DISTINCT FROM u.raw_user_meta_data ->> 'name'";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), wrong, &[]), 0, "each has the own");
    for role in [Role::Anon, Role::Authenticated] {
        let refused =
            database.connect_as(role).unwrap().batch_execute("CALL registrar.backfill_profiles()").unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501");
    }
}

#[test]
fn a_backfill_that_is_stopped_half_way_keeps_what_it_made_and_a_second_one_finishes() {
    let database = with_earlier_users(350);
    // A hundred rows take a second.
    database
        .psql(
            "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
             CREATE TRIGGER dawdle BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.dawdle()",
        )
        .unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let cancel = back_end.cancel_token();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(20);
            while profiles(&database) == 0 && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            cancel.cancel_query(NoTls).unwrap();
        });
        let stopped = back_end.batch_execute("CALL registrar.backfill_profiles(100)").unwrap_err();
        assert_eq!(stopped.code().unwrap().code(), "57014");
    });
    let kept = profiles(&database);
    assert!(kept % 100 == 0 && (100..350).contains(&kept), "whole batches are kept, not {kept} rows");
    assert_eq!(backfill(&mut back_end, 100), (350 - kept, 0));
    assert_eq!(profiles(&database), 350);
}

#[test]
fn two_backfills_at_once_make_each_profile_once_and_count_it_once() {
    let database = with_earlier_users(600);
    // Slow enough that one meets in the middle of a batch what the other is about to commit.
    database
        .psql(
            "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.008); RETURN NEW; END $$;
             CREATE TRIGGER dawdle BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.dawdle()",
        )
        .unwrap();
    let counts: Vec<(i64, i64)> = std::thread::scope(|scope| {
        let both = [100, 70].map(|batch| {
            let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
            scope.spawn(move || backfill(&mut back_end, batch))
        });
        both.map(|backfill| backfill.join().unwrap()).into()
    });
    assert_eq!(profiles(&database), 600);
    let queued = "SELECT count(*) FROM registrar_private.profile_failures";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), queued, &[]), 0, "whoever has a profile has no failure");
    assert_eq!(counts.iter().map(|(_, failed)| failed).sum::<i64>(), 0, "{counts:?}");
    assert_eq!(counts.iter().map(|(created, _)| created).sum::<i64>(), 600, "{counts:?}");
}

#[test]
fn whoever_fails_in_a_backfill_is_queued_and_the_others_are_filled() {
    let database = with_earlier_users(30);
    database.refuse_rows("public.people", "NEW.name IN ('user 7', 'user 19')");
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    assert_eq!(backfill(&mut back_end, 10), (28, 2));
    let queued = "SELECT raw_user_meta_data ->> 'name' FROM registrar_private.profile_failures JOIN auth.users ON id = user_id ORDER BY 1";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), queued, &[]), ["user 19", "user 7"]);
    database.refuse_no_more("public.people");
    assert_eq!(numbers(&repair(&database).1), [2, 2, 0, 0]);
    assert_eq!(profiles(&database), 30);
}

#[test]
fn in_a_backfill_a_value_that_does_not_fit_gives_way() {
    let database = with_earlier_users(30);
    database.psql("UPDATE auth.users SET raw_user_meta_data = jsonb_build_object('name', repeat('x', 20000)) WHERE email = '7@example.com'").unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    assert_eq!(backfill(&mut back_end, 10), (30, 0));
    let warned = "SELECT email::text FROM registrar_private.profile_warnings JOIN auth.users ON id = user_id";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), warned, &[]), ["7@example.com"]);
}

#[test]
fn a_deleted_user_is_left_out_of_a_backfill() {
    let database = with_earlier_users(30);
    database
        .psql("UPDATE auth.users SET deleted_at = now() WHERE email IN ('1@example.com', '2@example.com')")
        .unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    assert_eq!(backfill(&mut back_end, 7), (28, 0));
    assert_eq!(profiles(&database), 28);
}

#[test]
fn a_backfill_that_cannot_be_says_why() {
    let database = with_earlier_users(3);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut refused = |call: &str| {
        let error = back_end.batch_execute(call).expect_err(call);
        let error = error.as_db_error().unwrap();
        format!("{}: {}", error.message(), error.hint().unwrap_or_default())
    };
    assert!(refused("CALL registrar.backfill_profiles(0)").contains("between 1 and 10,000"));
    let unknown = refused("CALL registrar.backfill_profiles(10, 'public.nothing')");
    assert_eq!(unknown, "There is no such profile table.: Attached are: public.people.");
    database.psql("DROP TABLE public.people").unwrap();
    assert!(refused("CALL registrar.backfill_profiles(10)").contains("public.people"));
}
