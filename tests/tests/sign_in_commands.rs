//! `registrar login` and what follows it: the session file, codes and passwords on the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use registrar_tests::{Program, ProgramRun, Stack, new_email, one, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";
const NEW_PASSWORD: &str = "another horse, another staple";

/// A program whose home is its own, and a user who can sign in.
struct Person {
    program: Program,
    id: Uuid,
    email: String,
}

impl Person {
    fn new() -> Self {
        let (stack, email) = (Stack::shared(), new_email("command"));
        let registration = stack.registered(&json!({ "p_email": email, "p_password": PASSWORD }));
        stack.verified(token_of(&registration));
        Self { program: Program::of(stack), id: registration.user.id, email }
    }

    fn logged_in() -> Self {
        let person = Self::new();
        let run = person.login(PASSWORD);
        assert_eq!(run.code, 0, "{run:?}");
        person
    }

    fn login(&self, password: &str) -> ProgramRun {
        let arguments = ["login", &self.email, "--password-stdin", "--device", "the suite", "--output", "json"];
        self.program.run_with(&arguments, &format!("{password}\n"))
    }

    fn file(&self) -> PathBuf {
        self.program.directory().join(".local/state/registrar/session.json")
    }

    fn stored(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.file()).unwrap()).unwrap()
    }

    /// Holds that no token of the session file was printed.
    #[track_caller]
    fn assert_silent(&self, run: &ProgramRun) {
        let tokens = self.stored()["tokens"].clone();
        for name in ["session_token", "refresh_token"] {
            let token = tokens[name].as_str().unwrap();
            assert!(!run.stdout.contains(token) && !run.stderr.contains(token), "{name} was printed: {run:?}");
        }
    }
}

#[test]
fn a_login_is_stored_for_its_owner_only_and_printed_without_its_tokens() {
    let person = Person::new();
    let run = person.login(PASSWORD);
    let data = run.data();
    assert_eq!((&data["user"]["id"], &data["session"]["device_name"]), (&json!(person.id), &json!("the suite")));
    person.assert_silent(&run);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(person.file()), 0o600);
    assert_eq!(mode(person.file().parent().unwrap().to_owned()), 0o700);
    let run = person.program.run(&["whoami", "--verbose"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains(&person.email) && run.stdout.contains("the suite"), "{run:?}");
    person.assert_silent(&run);
}

#[test]
fn a_wrong_password_is_6_and_a_lock_5() {
    let person = Person::new();
    for _ in 0..5 {
        person.login("wrong").assert_failed(6, &["invalid_credentials"]);
    }
    person.login(PASSWORD).assert_failed(5, &["locked", "try again in: "]);
    assert!(!person.file().exists());
    person.program.json(&["whoami"]).assert_failed(6, &["Nobody is signed in."]);
    person.program.run(&["login"]).assert_failed_usage();
    person.program.run(&["login", "a@example.com", "--phone", "+12024561111"]).assert_failed_usage();
}

/// What clap says of wrong arguments.
trait Usage {
    fn assert_failed_usage(&self);
}

impl Usage for ProgramRun {
    #[track_caller]
    fn assert_failed_usage(&self) {
        assert!(self.code == 2 && self.stderr.contains("Usage: "), "{self:?}");
    }
}

#[test]
fn sessions_are_listed_and_ended() {
    let person = Person::logged_in();
    let other = registrar_tests::open_session(&mut Stack::shared().admin(), person.id);
    let listed = person.program.json(&["sessions"]).data();
    let current: Vec<_> = listed["sessions"].as_array().unwrap().iter().map(|session| &session["is_current"]).collect();
    assert_eq!(current.len(), 2);
    assert!(current.contains(&&json!(true)) && current.contains(&&json!(false)), "{listed}");
    let table = person.program.run(&["sessions"]);
    assert!(table.stdout.contains(&other.id.to_string()) && table.stdout.contains("the suite"), "{table:?}");
    assert_eq!(person.program.json(&["logout", "--scope", "others"]).data(), json!({ "ended": 1 }));
    assert_eq!(person.program.json(&["whoami"]).code, 0);
    assert_eq!(person.program.json(&["logout"]).data(), json!({ "ended": 1 }));
    assert!(!person.file().exists());
    person.program.json(&["sessions"]).assert_failed(6, &["Nobody is signed in."]);
}

#[test]
fn a_session_is_refreshed_where_it_must_be_and_stored_again() {
    let person = Person::logged_in();
    let mut before = person.stored();
    before["tokens"]["session_token_expires_at"] = json!("2026-01-01T00:00:00Z");
    fs::write(person.file(), before.to_string()).unwrap();
    for command in ["whoami", "sessions"] {
        let run = person.program.json(&[command]);
        assert_eq!(run.code, 0, "{run:?}");
        person.assert_silent(&run);
    }
    assert_ne!(person.stored()["tokens"]["refresh_token"], before["tokens"]["refresh_token"]);
    let refreshes =
        "SELECT count(*) FROM registrar_private.audit_log WHERE user_id = $1 AND action = 'refresh_session'";
    assert_eq!(one::<i64>(&mut Stack::shared().admin(), refreshes, &[&person.id]), 1, "and once only");
}

#[test]
fn a_session_that_ended_elsewhere_is_told_of_and_forgotten() {
    let person = Person::logged_in();
    Stack::shared().back_end("logout", &json!({ "p_scope": "all", "p_user_id": person.id })).expect_success(200);
    person.program.json(&["whoami"]).assert_failed(6, &["session_expired", "Sign in again."]);
    assert!(!person.file().exists());
    let person = Person::logged_in();
    Stack::shared().back_end("logout", &json!({ "p_scope": "all", "p_user_id": person.id })).expect_success(200);
    assert_eq!(person.program.json(&["logout"]).data(), json!({ "ended": 0 }));
}

#[test]
fn a_file_that_others_may_read_or_of_another_server_or_of_nonsense_is_not_used() {
    let person = Person::logged_in();
    fs::set_permissions(person.file(), fs::Permissions::from_mode(0o640)).unwrap();
    person.program.json(&["whoami"]).assert_failed(2, &["others may read it"]);
    fs::set_permissions(person.file(), fs::Permissions::from_mode(0o600)).unwrap();
    let mut content = person.stored();
    content["server"] = json!("https://elsewhere.example.com");
    fs::write(person.file(), content.to_string()).unwrap();
    person.program.json(&["whoami"]).assert_failed(6, &["https://elsewhere.example.com"]);
    fs::write(person.file(), "{").unwrap();
    person.program.json(&["whoami"]).assert_failed(2, &["holds no session"]);
    let elsewhere = person.program.directory().join("elsewhere.json");
    let named = elsewhere.to_str().unwrap();
    let login = ["login", &person.email, "--password-stdin", "--session-file", named];
    assert_eq!(person.program.run_with(&login, PASSWORD).code, 0);
    assert_eq!(person.program.run(&["whoami", "--session-file", named]).code, 0);
    let nowhere =
        person.program.run_with(&["login", &person.email, "--password-stdin", "--session-file", "/proc/x"], PASSWORD);
    nowhere.assert_failed(1, &["/proc/x cannot be written"]);
}

#[test]
fn a_code_is_made_and_signs_in() {
    let person = Person::new();
    let sent = person.program.json(&["otp", "send", &person.email]).data();
    let code = sent["code"].as_str().unwrap();
    person.program.json(&["otp", "send", &person.email]).assert_failed(5, &["rate_limited", "try again in: "]);
    let verify = ["otp", "verify", &person.email, "--code-stdin", "--device", "the suite", "--output", "json"];
    person.program.run_with(&verify, "12345\n").assert_failed(1, &["validation_failed"]);
    let run = person.program.run_with(&verify, &format!("{code}\n"));
    assert_eq!(run.data()["user"]["id"], json!(person.id));
    person.assert_silent(&run);
    person.program.run_with(&verify, code).assert_failed(3, &["otp_expired"]);
    assert_eq!(person.program.json(&["whoami"]).data()["session"]["device_name"], "the suite");
    let unknown = person.program.json(&["otp", "send", "--phone", "+12025550123", "--purpose", "confirmation"]);
    unknown.assert_failed(3, &["user_not_found"]);
}

#[test]
fn a_password_is_reset_and_changed() {
    let person = Person::logged_in();
    let change = ["password", "change", "--stdin", "--output", "json"];
    let run = person.program.run_with(&change, &format!("wrong\n{NEW_PASSWORD}\n"));
    run.assert_failed(6, &["current_password", "invalid_credentials"]);
    let weak = person.program.run_with(&change, &format!("{PASSWORD}\n1234567\n"));
    weak.assert_failed(1, &["fewer than 8 characters", "first that are guessed"]);
    person.program.run_with(&change, "one line").assert_failed(2, &["1 lines, not 2"]);
    let run = person.program.run_with(&change, &format!("{PASSWORD}\n{NEW_PASSWORD}\n"));
    assert_eq!(run.data()["user"]["id"], json!(person.id));
    person.assert_silent(&run);
    person.login(PASSWORD).assert_failed(6, &["invalid_credentials"]);

    let requested = person.program.json(&["password", "reset", "request", &person.email]).data();
    let token = requested["reset"]["token"].as_str().unwrap();
    let confirm = ["password", "reset", "confirm", "--stdin", "--output", "json"];
    let run = person.program.run_with(&confirm, &format!("{token}\n{PASSWORD}\n"));
    assert_eq!(run.data()["sessions_ended"], 1);
    person.program.run_with(&confirm, &format!("{token}\n{PASSWORD}\n")).assert_failed(3, &["token_invalid"]);
    person.program.json(&["whoami"]).assert_failed(6, &["session_expired"]);
    assert_eq!(person.login(PASSWORD).code, 0);
}
