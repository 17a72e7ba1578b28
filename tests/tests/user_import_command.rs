//! `registrar users import` against a real stack: files as other systems export them, bad ones, and a program that is killed.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use registrar_tests::{Program, ProgramRun, Stack, one};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$bQ2yHPZe0SMGTWP7+8RkOqUAW8VV0iJdzRrOBJcHXM0";

fn directory() -> TempDir {
    TempDir::new().unwrap()
}

/// Imports a file of that name and content, and returns the run with its JSON document.
#[track_caller]
fn import(name: &str, content: &[u8], arguments: &[&str]) -> (ProgramRun, Value) {
    let directory = directory();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    let source = Uuid::new_v4().to_string();
    let command = ["users", "import", path.to_str().unwrap(), "--source", &source, "--output", "json"];
    let run = Program::of(Stack::shared()).run(&[&command, arguments].concat());
    let document = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    (run, document)
}

/// Rows, imported, failed, unreadable.
fn counts(document: &Value) -> [u64; 4] {
    ["rows", "imported", "failed", "unreadable"].map(|name| document["data"][name].as_u64().unwrap_or(u64::MAX))
}

fn user(email: &str) -> Value {
    one(&mut Stack::shared().admin(), "SELECT to_jsonb(u) FROM auth.users AS u WHERE email = $1", &[&email])
}

#[test]
fn an_export_of_firebase_keeps_every_password() {
    let email = registrar_tests::new_email("firebase");
    let content = json!({"users": [{
        "localId": "a1B2", "email": email, "emailVerified": true, "displayName": "Ada", "salt": "42xEC+ixf3L2lw==", "createdAt": "1486324131000",
        "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    }]});
    let key = "{\"signer_key\": \"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==\"}";
    let directory = directory();
    let key_file = directory.path().join("key.json");
    fs::write(&key_file, key).unwrap();
    let content = content.to_string();
    let (run, document) = import("users.json", content.as_bytes(), &["--preset", "firebase"]);
    assert_eq!((run.code, counts(&document)), (1, [1, 0, 1, 0]), "{run:?}");
    assert!(run.stderr.contains("without the project's key"), "{run:?}");
    let arguments = ["--preset", "firebase", "--firebase-key", key_file.to_str().unwrap()];
    let (run, document) = import("users.json", content.as_bytes(), &arguments);
    assert_eq!((run.code, counts(&document)), (0, [1, 1, 0, 0]), "{run:?}");
    let parameters = json!({ "p_email": email, "p_password": "user1password" });
    assert_eq!(Stack::shared().back_end("sign_in_with_password", &parameters).status, 200);
}

#[test]
fn an_export_of_auth0_is_json_lines_whatever_its_name() {
    let email = registrar_tests::new_email("auth0");
    let line = json!({"user_id": "auth0|5f", "email": email, "email_verified": false, "name": "Ada", "app_metadata": {"plan": "pro"},
                      "created_at": "2020-02-29T12:00:00.000Z", "blocked": true});
    let (run, document) = import("users.json", format!("{line}\n").as_bytes(), &["--preset", "auth0"]);
    assert_eq!((run.code, counts(&document)), (0, [1, 1, 0, 0]), "{run:?}");
    let user = user(&email);
    assert!(user["email_confirmed_at"].is_null() && !user["banned_until"].is_null(), "{user}");
    assert_eq!(user["raw_app_meta_data"]["plan"], "pro");
}

#[test]
fn rows_that_cannot_be_read_cost_no_others() {
    let [first, second, third] = ["first", "second", "third"].map(registrar_tests::new_email);
    let long = "x".repeat(100_000_000);
    let csv = format!(
        "id,email,hashed_password\n1,{first},{HASH_QUOTED}\n2,{long},\n3,\u{0}@example.com,\n4,{second},\n5",
        HASH_QUOTED = format_args!("\"{HASH}\"")
    );
    let (run, document) = import("users.csv", csv.as_bytes(), &["--preset", "fastapi-users"]);
    assert_eq!((run.code, counts(&document)), (1, [5, 2, 3, 3]), "{run:?}");
    for told in ["row 3: The row is longer than 16 MiB", "row 4: The row is not text", "row 6: The row is of 1 fields"]
    {
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
    }
    let lines = [format!("{{\"email\": \"{third}\"}}\n").into_bytes(), b"{\"email\": \"\xff\"}\n{\"email\": ".to_vec()]
        .concat();
    let (run, document) = import("users.jsonl", &lines, &[]);
    assert_eq!((run.code, counts(&document)), (1, [3, 1, 2, 2]), "{run:?}");
    assert!(!user(&first).is_null() && !user(&second).is_null() && !user(&third).is_null());
}

#[test]
fn a_file_or_mapping_that_cannot_be_meant_is_refused_with_what_to_do() {
    for (name, content, arguments, told) in [
        ("users.csv", "id,email,id\n", [].as_slice(), "it has the column id twice"),
        ("users.csv", "id,email\n1,a@example.com\n", &["--map", "email=mail"], "Did you mean email?"),
        ("users.csv", "id,email\n1,a@example.com\n", &["--preset", "rails"], "Presets are: fastapi-users"),
        ("users.json", "[{\"email\": \"a@exam", &[], "it is cut off, at line 1"),
    ] {
        let (run, _) = import(name, content.as_bytes(), arguments);
        assert!(run.code != 0 && run.stderr.contains(told) && run.stderr.contains("what to do"), "{told}: {run:?}");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let email = registrar_tests::new_email("dry");
    let (run, document) = import("users.csv", format!("email\n{email}\n").as_bytes(), &["--dry-run"]);
    assert_eq!((run.code, counts(&document)), (0, [1, 1, 0, 0]), "{run:?}");
    assert!(document["message"].as_str().unwrap().contains("would be"));
    let count = "SELECT count(*) FROM auth.users WHERE email = $1";
    assert_eq!(one::<i64>(&mut Stack::shared().admin(), count, &[&email]), 0);
}

#[test]
fn an_import_that_is_killed_twenty_times_loses_and_doubles_nobody() {
    const USERS: usize = 20_000;
    let (stack, run) = (Stack::shared(), Uuid::new_v4());
    let directory = directory();
    let path = directory.path().join("users.csv");
    let rows: String = (0..USERS).map(|n| format!("{n},killed-{n}-{run}@example.com,\"{HASH}\"\n")).collect();
    fs::write(&path, format!("id,email,hashed_password\n{rows}")).unwrap();
    let source = run.to_string();
    let arguments = [
        "users",
        "import",
        path.to_str().unwrap(),
        "--preset",
        "fastapi-users",
        "--source",
        &source,
        "--output",
        "json",
    ];
    let (program, mut killed) = (Program::of(stack), 0);
    for round in 0..20 {
        let mut command = program.command(&arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + 40 * round));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
    }
    assert!(killed >= 10, "it was to be killed under way: {killed}");
    let last = program.run(&arguments);
    assert_eq!(last.code, 0, "{last:?}");
    let document: Value = serde_json::from_str(&last.stdout).unwrap();
    let of_last = |name: &str| document["data"][name].as_u64().unwrap();
    assert_eq!(of_last("imported") + of_last("repeated"), USERS as u64, "{document}");
    let pattern = format!("killed-%-{run}@example.com");
    let whole = "SELECT jsonb_build_array(count(*), count(DISTINCT u.email), count(i.id), count(p.user_id), count(l.legacy_id))
                 FROM auth.users AS u LEFT JOIN auth.identities AS i ON i.user_id = u.id
                 LEFT JOIN public.user_profiles AS p ON p.user_id = u.id LEFT JOIN registrar_private.legacy_ids AS l ON l.user_id = u.id
                 WHERE u.email LIKE $1";
    assert_eq!(one::<Value>(&mut stack.admin(), whole, &[&pattern]), json!([USERS, USERS, USERS, USERS, USERS]));
    let recorded = "SELECT count(*) FROM registrar.import_rows WHERE source = $1 AND outcome = 'imported'";
    assert_eq!(one::<i64>(&mut stack.admin(), recorded, &[&source]), USERS as i64);
}

/// A file of users with a text each that does not compress, as large as that.
fn large_file(directory: &TempDir, users: usize, bytes_each: usize) -> (String, String) {
    let (path, run) = (directory.path().join("users.csv"), Uuid::new_v4());
    let mut text = "id,email,note\n".to_owned();
    for n in 0..users {
        let note: String = (0..bytes_each / 32).map(|_| Uuid::new_v4().simple().to_string()).collect();
        text.push_str(&format!("{n},large-{n}-{run}@example.com,{note}\n"));
    }
    fs::write(&path, text).unwrap();
    (path.to_str().unwrap().to_owned(), run.to_string())
}

#[test]
fn the_memory_of_the_client_does_not_grow_with_the_file() {
    let directory = directory();
    let (path, _) = large_file(&directory, 200, 640_000);
    assert!(fs::metadata(&path).unwrap().len() > 120 << 20);
    let arguments = ["users", "import", &path, "--preset", "fastapi-users", "--source", "large"];
    let program = Program::of(Stack::shared());
    let mut child = program.command(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let (status, peak) = registrar_tests::peak_memory(&mut child).unwrap();
    assert!(status.success());
    assert!(peak < 64 << 20, "{} MiB", peak >> 20);
}

#[test]
fn a_connection_that_is_lost_is_told_and_the_import_is_repeated() {
    let mut stack = Stack::start().unwrap();
    let directory = directory();
    let (path, run) = large_file(&directory, 20_000, 32);
    let program = Program::of(&stack);
    let arguments = ["users", "import", &path, "--preset", "fastapi-users", "--no-retry"];
    let child = program.start(&arguments, Stdio::null());
    let count = "SELECT count(*) FROM auth.users";
    while one::<i64>(&mut stack.admin(), count, &[]) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    stack.cluster_mut().crash();
    let lost = ProgramRun::of(child.wait_with_output().unwrap());
    assert!(lost.code == 1 && lost.stderr.contains("Repeating the whole import is safe"), "{lost:?}");
    stack.cluster_mut().start().unwrap();
    let before: i64 = one(&mut stack.admin(), count, &[]);
    assert!(before > 0 && before < 20_000, "it was to be lost under way: {before}");
    let repeated = program.run(&arguments);
    assert_eq!(repeated.code, 0, "{repeated:?}");
    let pattern = format!("large-%-{run}@example.com");
    let whole = "SELECT count(DISTINCT email) FROM auth.users WHERE email LIKE $1";
    assert_eq!(one::<i64>(&mut stack.admin(), whole, &[&pattern]), 20_000);
}
