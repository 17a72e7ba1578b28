//! Fields marked `sync` follow the user: changes of e-mail, phone and metadata, one by one. Whole requests of Supabase Auth are replayed
//! in `supabase_auth_replay.rs`.

use postgres::Client;
use registrar_tests::{Database, all, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

/// A database whose users have a profile with fields that follow and fields that do not.
fn database() -> Database {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.people (
                 id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE,
                 email text, phone text, name text, city text, plan text, age integer DEFAULT 18, motto text, first_email text)",
        )
        .unwrap();
    let fields = json!([
        { "column": "email", "source": "email", "sync": true },
        { "column": "phone", "source": "phone", "sync": true },
        { "column": "name", "sync": true },
        { "column": "city", "path": ["address", "city"], "sync": true },
        { "column": "plan", "source": "app_metadata", "sync": true, "default": "free" },
        { "column": "age", "minimum": 0, "sync": true },
        "motto",
        { "column": "first_email", "source": "email" },
    ]);
    database.attach("public.people", "id", &fields);
    database
}

fn ada(auth: &mut Client) -> Uuid {
    let insert = "INSERT INTO users (id, email, phone, raw_user_meta_data, raw_app_meta_data) VALUES (
                      gen_random_uuid(), 'ada@example.com', '41790000001',
                      '{\"name\": \"Ada\", \"address\": {\"city\": \"Bern\"}, \"age\": 30, \"motto\": \"on\"}', '{\"plan\": \"pro\"}')
                  RETURNING id";
    one(auth, insert, &[])
}

/// Changes a user as Supabase Auth does.
#[track_caller]
fn change(auth: &mut Client, user: Uuid, set: &str) {
    assert_eq!(auth.execute(&format!("UPDATE users SET {set} WHERE id = $1"), &[&user]).unwrap(), 1);
}

#[track_caller]
fn row(database: &Database, user: Uuid) -> Value {
    database.row("public.people", "id", user).expect("the user has a profile")
}

#[test]
fn what_is_marked_follows_and_nothing_else() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    let mut expected = row(&database, user);
    let mut follows = |set: &str, column: &str, value: Value| {
        change(&mut auth, user, set);
        expected[column] = value;
        assert_eq!(row(&database, user), expected, "{set}");
    };
    follows("email = 'ada@example.org'", "email", json!("ada@example.org"));
    follows("phone = '41790000002'", "phone", json!("+41790000002"));
    follows("raw_user_meta_data = raw_user_meta_data || '{\"name\": \"Ada L.\"}'", "name", json!("Ada L."));
    follows("raw_user_meta_data = jsonb_set(raw_user_meta_data, '{address,city}', '\"Thun\"')", "city", json!("Thun"));
    follows("raw_app_meta_data = '{\"plan\": \"team\"}'", "plan", json!("team"));
    follows("raw_user_meta_data = raw_user_meta_data || '{\"age\": 31, \"motto\": \"off\"}'", "age", json!(31));
    // What is gone gives way to the default.
    follows("raw_app_meta_data = '{}'", "plan", json!("free"));
    follows("raw_user_meta_data = raw_user_meta_data - 'age'", "age", json!(18));
    follows("phone = NULL", "phone", Value::Null);
    assert_eq!(database.profile_failures(user), []);
    assert_eq!(database.profile_warnings(user), Vec::<String>::new());
}

#[test]
fn metadata_that_becomes_the_text_of_an_object_is_followed_as_the_object() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    change(&mut auth, user, "raw_user_meta_data = to_jsonb((raw_user_meta_data || '{\"name\": \"Eve\"}')::text)");
    let now = row(&database, user);
    assert_eq!((&now["name"], &now["city"]), (&json!("Eve"), &json!("Bern")));
}

#[test]
fn the_users_own_edit_of_the_profile_outlives_a_change_of_anything_else() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    database.psql("UPDATE public.people SET name = 'Countess', city = 'London', motto = 'mine', age = 36").unwrap();
    change(&mut auth, user, "email = 'ada@example.org'");
    change(&mut auth, user, "raw_user_meta_data = raw_user_meta_data || '{\"theme\": \"dark\"}'");
    change(&mut auth, user, "raw_user_meta_data = raw_user_meta_data || '{\"age\": 31}'");
    let now = row(&database, user);
    assert_eq!(
        (&now["name"], &now["city"], &now["motto"], &now["email"], &now["age"]),
        (&json!("Countess"), &json!("London"), &json!("mine"), &json!("ada@example.org"), &json!(31))
    );
}

/// The triggers that a statement on `auth.users` fires, as EXPLAIN ANALYZE counts them.
fn triggers_fired(auth: &mut Client, user: Uuid, set: &str) -> Vec<String> {
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) UPDATE users SET {set} WHERE id = '{user}'");
    let plan: Value = one(auth, &explain, &[]);
    let triggers = plan[0]["Triggers"].as_array().expect("a list of triggers");
    triggers.iter().map(|trigger| trigger["Trigger Name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sign_in_fires_no_trigger() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    for set in [
        "last_sign_in_at = now(), updated_at = now()",
        "confirmation_token = 'x', confirmation_sent_at = now()",
        "encrypted_password = 'x'",
        "role = 'authenticated'",
        // What it is already.
        "email = email, phone = phone, raw_user_meta_data = raw_user_meta_data, raw_app_meta_data = raw_app_meta_data",
    ] {
        assert_eq!(triggers_fired(&mut auth, user, set), Vec::<String>::new(), "{set}");
    }
    assert_eq!(triggers_fired(&mut auth, user, "email = 'x@example.com'"), ["registrar_handle_user_update"]);
}

#[test]
fn a_change_that_no_field_follows_does_not_touch_the_profile() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    let version = "SELECT ctid::text || ' ' || xmin::text FROM public.people";
    let before: String = one(&mut database.admin().unwrap(), version, &[]);
    change(&mut auth, user, "raw_user_meta_data = raw_user_meta_data || '{\"motto\": \"off\", \"theme\": \"dark\"}'");
    change(&mut auth, user, "last_sign_in_at = now()");
    assert_eq!(one::<String>(&mut database.admin().unwrap(), version, &[]), before);
}

const ANONYMOUS: &str =
    "INSERT INTO users (id, is_anonymous, raw_user_meta_data) VALUES (gen_random_uuid(), true, '{}') RETURNING id";

#[test]
fn an_anonymous_user_who_becomes_permanent_in_one_statement_is_synced() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user: Uuid = one(&mut auth, ANONYMOUS, &[]);
    assert_eq!(row(&database, user)["email"], Value::Null);
    change(
        &mut auth,
        user,
        "is_anonymous = false, email = 'ada@example.com', raw_user_meta_data = '{\"name\": \"Ada\", \"motto\": \"on\"}'",
    );
    let now = row(&database, user);
    assert_eq!((&now["email"], &now["name"]), (&json!("ada@example.com"), &json!("Ada")));
    assert_eq!(
        (&now["first_email"], &now["motto"]),
        (&json!("ada@example.com"), &json!("on")),
        "what is not marked, too"
    );
}

#[test]
fn a_user_made_by_an_admin_has_the_app_metadata_that_comes_after() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let insert = "INSERT INTO users (id, email, raw_app_meta_data) VALUES (gen_random_uuid(), 'ada@example.com', '{}') RETURNING id";
    let user: Uuid = one(&mut auth, insert, &[]);
    assert_eq!(row(&database, user)["plan"], "free");
    change(&mut auth, user, "raw_app_meta_data = raw_app_meta_data || '{\"plan\": \"team\"}'");
    assert_eq!(row(&database, user)["plan"], "team");
}

#[test]
fn a_change_that_does_not_fit_keeps_what_was_there_with_a_warning() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    change(&mut auth, user, "raw_user_meta_data = raw_user_meta_data || '{\"age\": \"many\", \"name\": \"Ada L.\"}'");
    let now = row(&database, user);
    assert_eq!((&now["age"], &now["name"]), (&json!(30), &json!("Ada L.")), "and the others follow");
    assert_eq!(database.profile_warnings(user), ["public.people.age: The value is not of type integer."]);
    change(&mut auth, user, "raw_user_meta_data = raw_user_meta_data || '{\"age\": -1}'");
    assert_eq!(row(&database, user)["age"], 30);
    assert_eq!(database.profile_warnings(user), ["public.people.age: The least is 0."], "the newest");
    change(&mut auth, user, "raw_user_meta_data = raw_user_meta_data || '{\"age\": 32}'");
    assert_eq!(row(&database, user)["age"], 32);
}

#[test]
fn a_profile_that_cannot_follow_costs_no_change_of_the_user_and_follows_once_repaired() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    database.refuse_rows("public.people", "NEW.email LIKE '%.org'");
    change(&mut auth, user, "email = 'ada@example.org'");
    let stored = "SELECT email::text FROM auth.users";
    assert_eq!(one::<String>(&mut database.admin().unwrap(), stored, &[]), "ada@example.org");
    assert_eq!(row(&database, user)["email"], "ada@example.com");
    assert_eq!(database.profile_failures(user)[0].message, "refused");

    database.refuse_no_more("public.people");
    database.psql("UPDATE public.people SET motto = 'mine'; SELECT registrar.repair_profiles()").unwrap();
    assert_eq!(database.profile_failures(user), []);
    let now = row(&database, user);
    assert_eq!(now["email"], "ada@example.org", "what it failed to follow is there now");
    assert_eq!(now["motto"], "mine", "and what never followed is left alone");
}

#[test]
fn whoever_has_no_profile_has_none_to_follow_with() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let user = ada(&mut auth);
    database.psql("DELETE FROM public.people").unwrap();
    change(&mut auth, user, "email = 'ada@example.org'");
    assert_eq!(database.row("public.people", "id", user), None);
    assert_eq!(database.profile_failures(user), [], "a change of the user is no sign-up");
}

#[test]
fn many_users_changed_by_one_statement_follow_each() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let insert =
        "INSERT INTO users (id, email) SELECT gen_random_uuid(), n || '@example.com' FROM generate_series(1, 50) AS n";
    auth.execute(insert, &[]).unwrap();
    auth.execute("UPDATE users SET email = replace(email, '.com', '.org')", &[]).unwrap();
    let differing = "SELECT email FROM public.people JOIN auth.users USING (id, email)";
    assert_eq!(
        all::<String>(&mut database.admin().unwrap(), "SELECT email FROM public.people WHERE email LIKE '%.com'", &[])
            .len(),
        0
    );
    assert_eq!(all::<String>(&mut database.admin().unwrap(), differing, &[]).len(), 50);
}
