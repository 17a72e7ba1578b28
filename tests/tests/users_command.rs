//! `registrar users` against a real stack: create, get, list, update, delete, and a backup that restores.

use std::fs;

use registrar_tests::{Program, Role, Stack, all, new_email, new_phone, one, token_of};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

fn program() -> Program {
    Program::of(Stack::shared())
}

#[test]
fn a_user_is_made_found_changed_and_deleted_from_the_command_line() {
    let (email, phone) = (new_email("line"), new_phone());
    let arguments =
        ["users", "create", &email, "--phone", &phone, "--full-name", "Ada", "--superuser", "--password-stdin"];
    let run = program().run_with(&arguments, PASSWORD);
    assert_eq!(run.code, 0, "{run:?}");
    for said in [email.as_str(), &phone, "token expires at", "superuser"] {
        assert!(run.stdout.contains(said), "{said}: {run:?}");
    }
    assert!(!run.stdout.contains("argon2") && !run.stdout.contains(PASSWORD));
    let found = program().json(&["users", "get", &phone]).data();
    let id = found["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&found["email"], &found["is_superuser"], &found["is_verified"]),
        (&json!(email), &json!(true), &json!(false))
    );
    assert_eq!(program().json(&["users", "get", &email.to_uppercase()]).data()["id"], json!(id));

    let arguments = [
        "users",
        "update",
        &id,
        "--verified",
        "true",
        "--superuser",
        "false",
        "--clear",
        "phone",
        "--metadata",
        r#"{"plan": "free"}"#,
    ];
    let saved = program().json(&arguments).data();
    assert_eq!(
        (&saved["user"]["is_verified"], &saved["user"]["is_superuser"], &saved["user"]["phone"]),
        (&json!(true), &json!(false), &Value::Null)
    );
    let parameters = json!({ "p_email": email, "p_password": PASSWORD });
    Stack::shared().back_end("sign_in_with_password", &parameters).expect_success(200);

    let prefix = email.split('@').next().unwrap();
    let listed = program().run(&["users", "list", "--email-prefix", prefix]);
    assert!(listed.code == 0 && listed.stdout.contains(&id) && listed.stdout.contains("1 users."), "{listed:?}");
    let page = program().json(&["users", "list", "--limit", "1"]).data();
    assert_eq!((page["users"].as_array().map(Vec::len), &page["next"]), (Some(1), &page["users"][0]["id"]));

    assert_eq!(program().run(&["users", "delete", &id, "--soft"]).code, 0);
    program().run(&["users", "get", &id]).assert_failed(3, &["There is no such user"]);
    assert_eq!(program().run(&["users", "delete", &id]).code, 0);
    program().run(&["users", "delete", &id]).assert_failed(3, &["There is no such user"]);
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let email = new_email("twice");
    assert_eq!(program().run(&["users", "create", &email]).code, 0);
    program().run(&["users", "create", &email]).assert_failed(4, &["This email is already in use"]);
    program().run(&["users", "create"]).assert_failed(1, &["An e-mail address or a phone number is required"]);
    program().run(&["users", "create", "nobody", "--role", "emperor"]).assert_failed(1, &["email"]);
    program()
        .run_with(&["users", "create", &new_email("weak"), "--password-stdin"], "short")
        .assert_failed(1, &["password"]);
    program()
        .run(&["users", "update", &Uuid::new_v4().to_string(), "--full-name", "Ada"])
        .assert_failed(3, &["no such user"]);
    let id = program().json(&["users", "get", &email]).data()["id"].as_str().unwrap().to_owned();
    program().run(&["users", "update", &id]).assert_failed(1, &["nothing to update"]);
    assert_eq!(program().run(&["users", "update", "nobody", "--full-name", "Ada"]).code, 2);
    assert_eq!(program().run(&["users", "list", "--limit", "0"]).code, 2);
    program().run(&["users", "export", "--with-hashes"]).assert_failed(6, &["registrar.export_password_hashes"]);
    program().run(&["users", "export", "--output", "json"]).assert_failed(2, &["--file"]);
}

/// Everything that a backup must bring back of each user.
const COMPARED: &str = "
    SELECT to_jsonb(u) - 'updated_at' - 'confirmation_sent_at'
        || jsonb_build_object('identities', (
            SELECT jsonb_agg(ARRAY[
                to_jsonb(i.provider), i.identity_data -> 'sub', i.identity_data -> 'email', i.identity_data -> 'phone',
                i.identity_data -> 'email_verified', i.identity_data -> 'phone_verified'
            ] ORDER BY i.provider)
            FROM auth.identities AS i WHERE i.user_id = u.id
        ))
    FROM auth.users AS u ORDER BY u.id";

/// Users of every kind that can be imported.
fn populate(stack: &Stack) {
    let create = |values: &Value| {
        stack.rpc(Role::ServiceRole, "create_user", &json!({ "p_values": values })).expect_success(201);
    };
    create(&json!({ "email": "verified@example.com", "password": PASSWORD, "full_name": "Ada", "is_verified": true }));
    create(&json!({ "email": "admin@example.com", "role": "admin", "is_superuser": true, "is_verified": true }));
    create(&json!({ "email": "waiting@example.com", "phone": new_phone(), "metadata": { "plan": ["free", null] } }));
    create(&json!({ "phone": new_phone(), "is_verified": true, "is_active": false }));
    let registration = stack.registered(&json!({ "p_email": "registered@example.com", "p_password": PASSWORD }));
    stack.verified(token_of(&registration));
    let sign_in = json!({ "p_email": "registered@example.com", "p_password": PASSWORD });
    stack.rpc(Role::ServiceRole, "sign_in_with_password", &sign_in).expect_success(200);
    // One whose hash only registrar can verify: `password`, by Django.
    let rows = json!([{ "position": 1, "columns": { "email": "django@example.com",
        "password_hash": "pbkdf2_sha256$1000$salt$fSJ/tqkYzkGNC63Q5ypYYy9pFlZ1vWUjHLvR1CuPIrk=" } }]);
    let parameters = json!({ "p_source": "django", "p_rows": rows });
    let report: Value = stack.rpc(Role::ServiceRole, "import_user_rows", &parameters).data(200);
    assert_eq!(report["imported"], 1, "{report}");
}

#[test]
fn an_export_is_a_backup_that_restores_row_by_row() {
    let source = Stack::builder().unwrap().server_setting("registrar.export_password_hashes", "on").start().unwrap();
    populate(&source);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("users.jsonl");
    let file = file.to_str().unwrap();
    let exported = Program::of(&source).json(&["users", "export", "--with-hashes", "--file", file]);
    assert_eq!(exported.data()["users"], 6, "{exported:?}");
    Program::of(&source).run(&["users", "export", "--file", file]).assert_failed(2, &["exists already"]);

    let target = Stack::start().unwrap();
    let import = ["users", "import", file, "--preset", "supabase"];
    let restored = Program::of(&target).json(&import);
    assert_eq!((restored.code, &restored.data()["imported"]), (0, &json!(6)), "{restored:?}");
    let rows = |stack: &Stack| -> Vec<Value> { all(&mut stack.admin(), COMPARED, &[]) };
    let (mut before, mut after) = (rows(&source), rows(&target));
    for row in before.iter_mut().chain(&mut after) {
        // The hash that is not Supabase Auth's stands in registrar's own table, under a reference that is made anew.
        let hash = row["encrypted_password"].as_str().unwrap_or_default();
        if hash.starts_with("$registrar-legacy$") {
            row["encrypted_password"] = json!("legacy");
        }
    }
    assert_eq!(before.len(), 6);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    let legacy = "SELECT hash FROM registrar_private.legacy_passwords";
    let hashes = [&source, &target].map(|stack| one::<String>(&mut stack.admin(), legacy, &[]));
    assert_eq!(hashes[0], hashes[1]);
    let again = Program::of(&target).json(&import);
    assert_eq!((&again.data()["imported"], &again.data()["repeated"]), (&json!(0), &json!(6)));

    let plain = Program::of(&source).run(&["users", "export"]);
    assert_eq!((plain.code, plain.stdout.lines().count()), (0, 6), "{plain:?}");
    assert!(
        !plain.stdout.contains("argon2")
            && !plain.stdout.contains("pbkdf2")
            && !plain.stdout.contains("encrypted_password")
    );
    assert!(fs::read_to_string(file).unwrap().contains("pbkdf2"));
}

#[test]
fn a_hash_that_needs_a_pepper_stays_behind_and_that_is_told() {
    let stack = Stack::builder().unwrap().server_setting("registrar.export_password_hashes", "on").start().unwrap();
    let rows = json!([{ "position": 1, "columns": { "email": "devise@example.com",
        "encrypted_password": "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" } }]);
    let parameters =
        json!({ "p_source": "devise", "p_rows": rows, "p_mapping": "devise", "p_options": { "pepper": "a pepper" } });
    stack.rpc(Role::ServiceRole, "import_user_rows", &parameters).expect_success(200);
    let run = Program::of(&stack).run(&["users", "export", "--with-hashes"]);
    assert!(run.code == 0 && run.stderr.contains("1 users' passwords stay behind"), "{run:?}");
    assert!(!run.stdout.contains("$2a$") && !run.stdout.contains("a pepper"), "{run:?}");
}
