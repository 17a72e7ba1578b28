//! From version to version and back, with everything that users have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Once;

use postgres::Client;
use registrar_tests::{Database, Role, Stack, all, call, empty_database, one, plain_database};
use serde_json::{Value, json};

/// The install script of the version before, as it was released.
const BEFORE: &str = "fixtures/registrar--0.1.0.sql";
/// What `pg_dump` made of a database with the version before: two users, one of whom is verified, with profiles and a session.
const DUMP: &str = "fixtures/registrar-0.1.0-dump.sql";
const PASSWORD: &str = "correct horse battery staple";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A database as the version before left it: its functions, its tables, its users. The library is today's.
fn database_of_before() -> Database {
    static INSTALL: Once = Once::new();
    let database = empty_database();
    INSTALL.call_once(|| {
        let directory = one::<String>(
            &mut database.admin().unwrap(),
            "SELECT setting || '/extension' FROM pg_config WHERE name = 'SHAREDIR'",
            &[],
        );
        fs::write(Path::new(&directory).join("registrar--0.1.0.sql"), fixture(BEFORE)).unwrap();
    });
    database.psql("CREATE EXTENSION registrar VERSION '0.1.0'").unwrap();
    let dump = fixture(DUMP).replace("CREATE SCHEMA registrar;", "CREATE SCHEMA IF NOT EXISTS registrar;");
    database.psql(&dump).unwrap();
    database
}

fn version(admin: &mut Client) -> String {
    one(admin, "SELECT extversion FROM pg_extension WHERE extname = 'registrar'", &[])
}

/// Every function of the schema `registrar` with all that is said of it, by its signature.
fn functions(admin: &mut Client) -> BTreeMap<String, Value> {
    let query = "SELECT p.oid::regprocedure::text, to_jsonb(p) - 'oid' - 'proacl' - 'prosrc' - 'proargdefaults' - 'prorettype' - 'proargtypes' - 'proallargtypes'
                     - 'pronamespace' - 'proowner' - 'prolang'
                     || jsonb_build_object(
                         'owner', p.proowner::regrole, 'result', p.prorettype::regtype, 'language', l.lanname, 'source', p.prosrc, 'arguments', pg_get_function_arguments(p.oid),
                         'acl', (SELECT jsonb_agg(a::text ORDER BY a::text) FROM unnest(p.proacl) AS a),
                         'comment', obj_description(p.oid, 'pg_proc'), 'is_member', d.objid IS NOT NULL)
                 FROM pg_proc AS p
                 JOIN pg_language AS l ON l.oid = p.prolang
                 LEFT JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                 WHERE p.pronamespace = 'registrar'::regnamespace";
    admin.query(query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (signature, function) in expected {
        assert_eq!(&found[signature], function, "{signature}");
    }
}

/// The structure of registrar's own tables and views.
fn storage(database: &Database) -> String {
    database.script(&["--schema-only", "--schema=registrar_private", "--schema=registrar"])
}

fn signs_in(database: &Database, email: &str) -> Value {
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    json!(call(&mut back_end, "sign_in_with_password", &json!({ "p_email": email, "p_password": PASSWORD })))
}

#[test]
fn an_upgrade_makes_what_a_new_installation_makes_and_users_keep_what_they_have() {
    let database = database_of_before();
    let mut admin = database.admin().unwrap();
    assert_eq!(version(&mut admin), "0.1.0");
    let sessions = "SELECT count(*) FROM registrar_private.sessions WHERE ended_at IS NULL";
    assert_eq!(one::<i64>(&mut admin, sessions, &[]), 1);

    database.psql("ALTER EXTENSION registrar UPDATE; SELECT registrar.setup()").unwrap();
    let new = plain_database();
    assert_eq!(version(&mut admin), version(&mut new.admin().unwrap()));
    assert_same(&functions(&mut admin), &functions(&mut new.admin().unwrap()));
    assert_eq!(storage(&database), storage(&new));

    assert_eq!(signs_in(&database, "verified@example.com")["success"], true);
    assert_eq!(signs_in(&database, "waiting@example.com")["errors"][0]["code"], "not_confirmed");
    assert_eq!(one::<i64>(&mut admin, sessions, &[]), 2);
    let shown: Vec<String> = all(
        &mut admin,
        "SELECT concat_ws(' ', email, is_verified, profile_id IS NOT NULL) FROM registrar.users ORDER BY email",
        &[],
    );
    assert_eq!(shown, ["verified@example.com t t", "waiting@example.com f t"]);
    let findings = "SELECT \"check\" || ': ' || finding FROM registrar.doctor() WHERE severity IN ('error', 'warning')";
    assert_eq!(all::<String>(&mut admin, findings, &[]), all::<String>(&mut new.admin().unwrap(), findings, &[]));
    database.register("new@example.com");
}

#[test]
fn a_dump_of_the_version_before_is_restored_into_this_one() {
    let database = empty_database();
    database.psql(&fixture(DUMP)).unwrap();
    database.psql("SELECT registrar.setup()").unwrap();
    let new = plain_database();
    assert_eq!(storage(&database), storage(&new));
    assert_eq!(signs_in(&database, "verified@example.com")["success"], true);
}

#[test]
fn a_downgrade_makes_what_was_there_before() {
    let database = database_of_before();
    let mut admin = database.admin().unwrap();
    let before = functions(&mut admin);
    database.psql("ALTER EXTENSION registrar UPDATE; SELECT registrar.setup()").unwrap();
    database.psql("ALTER EXTENSION registrar UPDATE TO '0.1.0'").unwrap();
    assert_eq!(version(&mut admin), "0.1.0");
    assert_same(&functions(&mut admin), &before);
    let views = "SELECT relname::text FROM pg_class WHERE relnamespace = 'registrar'::regnamespace AND relkind = 'v'";
    assert_eq!(all::<String>(&mut admin, views, &[]), ["profile_tables"]);
    assert_eq!(signs_in(&database, "verified@example.com")["success"], true);
    database.register("new@example.com");
    database.psql("ALTER EXTENSION registrar UPDATE; SELECT registrar.setup()").unwrap();
    let new = plain_database();
    assert_eq!(storage(&database), storage(&new), "and up again");
}

#[test]
fn a_downgrade_that_would_lock_users_out_is_refused() {
    let database = database_of_before();
    database.psql("ALTER EXTENSION registrar UPDATE; SELECT registrar.setup()").unwrap();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(
            "CREATE TABLE public.people (email text, password text);
             INSERT INTO public.people VALUES ('django@example.com', 'pbkdf2_sha256$1000$salt$fSJ/tqkYzkGNC63Q5ypYYy9pFlZ1vWUjHLvR1CuPIrk=');
             SELECT registrar.import_users('public.people', '{\"password_hash\": \"password\"}')",
        )
        .unwrap();
    let now = (functions(&mut admin), storage(&database));
    let refused = database.psql("ALTER EXTENSION registrar UPDATE TO '0.1.0'").unwrap_err().to_string();
    assert!(refused.contains("1 users have passwords that version 0.1.0 cannot verify"), "{refused}");
    assert_eq!((functions(&mut admin), storage(&database)), now);
}

#[test]
fn the_shared_stack_runs_the_version_of_the_library() {
    let version: String = one(&mut Stack::shared().admin(), "SELECT registrar.build_info() ->> 'version'", &[]);
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}
