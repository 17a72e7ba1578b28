//! `migration_sql`: one script that brings back whatever a dump of the app's schemas does not, and changes nothing where all is
//! there.

use std::fs;
use std::sync::Once;

use postgres::Client;
use registrar_tests::{
    Database, Role, Scratch, all, bare_supabase_database, call, empty_database, one, plain_database, supabase_database,
};
use serde_json::{Value, json};

fn migration(database: &Database) -> String {
    one(&mut database.admin().unwrap(), "SELECT registrar.migration_sql()", &[])
}

/// Runs a script as `psql -f` does.
#[track_caller]
fn apply(database: &Database, script: &str, options: &[&str]) {
    let scratch = Scratch::new().unwrap();
    let file = scratch.path().join("migration.sql");
    fs::write(&file, script).unwrap();
    let mut psql = database.program("psql");
    let output = psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]).args(options).arg("-f").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
}

/// All that the script has to tell, with names that need quoting.
const RICH: &str = r#"
    CREATE SCHEMA "My Schema" AUTHORIZATION "Table Owner";
    CREATE SCHEMA api;
    GRANT CREATE, USAGE ON SCHEMA api TO "Table Owner";
    GRANT USAGE ON SCHEMA api TO service_role;
    GRANT USAGE ON SCHEMA "My Schema" TO analyst, authenticated;
    CREATE TABLE "My Schema"."Order's" (
        "user" uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, number serial, "First ""Name""" text DEFAULT 'no\one',
        profile_completed boolean
    );
    ALTER TABLE "My Schema"."Order's" OWNER TO "Table Owner";
    ALTER TABLE "My Schema"."Order's" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    GRANT SELECT ON "My Schema"."Order's" TO analyst, authenticated;
    GRANT INSERT ("user", "First ""Name""") ON "My Schema"."Order's" TO authenticated, analyst;
    GRANT SELECT ("First ""Name""") ON "My Schema"."Order's" TO PUBLIC;
    GRANT ALL ON "My Schema"."Order's" TO service_role WITH GRANT OPTION;
    GRANT USAGE ON SEQUENCE "My Schema"."Order's_number_seq" TO authenticated;
    CREATE POLICY "own; row's" ON "My Schema"."Order's" TO authenticated, analyst
        USING ("user" = auth.uid() AND "First ""Name""" <> '$registrar$; \') WITH CHECK (true);
    CREATE POLICY owner ON "My Schema"."Order's" TO "Table Owner" USING (true);
    CREATE POLICY none ON "My Schema"."Order's" AS RESTRICTIVE FOR DELETE USING (false);
    CREATE POLICY own_row ON public.user_profiles FOR UPDATE TO authenticated USING (user_id = auth.uid());
    SELECT registrar.attach_profile_table('"My Schema"."Order''s"', 'user', '[
        {"column": "First \"Name\"", "path": ["name", "it''s"], "default": "a\\b", "required": true, "maximum": 1e2}
    ]', 'block');
    SELECT registrar.declare_relation('"My Schema"."Order''s"', 'user', false);
    SELECT registrar.declare_relation('public.yet_to_come', 'user_id');
    INSERT INTO registrar_private.roles (name, description) VALUES ('writer', 'It''s a \ role.'), ('author', 'Writes.');
    GRANT USAGE ON SCHEMA registrar TO "Table Owner";
    GRANT EXECUTE ON FUNCTION registrar.attach_profile_table, registrar.expose_api TO "Table Owner" WITH GRANT OPTION;
    GRANT EXECUTE ON FUNCTION registrar.build_info TO PUBLIC;
    GRANT EXECUTE ON FUNCTION registrar.error_codes TO authenticated;
    REVOKE EXECUTE ON FUNCTION registrar.import_profiles FROM service_role;
    GRANT USAGE ON SCHEMA registrar_private TO analyst;
    GRANT SELECT ON registrar_private.audit_log TO analyst;
    SELECT registrar.expose_api();
    SET ROLE "Table Owner";
    SELECT registrar.expose_api('api', '{verify_email, get_profile}');
    RESET ROLE;
"#;

fn rich_database(new_database: fn() -> Database) -> Database {
    // All databases of the cluster share the roles.
    static ROLES: Once = Once::new();
    let database = new_database();
    ROLES.call_once(|| drop(database.psql("CREATE ROLE analyst; CREATE ROLE \"Table Owner\"").unwrap()));
    database.psql(RICH).unwrap();
    let settings = "ALTER DATABASE % SET registrar.trusted_proxies = 2;
                    ALTER DATABASE % SET registrar.default_phone_region = 'DE';
                    ALTER ROLE \"Table Owner\" IN DATABASE % SET registrar.max_metadata_bytes = '8kB'";
    database.psql(&settings.replace('%', database.name())).unwrap();
    database
}

fn settings(database: &Database) -> Vec<String> {
    let query = "SELECT concat_ws(' ', nullif(setrole, 0)::regrole, setting) FROM pg_db_role_setting
                 JOIN pg_database ON pg_database.oid = setdatabase AND datname = current_database()
                 CROSS JOIN unnest(setconfig) AS setting ORDER BY 1";
    all(&mut database.admin().unwrap(), query, &[])
}

#[test]
fn where_all_is_there_the_script_changes_nothing() {
    for new_database in [plain_database, supabase_database] {
        let database = rich_database(new_database);
        let script = migration(&database);
        let state = || (database.script(&["--inserts"]), settings(&database));
        let before = state();
        assert_eq!(migration(&database), script, "two calls give the same");
        apply(&database, &script, &[]);
        assert_eq!(state(), before, "statement by statement");
        apply(&database, &script, &["--single-transaction"]);
        database.psql(&script).expect("as one query of several statements");
        assert_eq!(state(), before);
        assert_eq!(migration(&database), script);
    }
}

/// The app's own schemas of `original` in `copy`.
fn copy_app(original: &Database, copy: &Database, options: &[&str]) {
    let schemas = ["--schema=public", "--schema=\"My Schema\"", "--schema=api"];
    // Every database has it already.
    let script = original.script(&[&schemas, options].concat()).replace("CREATE SCHEMA public;", "");
    apply(copy, &script, &[]);
}

/// A user who signs up has a row in both tables, and may read it.
#[track_caller]
fn assert_works(database: &Database) {
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let parameters =
        json!({ "p_email": "new@example.com", "p_metadata": { "name": { "it's": "Ada" }, "field_of_study": "law" } });
    let registered = call(&mut back_end, "register_user_with_token", &parameters);
    assert!(registered.success, "{registered:?}");
    let data = registered.data.unwrap();
    assert_eq!(data["profile"]["field_of_study"], "law", "the primary table is the same");
    let token = data["verification"]["token"].as_str().unwrap();
    let verified: Value = one(&mut back_end, "SELECT api.verify_email($1)", &[&token]);
    assert_eq!(verified["success"], true, "{verified}");
    let mut user = database.connect_as(Role::Authenticated).unwrap();
    let claims = json!({ "role": "authenticated", "sub": data["user"]["id"] }).to_string();
    user.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
    let row: Value = one(&mut user, r#"SELECT to_jsonb(o) FROM "My Schema"."Order's" AS o"#, &[]);
    assert_eq!((&row["First \"Name\""], &row["profile_completed"]), (&json!("Ada"), &json!(true)));
    let own: Value = one(&mut user, "SELECT public.get_profile()", &[]);
    assert_eq!(own["data"]["profile"]["field_of_study"], "law", "{own}");
    user.execute("UPDATE public.user_profiles SET field_of_study = 'physics'", &[]).expect("a policy allows it");
}

#[test]
fn with_a_dump_of_the_apps_schemas_the_script_brings_everything_back() {
    type Make = fn() -> Database;
    let with_auth = || {
        let database = empty_database();
        database.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
        database
    };
    // On plain PostgreSQL there must be an auth.users before the app's tables can refer to it.
    for (new_database, new_copy) in
        [(supabase_database as Make, bare_supabase_database as Make), (plain_database, with_auth)]
    {
        let original = rich_database(new_database);
        let copy = new_copy();
        copy_app(&original, &copy, &[]);
        let script = migration(&original);
        apply(&copy, &script, &[]);
        assert_eq!(copy.script(&["--schema-only"]), original.script(&["--schema-only"]));
        assert_eq!(settings(&copy), settings(&original));
        assert_eq!(migration(&copy), script);
        let mut admin = copy.admin().unwrap();
        let roles = "SELECT name FROM registrar_private.roles ORDER BY 1";
        assert_eq!(all::<String>(&mut admin, roles, &[]), ["admin", "author", "user", "writer"]);
        assert_eq!(copy.brief_findings(), original.brief_findings(), "the doctor says the same of both");
        assert_works(&copy);
    }
}

#[test]
fn what_default_privileges_gave_and_what_a_diff_lost_becomes_as_it_was() {
    let original = rich_database(supabase_database);
    let copy = bare_supabase_database();
    copy.psql(
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, authenticated, service_role;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role",
    )
    .unwrap();
    copy_app(&original, &copy, &["--no-privileges"]);
    copy.psql(
        r#"GRANT CREATE, USAGE ON SCHEMA api TO "Table Owner"; GRANT INSERT (number) ON "My Schema"."Order's" TO anon;
           DROP POLICY "own; row's" ON "My Schema"."Order's"; DROP POLICY registrar_own_row_select ON public.user_profiles;
           ALTER TABLE "My Schema"."Order's" DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
           ALTER TABLE public.user_profiles DISABLE ROW LEVEL SECURITY;
           ALTER POLICY none ON "My Schema"."Order's" USING (true);
           DROP TRIGGER registrar_profile_completed ON public.user_profiles"#,
    )
    .unwrap();
    let script = migration(&original);
    let held = r#"SELECT count(*) FROM unnest(ARRAY['public.user_profiles', '"My Schema"."Order''s"']::regclass[]) AS tables (id)
                  WHERE has_table_privilege('anon', id, 'TRUNCATE')"#;
    let mut admin = copy.admin().unwrap();
    assert_eq!(one::<i64>(&mut admin, held, &[]), 2, "there is something to take back");
    apply(&copy, &script, &[]);
    assert_eq!(one::<i64>(&mut admin, held, &[]), 0);
    let kept = "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'none'";
    assert_eq!(one::<String>(&mut admin, kept, &[]), "true", "a policy that is there is somebody's decision");
    assert_eq!(migration(&copy), script.replace("USING (false)", "USING (true)"));
    copy.psql(r#"GRANT USAGE ON SCHEMA api TO service_role"#).unwrap();
    assert_works(&copy);
}

#[test]
fn of_a_database_as_setup_leaves_it_the_script_is_no_more_than_that() {
    let database = empty_database();
    database.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
    let statements = |script: &str| -> Vec<String> {
        script.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).map(str::to_owned).collect()
    };
    let least = [
        "SET search_path = pg_catalog, pg_temp;",
        "CREATE EXTENSION IF NOT EXISTS registrar;",
        "SELECT registrar.setup();",
        "RESET search_path;",
    ];
    let script = migration(&database);
    assert_eq!(statements(&script), least, "{script}");
    let new = empty_database();
    apply(&new, &script, &[]);
    assert_eq!(new.script(&["--schema-only"]), database.script(&["--schema-only"]));
}

#[test]
fn another_default_role_and_one_that_is_gone_are_told() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    let roles = "SELECT concat_ws(' ', name, description, is_default) FROM registrar_private.roles ORDER BY 1";
    for (change, expected) in [
        (
            "DELETE FROM registrar_private.roles WHERE name = 'admin'",
            &["user Whoever registers without asking for a role. t"][..],
        ),
        (
            "UPDATE registrar_private.roles SET is_default = false;
             INSERT INTO registrar_private.roles VALUES ('guest', 'Looks.', true)",
            &["guest Looks. t", "user Whoever registers without asking for a role. f"],
        ),
        (
            "UPDATE registrar_private.roles SET is_default = false, description = 'None.'",
            &["guest None. f", "user None. f"],
        ),
        ("DELETE FROM registrar_private.roles", &[]),
    ] {
        database.psql(change).unwrap();
        let script = migration(&database);
        let before = database.script(&["--inserts"]);
        apply(&database, &script, &[]);
        assert_eq!(database.script(&["--inserts"]), before, "{change}");
        assert_eq!(all::<String>(&mut admin, roles, &[]), expected);
        let copy = plain_database();
        apply(&copy, &script, &[]);
        let copied: Vec<String> = all(&mut copy.admin().unwrap(), roles, &[]);
        assert!(expected.iter().all(|role| copied.iter().any(|copied| copied == role)), "{change}: {copied:?}");
    }
}

#[test]
fn a_table_that_is_gone_is_named_and_stops_nothing() {
    let database = plain_database();
    database
        .psql(
            "CREATE TABLE public.\"gone\n; SELECT 1/0\" (id uuid PRIMARY KEY REFERENCES auth.users);
             SELECT registrar.attach_profile_table('public.\"gone\n; SELECT 1/0\"', 'id');
             DROP TABLE public.\"gone\n; SELECT 1/0\"",
        )
        .unwrap();
    let script = migration(&database);
    assert!(script.contains("\n-- public.\"gone ; SELECT 1/0\" is attached, but missing.\n"), "{script}");
    apply(&database, &script, &[]);
    let copy = plain_database();
    apply(&copy, &script, &[]);
    let attached = "SELECT table_name::text FROM registrar.profile_tables";
    assert_eq!(all::<String>(&mut copy.admin().unwrap(), attached, &[]), ["user_profiles"]);
}

#[test]
fn the_owner_of_the_database_and_superusers_may_ask_for_it() {
    let database = rich_database(supabase_database);
    let own = "CREATE ROLE asking_owner; ALTER DATABASE % OWNER TO asking_owner; SELECT registrar.setup()";
    database.psql(&own.replace('%', database.name())).unwrap();
    let ask = |client: &mut Client| client.query_one("SELECT registrar.migration_sql()", &[]).map(|row| row.get(0));
    let mut owner = database.admin().unwrap();
    owner.batch_execute("SET ROLE asking_owner").unwrap();
    let asked: String = ask(&mut owner).unwrap();
    assert_eq!(asked, migration(&database));
    for role in Role::ALL {
        let refused = ask(&mut database.connect_as(role).unwrap()).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{role:?}");
    }
}

#[test]
fn a_hostile_search_path_changes_neither_the_script_nor_what_it_does() {
    let original = rich_database(supabase_database);
    let expected = migration(&original);
    let copy = bare_supabase_database();
    copy_app(&original, &copy, &[]);
    let traps = "CREATE SCHEMA traps;
        CREATE TABLE traps.sprung ();
        CREATE FUNCTION traps.spring() RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN DROP TABLE IF EXISTS traps.sprung; RETURN false; END $$;
        CREATE FUNCTION traps.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'SELECT 1' $$;
        CREATE FUNCTION traps.format(text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'SELECT 1' $$;
        CREATE FUNCTION traps.format(text, name, text) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'SELECT 1' $$;
        CREATE FUNCTION traps.current_database() RETURNS name LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'other'::name $$;
        CREATE FUNCTION traps.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'x' $$;
        CREATE FUNCTION traps.same(name, text) RETURNS boolean LANGUAGE sql AS $$ SELECT traps.spring() $$;
        CREATE FUNCTION traps.same(text[], text[]) RETURNS boolean LANGUAGE sql AS $$ SELECT traps.spring() $$;
        CREATE OPERATOR traps.= (FUNCTION = traps.same, LEFTARG = name, RIGHTARG = text);
        CREATE OPERATOR traps.<> (FUNCTION = traps.same, LEFTARG = text[], RIGHTARG = text[]);
        GRANT USAGE ON SCHEMA traps TO PUBLIC";
    let hostile = "SET search_path = traps, pg_temp, pg_catalog;";
    for database in [&original, &copy] {
        database.psql(traps).unwrap();
    }
    let mut admin = original.admin().unwrap();
    admin.batch_execute(hostile).unwrap();
    assert_eq!(one::<String>(&mut admin, "SELECT registrar.migration_sql()", &[]), expected);
    let exposed: Value = one(&mut admin, "SELECT registrar.expose_api()", &[]);
    assert_eq!(exposed["replaced"], json!([]), "{exposed}");
    apply(&copy, &format!("{hostile}\n{expected}"), &[]);
    assert_eq!(migration(&copy), expected);
    for database in [&original, &copy] {
        let mut admin = database.admin().unwrap();
        let sprung = "SELECT to_regclass('traps.sprung') IS NULL";
        assert!(!one::<bool>(&mut admin, sprung, &[]));
        admin.batch_execute(&format!("{hostile} SELECT format('x', 'y'::text)")).unwrap();
        assert!(one::<bool>(&mut admin, sprung, &[]), "the traps work");
    }
    assert_works(&copy);
}
