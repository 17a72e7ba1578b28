//! Profiles that many sessions make and change at the same moment: each user has one, nothing is lost, and nobody meets an
//! error of PostgreSQL's.

use std::sync::Barrier;
use std::thread;

use postgres::Client;
use registrar_tests::{Database, Role, Stack, all, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

/// How many sessions meet.
const SESSIONS: usize = 32;

/// Runs `work` in as many sessions, which all begin at the same moment.
fn at_once<T: Send>(connect: impl Fn() -> Client, work: impl Fn(usize, &mut Client) -> T + Sync) -> Vec<T> {
    let deadlocks = || Stack::shared().cluster().log().unwrap().matches("deadlock detected").count();
    let before = (deadlocks(), Stack::shared().cluster().crash_signs().unwrap());
    let mut sessions: Vec<Client> = (0..SESSIONS).map(|_| connect()).collect();
    let (start, work) = (Barrier::new(SESSIONS), &work);
    let results = thread::scope(|scope| {
        let running: Vec<_> = sessions
            .iter_mut()
            .enumerate()
            .map(|(place, session)| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    work(place, session)
                })
            })
            .collect();
        running.into_iter().map(|session| session.join().unwrap()).collect()
    });
    assert_eq!((deadlocks(), Stack::shared().cluster().crash_signs().unwrap()), before);
    results
}

fn with_people(columns: &str) -> Database {
    let database = supabase_database();
    let table = "CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE";
    database.psql(&format!("{table}, {columns})")).unwrap();
    database
}

fn sign_up(auth: &mut Client, metadata: &Value) -> Uuid {
    one(auth, "INSERT INTO users (id, raw_user_meta_data) VALUES (gen_random_uuid(), $1) RETURNING id", &[metadata])
}

fn count(database: &Database, query: &str) -> i64 {
    one(&mut database.admin().unwrap(), &format!("SELECT count(*) FROM {query}"), &[])
}

#[test]
fn users_inserted_by_all_have_one_profile_each() {
    let database = supabase_database();
    at_once(
        || connect_as_supabase_auth(&database),
        |place, auth| {
            for n in 0..10 {
                sign_up(auth, &json!({ "field_of_study": format!("{place} {n}") }));
            }
            let many = "INSERT INTO users (id, raw_user_meta_data)
                        SELECT gen_random_uuid(), '{\"field_of_study\": \"many\"}' FROM generate_series(1, 10)";
            auth.execute(many, &[]).unwrap();
        },
    );
    let users = (SESSIONS * 20) as i64;
    assert_eq!(count(&database, "auth.users"), users);
    assert_eq!(
        count(
            &database,
            "public.user_profiles JOIN auth.users AS u ON u.id = user_id WHERE field_of_study = raw_user_meta_data ->> 'field_of_study'"
        ),
        users
    );
    assert_eq!(count(&database, "registrar_private.profile_failures"), 0);
}

#[test]
fn one_profile_created_by_all_is_one() {
    let database = supabase_database();
    let user = database.sign_up("user@example.com", &json!({}));
    database.psql("DELETE FROM public.user_profiles").unwrap();
    let answers: Vec<Value> = at_once(
        || database.connect_as(Role::ServiceRole).unwrap(),
        |_, back_end| one(back_end, "SELECT registrar.create_profile($1)", &[&user]),
    );
    let created = answers.iter().filter(|answer| answer["success"] == true).count();
    let known = answers.iter().filter(|answer| answer["errors"][0]["code"] == "profile_exists").count();
    assert_eq!((created, known), (1, SESSIONS - 1), "{answers:?}");
    assert_eq!(count(&database, "public.user_profiles"), 1);
}

#[test]
fn one_profile_updated_by_all_loses_nothing_of_any() {
    let columns: Vec<String> = (0..SESSIONS).map(|place| format!("field_{place}")).collect();
    let database = with_people(&columns.iter().map(|name| format!("{name} integer")).collect::<Vec<_>>().join(", "));
    database.psql("SELECT registrar.detach_profile_table('public.user_profiles')").unwrap();
    database.attach("public.people", "id", &json!(columns));
    let user = database.sign_up("user@example.com", &json!({}));
    at_once(
        || database.connect_as(Role::ServiceRole).unwrap(),
        |place, back_end| {
            for round in 1..=10 {
                let updates = json!({ format!("field_{place}"): round });
                let answer: Value = one(back_end, "SELECT registrar.update_profile($1, $2)", &[&user, &updates]);
                assert_eq!(answer["success"], true, "{answer}");
            }
        },
    );
    let row = database.row("public.people", "id", user).unwrap();
    assert!(columns.iter().all(|column| row[column] == 10), "{row}");
}

#[test]
fn an_update_and_a_change_that_follows_meet_without_losing_either() {
    let database = with_people("email text, name text, motto text");
    database.psql("SELECT registrar.detach_profile_table('public.user_profiles')").unwrap();
    let fields =
        json!([{ "column": "email", "source": "email", "sync": true }, { "column": "name", "sync": true }, "motto"]);
    database.attach("public.people", "id", &fields);
    let user = database.sign_up("user@example.com", &json!({}));
    at_once(
        || database.admin().unwrap(),
        |place, admin| {
            for round in 0..5 {
                if place % 2 == 0 {
                    let change = "UPDATE auth.users SET email = $2 WHERE id = $1";
                    admin.execute(change, &[&user, &format!("{place}.{round}@example.com")]).unwrap();
                } else {
                    let updates = json!({ "motto": format!("{place}.{round}") });
                    let answer: Value = one(admin, "SELECT registrar.update_profile($1, $2)", &[&user, &updates]);
                    assert_eq!(answer["success"], true, "{answer}");
                }
            }
        },
    );
    let row = database.row("public.people", "id", user).unwrap();
    let email: String = one(&mut database.admin().unwrap(), "SELECT email::text FROM auth.users", &[]);
    assert_eq!(row["email"], email, "the last change is the one that is there");
    assert!(row["motto"].as_str().unwrap().ends_with(".4"), "{row}");
    assert_eq!(database.profile_failures(user), []);
}

#[test]
fn failures_repaired_by_all_are_repaired_once() {
    let database = supabase_database();
    database.refuse_rows("public.user_profiles", "true");
    let mut auth = connect_as_supabase_auth(&database);
    auth.execute("INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 40)", &[]).unwrap();
    database.refuse_no_more("public.user_profiles");
    assert_eq!(count(&database, "registrar_private.profile_failures"), 40);
    let reports: Vec<Value> = at_once(
        || database.connect_as(Role::ServiceRole).unwrap(),
        |_, back_end| one(back_end, "SELECT registrar.repair_profiles()", &[]),
    );
    for report in &reports {
        assert_eq!((&report["success"], &report["data"]["failed"]), (&json!(true), &json!(0)), "{report}");
    }
    assert_eq!(count(&database, "public.user_profiles"), 40);
    assert_eq!(count(&database, "registrar_private.profile_failures"), 0);
}

#[test]
fn sign_ups_go_on_while_a_table_is_attached_and_detached() {
    let database = with_people("name text");
    at_once(
        || database.admin().unwrap(),
        |place, admin| {
            for round in 0..5 {
                if place == 0 {
                    let attach = "SELECT registrar.attach_profile_table('public.people', 'id', '[\"name\"]')";
                    admin.batch_execute(attach).unwrap();
                    thread::sleep(std::time::Duration::from_millis(20));
                    if round < 4 {
                        admin.batch_execute("SELECT registrar.detach_profile_table('public.people')").unwrap();
                    }
                } else {
                    let insert = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen_random_uuid(), '{\"name\": \"x\"}')";
                    admin.execute(insert, &[]).unwrap();
                }
            }
        },
    );
    let users = ((SESSIONS - 1) * 5) as i64;
    assert_eq!(count(&database, "public.user_profiles"), users);
    let strange = "SELECT message FROM registrar_private.profile_failures";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), strange, &[]), Vec::<String>::new());
    let user = database.sign_up("last@example.com", &json!({ "name": "last" }));
    assert_eq!(database.row("public.people", "id", user).unwrap()["name"], "last");
}

/// Whoever changes a column's default holds the table; the sign-ups that wait for it are later ones.
#[test]
fn sign_ups_that_waited_for_another_default_have_that_one() {
    let database = with_people("key uuid DEFAULT gen_random_uuid(), level text DEFAULT 'low', name text");
    database
        .psql("ALTER TABLE public.people DROP CONSTRAINT people_pkey, ADD UNIQUE (id), ADD PRIMARY KEY (key)")
        .unwrap();
    database.attach("public.people", "id", &json!(["name", "level"]));
    for users in [1, 2] {
        let change = |default: &str, level: &str| {
            format!("ALTER TABLE public.people ALTER key SET DEFAULT {default}, ALTER level SET DEFAULT '{level}'")
        };
        database.psql(&change("gen_random_uuid()", "low")).unwrap();
        let insert = format!("INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, {users})");
        let mut auth = connect_as_supabase_auth(&database);
        auth.batch_execute(&insert).unwrap();
        database.psql("DELETE FROM public.people").unwrap();
        let mut admin = database.admin().unwrap();
        let mut changing = admin.transaction().unwrap();
        let sequential = "lpad((random() * 1e9)::bigint::text, 32, '0')::uuid";
        changing.batch_execute(&change(sequential, "high")).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| auth.batch_execute(&insert).unwrap());
            while count(&database, "pg_locks WHERE NOT granted AND relation = 'public.people'::regclass") == 0 {
                thread::yield_now();
            }
            changing.commit().unwrap();
            waiting.join().unwrap();
        });
        assert_eq!(count(&database, "registrar_private.profile_failures"), 0);
        let new = "public.people WHERE level = 'high' AND key::text LIKE '00000000-0000-0000-0000-%'";
        assert_eq!(count(&database, new), users, "{:?}", database.psql("TABLE public.people"));
    }
}
