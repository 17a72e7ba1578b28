//! The commands that need the database, as far as they need none: usage, addresses, a connection that is refused.

mod program;

use std::net::TcpListener;

use program::{Outcome, empty_directory, registrar, run, unreachable};
use serde_json::Value;

const COMMANDS: [&[&str]; 5] =
    [&["setup"], &["setup", "--dry-run"], &["doctor"], &["doctor", "--fix", "--yes"], &["selftest"]];

fn closed_database() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("postgresql://owner:very-secret@127.0.0.1:{}/app", listener.local_addr().unwrap().port())
}

#[track_caller]
fn assert_told(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, code, "{}", outcome.stderr);
    for word in words.iter().chain(&["error: ", "what to do: "]) {
        assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("very-secret") && !outcome.stdout.contains("very-secret"), "{}", outcome.stderr);
}

#[test]
fn wrong_usage_is_2() {
    let directory = empty_directory();
    for arguments in [
        vec!["doctor", "--yes"],
        vec!["doctor", "--database-url"],
        vec!["setup", "--template", "members"],
        vec!["selftest", "all"],
        vec!["env"],
        vec!["env", "look"],
    ] {
        let outcome = run(unreachable(directory.path()).args(&arguments));
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn without_a_database_it_is_told_in_one_line_where_one_is_given() {
    let directory = empty_directory();
    for (arguments, what) in [
        (vec!["setup"], "setup needs a direct connection"),
        (vec!["selftest"], "selftest needs a direct connection"),
        (vec!["doctor", "--fix"], "--fix needs a direct connection"),
        (vec!["doctor", "--fix", "--yes"], "--fix needs a direct connection"),
    ] {
        let outcome = run(unreachable(directory.path()).args(&arguments));
        assert_told(&outcome, 2, &[what, "--database-url", "DATABASE_URL"]);
        assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    }
    let outcome = run(registrar(directory.path()).arg("doctor"));
    assert_told(&outcome, 2, &["Neither a database nor an API", "--database-url", "SUPABASE_SERVICE_ROLE_KEY"]);
    let by_api = run(unreachable(directory.path()).arg("doctor"));
    assert_told(&by_api, 1, &["The server at http://127.0.0.1:", "cannot be reached"]);
}

#[test]
fn nobody_to_ask_is_wrong_usage_and_nothing_is_connected_to() {
    let directory = empty_directory();
    let outcome = run(registrar(directory.path()).env("DATABASE_URL", closed_database()).args(["doctor", "--fix"]));
    assert_told(&outcome, 2, &["There is no terminal to ask at", "--yes"]);
}

#[test]
fn a_database_that_is_not_there_is_1_with_its_cause() {
    let directory = empty_directory();
    for arguments in COMMANDS {
        let outcome = run(unreachable(directory.path()).env("DATABASE_URL", closed_database()).args(arguments));
        assert_told(&outcome, 1, &["There is no connection to owner@127.0.0.1:", "caused by: ", "refused"]);
    }
    let outcome =
        run(unreachable(directory.path()).env("DATABASE_URL", closed_database()).args(["doctor", "--output", "json"]));
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&document["success"], &document["errors"][0]["code"]), (&Value::from(false), &Value::from("database")));
}

#[test]
fn a_database_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://owner@{}/app", listener.local_addr().unwrap());
    let outcome = run(unreachable(empty_directory().path()).args(["doctor", "--timeout", "1", "--database-url", &url]));
    assert_told(&outcome, 1, &["nothing was heard for 1s"]);
}

#[test]
fn an_address_that_cannot_be_meant_is_2_and_never_repeated() {
    let directory = empty_directory();
    for url in [
        "mysql://owner:very-secret@localhost/app",
        "very-secret",
        "postgresql://owner:very-secret@localhost:x/app",
        "postgresql://owner:very-secret@localhost/app?sslmode=maybe",
        "postgresql://owner:very-secret@localhost/app?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
    ] {
        for arguments in COMMANDS {
            let outcome = run(unreachable(directory.path()).env("DATABASE_URL", url).args(arguments));
            assert_eq!(outcome.code, 2, "{url}: {}", outcome.stderr);
            assert!(!outcome.stderr.contains("very-secret"), "{}", outcome.stderr);
        }
    }
    let option = run(unreachable(directory.path()).args(["doctor", "--database-url", "nonsense"]));
    assert_told(&option, 2, &["--database-url: ", "postgresql://user@host:5432/database"]);
}

#[test]
fn help_names_the_commands_the_variables_and_the_exit_code_of_findings() {
    let directory = empty_directory();
    let help = run(registrar(directory.path()).arg("--help")).stdout;
    for text in
        ["setup", "doctor", "selftest", "env", "DATABASE_URL", "PGPASSWORD", "~/.pgpass", "NO_COLOR", "  10 doctor"]
    {
        assert!(help.contains(text), "{text}: {help}");
    }
    let doctor = run(registrar(directory.path()).args(["doctor", "--help"])).stdout;
    assert!(doctor.contains("Everybody on this machine sees the command line"), "{doctor}");
}
