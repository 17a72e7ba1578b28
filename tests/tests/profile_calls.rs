//! The calls on one profile through HTTP, by a back end and by users signed in: what each of them does and answers.

use std::sync::OnceLock;
use std::thread;

use registrar_core::{CompletionStatus, Envelope};
use registrar_tests::{Answer, Method, Stack, new_phone, one, profile_calls};
use serde_json::{Value, json};
use uuid::Uuid;

/// The shared stack with all three templates attached, `user_profiles` first.
fn stack() -> &'static Stack {
    static STACK: OnceLock<&Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let stack = Stack::shared();
        let templates =
            "SELECT registrar.create_profile_table('profiles'), registrar.create_profile_table('user_profile')";
        stack.admin().batch_execute(templates).unwrap();
        stack
    })
}

fn user() -> Uuid {
    stack().new_user(&json!({}))
}

/// A user whose profile has been deleted.
fn user_without_profile() -> Uuid {
    let user = user();
    stack().admin().execute("DELETE FROM public.user_profiles WHERE user_id = $1", &[&user]).unwrap();
    user
}

/// The row as it stands, whatever the calls say of it.
fn row(user: Uuid) -> Value {
    one(&mut stack().admin(), "SELECT to_jsonb(p) FROM public.user_profiles AS p WHERE user_id = $1", &[&user])
}

fn update(user: Uuid, updates: &Value) -> Answer {
    stack().back_end("update_profile", &json!({ "p_user_id": user, "p_updates": updates }))
}

fn completion(user: Uuid) -> CompletionStatus {
    stack().back_end("get_profile_completion_status", &json!({ "p_user_id": user })).data(200)
}

/// Every call on the own row, by the user and by a back end.
fn each_call(user: Uuid, check: impl Fn(&str, &str, Answer)) {
    for (function, mut parameters) in profile_calls() {
        check("the user", function, stack().rpc_of(user, function, &parameters));
        parameters["p_user_id"] = json!(user);
        check("the back end", function, stack().back_end(function, &parameters));
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn every_call_answers_with_its_documented_shape() {
    let user = user();
    each_call(user, |who, function, answer| {
        let (message, shape): (&str, &[&str]) = match function {
            "get_profile" => ("Profile found", &["profile", "profile_id", "user_id"]),
            "get_profile_completion_status" => {
                ("Completion status found", &["completion_percentage", "is_complete", "missing_fields"])
            }
            "verify_user_profile" => ("User has a profile", &["has_profile", "is_complete", "profile"]),
            "get_user_profile_data" => {
                ("User found", &["created_at", "email", "id", "phone", "profile", "profile_complete"])
            }
            "update_profile" => ("Profile updated successfully", &["profile", "profile_id", "user_id"]),
            _ => return drop(answer.expect_failure(409, "profile_exists")),
        };
        let Envelope { data, message: told, .. } = answer.expect_success(200);
        let data = data.unwrap();
        assert_eq!((told.as_ref(), keys(&data)), (message, shape.to_vec()), "{function} by {who}");
        if shape.contains(&"profile") {
            assert_eq!(data["profile"], row(user), "{function} by {who}");
        }
        if shape.contains(&"profile_id") {
            assert_eq!((&data["user_id"], &data["profile_id"]), (&json!(user), &row(user)["profile_id"]), "{function}");
        }
    });
}

#[test]
fn a_profile_is_created_from_the_values_given_and_else_from_the_metadata() {
    let stack = stack();
    for by_user in [false, true] {
        let user = stack.new_user(&json!({"years_of_experience": 4, "salary_min": 10, "experience_level": "mid"}));
        stack.admin().execute("DELETE FROM public.user_profiles WHERE user_id = $1", &[&user]).unwrap();
        let values = json!({"salary_min": 20, "skills_technologies": ["SQL"], "experience_level": null});
        let answer = match by_user {
            true => stack.rpc_of(user, "create_profile", &json!({ "p_values": values })),
            false => stack.back_end("create_profile", &json!({ "p_user_id": user, "p_values": values })),
        };
        let envelope = answer.expect_success(201);
        assert_eq!(envelope.message, "Profile created successfully");
        let profile = &envelope.data.unwrap()["profile"];
        assert_eq!(*profile, row(user));
        assert_eq!((&profile["years_of_experience"], &profile["salary_min"]), (&json!(4), &json!(20)));
        assert_eq!((&profile["skills_technologies"], &profile["experience_level"]), (&json!(["SQL"]), &Value::Null));
    }
}

#[test]
fn who_is_not_there_and_who_has_no_profile_are_told_apart() {
    let stack = stack();
    let (nobody, bare) = (Uuid::new_v4(), user_without_profile());
    each_call(nobody, |_, _, answer| drop(answer.expect_failure(404, "user_not_found")));
    for (function, parameters) in [
        ("get_profile", json!({})),
        ("get_profile_completion_status", json!({})),
        ("update_profile", json!({ "p_updates": {"salary_min": 1} })),
    ] {
        stack.rpc_of(bare, function, &parameters).expect_failure(404, "profile_not_found");
        let mut named = parameters.clone();
        named["p_user_id"] = json!(bare);
        stack.back_end(function, &named).expect_failure(404, "profile_not_found");
    }
    let check: Value = stack.rpc_of(bare, "verify_user_profile", &json!({})).data(200);
    assert_eq!(check, json!({"has_profile": false, "profile": null, "is_complete": false}));
    let data: Value = stack.rpc_of(bare, "get_user_profile_data", &json!({})).data(200);
    assert_eq!((&data["id"], &data["profile"], &data["profile_complete"]), (&json!(bare), &Value::Null, &json!(false)));
}

#[test]
fn a_user_who_signed_up_by_phone_has_no_email_in_the_data() {
    let (id, phone) = (Uuid::new_v4(), new_phone());
    let insert = "INSERT INTO auth.users (id, phone, created_at) VALUES ($1, $2, '2026-01-02T03:04:05Z')";
    stack().admin().execute(insert, &[&id, &&phone[1..]]).unwrap();
    let data: Value = stack().rpc_of(id, "get_user_profile_data", &json!({ "p_table": "profiles" })).data(200);
    assert_eq!((&data["email"], &data["phone"]), (&Value::Null, &json!(phone)));
    assert_eq!(
        (&data["created_at"], &data["profile"]["phone_number"]),
        (&json!("2026-01-02T03:04:05Z"), &json!(phone))
    );
    assert_eq!(data["profile_complete"], false, "it has no name");
}

#[test]
fn null_clears_and_what_is_absent_is_left_alone() {
    let stack = stack();
    let user = stack.new_user(&json!({"salary_min": 10, "salary_max": 20, "field_of_study": "Law"}));
    let before = row(user);
    let answer: Value = update(user, &json!({"salary_max": null, "salary_min": 11})).data(200);
    let mut expected = before.clone();
    (expected["salary_max"], expected["salary_min"]) = (Value::Null, json!(11));
    expected["updated_at"] = answer["profile"]["updated_at"].clone();
    assert_eq!((&answer["profile"], &row(user)), (&expected, &expected));
    assert_ne!(expected["updated_at"], before["updated_at"]);

    let refused = |answer: Answer| answer.expect_failure(400, "validation_failed").errors[0].field.clone().unwrap();
    assert_eq!(refused(update(user, &json!({"salary_currency": null}))), "salary_currency", "the column is NOT NULL");
    for nothing in [json!({}), Value::Null] {
        assert_eq!(refused(update(user, &nothing)), "updates");
        assert_eq!(refused(stack.rpc_of(user, "update_profile", &json!({ "p_updates": nothing }))), "updates");
    }
    assert_eq!(row(user), expected);
}

#[test]
fn a_call_is_about_the_table_that_it_names() {
    let stack = stack();
    let user = stack.new_user(&json!({"first_name": "Ada", "full_name": "Ada Lovelace"}));
    for (table, column, value) in
        [("profiles", "first_name", "Ada"), ("public.user_profile", "full_name", "Ada Lovelace")]
    {
        let found: Value = stack.rpc_of(user, "get_profile", &json!({ "p_table": table })).data(200);
        assert_eq!((&found["profile"][column], &found["user_id"]), (&json!(value), &json!(user)), "{table}");
        let updates = json!({ "p_table": table, "p_updates": {column: "Grace"} });
        let changed: Value = stack.rpc_of(user, "update_profile", &updates).data(200);
        assert_eq!(changed["profile"][column], "Grace");
    }
    let found: Value = stack.rpc_of(user, "get_profile", &json!({ "p_table": "profiles" })).data(200);
    assert_eq!(found["profile_id"], json!(user), "in profiles the user's id is the key");
    for (function, mut parameters) in profile_calls() {
        (parameters["p_user_id"], parameters["p_table"]) = (json!(user), json!("user_profles"));
        let errors = stack.back_end(function, &parameters).expect_failure(400, "validation_failed").errors;
        let attached = "Attached are: public.user_profiles, public.profiles, public.user_profile.";
        assert_eq!(
            (errors[0].field.as_deref(), errors[0].hint.as_deref()),
            (Some("table"), Some(attached)),
            "{function}"
        );
    }
}

#[test]
fn completion_is_told_in_percent_with_what_is_missing() {
    let user = user();
    let fields = ["years_of_experience", "experience_level", "education_level"];
    for (cleared, percentage) in [(0, 100), (1, 66), (2, 33), (3, 0)] {
        if cleared > 0 {
            update(user, &json!({ fields[cleared - 1]: null })).expect_success(200);
        }
        let expected = CompletionStatus {
            is_complete: cleared == 0,
            completion_percentage: percentage,
            missing_fields: fields[..cleared].iter().map(|&field| field.to_owned()).collect(),
        };
        assert_eq!(completion(user), expected);
    }
    let named = json!({ "p_user_id": user, "p_table": "profiles", "p_updates": {"first_name": "", "last_name": "L"} });
    stack().back_end("update_profile", &named).expect_success(200);
    let status: CompletionStatus = stack()
        .back_end("get_profile_completion_status", &json!({ "p_user_id": user, "p_table": "profiles" }))
        .data(200);
    assert_eq!(
        (status.completion_percentage, status.missing_fields),
        (50, vec!["first_name".to_owned()]),
        "'' is empty"
    );
}

#[test]
fn profile_completed_says_what_the_status_says_after_every_write() {
    let (stack, user) = (stack(), user());
    let patch = |columns: &Value| {
        let request = stack.table(Method::PATCH, &format!("user_profiles?user_id=eq.{user}"));
        let answer = request.key(stack.secret().user_key(user)).json(columns).send();
        assert_eq!(
            (answer.status, answer.json::<Value>()[0]["user_id"].clone()),
            (200, json!(user)),
            "{}",
            answer.body
        );
    };
    let by_call = |columns: &Value| {
        drop(stack.rpc_of(user, "update_profile", &json!({ "p_updates": columns })).expect_success(200))
    };
    let by_sql = |columns: &Value| {
        let set = "UPDATE public.user_profiles SET experience_level = $2::jsonb ->> 'experience_level',
                   profile_completed = NOT profile_completed WHERE user_id = $1";
        assert_eq!(stack.admin().execute(set, &[&user, columns]).unwrap(), 1);
    };
    let agree = |expected: bool| {
        let status = completion(user);
        assert_eq!((status.is_complete, &row(user)["profile_completed"]), (expected, &json!(expected)), "{status:?}");
    };
    agree(true);
    for write in [&patch as &dyn Fn(&Value), &by_call, &by_sql] {
        write(&json!({"experience_level": null}));
        agree(false);
        write(&json!({"experience_level": "lead"}));
        agree(true);
    }
}

#[test]
fn two_writers_at_once_lose_nothing_of_either() {
    let (stack, user) = (stack(), user());
    let write = |field: &'static str, writer: usize| {
        for round in 0..10 {
            stack.rpc_of(user, "update_profile", &json!({ "p_updates": {field: round} })).expect_success(200);
            let now = &row(user)[field];
            assert_eq!(*now, json!(round), "writer {writer} finds its own value in {field}");
        }
    };
    thread::scope(|scope| {
        for (writer, field) in ["years_of_experience", "salary_min"].into_iter().enumerate() {
            scope.spawn(move || write(field, writer));
        }
    });
    assert_eq!((&row(user)["years_of_experience"], &row(user)["salary_min"]), (&json!(9), &json!(9)));
}
