//! Who may do what, read from the catalogue and tried as each role; and THREATS.md, whose every claim names its test.

use std::collections::BTreeSet;
use std::path::Path;

use postgres::Client;
use registrar_tests::{Database, Role, Stack, all, empty_database, one, plain_database, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

const THREATS: &str = include_str!("../THREATS.md");

/// What a signed-in user may call, for the own account and profile. Nobody else but the trusted back end may call anything.
const OWN_PROFILE: [&str; 8] = [
    "create_profile",
    "get_profile",
    "get_profile_completion_status",
    "get_user",
    "get_user_profile_data",
    "update_profile",
    "update_user",
    "verify_user_profile",
];

/// What a signed-in user may call about the own password and sessions; PostgREST calls check_session for every request.
const OWN_SESSIONS: [&str; 4] = ["change_password", "check_session", "list_sessions", "logout"];

/// What the trusted back end may call besides.
const BACK_END: [&str; 27] = [
    "backfill_profiles",
    "backfill_profiles_batch",
    "build_info",
    "create_profiles",
    "create_user",
    "delete_user",
    "doctor",
    "error_codes",
    "export_profiles",
    "export_users",
    "get_session",
    "import_profiles",
    "import_user_rows",
    "list_users",
    "profile_id",
    "profile_stats",
    "refresh_session",
    "register_user_with_token",
    "repair_profiles",
    "request_password_reset",
    "resend_verification",
    "reset_password",
    "send_otp",
    "sign_in_with_password",
    "update_profiles",
    "verify_email",
    "verify_otp",
];

fn own() -> Vec<&'static str> {
    let mut own = [&OWN_PROFILE[..], &OWN_SESSIONS].concat();
    own.sort_unstable();
    own
}

fn api() -> Vec<&'static str> {
    let mut api = [own(), BACK_END.to_vec()].concat();
    api.sort_unstable();
    api
}

/// The functions of the schema `registrar` that a role may execute, PUBLIC's included.
fn executable_by(admin: &mut Client, role: &str) -> Vec<String> {
    let query = "SELECT proname::text FROM pg_proc
                 WHERE pronamespace = 'registrar'::regnamespace AND has_function_privilege($1::text, oid, 'EXECUTE')
                 ORDER BY 1";
    all(admin, query, &[&role])
}

/// What is granted to anybody but the owner in a schema of registrar's, and on the schema itself.
fn grants(admin: &mut Client, schema: &str) -> Vec<String> {
    let query = "SELECT concat_ws(' ', privilege, 'on', object, 'to', coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC'))
                 FROM (SELECT nspname::text, (aclexplode(nspacl)).*, nspowner FROM pg_namespace WHERE nspname = $1
                       UNION ALL
                       SELECT relname, (aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner)))).*, relowner
                       FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'v', 'm', 'S', 'p', 'f')
                       UNION ALL
                       SELECT proname, (aclexplode(coalesce(proacl, acldefault('f', proowner)))).*, proowner
                       FROM pg_proc WHERE pronamespace = $1::text::regnamespace
                 ) AS granted (object, grantor, grantee, privilege, is_grantable, owner)
                 WHERE grantee <> owner ORDER BY 1";
    all(admin, query, &[&schema])
}

/// Who but registrar_owner holds anything of the private schema. What that role itself may do is another test's.
fn private_grants(admin: &mut Client) -> Vec<String> {
    let mut grants = grants(admin, "registrar_private");
    grants.retain(|grant| !grant.ends_with(" to registrar_owner"));
    grants
}

/// What the view of the users calls for whoever reads it; without a right on the schema there is no other way to them.
const PRIVATE_GRANTS: [&str; 2] =
    ["EXECUTE on json_in_a_string to service_role", "EXECUTE on profile_id to service_role"];

fn expected_api_grants() -> Vec<String> {
    let to_users = own().into_iter().map(|name| format!("EXECUTE on {name} to authenticated"));
    let to_back_end = api().into_iter().map(|name| format!("EXECUTE on {name} to service_role"));
    let others = [
        "SELECT on import_rows to service_role",
        "SELECT on legacy_ids to service_role",
        "SELECT on profile_tables to service_role",
        "SELECT on users to service_role",
        "EXECUTE on profile_id to registrar_owner",
        "SELECT on users to registrar_owner",
        "USAGE on registrar to registrar_owner",
        "USAGE on registrar to authenticated",
        "USAGE on registrar to service_role",
    ];
    let mut grants: Vec<String> = to_users.chain(to_back_end).chain(others.map(str::to_owned)).collect();
    grants.sort_unstable();
    grants
}

#[test]
fn only_the_back_end_and_a_user_for_the_own_profile_and_sessions_may_call_anything_and_only_the_api() {
    for database in [plain_database(), supabase_database()] {
        let mut admin = database.admin().unwrap();
        for nobody in ["public", "anon"] {
            assert_eq!(executable_by(&mut admin, nobody), Vec::<String>::new(), "{nobody}");
        }
        assert_eq!(executable_by(&mut admin, "authenticated"), own());
        assert_eq!(executable_by(&mut admin, "service_role"), api());
        assert_eq!(grants(&mut admin, "registrar"), expected_api_grants());
    }
}

#[test]
fn nothing_of_registrar_private_is_granted_to_anybody_but_what_the_view_of_the_users_calls() {
    for database in [plain_database(), supabase_database()] {
        assert_eq!(private_grants(&mut database.admin().unwrap()), PRIVATE_GRANTS);
    }
}

#[test]
fn no_api_role_can_read_or_write_a_relation_of_registrar_private() {
    let database = plain_database();
    database.register("user@example.com");
    let relations = "SELECT relname::text FROM pg_class
                     WHERE relnamespace = 'registrar_private'::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'S')";
    let relations: Vec<String> = all(&mut database.admin().unwrap(), relations, &[]);
    assert!(relations.len() > 8, "{relations:?}");
    for role in Role::ALL {
        let mut caller = database.connect_as(role).unwrap();
        for relation in &relations {
            for attempt in [
                "SELECT count(*) FROM %",
                "INSERT INTO % DEFAULT VALUES",
                "UPDATE % SET user_id = user_id",
                "DELETE FROM %",
                "TRUNCATE %",
                "COPY % TO STDOUT",
                "SELECT nextval('%')",
                "CREATE TABLE registrar_private.mine AS SELECT 1",
                "CREATE TRIGGER mine AFTER INSERT ON % EXECUTE FUNCTION registrar.configuration_changed()",
            ] {
                let attempt = attempt.replace('%', &format!("registrar_private.{relation}"));
                let refused = caller.batch_execute(&attempt).unwrap_err();
                assert_eq!(refused.code().unwrap().code(), "42501", "{role:?}: {attempt}: {refused}");
            }
        }
    }
}

#[test]
fn every_security_definer_function_is_pinned_owned_and_listed() {
    let listed = functions_of_table("| Function | Who may call it");
    let mut admin = plain_database().admin().unwrap();
    let query = "SELECT proname::text, proowner::regrole::text, coalesce(array_to_string(proconfig, ';'), '')
                 FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text IN ('registrar', 'registrar_private', 'auth', 'public')";
    let definers = admin.query(query, &[]).unwrap();
    for definer in &definers {
        let (name, owner, settings): (&str, &str, &str) = (definer.get(0), definer.get(1), definer.get(2));
        assert_eq!(owner, "registrar_owner", "{name}");
        assert!(settings.split(';').any(|setting| setting == "search_path=pg_catalog, pg_temp"), "{name}: {settings}");
    }
    let found: BTreeSet<&str> = definers.iter().map(|definer| definer.get(0)).collect();
    assert_eq!(found, listed);

    let by_themselves = functions_of_table("| Function with registrar's rights");
    assert!(!by_themselves.is_empty());
    let invokers = "SELECT proname::text FROM pg_proc WHERE NOT prosecdef AND pronamespace = 'registrar'::regnamespace";
    let invokers: BTreeSet<String> = all(&mut admin, invokers, &[]).into_iter().collect();
    for function in by_themselves {
        assert!(invokers.contains(function), "{function} is listed as one that runs as its caller at first");
    }
}

/// The functions that THREATS.md names in the table whose heading begins so.
fn functions_of_table(heading: &str) -> BTreeSet<&'static str> {
    THREATS
        .lines()
        .skip_while(|line| !line.starts_with(heading))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect()
}

#[test]
fn every_function_of_registrar_runs_with_a_search_path_of_its_own() {
    // error_codes, build_info and the trigger that announces changes run no SQL. A procedure that commits can have none; of an import the
    // names in the source are the caller's; and
    // those that are called most are spared the time: hostile_sql.rs proves that their names are qualified.
    let without = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'registrar'::regnamespace
                   AND NOT coalesce(array_to_string(proconfig, ';'), '') LIKE '%search_path=pg_catalog, pg_temp%' ORDER BY 1";
    let without: Vec<String> = all(&mut plain_database().admin().unwrap(), without, &[]);
    let quick = ["check_session", "get_profile", "get_session"];
    let others =
        ["backfill_profiles", "build_info", "configuration_changed", "error_codes", "fix_constraint", "import_users"];
    let expected: BTreeSet<_> = quick.into_iter().chain(others).map(str::to_owned).collect();
    assert_eq!(BTreeSet::from_iter(without), expected);
}

#[test]
fn registrar_owner_can_do_what_it_must_and_nothing_else() {
    for database in [plain_database(), supabase_database()] {
        let mut admin = database.admin().unwrap();
        let powers =
            "SELECT concat_ws(' ', rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls)
                      FROM pg_roles WHERE rolname = 'registrar_owner'";
        assert_eq!(one::<String>(&mut admin, powers, &[]), "f f f f f t", "BYPASSRLS and nothing else");
        let memberships = "SELECT count(*) FROM pg_auth_members
                           WHERE 'registrar_owner'::regrole IN (roleid, member)";
        assert_eq!(one::<i64>(&mut admin, memberships, &[]), 0, "nobody can become it, and it can become nobody");

        let elsewhere = "SELECT concat_ws(' ', privilege_type, 'on', c.oid::regclass)
                         FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS acl
                         WHERE acl.grantee = 'registrar_owner'::regrole AND c.relnamespace <> 'registrar_private'::regnamespace ORDER BY 1";
        let of_supabase: &[(&str, &[&str])] =
            &[("auth.sessions", &["DELETE", "SELECT"]), ("auth.mfa_factors", &["DELETE", "SELECT"])];
        let of_all: &[(&str, &[&str])] = &[
            ("auth.identities", &["DELETE", "INSERT", "SELECT", "UPDATE"]),
            ("auth.users", &["DELETE", "INSERT", "SELECT", "UPDATE"]),
            ("registrar.users", &["SELECT"]),
        ];
        let is_there = |table: &str, admin: &mut Client| one(admin, "SELECT to_regclass($1) IS NOT NULL", &[&table]);
        let mut expected = Vec::new();
        for (table, rights) in of_all.iter().chain(of_supabase) {
            if is_there(table, &mut admin) {
                expected.extend(rights.iter().map(|right| format!("{right} on {table}")));
            }
        }
        expected.sort();
        assert_eq!(all::<String>(&mut admin, elsewhere, &[]), expected);
        let inside = "SELECT DISTINCT privilege_type
                      FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS acl
                      WHERE acl.grantee = 'registrar_owner'::regrole AND c.relnamespace = 'registrar_private'::regnamespace
                      ORDER BY 1";
        assert_eq!(
            all::<String>(&mut admin, inside, &[]),
            ["DELETE", "INSERT", "SELECT", "UPDATE"],
            "rows, and no more"
        );
        let owned = "SELECT relname::text FROM pg_class WHERE relowner = 'registrar_owner'::regrole";
        assert_eq!(all::<String>(&mut admin, owned, &[]), Vec::<String>::new(), "an owner could leave a trigger there");
    }
}

#[test]
fn every_foreign_key_of_registrar_private_has_an_index_that_begins_with_it() {
    let without = "SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint AS c
                   WHERE contype = 'f' AND connamespace = 'registrar_private'::regnamespace
                   AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)";
    let mut admin = plain_database().admin().unwrap();
    assert_eq!(all::<String>(&mut admin, without, &[]), Vec::<String>::new());
    let uncascaded = "SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint
                      WHERE contype = 'f' AND confrelid = 'auth.users'::regclass AND confdeltype <> 'c'";
    assert_eq!(all::<String>(&mut admin, uncascaded, &[]), Vec::<String>::new(), "a user can always be deleted");
}

#[test]
fn everything_that_registrar_makes_says_what_it_is() {
    let silent = "SELECT c.oid::regclass::text FROM pg_class AS c
                  WHERE relkind IN ('r', 'v', 'm', 'p') AND relnamespace::regnamespace::text IN ('registrar', 'registrar_private', 'auth', 'public')
                  AND obj_description(c.oid, 'pg_class') IS NULL
                  UNION ALL
                  SELECT p.oid::regprocedure::text FROM pg_proc AS p
                  WHERE pronamespace::regnamespace::text IN ('registrar', 'registrar_private', 'auth', 'public')
                  AND obj_description(p.oid, 'pg_proc') IS NULL";
    assert_eq!(all::<String>(&mut plain_database().admin().unwrap(), silent, &[]), Vec::<String>::new());
}

/// A database whose default privileges give everything new to `grantee`, set before registrar came.
fn database_that_grants_everything_to(grantee: &str) -> Database {
    // Its roles exist in the cluster by now.
    plain_database();
    let database = empty_database();
    for kind in ["FUNCTIONS", "TABLES", "SEQUENCES", "SCHEMAS", "TYPES"] {
        for owner in ["postgres", "registrar_owner"] {
            let grant = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON {kind} TO {grantee}");
            database.psql(&grant).unwrap();
        }
    }
    database.install_registrar().unwrap();
    database
}

#[test]
fn default_privileges_of_the_database_do_not_leak_to_the_api_roles() {
    let database = database_that_grants_everything_to("anon, authenticated, service_role, PUBLIC");
    let mut admin = database.admin().unwrap();
    assert_eq!(private_grants(&mut admin), PRIVATE_GRANTS);
    assert_eq!(grants(&mut admin, "registrar"), expected_api_grants());
}

#[test]
fn default_privileges_of_the_database_do_not_leak_to_other_roles() {
    plain_database().psql("CREATE ROLE analyst").unwrap();
    let database = database_that_grants_everything_to("analyst");
    let mut admin = database.admin().unwrap();
    assert_eq!(private_grants(&mut admin), PRIVATE_GRANTS);
    assert_eq!(grants(&mut admin, "registrar"), expected_api_grants());
}

#[test]
fn default_privileges_of_the_database_give_users_no_more_of_the_profile_table_than_its_template_says() {
    let database = database_that_grants_everything_to("anon, authenticated, service_role");
    let mut admin = database.admin().unwrap();
    for table in ["profiles", "user_profile"] {
        admin.execute("SELECT registrar.create_profile_table($1)", &[&table]).unwrap();
    }
    for (table, writable) in [
        ("profiles", "account_type first_name last_name phone_number"),
        ("user_profile", "full_name"),
        (
            "user_profiles",
            "education_level experience_level field_of_study preferred_locations salary_currency salary_max salary_min \
             skills_technologies work_arrangement_preference years_of_experience",
        ),
    ] {
        let on_table =
            "SELECT concat_ws(' ', grantee::regrole, privilege_type) FROM pg_class CROSS JOIN aclexplode(relacl)
                        WHERE oid = ('public.' || $1::text)::regclass AND grantee <> relowner
                        AND grantee::regrole::text IN ('anon', 'authenticated') ORDER BY 1";
        let on_table: Vec<String> = all(&mut admin, on_table, &[&table]);
        assert_eq!(on_table, ["authenticated SELECT"], "row security does not stop a TRUNCATE");
        let on_columns = "SELECT string_agg(attname, ' ' ORDER BY attname)
                          FROM pg_attribute CROSS JOIN aclexplode(attacl)
                          WHERE attrelid = ('public.' || $1::text)::regclass AND privilege_type = $2
                          AND grantee = 'authenticated'::regrole";
        let user_column = if table == "profiles" { "id" } else { "user_id" };
        let on_columns = |admin: &mut Client, privilege: &str| -> Vec<String> {
            let columns: String = one(admin, on_columns, &[&table, &privilege]);
            columns.split(' ').filter(|column| *column != user_column).map(str::to_owned).collect()
        };
        let writable: Vec<&str> = writable.split_whitespace().collect();
        assert_eq!(on_columns(&mut admin, "UPDATE"), writable, "neither the user nor profile_completed nor a time");
        assert_eq!(on_columns(&mut admin, "INSERT"), writable, "nor when it is made, but for the user");
        let may_give_away =
            "SELECT has_column_privilege('authenticated', ('public.' || $1::text)::regclass, $2::text, 'UPDATE')";
        assert!(!one::<bool>(&mut admin, may_give_away, &[&table, &user_column]));
    }
}

#[test]
fn over_http_nobody_but_the_back_end_gets_in_nor_a_visitor_at_all() {
    let stack = Stack::shared();
    let calls = [
        ("register_user_with_token", json!({ "p_email": "intruder@example.com" })),
        ("verify_email", json!({ "p_token": "x" })),
        ("resend_verification", json!({ "p_email": "intruder@example.com" })),
        ("error_codes", json!({})),
        ("create_profiles", json!({ "p_user_ids": [] })),
        ("update_profiles", json!({ "p_updates": [] })),
        ("export_profiles", json!({})),
        ("create_user", json!({ "p_values": { "email": "intruder@example.com" } })),
        ("delete_user", json!({ "p_user_id": Uuid::new_v4() })),
        ("export_users", json!({})),
        ("import_user_rows", json!({})),
        ("list_users", json!({})),
        ("profile_id", json!({})),
        ("import_profiles", json!({ "p_profiles": [] })),
        ("profile_stats", json!({})),
        ("repair_profiles", json!({})),
        ("backfill_profiles_batch", json!({})),
        ("build_info", json!({})),
        ("get_session", json!({ "p_session_token": "x" })),
        ("sign_in_with_password", json!({ "p_email": "a@example.com", "p_password": "x" })),
        ("refresh_session", json!({ "p_refresh_token": "x" })),
        ("send_otp", json!({ "p_email": "intruder@example.com" })),
        ("verify_otp", json!({ "p_email": "intruder@example.com", "p_code": "123456" })),
        ("request_password_reset", json!({ "p_email": "intruder@example.com" })),
        ("reset_password", json!({ "p_token": "x", "p_password": "x" })),
        ("setup", json!({})),
        ("create_profile_table", json!({ "p_template": "user_profiles" })),
        ("attach_profile_table", json!({ "p_table": "public.user_profiles", "p_user_column": "user_id" })),
        ("detach_profile_table", json!({ "p_table": "public.user_profiles" })),
        ("expose_api", json!({})),
        ("migration_sql", json!({})),
        ("signup_check", json!({})),
        ("verify_and_fix_constraint", json!({ "p_table": "public.user_profiles", "p_column": "user_id" })),
    ];
    for function in own() {
        for key in [None, Some(stack.key(Role::Anon))] {
            let parameters =
                if function == "check_session" { json!({}) } else { json!({ "p_user_id": Uuid::new_v4() }) };
            let call = stack.request(function).json(&parameters);
            let answer = key.iter().fold(call, |call, key| call.key(key)).send().unwrap();
            assert!([401, 403].contains(&answer.status), "{function} answers {}: {}", answer.status, answer.body);
        }
        if function == "check_session" {
            continue;
        }
        let nobody = stack.rpc(Role::Authenticated, function, &json!({ "p_user_id": Uuid::new_v4() }));
        nobody.expect_failure(403, "forbidden");
    }
    for (function, parameters) in &calls {
        for key in [None, Some(stack.key(Role::Anon)), Some(stack.key(Role::Authenticated))] {
            let call = stack.request(function).json(parameters);
            let answer = key.iter().fold(call, |call, key| call.key(key)).send().unwrap();
            assert!([401, 403].contains(&answer.status), "{function} answers {}: {}", answer.status, answer.body);
            assert_eq!(answer.json::<Value>()["code"], "42501", "{function}: {}", answer.body);
        }
        if !api().contains(function) {
            let answer = stack.rpc(Role::ServiceRole, function, parameters);
            assert!([401, 403].contains(&answer.status), "{function} answers {}: {}", answer.status, answer.body);
        }
    }
    let intruders = "SELECT count(*) FROM auth.users WHERE email = 'intruder@example.com'";
    assert_eq!(one::<i64>(&mut stack.admin(), intruders, &[]), 0);
}

/// A connection as PostgREST opens one for a signed-in user.
fn signed_in(database: &Database, user: Uuid) -> Client {
    let mut client = database.connect_as(Role::Authenticated).unwrap();
    let claims = json!({ "role": "authenticated", "sub": user }).to_string();
    client.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
    client
}

/// Calls for a profile, as a user or a back end; the answer.
fn ask(caller: &mut Client, function: &str, user: Uuid) -> Value {
    let values = match function {
        "create_profile" | "update_profile" => ", '{\"field_of_study\": \"law\"}'",
        _ => "",
    };
    one(caller, &format!("SELECT registrar.{function}($1{values})"), &[&user])
}

#[test]
fn a_user_acts_on_no_profile_but_the_own() {
    let database = supabase_database();
    let [own, other] = ["own", "other"].map(|name| database.sign_up(&format!("{name}@example.com"), &json!({})));
    let before = database.script(&["--schema=public", "--inserts"]);
    let mut user = signed_in(&database, own);
    for function in OWN_PROFILE {
        for somebody in [other, Uuid::new_v4()] {
            let answer = ask(&mut user, function, somebody);
            assert_eq!(answer["errors"][0]["code"], "forbidden", "{function}: {answer}");
            assert_eq!(answer["data"], Value::Null, "{function}: {answer}");
        }
        let mut nobody = database.connect_as(Role::Authenticated).unwrap();
        assert_eq!(ask(&mut nobody, function, own)["errors"][0]["code"], "forbidden", "{function}");
    }
    assert_eq!(database.script(&["--schema=public", "--inserts"]), before);
    assert_eq!(ask(&mut user, "update_profile", own)["success"], true, "the own");
}

#[test]
fn for_a_user_the_grants_and_policies_of_the_table_are_what_counts() {
    let database = supabase_database();
    let own = database.sign_up("own@example.com", &json!({}));
    let mut user = signed_in(&database, own);
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    database.psql("REVOKE UPDATE (field_of_study) ON public.user_profiles FROM authenticated").unwrap();
    assert_eq!(ask(&mut user, "update_profile", own)["errors"][0]["code"], "forbidden");
    assert_eq!(ask(&mut back_end, "update_profile", own)["success"], true, "a back end has the rights of the owner");

    database.psql("DROP POLICY registrar_own_row_select ON public.user_profiles").unwrap();
    assert_eq!(ask(&mut user, "get_profile", own)["errors"][0]["code"], "forbidden", "no policy shows the row");
    database.psql("REVOKE SELECT ON public.user_profiles FROM authenticated").unwrap();
    for function in ["get_profile", "get_profile_completion_status", "verify_user_profile", "get_user_profile_data"] {
        assert_eq!(ask(&mut user, function, own)["errors"][0]["code"], "forbidden", "{function}");
        assert_eq!(ask(&mut back_end, function, own)["success"], true, "{function}");
    }
    database
        .psql("DELETE FROM public.user_profiles; DROP POLICY registrar_own_row_insert ON public.user_profiles")
        .unwrap();
    assert_eq!(ask(&mut user, "create_profile", own)["errors"][0]["code"], "forbidden");
    assert_eq!(ask(&mut back_end, "create_profile", own)["success"], true);
}

#[test]
fn every_threat_names_tests_that_exist() {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let threats: Vec<&str> = THREATS.split("\n### ").skip(1).collect();
    for (place, threat) in threats.iter().enumerate() {
        let title = threat.lines().next().unwrap();
        assert!(title.starts_with(&format!("{}. ", place + 1)), "threats are numbered: {title}");
        let words: Vec<&str> = threat.split_whitespace().collect();
        for word in ["Given", "when", "then"] {
            assert!(words.contains(&word), "{title} has no {word}");
        }
        let proofs: Vec<_> = threat.split('`').filter_map(|code| code.split_once("::")).collect();
        assert!(!proofs.is_empty(), "{title} names no test");
        for (suite, test) in proofs {
            let source = std::fs::read_to_string(suites.join(suite)).unwrap_or_default();
            assert!(source.contains(&format!("#[test]\nfn {test}() ")), "{title}: there is no {suite}::{test}");
        }
    }
    assert!(threats.len() > 10);
}
