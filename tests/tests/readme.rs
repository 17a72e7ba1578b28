//! The README's examples, each executed as it stands.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use postgres::SimpleQueryMessage;
use registrar_tests::{Role, Stack, registrar_program};
use serde_json::Value;

const README: &str = include_str!("../../README.md");

#[test]
fn the_sql_example_registers_a_user_with_token_and_profile() {
    let mut client = Stack::shared().admin();
    let rows = client.simple_query(&example("sql")).expect("the example runs");
    let answer = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let answer: Value = serde_json::from_str(answer.expect("the example answers")).unwrap();
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(answer["data"]["profile"]["years_of_experience"], 7);
    assert_eq!(answer["data"]["verification"]["token"].as_str().unwrap().len(), 64);
}

#[test]
fn the_documented_answer_has_the_fields_of_a_real_one() {
    let documented = example("json").replace(", …}", "}").replace('…', "");
    let documented: Value = serde_json::from_str(&documented).expect("the documented answer is JSON but for its dots");
    let real = call("register_user_with_token", &serde_json::json!({"p_email": "documented@example.com"}));
    for part in ["user", "profile", "verification"] {
        for (field, _) in documented["data"][part].as_object().unwrap() {
            assert!(real["data"][part].get(field).is_some(), "{part}.{field} is documented, but no answer has it");
        }
    }
}

#[test]
fn the_curl_example_registers_a_user() {
    let output = run(Command::new("bash").arg("-c").arg(example("bash curl")));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("curl prints the envelope");
    assert_eq!(answer["data"]["user"]["email"], "curl@example.com", "{answer}");
}

#[test]
fn the_supabase_js_example_registers_verifies_and_meets_a_conflict() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let npm = Command::new("npm").arg("ci").arg("--silent").current_dir(&directory).output();
    let npm = npm.expect("npm is needed for the official SDK: install Node.js 20 or newer");
    assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
    // Beside node_modules, where its import is resolved.
    let program = directory.join("node_modules/readme_example.mjs");
    std::fs::write(&program, example("js")).unwrap();
    let output = run(Command::new("node").arg("as_supabase.mjs").arg(&program).current_dir(&directory));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "200 Email verified successfully\n409 email_exists\n");
}

#[test]
fn the_rust_example_is_the_program_that_runs() {
    let source = include_str!("../../client/examples/register.rs");
    let unindented: String =
        source.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    assert!(unindented.contains(&example("rust")), "client/examples/register.rs no longer holds the README's example");
    let program = program().with_file_name("examples").join("register");
    assert!(program.is_file(), "run `cargo build --package registrar-client --examples` first");
    let output = run(&mut Command::new(program));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("64 characters") && printed.contains("sign in instead"), "{printed}");
}

#[test]
fn the_command_line_examples_register_and_resend() {
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    run(Command::new("bash").arg("-ec").arg(example("bash registrar")).env("PATH", path));
    let users = "SELECT string_agg(email, ' ' ORDER BY email) FROM auth.users WHERE email LIKE 'cli%'";
    let users: String = Stack::shared().admin().query_one(users, &[]).unwrap().get(0);
    assert_eq!(users, "cli2@example.com cli@example.com");
}

/// The fenced block whose language is the first word, and whose text begins with the second where there is one.
fn example(what: &str) -> String {
    let (language, beginning) = what.split_once(' ').unwrap_or((what, ""));
    let fence = format!("```{language}\n");
    let mut blocks = README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.find(|block| block.starts_with(beginning)).unwrap_or_else(|| panic!("no example {what}")).to_owned()
}

/// Runs a program with the addresses and keys that `cargo xtask up` prints.
fn run(command: &mut Command) -> Output {
    let stack = Stack::shared();
    command.env("POSTGREST_URL", stack.url()).env("SUPABASE_SERVICE_ROLE_KEY", stack.key(Role::ServiceRole));
    let output = command.output().expect("the program starts");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {told}", output.status);
    output
}

fn call(function: &str, parameters: &Value) -> Value {
    Stack::shared().rpc(Role::ServiceRole, function, parameters).json()
}

fn program() -> PathBuf {
    PathBuf::from(registrar_program().expect("the command line is built").get_program())
}
