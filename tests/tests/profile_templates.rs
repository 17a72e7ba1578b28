//! The tables that `create_profile_table` makes: what is in them, what keeps it right, and the variants of options.

use postgres::Client;
use registrar_tests::{Database, all, one, plain_database, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

const TEMPLATES: [(&str, &str); 3] = [("profiles", "id"), ("user_profiles", "user_id"), ("user_profile", "user_id")];

fn with_all_templates() -> Database {
    let database = supabase_database();
    for (template, _) in TEMPLATES {
        create(&mut database.admin().unwrap(), template, json!({})).unwrap();
    }
    database
}

/// Makes a table from a template; the faults where it is refused.
fn create(client: &mut Client, template: &str, options: Value) -> Result<String, String> {
    let made = client.query_one("SELECT registrar.create_profile_table($1, $2)", &[&template, &options]);
    made.map(|row| row.get(0)).map_err(|error| {
        let error = error.as_db_error().expect("PostgreSQL refuses");
        error.detail().unwrap_or(error.message()).to_owned()
    })
}

#[test]
fn each_template_is_the_table_that_the_documentation_shows() {
    let database = with_all_templates();
    let mut admin = database.admin().unwrap();
    let columns = "SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), 'DEFAULT ' || pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum)
                   FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                   WHERE attrelid = ('public.' || $1::text)::regclass AND attnum > 0";
    let mut columns = |table: &str| one::<String>(&mut admin, columns, &[&table]);
    assert_eq!(
        columns("profiles"),
        "id uuid, first_name text, last_name text, phone_number text, account_type text DEFAULT 'personal'::text, \
         created_at timestamp with time zone DEFAULT now(), updated_at timestamp with time zone DEFAULT now()"
    );
    assert_eq!(
        columns("user_profiles"),
        "profile_id uuid DEFAULT gen_random_uuid(), user_id uuid, years_of_experience integer DEFAULT 0, \
         experience_level text DEFAULT 'entry'::text, education_level text DEFAULT 'bachelors'::text, field_of_study text, \
         skills_technologies text[] DEFAULT '{}'::text[], work_arrangement_preference text DEFAULT 'any'::text, \
         preferred_locations text[] DEFAULT '{}'::text[], salary_min integer, salary_max integer, \
         salary_currency text DEFAULT 'USD'::text, profile_completed boolean DEFAULT false, \
         created_at timestamp with time zone DEFAULT now(), updated_at timestamp with time zone DEFAULT now()"
    );
    assert_eq!(
        columns("user_profile"),
        "id uuid DEFAULT gen_random_uuid(), user_id uuid, full_name text, \
         created_at timestamp with time zone DEFAULT now(), updated_at timestamp with time zone DEFAULT now()"
    );
    let keys = "SELECT conrelid::regclass::text || ' ' || confupdtype::text || confdeltype::text FROM pg_constraint
                WHERE contype = 'f' AND confrelid = 'auth.users'::regclass AND connamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, keys, &[]), ["profiles cc", "user_profile cc", "user_profiles cc"]);
    let secured = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relrowsecurity ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, secured, &[]), ["profiles", "user_profile", "user_profiles"]);
    let indexed = "SELECT count(*) FROM pg_indexes WHERE tablename = 'user_profile' AND indexdef LIKE '%(full_name)'";
    assert_eq!(one::<i64>(&mut admin, indexed, &[]), 1);
    let attached = "SELECT table_name::text FROM registrar.profile_tables";
    assert_eq!(all::<String>(&mut admin, attached, &[]), ["user_profiles", "profiles", "user_profile"]);
}

#[test]
fn made_again_a_template_changes_nothing() {
    let database = with_all_templates();
    let mut admin = database.admin().unwrap();
    database.sign_up("user@example.com", &json!({ "full_name": "Ada" }));
    let script = || {
        let script = database.script(&["--inserts"]);
        script.lines().filter(|line| !line.contains("setval")).collect::<Vec<_>>().join("\n")
    };
    let before = script();
    for (template, _) in TEMPLATES {
        assert_eq!(create(&mut admin, template, json!({})).unwrap(), format!("public.{template}"));
    }
    assert_eq!(script(), before);
}

#[test]
fn a_row_changed_by_anybody_tells_when() {
    let database = with_all_templates();
    let user = database.sign_up("user@example.com", &json!({}));
    for (table, user_column) in TEMPLATES {
        let of_row = |column: &str| {
            database.row(&format!("public.{table}"), user_column, user).unwrap()[column].as_str().unwrap().to_owned()
        };
        assert_eq!(of_row("created_at"), of_row("updated_at"), "{table}");
        let made = of_row("created_at");
        let column = match table {
            "profiles" => "first_name",
            "user_profiles" => "field_of_study",
            _ => "full_name",
        };
        database.psql(&format!("UPDATE public.{table} SET {column} = 'x'")).unwrap();
        assert!(of_row("updated_at") > made, "{table}");
        assert_eq!(of_row("created_at"), made, "{table}");
        database.psql(&format!("UPDATE public.{table} SET updated_at = '2000-01-01T00:00:00Z'")).unwrap();
        assert!(of_row("updated_at").starts_with("2000-01-01"), "{table}: a row that is restored brings its own time");
        let may_make_it_up =
            format!("SELECT has_column_privilege('authenticated', 'public.{table}', 'updated_at', 'UPDATE')");
        assert!(!one::<bool>(&mut database.admin().unwrap(), &may_make_it_up, &[]), "{table}: nobody else does");
    }
}

#[test]
fn profile_completed_is_true_exactly_when_the_required_fields_are_filled_whoever_writes_the_row() {
    let database = supabase_database();
    let user = database.sign_up("user@example.com", &json!({}));
    let mut admin = database.admin().unwrap();
    let mut completed_after = |set: &str| -> bool {
        one(&mut admin, &format!("UPDATE public.user_profiles SET {set} RETURNING profile_completed"), &[])
    };
    assert!(completed_after("field_of_study = NULL"), "the required fields have defaults");
    assert!(!completed_after("years_of_experience = NULL"));
    assert!(!completed_after("profile_completed = true"), "nobody can claim it");
    assert!(completed_after("years_of_experience = 0"), "nought is an answer");
    assert!(completed_after("profile_completed = false"), "nor deny it");
    assert!(!completed_after("experience_level = NULL, education_level = 'phd'"));
    assert!(completed_after("experience_level = 'lead'"));
    let status = "SELECT registrar.get_profile_completion_status($1) -> 'data'";
    let status: Value = one(&mut admin, status, &[&user]);
    assert_eq!(status, json!({ "is_complete": true, "completion_percentage": 100, "missing_fields": [] }));
}

#[test]
fn the_checks_of_a_template_hold_for_everybody() {
    let database = supabase_database();
    database.sign_up("user@example.com", &json!({}));
    for set in [
        "experience_level = 'wizard'",
        "education_level = 'none'",
        "work_arrangement_preference = 'never'",
        "years_of_experience = -1",
        "years_of_experience = 101",
        "salary_min = -1",
        "salary_min = 2, salary_max = 1",
        "salary_currency = 'dollars'",
    ] {
        let refused =
            database.admin().unwrap().batch_execute(&format!("UPDATE public.user_profiles SET {set}")).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "23514", "{set}");
    }
}

#[test]
fn a_profile_goes_with_its_user() {
    let database = with_all_templates();
    let user = database.sign_up("user@example.com", &json!({}));
    let moved = Uuid::new_v4();
    let mut admin = database.admin().unwrap();
    admin.execute("UPDATE auth.users SET id = $1 WHERE id = $2", &[&moved, &user]).unwrap();
    for (table, user_column) in TEMPLATES {
        assert!(database.row(&format!("public.{table}"), user_column, moved).is_some(), "{table}");
    }
    admin.execute("DELETE FROM auth.users", &[]).unwrap();
    for (table, _) in TEMPLATES {
        assert_eq!(one::<i64>(&mut admin, &format!("SELECT count(*) FROM public.{table}"), &[]), 0, "{table}");
    }
}

#[test]
fn a_variant_is_a_line_of_json() {
    let database = supabase_database();
    let mut admin = database.admin().unwrap();
    let student = json!({
        "name": "student_profiles",
        "defaults": { "education_level": "high_school", "years_of_experience": null, "skills_technologies": ["reading", "it's"] },
        "required": ["education_level", "field_of_study"],
    });
    let executive = json!({
        "name": "Executive Profiles", "schema": "public", "on_failure": "block",
        "defaults": { "experience_level": "executive", "years_of_experience": 15 }, "required": ["salary_min"],
    });
    assert_eq!(create(&mut admin, "user_profiles", student.clone()).unwrap(), "public.student_profiles");
    assert_eq!(create(&mut admin, "user_profiles", executive).unwrap(), "public.Executive Profiles");
    create(&mut admin, "user_profiles", student).expect("made again it is the same");

    let user = database.sign_up("user@example.com", &json!({ "field_of_study": "law" }));
    assert_eq!(database.profile_failures(user), []);
    let as_student = database.row("public.student_profiles", "user_id", user).unwrap();
    assert_eq!(
        (&as_student["education_level"], &as_student["years_of_experience"], &as_student["skills_technologies"]),
        (&json!("high_school"), &Value::Null, &json!(["reading", "it's"]))
    );
    assert_eq!((&as_student["experience_level"], &as_student["profile_completed"]), (&json!("entry"), &json!(true)));
    let as_executive = database.row("public.\"Executive Profiles\"", "user_id", user).unwrap();
    assert_eq!(
        (&as_executive["experience_level"], &as_executive["years_of_experience"], &as_executive["profile_completed"]),
        (&json!("executive"), &json!(15), &json!(false)),
        "a variant is complete by its own required fields"
    );
    assert_eq!(database.profile(user).unwrap()["experience_level"], "entry", "the template's own table is another");
    let policies = "SELECT on_failure FROM registrar.profile_tables";
    assert_eq!(all::<String>(&mut admin, policies, &[]), ["queue", "queue", "block"]);

    let bulk = "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 2) RETURNING id";
    for user in all::<Uuid>(&mut admin, bulk, &[]) {
        let row = database.row("public.student_profiles", "user_id", user).unwrap();
        assert_eq!(row["education_level"], "high_school", "of many users at once, too");
        assert_eq!(row["years_of_experience"], Value::Null);
    }
}

#[test]
fn a_variant_made_again_with_other_options_is_as_they_say_now() {
    let database = supabase_database();
    let mut admin = database.admin().unwrap();
    let early = database.sign_up("early@example.com", &json!({}));
    let options = json!({ "required": ["field_of_study"], "defaults": { "experience_level": "junior" } });
    create(&mut admin, "user_profiles", options).unwrap();
    assert_eq!(database.profile(early).unwrap()["profile_completed"], false, "also of those who are there");
    assert_eq!(database.profile(early).unwrap()["experience_level"], "entry", "whose values stay");
    let late = database.sign_up("late@example.com", &json!({ "field_of_study": "law" }));
    let late = database.profile(late).unwrap();
    assert_eq!((&late["profile_completed"], &late["experience_level"]), (&json!(true), &json!("junior")));
}

#[test]
fn options_that_cannot_be_are_refused_and_make_nothing() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    for (template, options, words) in [
        (
            "user_profile_s",
            json!({}),
            "p_template: There is no such template. Templates are: profiles, user_profiles, user_profile.",
        ),
        ("user_profiles", json!({ "nam": "x" }), "unknown field `nam`"),
        ("user_profiles", json!([]), "p_options"),
        (
            "user_profiles",
            json!({ "name": "x", "defaults": { "experience_levle": "mid" } }),
            "experience_levle: The template has no such field. Did you mean experience_level?",
        ),
        (
            "user_profiles",
            json!({ "name": "x", "required": ["profile_id"] }),
            "profile_id: The template has no such field.",
        ),
        ("user_profiles", json!({ "name": "x", "on_failure": "panic" }), "There is no such policy."),
        ("user_profiles", json!({ "name": "x", "schema": "nowhere" }), "nowhere"),
        ("user_profiles", json!({ "name": "x", "defaults": { "years_of_experience": "many" } }), "years_of_experience"),
        ("user_profiles", json!({ "name": "x", "defaults": { "years_of_experience": 900 } }), "years_of_experience"),
        ("user_profiles", json!({ "name": "x", "defaults": { "experience_level": "wizard" } }), "experience_level"),
        (
            "user_profiles",
            json!({ "name": "x", "defaults": { "work_arrangement_preference": null } }),
            "work_arrangement_preference",
        ),
    ] {
        let refused = create(&mut admin, template, options.clone()).expect_err(&format!("{template} {options}"));
        assert!(refused.contains(words), "{template} {options}: {refused}");
    }
    let refused = admin.batch_execute("SELECT registrar.create_profile_table(NULL)").unwrap_err();
    let refused = refused.as_db_error().unwrap();
    assert!(refused.detail().unwrap_or_default().contains("There is no such template."), "{refused:?}");
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    assert_eq!(all::<String>(&mut admin, tables, &[]), ["user_profiles"]);
    let functions = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, functions, &[]), ["user_profiles_complete", "user_profiles_touch"]);
}

#[test]
fn a_name_as_long_as_names_can_be_is_a_name() {
    let database = supabase_database();
    let mut admin = database.admin().unwrap();
    let name = "n".repeat(63);
    create(&mut admin, "user_profiles", json!({ "name": name })).unwrap();
    let user = database.sign_up("user@example.com", &json!({}));
    let table = format!("public.{name}");
    assert_eq!(database.row(&table, "user_id", user).unwrap()["profile_completed"], true);
    database.psql(&format!("UPDATE {table} SET years_of_experience = NULL")).unwrap();
    let row = database.row(&table, "user_id", user).unwrap();
    assert_eq!(row["profile_completed"], false);
    assert_ne!(row["updated_at"], row["created_at"], "both triggers are there");
}

#[test]
fn a_function_of_the_apps_own_is_not_overwritten() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    for function in ["touch", "complete"] {
        let mine = format!(
            "CREATE FUNCTION public.people_{function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'mine'; END $$"
        );
        admin.batch_execute(&mine).unwrap();
        let _ = create(&mut admin, "user_profiles", json!({ "name": "people" }));
        let source = format!("SELECT prosrc FROM pg_proc WHERE oid = 'public.people_{function}()'::regprocedure");
        assert!(one::<String>(&mut admin, &source, &[]).contains("mine"), "{function}");
        admin
            .batch_execute(&format!(
                "DROP FUNCTION public.people_{function} CASCADE; DROP TABLE IF EXISTS public.people"
            ))
            .unwrap();
    }
}
