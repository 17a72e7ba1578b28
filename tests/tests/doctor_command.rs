//! `registrar doctor` against a real database, directly and through the API: what it tells, what it runs, what it leaves.

use std::process::Stdio;

use registrar_client::{Client, Severity};
use registrar_tests::{
    Database, Program, ProgramRun, Role, Stack, all, empty_database, one, plain_database, run_at_terminal,
};
use serde_json::{Value, json};

/// Rows could name users who do not exist; the statement that mends it is beyond doubt.
const FAULT: &str = "ALTER TABLE public.user_profiles DROP CONSTRAINT IF EXISTS user_profiles_user_id_fkey";
/// Another one, so that there is more than one question.
const SECOND_FAULT: &str = "ALTER TABLE public.user_profiles DISABLE ROW LEVEL SECURITY";
const FIX: &[&str] = &["doctor", "--fix", "--yes"];

fn program(database: &Database) -> Program {
    Program::new().with_database(database)
}

fn faulty_database() -> Database {
    let database = plain_database();
    database.psql(FAULT).unwrap();
    database
}

/// The foreign keys of the profile table, each with whether it was validated and cascades both ways.
fn foreign_keys(admin: &mut postgres::Client) -> Vec<bool> {
    let query = "SELECT convalidated AND confupdtype = 'c' AND confdeltype = 'c' FROM pg_constraint
                 WHERE conrelid = 'public.user_profiles'::regclass AND contype = 'f'";
    all(admin, query, &[])
}

fn is_mended(database: &Database) -> bool {
    foreign_keys(&mut database.admin().unwrap()) == [true]
}

/// The severities of the findings, less the checks that found nothing.
fn severities(run: &ProgramRun) -> Vec<String> {
    let document = run.document();
    let findings = document["data"]["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["severity"].as_str().unwrap().to_owned()).filter(|word| word != "ok").collect()
}

#[test]
fn a_healthy_database_is_0_directly_and_through_the_api_alike() {
    let stack = Stack::shared();
    let direct = program(stack.database()).json(&["doctor"]);
    let by_api = Program::of(stack).json(&["doctor"]);
    assert_eq!((direct.code, by_api.code), (0, 0), "{direct:?} {by_api:?}");
    assert_eq!(severities(&direct), Vec::<String>::new());
    assert_eq!(direct.data(), by_api.data());
    assert_eq!(direct.data()["counts"]["error"], 0);
    assert!(direct.data()["counts"]["ok"].as_u64().unwrap() > 20, "{direct:?}");

    let for_people = program(stack.database()).run(&["doctor"]);
    assert!(for_people.code == 0 && for_people.stdout.starts_with("Nothing is wrong"), "{for_people:?}");
    let all = program(stack.database()).run(&["doctor", "--all"]);
    assert!(all.code == 0 && all.stdout.contains("│ ok       ┆ "), "{all:?}");
}

/// Waits for a call. The runtime lives no longer, since the harness has its own blocking connections.
fn wait<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
}

#[test]
fn the_library_has_the_findings_as_a_type() {
    let stack = Stack::shared();
    let client = |role| {
        let builder = Client::builder().postgrest_url(stack.url()).service_role_key(stack.key(role));
        builder.build().unwrap()
    };
    let findings = wait(client(Role::ServiceRole).doctor()).unwrap();
    assert!(findings.len() > 20 && findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
    assert_eq!(wait(client(Role::ServiceRole).build_info()).unwrap().version, env!("CARGO_PKG_VERSION"));
    assert_eq!(wait(client(Role::Anon).doctor()).unwrap_err().code(), "forbidden");
}

#[test]
fn findings_of_severity_error_are_10_and_nothing_is_changed() {
    let database = faulty_database();
    let before = database.script(&["--schema-only"]);
    let run = program(&database).json(&["doctor"]);
    run.assert_failed(10, &["There is one finding of severity error.", "registrar doctor --fix"]);
    assert_eq!(severities(&run), ["error"]);
    let error = run.document()["errors"][0].clone();
    assert!(error["field"].as_str().unwrap().contains("user_profiles"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("FOREIGN KEY"), "{error}");

    let for_people = program(&database).run(&["doctor"]);
    for words in ["│ error ", "public.user_profiles", "    ALTER TABLE ", "1 error; "] {
        assert!(for_people.code == 10 && for_people.stdout.contains(words), "{words}: {for_people:?}");
    }
    assert!(!for_people.stdout.contains('\u{1b}'), "colours are for terminals: {for_people:?}");
    assert_eq!(database.script(&["--schema-only"]), before);
}

#[test]
fn what_is_no_error_is_told_and_is_0() {
    let database = plain_database();
    database.psql("CREATE TABLE public.notes (user_id uuid)").unwrap();
    let run = program(&database).json(&["doctor"]);
    assert_eq!(run.code, 0, "{run:?}");
    let told = severities(&run);
    assert!(!told.is_empty() && !told.contains(&"error".to_owned()), "{run:?}");
}

#[test]
fn fix_with_yes_runs_every_statement_and_reports_what_is_left() {
    let database = faulty_database();
    database.psql(SECOND_FAULT).unwrap();
    let run = program(&database).json(FIX);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(is_mended(&database));
    assert_eq!(severities(&run), Vec::<String>::new());
    let mended = run.data()["mended"].clone();
    assert_eq!(mended.as_array().map(Vec::len), Some(2), "{mended}");
    for one in mended.as_array().unwrap() {
        assert!(one["error"].is_null() && !one["statements_run"].as_array().unwrap().is_empty(), "{one}");
    }
    for words in ["1 of 2: error ", "2 of 2: ", "    ALTER TABLE ", "done in "] {
        assert!(run.stderr.contains(words), "{words}: {run:?}");
    }
    let again = program(&database).json(FIX);
    assert_eq!((again.code, &again.data()["mended"]), (0, &json!([])), "{again:?}");
}

#[test]
fn without_somebody_to_ask_or_a_database_nothing_is_fixed() {
    let database = faulty_database();
    program(&database).json(&["doctor", "--fix"]).assert_failed(2, &["There is no terminal to ask at", "--yes"]);
    let stack = Stack::shared();
    let by_api = Program::of(stack).json(FIX);
    by_api.assert_failed(2, &["--fix needs a direct connection to the database", "--database-url"]);
    assert!(!is_mended(&database));
}

#[test]
fn at_a_terminal_each_statement_is_shown_and_asked_for() {
    let database = faulty_database();
    database.psql(SECOND_FAULT).unwrap();
    let has_row_security = |database: &Database| -> bool {
        let query = "SELECT relrowsecurity FROM pg_class WHERE oid = 'public.user_profiles'::regclass";
        one(&mut database.admin().unwrap(), query, &[])
    };
    let answered = |typed: &str| run_at_terminal(program(&database).command(&["doctor", "--fix"]), typed).unwrap();
    let neither = answered("q\n");
    assert_eq!((neither.code, is_mended(&database), has_row_security(&database)), (10, false, false), "{neither:?}");
    assert_eq!(neither.stdout.matches("Run it?").count(), 1, "{neither:?}");

    let one_of_two = answered("what?\nno\ny\n");
    let mended = [is_mended(&database), has_row_security(&database)];
    assert!(mended.contains(&true) && mended.contains(&false), "{mended:?} {one_of_two:?}");
    assert_eq!(one_of_two.stdout.matches("Run it?").count(), 3, "what is not understood is asked again");
    assert!(one_of_two.stdout.contains("    ALTER TABLE "), "{one_of_two:?}");

    database.psql(FAULT).unwrap();
    database.psql(SECOND_FAULT).unwrap();
    let all = answered("a\n");
    assert_eq!((all.code, is_mended(&database), has_row_security(&database)), (0, true, true), "{all:?}");
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let database = faulty_database();
    let shown = |program: &Program| {
        let mut command = program.command(&["doctor"]);
        command.env("TERM", "xterm");
        run_at_terminal(command, "").unwrap().stdout
    };
    assert!(shown(&program(&database)).contains("\u{1b}[31m\u{1b}[1merror"), "{}", shown(&program(&database)));
    let plain = shown(&program(&database).with("NO_COLOR", "1"));
    assert!(plain.contains("│ error ") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn a_statement_that_fails_is_told_and_costs_no_other_finding() {
    let database = faulty_database();
    database.psql("CREATE TABLE public.notes (user_id uuid REFERENCES auth.users (id))").unwrap();
    // Reading goes on, and the table cannot be altered.
    let mut holder = database.admin().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE public.user_profiles IN SHARE MODE").unwrap();
    let run = program(&database).json(&[FIX, &["--timeout", "1"]].concat());
    run.assert_failed(10, &["Another session holds the table", "55P03"]);
    assert!(!is_mended(&database));
    let mended = run.document()["data"]["mended"].clone();
    let mended = mended.as_array().unwrap();
    let failed: Vec<&Value> = mended.iter().filter(|one| one["error"].is_string()).collect();
    assert!(failed.len() == 1 && mended.len() > 1, "{mended:?}");
    assert!(failed[0]["error"].as_str().unwrap().contains("55P03"), "{failed:?}");

    holder.batch_execute("ROLLBACK").unwrap();
    let run = program(&database).json(FIX);
    assert!(run.code == 0 && is_mended(&database), "{run:?}");
}

#[test]
fn who_may_not_ask_is_told_what_to_do() {
    let database = faulty_database();
    database.psql("CREATE ROLE asks_in_vain LOGIN PASSWORD 'word'").unwrap();
    let url = format!("postgresql://asks_in_vain:word@127.0.0.1:{}/{}", database.port(), database.name());
    let run = Program::new().run(&["doctor", "--database-url", &url]);
    run.assert_failed(6, &["42501", "owner of the database"]);
    let bare = program(&empty_database()).run(&["doctor"]);
    bare.assert_failed(1, &["registrar is not installed in this database", "registrar setup"]);
    let anon = Program::new().with("POSTGREST_URL", Stack::shared().url());
    let anon = anon.with("SUPABASE_SERVICE_ROLE_KEY", Stack::shared().key(Role::Anon)).run(&["doctor"]);
    anon.assert_failed(6, &["service_role"]);
}

#[test]
fn a_reader_who_has_gone_away_changes_no_exit_code() {
    let faulty = faulty_database();
    for (database, code, said) in [(Stack::shared().database(), 0, false), (&faulty, 10, true)] {
        let mut child = program(database).start(&["doctor"], Stdio::null());
        drop(child.stdout.take());
        let run = ProgramRun::of(child.wait_with_output().unwrap());
        assert_eq!((run.code, !run.stderr.is_empty()), (code, said), "{run:?}");
    }
}
