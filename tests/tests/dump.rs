//! What registrar has made survives a dump and a restore, and the extension's own going and coming back.

use std::path::PathBuf;
use std::process::Command;

use registrar_tests::{
    Cluster, Database, Gateway, Http, Role, Rpc, Scratch, Stack, call, connect_as_supabase_auth, empty_database, one,
    plain_database, supabase_database,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A database with a verified user, one who has a live token, one whose profile failed, and one with a value that did not
/// fit.
struct Inhabited {
    database: Database,
    verified: Uuid,
    waiting: Uuid,
    token: String,
}

impl Inhabited {
    fn new(database: Database) -> Self {
        let (verified, token) = database.register("verified@example.com");
        database.verify(&token);
        let (waiting, token) = database.register("waiting@example.com");
        let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
        database.refuse_rows("public.user_profiles", "NEW.years_of_experience = 90");
        for (email, metadata) in [
            ("broken@example.com", json!({ "years_of_experience": 90 })),
            ("warned@example.com", json!({ "experience_level": "wizard" })),
        ] {
            let parameters = json!({ "p_email": email, "p_metadata": metadata });
            assert!(call(&mut back_end, "register_user_with_token", &parameters).success);
        }
        Self { database, verified, waiting, token }
    }

    /// The users are all in `database`, and everything works there as it did where they come from.
    #[track_caller]
    fn assert_lives_in(&self, database: &Database) {
        let mut admin = database.admin().unwrap();
        for (table, rows) in [
            ("auth.users", 4),
            ("auth.identities", 4),
            ("public.user_profiles", 3),
            ("registrar_private.profile_failures", 1),
            ("registrar_private.profile_warnings", 1),
            ("registrar.profile_tables", 1),
        ] {
            assert_eq!(one::<i64>(&mut admin, &format!("SELECT count(*) FROM {table}"), &[]), rows, "{table}");
        }
        let confirmed = "SELECT email_confirmed_at IS NOT NULL FROM auth.users WHERE id = $1";
        assert!(one::<bool>(&mut admin, confirmed, &[&self.verified]));
        assert!(!one::<bool>(&mut admin, confirmed, &[&self.waiting]));

        database.verify(&self.token);
        assert!(one::<bool>(&mut admin, confirmed, &[&self.waiting]), "a token issued before still verifies");
        let (new, token) = database.register("new@example.com");
        database.verify(&token);
        let profiles = "SELECT count(*) FROM public.user_profiles WHERE user_id = $1";
        assert_eq!(one::<i64>(&mut admin, profiles, &[&new]), 1, "the trigger fills profiles");
        let completed = "SELECT profile_completed FROM public.user_profiles WHERE user_id = $1";
        assert!(one::<bool>(&mut admin, completed, &[&new]), "the table's own triggers came with it");

        let mut signed_in = database.connect_as(Role::Authenticated).unwrap();
        let refused = signed_in.query("SELECT registrar.register_user_with_token('x@example.com')", &[]).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501");

        admin.execute("DELETE FROM auth.users WHERE id = $1", &[&new]).unwrap();
        for table in ["public.user_profiles", "auth.identities", "registrar_private.verification_tokens"] {
            let left = format!("SELECT count(*) FROM {table} WHERE user_id = $1");
            assert_eq!(one::<i64>(&mut admin, &left, &[&new]), 0, "{table} goes with its user");
        }
        let of_the_failed_profile = [
            "users_without_profile warning public.user_profiles",
            "profile_failures warning registrar_private.profile_failures",
        ];
        assert_eq!(database.brief_findings(), of_the_failed_profile, "nothing else is wrong");
    }
}

fn dump(database: &Database, format: &str) -> (Scratch, PathBuf) {
    let scratch = Scratch::new().unwrap();
    let file = scratch.path().join("dump");
    run(database.program("pg_dump").arg(format!("--format={format}")).arg("--file").arg(&file));
    (scratch, file)
}

fn restore(database: &Database, format: &str, file: &PathBuf) {
    match format {
        "plain" => run(database.program("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file)),
        _ => database.restore(file).unwrap(),
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_dump_restores_into_an_empty_database_as_it_was() {
    for new_database in [plain_database, supabase_database] {
        let original = Inhabited::new(new_database());
        let before = original.database.script(&[]);
        for format in ["custom", "plain"] {
            let (_scratch, file) = dump(&original.database, format);
            let copy = empty_database();
            restore(&copy, format, &file);
            assert_eq!(copy.script(&[]), before, "owners, grants, keys, triggers and rows, restored from {format}");
            let again: Value = one(&mut copy.admin().unwrap(), "SELECT registrar.setup()", &[]);
            assert_eq!(again["made"], json!([]), "nothing is missing");
            original.assert_lives_in(&copy);
        }
    }
}

#[test]
fn a_dump_restores_into_a_new_cluster_that_has_only_the_roles_of_the_api() {
    let original = Inhabited::new(plain_database());
    let (_scratch, file) = dump(&original.database, "custom");
    let cluster = Cluster::builder().unwrap().start().unwrap();
    let copy = cluster.create_database("copy").unwrap();
    copy.psql("CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS").unwrap();
    copy.restore(&file).unwrap();
    assert_eq!(copy.script(&[]), original.database.script(&[]));
    original.assert_lives_in(&copy);
}

#[test]
fn drop_and_create_extension_keep_every_user_token_and_profile() {
    for new_database in [plain_database, supabase_database] {
        let original = Inhabited::new(new_database());
        let database = &original.database;
        let before = database.script(&[]);
        database.psql("DROP EXTENSION registrar").expect("without CASCADE");
        database.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
        assert_eq!(database.script(&[]), before);
        original.assert_lives_in(database);
    }
}

#[test]
fn sign_ups_go_on_while_the_extension_is_away() {
    let original = Inhabited::new(supabase_database());
    let database = &original.database;
    // The session has used the trigger, and stays.
    let mut auth = connect_as_supabase_auth(database);
    let mut sign_up = |email: &str| {
        let insert = "INSERT INTO users (id, email) VALUES (gen_random_uuid(), $1) RETURNING id";
        one::<Uuid>(&mut auth, insert, &[&email])
    };
    let profiles = |user: Uuid| {
        let query = "SELECT count(*) FROM public.user_profiles WHERE user_id = $1";
        one::<i64>(&mut database.admin().unwrap(), query, &[&user])
    };
    assert_eq!(profiles(sign_up("before@example.com")), 1);
    database.psql("DROP EXTENSION registrar").unwrap();
    let meanwhile = sign_up("meanwhile@example.com");
    assert_eq!(profiles(meanwhile), 0);
    database.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
    assert_eq!(profiles(sign_up("after@example.com")), 1);
    assert_eq!(profiles(meanwhile), 0);
}

#[test]
fn a_connected_back_end_goes_on_after_the_extension_came_back() {
    let database = plain_database();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut register = |email: &str| {
        let answer = call(&mut back_end, "register_user_with_token", &json!({ "p_email": email }));
        assert!(answer.success, "{answer:?}");
        assert!(!answer.data.unwrap()["profile"].is_null());
    };
    register("before@example.com");
    database.psql("DROP EXTENSION registrar").unwrap();
    database.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
    register("after@example.com");
}

#[test]
fn a_gateway_serves_a_restored_database() {
    let original = Inhabited::new(plain_database());
    let (_scratch, file) = dump(&original.database, "custom");
    let copy = empty_database();
    copy.restore(&file).unwrap();
    let stack = Stack::shared();
    let gateway = Gateway::builder(&copy, stack.secret()).start().unwrap();
    let call = Rpc::new(&Http::default(), &gateway.url(), "verify_email");
    let parameters = json!({ "p_token": original.token });
    let refused = call.clone().key(stack.key(Role::Anon)).json(&parameters).send().unwrap();
    assert!([401, 403].contains(&refused.status), "{refused:?}");
    call.key(stack.key(Role::ServiceRole)).json(&parameters).send().unwrap().expect_success(200);
}
