//! `registrar profile` against a real stack: exit codes, documents, backups, and logs without values.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use registrar_tests::{JwtSecret, Role, Stack, all, registrar_program};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// Stands in profiles, and must not stand in a log.
const SECRET: &str = "a-study-that-nobody-may-log";

/// The shared stack with all three templates attached.
fn stack() -> &'static Stack {
    static STACK: OnceLock<&Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let templates =
            "SELECT registrar.create_profile_table('profiles'), registrar.create_profile_table('user_profile')";
        Stack::shared().admin().batch_execute(templates).unwrap();
        Stack::shared()
    })
}

/// Lets one test at a time have the users: some are about all of them.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sql(script: &str) {
    stack().admin().batch_execute(script).unwrap();
}

fn user() -> Uuid {
    stack().new_user(&json!({"field_of_study": SECRET}))
}

fn user_without_profile() -> Uuid {
    let user = user();
    sql(&format!("DELETE FROM public.user_profiles WHERE user_id = '{user}'"));
    user
}

/// Every row of a table, as it lies there.
fn rows(table: &str) -> Vec<String> {
    all(&mut stack().admin(), &format!("SELECT t::text FROM public.{table} AS t ORDER BY 1"), &[])
}

/// A run of the program that has ended.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// The JSON document on stdout, which has the members that every command on profiles prints.
    #[track_caller]
    fn document(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        for member in ["success", "message", "user_id", "profile_id", "error_details", "data"] {
            assert!(document.get(member).is_some(), "no {member}: {self:?}");
        }
        assert_eq!(document["success"], self.code == 0, "{self:?}");
        assert_eq!(document["error_details"].is_null(), self.code == 0, "{self:?}");
        document
    }

    #[track_caller]
    fn assert_failed(&self, exit_code: i32, code: &str) {
        let document = self.document();
        assert_eq!((self.code, &document["error_details"][0]["code"]), (exit_code, &json!(code)), "{self:?}");
        assert!(self.stderr.contains("error: ") && self.stderr.contains("what to do: "), "{self:?}");
    }
}

/// Runs `registrar profile` in a directory with a key; `-v` shows every log.
fn run_in(directory: &TempDir, key: &str, arguments: &[&str], input: &str) -> Run {
    let mut command = registrar_program().unwrap();
    command.current_dir(directory).env("POSTGREST_URL", stack().url()).env("SUPABASE_SERVICE_ROLE_KEY", key);
    command.arg("profile").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may end without reading it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn run_with_key(key: &str, arguments: &[&str]) -> Run {
    run_in(&TempDir::new().unwrap(), key, &[arguments, &["--output", "json"]].concat(), "")
}

fn run(arguments: &[&str]) -> Run {
    run_with_key(&stack().key(Role::ServiceRole), arguments)
}

#[test]
fn create_get_update_and_status_print_the_users_document() {
    let _turn = turn();
    let id = user_without_profile();
    let user = id.to_string();
    let created = run(&["create", &user, "--values", r#"{"experience_level": null, "salary_min": 5}"#]).document();
    assert_eq!((&created["user_id"], &created["data"]["profile"]["salary_min"]), (&json!(user), &json!(5)));
    assert_eq!(created["profile_id"], created["data"]["profile"]["profile_id"]);

    let status = run(&["status", &user]).document();
    let expected = json!({"is_complete": false, "completion_percentage": 66, "missing_fields": ["experience_level"]});
    assert_eq!((&status["data"], &status["message"]), (&expected, &json!("The profile is not complete.")));

    let updates = r#"{"experience_level": "lead", "salary_min": null}"#;
    let updated = run(&["update", &user, "--values", updates]).document();
    let found = run(&["get", &user]).document();
    assert_eq!((&found["data"], &found["profile_id"]), (&updated["data"], &created["profile_id"]));
    assert_eq!(found["data"]["profile"]["profile_completed"], true);
    assert_eq!(found["data"]["profile"]["salary_min"], Value::Null);

    let named = run(&["update", &user, "--table", "profiles", "--values", r#"{"first_name": "Ada"}"#]).document();
    assert_eq!((&named["profile_id"], &named["data"]["profile"]["first_name"]), (&json!(user), &json!("Ada")));
    let for_people = run_in(&TempDir::new().unwrap(), &stack().key(Role::ServiceRole), &["get", &user], "");
    assert!(for_people.code == 0 && for_people.stdout.contains("profile experience_level"), "{for_people:?}");
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let _turn = turn();
    let (user, bare, nobody) = (user().to_string(), user_without_profile().to_string(), Uuid::new_v4().to_string());
    run(&["get", &nobody]).assert_failed(3, "user_not_found");
    run(&["create", &nobody]).assert_failed(3, "user_not_found");
    for arguments in
        [vec!["get", &bare], vec!["status", &bare], vec!["update", &bare, "--values", r#"{"salary_min": 1}"#]]
    {
        run(&arguments).assert_failed(3, "profile_not_found");
    }
    let exists = run(&["create", &user]);
    exists.assert_failed(4, "profile_exists");
    assert_eq!((&exists.document()["user_id"], &exists.document()["status"]), (&json!(user), &json!(409)));

    let invalid = run(&["update", &user, "--values", r#"{"experience_level": "wizard", "salery_min": 1}"#]);
    invalid.assert_failed(1, "validation_failed");
    assert_eq!(invalid.document()["error_details"].as_array().map(Vec::len), Some(2));
    assert!(invalid.stderr.contains("Did you mean salary_min?"), "{invalid:?}");
    assert!(invalid.stderr.contains("Allowed values: entry, junior,"), "{invalid:?}");
    run(&["get", &user, "--table", "nowhere"]).assert_failed(1, "validation_failed");
    run(&["stats", "--days", "367"]).assert_failed(1, "validation_failed");

    for arguments in [vec!["get", "nobody"], vec!["update", &user], vec!["create", &user, "--values", "7"]] {
        assert_eq!(run(&arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_key_that_does_not_open_is_6() {
    let _turn = turn();
    let user = user().to_string();
    let other = stack().secret().user_key(Uuid::new_v4());
    run_with_key(&other, &["get", &user]).assert_failed(6, "forbidden");
    for key in [stack().key(Role::Anon), JwtSecret::random().key(Role::ServiceRole)] {
        for command in [vec!["get", &user], vec!["stats"], vec!["repair"], vec!["backfill"]] {
            let run = run_with_key(&key, &command);
            let code = run.document()["error_details"][0]["code"].clone();
            assert!(run.code == 6 && (code == "forbidden" || code == "unauthorized"), "{run:?}");
        }
    }
    let own = stack().secret().user_key(user.parse().unwrap());
    assert_eq!(run_with_key(&own, &["get", &user]).code, 0, "a user's own token reads the own profile");
    assert_eq!(run_with_key(&own, &["export", "--file", "rows.jsonl"]).code, 6);
}

#[test]
fn an_export_is_a_backup_that_an_import_restores() {
    let _turn = turn();
    let (directory, key) = (TempDir::new().unwrap(), stack().key(Role::ServiceRole));
    for _ in 0..3 {
        user();
    }
    for table in ["user_profiles", "profiles", "user_profile"] {
        let before = rows(table);
        let file = format!("{table}.jsonl");
        let export = ["export", "--table", table, "--file", &file, "--output", "json"];
        let exported = run_in(&directory, &key, &export, "").document();
        assert_eq!(exported["data"]["rows"], json!(before.len()), "{table}");
        assert_eq!(run_in(&directory, &key, &export, "").code, 2, "a file that is there is kept");

        sql(&format!("DELETE FROM public.{table}"));
        let import = ["import", &file, "--table", table, "--output", "json"];
        let imported = run_in(&directory, &key, &import, "").document();
        let counts = json!({"lines": before.len(), "succeeded": before.len(), "failed": 0});
        assert_eq!((&imported["data"], rows(table)), (&counts, before.clone()), "{table}");
        let repeated = run_in(&directory, &key, &import, "").document();
        assert_eq!((&repeated["data"], rows(table)), (&counts, before), "{table}");

        let piped = run_in(&directory, &key, &["export", "--table", table], "");
        let backup = std::fs::read_to_string(directory.path().join(&file)).unwrap();
        assert_eq!((piped.code, piped.stdout.as_str()), (0, backup.as_str()), "{table}");
        let from_pipe = run_in(&directory, &key, &["import", "-", "--table", table, "--output", "json"], &backup);
        assert_eq!(from_pipe.document()["data"], counts, "{table}");
    }
}

#[test]
fn lines_that_cannot_be_imported_are_told_with_their_number_and_cost_no_other() {
    let _turn = turn();
    let (kept, gone) = (user(), user());
    let key = stack().key(Role::ServiceRole);
    let row = |user: Uuid, columns: &Value| {
        let mut row = columns.clone();
        row["user_id"] = json!(user);
        format!("{row}\n")
    };
    let lines = [
        row(Uuid::new_v4(), &json!({"salary_min": 1})),
        "nonsense\n".to_owned(),
        row(gone, &json!({"salery_min": 1})),
        row(kept, &json!({"salary_min": 77})),
    ]
    .concat();
    let run = run_in(&TempDir::new().unwrap(), &key, &["import", "-", "--output", "json"], &lines);
    assert_eq!((run.code, &run.document()["data"]), (1, &json!({"lines": 4, "succeeded": 1, "failed": 3})), "{run:?}");
    let details = run.document()["error_details"].clone();
    let mut told: Vec<_> =
        details.as_array().unwrap().iter().map(|detail| (&detail["line"], &detail["code"])).collect();
    told.sort_by_key(|(line, _)| line.as_u64());
    let expected = [(1, "user_not_found"), (2, "validation_failed"), (3, "validation_failed")];
    assert_eq!(
        told,
        expected.map(|(line, code)| (json!(line), json!(code))).iter().map(|(l, c)| (l, c)).collect::<Vec<_>>()
    );
    assert!(["line 1: ", "line 2: ", "line 3: "].iter().all(|line| run.stderr.contains(line)), "{run:?}");
    let found = self::run(&["get", &kept.to_string()]).document();
    assert_eq!(found["data"]["profile"]["salary_min"], 77);
}

#[test]
fn a_backfill_and_a_repair_tell_what_they_made_and_what_fails_still() {
    let _turn = turn();
    let (bare, cursed) = (user_without_profile(), user_without_profile());
    sql(&format!(
        "CREATE OR REPLACE FUNCTION public.curse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF NEW.user_id = '{cursed}' THEN RAISE EXCEPTION 'cursed'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER curse BEFORE INSERT ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.curse()"
    ));
    let filled = run(&["backfill", "--batch", "2"]);
    let users: i64 = all(&mut stack().admin(), "SELECT count(*) FROM auth.users", &[])[0];
    assert_eq!((filled.code, &filled.document()["data"]), (1, &json!({"users": users, "created": 1, "failed": 1})));
    assert_eq!(run(&["get", &bare.to_string()]).code, 0);

    let failed = run(&["repair"]);
    let document = failed.document();
    assert_eq!((failed.code, &document["data"]["failed"], &document["data"]["remaining"]), (1, &json!(1), &json!(1)));
    assert_eq!(document["error_details"][0]["user_id"], json!(cursed));
    assert!(failed.stderr.contains("cursed (P0001)") && failed.stderr.contains("what to do: "), "{failed:?}");
    sql("DROP TRIGGER curse ON public.user_profiles");
    let repaired = run(&["repair"]);
    assert_eq!((repaired.code, &repaired.document()["data"]["repaired"]), (0, &json!(1)));
    assert_eq!(run(&["get", &cursed.to_string()]).code, 0);
    assert_eq!(run(&["backfill"]).document()["data"]["created"], 0);
}

#[test]
fn statistics_are_drawn_for_people_and_numbers_for_programs() {
    let _turn = turn();
    let incomplete = user().to_string();
    run(&["update", &incomplete, "--values", r#"{"education_level": null}"#]).document();
    let stats = run(&["stats", "--days", "1"]).document();
    assert_eq!((&stats["user_id"], &stats["data"]["table"]), (&Value::Null, &json!("public.user_profiles")));
    assert_eq!(stats["data"]["missing_fields"][0]["field"], "education_level");
    let drawn = run_in(&TempDir::new().unwrap(), &stack().key(Role::ServiceRole), &["stats"], "");
    for text in ["Profiles by how complete they are", "100 %", "education_level", "Sign-ups by day (UTC)", "█"] {
        assert!(drawn.code == 0 && drawn.stdout.contains(text), "{text}: {drawn:?}");
    }
}

#[test]
fn a_reader_who_has_gone_away_is_no_failure() {
    let _turn = turn();
    let user = user().to_string();
    for arguments in [vec!["export"], vec!["get", &user], vec!["stats"]] {
        let mut command = registrar_program().unwrap();
        command.env("POSTGREST_URL", stack().url()).env("SUPABASE_SERVICE_ROLE_KEY", stack().key(Role::ServiceRole));
        let mut child =
            command.arg("profile").args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true), "{arguments:?} {output:?}");
    }
}

#[test]
fn logs_name_users_and_never_what_stands_in_their_profiles() {
    let _turn = turn();
    let (directory, key) = (TempDir::new().unwrap(), stack().key(Role::ServiceRole));
    let (user, bare) = (user().to_string(), user_without_profile().to_string());
    let values = format!(r#"{{"field_of_study": "{SECRET}", "salary_min": 31337}}"#);
    let bad = format!(r#"{{"salary_min": "{SECRET}", "salery_min": 31337}}"#);
    let row = format!("{{\"user_id\": \"{user}\", \"field_of_study\": \"{SECRET}\", \"salary_min\": 31337}}\n");
    let bad_row = format!("{{\"user_id\": \"{user}\", \"salary_min\": \"{SECRET}\"}}\n");
    for (arguments, input, level, told) in [
        (vec!["create", &bare, "--values", &values], "", "INFO", "profile created"),
        (vec!["create", &user, "--values", &values], "", "WARN", "profile already exists"),
        (vec!["update", &user, "--values", &values], "", "INFO", "profile updated"),
        (vec!["update", &user, "--values", &bad], "", "ERROR", "profile call failed"),
        (vec!["get", &user], "", "DEBUG", "get_profile"),
        (vec!["import", "-"], row.as_str(), "INFO", "profile imported"),
        (vec!["import", "-"], bad_row.as_str(), "ERROR", "profile not imported"),
    ] {
        let run = run_in(&directory, &key, &[&["-v"][..], &arguments].concat(), input);
        // Their time begins a line of the log; the other lines are for the one who gave the command.
        let logs: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("20")).collect();
        let line = logs.iter().find(|line| line.contains(level) && line.contains(told));
        let line = line.unwrap_or_else(|| panic!("no {level} {told}: {run:?}"));
        let named = arguments.iter().copied().chain([user.as_str()]).any(|id| id.len() == 36 && line.contains(id));
        assert!(named || level == "DEBUG", "{line}");
        for value in [SECRET, "31337", key.as_str()] {
            assert!(!logs.iter().any(|line| line.contains(value)), "{value} of {arguments:?}: {logs:?}");
        }
    }
    assert!(!stack().gateway().log().unwrap().contains(SECRET) && !stack().cluster().log().unwrap().contains(SECRET));
}
