//! What the calls on one profile refuse, through HTTP: who may not, what does not fit, and what no honest caller sends.

use registrar_tests::{Answer, Role, Stack, one, profile_calls, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

fn user() -> Uuid {
    Stack::shared().new_user(&json!({}))
}

/// A user whose profile has been deleted.
fn user_without_profile() -> Uuid {
    let user = user();
    Stack::shared().admin().execute("DELETE FROM public.user_profiles WHERE user_id = $1", &[&user]).unwrap();
    user
}

/// The row as it stands, whatever the calls say of it.
fn row(user: Uuid) -> Value {
    one(&mut Stack::shared().admin(), "SELECT to_jsonb(p) FROM public.user_profiles AS p WHERE user_id = $1", &[&user])
}

fn update(user: Uuid, updates: &Value) -> Answer {
    Stack::shared().back_end("update_profile", &json!({ "p_user_id": user, "p_updates": updates }))
}

/// The fields that an answer complains of, sorted, each with its hint.
#[track_caller]
fn complaints(answer: &Answer) -> Vec<(String, Option<String>)> {
    let errors = answer.expect_failure(400, "validation_failed").errors;
    let told = errors.into_iter().map(|error| {
        assert_eq!(error.code.as_str(), "validation_failed", "{}", answer.body);
        (error.field.expect("it is about a field").into_owned(), error.hint.map(String::from))
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

#[test]
fn every_bad_field_is_told_at_once_with_its_allowed_values() {
    let (with, without) = (user(), user_without_profile());
    let levels = "Allowed values: entry, junior, mid, senior, lead, executive.";
    let degrees = "Allowed values: high_school, associates, bachelors, masters, phd, other.";
    let values = json!({
        "experience_level": "wizard", "education_level": ["masters"], "work_arrangement_preference": "",
        "years_of_experience": -1, "salary_min": "much", "salary_max": 1.5, "salary_currency": "EURO",
        "skills_technologies": "Rust", "preferred_locations": vec!["Berlin"; 201], "field_of_study": "x".repeat(201),
        "experience_levels": 1,
    });
    let hint = |text: &str| Some(text.to_owned());
    let mut expected: Vec<(String, Option<String>)> = [
        ("education_level", hint(degrees)),
        ("experience_level", hint(levels)),
        ("experience_levels", hint("Did you mean experience_level?")),
        ("work_arrangement_preference", hint("Allowed values: any, remote, hybrid, on_site.")),
    ]
    .map(|(field, hint)| (field.to_owned(), hint))
    .into();
    let unlisted = ["field_of_study", "preferred_locations", "salary_currency", "salary_max", "salary_min"];
    expected.extend(unlisted.map(|field| (field.to_owned(), None)));
    expected.extend(["skills_technologies", "years_of_experience"].map(|field| (field.to_owned(), None)));
    expected.sort();
    for (user, (function, parameter)) in
        [(without, ("create_profile", "p_values")), (with, ("update_profile", "p_updates"))]
    {
        let answer = Stack::shared().rpc_of(user, function, &json!({ parameter: values }));
        assert_eq!(complaints(&answer), expected, "{function}");
        assert_eq!(answer.envelope().message, "11 fields need attention.");
        let named = json!({ parameter: values, "p_user_id": user });
        assert_eq!(complaints(&Stack::shared().back_end(function, &named)), expected, "{function}");
    }
}

#[test]
fn an_unknown_field_is_named_with_the_nearest_one_or_all() {
    let user = user();
    let hints: Vec<_> =
        complaints(&update(user, &json!({"salery_min": 1, "profile_completed": true, "user_id": user})));
    let all = hints.iter().find(|(field, _)| field == "profile_completed").and_then(|(_, hint)| hint.clone()).unwrap();
    assert!(all.starts_with("Fields are: years_of_experience, experience_level,"), "{all}");
    assert!(!all.contains("profile_completed") && !all.contains("user_id"), "{all}");
    let expected = [("profile_completed", all.as_str()), ("salery_min", "Did you mean salary_min?"), ("user_id", &all)];
    assert_eq!(hints, expected.map(|(field, hint)| (field.to_owned(), Some(hint.to_owned()))));
}

#[test]
fn a_rule_of_the_table_is_told_by_the_fields_that_it_is_about() {
    let user = user();
    let told = complaints(&update(user, &json!({"salary_min": 10, "salary_max": 5, "field_of_study": "Law"})));
    assert_eq!(told, [("salary_max".to_owned(), None), ("salary_min".to_owned(), None)]);
    assert_eq!(complaints(&update(user, &json!({"salary_currency": "eur"}))), [("salary_currency".to_owned(), None)]);
    assert_eq!(row(user)["field_of_study"], Value::Null, "nothing of it was written");
}

#[test]
fn a_value_that_another_row_excludes_is_told_by_its_field_as_one_that_another_row_has() {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, handle text UNIQUE,
                 room text, EXCLUDE USING btree (room WITH =))",
        )
        .unwrap();
    database.attach("public.people", "id", &json!(["handle", "room"]));
    database.sign_up("first@example.com", &json!({ "handle": "ada", "room": "attic" }));
    let user = database.sign_up("second@example.com", &json!({}));
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    for (updates, constraint) in
        [(json!({ "handle": "ada" }), "people_handle_key"), (json!({ "room": "attic" }), "people_room_excl")]
    {
        let mut refused = |call: &str| {
            let answer: Value = one(&mut back_end, call, &[&user, &updates]);
            let error = &answer["errors"][0];
            assert_eq!(error["message"], format!("The value violates the constraint {constraint}."), "{answer}");
            assert_eq!((error["code"].as_str(), answer["data"].is_null()), (Some("validation_failed"), true));
        };
        refused("SELECT registrar.update_profile($1, $2, 'public.people')");
        database.psql(&format!("DELETE FROM public.people WHERE id = '{user}'")).unwrap();
        refused("SELECT registrar.create_profile($1, $2, 'public.people')");
        let answer: Value =
            one(&mut back_end, "SELECT registrar.create_profile($1, $2, 'public.people')", &[&user, &json!({})]);
        assert_eq!(answer["success"], true, "{answer}");
    }
}

#[test]
fn a_user_reaches_the_own_profile_and_no_other() {
    let (stack, user, other) = (Stack::shared(), user(), user());
    let before = row(other);
    for (function, mut parameters) in profile_calls() {
        let missing = stack.back_end(function, &parameters);
        assert_eq!(complaints(&missing)[0].0, "user_id", "a back end says whose: {function}");
        parameters["p_user_id"] = json!(other);
        let answer = stack.rpc_of(user, function, &parameters);
        assert_eq!(answer.expect_failure(403, "forbidden").message, "Only what is one's own may be read or changed.");
        let claims = [json!({"role": "authenticated"}), json!({"role": "authenticated", "sub": "nobody"})];
        for key in claims.map(|claims| stack.secret().sign(&claims)) {
            let answer = stack.request(function).key(key).json(&parameters).send().unwrap();
            assert_eq!(answer.expect_failure(403, "forbidden").message, "Nobody is signed in.");
        }
    }
    assert_eq!(row(other), before);
}

#[test]
fn whoever_is_not_signed_in_reaches_nothing_and_a_user_no_call_of_the_back_end() {
    let (stack, user) = (Stack::shared(), user());
    let of_a_back_end = [
        "create_profiles",
        "update_profiles",
        "import_profiles",
        "export_profiles",
        "profile_stats",
        "repair_profiles",
        "backfill_profiles_batch",
    ];
    let all: Vec<_> = profile_calls().map(|(function, _)| function).chain(of_a_back_end).collect();
    let keys =
        [(None, &all[..]), (Some(stack.key(Role::Anon)), &all), (Some(stack.secret().user_key(user)), &of_a_back_end)];
    for (key, functions) in keys {
        for function in functions {
            let call = stack.request(function);
            let answer = key.iter().fold(call, |call, key| call.key(key)).send().unwrap();
            assert!([401, 403].contains(&answer.status), "{function}: {} {}", answer.status, answer.body);
            assert_eq!(answer.json::<Value>()["code"], "42501", "{function}: {}", answer.body);
        }
    }
}

/// A value of `p_updates` as JSON text, some of which no library would write.
fn hostile_updates() -> Vec<(&'static str, String)> {
    let deep = |levels: usize| format!("{{\"field_of_study\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    let mebibyte = "x".repeat(1 << 20);
    vec![
        ("array", "[]".into()),
        ("text", "\"salary_min\"".into()),
        ("number", "7".into()),
        ("boolean", "true".into()),
        ("33 levels", deep(33)),
        ("10,000 levels", deep(10_000)),
        ("100,000 levels", deep(100_000)),
        ("a text of 1 MiB", format!("{{\"field_of_study\": \"{mebibyte}\"}}")),
        ("1 MiB in an array", format!("{{\"skills_technologies\": [\"{mebibyte}\"]}}")),
        ("1 MiB for a number", format!("{{\"salary_min\": \"{mebibyte}\"}}")),
        ("1 MiB for a word", format!("{{\"experience_level\": \"{mebibyte}\"}}")),
        ("a name of 1 MiB", format!("{{\"{mebibyte}\": 1}}")),
        ("NUL in a text", r#"{"field_of_study": "a\u0000b"}"#.into()),
        ("NUL in a name", r#"{"a\u0000b": 1}"#.into()),
        ("NUL in an array", r#"{"skills_technologies": ["\u0000"]}"#.into()),
        ("half a character", r#"{"field_of_study": "\ud800"}"#.into()),
        ("a number without end", r#"{"salary_min": 1e400}"#.into()),
        ("a number beyond the type", r#"{"salary_min": 2147483648}"#.into()),
        ("not a number", r#"{"years_of_experience": "NaN"}"#.into()),
        ("SQL", r#"{"experience_level": "'; DROP TABLE user_profiles; --"}"#.into()),
        ("SQL in a name", r#"{"salary_min = 0; --": 1}"#.into()),
        ("arrays in an array", r#"{"skills_technologies": [["SQL"]]}"#.into()),
    ]
}

#[test]
fn what_no_honest_caller_sends_is_refused_and_changes_nothing() {
    let (stack, user) = (Stack::shared(), user());
    let (before, signs) = (row(user), stack.cluster().crash_signs().unwrap());
    let send = |what: &str, body: String| {
        for (key, who) in [(stack.key(Role::ServiceRole), "back end"), (stack.secret().user_key(user), "user")] {
            let answer = stack.request("update_profile").key(key).body(body.clone()).send().unwrap();
            let start: String = answer.body.chars().take(200).collect();
            assert!((400..500).contains(&answer.status), "{what} by the {who}: {} {start}", answer.status);
            let told: Value = answer.json();
            assert!(told["message"].as_str().is_some_and(|text| !text.is_empty()), "{what} by the {who}: {start}");
        }
    };
    for (what, updates) in hostile_updates() {
        send(what, format!("{{\"p_user_id\": \"{user}\", \"p_updates\": {updates}}}"));
    }
    for id in ["", "nobody", "{}", "00000000-0000-0000-0000-00000000000", "'; --"] {
        send(id, json!({ "p_user_id": id, "p_updates": {"salary_min": 1} }).to_string());
    }
    for body in ["", "not JSON", "[]", "{\"p_updates\": {\"salary_min\": 1}", "{\"p_nothing\": 1}"] {
        send(body, body.to_owned());
    }
    assert_eq!((row(user), stack.cluster().crash_signs().unwrap()), (before, signs));
}

#[test]
fn without_a_profile_table_every_call_says_what_to_do() {
    let own = Stack::start().unwrap();
    let user = own.new_user(&json!({}));
    let each = |status: u16, code: &str, words: &[&str]| {
        for (function, mut parameters) in profile_calls() {
            let of_the_user = own.rpc_of(user, function, &parameters);
            parameters["p_user_id"] = json!(user);
            for answer in [of_the_user, own.back_end(function, &parameters)] {
                let error = &answer.expect_failure(status, code).errors[0];
                let told = format!("{} {}", error.message, error.hint.as_deref().unwrap_or_default());
                assert!(words.iter().all(|word| told.contains(word)), "{function}: {told}");
            }
        }
    };
    own.admin().batch_execute("DROP TABLE public.user_profiles").unwrap();
    each(500, "internal", &["public.user_profiles"]);
    own.admin().batch_execute("SELECT registrar.detach_profile_table('user_profiles')").unwrap();
    each(
        400,
        "validation_failed",
        &["No profile table is attached", "registrar.create_profile_table('user_profiles')"],
    );
}
