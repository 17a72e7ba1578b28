//! Which profile a new user gets: every shape of user and of metadata, several profile tables, and changes of their list.

use postgres::Client;
use registrar_tests::{Database, Role, all, call, connect_as_supabase_auth, one, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

const PROFILES: &str = "public.user_profiles";

const TEAM_PROFILES: &str = "CREATE TABLE public.team_profiles (
                                 owner uuid UNIQUE REFERENCES auth.users ON DELETE CASCADE, team text DEFAULT 'none', size integer);
                             INSERT INTO registrar_private.profile_tables (schema_name, table_name, user_column, fields)
                             VALUES ('public', 'team_profiles', 'owner', '[{\"column\": \"team\", \"key\": \"team_name\"}]');";

fn sign_up(auth: &mut Client, metadata: &Value) -> Uuid {
    let insert = "INSERT INTO users (id, raw_user_meta_data) VALUES (gen_random_uuid(), $1) RETURNING id";
    one(auth, insert, &[metadata])
}

fn team(database: &Database, user: Uuid) -> Option<String> {
    let query = "SELECT (SELECT team FROM public.team_profiles WHERE owner = $1)";
    one(&mut database.admin().unwrap(), query, &[&user])
}

#[track_caller]
fn assert_no_failures(database: &Database) {
    let messages: Vec<String> =
        all(&mut database.admin().unwrap(), "SELECT message FROM registrar_private.profile_failures", &[]);
    assert_eq!(messages, Vec::<String>::new());
}

#[test]
fn a_profile_takes_its_fields_from_the_metadata() {
    let database = supabase_database();
    let metadata = json!({
        "years_of_experience": 7,
        "experience_level": "senior",
        "field_of_study": "physics, \"applied\"",
        "skills_technologies": ["rust", "postgresql", "a, b", "{c}"],
        "unknown": { "left": "alone" },
        "profile_completed": false,
        "created_at": "2000-01-01T00:00:00Z",
        "profile_id": "00000000-0000-0000-0000-000000000000",
        "user_id": "00000000-0000-0000-0000-000000000000",
    });
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let parameters = json!({ "p_email": "registered@example.com", "p_metadata": metadata });
    let answer = call(&mut back_end, "register_user_with_token", &parameters).data.unwrap();
    let registered: Uuid = answer["user"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(Some(&answer["profile"]), database.profile(registered).as_ref(), "the answer shows the row");

    for user in [database.sign_up("signed-up@example.com", &metadata), registered] {
        let profile = database.profile(user).unwrap();
        for field in ["years_of_experience", "experience_level", "field_of_study", "skills_technologies"] {
            assert_eq!(profile[field], metadata[field]);
        }
        assert_eq!(profile["education_level"], "bachelors", "a field that the metadata lacks has its own default");
        assert_eq!(profile["profile_completed"], true, "the required fields are filled");
        for field in ["created_at", "profile_id", "user_id"] {
            assert_ne!(profile[field], metadata[field], "the metadata is the client's: it fills listed fields only");
        }
        assert_eq!(profile["user_id"], user.to_string());
    }
    assert_no_failures(&database);
}

#[test]
fn metadata_of_any_shape_costs_neither_the_user_nor_the_profile() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for metadata in [
        json!(null),
        json!([]),
        json!(["field_of_study"]),
        json!("a sentence"),
        json!(""),
        json!("{broken"),
        json!("[1]"),
        json!("null"),
        json!("{\"field_of_study\": \"\\u0000\"}"),
        json!(deep),
        json!(format!("{{\"deep\": {deep}}}")),
        json!(5),
        json!(true),
        json!({}),
    ] {
        let user = sign_up(&mut auth, &metadata);
        let profile = database.profile(user).unwrap_or_else(|| panic!("no profile for {metadata}"));
        assert_eq!(profile["field_of_study"], Value::Null, "{metadata}");
    }
    let without = "INSERT INTO users (id) VALUES (gen_random_uuid()) RETURNING id";
    assert!(database.profile(one(&mut auth, without, &[])).is_some());
    assert_no_failures(&database);
}

#[test]
fn metadata_stored_as_the_text_of_an_object_is_read_as_the_object() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    for text in [
        r#"{"field_of_study": "physics"}"#,
        r#" {"other": null, "field_of_study": "phys\u0069cs"} "#,
        r#"{"a \"quoted\" key": 1, "field_of_study": "physics"}"#,
        r#"{"caf\u00e9": {"deep": [1, 2]}, "field_of_study": "physics"}"#,
    ] {
        let user = sign_up(&mut auth, &json!(text));
        assert_eq!(database.profile(user).unwrap()["field_of_study"], "physics", "{text}");
        let kept: Value =
            one(&mut database.admin().unwrap(), "SELECT raw_user_meta_data FROM auth.users WHERE id = $1", &[&user]);
        assert_eq!(kept, json!(text), "the user's row is left as it is");
    }
    assert_no_failures(&database);
}

#[test]
fn a_null_in_the_metadata_leaves_the_column_to_its_default() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    let blank = json!({ "years_of_experience": null, "skills_technologies": null, "field_of_study": null });
    let user = sign_up(&mut auth, &blank);
    let profile = database.profile(user).unwrap();
    assert_eq!(profile["years_of_experience"], 0);
    assert_eq!(profile["skills_technologies"], json!([]));
    assert_eq!(profile["field_of_study"], Value::Null);
    assert_no_failures(&database);
}

#[test]
fn ten_megabytes_of_metadata_cost_no_profile() {
    let database = supabase_database();
    let blob = "x".repeat(10 << 20);
    let mut auth = connect_as_supabase_auth(&database);
    let object = json!({ "field_of_study": "physics", "blob": blob });
    for metadata in [object.clone(), json!(object.to_string())] {
        let user = sign_up(&mut auth, &metadata);
        assert_eq!(database.profile(user).unwrap()["field_of_study"], "physics");
    }
    assert_no_failures(&database);
}

#[test]
fn users_of_every_kind_get_a_profile() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    for (kind, values) in [
        ("phone", "phone) VALUES (gen_random_uuid(), '12025550100')"),
        ("anonymous", "is_anonymous) VALUES (gen_random_uuid(), true)"),
        ("e-mail", "email) VALUES (gen_random_uuid(), 'one@example.com')"),
        ("single sign-on", "email, is_sso_user) VALUES (gen_random_uuid(), 'one@example.com', true)"),
        (
            "OAuth",
            "email, raw_app_meta_data, email_confirmed_at)
             VALUES (gen_random_uuid(), 'two@example.com', '{\"provider\": \"github\"}', now())",
        ),
        ("of another server", "email, raw_user_meta_data) VALUES (gen_random_uuid(), 'three@example.com', '\"{}\"')"),
    ] {
        let user: Uuid = one(&mut auth, &format!("INSERT INTO users (id, {values} RETURNING id"), &[]);
        assert!(database.profile(user).is_some(), "{kind}");
    }
    assert_no_failures(&database);
}

#[test]
fn in_one_statement_with_many_users_each_has_the_own_outcome() {
    let database = supabase_database();
    database.refuse_rows(PROFILES, "NEW.years_of_experience = 40");
    let insert = "INSERT INTO users (id, raw_user_meta_data)
                  SELECT gen_random_uuid(), jsonb_build_object('years_of_experience', n * 20) FROM generate_series(1, 6) AS n";
    assert_eq!(connect_as_supabase_auth(&database).execute(insert, &[]).unwrap(), 6);
    let mut admin = database.admin().unwrap();
    let years = "SELECT years_of_experience FROM public.user_profiles ORDER BY 1";
    assert_eq!(all::<i32>(&mut admin, years, &[]), [0, 20, 60, 80, 100], "120 is too many for the column's CHECK");
    let sent = |table: &str| {
        format!("SELECT raw_user_meta_data ->> 'years_of_experience' FROM auth.users JOIN {table} ON user_id = id")
    };
    assert_eq!(all::<String>(&mut admin, &sent("registrar_private.profile_warnings"), &[]), ["120"]);
    assert_eq!(all::<String>(&mut admin, &sent("registrar_private.profile_failures"), &[]), ["40"]);
}

#[test]
fn of_several_profile_tables_one_that_fails_does_not_hurt_the_others() {
    let database = supabase_database();
    database.psql(TEAM_PROFILES).unwrap();
    let mut auth = connect_as_supabase_auth(&database);

    database.refuse_rows(PROFILES, "NEW.years_of_experience = 90");
    let user = sign_up(&mut auth, &json!({ "years_of_experience": 90, "team_name": "blue" }));
    assert_eq!(database.profile(user), None);
    assert_eq!(team(&database, user).as_deref(), Some("blue"));
    let tables = |user| database.profile_failures(user).into_iter().map(|failure| failure.table).collect::<Vec<_>>();
    assert_eq!(tables(user), ["public.user_profiles"]);

    database.refuse_rows("public.team_profiles", "NEW.team = 'red'");
    let user = sign_up(&mut auth, &json!({ "years_of_experience": 9, "team_name": "red" }));
    assert_eq!(database.profile(user).unwrap()["years_of_experience"], 9);
    assert_eq!(team(&database, user), None);
    assert_eq!(tables(user), ["public.team_profiles"]);

    let user = sign_up(&mut auth, &json!({ "years_of_experience": 90, "team_name": "red" }));
    assert_eq!(tables(user), ["public.team_profiles", "public.user_profiles"]);
}

#[test]
fn the_answer_to_a_registration_shows_the_first_table_only() {
    let database = supabase_database();
    database.psql(TEAM_PROFILES).unwrap();
    database.refuse_rows(PROFILES, "NEW.years_of_experience = 90");
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut profile = |email: &str, metadata: Value| {
        let parameters = json!({ "p_email": email, "p_metadata": metadata });
        call(&mut back_end, "register_user_with_token", &parameters).data.unwrap()["profile"].clone()
    };
    assert_eq!(profile("one@example.com", json!({ "years_of_experience": 3 }))["years_of_experience"], 3);
    assert_eq!(profile("two@example.com", json!({ "years_of_experience": 90 })), Value::Null);
}

#[test]
fn connected_sessions_see_changes_of_the_list_of_profile_tables() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    let metadata = json!({ "team_name": "blue", "team_size": 3 });
    sign_up(&mut auth, &metadata);

    database.psql(TEAM_PROFILES).unwrap();
    let user = sign_up(&mut auth, &metadata);
    assert!(database.profile(user).is_some());
    assert_eq!(team(&database, user).as_deref(), Some("blue"), "a new row");

    database
        .psql(
            "UPDATE registrar_private.profile_tables
             SET fields = '[{\"column\": \"size\", \"key\": \"team_size\"}]' WHERE table_name = 'team_profiles'",
        )
        .unwrap();
    let user = sign_up(&mut auth, &metadata);
    assert_eq!(team(&database, user).as_deref(), Some("none"), "a changed row");
    let sizes = "SELECT size FROM public.team_profiles WHERE owner = $1";
    assert_eq!(one::<i32>(&mut database.admin().unwrap(), sizes, &[&user]), 3);

    database.psql("ALTER TABLE public.team_profiles ALTER COLUMN size TYPE text").unwrap();
    let user = sign_up(&mut auth, &json!({ "team_size": "three" }));
    let sizes = "SELECT size FROM public.team_profiles WHERE owner = $1";
    assert_eq!(one::<String>(&mut database.admin().unwrap(), sizes, &[&user]), "three", "a column of another type");

    database.psql("DELETE FROM registrar_private.profile_tables WHERE table_name = 'team_profiles'").unwrap();
    let user = sign_up(&mut auth, &metadata);
    assert_eq!(team(&database, user), None, "a row that is gone");
    assert_no_failures(&database);
}

#[test]
fn the_answer_to_a_registration_shows_the_columns_as_they_are_by_now() {
    let database = supabase_database();
    let mut admin = database.admin().unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut count = 0;
    let mut assert_shows_the_row = |back_end: &mut Client| {
        count += 1;
        let parameters = json!({ "p_email": format!("user{count}@example.com") });
        let answer = call(back_end, "register_user_with_token", &parameters).data.unwrap();
        let user = answer["user"]["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(Some(&answer["profile"]), database.profile(user).as_ref());
    };
    assert_shows_the_row(&mut back_end);
    for change in [
        "ADD COLUMN \"Größe, \"\"in\"\" cm\" numeric DEFAULT 181.5, ADD COLUMN since date DEFAULT '2026-02-28'",
        "ALTER COLUMN salary_currency TYPE varchar(3), ALTER COLUMN since TYPE text",
        "DROP COLUMN since, ADD COLUMN about jsonb DEFAULT '{\"a\": [1]}', ADD COLUMN mood text[] DEFAULT '{good}'",
    ] {
        admin.batch_execute(&format!("ALTER TABLE {PROFILES} {change}")).unwrap();
        assert_shows_the_row(&mut back_end);
    }
}

#[test]
fn a_change_that_is_rolled_back_is_seen_by_nobody_afterwards() {
    let database = supabase_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("BEGIN; DELETE FROM registrar_private.profile_tables").unwrap();
    let insert = "INSERT INTO auth.users (id) VALUES (gen_random_uuid()) RETURNING id";
    let meanwhile: Uuid = one(&mut admin, insert, &[]);
    admin.batch_execute("ROLLBACK").unwrap();
    assert!(!database.has_user(meanwhile));
    let user: Uuid = one(&mut admin, insert, &[]);
    assert!(database.profile(user).is_some());
}

#[test]
fn a_repaired_profile_table_works_again_for_connected_sessions() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    sign_up(&mut auth, &json!({}));
    database.psql("ALTER TABLE public.user_profiles RENAME TO away").unwrap();
    let user = sign_up(&mut auth, &json!({}));
    assert_eq!(database.profile_failures(user)[0].sqlstate, "42P01");
    database.psql("ALTER TABLE public.away RENAME TO user_profiles").unwrap();
    let user = sign_up(&mut auth, &json!({ "field_of_study": "law" }));
    assert_eq!(database.profile(user).unwrap()["field_of_study"], "law");
}

#[test]
fn a_profile_that_a_trigger_of_the_app_has_made_before_stays_as_it_is() {
    let database = supabase_database();
    database
        .psql(
            "CREATE FUNCTION public.make_profile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
             BEGIN INSERT INTO public.user_profiles (user_id, field_of_study) VALUES (NEW.id, 'by the app'); RETURN NULL; END $$;
             CREATE TRIGGER earlier AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.make_profile()",
        )
        .unwrap();
    let metadata = json!({ "field_of_study": "law" });
    let signed_up = database.sign_up("signed-up@example.com", &metadata);
    assert_eq!(database.profile(signed_up).unwrap()["field_of_study"], "by the app");
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let parameters = json!({ "p_email": "registered@example.com", "p_metadata": metadata });
    let answer = call(&mut back_end, "register_user_with_token", &parameters).data.unwrap();
    assert_eq!(answer["profile"]["field_of_study"], "by the app");
    assert_no_failures(&database);
}
