//! The doctor as a whole: a healthy database has no findings, the answer is read-only and the same over HTTP, and each check stands
//! in the documentation.

use std::collections::BTreeSet;

use registrar_tests::{
    Role, Stack, all, bare_supabase_database, empty_database, one, plain_database, supabase_database,
};
use serde_json::{Value, json};

const DOCUMENTATION: &str = include_str!("../../docs/troubleshooting.md");

#[test]
fn a_healthy_database_has_no_findings_and_a_row_for_each_check() {
    for database in [plain_database(), supabase_database()] {
        for template in ["profiles", "user_profile"] {
            database.psql(&format!("SELECT registrar.create_profile_table('{template}')")).unwrap();
        }
        database.psql("SELECT registrar.declare_relation('public.profiles', 'id')").unwrap();
        let (_, token) = database.register("verified@example.com");
        database.verify(&token);
        database.register("waiting@example.com");
        let examined = database.examined();
        let wrong: Vec<_> = examined.iter().filter(|finding| finding.severity != "ok").collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(examined.len() > 40);
        assert!(examined.iter().all(|finding| finding.object.is_none() && finding.fix_sql.is_none()));
    }
}

#[test]
fn where_registrar_was_never_set_up_the_doctor_looks_at_what_there_is() {
    let nothing = empty_database();
    nothing.psql("CREATE EXTENSION registrar").unwrap();
    assert_eq!(nothing.brief_findings(), ["set_up notice registrar"]);

    let database = bare_supabase_database();
    database.psql("CREATE EXTENSION registrar").unwrap();
    assert_eq!(database.brief_findings(), ["set_up notice registrar"]);
    database
        .psql(
            "CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users);
             INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'A@example.com');
             CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.profiles (id) VALUES (NEW.id); RETURN NEW; END $$;
             CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
                 FOR EACH ROW EXECUTE FUNCTION public.handle_new_user()",
        )
        .unwrap();
    let trigger = "trigger on_auth_user_created on auth.users";
    let expected = [
        "set_up notice registrar".to_owned(),
        format!("trigger_invoker_rights error {trigger}"),
        format!("trigger_search_path warning {trigger}"),
        format!("trigger_unguarded warning {trigger}"),
        "foreign_key_delete warning public.profiles.id".to_owned(),
        "users_without_profile notice public.profiles".to_owned(),
        "email_not_lower_case warning auth.users.email".to_owned(),
        "null_tokens error auth.users".to_owned(),
        "null_instance_id error auth.users.instance_id".to_owned(),
    ];
    assert_eq!(database.brief_findings(), expected);
}

#[test]
fn it_reads_only_and_takes_no_lock_that_anybody_waits_for() {
    let database = supabase_database();
    database.register("user@example.com");
    let mut admin = database.admin().unwrap();
    let mut reading = admin.build_transaction().read_only(true).start().unwrap();
    reading.query("SELECT * FROM registrar.doctor()", &[]).unwrap();
    let modes = "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'";
    assert_eq!(all::<String>(&mut reading, modes, &[]), ["AccessShareLock"]);
    assert_eq!(one::<Option<String>>(&mut reading, "SELECT pg_current_xact_id_if_assigned()::text", &[]), None);
}

#[test]
fn over_http_the_back_end_gets_the_same_rows_and_nobody_else_any() {
    let stack = Stack::shared();
    let answer = stack.rpc(Role::ServiceRole, "doctor", &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    let keys: BTreeSet<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["check", "severity", "object", "finding", "why", "fix_sql"]));
    let by_sql: Vec<String> = stack.database().examined().into_iter().map(|finding| finding.check).collect();
    let by_http: Vec<&str> = rows.iter().filter_map(|row| row["check"].as_str()).collect();
    assert_eq!(by_http, by_sql);
    for role in [Role::Anon, Role::Authenticated] {
        assert!([401, 403].contains(&stack.rpc(role, "doctor", &json!({})).status), "{role:?}");
    }
}

#[test]
fn the_owner_of_the_database_may_ask() {
    let database = plain_database();
    database.psql("CREATE ROLE doctors_owner; SELECT 1").unwrap();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(&format!("ALTER DATABASE {} OWNER TO doctors_owner; SELECT registrar.setup()", database.name()))
        .unwrap();
    admin.batch_execute("SET ROLE doctors_owner").unwrap();
    let failed = "SELECT finding FROM registrar.doctor() WHERE severity <> 'ok'";
    assert_eq!(all::<String>(&mut admin, failed, &[]), Vec::<String>::new());
    admin.batch_execute("SELECT registrar.declare_relation('public.user_profiles', 'user_id')").unwrap();
    admin.batch_execute("RESET ROLE; ALTER DATABASE postgres OWNER TO postgres").unwrap();
}

/// What a hostile owner hides in a table runs with the own rights only.
#[test]
fn a_table_that_is_a_trap_gains_nothing() {
    let database = supabase_database();
    database
        .psql(
            "CREATE ROLE trapper; GRANT USAGE, CREATE ON SCHEMA public TO trapper;
             GRANT USAGE ON SCHEMA auth TO trapper; GRANT REFERENCES ON auth.users TO trapper;
             SET ROLE trapper;
             CREATE TABLE public.caught (who text);
             CREATE FUNCTION public.spring(uuid) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS
             $$ BEGIN RAISE WARNING 'sprung as %', current_user; RETURN $1; END $$;
             CREATE TABLE public.trap_profiles (user_id uuid UNIQUE REFERENCES auth.users ON DELETE CASCADE);
             CREATE INDEX ON public.trap_profiles (user_id) WHERE public.spring('00000000-0000-0000-0000-000000000001') IS NOT NULL;
             RESET ROLE;
             SELECT registrar.attach_profile_table('public.trap_profiles', 'user_id')",
        )
        .unwrap();
    database.sign_up("user@example.com", &json!({}));
    let mut options = database.config();
    let (sender, warnings) = std::sync::mpsc::channel();
    options.notice_callback(move |notice| sender.send(notice.message().to_owned()).unwrap());
    let mut admin = options.connect(postgres::NoTls).unwrap();
    admin.batch_execute("SET client_min_messages = warning").unwrap();
    admin.query("SELECT * FROM registrar.doctor()", &[]).unwrap();
    drop((admin, options));
    let sprung: BTreeSet<String> = warnings.iter().collect();
    assert_eq!(sprung, BTreeSet::from(["sprung as trapper".to_owned()]), "and it was sprung indeed");
}

#[test]
fn a_part_that_cannot_look_says_so_and_silences_no_other() {
    let database = plain_database();
    database
        .psql("ALTER TABLE registrar_private.profile_failures RENAME TO hidden; ALTER TABLE public.user_profiles DISABLE ROW LEVEL SECURITY")
        .unwrap();
    let findings = database.findings();
    let incomplete = findings.iter().find(|finding| finding.check == "incomplete").unwrap();
    assert!(incomplete.finding.contains("profile_failures"), "{incomplete:?}");
    assert!(findings.iter().any(|finding| finding.check == "row_security_off"), "{findings:#?}");
}

#[test]
fn the_sql_of_the_documentation_runs() {
    let database = plain_database();
    let blocks: Vec<&str> =
        DOCUMENTATION.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 2);
    // One by one: a procedure commits, which it cannot do among others.
    for statement in blocks.iter().flat_map(|block| block.lines()) {
        database.psql(statement).unwrap_or_else(|error| panic!("{error:?} of {statement}"));
    }
}

#[test]
fn every_check_stands_in_the_documentation_with_why_it_matters() {
    let documented: BTreeSet<&str> =
        DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let examined = plain_database().examined();
    let checks: BTreeSet<&str> = examined.iter().map(|finding| finding.check.as_str()).collect();
    assert_eq!(documented, checks);
    for finding in &examined {
        let section = DOCUMENTATION.split(&format!("### `{}`\n", finding.check)).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            section.contains(&finding.why),
            "{}: the documentation does not say why: {}",
            finding.check,
            finding.why
        );
    }
}
