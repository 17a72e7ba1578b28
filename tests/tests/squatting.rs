//! Things made, replaced or taken over so that somebody else's rights or account come with them.

use registrar_core::PasswordHash;
use registrar_tests::{
    Cluster, Role, Stack, call, empty_database, new_email, new_phone, one, plain_database, supabase_database, token_of,
    try_call,
};
use serde_json::{Value, json};

/// Makes whoever runs it a superuser of the role `taker`, if that one's rights allow it.
const TAKE_OVER: &str = "
    CREATE FUNCTION public.take_over() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        ALTER ROLE taker SUPERUSER;
        RETURN NEW;
    EXCEPTION WHEN insufficient_privilege THEN RETURN NEW;
    END $$;";

#[test]
fn a_profile_table_replaced_behind_an_old_snapshot_is_written_as_its_new_owner() {
    // Roles belong to the cluster, and this one may become a superuser.
    let cluster = Cluster::builder().unwrap().start().unwrap();
    let database = cluster.create_database("replaced").unwrap();
    database.install_registrar().unwrap();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("CREATE ROLE taker; GRANT CREATE ON SCHEMA public TO taker").unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    call(&mut back_end, "register_user_with_token", &json!({ "p_email": "warm@example.com" }));

    let mut old =
        back_end.build_transaction().isolation_level(postgres::IsolationLevel::RepeatableRead).start().unwrap();
    old.batch_execute("SELECT 1").unwrap();
    admin
        .batch_execute(&format!(
            "DROP TABLE public.user_profiles; SET ROLE taker; {TAKE_OVER}
             CREATE TABLE public.user_profiles (user_id uuid UNIQUE);
             CREATE TRIGGER take_over BEFORE INSERT ON public.user_profiles
                 FOR EACH ROW EXECUTE FUNCTION public.take_over();
             RESET ROLE"
        ))
        .unwrap();
    let _ = try_call(&mut old, "register_user_with_token", &json!({ "p_email": "old@example.com" }));
    old.commit().unwrap();
    assert!(!one::<bool>(&mut admin, "SELECT rolsuper FROM pg_roles WHERE rolname = 'taker'", &[]));
}

#[test]
fn acting_as_registrar_owner_leaves_no_trap_for_a_superuser() {
    let database = plain_database();
    for table in ["roles", "profile_tables", "migrations", "verification_tokens"] {
        let trap = format!(
            "SET ROLE registrar_owner; CREATE TRIGGER trap BEFORE INSERT ON registrar_private.{table}
             FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        );
        let refused = database.admin().unwrap().batch_execute(&trap).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{table}");
    }
    let made = "SET ROLE registrar_owner; CREATE TABLE registrar_private.roles_2 ()";
    assert_eq!(database.admin().unwrap().batch_execute(made).unwrap_err().code().unwrap().code(), "42501");
}

#[test]
fn setup_refuses_an_auth_schema_of_somebody_else() {
    for squat in [
        "CREATE SCHEMA auth AUTHORIZATION auth_squatter",
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY); ALTER TABLE auth.users OWNER TO auth_squatter",
    ] {
        let database = empty_database();
        let mut admin = database.admin().unwrap();
        let role = "DO $$ BEGIN CREATE ROLE auth_squatter; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
        admin.batch_execute(&format!("{role}; {squat}; CREATE EXTENSION registrar")).unwrap();
        let refused = admin.query("SELECT registrar.setup()", &[]).unwrap_err();
        assert!(refused.as_db_error().unwrap().message().contains("auth_squatter"), "{refused:?}");
    }
}

#[test]
fn the_extension_refuses_a_role_registrar_owner_that_somebody_else_made() {
    for squat in [
        "CREATE ROLE registrar_owner LOGIN BYPASSRLS",
        "CREATE ROLE registrar_owner",
        "CREATE ROLE registrar_owner BYPASSRLS; CREATE ROLE member IN ROLE registrar_owner",
    ] {
        let cluster = Cluster::builder().unwrap().start().unwrap();
        let database = cluster.create_database("squatted").unwrap();
        let mut admin = database.admin().unwrap();
        admin.batch_execute(squat).unwrap();
        let refused = admin.batch_execute("CREATE EXTENSION registrar").expect_err(squat);
        assert!(refused.as_db_error().unwrap().message().contains("registrar_owner"), "{refused:?}");
    }
}

#[test]
fn a_trigger_of_the_same_name_elsewhere_is_not_taken_for_ours() {
    let database = empty_database();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(
            "CREATE TABLE public.elsewhere (id integer);
             CREATE TRIGGER registrar_configuration_changed BEFORE UPDATE ON public.elsewhere
                 FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        )
        .unwrap();
    database.install_registrar().unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let as_editor = json!({ "p_email": "a@example.com", "p_role": "editor" });
    assert!(!call(&mut back_end, "register_user_with_token", &as_editor).success);
    admin.batch_execute("INSERT INTO registrar_private.roles VALUES ('editor', 'Edits.')").unwrap();
    assert!(
        call(&mut back_end, "register_user_with_token", &as_editor).success,
        "the session has heard of the new role"
    );
}

#[test]
fn a_token_verifies_no_other_address_than_it_was_sent_to() {
    let stack = Stack::shared();
    let registration = stack.registered(&json!({ "p_email": new_email("attacker") }));
    let victim = new_email("victim");
    stack.admin().execute("UPDATE auth.users SET email = $1 WHERE id = $2", &[&victim, &registration.user.id]).unwrap();
    stack.verify(token_of(&registration)).expect_failure(401, "token_invalid");
    stack.verified(&stack.resent(&victim).verification.token);
}

#[test]
fn an_account_in_use_is_not_overwritten_by_whoever_holds_its_unverified_mailbox() {
    let stack = Stack::shared();
    for sign in ["phone_confirmed_at", "last_sign_in_at", "invited_at", "banned_until", "deleted_at"] {
        let email = new_email("in-use");
        let owners = json!({ "p_email": email, "p_password": "the owner's password", "p_phone": new_phone() });
        let owner = stack.registered(&owners);
        let live = format!("UPDATE auth.users SET {sign} = now() WHERE id = $1");
        let strangers = json!({ "p_email": email, "p_password": "a stranger's password" });

        let waiting = stack.registered_again(&strangers);
        stack.admin().execute(&live, &[&owner.user.id]).unwrap();
        stack.register(&strangers).expect_failure(409, "email_exists");
        stack.verified(token_of(&waiting));
        let hash: String =
            one(&mut stack.admin(), "SELECT encrypted_password::text FROM auth.users WHERE email = $1", &[&email]);
        let hash = PasswordHash::parse(hash.into()).unwrap();
        assert!(hash.verify(&"the owner's password".into()), "{sign}");
    }
}

#[test]
fn a_cancel_that_the_app_only_pretends_costs_no_sign_up() {
    let database = supabase_database();
    database
        .psql(
            "CREATE FUNCTION public.pretend() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not really' USING ERRCODE = '57014'; END $$;
             CREATE TRIGGER pretend BEFORE INSERT ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.pretend()",
        )
        .unwrap();
    let user = database.sign_up("user@example.com", &Value::Null);
    assert_eq!(database.profile_failures(user)[0].sqlstate, "57014");
}

#[test]
fn a_column_that_comes_while_a_session_is_connected_is_written_by_it() {
    let database = empty_database();
    database.psql("CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar UNIQUE, encrypted_password varchar, raw_app_meta_data jsonb, raw_user_meta_data jsonb, email_confirmed_at timestamptz, created_at timestamptz, updated_at timestamptz)").unwrap();
    database.install_registrar().unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let with_phone = |email: &str| json!({ "p_email": email, "p_phone": "+12024561111" });
    let refused = call(&mut back_end, "register_user_with_token", &with_phone("before@example.com"));
    assert_eq!(refused.errors[0].field.as_deref(), Some("phone"));
    assert!(call(&mut back_end, "register_user_with_token", &json!({ "p_email": "warm@example.com" })).success);

    database.psql("ALTER TABLE auth.users ADD COLUMN phone text UNIQUE").unwrap();
    assert!(call(&mut back_end, "register_user_with_token", &with_phone("after@example.com")).success);
    let stored = "SELECT phone FROM auth.users WHERE email = 'after@example.com'";
    assert_eq!(one::<String>(&mut database.admin().unwrap(), stored, &[]), "12024561111");
}

#[test]
fn metadata_of_many_shapes_does_not_fill_a_sessions_memory() {
    let mut session = supabase_database().admin().unwrap();
    let values = json!({
        "years_of_experience": 1, "salary_min": 1, "salary_max": 2, "field_of_study": "physics", "experience_level": "mid",
        "salary_currency": "EUR", "education_level": "phd"
    });
    let fields: Vec<(&String, &Value)> = values.as_object().unwrap().iter().collect();
    for shape in 0..1u32 << fields.len() {
        let present = (0..fields.len()).filter(|place| shape >> place & 1 == 1);
        let metadata: serde_json::Map<_, _> =
            present.map(|place| (fields[place].0.clone(), fields[place].1.clone())).collect();
        let insert = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen_random_uuid(), $1)";
        session.execute(insert, &[&Value::Object(metadata)]).unwrap();
    }
    let plans = "SELECT count(*) FROM pg_backend_memory_contexts
                 WHERE name = 'CachedPlanSource' AND ident LIKE 'INSERT INTO public.user_profiles%'";
    let kept: i64 = one(&mut session, plans, &[]);
    assert!((1..=64).contains(&kept), "of 128 shapes {kept} plans are kept");
}
