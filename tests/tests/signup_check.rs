//! `signup_check`: what it says of databases where sign-ups work, that it leaves nothing, and who may run it.

use postgres::Client;
use registrar_tests::{
    Database, Role, app_with, bare_supabase_database, empty_database, one, plain_database, signup_check,
    supabase_database, try_signup_check,
};

fn bare_supabase_database_with_the_extension() -> Database {
    let database = bare_supabase_database();
    database.psql("CREATE EXTENSION registrar").unwrap();
    database
}

#[test]
fn where_sign_ups_work_every_shape_is_ok_and_nothing_is_left() {
    for new_database in [plain_database, supabase_database, bare_supabase_database_with_the_extension] {
        let database = new_database();
        let before = database.script(&["--inserts"]);
        for outcome in signup_check(&mut database.admin().unwrap(), None) {
            assert!(outcome.ok, "{outcome:?}");
            assert_eq!((&outcome.statement, &outcome.message, &outcome.fix), (&None, &None, &None));
        }
        let rows = database.rows_of_every_table();
        assert!(rows.values().all(|&rows| rows < 20) && rows.contains_key("auth.users"), "{rows:?}");
        assert_eq!(database.script(&["--inserts"]), before);
    }
}

#[test]
fn what_an_app_counts_is_used_up_and_nothing_else() {
    let database = app_with(
        "ALTER TABLE public.profiles ADD COLUMN place bigserial; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC",
    );
    let before = database.rows_of_every_table();
    let mut admin = database.admin().unwrap();
    assert!(signup_check(&mut admin, None).iter().all(|outcome| outcome.ok));
    assert_eq!(one::<i64>(&mut admin, "SELECT last_value FROM public.profiles_place_seq", &[]), 6, "one of each shape");
    assert_eq!(database.rows_of_every_table(), before);
}

#[test]
fn a_transaction_goes_on_after_it_as_it_was() {
    let database = app_with("ALTER TABLE public.profiles ALTER COLUMN email SET NOT NULL");
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(
            "BEGIN; SET LOCAL search_path = public; SET LOCAL lock_timeout = '7s'; SET CONSTRAINTS ALL DEFERRED",
        )
        .unwrap();
    admin.batch_execute("CREATE TABLE public.mine (id integer)").unwrap();
    assert_eq!(signup_check(&mut admin, None).iter().filter(|outcome| outcome.ok).count(), 4);
    let settings = "SELECT concat_ws(' ', current_user, current_setting('search_path'), current_setting('lock_timeout'),
                                     current_setting('lc_messages') = (SELECT reset_val FROM pg_settings WHERE name = 'lc_messages'))";
    assert_eq!(one::<String>(&mut admin, settings, &[]), "postgres public 7s t");
    admin.batch_execute("INSERT INTO mine VALUES (1); COMMIT").unwrap();
    assert_eq!(database.rows_of_every_table()["public.mine"], 1);
}

#[test]
fn a_table_of_users_with_fewer_columns_is_signed_up_to_with_those() {
    for change in [
        "ALTER TABLE auth.users DROP COLUMN instance_id",
        "ALTER TABLE auth.users DROP COLUMN is_sso_user, DROP COLUMN is_anonymous, DROP COLUMN confirmed_at, DROP COLUMN phone,
             DROP COLUMN phone_confirmed_at, DROP COLUMN phone_change, DROP COLUMN phone_change_token",
        "DROP TABLE auth.identities;
         CREATE TABLE auth.identities (
             id text NOT NULL, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, identity_data jsonb NOT NULL,
             provider text NOT NULL, last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
             PRIMARY KEY (provider, id));
         ALTER TABLE auth.identities OWNER TO supabase_auth_admin",
        "DROP TABLE auth.identities",
        "ALTER TABLE auth.users ALTER COLUMN raw_user_meta_data TYPE json, ALTER COLUMN email TYPE text",
    ] {
        let database = bare_supabase_database_with_the_extension();
        database.psql(change).unwrap();
        for outcome in signup_check(&mut database.admin().unwrap(), None) {
            assert!(outcome.ok, "{change}: {outcome:?}");
        }
    }
}

#[track_caller]
fn assert_refused(client: &mut Client, role: Option<&str>, sqlstate: &str, message: &str, hint: &str) {
    let refused = try_signup_check(client, role).expect_err("it is refused");
    let error = refused.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), (sqlstate, message));
    assert!(error.hint().or(error.detail()).unwrap().contains(hint), "{error:?}");
}

#[test]
fn a_database_without_users_is_told_what_is_missing() {
    let database = empty_database();
    database.psql("CREATE EXTENSION registrar").unwrap();
    let mut admin = database.admin().unwrap();
    assert_refused(&mut admin, None, "42P01", "there is no table auth.users to sign up to", "SELECT registrar.setup()");
    database.psql("CREATE SCHEMA auth").unwrap();
    assert_refused(&mut admin, None, "42P01", "there is no table auth.users to sign up to", "SELECT registrar.setup()");
}

#[test]
fn a_role_that_is_none_is_told() {
    let mut admin = plain_database().admin().unwrap();
    assert_refused(
        &mut admin,
        Some("No \"one"),
        "42704",
        "role \"No \"\"one\" does not exist",
        "the owner of auth.users",
    );
}

#[test]
fn the_owner_of_the_database_runs_it_as_a_role_that_it_may_act_as() {
    let database = empty_database();
    let name = database.name().to_owned();
    database
        .psql(&format!("CREATE ROLE app_owner; CREATE ROLE signer BYPASSRLS; ALTER DATABASE {name} OWNER TO app_owner"))
        .unwrap();
    database.install_registrar().unwrap();
    database.psql("GRANT USAGE ON SCHEMA auth TO signer; GRANT ALL ON ALL TABLES IN SCHEMA auth TO signer").unwrap();
    let mut owner = database.admin().unwrap();
    owner.batch_execute("SET ROLE app_owner").unwrap();
    let may_not = "app_owner may not act as postgres";
    assert_refused(&mut owner, None, "42501", may_not, "GRANT postgres TO app_owner; or name a role");
    assert_refused(&mut owner, Some("signer"), "42501", "app_owner may not act as signer", "GRANT signer TO app_owner");

    database.psql("GRANT signer TO app_owner").unwrap();
    for outcome in signup_check(&mut owner, Some("signer")) {
        assert!(outcome.ok, "{outcome:?}");
    }
    // As itself it has no rights on the users, which is a finding and no refusal.
    for outcome in signup_check(&mut owner, Some("app_owner")) {
        assert_eq!(outcome.sqlstate.as_deref(), Some("42501"), "{outcome:?}");
    }
}

#[test]
fn what_a_role_is_granted_of_another_without_its_rights_is_not_enough() {
    let database = bare_supabase_database_with_the_extension();
    database
        .psql(
            "CREATE ROLE in_name_only NOINHERIT; GRANT supabase_auth_admin TO in_name_only;
             GRANT USAGE ON SCHEMA registrar TO in_name_only; GRANT EXECUTE ON FUNCTION registrar.signup_check TO in_name_only",
        )
        .unwrap();
    let mut caller = database.admin().unwrap();
    caller.batch_execute("SET ROLE in_name_only").unwrap();
    let may_not = "in_name_only may not act as supabase_auth_admin";
    assert_refused(&mut caller, None, "42501", may_not, "Run it as superuser");
}

#[test]
fn no_role_of_the_api_may_run_it() {
    for database in [plain_database(), supabase_database()] {
        for role in Role::ALL {
            let mut caller = database.connect_as(role).unwrap();
            let refused = try_signup_check(&mut caller, Some(role.as_str())).unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "42501", "{role:?}");
        }
    }
}

#[test]
fn a_transaction_that_may_not_write_is_told_to_be_another() {
    let mut admin = plain_database().admin().unwrap();
    admin.batch_execute("BEGIN READ ONLY").unwrap();
    for outcome in signup_check(&mut admin, None) {
        assert_eq!(outcome.sqlstate.as_deref(), Some("25006"));
        assert!(outcome.fix.unwrap().contains("that may write"));
    }
}
