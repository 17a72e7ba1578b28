//! The commands on profiles, as far as they need no server: usage, documents, files, lines that cannot be imported.

mod program;

use std::fs;
use std::path::Path;

use program::{KEY, Outcome, empty_directory, registrar, run, unreachable};
use serde_json::{Value, json};

const USER: &str = "5c4b6e9a-53d3-4a6f-9c9f-10e1b0c5d2aa";
const VALUES: &str = r#"{"salary_min": 31337}"#;

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.stdout))
}

fn file_names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn wrong_usage_is_2() {
    let directory = empty_directory();
    for arguments in [
        vec![],
        vec!["enroll"],
        vec!["create"],
        vec!["create", "user@example.com"],
        vec!["create", USER, "--values", "[1]"],
        vec!["update", USER],
        vec!["stats", "--days", "0"],
        vec!["export", "--force"],
        vec!["import"],
        vec!["backfill", "--batch", "0"],
        vec!["repair", "--table", "user_profiles"],
    ] {
        let outcome = run(unreachable(directory.path()).arg("profile").args(&arguments));
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn as_json_a_failure_names_the_user_and_the_details() {
    let directory = empty_directory();
    for (arguments, user_id) in [
        (vec!["create", USER], json!(USER)),
        (vec!["get", USER], json!(USER)),
        (vec!["update", USER, "--values", VALUES], json!(USER)),
        (vec!["status", USER], json!(USER)),
        (vec!["stats"], Value::Null),
        (vec!["export", "--file", "rows.jsonl"], Value::Null),
        (vec!["backfill"], Value::Null),
        (vec!["repair"], Value::Null),
    ] {
        let outcome = run(unreachable(directory.path()).arg("profile").args(&arguments).args(["--output", "json"]));
        assert_eq!(outcome.code, 1, "{arguments:?} {}", outcome.stderr);
        let document = document(&outcome);
        assert_eq!((&document["success"], &document["user_id"]), (&json!(false), &user_id), "{arguments:?}");
        assert_eq!(document["error_details"][0]["code"], "transport", "{arguments:?}");
        for member in ["profile_id", "data", "status"] {
            assert_eq!(document.get(member), Some(&Value::Null), "{arguments:?} {member}");
        }
        assert!(document["message"].is_string() && document["request_id"].is_string(), "{arguments:?}");
    }
}

#[test]
fn a_missing_setting_is_told_in_the_same_document() {
    let outcome = run(registrar(empty_directory().path()).args(["profile", "get", USER, "--output", "json"]));
    let document = document(&outcome);
    assert_eq!((outcome.code, &document["user_id"]), (2, &json!(USER)));
    assert_eq!(document["error_details"][0]["code"], "usage");
}

#[test]
fn logs_name_the_user_and_nothing_that_stands_in_the_profile() {
    let directory = empty_directory();
    let update = ["profile", "update", USER, "--values", VALUES];
    let quiet = run(unreachable(directory.path()).args(update));
    assert!(!quiet.stderr.contains("ERROR"), "{}", quiet.stderr);
    for (level, shown) in [("error", "ERROR"), ("debug", "DEBUG")] {
        let outcome = run(unreachable(directory.path()).env("REGISTRAR_LOG", level).args(update));
        let ours = outcome.stderr.lines().find(|line| line.contains("profile call failed")).unwrap_or_default();
        assert!(outcome.stderr.contains(shown) && ours.contains("ERROR") && ours.contains(USER), "{}", outcome.stderr);
        for text in ["31337", "salary_min", KEY] {
            assert!(!outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
        }
    }
    let outcome = run(unreachable(directory.path()).env("REGISTRAR_LOG", "loud").args(update));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("REGISTRAR_LOG: It is not one of"), "{}", outcome.stderr);
}

#[test]
fn an_export_that_fails_leaves_no_file_and_the_old_one_as_it_was() {
    let directory = empty_directory();
    let export = ["profile", "export", "--file", "rows.jsonl"];
    assert_eq!(run(unreachable(directory.path()).args(export)).code, 1);
    assert!(file_names(directory.path()).is_empty());

    let path = directory.path().join("rows.jsonl");
    fs::write(&path, "old").unwrap();
    let refused = run(unreachable(directory.path()).args(export));
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("rows.jsonl exists already") && refused.stderr.contains("--force"));
    assert_eq!(run(unreachable(directory.path()).args(export).arg("--force")).code, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(file_names(directory.path()), ["rows.jsonl"]);
}

#[test]
fn rows_and_a_document_do_not_share_standard_output() {
    let outcome = run(unreachable(empty_directory().path()).args(["profile", "export", "--output", "json"]));
    assert_eq!((outcome.code, &document(&outcome)["success"]), (2, &json!(false)));
    assert!(outcome.stderr.contains("--file"), "{}", outcome.stderr);
}

#[test]
fn lines_that_cannot_be_imported_are_told_by_their_number() {
    let directory = empty_directory();
    let lines = "\n{\"user_id\": \"secret\n[\"secret\"]\n";
    fs::write(directory.path().join("rows.jsonl"), lines).unwrap();
    for (file, input) in [("rows.jsonl", ""), ("-", lines)] {
        let import = ["profile", "import", file, "--output", "json"];
        let outcome = run(unreachable(directory.path()).args(import).write_stdin(input));
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        for text in ["line 2: The line is cut off", "line 3: The line is not a JSON object", "what to do: "] {
            assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
        }
        let document = document(&outcome);
        assert_eq!(document["data"], json!({"lines": 2, "succeeded": 0, "failed": 2}));
        let numbers: Vec<_> = document["error_details"].as_array().unwrap().iter().map(|one| &one["line"]).collect();
        assert_eq!(numbers, [&json!(2), &json!(3)]);
        assert!(!outcome.stderr.contains("secret") && !outcome.stdout.contains("secret"), "{}", outcome.stderr);
    }
}

#[test]
fn an_empty_import_is_success_and_a_missing_file_is_not() {
    let directory = empty_directory();
    let empty = run(unreachable(directory.path()).args(["profile", "import", "-", "--output", "json"]));
    assert_eq!(empty.code, 0, "{}", empty.stderr);
    let expected = json!({"success": true, "message": "Imported 0 of 0 rows.", "user_id": null, "profile_id": null,
                          "error_details": null, "data": {"lines": 0, "succeeded": 0, "failed": 0}});
    assert_eq!(document(&empty), expected);

    let missing = run(unreachable(directory.path()).args(["profile", "import", "no.jsonl"]));
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("no.jsonl cannot be read") && missing.stderr.contains("caused by: "));
}

#[test]
fn an_import_that_is_cut_off_says_where_and_that_it_can_be_repeated() {
    let row = format!("{{\"user_id\": \"{USER}\"}}\n");
    let outcome = run(unreachable(empty_directory().path()).args(["profile", "import", "-"]).write_stdin(row));
    assert_eq!(outcome.code, 1);
    for text in ["It stopped at line 1; 0 rows", "Repeating the whole import is safe", "cannot be reached"] {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
}
