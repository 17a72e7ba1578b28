//! The `registrar` program against a real stack: exit codes, output for people and for programs, and no secret in the logs.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use registrar_core::{PasswordHash, Registration};
use registrar_tests::{Role, RowCounts, Stack, new_email, new_phone, registrar_program, token_of};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

/// A run of the program that has ended.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The JSON document on stdout.
    #[track_caller]
    fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of a success.
    #[track_caller]
    fn data(&self) -> Value {
        let document = self.document();
        assert_eq!((self.code, &document["success"]), (0, &json!(true)), "{self:?}");
        document["data"].clone()
    }

    /// Holds that the run failed with this exit code, this code in its JSON, and an explanation.
    #[track_caller]
    fn assert_failed(&self, exit_code: i32, code: &str) {
        assert_eq!(self.code, exit_code, "{self:?}");
        let document = self.document();
        assert_eq!((&document["success"], &document["data"]), (&json!(false), &Value::Null), "{self:?}");
        assert_eq!(document["errors"][0]["code"], code, "{self:?}");
        for word in ["error: ", "what to do: "] {
            assert!(self.stderr.contains(word), "{word}: {self:?}");
        }
    }
}

/// How the program is run: in an empty directory, with debug logs in both ways.
struct Runner {
    environment: Vec<(&'static str, String)>,
    directory: TempDir,
    key: String,
}

impl Runner {
    fn new(stack: &Stack) -> Self {
        Self::with_key(stack, stack.key(Role::ServiceRole))
    }

    fn with_key(stack: &Stack, key: String) -> Self {
        let environment = vec![
            ("POSTGREST_URL", stack.url()),
            ("SUPABASE_SERVICE_ROLE_KEY", key.clone()),
            ("TESTING_MODE", "true".to_owned()),
        ];
        Self { environment, directory: TempDir::new().unwrap(), key }
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs the program with JSON output.
    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(&[arguments, &["--output", "json"]].concat(), "")
    }

    /// Runs the program with these arguments and this standard input, and looks for secrets in what it says.
    fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = self.start(arguments, input);
        let stderr = child.stderr.take().unwrap();
        self.finish(child, String::new(), stderr, arguments, input)
    }

    fn start(&self, arguments: &[&str], input: &str) -> Child {
        let mut command = registrar_program().unwrap();
        command.current_dir(self.directory()).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("-v").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may end without reading it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    /// Waits for the end. `said` is what was read from its stderr before.
    fn finish(&self, child: Child, said: String, mut rest: impl Read, arguments: &[&str], input: &str) -> Run {
        let mut stderr = said;
        rest.read_to_string(&mut stderr).unwrap();
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let run = Run { code: output.status.code().unwrap(), stdout, stderr };
        self.assert_no_secret(&run, arguments, input);
        run
    }

    fn assert_no_secret(&self, run: &Run, arguments: &[&str], input: &str) {
        let token = serde_json::from_str(&run.stdout)
            .ok()
            .and_then(|document: Value| Some(document["data"]["verification"]["token"].as_str()?.to_owned()));
        let given = arguments.iter().copied().chain([input.trim()]).find(|text| text.len() == 64);
        let payload = self.key.split('.').nth(1).unwrap_or(&self.key);
        for secret in [payload, PASSWORD, "argon2"] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret}: {run:?}");
        }
        for token in token.as_deref().into_iter().chain(given) {
            assert!(!run.stderr.contains(token), "{run:?}");
        }
    }
}

/// A stack whose gateway does not wait long for a database that is down.
fn own_stack() -> Stack {
    Stack::builder().unwrap().gateway_setting("PGRST_DB_POOL_TIMEOUT", "1").start().unwrap()
}

fn shared() -> Runner {
    Runner::new(Stack::shared())
}

fn registered() -> (String, Registration) {
    let email = new_email("cli");
    let registration = Stack::shared().registered(&json!({ "p_email": email }));
    (email, registration)
}

#[test]
fn a_user_is_registered_and_verified() {
    let (runner, email, phone) = (shared(), new_email("cli"), new_phone());
    let metadata = r#"{"years_of_experience": 3}"#;
    let register = ["register", &email, "--full-name", "Ada Lovelace", "--phone", &phone, "--role", "admin"];
    let run = runner.run(&[&register[..], &["--metadata", metadata]].concat());
    let data = run.data();
    assert_eq!((&data["user"]["email"], &data["user"]["phone"]), (&json!(email), &json!(phone)));
    assert_eq!((&data["user"]["role"], &data["profile"]["years_of_experience"]), (&json!("admin"), &json!(3)));
    assert!(run.stderr.contains("register_user_with_token"), "debug logs tell of the call: {}", run.stderr);

    let token = data["verification"]["token"].as_str().unwrap();
    let verified = runner.run(&["verify", token]).data();
    assert_eq!(verified["user"]["id"], data["user"]["id"]);
    assert!(verified["user"]["email_confirmed_at"].is_string());
    assert_eq!(Stack::shared().row_counts_of(&email).live_tokens, 0);
}

#[test]
fn for_people_the_result_is_a_table_with_the_token_in_one_piece() {
    let (runner, email) = (shared(), new_email("table"));
    let run = runner.run_with(&["register", &email], "");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("Registered.") && run.stdout.contains(&email), "{run:?}");
    let token = run.stdout.split_whitespace().find(|word| word.len() == 64).expect("a token").to_owned();
    assert!(!run.stderr.contains(&token));
    let run = runner.run_with(&["verify", &token], "");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("The e-mail address is verified."), "{run:?}");
}

#[test]
fn a_password_from_standard_input_is_in_force() {
    for (in_database, line_break) in [(false, "\n"), (true, "\r\n"), (false, "")] {
        let (runner, email) = (shared(), new_email("password"));
        let mut arguments = vec!["register", &email, "--password-stdin", "--output", "json"];
        arguments.extend(in_database.then_some("--hash-in-database"));
        let run = runner.run_with(&arguments, &format!("{PASSWORD}{line_break}"));
        run.data();
        let statement = "SELECT encrypted_password FROM auth.users WHERE email = $1";
        let hash: String = Stack::shared().admin().query_one(statement, &[&email]).unwrap().get(0);
        assert!(PasswordHash::parse(hash.into()).unwrap().verify(&PASSWORD.into()), "{arguments:?}");
    }
}

#[test]
fn a_token_from_standard_input_is_verified() {
    let (email, registration) = registered();
    let run = shared().run_with(&["verify", "-", "--output", "json"], &format!("{}\n", token_of(&registration)));
    run.data();
    assert_eq!(Stack::shared().row_counts_of(&email), RowCounts::ONE_VERIFIED);
}

#[test]
fn a_resend_gives_a_new_token() {
    let (email, registration) = registered();
    let data = shared().run(&["resend", &email]).data();
    assert_eq!(data["user"]["id"], json!(registration.user.id));
    Stack::shared().verified(data["verification"]["token"].as_str().unwrap());
}

#[test]
fn a_repetition_under_one_key_finds_the_same_user() {
    let (runner, email) = (shared(), new_email("key"));
    let register = ["register", &email, "--idempotency-key", &email];
    let first = runner.run(&register).data();
    let second = runner.run(&register).data();
    assert_eq!(second["user"]["id"], first["user"]["id"]);
    runner.run(&["verify", second["verification"]["token"].as_str().unwrap()]).data();
    assert_eq!(runner.run(&register).data()["verification"], Value::Null);
    let for_people = runner.run_with(&register, "");
    assert!(for_people.stdout.contains("Registered before"), "{for_people:?}");
}

#[test]
fn what_is_not_found_or_expired_is_3() {
    let (runner, stack) = (shared(), Stack::shared());
    runner.run(&["resend", &new_email("unknown")]).assert_failed(3, "user_not_found");
    runner.run(&["verify", &"A".repeat(64)]).assert_failed(3, "token_invalid");
    runner.run(&["verify", "nonsense"]).assert_failed(3, "token_invalid");
    let (_, registration) = registered();
    let expire = "UPDATE registrar_private.verification_tokens SET expires_at = now() WHERE user_id = $1";
    stack.admin().execute(expire, &[&registration.user.id]).unwrap();
    runner.run(&["verify", token_of(&registration)]).assert_failed(3, "token_expired");
}

#[test]
fn a_conflict_is_4() {
    let (runner, stack) = (shared(), Stack::shared());
    let (email, registration) = registered();
    stack.verified(token_of(&registration));
    let run = runner.run(&["register", &email]);
    run.assert_failed(4, "email_exists");
    let document = run.document();
    assert_eq!((&document["status"], &document["errors"][0]["field"]), (&json!(409), &json!("email")));
    let request_id = document["request_id"].as_str().expect("the id of the request");
    assert!(run.stderr.contains(request_id), "{run:?}");
    runner.run(&["resend", &email]).assert_failed(4, "email_exists");

    let phone = new_phone();
    stack.registered(&json!({ "p_email": new_email("phone"), "p_phone": phone }));
    runner.run(&["register", &new_email("phone"), "--phone", &phone]).assert_failed(4, "phone_exists");
}

#[test]
fn a_key_that_opens_nothing_is_6() {
    let stack = Stack::shared();
    for (key, code) in [
        (stack.key(Role::Anon), "forbidden"),
        (stack.key(Role::Authenticated), "forbidden"),
        (stack.secret().expired_key(Role::ServiceRole), "unauthorized"),
        (registrar_tests::JwtSecret::random().key(Role::ServiceRole), "unauthorized"),
    ] {
        let (runner, email) = (Runner::with_key(stack, key), new_email("key"));
        for arguments in [["register", &email], ["resend", &email], ["verify", &"A".repeat(64)]] {
            runner.run(&arguments).assert_failed(6, code);
        }
        assert_eq!(stack.row_counts_of(&email), RowCounts::NONE);
    }
}

#[test]
fn any_other_refusal_is_1_and_tells_every_field() {
    let runner = shared();
    let run = runner.run(&["register", "nonsense", "--phone", "12"]);
    run.assert_failed(1, "validation_failed");
    assert_eq!(run.document()["errors"].as_array().map(Vec::len), Some(2));
    assert!(run.stderr.contains("  email: ") && run.stderr.contains("  phone: "), "{run:?}");

    let run = runner.run(&["register", &new_email("role"), "--role", "nobody"]);
    run.assert_failed(1, "invalid_role");
    assert!(run.stderr.contains("Roles are: admin, user"), "{run:?}");
    let weak = ["register", &new_email("weak"), "--password-stdin", "--output", "json"];
    runner.run_with(&weak, "7 chars\n").assert_failed(1, "weak_password");
}

#[test]
fn wrong_usage_is_2_and_nothing_is_called() {
    let (mut runner, email) = (shared(), new_email("usage"));
    for arguments in [vec!["register"], vec!["register", &email, "--metadata", "[]"], vec!["enroll", &email]] {
        assert_eq!(runner.run_with(&arguments, "").code, 2, "{arguments:?}");
    }
    runner.environment.retain(|(name, _)| *name != "SUPABASE_SERVICE_ROLE_KEY");
    runner.run(&["register", &email]).assert_failed(2, "usage");
    assert_eq!(Stack::shared().row_counts_of(&email), RowCounts::NONE);
}

#[test]
fn settings_are_read_from_a_file_and_the_environment_goes_first() {
    let (mut runner, email) = (shared(), new_email("dotenv"));
    let file = runner.environment.drain(..).map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
    std::fs::write(runner.directory().join(".env"), file).unwrap();
    let run = runner.run(&["register", &email]);
    run.data();
    assert!(run.stderr.contains("DEBUG"), "TESTING_MODE is read from it, too: {run:?}");

    runner.environment.push(("SUPABASE_SERVICE_ROLE_KEY", Stack::shared().key(Role::Anon)));
    runner.run(&["resend", &email]).assert_failed(6, "forbidden");
}

#[test]
fn a_reader_who_has_gone_away_is_no_failure() {
    let (runner, email) = (shared(), new_email("pipe"));
    let mut command = registrar_program().unwrap();
    command.envs(runner.environment.iter().map(|(name, value)| (name, value))).args(["register", &email]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(Stack::shared().row_counts_of(&email).users, 1);
}

#[test]
fn a_database_or_gateway_that_is_down_or_slow_is_1_and_0_once_it_is_back() {
    let mut stack = own_stack();
    let (runner, email) = (Runner::new(&stack), new_email("faults"));
    let register = ["register", &email, "--password-stdin", "--output", "json"];
    let once = [&register[..], &["--no-retry", "--timeout", "3"]].concat();
    let failed = |code: &str| {
        runner.run_with(&once, PASSWORD).assert_failed(1, code);
        let token = "t".repeat(64);
        for arguments in [["resend", &email], ["verify", &token]] {
            let run = runner.run(&[&arguments[..], &["--no-retry", "--timeout", "3"]].concat());
            run.assert_failed(1, code);
        }
    };
    stack.cluster_mut().stop();
    failed("unavailable");
    stack.cluster_mut().start().unwrap();
    stack.gateway().pause().unwrap();
    failed("timeout");
    stack.gateway().resume().unwrap();
    stack.gateway_mut().stop();
    failed("transport");

    let mut child = runner.start(&register, PASSWORD);
    let (mut stderr, mut said) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    while !said.contains("repeating") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "it does not repeat: {said}");
    }
    stack.gateway_mut().start().unwrap();
    let run = runner.finish(child, said, stderr, &register, PASSWORD);
    run.data();
    assert_eq!(stack.row_counts_of(&email).users, 1);
}
