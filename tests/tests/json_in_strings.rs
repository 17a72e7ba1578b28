//! Servers that send, and store, every object as a string with its JSON text: it is read as the object.

use postgres::Client;
use registrar_tests::{Database, Role, one, plain_database, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

fn back_end(database: &Database) -> Client {
    database.connect_as(Role::ServiceRole).unwrap()
}

/// The value as such a server sends it.
fn in_a_string(value: &Value) -> Value {
    json!(value.to_string())
}

#[track_caller]
fn field_of_study(database: &Database, user: Uuid) -> Value {
    database.row("public.user_profiles", "user_id", user).expect("the user has a profile")["field_of_study"].clone()
}

#[test]
fn a_registration_takes_its_metadata_from_a_string() {
    let database = plain_database();
    let mut back_end = back_end(&database);
    let register = "SELECT registrar.register_user_with_token('ada@example.com', p_metadata => $1)";
    let metadata = json!({ "field_of_study": "maths", "note": "{\"held\": true}" });
    let answer: Value = one(&mut back_end, register, &[&in_a_string(&metadata)]);
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(answer["data"]["profile"]["field_of_study"], "maths");
    let stored = "SELECT raw_user_meta_data - '{sub,email,email_verified,phone_verified}'::text[] FROM auth.users";
    assert_eq!(one::<Value>(&mut database.admin().unwrap(), stored, &[]), metadata, "as an object, and no deeper");
}

#[test]
fn every_call_on_profiles_takes_its_values_from_a_string() {
    let database = plain_database();
    let (user, _) = database.register("ada@example.com");
    let mut back_end = back_end(&database);
    let mut study = |call: &str, parameter: Value, study: Value| {
        let answer: Value = one(&mut back_end, &format!("SELECT registrar.{call}"), &[&in_a_string(&parameter)]);
        assert_eq!(answer["success"], true, "{call}: {answer}");
        assert_eq!(field_of_study(&database, user), study, "{call}: {answer}");
    };
    let of_user = |call: &str| format!("{call}('{user}', $1)");
    study(&of_user("update_profile"), json!({ "field_of_study": "maths" }), json!("maths"));
    study(&of_user("update_profile"), json!({ "field_of_study": null }), Value::Null);
    study("update_profiles($1)", json!([{ "user_id": user, "updates": { "field_of_study": "law" } }]), json!("law"));
    let mut row = database.row("public.user_profiles", "user_id", user).unwrap();
    row["field_of_study"] = json!("physics");
    study("import_profiles($1)", json!([row]), json!("physics"));
    database.psql("DELETE FROM public.user_profiles").unwrap();
    study(&of_user("create_profile"), json!({ "field_of_study": "music" }), json!("music"));
}

#[test]
fn a_string_that_holds_anything_else_is_refused_as_what_it_is() {
    let database = plain_database();
    let (user, _) = database.register("ada@example.com");
    let mut back_end = back_end(&database);
    for text in ["", "text", "7", "null", "{", "{\"field_of_study\": \"\\u0000\"}", "\"{}\"", "[]"] {
        let update = format!("SELECT registrar.update_profile('{user}', $1)");
        let answer: Value = one(&mut back_end, &update, &[&json!(text)]);
        assert_eq!(answer["errors"][0]["code"], "validation_failed", "{text}: {answer}");
    }
}

/// A user who has signed up at such a server and is not confirmed.
fn sign_up(database: &Database) -> Uuid {
    let insert =
        "INSERT INTO auth.users (id, aud, role, email, encrypted_password, raw_app_meta_data, raw_user_meta_data)
                  VALUES (gen_random_uuid(), 'authenticated', 'authenticated', 'ada@example.com', '', $1, $2) RETURNING id";
    let app_metadata = json!({ "provider": "email", "providers": ["email"], "role": "user", "plan": { "seats": 3 } });
    let parameters = [in_a_string(&app_metadata), in_a_string(&json!({ "field_of_study": "maths" }))];
    one(&mut database.admin().unwrap(), insert, &[&parameters[0], &parameters[1]])
}

#[test]
fn a_user_whose_metadata_are_strings_is_verified_and_keeps_them() {
    for database in [plain_database(), supabase_database()] {
        let user = sign_up(&database);
        assert_eq!(field_of_study(&database, user), "maths");
        let mut back_end = back_end(&database);
        let resent: Value = one(&mut back_end, "SELECT registrar.resend_verification('ada@example.com')", &[]);
        assert_eq!(resent["data"]["user"]["role"], "user", "{resent}");
        let metadata = "SELECT jsonb_build_array(raw_app_meta_data, raw_user_meta_data) FROM auth.users";
        let before: Value = one(&mut database.admin().unwrap(), metadata, &[]);
        database.verify(resent["data"]["verification"]["token"].as_str().unwrap());
        assert_eq!(one::<Value>(&mut database.admin().unwrap(), metadata, &[]), before);
    }
}

#[test]
fn a_registration_of_such_a_user_takes_effect_and_leaves_the_app_metadata_of_the_other_server() {
    let database = plain_database();
    let user = sign_up(&database);
    let mut back_end = back_end(&database);
    let register = "SELECT registrar.register_user_with_token('ada@example.com', p_metadata => $1)";
    let registered: Value = one(&mut back_end, register, &[&in_a_string(&json!({ "field_of_study": "law" }))]);
    assert_eq!(field_of_study(&database, user), "maths", "{registered}");
    database.verify(registered["data"]["verification"]["token"].as_str().unwrap());
    assert_eq!(field_of_study(&database, user), "law");
    let app_metadata: Value = one(&mut database.admin().unwrap(), "SELECT raw_app_meta_data FROM auth.users", &[]);
    let expected = json!({ "provider": "email", "providers": ["email"], "role": "user", "plan": { "seats": 3 } });
    assert_eq!(app_metadata, expected);
}
