//! `CREATE EXTENSION registrar; SELECT registrar.setup();` twice, by many at once, and by those who may not.

use std::sync::Barrier;
use std::time::Duration;

use postgres::Client;
use registrar_tests::{
    Cluster, Database, bare_supabase_database, empty_database, one, plain_database, supabase_database,
};
use serde_json::Value;

fn setup(client: &mut Client) -> Vec<String> {
    let report: Value = one(client, "SELECT registrar.setup()", &[]);
    serde_json::from_value(report["made"].clone()).unwrap()
}

#[test]
fn two_databases_of_a_new_cluster_are_set_up_at_once() {
    // Roles belong to the cluster: whoever makes them second waits for the first, and then finds them there.
    for steps in [["CREATE EXTENSION registrar", "BEGIN"], ["BEGIN", "CREATE EXTENSION registrar"]] {
        let cluster = Cluster::builder().unwrap().start().unwrap();
        let [first, second] = ["first", "second"].map(|name| cluster.create_database(name).unwrap());
        let (mut session, mut observer) = (first.admin().unwrap(), first.admin().unwrap());
        for step in steps {
            session.batch_execute(step).unwrap();
        }
        setup(&mut session);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| second.install_registrar());
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            while one::<i64>(&mut observer, waiting, &[]) == 0 && !other.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
            session.batch_execute("COMMIT").unwrap();
            other.join().unwrap().unwrap();
        });
        for database in [first, second] {
            let (_, token) = database.register("user@example.com");
            database.verify(&token);
        }
    }
}

#[test]
fn setup_twice_changes_nothing() {
    for database in [plain_database(), supabase_database()] {
        database.register("user@example.com");
        let before = database.script(&["--inserts"]);
        assert_eq!(setup(&mut database.admin().unwrap()), Vec::<String>::new(), "and says so");
        assert_eq!(database.script(&["--inserts"]), before);
    }
}

#[test]
fn setup_by_eight_sessions_at_once_does_it_once() {
    for new_database in [empty_database, bare_supabase_database] {
        let (database, alone) = (new_database(), new_database());
        database.psql("CREATE EXTENSION registrar").unwrap();
        let start = Barrier::new(8);
        let reports: Vec<Vec<String>> = std::thread::scope(|scope| {
            let session = || {
                let mut session = database.admin().unwrap();
                start.wait();
                setup(&mut session)
            };
            let sessions: Vec<_> = (0..8).map(|_| scope.spawn(session)).collect();
            sessions.into_iter().map(|session| session.join().unwrap()).collect()
        });
        let busy = reports.iter().filter(|made| !made.is_empty()).count();
        assert_eq!(busy, 1, "one session makes everything: {reports:?}");

        alone.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
        let schema = |database: &Database| database.script(&["--schema-only"]);
        assert_eq!(schema(&database), schema(&alone), "the result is that of one session");
        let (_, token) = database.register("user@example.com");
        database.verify(&token);
    }
}

#[test]
fn setup_needs_a_superuser_and_says_so() {
    let database = empty_database();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(
            "CREATE EXTENSION registrar;
             CREATE ROLE setup_owner CREATEROLE CREATEDB;
             GRANT ALL ON DATABASE own_x TO setup_owner;"
                .replace("own_x", database.name())
                .as_str(),
        )
        .unwrap();
    admin.batch_execute("SET ROLE setup_owner").unwrap();
    let refused = admin.query("SELECT registrar.setup()", &[]).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501", "nobody may call it, for a start");

    admin.batch_execute("RESET ROLE; GRANT USAGE ON SCHEMA registrar TO setup_owner").unwrap();
    admin.batch_execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA registrar TO setup_owner").unwrap();
    admin.batch_execute("SET ROLE setup_owner").unwrap();
    let refused = admin.query("SELECT registrar.setup()", &[]).unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42501");
    assert!(error.message().contains("superuser"), "{error:?}");
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('auth', 'registrar_private')";
    assert_eq!(one::<i64>(&mut admin, made, &[]), 0);
}

#[test]
fn setup_refuses_a_registrar_private_that_belongs_to_somebody_else() {
    let database = empty_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("CREATE ROLE squatter; CREATE SCHEMA registrar_private AUTHORIZATION squatter").unwrap();
    admin.batch_execute("CREATE EXTENSION registrar").unwrap();
    let before = database.script(&["--inserts"]);
    let refused = admin.query("SELECT registrar.setup()", &[]).unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42P06");
    assert!(error.message().contains("squatter"), "{error:?}");
    let advice = [error.hint(), error.detail()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    assert!(advice.contains("Rename or drop that schema"), "{error:?}");
    assert_eq!(database.script(&["--inserts"]), before, "nothing was done");
}

#[test]
fn the_extension_refuses_a_schema_registrar_that_belongs_to_somebody_else() {
    let database = empty_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("CREATE ROLE api_squatter; CREATE SCHEMA registrar AUTHORIZATION api_squatter").unwrap();
    let refused = admin
        .batch_execute("CREATE EXTENSION registrar")
        .and_then(|()| admin.batch_execute("SELECT registrar.setup()"));
    let error = refused.expect_err("its owner could put functions of his own beside registrar's");
    assert!(error.as_db_error().unwrap().message().contains("registrar"), "{error:?}");
}

#[test]
fn what_needs_setup_is_refused_before_it_with_what_to_do() {
    let mut admin = empty_database().admin().unwrap();
    admin.batch_execute("CREATE EXTENSION registrar").unwrap();
    admin.batch_execute("CREATE TABLE public.people (id uuid PRIMARY KEY)").unwrap();
    for call in [
        "create_profile_table('user_profiles')",
        "attach_profile_table('public.people', 'id')",
        "detach_profile_table('public.people')",
        "expose_api()",
        "migration_sql()",
    ] {
        let refused = admin.query(&format!("SELECT registrar.{call}"), &[]).unwrap_err();
        let error = refused.as_db_error().unwrap();
        assert_eq!(error.code().code(), "55000", "{call}");
        assert_eq!(error.hint(), Some("Run SELECT registrar.setup(); as superuser first."), "{call}");
    }
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    let mut admin = plain_database().admin().unwrap();
    admin.batch_execute("SELECT registrar.build_info(); SET registrar.trusted_proxies = 2").unwrap();
    let refused = admin.batch_execute("SET registrar.trusted_proxy = 2").unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42602");
}
