//! What becomes of a sign-up whose profile fails: `queue`, `block`, `ignore`.

use postgres::Client;
use registrar_tests::{Database, Role, all, call, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};

/// A database where the profile of whoever is called `refused` fails, under a policy.
fn database_with(policy: &str) -> Database {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text, age integer);
             CREATE FUNCTION public.no_such_name() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'nobody may be called that'
                     USING DETAIL = 'the list of names', HINT = 'take another name', ERRCODE = 'APP42';
             END $$;
             CREATE TRIGGER no_such_name BEFORE INSERT ON public.people
                 FOR EACH ROW WHEN (NEW.name = 'refused') EXECUTE FUNCTION public.no_such_name()",
        )
        .unwrap();
    database.attach_with_policy("public.people", "id", &json!(["name", { "column": "age", "minimum": 0 }]), policy);
    database
}

fn count(database: &Database, table: &str) -> i64 {
    one(&mut database.admin().unwrap(), &format!("SELECT count(*) FROM {table}"), &[])
}

const REFUSED: &str =
    "INSERT INTO users (id, raw_user_meta_data) VALUES (gen_random_uuid(), '{\"name\": \"refused\"}')";

fn register(database: &Database, name: &str) -> registrar_core::Envelope<Value> {
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let parameters = json!({ "p_email": "user@example.com", "p_metadata": { "name": name } });
    call(&mut back_end, "register_user_with_token", &parameters)
}

#[test]
fn queue_lets_the_sign_up_stand_and_tells_why_the_profile_is_missing() {
    let database = database_with("queue");
    connect_as_supabase_auth(&database).execute(REFUSED, &[]).unwrap();
    assert!(register(&database, "refused").success);
    assert_eq!((count(&database, "auth.users"), count(&database, "public.people")), (2, 0));
    assert_eq!(count(&database, "public.user_profiles"), 2, "the other profile table");
    let reasons = "SELECT concat_ws(' | ', sqlstate, message, detail, hint) FROM registrar_private.profile_failures";
    let reason = "APP42 | nobody may be called that | the list of names | take another name; then run SELECT registrar.repair_profiles();";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), reasons, &[]), [reason, reason]);
}

#[test]
fn block_fails_the_sign_up_with_the_real_reason() {
    let database = database_with("block");
    let mut auth = connect_as_supabase_auth(&database);
    let refused = auth.execute(REFUSED, &[]).unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("APP42", "nobody may be called that"));
    assert_eq!((error.detail(), error.hint()), (Some("the list of names"), Some("take another name")));
    for table in ["auth.users", "public.people", "public.user_profiles", "registrar_private.profile_failures"] {
        assert_eq!(count(&database, table), 0, "{table}");
    }
    let mut other = auth.transaction().unwrap();
    other
        .execute("INSERT INTO users (id, raw_user_meta_data) VALUES (gen_random_uuid(), '{\"name\": \"Ada\"}')", &[])
        .unwrap();
    other.commit().unwrap();
    assert_eq!(count(&database, "public.people"), 1, "whoever has a profile signs up");
}

#[test]
fn block_refuses_the_registration_and_says_why() {
    let database = database_with("block");
    let answer = register(&database, "refused");
    assert!(!answer.success);
    assert_eq!(answer.errors[0].code.as_str(), "internal");
    let hint = answer.errors[0].hint.as_deref().unwrap_or_default();
    assert!(hint.contains("APP42") && hint.contains("nobody may be called that"), "{answer:?}");
    for table in ["auth.users", "auth.identities", "registrar_private.verification_tokens", "public.user_profiles"] {
        assert_eq!(count(&database, table), 0, "{table}");
    }
    assert!(register(&database, "Ada").success);
}

#[test]
fn under_block_one_user_among_many_fails_the_statement() {
    let database = database_with("block");
    let mut auth = connect_as_supabase_auth(&database);
    let insert = "INSERT INTO users (id, raw_user_meta_data)
                  SELECT gen_random_uuid(), jsonb_build_object('name', CASE n WHEN 7 THEN 'refused' ELSE 'Ada' END)
                  FROM generate_series(1, 10) AS n";
    let refused = auth.execute(insert, &[]).unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().message(), "nobody may be called that");
    assert_eq!(count(&database, "auth.users"), 0);
}

#[test]
fn under_block_a_value_that_does_not_fit_still_gives_way() {
    let database = database_with("block");
    let user = database.sign_up("user@example.com", &json!({ "name": "Ada", "age": -1 }));
    assert_eq!(database.row("public.people", "id", user).unwrap()["age"], Value::Null);
    assert_eq!(database.profile_warnings(user), ["public.people.age: The least is 0."]);
}

#[test]
fn block_says_what_is_missing_where_the_table_is_gone() {
    let database = database_with("block");
    database.psql("DROP TABLE public.people").unwrap();
    let refused = connect_as_supabase_auth(&database).execute(REFUSED, &[]).unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42P01");
    assert!(error.message().contains("public.people"), "{error:?}");
}

#[test]
fn ignore_lets_the_sign_up_stand_and_records_nothing() {
    let database = database_with("ignore");
    connect_as_supabase_auth(&database).execute(REFUSED, &[]).unwrap();
    assert!(register(&database, "refused").success);
    assert_eq!((count(&database, "auth.users"), count(&database, "public.people")), (2, 0));
    assert_eq!(count(&database, "registrar_private.profile_failures"), 0);
    let audited = "SELECT count(*) FROM registrar_private.audit_log WHERE action = 'fill_profile'";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), audited, &[]), 0);
    let user = database.sign_up("ada@example.com", &json!({ "name": "Ada" }));
    assert!(database.row("public.people", "id", user).is_some());
}

#[test]
fn each_table_has_its_own_policy() {
    let database = database_with("ignore");
    database.refuse_rows("public.user_profiles", "NEW.field_of_study = 'refused'");
    let sign_up = |auth: &mut Client| {
        let insert = "INSERT INTO users (id, raw_user_meta_data)
                      VALUES (gen_random_uuid(), '{\"name\": \"refused\", \"field_of_study\": \"refused\"}')";
        auth.execute(insert, &[])
    };
    let mut auth = connect_as_supabase_auth(&database);
    sign_up(&mut auth).unwrap();
    let failed = "SELECT table_name::text FROM registrar_private.profile_failures";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), failed, &[]), ["user_profiles"]);

    // The connected session hears of it.
    database.attach_with_policy("public.people", "id", &json!(["name"]), "block");
    assert_eq!(sign_up(&mut auth).unwrap_err().code().unwrap().code(), "APP42");
    assert_eq!(count(&database, "auth.users"), 1);
}
