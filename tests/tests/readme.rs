//! The README's examples, the commands of docs/command-line.md and the SQL of docs/profiles.md, each executed as it stands.

use std::path::PathBuf;
use std::process::{Command, Output};

use postgres::{Client, SimpleQueryMessage};
use registrar_tests::{Role, Stack, js_directory, one, plain_database, registrar_program, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

const README: &str = include_str!("../../README.md");
const COMMAND_LINE: &str = include_str!("../../docs/command-line.md");
const PROFILES: &str = include_str!("../../docs/profiles.md");

#[test]
fn the_sql_example_registers_a_user_with_token_and_profile() {
    let mut client = Stack::shared().admin();
    let rows =
        client.simple_query(&example("sql SELECT registrar.register_user_with_token")).expect("the example runs");
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
    let real = call("register_user_with_token", &json!({"p_email": "documented@example.com"}));
    for part in ["user", "profile", "verification"] {
        for (field, _) in documented["data"][part].as_object().unwrap() {
            assert!(real["data"][part].get(field).is_some(), "{part}.{field} is documented, but no answer has it");
        }
    }
}

#[test]
fn the_curl_example_registers_a_user() {
    let output = run(shell().arg(example("bash curl")));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("curl prints the envelope");
    assert_eq!(answer["data"]["user"]["email"], "curl@example.com", "{answer}");
}

#[test]
fn the_supabase_js_example_registers_verifies_and_meets_a_conflict() {
    let printed = run_js("registering", &example("js import"), Uuid::nil());
    assert_eq!(printed, "200 Email verified successfully\n409 email_exists\n");
}

/// Runs an example as a user who is signed in, and returns what it prints.
fn run_js(name: &str, program: &str, user: Uuid) -> String {
    let directory = js_directory().unwrap_or_else(|error| panic!("{error:?}"));
    // Beside node_modules, where its import is resolved.
    let path = directory.join(format!("node_modules/{name}.mjs"));
    std::fs::write(&path, program).unwrap();
    let output =
        run(signed_in(&mut Command::new("node"), user).arg("as_supabase.mjs").arg(&path).current_dir(&directory));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_rust_example_is_the_program_that_runs() {
    let printed = run_rust("register", include_str!("../../client/examples/register.rs"), "rust let client");
    assert!(printed.contains("64 characters") && printed.contains("sign in instead"), "{printed}");
}

/// Runs a program of client/examples, which must hold an example of the README, and returns what it prints.
fn run_rust(name: &str, source: &str, what: &str) -> String {
    let unindented: String =
        source.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    assert!(unindented.contains(&example(what)), "client/examples/{name}.rs no longer holds the README's example");
    let program = program().with_file_name("examples").join(name);
    assert!(program.is_file(), "run `cargo build --package registrar-client --examples` first");
    String::from_utf8(run(&mut Command::new(program)).stdout).unwrap()
}

#[test]
fn the_command_line_examples_register_and_resend() {
    run(shell().arg(example("bash registrar register")));
    let users = "SELECT string_agg(email, ' ' ORDER BY email) FROM auth.users WHERE email LIKE 'cli%'";
    let users: String = Stack::shared().admin().query_one(users, &[]).unwrap().get(0);
    assert_eq!(users, "cli2@example.com cli@example.com");
}

#[test]
fn the_profile_table_of_the_example_is_filled_and_follows_the_email() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute(&example("sql CREATE TABLE public.members")).unwrap();
    let user = sign_up(&mut admin, &json!({"full_name": "Ada", "address": {"city": "London"}}));
    let member = "SELECT to_jsonb(m) - 'user_id' FROM public.members AS m WHERE user_id = $1";
    let expected = json!({"full_name": "Ada", "city": "London", "contact": format!("{user}@example.com")});
    assert_eq!(one::<Value>(&mut admin, member, &[&user]), expected);
    admin.execute("UPDATE auth.users SET email = 'ada@example.com' WHERE id = $1", &[&user]).unwrap();
    assert_eq!(one::<Value>(&mut admin, member, &[&user])["contact"], "ada@example.com");
}

#[test]
fn the_variant_of_the_example_requires_what_it_says() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute(&example("sql SELECT registrar.create_profile_table")).unwrap();
    let user = sign_up(&mut admin, &json!({}));
    let status = "SELECT registrar.get_profile_completion_status($1, 'student_profiles')";
    let status: Value = one(&mut admin, status, &[&user]);
    assert_eq!(status["data"]["missing_fields"], json!(["field_of_study"]), "{status}");
}

#[test]
fn the_examples_repair_and_backfill_run() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    let user = sign_up(&mut admin, &json!({}));
    admin.batch_execute("DELETE FROM public.user_profiles").unwrap();
    run_each(&mut admin, &example("sql SELECT registrar.repair_profiles"));
    let profiles = "SELECT count(*) FROM public.user_profiles WHERE user_id = $1";
    assert_eq!(one::<i64>(&mut admin, profiles, &[&user]), 1);
}

#[test]
fn the_curl_example_changes_the_own_profile() {
    let user = Stack::shared().new_user(&json!({"field_of_study": "Law"}));
    let output = run(signed_in(&mut shell(), user)
        .arg(example("bash curl --silent --show-error \"$POSTGREST_URL/rpc/update_profile")));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("curl prints the envelope");
    let profile = &answer["data"]["profile"];
    assert_eq!(
        (&profile["experience_level"], &profile["field_of_study"]),
        (&json!("senior"), &Value::Null),
        "{answer}"
    );
}

#[test]
fn the_supabase_js_example_reads_the_own_status_and_meets_a_refusal() {
    let user = Stack::shared().new_user(&json!({}));
    let printed = run_js("profile", &example("js // As the user"), user);
    assert_eq!(printed, "200 100\n400 Allowed values: entry, junior, mid, senior, lead, executive.\n");
}

#[test]
fn the_rust_example_changes_a_profile_and_meets_a_refusal() {
    let source = include_str!("../../client/examples/profiles.rs");
    let printed = run_rust("profiles", source, "rust let profiles");
    assert_eq!(printed, "complete: true\nrefused: The least is 0.\n");
}

#[test]
fn the_command_line_examples_change_count_export_and_import() {
    let (user, directory) = (Stack::shared().new_user(&json!({})), tempfile::TempDir::new().unwrap());
    let output =
        run(shell().arg(example("bash registrar profile")).env("USER_ID", user.to_string()).current_dir(&directory));
    let printed = String::from_utf8(output.stdout).unwrap();
    for told in ["The profile is changed.", "Sign-ups by day", "Exported ", "Imported "] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
    let level = "SELECT experience_level FROM public.user_profiles WHERE user_id = $1";
    assert_eq!(one::<String>(&mut Stack::shared().admin(), level, &[&user]), "senior");
}

#[test]
fn the_commands_of_the_reference_run_one_after_the_other() {
    let (stack, directory) = (Stack::shared(), tempfile::TempDir::new().unwrap());
    let lines = blocks(COMMAND_LINE, "console").flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    // What follows a number sign is a comment to the shell, too. Some of them ask, which takes a terminal.
    let asks = |line: &&str| line.starts_with("registrar doctor --fix  ") || line.contains("asks for");
    let commands: Vec<_> = lines.filter(|line| !asks(line)).collect();
    assert!(commands.len() > 10, "{commands:?}");
    let password = "correct horse battery staple";
    let registration = stack.registered(&json!({ "p_email": "ada@example.com", "p_password": password }));
    stack.verified(token_of(&registration));
    let login = format!("echo '{password}' | registrar login ada@example.com --password-stdin");
    for command in std::iter::once(login.as_str()).chain(commands) {
        let home = directory.path();
        run(shell().arg(command).env("DATABASE_URL", stack.database().url()).env("HOME", home).current_dir(home));
    }
    let script = std::fs::read_to_string(directory.path().join("setup.sql")).unwrap();
    assert!(script.contains("SELECT registrar.setup();"), "{script}");
}

#[test]
fn the_sql_of_the_reference_runs_from_its_beginning_to_its_end() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    let blocks: Vec<_> = blocks(PROFILES, "sql").collect();
    assert!(blocks.len() > 3, "{blocks:?}");
    for block in blocks {
        run_each(&mut admin, block);
    }
    let user = sign_up(&mut admin, &json!({"full_name": "Ada", "address": {"city": "London"}}));
    let rows = "SELECT (SELECT city FROM public.members WHERE user_id = $1) || ' ' ||
                       (SELECT education_level FROM public.student_profiles WHERE user_id = $1)";
    assert_eq!(one::<String>(&mut admin, rows, &[&user]), "London high_school");
}

/// A user who signs up as Supabase Auth inserts one.
fn sign_up(admin: &mut Client, metadata: &Value) -> Uuid {
    let id = Uuid::new_v4();
    let insert = "INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES ($1, $2, $3)";
    admin.execute(insert, &[&id, &format!("{id}@example.com"), metadata]).unwrap();
    id
}

/// Runs statements one by one: a procedure that commits cannot be one of several.
fn run_each(admin: &mut Client, script: &str) {
    for statement in script.split_inclusive(";") {
        admin.batch_execute(statement).unwrap_or_else(|error| panic!("{error:?} of {statement}"));
    }
}

/// A shell that finds the `registrar` program, to be given a script.
fn shell() -> Command {
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.arg("-ec").env("PATH", path);
    shell
}

/// A program that is run for a user who is signed in.
fn signed_in(command: &mut Command, user: Uuid) -> &mut Command {
    let stack = Stack::shared();
    command.env("ACCESS_TOKEN", stack.secret().user_key(user)).env("SUPABASE_ANON_KEY", stack.key(Role::Anon))
}

/// The fenced block whose language is the first word, and whose text begins with the second where there is one.
fn example(what: &str) -> String {
    let (language, beginning) = what.split_once(' ').unwrap_or((what, ""));
    let found = blocks(README, language).find(|block| block.starts_with(beginning));
    found.unwrap_or_else(|| panic!("no example {what}")).to_owned()
}

#[test]
fn the_doctors_example_tells_what_is_wrong() {
    let database = plain_database();
    database.psql("ALTER TABLE public.user_profiles DISABLE ROW LEVEL SECURITY").unwrap();
    let found = database.psql(&example("sql SELECT \"check\"")).unwrap();
    assert!(found.starts_with("row_security_off|error|public.user_profiles|"), "{found}");
}

/// The fenced blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> impl Iterator<Item = &'t str> {
    let fence = format!("```{language}\n");
    let blocks: Vec<_> = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    blocks.into_iter()
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
