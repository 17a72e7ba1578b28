//! `registrar selftest` against a real stack: it passes, tells of every step, and leaves nothing behind however it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use registrar_core::ErrorCode;
use registrar_tests::{Program, ProgramRun, Role, RowCounts, Stack, empty_database, one, plain_database};
use serde_json::{Value, json};

const SELFTEST: &[&str] = &["selftest"];

/// Lets one test at a time count the rows of all users.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn program(stack: &Stack) -> Program {
    Program::of(stack).with_database(stack.database()).with("SUPABASE_ANON_KEY", stack.key(Role::Anon))
}

/// Everything that a test could leave behind.
fn traces(stack: &Stack) -> (RowCounts, i64) {
    (stack.row_counts(), one(&mut stack.admin(), "SELECT count(*) FROM registrar_private.audit_log", &[]))
}

fn sql(stack: &Stack, script: &str) {
    stack.admin().batch_execute(script).unwrap();
}

/// The outcome and the detail of a step, which must be there.
#[track_caller]
fn step<'d>(steps: &'d Value, name: &str) -> (&'d str, &'d str) {
    let found = steps.as_array().unwrap().iter().find(|step| step["step"].as_str().unwrap().starts_with(name));
    let step = found.unwrap_or_else(|| panic!("no step {name} in {steps}"));
    (step["outcome"].as_str().unwrap(), step["detail"].as_str().unwrap())
}

fn steps(run: &ProgramRun) -> Value {
    run.document()["data"]["steps"].clone()
}

#[test]
fn it_passes_and_tells_of_each_step_with_its_time_and_leaves_nothing() {
    let (_turn, stack) = (turn(), Stack::shared());
    let before = traces(stack);
    let run = program(stack).json(SELFTEST);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(traces(stack), before);
    let steps = steps(&run);
    for name in [
        "API and database belong together",
        "register a user",
        "verify the address",
        "read the profile",
        "update the profile",
        "create the profile",
        "create a user as an administrator",
        "find the user by address and in the list",
        "change the user",
        "delete the user",
        "PGRST301",
        "42501: the key of anon",
        "42501: setup()",
        "22P05",
        "22023",
        "remove what was made",
    ] {
        assert_eq!(step(&steps, name).0, "done", "{name}");
    }
    for step in steps.as_array().unwrap() {
        assert_eq!(step["milliseconds"].is_null(), step["outcome"] == "skipped", "{step}");
        assert!(step["outcome"] == "done" || step["detail"].as_str().unwrap().starts_with("not provoked: "), "{step}");
    }
}

#[test]
fn every_code_is_provoked_or_told_with_the_reason_why_not() {
    let (_turn, stack) = (turn(), Stack::shared());
    let steps = steps(&program(stack).json(SELFTEST));
    for &code in ErrorCode::ALL {
        let expected = if code == ErrorCode::Internal { "skipped" } else { "done" };
        assert_eq!(step(&steps, code.as_str()).0, expected, "{code}");
    }
    let without_anon = Program::of(stack).with_database(stack.database()).json(SELFTEST);
    let told = step(&self::steps(&without_anon), "42501: the key of anon").1.to_owned();
    assert!(without_anon.code == 0 && told.contains("SUPABASE_ANON_KEY is not set"), "{told}");
}

#[test]
fn for_people_each_step_is_a_line() {
    let (_turn, stack) = (turn(), Stack::shared());
    let run = program(stack).run(SELFTEST);
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
    for words in ["ok ", " ms  token_expired: that token", "not provoked: ", "nothing is left behind"] {
        assert!(run.stdout.contains(words), "{words}: {run:?}");
    }
    assert!(!run.stdout.contains('\u{1b}'), "colours are for terminals: {run:?}");
}

#[test]
fn any_profile_table_will_do_and_none_will_too() {
    let _turn = turn();
    let stack = Stack::start().unwrap();
    sql(&stack, "SELECT registrar.detach_profile_table('public.user_profiles')");
    let run = program(&stack).json(SELFTEST);
    let told = steps(&run);
    assert_eq!(run.code, 0, "{run:?}");
    for name in ["read the profile", "update the profile", "profile_exists", "profile_not_found"] {
        let (outcome, detail) = step(&told, name);
        assert!(outcome == "skipped" && detail.contains("no profile table is attached"), "{name}: {detail}");
    }
    let timed = |step: &&Value| step["outcome"] == "skipped" && !step["milliseconds"].is_null();
    assert_eq!(told.as_array().unwrap().iter().find(timed), None, "what is left out takes no time");

    // No field of it takes another value, and its foreign key would keep the user.
    sql(
        &stack,
        r#"CREATE TABLE public."Strict" (
               "User" uuid PRIMARY KEY REFERENCES auth.users (id),
               code text NOT NULL DEFAULT 'x' CHECK (code = 'x'),
               born date
           );
           SELECT registrar.attach_profile_table('public."Strict"', 'User', '["code", "born"]')"#,
    );
    let before = traces(&stack);
    let run = program(&stack).json(SELFTEST);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(step(&steps(&run), "update the profile").1.contains("each with the value that it has"), "{run:?}");
    assert_eq!(traces(&stack), before);
}

#[test]
fn a_step_that_fails_is_1_with_its_cause_and_leaves_nothing() {
    let _turn = turn();
    let stack = Stack::start().unwrap();
    sql(
        &stack,
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'profiles are frozen'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    );
    let before = traces(&stack);
    let run = program(&stack).json(SELFTEST);
    run.assert_failed(1, &["One step failed."]);
    assert_eq!(step(&steps(&run), "update the profile").0, "failed");
    assert_eq!(step(&steps(&run), "remove what was made").0, "done");
    assert_eq!(run.document()["errors"].as_array().map(Vec::len), Some(1), "{run:?}");
    assert_eq!(traces(&stack), before);
}

#[test]
fn ctrl_c_and_a_request_to_end_leave_nothing() {
    let (_turn, stack) = (turn(), Stack::shared());
    let before = traces(stack);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = program(stack).start(SELFTEST, Stdio::null());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        while !told.contains("API and database belong together") {
            assert_ne!(stdout.read_line(&mut told).unwrap(), 0, "{told}");
        }
        // The user is being registered now: that step comes to its end, and no other begins.
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        stdout.read_to_string(&mut told).unwrap();
        let run = ProgramRun::of(child.wait_with_output().unwrap());
        run.assert_failed(1, &["interrupted: ", "The test was interrupted."]);
        for words in ["  interrupted", "remove what was made", "users: 1,"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert_eq!(traces(stack), before, "{signal}");
    }
}

#[test]
fn a_reader_who_has_gone_away_is_no_failure_and_nothing_is_left() {
    let (_turn, stack) = (turn(), Stack::shared());
    let before = traces(stack);
    let mut child = program(stack).start(SELFTEST, Stdio::null());
    drop(child.stdout.take());
    let run = ProgramRun::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(traces(stack), before);
}

#[test]
fn what_could_not_be_removed_is_not_made() {
    let (_turn, stack) = (turn(), Stack::shared());
    let before = traces(stack);
    let none = Program::of(stack).run(SELFTEST);
    none.assert_failed(2, &["selftest needs a direct connection", "--database-url", "DATABASE_URL"]);

    sql(stack, "CREATE ROLE mere LOGIN PASSWORD 'mere'; GRANT USAGE ON SCHEMA auth TO mere");
    let url = format!("postgresql://mere:mere@127.0.0.1:{}/app", stack.database().port());
    Program::of(stack).run(&["selftest", "--database-url", &url]).assert_failed(6, &["lacks", "DELETE on auth.users"]);
    let bare = Program::of(stack).with_database(&empty_database()).run(SELFTEST);
    bare.assert_failed(1, &["registrar is not installed in this database", "registrar setup"]);
    let half = empty_database();
    half.psql("CREATE EXTENSION registrar").unwrap();
    let half = Program::of(stack).with_database(&half).run(SELFTEST);
    half.assert_failed(1, &["registrar is not set up in the database of", "registrar setup"]);
    assert_eq!(traces(stack), before);

    let other = plain_database();
    let run = Program::of(stack).with_database(&other).json(SELFTEST);
    run.assert_failed(1, &["does not serve the database of"]);
    assert_eq!(stack.row_counts(), before.0, "no user is made that could not be removed");
    assert_eq!(run.document()["errors"][0]["code"], json!("another_database"));
    sql(stack, "DELETE FROM registrar_private.audit_log WHERE user_agent LIKE 'registrar-selftest/%'");
}
