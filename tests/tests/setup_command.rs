//! `registrar setup`: a database in which nothing is becomes one in which users sign up, and a second run finds nothing to do.

use std::path::Path;
use std::process::Command;

use registrar_tests::{
    Cluster, Database, Program, ProgramRun, Stack, all, bare_supabase_database, connect_as_supabase_auth,
    empty_database, one, plain_database,
};
use serde_json::{Value, json};
use uuid::Uuid;

const SETUP: &[&str] = &["setup"];

fn program(database: &Database) -> Program {
    Program::new().with_database(database)
}

/// The steps of a run, each as `name outcome`.
#[track_caller]
fn outcomes(run: &ProgramRun) -> Vec<String> {
    let document = run.document();
    let steps = document["data"]["steps"].as_array().unwrap_or_else(|| panic!("{run:?}"));
    let text = |step: &Value, member: &str| step[member].as_str().unwrap().to_owned();
    steps.iter().map(|step| format!("{}: {}", text(step, "step"), text(step, "outcome"))).collect()
}

#[track_caller]
fn detail(run: &ProgramRun, name: &str) -> String {
    let document = run.document();
    let steps = document["data"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name}: {run:?}"));
    step["detail"].as_str().unwrap().to_owned()
}

/// What PostgREST reads from the settings of the role that it logs in as.
fn schemas_settings(database: &Database) -> Vec<String> {
    let query = "SELECT substr(setting, strpos(setting, '=') + 1)
                 FROM pg_db_role_setting AS s CROSS JOIN unnest(setconfig) AS setting
                 WHERE setrole = 'authenticator'::regrole AND setting LIKE 'pgrst.db_schemas=%'
                     AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                 ORDER BY setdatabase";
    all(&mut database.admin().unwrap(), query, &[])
}

fn sign_up(database: &Database) -> Uuid {
    let (user, token) = database.register(&format!("{}@example.com", Uuid::new_v4()));
    database.verify(&token);
    user
}

#[test]
fn a_database_with_nothing_in_it_is_set_up_and_a_second_run_finds_nothing_to_do() {
    for new_database in [empty_database, bare_supabase_database] {
        let database = new_database();
        let first = program(&database).json(SETUP);
        assert_eq!(first.code, 0, "{first:?}");
        let expected = [
            "connection and rights: done",
            "extension: done",
            "tables, triggers and rights: done",
            "profile table: done",
            "exposed schema: done",
            "extension and triggers: done",
            "sign-ups of every shape: done",
            "schema over HTTP: skipped",
        ];
        assert_eq!(outcomes(&first), expected);
        assert!(detail(&first, "sign-ups of every shape").contains("email"), "{first:?}");
        let user = sign_up(&database);
        assert!(database.row("public.user_profiles", "user_id", user).is_some());
        assert_eq!(database.brief_findings(), Vec::<String>::new(), "the doctor finds nothing");

        let before = database.script(&["--inserts"]);
        let second = program(&database).json(SETUP);
        assert_eq!(second.code, 0, "{second:?}");
        let unchanged = expected.map(|step| match step.split_once(": ") {
            Some(("extension" | "tables, triggers and rights" | "profile table" | "exposed schema", _)) => {
                step.replace("done", "unchanged")
            }
            _ => step.to_owned(),
        });
        assert_eq!(outcomes(&second), unchanged);
        assert_eq!(database.script(&["--inserts"]), before);
    }
}

#[test]
fn a_dry_run_changes_nothing_and_its_script_does_the_same() {
    let (database, by_hand) = (empty_database(), empty_database());
    let before = database.script(&[]);
    let script = program(&by_hand).run(&["setup", "--dry-run"]);
    assert!(script.code == 0 && script.stderr.is_empty(), "{script:?}");
    for statement in
        ["CREATE EXTENSION registrar;\n", "SELECT registrar.setup();\n", "NOTIFY pgrst, 'reload schema';\n"]
    {
        assert!(script.stdout.contains(statement), "{statement}: {script:?}");
    }
    assert_eq!(by_hand.script(&[]), before, "nothing was run");
    let statements = program(&by_hand).json(&["setup", "--dry-run"]).data()["statements"].clone();
    assert_eq!(statements[0], "CREATE EXTENSION registrar");

    assert_eq!(program(&database).run(SETUP).code, 0);
    by_hand.psql(&script.stdout).unwrap();
    assert_eq!(by_hand.script(&["--schema-only"]), database.script(&["--schema-only"]));
    let nothing = program(&database).run(&["setup", "--dry-run"]);
    assert!(!nothing.stdout.contains("CREATE ") && !nothing.stdout.contains("ALTER "), "{nothing:?}");
}

#[test]
fn profile_tables_are_made_as_asked_and_those_that_are_attached_stay_as_they_are() {
    let attached = |database: &Database| -> Vec<String> {
        all(&mut database.admin().unwrap(), "SELECT table_name::text FROM registrar.profile_tables", &[])
    };
    let database = empty_database();
    let none = program(&database).json(&["setup", "--template", "none"]);
    assert_eq!((none.code, attached(&database).len()), (0, 0), "{none:?}");
    let profiles = program(&database).json(&["setup", "--template", "profiles"]);
    assert_eq!((profiles.code, attached(&database)), (0, vec!["profiles".to_owned()]), "{profiles:?}");

    let fields = json!(["first_name"]);
    database.attach("public.profiles", "id", &fields);
    for arguments in [SETUP, &["setup", "--template", "profiles"]] {
        assert_eq!(program(&database).run(arguments).code, 0);
        let kept: Value = one(&mut database.admin().unwrap(), "SELECT fields FROM registrar.profile_tables", &[]);
        assert_eq!(kept.as_array().map(Vec::len), Some(1), "{kept}");
        assert_eq!(attached(&database), ["profiles"]);
    }
}

#[test]
fn the_profile_table_belongs_to_the_owner_of_the_database_where_that_can_be() {
    let database = bare_supabase_database();
    let owner = format!("owner_of_{}", database.name());
    let name = database.name();
    database
        .psql(&format!(
            "CREATE ROLE {owner}; ALTER DATABASE {name} OWNER TO {owner};
             GRANT USAGE ON SCHEMA auth TO {owner}; GRANT ALL ON auth.users TO {owner}"
        ))
        .unwrap();
    let run = program(&database).json(SETUP);
    assert_eq!(run.code, 0, "{run:?}");
    let query = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'public.user_profiles'::regclass";
    assert_eq!(one::<String>(&mut database.admin().unwrap(), query, &[]), owner);
    let mut auth = connect_as_supabase_auth(&database);
    let insert = "INSERT INTO auth.users (id, email) VALUES ($1, $2)";
    let user = Uuid::new_v4();
    auth.execute(insert, &[&user, &format!("{user}@example.com")]).unwrap();
    assert!(database.row("public.user_profiles", "user_id", user).is_some());
}

#[test]
fn a_trigger_that_loses_sign_ups_is_found_whoever_made_it() {
    let database = bare_supabase_database();
    database
        .psql(
            "CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO profiles_of_old (id) VALUES (NEW.id); RETURN NEW; END $$;
             CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user()",
        )
        .unwrap();
    let run = program(&database).json(SETUP);
    run.assert_failed(1, &["Sign-ups fail", "on_auth_user_created", "profiles_of_old", "42P01"]);
    assert!(outcomes(&run).contains(&"sign-ups of every shape: failed".to_owned()), "{run:?}");
    let users: i64 = one(&mut database.admin().unwrap(), "SELECT count(*) FROM auth.users", &[]);
    assert_eq!(users, 0, "the trial leaves nobody");
    database.psql("DROP TRIGGER on_auth_user_created ON auth.users").unwrap();
    assert_eq!(program(&database).run(SETUP).code, 0);
}

#[test]
fn what_postgrest_serves_already_is_kept_in_its_setting() {
    let database = empty_database();
    let name = database.name();
    database
        .psql(&format!("ALTER ROLE authenticator IN DATABASE {name} SET pgrst.db_schemas = 'api, public'"))
        .unwrap();
    let run = program(&database).json(SETUP);
    assert!(run.code == 0 && detail(&run, "exposed schema").contains("api, public, registrar"), "{run:?}");
    assert_eq!(schemas_settings(&database), ["api, public, registrar"]);
    let again = program(&database).json(SETUP);
    assert!(outcomes(&again).contains(&"exposed schema: unchanged".to_owned()), "{again:?}");
    assert_eq!(schemas_settings(&database), ["api, public, registrar"]);
}

#[test]
fn a_gateway_that_serves_the_schema_is_left_alone_and_called() {
    let stack = Stack::shared();
    let run = Program::of(stack).with_database(stack.database()).json(SETUP);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(detail(&run, "exposed schema").contains(&stack.url()), "{run:?}");
    assert!(outcomes(&run).contains(&"schema over HTTP: done".to_owned()), "{run:?}");
    assert_eq!(schemas_settings(stack.database()), Vec::<String>::new());
}

#[test]
fn where_the_schema_is_still_not_served_the_one_thing_to_do_is_told() {
    let stack = Stack::builder().unwrap().gateway_setting("PGRST_DB_SCHEMAS", "public").start().unwrap();
    let run = Program::of(&stack).with_database(stack.database()).json(SETUP);
    assert_eq!(schemas_settings(stack.database()), ["public, registrar"]);
    // PostgREST reads the setting; postrust knows its environment only.
    if stack.gateway().name() == "postgrest" {
        assert_eq!(run.code, 0, "{run:?}");
    } else {
        run.assert_failed(1, &["does not serve the schema registrar", "PGRST_DB_SCHEMAS=\"public, registrar\""]);
        assert!(outcomes(&run).contains(&"schema over HTTP: failed".to_owned()), "{run:?}");
    }
}

#[test]
fn without_the_right_nothing_is_made() {
    let database = empty_database();
    let mere = format!("mere_{}", database.name());
    database
        .psql(&format!("CREATE ROLE {mere} LOGIN PASSWORD 'word'; GRANT ALL ON DATABASE {} TO {mere}", database.name()))
        .unwrap();
    let before = database.script(&[]);
    let url = format!("postgresql://{mere}:word@127.0.0.1:{}/{}", database.port(), database.name());
    let run = Program::new().json(&["setup", "--database-url", &url]);
    run.assert_failed(6, &["is no superuser", "--dry-run"]);
    assert_eq!(outcomes(&run), ["connection and rights: failed"]);
    let script = Program::new().run(&["setup", "--dry-run", "--database-url", &url]);
    assert!(script.code == 0 && script.stdout.contains("CREATE EXTENSION registrar;"), "{script:?}");
    assert_eq!(database.script(&[]), before);

    let wrong = format!("postgresql://{mere}:other@127.0.0.1:{}/{}", database.port(), database.name());
    Program::new().run(&["setup", "--database-url", &wrong]).assert_failed(6, &["28P01", "PGPASSWORD"]);
}

#[test]
fn a_server_without_the_extensions_files_is_told_apart() {
    let cluster = Cluster::builder().unwrap().start().unwrap();
    // The cluster's own copy: the machine's PostgreSQL may have another.
    let pg_config = Command::new(cluster.installation().program("pg_config")).arg("--sharedir").output().unwrap();
    let shared = String::from_utf8(pg_config.stdout).unwrap();
    std::fs::remove_file(Path::new(shared.trim()).join("extension/registrar.control")).unwrap();
    let run = program(&cluster.postgres_database()).run(SETUP);
    run.assert_failed(1, &["not on the database server", "docs/install.md"]);
}

#[test]
fn wrappers_are_made_where_they_are_asked_for() {
    let database = plain_database();
    database.psql("CREATE SCHEMA \"My API\"").unwrap();
    let run = program(&database).json(&["setup", "--wrappers-in", "My API"]);
    assert_eq!(run.code, 0, "{run:?}");
    let query = "SELECT count(*) FROM pg_proc WHERE pronamespace = '\"My API\"'::regnamespace";
    assert!(one::<i64>(&mut database.admin().unwrap(), query, &[]) > 10, "{run:?}");
    let nowhere = program(&database).json(&["setup", "--wrappers-in", "nowhere"]);
    assert_eq!(nowhere.code, 1, "{nowhere:?}");
    assert!(outcomes(&nowhere).contains(&"wrappers: failed".to_owned()), "{nowhere:?}");
}
