//! The server, its roles and its gateway's settings: each fault planted, found, and mended.

use registrar_tests::{Cluster, Database, Stack, one, plain_database, supabase_database};

#[test]
fn the_functions_are_of_another_version_than_the_library() {
    let database = plain_database();
    let age = "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'registrar'";
    database.plant(age, &["extension_version error extension registrar"]);
    let fix = database.findings()[0].fix_sql.clone().unwrap();
    assert_eq!(fix, "ALTER EXTENSION registrar UPDATE;\nSELECT registrar.setup();");
    database.psql("UPDATE pg_extension SET extversion = default_version FROM pg_available_extensions WHERE extname = name AND name = 'registrar'").unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
}

#[test]
fn set_up_was_never_run_or_by_an_older_version() {
    let database = plain_database();
    let migration = "DELETE FROM registrar_private.migrations WHERE name = '009_declared_relations';
                     DROP TABLE registrar_private.declared_relations";
    database.plant_and_mend(migration, &["set_up error registrar_private"]);
}

#[test]
fn registrars_role_has_lost_its_rights() {
    let database = supabase_database();
    let expected = ["registrar_owner_rights error role registrar_owner"];
    for revoke in ["INSERT ON auth.users", "SELECT, UPDATE ON auth.users", "USAGE ON SCHEMA auth"] {
        database.plant_and_mend(&format!("REVOKE {revoke} FROM registrar_owner"), &expected);
    }
}

/// Roles are shared by all databases of a cluster: whoever changes them takes a cluster of the own.
fn own_cluster() -> (Cluster, Database) {
    let cluster = Cluster::builder().unwrap().start().unwrap();
    let database = cluster.create_database("app").unwrap();
    database.install_registrar().unwrap();
    (cluster, database)
}

#[test]
fn roles_are_missing_or_lack_what_they_need() {
    let (_cluster, database) = own_cluster();
    database.plant_and_mend(
        "ALTER ROLE registrar_owner NOBYPASSRLS",
        &["registrar_owner_rights error role registrar_owner"],
    );
    database.plant_and_mend("DROP OWNED BY anon; DROP ROLE anon", &["roles_missing error role anon"]);
}

#[test]
fn postgrest_lets_clients_roll_back_or_does_not_serve_the_schema() {
    let (_cluster, database) = own_cluster();
    database.psql("CREATE ROLE authenticator LOGIN NOINHERIT").unwrap();
    let setting = |name: &str| format!("{name} of role authenticator");
    database.plant_and_mend(
        "ALTER ROLE authenticator SET pgrst.db_tx_end = 'commit-allow-override'",
        &[&format!("db_tx_end error setting {}", setting("pgrst.db_tx_end"))],
    );
    database.plant_and_mend(
        "ALTER ROLE authenticator IN DATABASE app SET pgrst.db_schemas = 'public, graphql_public'",
        &[&format!("schema_not_exposed warning setting {}", setting("pgrst.db_schemas"))],
    );
    let served =
        "SELECT setting FROM pg_db_role_setting, unnest(setconfig) AS setting WHERE setting LIKE 'pgrst.db_schemas=%'";
    let served: String = one(&mut database.admin().unwrap(), served, &[]);
    assert_eq!(served, "pgrst.db_schemas=public, graphql_public, registrar");
    database.psql("ALTER ROLE authenticator IN DATABASE postgres SET pgrst.db_schemas = 'public'").unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new(), "another database's setting");
}

#[test]
fn the_server_puts_backtraces_into_errors() {
    let cluster = Cluster::builder().unwrap().environment("RUST_BACKTRACE", "1").start().unwrap();
    let database = cluster.create_database("app").unwrap();
    database.install_registrar().unwrap();
    let found = database.findings();
    assert_eq!(found[0].brief(), "rust_backtrace warning environment of the server");
    assert_eq!(found[0].fix_sql, None);
    assert_eq!(found.len(), 1);
}

/// A database whose texts are encoded and compared as the options of CREATE DATABASE say.
fn database_with(name: &str, options: &str) -> Database {
    let cluster = Stack::shared().cluster();
    cluster.admin().unwrap().batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 {options}")).unwrap();
    let database = cluster.postgres_database().named(name);
    database.install_registrar().unwrap();
    database
}

#[test]
fn lower_case_is_another_here_than_in_the_app() {
    let turkish = database_with("turkish", "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'");
    let found = turkish.findings();
    assert_eq!(found[0].brief(), "email_collation error database turkish");
    assert!(found[0].finding.contains("lower('I') is 'ı'"), "{found:?}");
    assert_eq!((found.len(), &found[0].fix_sql), (1, &None));
}

#[test]
fn the_encoding_has_no_room_for_names() {
    let latin = database_with("latin", "ENCODING 'SQL_ASCII' LOCALE 'C'");
    assert_eq!(latin.brief_findings(), ["text_encoding error database latin"]);
    assert_eq!(latin.findings()[0].fix_sql, None);
}

#[test]
fn addresses_are_compared_by_a_collation_that_takes_them_for_equal() {
    let database = plain_database();
    database.plant_and_decide(
        // The trigger's condition and the view are on the column, whose type cannot change under them; setup() makes them again.
        "CREATE COLLATION public.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         DROP TRIGGER registrar_handle_user_update ON auth.users; DROP VIEW registrar.users;
         ALTER TABLE auth.users ALTER COLUMN email TYPE varchar(255) COLLATE public.loose; SELECT registrar.setup()",
        &["email_collation error auth.users.email"],
        "DROP TRIGGER registrar_handle_user_update ON auth.users; DROP VIEW registrar.users;
         ALTER TABLE auth.users ALTER COLUMN email TYPE varchar(255) COLLATE pg_catalog.\"default\"; SELECT registrar.setup()",
    );
}

#[test]
fn indexes_are_sorted_as_an_older_system_compared() {
    let database = database_with("aged", "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
    database.plant_and_mend(
        "UPDATE pg_database SET datcollversion = '1' WHERE datname = 'aged'",
        &["collation_version warning database aged"],
    );
}
