//! `registrar env check`: what is set, whether it is good, what answers; never a secret.

use registrar_tests::{JwtSecret, Program, ProgramRun, Role, Stack, empty_database};
use serde_json::{Value, json};

const CHECK: &[&str] = &["env", "check"];

fn program() -> Program {
    Program::of(Stack::shared())
}

/// The severity and the finding of a line, which must be there.
#[track_caller]
fn line(run: &ProgramRun, name: &str) -> (String, String) {
    let document = run.document();
    let lines = document["data"]["checks"].as_array().unwrap();
    let found = lines.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("no {name}: {run:?}"));
    let text = |member: &str| found[member].as_str().unwrap().to_owned();
    (text("severity"), text("finding"))
}

#[track_caller]
fn assert_line(run: &ProgramRun, name: &str, severity: &str, words: &str) {
    let (found, finding) = line(run, name);
    assert!(found == severity && finding.contains(words), "{name}: {found}: {finding}");
}

#[test]
fn good_settings_are_0_and_no_secret_is_shown() {
    let stack = Stack::shared();
    let program = program().with_database(stack.database()).with("SUPABASE_ANON_KEY", stack.key(Role::Anon));
    let run = program.json(CHECK);
    assert_eq!(run.code, 0, "{run:?}");
    assert_line(&run, "POSTGREST_URL", "ok", "from the environment");
    assert_line(&run, "SUPABASE_SERVICE_ROLE_KEY", "ok", "a JWT of the role service_role, valid until 2");
    assert_line(&run, "SUPABASE_ANON_KEY", "ok", "a JWT of the role anon");
    assert_line(&run, "DATABASE_URL", "ok", "postgres@127.0.0.1:");
    assert_line(&run, "database", "ok", "role postgres (superuser)");
    assert_line(&run, "API", "ok", "answers");
    assert_line(&run, "schema registrar", "ok", "served");
    for name in ["this program", "extension in the database", "extension behind the API"] {
        assert_line(&run, name, "ok", concat!("version ", env!("CARGO_PKG_VERSION")));
    }
    let for_people = program.run(CHECK);
    assert!(for_people.code == 0 && for_people.stdout.contains("The settings are good."), "{for_people:?}");
    let key = stack.key(Role::ServiceRole);
    let (anon, url) = (stack.key(Role::Anon), stack.database().url());
    let password = url.split([':', '@']).nth(2).unwrap();
    let secrets = [key.as_str(), &anon, key.split('.').nth(1).unwrap(), key.split('.').nth(2).unwrap(), password];
    for said in [run, for_people].iter().flat_map(|run| [&run.stdout, &run.stderr]) {
        assert!(!secrets.iter().any(|secret| said.contains(secret)), "{said}");
    }
}

#[test]
fn settings_from_the_file_are_told_as_such() {
    let stack = Stack::shared();
    let program = Program::new();
    let file = format!(
        "POSTGREST_URL={}\nSUPABASE_SERVICE_ROLE_KEY={}\nBROKEN='\n",
        stack.url(),
        stack.key(Role::ServiceRole)
    );
    std::fs::write(program.directory().join(".env"), file).unwrap();
    let run = program.json(CHECK);
    assert_eq!(run.code, 0, "{run:?}");
    assert_line(&run, ".env", "warning", "lines that could not be read: 1");
    assert_line(&run, "SUPABASE_SERVICE_ROLE_KEY", "ok", "from .env");
    assert_line(&run, "DATABASE_URL", "notice", "not set");
    assert_line(&run, "SUPABASE_ANON_KEY", "notice", "not set");
}

#[test]
fn a_setting_that_is_missing_or_malformed_is_2() {
    let nothing = Program::new().json(CHECK);
    nothing.assert_failed(2, &["Neither SUPABASE_URL nor POSTGREST_URL is set"]);
    assert_line(&nothing, "SUPABASE_SERVICE_ROLE_KEY", "error", "not set");
    for (name, value, words) in [
        ("SUPABASE_URL", "https://a.example", "Both SUPABASE_URL and POSTGREST_URL"),
        ("DATABASE_URL", "postgresql://owner:very-secret@localhost?x", "x is not supported"),
        ("DATABASE_URL", "mysql://owner:very-secret@localhost", "does not begin with postgresql://"),
    ] {
        let run = program().with(name, value).json(CHECK);
        run.assert_failed(2, &[words]);
        assert!(!format!("{run:?}").contains("very-secret"), "{run:?}");
    }
}

#[test]
fn a_key_of_the_wrong_role_or_time_is_2() {
    let (stack, secret) = (Stack::shared(), Stack::shared().secret());
    for (key, words) in [
        (stack.key(Role::Anon), "of the role anon"),
        (secret.expired_key(Role::ServiceRole), "that expired on"),
        (secret.sign(&json!({"sub": "x"})), "without a role"),
        ("nonsense".to_owned(), "no JWT"),
    ] {
        let run = program().with("SUPABASE_SERVICE_ROLE_KEY", &key).json(CHECK);
        run.assert_failed(2, &[words]);
        assert_line(&run, "SUPABASE_SERVICE_ROLE_KEY", "error", words);
    }
    let swapped = program().with("SUPABASE_ANON_KEY", stack.key(Role::ServiceRole)).json(CHECK);
    swapped.assert_failed(2, &["of the role service_role, and anon is needed"]);
}

#[test]
fn a_key_or_password_that_is_refused_is_6() {
    let forged = program().with("SUPABASE_SERVICE_ROLE_KEY", JwtSecret::random().key(Role::ServiceRole)).json(CHECK);
    forged.assert_failed(6, &["The key was not accepted"]);
    assert_line(&forged, "SUPABASE_SERVICE_ROLE_KEY", "ok", "valid until");
    assert_line(&forged, "API", "error", "The key was not accepted");

    let url = format!("postgresql://postgres:wrong@127.0.0.1:{}/app", Stack::shared().database().port());
    let run = program().with("DATABASE_URL", url).json(CHECK);
    run.assert_failed(6, &["password authentication failed", "28P01", "PGPASSWORD"]);
    assert_line(&run, "schema registrar", "ok", "served");
}

#[test]
fn what_does_not_answer_or_lacks_registrar_is_1() {
    let run = program().with("POSTGREST_URL", "http://127.0.0.1:1").json(CHECK);
    run.assert_failed(1, &["cannot be reached", "refused"]);
    let run = program().with("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/app").json(CHECK);
    run.assert_failed(1, &["There is no connection to postgres@127.0.0.1:1/app", "refused"]);

    let stack = Stack::builder().unwrap().gateway_setting("PGRST_DB_SCHEMAS", "public").start().unwrap();
    let run = Program::of(&stack).json(CHECK);
    run.assert_failed(1, &["schema registrar", "PGRST_DB_SCHEMAS"]);
    assert_line(&run, "API", "ok", "answers");

    let bare = program().with_database(&empty_database()).json(CHECK);
    assert_eq!(bare.code, 0, "{bare:?}");
    assert_line(&bare, "extension in the database", "warning", "not installed");
}

#[test]
fn the_option_goes_before_the_variable() {
    let url = Stack::shared().database().url();
    let run = program().with("DATABASE_URL", "nonsense").json(&["env", "check", "--database-url", &url]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_line(&run, "--database-url", "ok", "postgres@127.0.0.1:");
}

#[test]
fn a_warning_is_told_with_what_to_do_and_is_no_failure() {
    // A name that resolves nowhere: that it is not reached is another line's business.
    let run = program().with("POSTGREST_URL", "http://registrar.invalid").json(&["env", "check", "--timeout", "5"]);
    assert_line(&run, "POSTGREST_URL", "warning", "unencrypted");
    let hints: Vec<Value> =
        run.document()["data"]["checks"].as_array().unwrap().iter().map(|line| line["hint"].clone()).collect();
    assert!(hints.contains(&json!("Use https, unless the network is your own.")), "{hints:?}");
}
