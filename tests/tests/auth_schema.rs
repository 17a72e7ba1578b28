//! The auth schema: the one that registrar makes on plain PostgreSQL, and those that it finds.

use postgres::Client;
use registrar_tests::{
    Cluster, Database, Role, all, bare_supabase_database, connect_as_supabase_auth, one, plain_database,
    supabase_database,
};
use serde_json::{Value, json};

/// The columns of Supabase Auth's users, with their types.
const USERS: &[(&str, &str)] = &[
    ("aud", "character varying(255)"),
    ("banned_until", "timestamp with time zone"),
    ("confirmation_sent_at", "timestamp with time zone"),
    ("confirmation_token", "character varying(255)"),
    ("confirmed_at", "timestamp with time zone"),
    ("created_at", "timestamp with time zone"),
    ("deleted_at", "timestamp with time zone"),
    ("email", "character varying(255)"),
    ("email_change", "character varying(255)"),
    ("email_change_confirm_status", "smallint"),
    ("email_change_sent_at", "timestamp with time zone"),
    ("email_change_token_current", "character varying(255)"),
    ("email_change_token_new", "character varying(255)"),
    ("email_confirmed_at", "timestamp with time zone"),
    ("encrypted_password", "character varying(255)"),
    ("id", "uuid"),
    ("instance_id", "uuid"),
    ("invited_at", "timestamp with time zone"),
    ("is_anonymous", "boolean"),
    ("is_sso_user", "boolean"),
    ("is_super_admin", "boolean"),
    ("last_sign_in_at", "timestamp with time zone"),
    ("phone", "text"),
    ("phone_change", "text"),
    ("phone_change_sent_at", "timestamp with time zone"),
    ("phone_change_token", "character varying(255)"),
    ("phone_confirmed_at", "timestamp with time zone"),
    ("raw_app_meta_data", "jsonb"),
    ("raw_user_meta_data", "jsonb"),
    ("reauthentication_sent_at", "timestamp with time zone"),
    ("reauthentication_token", "character varying(255)"),
    ("recovery_sent_at", "timestamp with time zone"),
    ("recovery_token", "character varying(255)"),
    ("role", "character varying(255)"),
    ("updated_at", "timestamp with time zone"),
];

/// Tables of Supabase Auth's as older versions, and servers that imitate it, have them.
const VARIANTS: &[(&str, &str)] = &[
    ("as Supabase Auth leaves it", ""),
    ("without instance_id", "ALTER TABLE auth.users DROP COLUMN instance_id"),
    (
        "without single sign-on and anonymous users",
        "ALTER TABLE auth.users DROP COLUMN is_sso_user, DROP COLUMN is_anonymous;
         ALTER TABLE auth.users ADD CONSTRAINT users_email_key UNIQUE (email);",
    ),
    (
        "without phone numbers",
        "ALTER TABLE auth.users DROP COLUMN confirmed_at, DROP COLUMN phone, DROP COLUMN phone_confirmed_at,
             DROP COLUMN phone_change, DROP COLUMN phone_change_token, DROP COLUMN phone_change_sent_at",
    ),
    (
        "without reauthentication, e-mail change status and super administrators",
        "ALTER TABLE auth.users DROP COLUMN reauthentication_token, DROP COLUMN reauthentication_sent_at,
             DROP COLUMN email_change_confirm_status, DROP COLUMN email_change_token_current,
             DROP COLUMN is_super_admin, DROP COLUMN deleted_at, DROP COLUMN banned_until",
    ),
    (
        "with the identities of before provider_id",
        "DROP TABLE auth.identities;
         CREATE TABLE auth.identities (
             id text NOT NULL, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, identity_data jsonb NOT NULL,
             provider text NOT NULL, last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
             PRIMARY KEY (provider, id));
         ALTER TABLE auth.identities OWNER TO supabase_auth_admin;
         ALTER TABLE auth.identities ENABLE ROW LEVEL SECURITY;",
    ),
    (
        "with a column of the app's own",
        "ALTER TABLE auth.users ADD COLUMN tenant text NOT NULL DEFAULT 'main'",
    ),
];

/// Everything that the catalogue says of a table's columns, one line each.
fn columns(client: &mut Client, table: &str) -> Vec<String> {
    let query = "SELECT concat_ws('|', attnum, attname, format_type(atttypid, atttypmod), attnotnull, attgenerated, attisdropped, attacl,
                                  pg_get_expr(d.adbin, d.adrelid))
                 FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                 WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 ORDER BY a.attnum";
    all(client, query, &[&table])
}

#[test]
fn plain_postgres_gets_the_users_table_of_supabase_auth() {
    let mut admin = plain_database().admin().unwrap();
    let query = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
                 WHERE attrelid = 'auth.users'::regclass AND attnum > 0 ORDER BY attname";
    let rows = admin.query(query, &[]).unwrap();
    let found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected: Vec<_> = USERS.iter().map(|&(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    assert_eq!(found, expected);

    let generated =
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'auth.users'::regclass AND attgenerated = 's'";
    assert_eq!(one::<String>(&mut admin, generated, &[]), "confirmed_at");
    admin.batch_execute("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'a@example.com')").unwrap();
    let twice = admin.batch_execute("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'a@example.com')");
    assert!(twice.is_err(), "an e-mail address is unique");
    admin
        .batch_execute(
            "INSERT INTO auth.users (id, email, is_sso_user) VALUES (gen_random_uuid(), 'a@example.com', true)",
        )
        .expect("except among users of single sign-on");
}

#[test]
fn plain_postgres_gets_an_auth_schema_with_the_same_columns_and_keys_as_a_supabase_project() {
    let (plain, supabase) = (plain_database(), bare_supabase_database());
    for table in ["auth.users", "auth.identities"] {
        assert_eq!(
            columns(&mut plain.admin().unwrap(), table),
            columns(&mut supabase.admin().unwrap(), table),
            "{table}"
        );
        let keys = format!(
            "SELECT string_agg(regexp_replace(pg_get_indexdef(indexrelid), ' INDEX \\S+ ', ' INDEX '), E'\\n' ORDER BY 1)
             FROM (SELECT indexrelid, pg_get_indexdef(indexrelid) FROM pg_index
                   WHERE indrelid = '{table}'::regclass AND indisunique ORDER BY 2) AS i"
        );
        let keys = |database: &Database| one::<String>(&mut database.admin().unwrap(), &keys, &[]);
        assert_eq!(keys(&plain), keys(&supabase), "{table}");
    }
}

#[test]
fn plain_postgres_gets_identities_that_go_with_their_user() {
    let database = plain_database();
    let (user, token) = database.register("identity@example.com");
    database.verify(&token);
    let mut admin = database.admin().unwrap();
    let identity = admin
        .query_one(
            "SELECT provider, provider_id, email, identity_data FROM auth.identities WHERE user_id = $1",
            &[&user],
        )
        .unwrap();
    assert_eq!(identity.get::<_, &str>(0), "email");
    assert_eq!(identity.get::<_, &str>(1), user.to_string());
    assert_eq!(identity.get::<_, &str>(2), "identity@example.com");
    assert_eq!(identity.get::<_, Value>(3)["email_verified"], json!(true));
    admin.execute("DELETE FROM auth.users WHERE id = $1", &[&user]).unwrap();
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM auth.identities", &[]), 0);
}

#[test]
fn auth_functions_answer_from_the_claims_of_the_request() {
    let database = plain_database();
    for role in Role::ALL {
        let mut caller = database.connect_as(role).unwrap();
        let who = "SELECT concat_ws('|', coalesce(auth.uid()::text, '-'), coalesce(auth.role(), '-'),
                                         coalesce(auth.email(), '-'), auth.jwt())";
        assert_eq!(one::<String>(&mut caller, who, &[]), "-|-|-|{}", "no request, no claims");
        caller.batch_execute("SET request.jwt.claims = ''").unwrap();
        assert_eq!(one::<String>(&mut caller, who, &[]), "-|-|-|{}", "the setting of a finished request");

        let id = "7f0c1d5e-98a3-4a54-8b3a-0f4b9d6a2f11";
        let claims = json!({ "sub": id, "role": "authenticated", "email": "a@example.com" });
        caller.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims.to_string()]).unwrap();
        let row = caller.query_one("SELECT auth.uid()::text, auth.role(), auth.email(), auth.jwt()", &[]).unwrap();
        assert_eq!(row.get::<_, &str>(0), id);
        assert_eq!(row.get::<_, &str>(1), "authenticated");
        assert_eq!(row.get::<_, &str>(2), "a@example.com");
        assert_eq!(row.get::<_, Value>(3), claims);
    }
}

#[test]
fn a_cluster_without_api_roles_gets_them_and_none_can_log_in() {
    let cluster = Cluster::builder().unwrap().start().unwrap();
    let database = cluster.create_database("first").unwrap();
    database.install_registrar().unwrap();
    let query = "SELECT rolname::text, rolbypassrls, rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb
                 FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') ORDER BY rolname";
    let rows = database.admin().unwrap().query(query, &[]).unwrap();
    let found: Vec<(String, bool, bool)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = [("anon", false, false), ("authenticated", false, false), ("service_role", true, false)];
    assert_eq!(found, expected.map(|(name, bypass, powers)| (name.to_owned(), bypass, powers)));
}

#[test]
fn no_column_of_an_existing_auth_schema_changes_and_registration_works_there() {
    for (what, change) in VARIANTS {
        let database = bare_supabase_database();
        let mut admin = database.admin().unwrap();
        admin.batch_execute(change).unwrap();
        let shape = |client: &mut Client| (columns(client, "auth.users"), columns(client, "auth.identities"));
        let before = shape(&mut admin);
        database.install_registrar().unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(shape(&mut admin), before, "{what}");

        let (user, token) = database.register("user@example.com");
        database.verify(&token);
        assert_eq!(shape(&mut admin), before, "{what}");
        let profiles = "SELECT count(*) FROM public.user_profiles WHERE user_id = $1";
        assert_eq!(one::<i64>(&mut admin, profiles, &[&user]), 1, "{what}");
        let owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'auth.users'::regclass";
        assert_eq!(one::<String>(&mut admin, owner, &[]), "supabase_auth_admin", "{what}");
    }
}

#[test]
fn a_registered_user_is_one_that_supabase_auth_can_read() {
    let database = supabase_database();
    let (user, token) = database.register("user@example.com");
    database.verify(&token);
    let mut admin = database.admin().unwrap();
    let row: Value = admin.query_one("SELECT to_jsonb(users) FROM auth.users WHERE id = $1", &[&user]).unwrap().get(0);
    for token in [
        "confirmation_token",
        "recovery_token",
        "email_change_token_new",
        "email_change_token_current",
        "email_change",
        "phone_change",
        "phone_change_token",
        "reauthentication_token",
    ] {
        assert_eq!(row[token], json!(""), "Supabase Auth cannot read NULL in {token}");
    }
    assert_eq!(row["instance_id"], json!("00000000-0000-0000-0000-000000000000"));
    assert_eq!((&row["aud"], &row["role"]), (&json!("authenticated"), &json!("authenticated")));
    assert_eq!(row["phone"], Value::Null, "unique: '' would be everybody's number");
    assert_eq!(row["raw_app_meta_data"]["provider"], json!("email"));
    assert!(row["created_at"].is_string() && row["updated_at"].is_string());
    assert_ne!(row["confirmed_at"], Value::Null);
}

#[test]
fn a_sign_up_of_supabase_auth_gets_its_profile() {
    let database = supabase_database();
    let mut auth = connect_as_supabase_auth(&database);
    // In one transaction as Supabase Auth does it: its later UPDATEs must not be disturbed either.
    auth.batch_execute(
        "BEGIN;
         INSERT INTO users (instance_id, id, aud, role, email, encrypted_password, confirmation_token, recovery_token,
                            email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
         VALUES ('00000000-0000-0000-0000-000000000000', '7f0c1d5e-98a3-4a54-8b3a-0f4b9d6a2f11', 'authenticated', '',
                 'user@example.com', '', '', '', '', '', '{}', '{\"field_of_study\": \"physics\"}', now(), now());
         UPDATE users SET role = 'authenticated' WHERE email = 'user@example.com';
         INSERT INTO identities (provider_id, user_id, identity_data, provider)
         VALUES ('7f0c1d5e-98a3-4a54-8b3a-0f4b9d6a2f11', '7f0c1d5e-98a3-4a54-8b3a-0f4b9d6a2f11', '{}', 'email');
         UPDATE users SET raw_user_meta_data = '{\"sub\": \"7f0c1d5e-98a3-4a54-8b3a-0f4b9d6a2f11\"}';
         COMMIT;",
    )
    .unwrap();
    let mut admin = database.admin().unwrap();
    let study =
        "SELECT field_of_study FROM public.user_profiles WHERE user_id = '7f0c1d5e-98a3-4a54-8b3a-0f4b9d6a2f11'";
    assert_eq!(one::<String>(&mut admin, study, &[]), "physics");
}
