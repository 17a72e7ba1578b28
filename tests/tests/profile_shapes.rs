//! Every shape of user that Supabase Auth makes, for each template, one by one and thousands at once.

use std::io::Write;

use postgres::Client;
use registrar_tests::{Database, all, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

fn database() -> Database {
    let database = supabase_database();
    for template in ["profiles", "user_profile"] {
        database.psql(&format!("SELECT registrar.create_profile_table('{template}')")).unwrap();
    }
    database
}

/// The user's rows in the tables of the three templates; all of them must be there.
#[track_caller]
fn rows(database: &Database, user: Uuid) -> [Value; 3] {
    let failures = database.profile_failures(user);
    assert_eq!(failures, []);
    [("profiles", "id"), ("user_profiles", "user_id"), ("user_profile", "user_id")].map(|(table, column)| {
        database.row(&format!("public.{table}"), column, user).unwrap_or_else(|| panic!("no row in {table}"))
    })
}

fn sign_up(auth: &mut Client, columns: &str) -> Uuid {
    one(auth, &format!("INSERT INTO users (id, {columns} RETURNING id"), &[])
}

const DATA: &str = r#"{"first_name": "Ada", "last_name": "L.", "full_name": "Ada L.", "field_of_study": "maths", "account_type": "team"}"#;

#[test]
fn every_kind_of_user_has_a_row_of_every_template() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let empty = "confirmation_token, recovery_token, email_change_token_new, email_change";
    for (kind, columns, phone) in [
        (
            "e-mail",
            format!(
                "email, raw_user_meta_data, {empty}) VALUES (gen_random_uuid(), 'a@example.com', '{DATA}', '', '', '', '')"
            ),
            None,
        ),
        (
            "phone",
            format!(
                "phone, raw_user_meta_data, phone_confirmed_at) VALUES (gen_random_uuid(), '41790000001', '{DATA}', now())"
            ),
            Some("+41790000001"),
        ),
        (
            "OAuth",
            format!(
                "email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
                 VALUES (gen_random_uuid(), 'b@example.com', now(), '{{\"provider\": \"github\"}}', '{DATA}')"
            ),
            None,
        ),
        (
            "SSO",
            format!(
                "email, is_sso_user, raw_user_meta_data) VALUES (gen_random_uuid(), 'a@example.com', true, '{DATA}')"
            ),
            None,
        ),
        (
            "SSO with the same e-mail",
            format!(
                "email, is_sso_user, raw_user_meta_data) VALUES (gen_random_uuid(), 'a@example.com', true, '{DATA}')"
            ),
            None,
        ),
        (
            "both",
            format!(
                "email, phone, raw_user_meta_data) VALUES (gen_random_uuid(), 'c@example.com', '41790000002', '{DATA}')"
            ),
            Some("+41790000002"),
        ),
        (
            "of a server that stores the text of the object",
            format!("email, raw_user_meta_data) VALUES (gen_random_uuid(), 'd@example.com', to_jsonb('{DATA}'::text))"),
            None,
        ),
    ] {
        let user = sign_up(&mut auth, &columns);
        let [profiles, user_profiles, user_profile] = rows(&database, user);
        assert_eq!((&profiles["first_name"], &profiles["last_name"]), (&json!("Ada"), &json!("L.")), "{kind}");
        assert_eq!((&profiles["account_type"], &profiles["phone_number"]), (&json!("team"), &json!(phone)), "{kind}");
        assert_eq!(
            (&user_profiles["field_of_study"], &user_profiles["profile_completed"]),
            (&json!("maths"), &json!(true)),
            "{kind}"
        );
        assert_eq!(user_profile["full_name"], "Ada L.", "{kind}");
        assert_eq!(database.profile_warnings(user), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn users_of_whom_nothing_is_known_have_rows_of_defaults() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    for (kind, columns) in [
        ("anonymous", "is_anonymous, raw_user_meta_data) VALUES (gen_random_uuid(), true, '{}')"),
        ("without metadata", "email) VALUES (gen_random_uuid(), 'a@example.com')"),
        (
            "with NULL",
            "email, raw_user_meta_data, raw_app_meta_data) VALUES (gen_random_uuid(), 'b@example.com', NULL, NULL)",
        ),
        ("with null", "email, raw_user_meta_data) VALUES (gen_random_uuid(), 'c@example.com', 'null')"),
        ("with a string", "email, raw_user_meta_data) VALUES (gen_random_uuid(), 'd@example.com', '\"no object\"')"),
        (
            "with blanks",
            r#"phone, raw_user_meta_data) VALUES (gen_random_uuid(), '', '{"first_name": null, "account_type": null}')"#,
        ),
        (
            "made by an admin",
            "email, role, email_confirmed_at) VALUES (gen_random_uuid(), 'e@example.com', 'authenticated', now())",
        ),
    ] {
        let user = sign_up(&mut auth, columns);
        let [profiles, user_profiles, user_profile] = rows(&database, user);
        assert_eq!((&profiles["first_name"], &profiles["phone_number"]), (&Value::Null, &Value::Null), "{kind}");
        assert_eq!(profiles["account_type"], "personal", "{kind}");
        assert_eq!(
            (&user_profiles["experience_level"], &user_profiles["salary_currency"]),
            (&json!("entry"), &json!("USD")),
            "{kind}"
        );
        assert_eq!(user_profile["full_name"], Value::Null, "{kind}");
        assert_eq!(database.profile_warnings(user), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn each_of_three_thousand_users_in_one_statement_has_the_own_outcome() {
    let database = database();
    database.refuse_rows("public.user_profiles", "NEW.field_of_study LIKE '% 1234'");
    let mut auth = connect_as_supabase_auth(&database);
    // One in a hundred has a value that does not fit, one the text of an object, one nothing at all.
    let insert = "INSERT INTO users (id, email, raw_user_meta_data)
                  SELECT gen_random_uuid(), n || '@example.com',
                      CASE n % 100
                          WHEN 1 THEN jsonb_build_object('field_of_study', 'study ' || n, 'experience_level', 'wizard ' || n)
                          WHEN 2 THEN to_jsonb(jsonb_build_object('field_of_study', 'study ' || n)::text)
                          WHEN 3 THEN NULL
                          ELSE jsonb_build_object('field_of_study', 'study ' || n, 'years_of_experience', n % 100)
                      END
                  FROM generate_series(1, 3000) AS n";
    assert_eq!(auth.execute(insert, &[]).unwrap(), 3000);
    let mut admin = database.admin().unwrap();
    let mut count = |query: &str| -> i64 { one(&mut admin, &format!("SELECT count(*) FROM {query}"), &[]) };
    assert_eq!(count("public.profiles"), 3000);
    assert_eq!(count("public.user_profile"), 3000);
    assert_eq!(count("public.user_profiles"), 2999);
    let of_user = "auth.users AS u JOIN public.user_profiles AS p ON p.user_id = u.id
                   CROSS JOIN LATERAL (SELECT split_part(u.email, '@', 1)::integer AS n) AS number WHERE";
    let own_study = "p.field_of_study = 'study ' || n";
    assert_eq!(count(&format!("{of_user} n % 100 <> 3 AND {own_study}")), 2969);
    assert_eq!(count(&format!("{of_user} n % 100 = 3 AND p.field_of_study IS NULL")), 30);
    assert_eq!(count(&format!("{of_user} n % 100 = 1 AND p.experience_level = 'entry'")), 30);
    assert_eq!(count(&format!("{of_user} n % 100 > 3 AND p.years_of_experience = n % 100")), 2879);
    assert_eq!(count("registrar_private.profile_warnings WHERE column_name = 'experience_level'"), 30);
    assert_eq!(count("registrar_private.profile_warnings"), 30);
    assert_eq!(count("registrar_private.profile_failures"), 1);
    let failed = "SELECT email::text FROM registrar_private.profile_failures JOIN auth.users ON id = user_id";
    assert_eq!(all::<String>(&mut admin, failed, &[]), ["1234@example.com"]);
}

#[test]
fn users_copied_in_have_profiles() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let mut copy = auth.copy_in("COPY users (id, email, raw_user_meta_data) FROM STDIN").unwrap();
    for n in 0..2500 {
        let metadata = if n == 7 { "\\N".to_owned() } else { json!({ "full_name": format!("user {n}") }).to_string() };
        writeln!(copy, "{}\t{n}@example.com\t{metadata}", Uuid::new_v4()).unwrap();
    }
    assert_eq!(copy.finish().unwrap(), 2500);
    let named = "SELECT count(*) FROM public.user_profile JOIN auth.users AS u ON u.id = user_id
                 WHERE full_name IS NOT DISTINCT FROM u.raw_user_meta_data ->> 'full_name'";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), named, &[]), 2500);
}

#[test]
fn a_statement_that_inserts_nobody_or_meets_a_known_user_makes_no_profile() {
    let database = database();
    let mut auth = connect_as_supabase_auth(&database);
    let known = sign_up(&mut auth, "email) VALUES (gen_random_uuid(), 'a@example.com')");
    let nobody = "INSERT INTO users (id) SELECT gen_random_uuid() WHERE false";
    assert_eq!(auth.execute(nobody, &[]).unwrap(), 0);
    let again = "INSERT INTO users (id, email) VALUES ($1, 'b@example.com'), (gen_random_uuid(), 'c@example.com')
                 ON CONFLICT (id) DO UPDATE SET email = excluded.email";
    assert_eq!(auth.execute(again, &[&known]).unwrap(), 2);
    let profiles = "SELECT count(*) FROM public.profiles";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), profiles, &[]), 2);
    assert_eq!(database.profile_failures(known), []);
}

#[test]
fn an_empty_address_is_none_and_the_text_of_an_object_is_the_object_for_one_and_for_many() {
    let database = supabase_database();
    database
        .psql("CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, email text UNIQUE, phone text, plan text)")
        .unwrap();
    let fields = json!([
        {"column": "email", "source": "email"},
        {"column": "phone", "source": "phone"},
        {"column": "plan", "source": "app_metadata"},
    ]);
    database.attach("public.people", "id", &fields);
    let mut auth = connect_as_supabase_auth(&database);
    for users in [1, 1, 3] {
        let insert = format!(
            "INSERT INTO users (id, email, is_sso_user, raw_app_meta_data)
             SELECT gen_random_uuid(), '', true, to_jsonb('{{\"plan\": \"team\"}}'::text) FROM generate_series(1, {users})"
        );
        auth.execute(&insert, &[]).unwrap();
    }
    let rows = "SELECT concat_ws(' ', email IS NULL, phone IS NULL, plan) FROM public.people";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), rows, &[]), ["t t team"; 5]);
    assert_eq!(database.count("registrar_private.profile_warnings"), 0);
}
