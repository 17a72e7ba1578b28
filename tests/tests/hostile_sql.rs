//! Roles that may create things in the database, and use it to get at what registrar's functions may do.

use postgres::{Client, NoTls};
use registrar_tests::{
    Database, Installation, Role, all, call, connect_as_supabase_auth, empty_database, one, open_session,
    plain_database, supabase_database,
};
use serde_json::{Value, json};

/// Functions and operators with the names of PostgreSQL's own, in a schema of an attacker's. Each counts its calls.
const TRAPS: &str = "
    CREATE SEQUENCE traps.calls;
    CREATE FUNCTION traps.spring(OUT sprung boolean) LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_catalog.nextval('traps.calls'); sprung := true; END $$;

    CREATE FUNCTION traps.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT traps.spring(); SELECT '-infinity'::timestamptz $$;
    CREATE FUNCTION traps.gen_random_uuid() RETURNS uuid LANGUAGE sql AS
    $$ SELECT traps.spring(); SELECT '00000000-0000-0000-0000-000000000000'::uuid $$;
    CREATE FUNCTION traps.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'string' $$;
    CREATE FUNCTION traps.jsonb_build_object(text, text, text, boolean) RETURNS jsonb LANGUAGE sql AS $$ SELECT traps.spring(); SELECT '{}'::jsonb $$;
    CREATE FUNCTION traps.jsonb_build_object(text, text) RETURNS jsonb LANGUAGE sql AS $$ SELECT traps.spring(); SELECT '{}'::jsonb $$;
    CREATE FUNCTION traps.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $$ SELECT traps.spring(); SELECT '{}'::jsonb $$;
    CREATE FUNCTION traps.format_type(oid, integer) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'text' $$;
    CREATE FUNCTION traps.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'SELECT 1' $$;
    CREATE FUNCTION traps.to_regclass(text) RETURNS regclass LANGUAGE sql AS $$ SELECT traps.spring(); SELECT NULL::regclass $$;
    CREATE FUNCTION traps.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'nobody'::name $$;
    CREATE FUNCTION traps.octet_length(bytea) RETURNS integer LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 32 $$;

    CREATE FUNCTION traps.same(anyelement, anyelement) RETURNS boolean LANGUAGE sql AS $$ SELECT sprung FROM traps.spring() $$;
    CREATE FUNCTION traps.same(oid, regnamespace) RETURNS boolean LANGUAGE sql AS $$ SELECT sprung FROM traps.spring() $$;
    CREATE FUNCTION traps.same(varchar, text) RETURNS boolean LANGUAGE sql AS $$ SELECT sprung FROM traps.spring() $$;
    CREATE FUNCTION traps.same(name, text) RETURNS boolean LANGUAGE sql AS $$ SELECT sprung FROM traps.spring() $$;
    CREATE FUNCTION traps.text_of(jsonb, text) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 'x' $$;
    CREATE FUNCTION traps.joined(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT traps.spring(); SELECT '{}'::jsonb $$;
    CREATE OPERATOR traps.= (FUNCTION = traps.same, LEFTARG = anyelement, RIGHTARG = anyelement);
    CREATE OPERATOR traps.= (FUNCTION = traps.same, LEFTARG = oid, RIGHTARG = regnamespace);
    CREATE OPERATOR traps.= (FUNCTION = traps.same, LEFTARG = varchar, RIGHTARG = text);
    CREATE OPERATOR traps.= (FUNCTION = traps.same, LEFTARG = name, RIGHTARG = text);
    CREATE OPERATOR traps.<> (FUNCTION = traps.same, LEFTARG = anyelement, RIGHTARG = anyelement);
    CREATE OPERATOR traps.->> (FUNCTION = traps.text_of, LEFTARG = jsonb, RIGHTARG = text);
    CREATE FUNCTION traps.found(jsonb, jsonb) RETURNS text LANGUAGE sql AS $$ SELECT traps.spring(); SELECT NULL::text $$;
    CREATE FUNCTION traps.sum(bigint, bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT traps.spring(); SELECT 7::bigint $$;
    -- With a text of unknown type on the right, PostgreSQL prefers these.
    CREATE OPERATOR traps.-> (FUNCTION = traps.joined, LEFTARG = jsonb, RIGHTARG = jsonb);
    CREATE OPERATOR traps.->> (FUNCTION = traps.found, LEFTARG = jsonb, RIGHTARG = jsonb);
    CREATE OPERATOR traps.#>> (FUNCTION = traps.found, LEFTARG = jsonb, RIGHTARG = jsonb);
    CREATE OPERATOR traps.+ (FUNCTION = traps.sum, LEFTARG = bigint, RIGHTARG = bigint);
    CREATE OPERATOR traps.|| (FUNCTION = traps.joined, LEFTARG = jsonb, RIGHTARG = jsonb);
    CREATE TABLE traps.users (LIKE pg_catalog.pg_class);
";

const TEMPORARY_TRAPS: &str = "
    CREATE TEMPORARY TABLE users (id uuid);
    CREATE TEMPORARY TABLE identities (id uuid);
    CREATE TEMPORARY TABLE user_profiles (user_id uuid);
    CREATE TEMPORARY TABLE pg_class (oid oid);
";

/// Sets the traps in `schema`, which everybody may use.
fn set_traps(database: &Database, schema: &str) {
    let traps = TRAPS.replace("traps.", &format!("{schema}."));
    let script = format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; {traps}
         GRANT USAGE ON SCHEMA {schema} TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO PUBLIC;"
    );
    database.psql(&script).unwrap();
}

#[track_caller]
fn assert_not_sprung(database: &Database, schema: &str) {
    let mut admin = database.admin().unwrap();
    assert!(!one::<bool>(&mut admin, &format!("SELECT is_called FROM {schema}.calls"), &[]));
    let sprung = format!("SET search_path = {schema}, pg_catalog; SELECT now(); RESET search_path");
    admin.batch_execute(&sprung).unwrap();
    assert!(one::<bool>(&mut admin, &format!("SELECT is_called FROM {schema}.calls"), &[]), "the traps work");
}

#[test]
fn a_hostile_search_path_does_not_change_what_the_calls_do() {
    for schema in ["traps", "public"] {
        let database = supabase_database();
        set_traps(&database, schema);
        let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
        back_end.batch_execute(&format!("{TEMPORARY_TRAPS} SET search_path = {schema}, pg_temp, pg_catalog")).unwrap();
        let first = json!({ "p_email": "user@example.com", "p_metadata": { "field_of_study": "law" } });
        let registered = call(&mut back_end, "register_user_with_token", &first).data.unwrap();
        assert_eq!(registered["profile"]["field_of_study"], "law");
        let again = json!({ "p_email": "user@example.com", "p_metadata": { "field_of_study": "physics" } });
        assert!(call(&mut back_end, "register_user_with_token", &again).success);
        let resent = call(&mut back_end, "resend_verification", &json!({ "p_email": "user@example.com" }));
        let token = &resent.data.unwrap()["verification"]["token"];
        let verified = call(&mut back_end, "verify_email", &json!({ "p_token": token }));
        assert_eq!(verified.data.unwrap()["profile"]["field_of_study"], "physics");
        assert!(!call(&mut back_end, "verify_email", &json!({ "p_token": token })).success);
        assert_not_sprung(&database, schema);
    }
}

#[test]
fn a_hostile_search_path_does_not_change_what_the_trigger_does() {
    let database = supabase_database();
    set_traps(&database, "traps");
    let mut auth = connect_as_supabase_auth(&database);
    auth.batch_execute(&format!("{TEMPORARY_TRAPS} SET search_path = traps, pg_temp, pg_catalog")).unwrap();
    database.refuse_rows("public.user_profiles", "NEW.years_of_experience = 90");
    for years in ["3", "900", "90"] {
        let insert = format!(
            "INSERT INTO auth.users (id, raw_user_meta_data)
             VALUES (pg_catalog.gen_random_uuid(), '{{\"years_of_experience\": {years}}}')"
        );
        auth.batch_execute(&insert).unwrap();
    }
    let mut admin = database.admin().unwrap();
    let years = "SELECT years_of_experience FROM public.user_profiles ORDER BY 1";
    assert_eq!(all::<i32>(&mut admin, years, &[]), [0, 3]);
    let warnings = "SELECT column_name::text FROM registrar_private.profile_warnings";
    assert_eq!(all::<String>(&mut admin, warnings, &[]), ["years_of_experience"]);
    let failures = "SELECT sqlstate FROM registrar_private.profile_failures";
    assert_eq!(all::<String>(&mut admin, failures, &[]), ["P0001"]);
    assert_not_sprung(&database, "traps");
}

#[test]
fn a_hostile_search_path_does_not_change_what_setup_does() {
    let database = empty_database();
    set_traps(&database, "traps");
    let mut admin = database.admin().unwrap();
    admin.batch_execute(&format!("{TEMPORARY_TRAPS} SET search_path = traps, pg_temp, pg_catalog")).unwrap();
    admin.batch_execute("CREATE EXTENSION registrar").unwrap();
    admin.batch_execute("SELECT registrar.setup(); SELECT registrar.create_profile_table('user_profiles')").unwrap();
    assert_not_sprung(&database, "traps");
    let (_, token) = database.register("user@example.com");
    database.verify(&token);
}

#[test]
fn whoever_made_the_schema_registrar_before_gains_nothing_from_create_extension() {
    let database = empty_database();
    database
        .psql(&format!(
            "CREATE ROLE schema_maker; GRANT CREATE ON DATABASE {} TO schema_maker; SET ROLE schema_maker;
             CREATE SCHEMA registrar;
             CREATE FUNCTION registrar.same(oid, regnamespace) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN
                 ALTER ROLE schema_maker SUPERUSER;
                 RETURN $1 OPERATOR(pg_catalog.=) $2::oid;
             EXCEPTION WHEN insufficient_privilege THEN RETURN false;
             END $$;
             CREATE OPERATOR registrar.= (FUNCTION = registrar.same, LEFTARG = oid, RIGHTARG = regnamespace);",
            database.name()
        ))
        .unwrap();
    // It may refuse, or succeed; it must not run what it found.
    let _ = database.psql("CREATE EXTENSION registrar");
    let superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = 'schema_maker'";
    assert!(!one::<bool>(&mut database.admin().unwrap(), superuser, &[]), "somebody has become a superuser");
}

/// A profile table of a role without rights, whose triggers, defaults and checks try to use those of others. What comes
/// of each attempt stands in `public.loot`.
const GREEDY_TABLE: &str = "
    CREATE TABLE public.loot (place text, who text, attempt text, outcome text);
    GRANT INSERT ON public.loot TO PUBLIC;
    CREATE FUNCTION public.try_everything(place text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        attempt text;
    BEGIN
        FOREACH attempt IN ARRAY ARRAY[
            'SELECT token_hash FROM registrar_private.verification_tokens',
            'DELETE FROM registrar_private.audit_log',
            'UPDATE registrar_private.roles SET is_default = name = ''admin''',
            'SELECT registrar.register_user_with_token(''thief@example.com'')',
            'SET ROLE registrar_owner',
            'SET LOCAL ROLE postgres',
            'SET SESSION AUTHORIZATION postgres'
        ] LOOP
            BEGIN
                EXECUTE attempt;
                INSERT INTO public.loot VALUES (place, current_user, attempt, 'done');
            EXCEPTION WHEN OTHERS THEN
                INSERT INTO public.loot VALUES (place, current_user, attempt, SQLSTATE);
            END;
        END LOOP;
    END $$;
    CREATE FUNCTION public.greedy_trigger() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.try_everything(TG_NAME); RETURN NEW; END $$;
    CREATE FUNCTION public.greedy_default() RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.try_everything('default'); RETURN 'x'; END $$;
    CREATE TABLE public.greedy (user_id uuid UNIQUE, loot text DEFAULT public.greedy_default());
    CREATE TRIGGER before BEFORE INSERT ON public.greedy FOR EACH ROW EXECUTE FUNCTION public.greedy_trigger();
    CREATE TRIGGER after AFTER INSERT ON public.greedy FOR EACH ROW EXECUTE FUNCTION public.greedy_trigger();
    CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON public.greedy DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.greedy_trigger();
    INSERT INTO registrar_private.profile_tables (schema_name, table_name, user_column) VALUES ('public', 'greedy', 'user_id');
";

/// As whom a deferred trigger runs: before PostgreSQL 18 as whoever commits, since then as whoever inserted the row.
fn runs_deferred(inserts: &'static str, commits: &'static str) -> &'static str {
    if Installation::under_test().unwrap().major() < 18 { commits } else { inserts }
}

#[test]
fn the_owner_of_a_profile_table_gains_none_of_registrars_rights() {
    let database = supabase_database();
    database
        .psql(&format!(
            "{GREEDY_TABLE} CREATE ROLE greedy_owner; ALTER TABLE public.greedy OWNER TO greedy_owner;
             ALTER FUNCTION public.greedy_trigger() OWNER TO greedy_owner;"
        ))
        .unwrap();
    let before = database.script(&["--schema=registrar_private", "--inserts"]);
    connect_as_supabase_auth(&database).batch_execute("INSERT INTO users (id) VALUES (gen_random_uuid())").unwrap();
    assert_eq!(database.script(&["--schema=registrar_private", "--inserts"]), before);

    let looted =
        "SELECT concat_ws(' | ', place, who, attempt, outcome) FROM public.loot WHERE outcome <> '42501' ORDER BY 1";
    let mut admin = database.admin().unwrap();
    assert_eq!(all::<String>(&mut admin, looted, &[]), Vec::<String>::new());
    let tried = "SELECT place || ' as ' || who FROM public.loot GROUP BY place, who ORDER BY 1";
    let tried: Vec<String> = all(&mut admin, tried, &[]);
    let deferred = format!("deferred as {}", runs_deferred("greedy_owner", "supabase_auth_admin"));
    assert_eq!(tried, ["after as greedy_owner", "before as greedy_owner", "default as greedy_owner", &deferred]);
}

#[test]
fn the_owner_of_a_profile_table_gains_nothing_from_a_registration_either() {
    let database = plain_database();
    database
        .psql(&format!("{GREEDY_TABLE} CREATE ROLE grasping_owner; ALTER TABLE public.greedy OWNER TO grasping_owner"))
        .unwrap();
    // As the gateway does it: a session that can become the API roles only.
    let mut gateway = Client::connect(&database.authenticator_url(), NoTls).unwrap();
    let mut request = gateway.transaction().unwrap();
    request.batch_execute("SET LOCAL ROLE service_role").unwrap();
    assert!(call(&mut request, "register_user_with_token", &json!({ "p_email": "user@example.com" })).success);
    request.commit().unwrap();

    let mut admin = database.admin().unwrap();
    let tried = "SELECT place || ' as ' || who FROM public.loot GROUP BY place, who ORDER BY 1";
    let expected = ["after", "before", "default"].map(|place| format!("{place} as grasping_owner"));
    let deferred = format!("deferred as {}", runs_deferred("grasping_owner", "service_role"));
    let expected: Vec<String> = expected.into_iter().chain([deferred]).collect();
    assert_eq!(all::<String>(&mut admin, tried, &[]), expected);
    // The deferred trigger runs at COMMIT as the back end, which may register.
    let looted = "SELECT concat_ws(' | ', place, who, attempt, outcome) FROM public.loot WHERE outcome = 'done'
                  AND NOT (who = 'service_role' AND attempt LIKE 'SELECT registrar.register%') ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, looted, &[]), Vec::<String>::new());
}

#[test]
fn attaching_a_table_runs_nothing_of_its_owners_with_the_rights_of_whoever_attaches_it() {
    let database = supabase_database();
    // Everything that attaching could touch: the triggers of the rows that are there, and the column's type.
    database
        .psql(&format!(
            "{GREEDY_TABLE} DROP TABLE public.greedy CASCADE;
             CREATE ROLE lurking_owner; GRANT USAGE, CREATE ON SCHEMA public TO lurking_owner;
             GRANT USAGE ON SCHEMA auth TO lurking_owner; GRANT REFERENCES ON auth.users TO lurking_owner;
             INSERT INTO auth.users (id) VALUES ('00000000-0000-0000-0000-000000000001');
             SET ROLE lurking_owner;
             CREATE FUNCTION public.greedy_check(text) RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN PERFORM public.try_everything('domain'); RETURN true; END $$;
             CREATE DOMAIN public.greedy_text AS text CHECK (public.greedy_check(VALUE));
             CREATE TABLE public.lair (
                 id uuid PRIMARY KEY REFERENCES auth.users, bait public.greedy_text, profile_completed boolean);
             INSERT INTO public.lair VALUES ('00000000-0000-0000-0000-000000000001', 'x', false);
             CREATE FUNCTION public.lurking_trigger() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM public.try_everything(TG_OP); RETURN NEW; END $$;
             CREATE TRIGGER lurking BEFORE INSERT OR UPDATE ON public.lair
                 FOR EACH ROW EXECUTE FUNCTION public.lurking_trigger();
             RESET ROLE; TRUNCATE public.loot",
        ))
        .unwrap();
    let fields = json!([{ "column": "bait", "default": "y", "allowed": ["y"], "required": true }]);
    database.attach("public.lair", "id", &fields);
    let mut admin = database.admin().unwrap();
    let tried = "SELECT DISTINCT place || ' as ' || who FROM public.loot ORDER BY 1";
    assert_eq!(all::<String>(&mut admin, tried, &[]), ["UPDATE as lurking_owner", "domain as lurking_owner"]);
    let looted = "SELECT concat_ws(' | ', place, who, attempt, outcome) FROM public.loot WHERE outcome <> '42501'";
    assert_eq!(all::<String>(&mut admin, looted, &[]), Vec::<String>::new());
    let owners = "SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'lair_complete'";
    assert_eq!(all::<String>(&mut admin, owners, &[]), ["lurking_owner"], "what belongs to the table is its owner's");
}

#[test]
fn operators_of_others_do_not_run_in_the_procedures() {
    for (schema, search_path) in [("public", "public"), ("traps", "traps, pg_temp, pg_catalog")] {
        let database = supabase_database();
        set_traps(&database, schema);
        database
            .psql("INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 5); DELETE FROM public.user_profiles")
            .unwrap();
        let mut admin = database.admin().unwrap();
        admin.batch_execute(&format!("{TEMPORARY_TRAPS} SET search_path = {search_path}")).unwrap();
        let made = admin.query_one("CALL registrar.backfill_profiles(2)", &[]).unwrap();
        assert_eq!((made.get::<_, i64>(0), made.get::<_, i64>(1)), (5, 0));
        database
            .psql("CREATE TABLE public.people (id uuid); INSERT INTO public.people SELECT gen_random_uuid()")
            .unwrap();
        let fixed: Value = one(&mut admin, "CALL registrar.fix_constraint('public.people', 'id', 'quarantine')", &[]);
        assert_eq!(fixed["data"]["is_right"], true, "{fixed}");
        assert_not_sprung(&database, schema);
    }
}

#[test]
fn a_hostile_search_path_does_not_change_what_the_calls_on_profiles_do() {
    let database = supabase_database();
    set_traps(&database, "traps");
    let user = database.sign_up("user@example.com", &json!({ "field_of_study": "law" }));
    database
        .psql("CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text)")
        .unwrap();
    let mut admin = database.admin().unwrap();
    admin.batch_execute(&format!("{TEMPORARY_TRAPS} SET search_path = traps, pg_temp, pg_catalog")).unwrap();
    for call in [
        "attach_profile_table('public.people', 'id', '[{\"column\": \"name\", \"allowed\": [\"x\"]}]')",
        "get_profile($1)",
        "update_profile($1, '{\"field_of_study\": \"physics\", \"skills_technologies\": [\"sql\"]}')",
        "update_profile($1, '{\"years_of_experience\": 900}')",
        "get_profile_completion_status($1)",
        "verify_user_profile($1)",
        "get_user_profile_data($1)",
        "create_profile($1, '{\"name\": \"x\"}', 'public.people')",
        "update_profiles('[]')",
        "create_profiles(ARRAY[$1]::uuid[])",
        "export_profiles()",
        "profile_stats()",
        "repair_profiles()",
        "backfill_profiles_batch()",
        "verify_and_fix_constraint('public.people', 'id')",
        "verify_and_fix_constraint('public.people', 'id', true, 'quarantine')",
    ] {
        let call = call.replace("$1", &format!("'{user}'"));
        let answer = admin
            .query_one(&format!("SELECT registrar.{call}"), &[])
            .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        answer.get::<_, Value>(0);
    }
    assert!(admin.query_one("SELECT registrar.detach_profile_table('public.people')", &[]).unwrap().get::<_, bool>(0));
    assert_eq!(database.profile(user).unwrap()["field_of_study"], "physics");
    admin.batch_execute("UPDATE auth.users SET email = 'new@example.com', raw_user_meta_data = '{}'").unwrap();
    assert_not_sprung(&database, "traps");
}

#[test]
fn a_hostile_search_path_does_not_change_what_the_calls_on_sessions_do() {
    let database = supabase_database();
    set_traps(&database, "traps");
    let mut admin = database.admin().unwrap();
    let session = open_session(&mut admin, database.sign_up("user@example.com", &json!({})));
    admin.batch_execute(&format!("{TEMPORARY_TRAPS} SET search_path = traps, pg_temp, pg_catalog")).unwrap();
    let claims = json!({ "iss": "registrar", "sub": session.user_id, "session_id": session.id }).to_string();
    admin.execute("SELECT pg_catalog.set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
    admin.batch_execute("SELECT registrar.check_session()").unwrap();
    for call in ["get_session($1)", "list_sessions($1)", "refresh_session($2)"] {
        let call = call
            .replace("$1", &format!("'{}'", session.session_token))
            .replace("$2", &format!("'{}'", session.refresh_token));
        let answer: Value = one(&mut admin, &format!("SELECT registrar.{call}"), &[]);
        assert_eq!(answer["success"], true, "{call}: {answer}");
    }
    let answer: Value = one(&mut admin, "SELECT registrar.logout('all', NULL, $1)", &[&session.user_id]);
    assert_eq!(answer["data"]["ended"], 1, "{answer}");
    admin.batch_execute("SELECT registrar.check_session()").unwrap_err();
    assert_not_sprung(&database, "traps");
}

#[test]
fn the_trigger_functions_cannot_be_put_on_another_table() {
    let database = plain_database();
    database.psql("CREATE SCHEMA playground; GRANT ALL ON SCHEMA playground TO PUBLIC").unwrap();
    for role in Role::ALL {
        let mut caller = database.connect_as(role).unwrap();
        let table = format!("playground.{}", role.as_str());
        caller.batch_execute(&format!("CREATE TABLE {table} (id uuid, raw_user_meta_data jsonb)")).unwrap();
        for function in ["handle_new_user", "handle_user_update", "configuration_changed"] {
            let trigger = format!(
                "CREATE TRIGGER mine AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION registrar.{function}()"
            );
            assert_eq!(caller.batch_execute(&trigger).unwrap_err().code().unwrap().code(), "42501");
        }
    }
}

#[test]
fn names_with_quotes_in_them_are_names() {
    let database = supabase_database();
    database
        .psql(
            r#"CREATE SCHEMA "App's ""own""";
               CREATE TABLE "App's ""own"""."Pro'file""; DROP TABLE auth.users; --" ("The ""User""" uuid UNIQUE, "it's $1" text);
               ALTER TABLE "App's ""own"""."Pro'file""; DROP TABLE auth.users; --"
                   ADD FOREIGN KEY ("The ""User""") REFERENCES auth.users ON DELETE CASCADE;"#,
        )
        .unwrap();
    let table = r#""App's ""own"""."Pro'file""; DROP TABLE auth.users; --""#;
    let hostile = "v'); DROP TABLE auth.users; --";
    let fields = json!([{
        "column": "it's $1", "path": ["k'); DROP TABLE auth.users; --", "\\'{}"], "allowed": [hostile, "'", "\\"],
        "default": "'", "required": true, "sync": true,
    }]);
    database.attach(table, "The \"User\"", &fields);
    let metadata = json!({ "k'); DROP TABLE auth.users; --": { "\\'{}": hostile } });
    let user = database.sign_up("user@example.com", &metadata);
    assert_eq!(database.profile_failures(user), []);
    let mut admin: Client = database.admin().unwrap();
    let row: Value =
        one(&mut admin, r#"SELECT to_jsonb(p) FROM "App's ""own"""."Pro'file""; DROP TABLE auth.users; --" AS p"#, &[]);
    assert_eq!(row, json!({ "The \"User\"": user, "it's $1": "v'); DROP TABLE auth.users; --" }));
}
