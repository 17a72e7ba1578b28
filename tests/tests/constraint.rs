//! The foreign key from a table to `auth.users`: shown, put in place, replaced and validated, twice as well as once.

use postgres::Client;
use registrar_tests::{ConstraintCall, Database, FixedIn, all, one, plain_database, supabase_database};
use serde_json::{Value, json};

const RIGHT: &str = "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON UPDATE CASCADE ON DELETE CASCADE";
const WORKS: [&str; 3] = ["orphan_refused", "delete_cascades", "update_cascades"];

fn people() -> ConstraintCall<'static> {
    ConstraintCall::of("public.people")
}

/// A database with a table `public.people`.
fn database_with(columns: &str) -> (Database, Client) {
    let database = supabase_database();
    database.psql(&format!("CREATE TABLE public.people ({columns})")).unwrap();
    let admin = database.admin().unwrap();
    (database, admin)
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap_or_else(|| panic!("{value}")).iter().map(|text| text.as_str().unwrap()).collect()
}

/// Nothing is left to do, and it works.
#[track_caller]
fn assert_settled(call: ConstraintCall<'_>, admin: &mut Client) {
    let again = call.fix(admin);
    assert_eq!(again.message, "There was nothing to do.");
    let data = again.data.unwrap();
    assert_eq!((&data["is_right"], &data["statements"]), (&json!(true), &json!([])));
    for what in WORKS {
        assert_eq!(data["tested"][what], true, "{what}: {}", data["tested"]);
    }
    let look = call.verify(admin);
    assert_eq!(look.message, "The foreign key is right.");
    assert_eq!(look.data.unwrap()["statements"], json!([]));
}

#[test]
fn a_look_shows_everything_and_writes_and_locks_nothing() {
    let (database, mut admin) = database_with("user_id uuid, name text");
    database
        .psql(
            "CREATE TABLE public.users (id uuid PRIMARY KEY);
             ALTER TABLE public.people ADD CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES public.users NOT VALID",
        )
        .unwrap();
    let before = database.script(&["--inserts"]);
    let mut reading = admin.build_transaction().read_only(true).start().unwrap();
    let answer = people().orphans("delete").verify(&mut reading);
    let data = answer.data.unwrap();
    let locks = "SELECT concat_ws(' ', relation::regclass, mode) FROM pg_locks
                 WHERE pid = pg_backend_pid() AND relation IN ('public.people'::regclass, 'auth.users'::regclass)";
    assert_eq!(all::<String>(&mut reading, locks, &[]), Vec::<String>::new());
    reading.rollback().unwrap();
    assert_eq!(database.script(&["--inserts"]), before);

    assert_eq!(
        (&data["table"], &data["column"], &data["column_type"]),
        (&json!("public.people"), &json!("user_id"), &json!("uuid"))
    );
    let constraint = json!({
        "table": "public.people", "name": "of_user", "references": "public.users (id)",
        "definition": "FOREIGN KEY (user_id) REFERENCES public.users(id) NOT VALID",
        "on_update": "NO ACTION", "on_delete": "NO ACTION", "is_valid": false, "is_enforced": true, "is_right": false,
    });
    assert_eq!(data["constraints"], json!([constraint]));
    assert_eq!((&data["is_right"], &data["orphans"]["count"]), (&json!(false), &json!(0)));
    assert_eq!(
        data["index"],
        json!({ "name": null, "created": false,
                "concurrently": ["CREATE INDEX CONCURRENTLY ON public.people (user_id);"] })
    );
    let expected = [
        "CREATE INDEX ON public.people (user_id)",
        "ALTER TABLE public.people DROP CONSTRAINT of_user, ADD CONSTRAINT of_user FOREIGN KEY (user_id) \
         REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID",
        "ALTER TABLE public.people VALIDATE CONSTRAINT of_user",
    ];
    assert_eq!(texts(&data["statements"]), expected);
    assert_eq!(data["obstacles"], json!([]));
    for what in WORKS {
        assert_eq!(data["tested"][what], Value::Null);
        assert_eq!(data["tested"]["reasons"][what], "It is tried with p_fix only.");
    }
}

#[test]
fn what_a_look_tells_is_what_is_executed_and_can_be_run_by_hand() {
    let make = "CREATE TABLE public.people (user_id uuid, name text NOT NULL DEFAULT 'x');
                INSERT INTO public.people (user_id) SELECT gen_random_uuid() FROM generate_series(1, 3)";
    for orphans in ["report", "quarantine", "delete"] {
        let (database, call) = (supabase_database(), people().orphans(orphans));
        database.psql(make).unwrap();
        let mut admin = database.admin().unwrap();
        let told = call.verify(&mut admin).data.unwrap()["statements"].clone();
        for way in FixedIn::BOTH {
            let done = call.fixed(&mut admin, way);
            assert_eq!(done["statements"], told, "{orphans}");
            database.psql("DROP TABLE IF EXISTS public.people, public.people_orphans").unwrap();
            database.psql(make).unwrap();
        }
        for statement in texts(&told) {
            admin.batch_execute(statement).unwrap_or_else(|error| panic!("{error} of {statement}"));
        }
        let is_right = people().verify(&mut admin).data.unwrap()["is_right"].clone();
        assert_eq!(is_right, json!(orphans != "report"));
    }
}

#[test]
fn the_right_one_is_put_in_place_with_its_index_and_a_second_call_finds_nothing_to_do() {
    for database in [plain_database(), supabase_database()] {
        let mut admin = database.admin().unwrap();
        for way in FixedIn::BOTH {
            database.psql("CREATE TABLE public.people (user_id uuid, name text)").unwrap();
            admin.execute("INSERT INTO auth.users (id) VALUES (gen_random_uuid())", &[]).unwrap();
            database.psql("INSERT INTO public.people SELECT id FROM auth.users").unwrap();
            let done = people().fixed(&mut admin, way);
            assert_eq!((&done["is_right"], &done["replaced"]), (&json!(true), &json!([])));
            assert_eq!(done["index"], json!({ "name": "people_user_id_idx", "created": true, "concurrently": [] }));
            assert_eq!(database.foreign_keys("public.people"), [format!("people_user_id_fkey {RIGHT}")]);
            assert_eq!(done["constraints"][0]["is_valid"], true);
            assert_settled(people(), &mut admin);
            assert_eq!(database.count("public.people"), database.count("auth.users"), "the probes left nothing");
            database.psql("DROP TABLE public.people").unwrap();
        }
    }
}

#[test]
fn a_wrong_one_is_replaced_under_its_name_and_told() {
    for (definition, deferral) in [
        ("REFERENCES public.users", ""),
        ("REFERENCES public.users ON UPDATE CASCADE ON DELETE CASCADE", ""),
        ("REFERENCES auth.users", ""),
        ("REFERENCES auth.users ON DELETE CASCADE", ""),
        ("REFERENCES auth.users ON UPDATE CASCADE", ""),
        ("REFERENCES auth.users ON UPDATE CASCADE ON DELETE SET NULL", ""),
        (
            "REFERENCES auth.users ON UPDATE CASCADE ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED",
            " DEFERRABLE INITIALLY DEFERRED",
        ),
        ("REFERENCES public.users DEFERRABLE", " DEFERRABLE"),
    ] {
        for way in FixedIn::BOTH {
            let database = supabase_database();
            database.psql("CREATE TABLE public.users (id uuid PRIMARY KEY)").unwrap();
            let create = format!("CREATE TABLE public.people (user_id uuid CONSTRAINT \"of user\" {definition})");
            database.psql(&create).unwrap();
            let before = database.foreign_keys("public.people");
            let mut admin = database.admin().unwrap();
            let done = people().fixed(&mut admin, way);
            assert_eq!(texts(&done["replaced"]), [format!("public.people: {}", before[0])], "{definition}");
            assert_eq!(database.foreign_keys("public.people"), [format!("of user {RIGHT}{deferral}")], "{definition}");
            assert_settled(people(), &mut admin);
        }
    }
}

#[test]
fn one_that_was_never_checked_is_checked() {
    let (database, mut admin) = database_with("user_id uuid PRIMARY KEY");
    for way in FixedIn::BOTH {
        database.psql(&format!("ALTER TABLE public.people ADD CONSTRAINT late {RIGHT} NOT VALID")).unwrap();
        let look = people().verify(&mut admin).data.unwrap();
        assert_eq!((&look["is_right"], &look["constraints"][0]["is_right"]), (&json!(false), &json!(true)));
        let done = people().fixed(&mut admin, way);
        assert_eq!(texts(&done["statements"]), ["ALTER TABLE public.people VALIDATE CONSTRAINT late"]);
        assert_settled(people(), &mut admin);
        database.psql("ALTER TABLE public.people DROP CONSTRAINT late").unwrap();
    }
}

#[test]
fn one_whose_triggers_a_restore_left_disabled_is_replaced() {
    let (database, mut admin) = database_with(&format!("user_id uuid PRIMARY KEY, {RIGHT}"));
    for table in ["public.people", "auth.users"] {
        database.psql(&format!("ALTER TABLE {table} DISABLE TRIGGER ALL")).unwrap();
        let look = people().verify(&mut admin).data.unwrap();
        assert_eq!((&look["is_right"], &look["constraints"][0]["is_enforced"]), (&json!(false), &json!(false)));
        people().fixed(&mut admin, FixedIn::OneTransaction);
        assert_settled(people(), &mut admin);
    }
}

#[test]
fn others_that_are_not_in_its_place_are_left_alone() {
    let (database, mut admin) = database_with("user_id uuid, team integer");
    database
        .psql(&format!(
            "CREATE TABLE public.profiles (user_id uuid PRIMARY KEY, {RIGHT});
             CREATE TABLE public.members (team integer, user_id uuid, PRIMARY KEY (team, user_id));
             ALTER TABLE public.people
                 ADD CONSTRAINT to_profile FOREIGN KEY (user_id) REFERENCES public.profiles,
                 ADD CONSTRAINT to_member FOREIGN KEY (team, user_id) REFERENCES public.members,
                 ADD CONSTRAINT to_user {RIGHT}"
        ))
        .unwrap();
    let before = database.foreign_keys("public.people");
    let done = people().fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!(texts(&done["statements"]), ["CREATE INDEX ON public.people (user_id)"]);
    assert_eq!((&done["is_right"], done["constraints"].as_array().unwrap().len()), (&json!(true), 3));
    assert_eq!(database.foreign_keys("public.people"), before);

    database.psql("ALTER TABLE public.people DROP CONSTRAINT to_user").unwrap();
    people().fixed(&mut admin, FixedIn::OneTransaction);
    let after = database.foreign_keys("public.people");
    assert!(after[0].starts_with("to_member") && after[1] == format!("to_profile {RIGHT}"), "{after:?}");
}

#[test]
fn an_index_that_begins_with_the_column_will_do_and_no_other() {
    let (database, mut admin) = database_with(&format!("user_id uuid, name text, {RIGHT}"));
    let index = |admin: &mut Client| people().verify(admin).data.unwrap()["index"]["name"].clone();
    for (definition, will_do) in [
        ("(user_id)", true),
        ("(user_id, name)", true),
        ("USING hash (user_id)", true),
        ("(user_id) WHERE user_id IS NOT NULL", true),
        ("(name, user_id)", false),
        ("(user_id) WHERE name = 'x'", false),
        ("((user_id::text))", false),
        ("USING brin (user_id)", false),
    ] {
        database.psql(&format!("CREATE INDEX mine ON public.people {definition}")).unwrap();
        assert_eq!(index(&mut admin), if will_do { json!("mine") } else { Value::Null }, "{definition}");
        database.psql("DROP INDEX public.mine").unwrap();
    }
    database.psql("INSERT INTO public.people (name) VALUES (NULL), (NULL)").unwrap();
    // What is left of an index that could not be built.
    database.psql("CREATE UNIQUE INDEX CONCURRENTLY mine ON public.people (user_id) NULLS NOT DISTINCT").unwrap_err();
    assert_eq!(index(&mut admin), Value::Null, "an invalid one");
    assert_eq!(people().fixed(&mut admin, FixedIn::Steps)["index"]["name"], "people_user_id_idx");
}

#[test]
fn rows_of_tables_that_inherit_are_their_own() {
    let (database, mut admin) = database_with("user_id uuid");
    database.psql("CREATE TABLE public.staff (badge text) INHERITS (public.people)").unwrap();
    database.insert_orphans("public.staff", 5);
    database.insert_orphans("public.people", 2);
    let done = people().orphans("delete").fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!(done["orphans"]["count"], 2);
    assert_eq!(database.count("public.staff"), 5);
    assert_settled(people(), &mut admin);
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_one_that_is_too_long_is_cut() {
    let (database, mut admin) = database_with("user_id uuid, CONSTRAINT people_user_id_fkey CHECK (true)");
    people().fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!(database.foreign_keys("public.people"), [format!("people_user_id_fkey1 {RIGHT}")]);

    let long = format!("public.{}", "long".repeat(15));
    database.psql(&format!("CREATE TABLE {long} (user_id uuid)")).unwrap();
    database.insert_orphans(&long, 1);
    let call = ConstraintCall::of(&long).orphans("quarantine");
    let done = call.fixed(&mut admin, FixedIn::Steps);
    let quarantine = done["orphans"]["quarantine_table"].as_str().unwrap();
    assert_eq!(database.count(quarantine), 1);
    let name: String =
        one(&mut admin, "SELECT relname::text FROM pg_class WHERE oid = $1::text::regclass", &[&quarantine]);
    assert!(name.len() <= 63 && name.ends_with("_orphans"), "{name}");
    assert_settled(call, &mut admin);
}

#[test]
fn the_documented_keys_are_those_of_an_answer() {
    let documentation = include_str!("../../docs/troubleshooting.md");
    let (_, answer) = documentation.split_once("### The answer").expect("there is such a section");
    let (answer, _) = answer.split_once("\n###").expect("another follows");
    let rows = answer.lines().filter(|line| line.starts_with("| `"));
    let keys = rows.flat_map(|line| line.split('|').nth(1).unwrap().split(", "));
    let mut documented: Vec<&str> = keys.map(|key| key.trim().trim_matches('`')).collect();
    documented.sort_unstable();
    let (_, mut admin) = database_with("user_id uuid");
    let data = people().verify(&mut admin).data.unwrap();
    let mut real: Vec<&str> = data.as_object().unwrap().keys().map(String::as_str).collect();
    real.sort_unstable();
    assert_eq!(documented, real);
    for part in ["orphans", "index", "tested"] {
        let row = answer.lines().find(|line| line.starts_with(&format!("| `{part}`"))).unwrap();
        for key in data[part].as_object().unwrap().keys() {
            assert!(row.contains(&format!("`{key}`")), "{part}.{key} is not documented");
        }
    }
}
