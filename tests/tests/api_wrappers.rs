//! `expose_api`: callers that cannot send `Content-Profile` find registrar's functions in a schema of the app's, and they are
//! registrar's in all that a caller can see.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use postgres::Client;
use registrar_tests::{
    Answer, Database, Role, Scratch, Stack, all, call, empty_database, new_email, one, plain_database,
    supabase_database,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The functions that service_role may call: each has a wrapper. A procedure that commits cannot have one.
fn api(admin: &mut Client) -> Vec<String> {
    let query = "SELECT proname::text FROM pg_proc
                 WHERE pronamespace = 'registrar'::regnamespace AND prokind = 'f'
                     AND has_function_privilege('service_role', oid, 'EXECUTE')
                 ORDER BY proname";
    all(admin, query, &[])
}

fn functions(admin: &mut Client, schema: &str) -> Vec<String> {
    let query = "SELECT proname::text FROM pg_proc WHERE pronamespace = $1::text::regnamespace ORDER BY proname";
    all(admin, query, &[&schema])
}

fn expose(client: &mut Client, arguments: &str) -> Value {
    one(client, &format!("SELECT registrar.expose_api({arguments})"), &[])
}

/// The shared stack, whose first schema has the wrappers.
fn exposed() -> &'static Stack {
    static EXPOSED: OnceLock<&Stack> = OnceLock::new();
    EXPOSED.get_or_init(|| {
        let stack = Stack::shared();
        expose(&mut stack.admin(), "");
        // The gateway is told, and reads the schema anew in its own time.
        let deadline = Instant::now() + Duration::from_secs(30);
        while send(stack, &stack.key(Role::ServiceRole), "error_codes", &json!({})).status == 404 {
            assert!(Instant::now() < deadline, "the gateway does not learn of the functions");
            std::thread::sleep(Duration::from_millis(50));
        }
        stack
    })
}

/// A call without `Content-Profile`.
fn send(stack: &Stack, key: &str, function: &str, parameters: &Value) -> Answer {
    stack.request(function).in_default_schema().key(key).json(parameters).send().unwrap()
}

#[test]
fn a_back_end_registers_and_verifies_without_content_profile_and_sees_every_status() {
    let stack = exposed();
    let back_end =
        |function: &str, parameters: Value| send(stack, &stack.key(Role::ServiceRole), function, &parameters);
    let email = new_email("wrapped");
    let registered = back_end("register_user_with_token", json!({ "p_email": email, "p_full_name": "Ada" }));
    let user = registered.expect_success(201).data.unwrap()["user"]["id"].clone();
    let again = back_end("register_user_with_token", json!({ "p_email": email })).expect_success(200).data.unwrap();
    assert_eq!(again["user"]["id"], user);
    let refused = back_end("register_user_with_token", json!({ "p_email": "nobody", "p_phone": "1" }));
    assert_eq!(refused.expect_failure(400, "validation_failed").errors.len(), 2);

    back_end("verify_email", json!({ "p_token": "x" })).expect_failure(401, "token_invalid");
    back_end("verify_email", json!({ "p_token": again["verification"]["token"] })).expect_success(200);
    back_end("register_user_with_token", json!({ "p_email": email })).expect_failure(409, "email_exists");
    back_end("get_profile", json!({ "p_user_id": user })).expect_success(200);
    back_end("get_profile", json!({ "p_user_id": Uuid::new_v4() })).expect_failure(404, "user_not_found");
}

#[test]
fn rows_are_rows_in_both_schemas() {
    let stack = exposed();
    let wrapped = send(stack, &stack.key(Role::ServiceRole), "error_codes", &json!({}));
    let direct = stack.rpc(Role::ServiceRole, "error_codes", &json!({}));
    assert_eq!(wrapped.status, 200, "{}", wrapped.body);
    assert_eq!(wrapped.json::<Value>(), direct.json::<Value>());
    assert!(wrapped.json::<Vec<Value>>().len() > 5);
}

#[test]
fn a_user_gets_and_changes_the_own_profile_and_no_other() {
    let stack = exposed();
    let [user, other] = [(); 2].map(|()| stack.new_user(&json!({ "field_of_study": "law" })));
    let key = stack.secret().user_key(user);
    let own = send(stack, &key, "get_profile", &json!({})).expect_success(200).data.unwrap();
    assert_eq!((&own["user_id"], &own["profile"]["field_of_study"]), (&json!(user), &json!("law")));
    send(stack, &key, "get_profile", &json!({ "p_user_id": other })).expect_failure(403, "forbidden");
    let changed = send(stack, &key, "update_profile", &json!({ "p_updates": { "field_of_study": null } }));
    assert_eq!(changed.expect_success(200).data.unwrap()["profile"]["field_of_study"], Value::Null);
}

#[test]
fn a_visitor_is_refused_and_a_user_is_where_registrar_refuses_one() {
    let stack = exposed();
    let mut admin = stack.admin();
    let of_users = "SELECT proname::text FROM pg_proc
                    WHERE pronamespace = 'registrar'::regnamespace AND has_function_privilege('authenticated', oid, 'EXECUTE')";
    let of_users: Vec<String> = all(&mut admin, of_users, &[]);
    let user = stack.secret().user_key(stack.new_user(&json!({})));
    for function in api(&mut admin) {
        let visitor = stack.request(&function).in_default_schema();
        let mut refused = vec![visitor.clone(), visitor.clone().key(stack.key(Role::Anon))];
        if !of_users.contains(&function) {
            refused.push(visitor.key(user.clone()));
        }
        for call in refused {
            let answer = call.send().unwrap();
            assert!([401, 403].contains(&answer.status), "{function} answers {}: {}", answer.status, answer.body);
            assert_eq!(answer.json::<Value>()["code"], "42501", "{function}: {}", answer.body);
        }
    }
    for function in
        ["setup", "attach_profile_table", "create_profile_table", "expose_api", "migration_sql", "signup_check"]
    {
        let answer = send(stack, &stack.key(Role::ServiceRole), function, &json!({}));
        assert_eq!(answer.status, 404, "{function}: {}", answer.body);
    }
}

/// What differs between the wrappers of a schema and what they call, by name.
fn differences(admin: &mut Client, schema: &str) -> Vec<String> {
    let query = "
        SELECT o.proname::text FROM pg_proc AS o
        LEFT JOIN pg_proc AS w ON w.proname = o.proname AND w.pronamespace = $1::text::regnamespace
        WHERE o.pronamespace = 'registrar'::regnamespace AND o.prokind = 'f'
            AND has_function_privilege('service_role', o.oid, 'EXECUTE')
            AND (
                SELECT count(DISTINCT (
                    pg_get_function_arguments(f.oid), pg_get_function_result(f.oid), f.provolatile, f.proisstrict, f.proparallel,
                    ARRAY(SELECT grantee FROM aclexplode(f.proacl) WHERE grantee <> f.proowner ORDER BY 1)
                ))
                FROM pg_proc AS f WHERE f.oid IN (o.oid, w.oid)
            ) + (w.oid IS NULL)::integer + (w.prosecdef OR w.proconfig <> '{\"search_path=pg_catalog, pg_temp\"}')::integer
            + (obj_description(w.oid) <> obj_description(o.oid) || E'\\n\\nMade by registrar.expose_api.')::integer <> 1
        ORDER BY 1";
    all(admin, query, &[&schema])
}

#[test]
fn a_wrapper_has_parameters_result_volatility_rights_and_comment_of_what_it_calls() {
    // Supabase's default privileges, and PostgreSQL's: whatever is made is everybody's.
    let grants = "CREATE SCHEMA \"My \"\"API\"; ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role, PUBLIC";
    for database in [plain_database(), supabase_database()] {
        database.psql(grants).unwrap();
        let mut admin = database.admin().unwrap();
        let api = api(&mut admin);
        assert!(api.len() > 15, "{api:?}");
        let schema = "\"My \"\"API\"";
        let made = expose(&mut admin, "'My \"API'");
        assert_eq!(
            made,
            json!({ "schema": "My \"API", "created": api, "replaced": [], "kept": [], "dropped": [] }),
            "what service_role may call, and nothing that only operators may"
        );
        assert_eq!(functions(&mut admin, schema), api);
        assert_eq!(differences(&mut admin, schema), Vec::<String>::new());
        admin.batch_execute(&format!("ALTER FUNCTION {schema}.get_profile COST 5 VOLATILE")).unwrap();
        assert_eq!(differences(&mut admin, schema), ["get_profile"], "a difference is seen");
    }
}

#[test]
fn what_only_operators_may_do_is_not_exposed_even_where_it_was_granted() {
    let database = plain_database();
    database.psql("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA registrar TO service_role, authenticated").unwrap();
    let mut admin = database.admin().unwrap();
    let api = api(&mut plain_database().admin().unwrap());
    assert_eq!(expose(&mut admin, "")["created"], json!(api));
}

#[test]
fn exposing_again_changes_nothing() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    expose(&mut admin, "");
    let before = database.script(&[]);
    let api = api(&mut admin);
    for arguments in ["", "'public'", "NULL", "p_functions => NULL"] {
        let again = expose(&mut admin, arguments);
        assert_eq!(again, json!({ "schema": "public", "created": [], "replaced": [], "kept": api, "dropped": [] }));
    }
    assert_eq!(database.script(&[]), before);
}

#[test]
fn p_functions_narrows_widens_and_removes_and_touches_nothing_of_the_app() {
    let database = plain_database();
    let app = "CREATE FUNCTION public.of_the_app(p_a integer) RETURNS integer LANGUAGE sql RETURN p_a;
               COMMENT ON FUNCTION public.of_the_app IS 'An app''s own.';
               CREATE FUNCTION public.verify_email(p_email text, p_code text) RETURNS boolean LANGUAGE sql RETURN true";
    database.psql(app).unwrap();
    let before = database.script(&[]);
    let mut admin = database.admin().unwrap();
    let made = expose(&mut admin, "p_functions => '{get_profile, update_profile, get_profile}'");
    assert_eq!(made["created"], json!(["get_profile", "update_profile"]), "what has the app's name is not among them");
    let narrowed = expose(&mut admin, "p_functions => '{get_profile, resend_verification}'");
    assert_eq!(narrowed["created"], json!(["resend_verification"]));
    assert_eq!(narrowed["kept"], json!(["get_profile"]));
    assert_eq!(narrowed["dropped"], json!(["update_profile"]));
    let removed = expose(&mut admin, "p_functions => '{}'");
    assert_eq!(removed["dropped"], json!(["get_profile", "resend_verification"]));
    assert_eq!(database.script(&[]), before, "the app's functions are as they were");
}

#[test]
fn who_may_execute_follows_what_is_wrapped() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    expose(&mut admin, "");
    database
        .psql(
            "CREATE ROLE report_reader;
             GRANT EXECUTE ON FUNCTION registrar.profile_stats TO report_reader;
             REVOKE EXECUTE ON FUNCTION registrar.import_profiles FROM service_role;
             GRANT EXECUTE ON FUNCTION public.get_profile TO anon",
        )
        .unwrap();
    let followed = expose(&mut admin, "");
    assert_eq!(followed["replaced"], json!(["get_profile", "profile_stats"]));
    assert_eq!(followed["dropped"], json!(["import_profiles"]), "no role of the API may call it");
    assert_eq!(differences(&mut admin, "public"), Vec::<String>::new());
    let may = "SELECT has_function_privilege('report_reader', 'public.profile_stats(integer, text)', 'EXECUTE')
               AND NOT has_function_privilege('anon', 'public.get_profile(uuid, text)', 'EXECUTE')";
    assert!(one::<bool>(&mut admin, may, &[]));
}

#[test]
fn wrappers_of_functions_that_are_gone_or_have_other_parameters_by_now_do_not_stay() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    expose(&mut admin, "");
    // What an older registrar would have left: a function without a successor, and one with other parameters.
    database
        .psql(
            "SET check_function_bodies = off;
             CREATE FUNCTION public.old_call(p_a text) RETURNS jsonb LANGUAGE sql
                 SET search_path = pg_catalog, pg_temp AS 'SELECT registrar.old_call(p_a => $1)';
             COMMENT ON FUNCTION public.old_call(text) IS 'Old. Made by registrar.expose_api.';
             DROP FUNCTION public.verify_email;
             CREATE FUNCTION public.verify_email(p_code text) RETURNS jsonb LANGUAGE sql
                 SET search_path = pg_catalog, pg_temp AS 'SELECT registrar.verify_email(p_code => $1)';
             COMMENT ON FUNCTION public.verify_email(text) IS 'Made by registrar.expose_api.';
             CREATE FUNCTION public.get_profile() RETURNS SETOF text LANGUAGE sql
                 SET search_path = pg_catalog, pg_temp AS 'SELECT registrar.get_profile()';
             COMMENT ON FUNCTION public.get_profile() IS 'Made by registrar.expose_api.'",
        )
        .unwrap();
    let mended = expose(&mut admin, "");
    assert_eq!(mended["dropped"], json!(["old_call"]));
    assert_eq!(mended["replaced"], json!(["get_profile", "verify_email"]));
    let api = api(&mut admin);
    assert_eq!(functions(&mut admin, "public").into_iter().filter(|name| api.contains(name)).collect::<Vec<_>>(), api);
    assert_eq!(differences(&mut admin, "public"), Vec::<String>::new());
}

/// Registers by the wrapper.
#[track_caller]
fn assert_registers(database: &Database, email: &str) {
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer: Value = one(&mut back_end, "SELECT public.register_user_with_token(p_email => $1)", &[&email]);
    assert_eq!(answer["success"], true, "{answer}");
    let token = answer["data"]["verification"]["token"].as_str().unwrap();
    assert!(call(&mut back_end, "verify_email", &json!({ "p_token": token })).success);
}

#[test]
fn the_extension_goes_and_comes_back_under_its_wrappers() {
    for database in [plain_database(), supabase_database()] {
        let mut admin = database.admin().unwrap();
        expose(&mut admin, "");
        let before = database.script(&["--schema=public", "--schema-only"]);
        let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
        let mut register = |email: &str| back_end.query("SELECT public.register_user_with_token($1)", &[&email]);
        register("before@example.com").unwrap();
        database.psql("DROP EXTENSION registrar").expect("without CASCADE");
        assert_eq!(register("meanwhile@example.com").unwrap_err().code().unwrap().code(), "42883");
        database.psql("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
        register("after@example.com").expect("a connected back end goes on");
        assert_registers(&database, "new@example.com");
        assert_eq!(database.script(&["--schema=public", "--schema-only"]), before, "the wrappers are as they were");
        assert_eq!(expose(&mut admin, "")["kept"], json!(api(&mut admin)));
    }
}

#[test]
fn a_dump_brings_the_wrappers_back() {
    let database = plain_database();
    expose(&mut database.admin().unwrap(), "");
    let scratch = Scratch::new().unwrap();
    let file = scratch.path().join("dump");
    database.dump(&file).unwrap();
    let copy = empty_database();
    copy.restore(&file).unwrap();
    assert_eq!(copy.script(&[]), database.script(&[]));
    assert_registers(&copy, "new@example.com");
    let mut admin = copy.admin().unwrap();
    let api = api(&mut admin);
    assert_eq!(expose(&mut admin, "")["kept"], json!(api));
}
