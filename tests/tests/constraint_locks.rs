//! Foreign keys fixed while others work: nobody who signs up is turned away or waits long, and who holds a lock is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use registrar_core::ErrorCode;
use registrar_tests::{ConstraintCall, Database, FixedIn, Stack, connect_as_supabase_auth, one, supabase_database};
use serde_json::json;

/// An app's own trigger that gives each new user a row, as people write it: it waits for locks without limit.
const APPS_TRIGGER: &str = "
    CREATE FUNCTION public.give_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS
    $$ BEGIN INSERT INTO public.people (user_id) VALUES (NEW.id); RETURN NEW; END $$;
    CREATE TRIGGER give_row AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.give_row();";

/// Has the removal of each orphan take a second and a half.
const SLOW_TRIGGER: &str = "
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN OLD; END $$;
    CREATE TRIGGER slow BEFORE DELETE ON public.people FOR EACH ROW EXECUTE FUNCTION public.slow();";

fn people() -> ConstraintCall<'static> {
    ConstraintCall::of("public.people")
}

fn database_with(columns: &str) -> (Database, Client) {
    let database = supabase_database();
    database.psql(&format!("CREATE TABLE public.people ({columns})")).unwrap();
    let admin = database.admin().unwrap();
    (database, admin)
}

fn sign_up(auth: &mut Client) {
    auth.execute("INSERT INTO auth.users (id) VALUES (gen_random_uuid())", &[]).unwrap();
}

/// Waits for a condition on the sessions of other connections to this database.
fn wait_until(admin: &mut Client, condition: &str) {
    let query = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND datname = current_database() AND {condition})"
    );
    let began = Instant::now();
    while !one::<bool>(admin, &query, &[]) {
        assert!(began.elapsed() < Duration::from_secs(30), "no session has {condition}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn sign_ups_go_on_while_it_is_put_in_place() {
    for (way, present) in [
        (FixedIn::Steps, ""),
        (FixedIn::OneTransaction, ""),
        (FixedIn::Steps, "REFERENCES auth.users"),
        (FixedIn::OneTransaction, "REFERENCES auth.users"),
    ] {
        let (database, mut admin) = database_with(&format!("user_id uuid {present}, note text"));
        database
            .psql(&format!(
                "SET session_replication_role = replica;
                 INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 30000);
                 INSERT INTO public.people SELECT id FROM auth.users;
                 INSERT INTO public.people SELECT gen_random_uuid() FROM generate_series(1, 10000);
                 {APPS_TRIGGER}"
            ))
            .unwrap();
        let deadlocks = || Stack::shared().cluster().log().unwrap().matches("deadlock detected").count();
        let (before, is_over) = (deadlocks(), AtomicBool::new(false));
        let (done, signed_up) = thread::scope(|scope| {
            let signing_up: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut auth, mut number) = (connect_as_supabase_auth(&database), 0);
                        while !is_over.load(Ordering::Relaxed) {
                            sign_up(&mut auth);
                            number += 1;
                        }
                        number
                    })
                })
                .collect();
            wait_until(&mut admin, "usename = 'supabase_auth_admin'");
            let done = people().orphans("quarantine").fixed(&mut admin, way);
            is_over.store(true, Ordering::Relaxed);
            (done, signing_up.into_iter().map(|session| session.join().unwrap()).sum::<i64>())
        });
        assert_eq!((&done["is_right"], &done["orphans"]["count"]), (&json!(true), &json!(10_000)), "{way:?} {present}");
        assert_eq!(deadlocks(), before);
        assert_eq!(database.count("auth.users"), 30_000 + signed_up);
        assert_eq!(database.count("public.people"), 30_000 + signed_up, "each has its row");
        for what in ["orphan_refused", "delete_cascades", "update_cascades"] {
            assert_eq!(done["tested"][what], true, "{}", done["tested"]);
        }
    }
}

#[test]
fn it_locks_the_users_before_the_table_as_a_sign_up_does() {
    for way in FixedIn::BOTH {
        let (database, mut admin) = database_with("user_id uuid");
        database.psql("GRANT INSERT ON public.people TO supabase_auth_admin").unwrap();
        let mut auth = connect_as_supabase_auth(&database);
        let mut signing_up = auth.transaction().unwrap();
        signing_up.execute("INSERT INTO users (id) VALUES (gen_random_uuid())", &[]).unwrap();
        thread::scope(|scope| {
            let fixing = scope.spawn(|| people().fixed(&mut database.admin().unwrap(), way));
            wait_until(&mut admin, "wait_event_type = 'Lock' AND query LIKE '%fix_constraint%'");
            // A table that were locked already would now close the circle.
            signing_up
                .batch_execute(
                    "SET LOCAL lock_timeout = '500ms'; INSERT INTO public.people SELECT max(id::text)::uuid FROM users",
                )
                .unwrap();
            signing_up.commit().unwrap();
            assert_eq!(fixing.join().unwrap()["is_right"], true);
        });
    }
}

#[test]
fn it_locks_a_partitioned_table_before_its_partitions_as_an_insert_does() {
    for way in FixedIn::BOTH {
        let (database, mut admin) = database_with("user_id uuid, kind text) PARTITION BY LIST (kind");
        database
            .psql(
                "CREATE TABLE public.people_a PARTITION OF public.people FOR VALUES IN ('a');
                 CREATE TABLE public.people_b PARTITION OF public.people FOR VALUES IN ('b')",
            )
            .unwrap();
        let mut writer = database.admin().unwrap();
        let mut writing = writer.transaction().unwrap();
        writing.batch_execute("INSERT INTO public.people (kind) VALUES ('b')").unwrap();
        thread::scope(|scope| {
            let fixing = scope.spawn(|| people().fixed(&mut database.admin().unwrap(), way));
            wait_until(&mut admin, "wait_event_type = 'Lock' AND query LIKE '%fix_constraint%'");
            writing
                .batch_execute("SET LOCAL lock_timeout = '500ms'; INSERT INTO public.people (kind) VALUES ('a')")
                .unwrap();
            writing.commit().unwrap();
            assert_eq!(fixing.join().unwrap()["is_right"], true);
        });
    }
}

#[test]
fn a_table_that_stays_locked_is_given_up_with_who_holds_it() {
    for (locked, mode) in [
        ("public.people", "RowExclusiveLock"),
        ("auth.users", "RowExclusiveLock"),
        // In which not even orphans can be counted.
        ("public.people", "AccessExclusiveLock"),
    ] {
        let (database, mut admin) = database_with("user_id uuid UNIQUE");
        let before = database.script(&["--inserts"]);
        let mut other = database.admin().unwrap();
        let pid: i32 = one(&mut other, "SELECT pg_backend_pid()", &[]);
        let words = mode.trim_end_matches("Lock").replace("Exclusive", " Exclusive");
        other
            .batch_execute(&format!("SET application_name = 'long report'; BEGIN; LOCK {locked} IN {words} MODE"))
            .unwrap();
        // A shorter limit of the session's own is kept to.
        admin.batch_execute("SET lock_timeout = '50ms'").unwrap();
        for way in FixedIn::BOTH {
            let began = Instant::now();
            let answer = match way {
                FixedIn::OneTransaction => people().fix(&mut admin),
                FixedIn::Steps => people().fix_in_steps(&mut admin),
            };
            let waited = began.elapsed();
            assert!((3..20).contains(&waited.as_secs()), "three pauses, 3.5 s in all: {waited:?}");
            assert_eq!((answer.success, answer.errors[0].code), (false, ErrorCode::Internal), "{answer:?}");
            assert_eq!(
                answer.errors[0].message,
                "The tables are in use: no lock was to be had in 4 tries of at most 2000 ms each."
            );
            let hint = answer.errors[0].hint.clone().unwrap();
            let holder = format!(
                "In the way: {mode} on {locked} by process {pid} (user postgres, long report, idle in transaction"
            );
            assert!(hint.starts_with(&holder) && !hint.contains("; process"), "{hint}");
        }
        other.batch_execute("ROLLBACK").unwrap();
        assert_eq!(database.script(&["--inserts"]), before);
        people().fixed(&mut admin, FixedIn::Steps);
    }
}

#[test]
fn nobody_waits_long_behind_it_while_it_waits() {
    let (database, mut admin) = database_with("user_id uuid UNIQUE");
    let mut other = database.admin().unwrap();
    other.batch_execute("BEGIN; LOCK public.people IN SHARE UPDATE EXCLUSIVE MODE").unwrap();
    let is_over = AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let (mut writer, mut longest) = (database.admin().unwrap(), Duration::ZERO);
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                writer.execute("INSERT INTO public.people VALUES (NULL)", &[]).unwrap();
                longest = longest.max(began.elapsed());
            }
            longest
        });
        let began = Instant::now();
        let answer = people().fix(&mut admin);
        is_over.store(true, Ordering::Relaxed);
        assert!(!answer.success, "{answer:?}");
        assert!(began.elapsed() > Duration::from_secs(11), "four times two seconds, and the pauses");
        writing.join().unwrap()
    });
    assert!((1500..4000).contains(&longest.as_millis()), "{longest:?}: one try's wait, and not all of them");
}

#[test]
fn a_lock_that_is_let_go_in_time_is_waited_for() {
    for way in FixedIn::BOTH {
        let (database, mut admin) = database_with("user_id uuid");
        let mut other = database.admin().unwrap();
        other.batch_execute("BEGIN; LOCK public.people IN ROW EXCLUSIVE MODE").unwrap();
        thread::scope(|scope| {
            let fixing = scope.spawn(|| people().fixed(&mut admin, way));
            // Longer than one try.
            thread::sleep(Duration::from_millis(2600));
            other.batch_execute("COMMIT").unwrap();
            assert_eq!(fixing.join().unwrap()["is_right"], true);
        });
    }
}

#[test]
fn it_can_be_stopped_while_it_waits_and_leaves_nothing() {
    for way in FixedIn::BOTH {
        let (database, mut admin) = database_with("user_id uuid UNIQUE");
        let before = database.script(&["--inserts"]);
        let mut other = database.admin().unwrap();
        other.batch_execute("BEGIN; LOCK public.people IN ROW EXCLUSIVE MODE").unwrap();
        admin.batch_execute("SET lock_timeout = '50ms'; SET statement_timeout = '1500ms'").unwrap();
        let began = Instant::now();
        let call = match way {
            FixedIn::OneTransaction => "SELECT registrar.verify_and_fix_constraint('public.people', 'user_id', true)",
            FixedIn::Steps => "CALL registrar.fix_constraint('public.people', 'user_id')",
        };
        let stopped = admin.query_one(call, &[]).unwrap_err();
        assert_eq!(stopped.code().unwrap().code(), "57014", "{stopped:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "in a pause as well as in a wait");
        other.batch_execute("ROLLBACK").unwrap();
        assert_eq!(database.script(&["--inserts"]), before);
    }
}

#[test]
fn in_steps_each_is_committed_and_holds_no_lock_any_more() {
    let (database, mut admin) = database_with("user_id uuid, note text");
    database.insert_orphans("public.people", 1);
    database.psql(&format!("{APPS_TRIGGER} {SLOW_TRIGGER}")).unwrap();
    let mut auth = connect_as_supabase_auth(&database);
    thread::scope(|scope| {
        let fixing = scope.spawn(|| people().orphans("delete").fixed(&mut database.admin().unwrap(), FixedIn::Steps));
        wait_until(&mut admin, "wait_event = 'PgSleep' AND query LIKE 'CALL%'");
        let key = database.foreign_keys("public.people");
        assert!(key[0].ends_with("NOT VALID"), "{key:?}");
        auth.batch_execute("SET lock_timeout = '100ms'").unwrap();
        sign_up(&mut auth);
        let done = fixing.join().unwrap();
        assert_eq!((&done["is_right"], &done["orphans"]["count"]), (&json!(true), &json!(1)));
    });
    assert_eq!(database.count("public.people"), 1, "the row of whoever signed up meanwhile");
}

#[test]
fn what_was_stopped_half_way_goes_on_when_called_again() {
    let (database, mut admin) = database_with("user_id uuid, note text");
    database.insert_orphans("public.people", 1);
    database.psql(SLOW_TRIGGER).unwrap();
    let mut stopped = database.admin().unwrap();
    stopped.batch_execute("SET statement_timeout = '1s'").unwrap();
    let error =
        stopped.query_one("CALL registrar.fix_constraint('public.people', 'user_id', 'delete')", &[]).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014", "{error:?}");
    assert_eq!((database.count("public.people"), database.foreign_keys("public.people").len()), (1, 1));
    let done = people().orphans("delete").fixed(&mut admin, FixedIn::Steps);
    assert_eq!(
        (&done["is_right"], &done["orphans"]["count"], &done["index"]["created"]),
        (&json!(true), &json!(1), &json!(false))
    );
}

#[test]
fn in_steps_it_needs_a_transaction_of_its_own_and_in_one_it_goes_with_the_callers() {
    let (database, mut admin) = database_with("user_id uuid");
    let before = database.script(&["--inserts"]);
    let mut transaction = admin.transaction().unwrap();
    let refused = transaction.query_one("CALL registrar.fix_constraint('public.people', 'user_id')", &[]).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "2D000");
    transaction.rollback().unwrap();
    let mut transaction = admin.transaction().unwrap();
    assert!(people().fix(&mut transaction).success);
    transaction.rollback().unwrap();
    assert_eq!(database.script(&["--inserts"]), before);
}
