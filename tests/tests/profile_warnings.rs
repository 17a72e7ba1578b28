//! A value that does not fit its field gives way to the default, and a warning says so, never with the value itself.

use postgres::Client;
use registrar_tests::{Database, Role, all, call, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

/// What no warning may repeat.
const SECRET: &str = "hunter2";

/// A number as PostgreSQL writes it, with its trailing noughts.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A database with a table of every kind of field.
fn database() -> Database {
    let database = supabase_database();
    database
        .psql(
            "CREATE TYPE public.mood AS ENUM ('glad', 'sad');
             CREATE DOMAIN public.zip AS text CHECK (VALUE ~ '^[0-9]{4}$');
             CREATE DOMAIN public.label AS text;
             CREATE TABLE public.people (
                 id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE,
                 age integer DEFAULT 18, level text DEFAULT 'low', mood public.mood DEFAULT 'glad', zip public.zip DEFAULT '3000',
                 story text DEFAULT 'none', handle text DEFAULT 'anonymous', nick varchar(10) DEFAULT 'nick',
                 code varchar(5) DEFAULT 'code', labels varchar(4)[] DEFAULT '{none}', price numeric(5, 2) DEFAULT 1,
                 born date DEFAULT '2000-01-01', tags text[] DEFAULT '{x}', settings jsonb DEFAULT '{}',
                 label public.label DEFAULT 'label', size integer DEFAULT 1 CONSTRAINT small CHECK (size < 10),
                 low integer DEFAULT 1, high integer DEFAULT 2, CONSTRAINT ordered CHECK (low < high)
             );
             CREATE INDEX ON public.people (handle)",
        )
        .unwrap();
    let fields = json!([
        { "column": "age", "minimum": 0, "maximum": 150 },
        { "column": "level", "allowed": ["low", "high"] },
        "mood", "zip", "story", "handle", "nick",
        { "column": "code", "maximum": 50 },
        "labels", "price",
        { "column": "born", "minimum": "1900-01-01", "maximum": "2020-12-31" },
        { "column": "tags", "allowed": ["x", "y"], "maximum": 2 },
        "settings",
        { "column": "label", "maximum": 200 },
        "size", "low", "high",
    ]);
    database.attach("public.people", "id", &fields);
    database
}

fn sign_up(auth: &mut Client, metadata: &Value) -> Uuid {
    one(auth, "INSERT INTO users (id, raw_user_meta_data) VALUES (gen_random_uuid(), $1) RETURNING id", &[metadata])
}

/// Signs up with the value, which must give way to `default` with one warning about these columns; returns the warnings.
#[track_caller]
fn gives_way(database: &Database, metadata: Value, defaults: Value) -> Vec<String> {
    let user = sign_up(&mut connect_as_supabase_auth(database), &metadata);
    assert_eq!(database.profile_failures(user), []);
    let row = database.row("public.people", "id", user).expect("the profile is there");
    for (column, default) in defaults.as_object().unwrap() {
        assert_eq!(&row[column], default, "{column}");
    }
    let warnings = database.profile_warnings(user);
    let columns: Vec<String> = warnings
        .iter()
        .map(|warning| warning.split_once(": ").unwrap().0.trim_start_matches("public.people.").to_owned())
        .collect();
    let mut expected: Vec<&String> = defaults.as_object().unwrap().keys().collect();
    expected.sort();
    assert_eq!(columns.iter().collect::<Vec<_>>(), expected, "one warning for each field");
    assert!(!warnings.iter().any(|warning| warning.contains(SECRET)), "never the value itself: {warnings:?}");
    warnings
}

#[test]
fn a_value_of_another_type_gives_way() {
    let database = database();
    for value in [json!("many"), json!("7.5"), json!(7.5), json!({}), json!([7]), json!(true), json!(9e99), json!("")] {
        let told = gives_way(&database, json!({ "age": value }), json!({ "age": 18 }));
        assert_eq!(told, ["public.people.age: The value is not of type integer."]);
    }
    for (column, value, default) in [
        ("born", json!("the day before"), json!("2000-01-01")),
        ("price", json!("free"), number("1.00")),
        ("tags", json!("x"), json!(["x"])),
        ("tags", json!({ "x": 1 }), json!(["x"])),
    ] {
        gives_way(&database, json!({ column: value }), json!({ column: default }));
    }
}

#[test]
fn a_value_that_is_not_allowed_gives_way_and_the_warning_lists_those_that_are() {
    let database = database();
    let told = gives_way(&database, json!({ "level": SECRET }), json!({ "level": "low" }));
    assert_eq!(told, ["public.people.level: The value is not one of those allowed. Allowed values: low, high."]);
    gives_way(&database, json!({ "tags": ["x", SECRET] }), json!({ "tags": ["x"] }));
    gives_way(&database, json!({ "mood": SECRET }), json!({ "mood": "glad" }));
}

#[test]
fn a_value_out_of_bounds_gives_way() {
    let database = database();
    for (value, words) in [(-1, "The least is 0."), (151, "The most is 150.")] {
        let told = gives_way(&database, json!({ "age": value }), json!({ "age": 18 }));
        assert_eq!(told, [format!("public.people.age: {words}")]);
    }
    gives_way(&database, json!({ "born": "1899-12-31" }), json!({ "born": "2000-01-01" }));
    gives_way(&database, json!({ "born": "2021-01-01" }), json!({ "born": "2000-01-01" }));
    let told = gives_way(&database, json!({ "tags": ["x", "y", "x"] }), json!({ "tags": ["x"] }));
    assert_eq!(told, ["public.people.tags: The most is 2 elements."]);
}

#[test]
fn a_value_that_its_column_cannot_store_gives_way() {
    let database = database();
    let told = gives_way(&database, json!({ "nick": "elevenchars" }), json!({ "nick": "nick" }));
    assert_eq!(told, ["public.people.nick: The text is longer than 10 characters."]);
    // The column's own limit holds also where the field's is greater.
    gives_way(&database, json!({ "code": "sixchars" }), json!({ "code": "code" }));
    gives_way(&database, json!({ "price": 123_456 }), json!({ "price": number("1.00") }));
    gives_way(&database, json!({ "labels": ["tiny", "not so tiny"] }), json!({ "labels": ["none"] }));
}

#[test]
fn a_text_in_a_domain_is_measured_in_characters() {
    let database = database();
    let user = sign_up(&mut connect_as_supabase_auth(&database), &json!({ "label": "short" }));
    assert_eq!(database.profile_warnings(user), Vec::<String>::new());
    assert_eq!(database.row("public.people", "id", user).unwrap()["label"], "short");
    gives_way(&database, json!({ "label": "1".repeat(201) }), json!({ "label": "label" }));
}

#[test]
fn a_value_that_a_domain_or_a_check_of_the_table_refuses_gives_way() {
    let database = database();
    let told = gives_way(&database, json!({ "zip": format!("{SECRET}-30000") }), json!({ "zip": "3000" }));
    assert_eq!(told, ["public.people.zip: The value is not of type public.zip."]);
    let told = gives_way(&database, json!({ "size": 10 }), json!({ "size": 1 }));
    assert_eq!(told, ["public.people.size: The value violates the constraint small."]);
    // Which of the two is wrong, nobody knows.
    gives_way(&database, json!({ "low": 5, "high": 3 }), json!({ "low": 1, "high": 2 }));
    gives_way(&database, json!({ "low": 5 }), json!({ "low": 1 }));
}

#[test]
fn ten_megabytes_give_way_wherever_they_stand() {
    let database = database();
    let blob = format!("{SECRET}{}", "x".repeat(10 << 20));
    for (column, value, default) in [
        ("age", json!(blob), json!(18)),
        ("story", json!(blob), json!("none")),
        ("handle", json!(blob), json!("anonymous")),
        ("nick", json!(blob), json!("nick")),
        ("mood", json!(blob), json!("glad")),
        ("zip", json!(blob), json!("3000")),
        ("settings", json!({ "blob": blob }), json!({})),
        ("label", json!(blob), json!("label")),
    ] {
        let told = gives_way(&database, json!({ column: value }), json!({ column: default })).join("");
        assert!(told.len() < 200, "{column}: {} bytes of warning", told.len());
    }
    let told = gives_way(&database, json!({ "story": "x".repeat(10_001) }), json!({ "story": "none" }));
    assert_eq!(told, ["public.people.story: The text is longer than 10000 characters."]);
    let user = sign_up(&mut connect_as_supabase_auth(&database), &json!({ "story": "é".repeat(10_000) }));
    assert_eq!(database.profile_warnings(user), Vec::<String>::new(), "a long biography is one still");
}

#[test]
fn a_text_that_its_index_cannot_hold_gives_way() {
    let database = database();
    // Nothing that can be compressed.
    let random = "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 280)";
    let handle: String = one(&mut database.admin().unwrap(), random, &[]);
    assert!(handle.len() < 10_000);
    gives_way(&database, json!({ "handle": handle }), json!({ "handle": "anonymous" }));
}

#[test]
fn of_several_values_each_that_does_not_fit_gives_way_and_each_other_is_kept() {
    let database = database();
    let metadata = json!({
        "age": "many", "level": SECRET, "mood": "gladdest", "zip": "3", "size": 10, "story": "once upon a time", "nick": "ada",
        "price": 7
    });
    let defaults = json!({ "age": 18, "level": "low", "mood": "glad", "zip": "3000", "size": 1 });
    gives_way(&database, metadata, defaults);
    let user: Uuid = one(&mut database.admin().unwrap(), "SELECT id FROM auth.users", &[]);
    let row = database.row("public.people", "id", user).unwrap();
    assert_eq!(
        (&row["story"], &row["nick"], &row["price"]),
        (&json!("once upon a time"), &json!("ada"), &number("7.00"))
    );
}

#[test]
fn of_many_users_in_one_statement_each_has_the_own_warnings() {
    let database = database();
    let insert = "INSERT INTO users (id, raw_user_meta_data)
                  SELECT gen_random_uuid(), jsonb_build_object('age', n, 'level', CASE n WHEN 3 THEN 'middle' ELSE 'high' END)
                  FROM unnest(ARRAY[-5, 3, 200, 40]) AS n";
    connect_as_supabase_auth(&database).execute(insert, &[]).unwrap();
    let mut admin = database.admin().unwrap();
    let rows = "SELECT concat_ws(' ', age, level) FROM public.people ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, rows, &[]), ["18 high", "18 high", "3 low", "40 high"]);
    let warned = "SELECT concat_ws(' ', raw_user_meta_data ->> 'age', column_name)
                  FROM registrar_private.profile_warnings JOIN auth.users ON id = user_id ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, warned, &[]), ["-5 age", "200 age", "3 level"]);
}

#[test]
fn where_the_column_must_have_a_value_and_has_no_default_the_profile_fails() {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.people (
                 id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, age integer NOT NULL, city text)",
        )
        .unwrap();
    database.attach("public.people", "id", &json!(["age", "city"]));
    let mut auth = connect_as_supabase_auth(&database);
    for metadata in [json!({ "age": "many", "city": "Bern" }), json!({ "city": "Bern" })] {
        let user = sign_up(&mut auth, &metadata);
        let [failure] = &database.profile_failures(user)[..] else { panic!("one failure for {metadata}") };
        assert_eq!((failure.table.as_str(), failure.sqlstate.as_str()), ("public.people", "23502"));
        assert!(failure.message.contains("\"age\""), "{failure:?}");
        assert!(failure.hint.as_deref().unwrap().starts_with("Give the column a DEFAULT"), "{failure:?}");
    }
    let user = sign_up(&mut auth, &json!({ "age": 7 }));
    assert_eq!(database.row("public.people", "id", user).unwrap()["age"], 7);
}

#[test]
fn a_default_of_the_field_stands_in_where_the_column_has_none() {
    let database = supabase_database();
    database
        .psql("CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, age integer NOT NULL)")
        .unwrap();
    database.attach("public.people", "id", &json!([{ "column": "age", "default": 21 }]));
    for (users, metadata) in
        [(1, json!({ "age": "many" })), (1, json!({})), (2, json!({})), (2, json!({ "age": "many" }))]
    {
        let insert = "INSERT INTO users (id, raw_user_meta_data)
                      SELECT gen_random_uuid(), $1 FROM generate_series(1, $2) RETURNING id";
        let made = connect_as_supabase_auth(&database).query(insert, &[&metadata, &users]).unwrap();
        for row in made {
            assert_eq!(database.row("public.people", "id", row.get(0)).unwrap()["age"], 21, "{users} with {metadata}");
        }
    }
}

#[test]
fn a_registration_tells_no_caller_but_leaves_the_warning() {
    let database = supabase_database();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut register = |metadata: Value| {
        let parameters = json!({ "p_email": "user@example.com", "p_metadata": metadata });
        call(&mut back_end, "register_user_with_token", &parameters).data.unwrap()
    };
    let answer = register(json!({ "experience_level": SECRET }));
    assert_eq!(answer["profile"]["experience_level"], "entry");
    let user: Uuid = answer["user"]["id"].as_str().unwrap().parse().unwrap();
    let told = "public.user_profiles.experience_level: The value is not one of those allowed. \
                Allowed values: entry, junior, mid, senior, lead, executive.";
    assert_eq!(database.profile_warnings(user), [told]);

    // The newest registration takes effect when it is verified: its values are warned of then.
    let answer = register(json!({ "years_of_experience": "many" }));
    database.verify(answer["verification"]["token"].as_str().unwrap());
    let warnings = database.profile_warnings(user);
    assert!(warnings.iter().any(|warning| warning.contains("years_of_experience")), "{warnings:?}");
    assert!(!database.script(&["--schema=registrar_private", "--inserts"]).contains(SECRET), "it stands in no table");
}
