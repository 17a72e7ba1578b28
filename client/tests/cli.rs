//! The command line, as far as it needs no server: usage, settings, network faults, exit codes.

mod program;

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command as Process, Stdio};

use program::{KEY, closed_port, empty_directory, registrar, run, unreachable};
use serde_json::Value;

const PASSWORD: &str = "correct horse battery staple";
const TOKEN: &str = "XEtumlPTSm-cnxDhsMXSqgABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

#[test]
fn wrong_usage_is_2() {
    let directory = empty_directory();
    for arguments in [
        vec![],
        vec!["enroll"],
        vec!["register"],
        vec!["verify"],
        vec!["register", "user@example.com", "--output", "xml"],
        vec!["register", "user@example.com", "--metadata", "[1]"],
        vec!["register", "user@example.com", "--password", "--password-stdin"],
        vec!["register", "user@example.com", "--timeout", "0"],
        vec!["completions", "tcl"],
    ] {
        let outcome = run(unreachable(directory.path()).args(&arguments));
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_password_is_never_taken_from_the_command_line() {
    let directory = empty_directory();
    for arguments in [["--password", PASSWORD], ["--password-stdin", PASSWORD]] {
        let outcome = run(unreachable(directory.path()).args(["register", "user@example.com"]).args(arguments));
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    }
}

#[test]
fn help_names_variables_and_exit_codes() {
    let outcome = run(registrar(empty_directory().path()).arg("--help"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    for text in ["SUPABASE_URL", "POSTGREST_URL", "SUPABASE_SERVICE_ROLE_KEY", "TESTING_MODE", ".env", "Exit codes:"] {
        assert!(outcome.stdout.contains(text), "{text}");
    }
}

#[test]
fn missing_settings_are_named() {
    let directory = empty_directory();
    let register = ["register", "user@example.com"];
    let outcome = run(registrar(directory.path()).args(register));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("SUPABASE_SERVICE_ROLE_KEY is not set"), "{}", outcome.stderr);
    let outcome = run(registrar(directory.path()).env("SUPABASE_SERVICE_ROLE_KEY", KEY).args(register));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("Neither SUPABASE_URL nor POSTGREST_URL is set"), "{}", outcome.stderr);
}

#[test]
fn contradictory_and_malformed_settings_are_named_without_their_value() {
    let directory = empty_directory();
    let both = run(unreachable(directory.path()).env("SUPABASE_URL", "https://a.example").args(["resend", "a@b.c"]));
    assert_eq!(both.code, 2);
    assert!(both.stderr.contains("Both SUPABASE_URL and POSTGREST_URL"), "{}", both.stderr);
    let key = run(unreachable(directory.path()).env("SUPABASE_SERVICE_ROLE_KEY", "sec\nret").args(["resend", "a@b.c"]));
    assert_eq!(key.code, 2);
    assert!(key.stderr.contains("SUPABASE_SERVICE_ROLE_KEY") && !key.stderr.contains("ret"), "{}", key.stderr);
    let url = run(unreachable(directory.path()).env("POSTGREST_URL", "localhost:3000").args(["resend", "a@b.c"]));
    assert_eq!(url.code, 2);
    assert!(url.stderr.contains("POSTGREST_URL"), "{}", url.stderr);
}

#[test]
fn the_env_file_is_read_and_the_environment_goes_first() {
    let directory = empty_directory();
    let file = format!("POSTGREST_URL={}\nSUPABASE_SERVICE_ROLE_KEY={KEY}\n", closed_port());
    std::fs::write(directory.path().join(".env"), file).unwrap();
    let resend = ["--no-retry", "resend", "user@example.com"];
    let outcome = run(registrar(directory.path()).args(resend));
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("cannot be reached"), "{}", outcome.stderr);
    let outcome = run(registrar(directory.path()).env("SUPABASE_URL", "nonsense").args(resend));
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("SUPABASE_URL"), "{}", outcome.stderr);
}

#[test]
fn a_line_of_the_env_file_that_cannot_be_read_is_counted_and_not_shown() {
    let directory = empty_directory();
    std::fs::write(directory.path().join(".env"), "SUPABASE_SERVICE_ROLE_KEY='very-secret\n").unwrap();
    let outcome = run(registrar(directory.path()).args(["resend", "user@example.com"]));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("One line of .env could not be read"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("very-secret"), "{}", outcome.stderr);
}

#[test]
fn a_refused_connection_is_1_with_its_cause_and_what_to_do() {
    let outcome = run(unreachable(empty_directory().path()).args(["resend", "user@example.com"]));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    for text in [
        "error: The server at http://127.0.0.1:",
        "cannot be reached",
        "caused by: ",
        "refused",
        "what to do: ",
        "request id: ",
    ] {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
}

#[test]
fn as_json_a_failure_is_one_document_on_stdout() {
    let directory = empty_directory();
    let outcome = run(unreachable(directory.path()).args(["resend", "user@example.com", "--output", "json"]));
    assert_eq!(outcome.code, 1);
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&document["success"], &document["data"]), (&Value::Bool(false), &Value::Null));
    assert_eq!(document["errors"][0]["code"], "transport");
    assert!(document["request_id"].is_string() && document["status"].is_null());
    assert!(outcome.stderr.starts_with("error: "));

    let outcome = run(registrar(directory.path()).args(["resend", "user@example.com", "--output", "json"]));
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((outcome.code, &document["errors"][0]["code"]), (2, &Value::from("usage")));
}

#[test]
fn a_peer_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let outcome = run(unreachable(empty_directory().path()).env("POSTGREST_URL", address).args([
        "verify",
        TOKEN,
        "--timeout",
        "1",
    ]));
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("No answer came from http://127.0.0.1:"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("may have been carried out"), "{}", outcome.stderr);
}

#[test]
fn bad_fields_are_told_one_by_one() {
    let outcome = run(unreachable(empty_directory().path())
        .args(["register", "nonsense", "--password-stdin"])
        .write_stdin("short\n"));
    assert_eq!(outcome.code, 1);
    for text in ["  email: ", "Like name@example.com.", "  password: ", "(weak_password)"] {
        assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
    }
}

#[test]
fn an_empty_standard_input_is_wrong_usage() {
    let directory = empty_directory();
    for arguments in [vec!["register", "user@example.com", "--password-stdin"], vec!["verify", "-"]] {
        let outcome = run(unreachable(directory.path()).args(&arguments).write_stdin("\n"));
        assert_eq!(outcome.code, 2, "{arguments:?} {}", outcome.stderr);
    }
}

#[test]
fn a_token_may_begin_with_any_character_of_its_alphabet() {
    let directory = empty_directory();
    for start in ["-", "--", "-v", "-h", "-V", "_"] {
        let token = format!("{start}{}", &TOKEN[start.len()..]);
        let outcome = run(unreachable(directory.path()).args(["verify", &token]));
        assert_eq!(outcome.code, 1, "{token}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("cannot be reached"), "{token}: {}", outcome.stderr);
    }
}

#[test]
fn debug_logs_tell_the_call_and_no_secret() {
    let directory = empty_directory();
    for (name, value, flag) in [("TESTING_MODE", "true", None), ("UNUSED", "", Some("-v"))] {
        let mut register = unreachable(directory.path());
        register.env(name, value).args(flag).args(["register", "user@example.com", "--password-stdin"]);
        let mut verify = unreachable(directory.path());
        verify.env(name, value).args(flag).args(["verify", "-"]);
        for (command, function, secret) in
            [(&mut register, "register_user_with_token", PASSWORD), (&mut verify, "verify_email", TOKEN)]
        {
            let outcome = run(command.write_stdin(format!("{secret}\n")));
            assert!(outcome.stderr.contains("DEBUG"), "{}", outcome.stderr);
            for text in [function, "request_id=", "attempt=1", "elapsed=", "code=\"transport\""] {
                assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
            }
            for text in [KEY, "payload", secret, "argon2"] {
                assert!(!outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
            }
        }
    }
    let quiet = run(unreachable(directory.path()).args(["resend", "user@example.com"]));
    assert!(!quiet.stderr.contains("DEBUG"), "{}", quiet.stderr);
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = run(registrar(empty_directory().path()).args(["completions", shell]));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{shell}");
        assert!(outcome.stdout.contains("resend"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_success() {
    for arguments in [["completions", "zsh"], ["register", "--help"]] {
        let mut child = Process::new(env!("CARGO_BIN_EXE_registrar"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
