//! The audit log: one row for whatever happened, with where it came from, and never a secret.

use postgres::Client;
use registrar_tests::{
    Database, Gateway, Http, JwtSecret, Role, Rpc, Stack, all, call, empty_database, new_email, one, plain_database,
    token_of,
};
use serde_json::{Value, json};
use uuid::Uuid;

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// The rows, oldest first, as `role action outcome user`; users by the name they have in `known`.
fn log(database: &Database, known: &[(&str, Uuid)]) -> Vec<String> {
    let query =
        "SELECT concat_ws(' ', actor_role, action, outcome, user_id) FROM registrar_private.audit_log ORDER BY id";
    let rows: Vec<String> = all(&mut database.admin().unwrap(), query, &[]);
    let named = |row: String| known.iter().fold(row, |row, (name, id)| row.replace(&id.to_string(), name));
    rows.into_iter().map(|row| named(row).replace(NOBODY, "nobody")).collect()
}

fn user_of(data: &Value) -> Uuid {
    data["user"]["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn whatever_happens_is_one_row() {
    let database = plain_database();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut ask = |function: &str, parameters: Value| call(&mut back_end, function, &parameters);
    let email = json!({ "p_email": "ada@example.com" });

    let ada = user_of(&ask("register_user_with_token", email.clone()).data.unwrap());
    let token = ask("resend_verification", email.clone()).data.unwrap()["verification"]["token"].clone();
    let (beginning, last) = token.as_str().unwrap().split_at(63);
    ask("verify_email", json!({ "p_token": format!("{beginning}{}", if last == "x" { "y" } else { "x" }) }));
    ask("verify_email", json!({ "p_token": token }));
    ask("verify_email", json!({ "p_token": token }));
    ask("verify_email", json!({ "p_token": "nonsense" }));
    ask("verify_email", json!({}));
    ask("resend_verification", email.clone());
    ask("resend_verification", json!({ "p_email": "nobody@example.com" }));
    ask("register_user_with_token", email);
    ask("register_user_with_token", json!({ "p_email": "nonsense", "p_role": "emperor" }));
    ask("register_user_with_token", json!({ "p_email": "b@example.com", "p_role": "emperor" }));
    ask("register_user_with_token", json!({ "p_email": "b@example.com", "p_password": "short" }));
    database.refuse_rows("public.user_profiles", "NEW.years_of_experience = 90");
    let failing = json!({ "p_email": "bob@example.com", "p_metadata": { "years_of_experience": 90 } });
    let bob = user_of(&ask("register_user_with_token", failing).data.unwrap());

    let expected = [
        "service_role register ok ada",
        "service_role resend_verification ok ada",
        "service_role verify_email token_invalid ada",
        "service_role verify_email ok ada",
        "service_role verify_email token_invalid ada",
        "service_role verify_email token_invalid nobody",
        "service_role verify_email validation_failed nobody",
        "service_role resend_verification email_exists ada",
        "service_role resend_verification user_not_found nobody",
        "service_role register email_exists ada",
        "service_role register validation_failed nobody",
        "service_role register invalid_role nobody",
        "service_role register weak_password nobody",
        "service_role fill_profile internal bob",
        "service_role register ok bob",
    ];
    assert_eq!(log(&database, &[("ada", ada), ("bob", bob)]), expected);
    let age =
        "SELECT bool_and(occurred_at BETWEEN now() - interval '1 minute' AND now()) FROM registrar_private.audit_log";
    assert!(one::<bool>(&mut database.admin().unwrap(), age, &[]), "each row tells the time");
}

#[test]
fn an_expired_token_is_recorded() {
    let database = plain_database();
    let (user, token) = database.register("user@example.com");
    database.psql("UPDATE registrar_private.verification_tokens SET expires_at = now() - interval '1 second'").unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    assert!(!call(&mut back_end, "verify_email", &json!({ "p_token": token })).success);
    assert_eq!(log(&database, &[("user", user)])[1], "service_role verify_email token_expired user");
}

#[test]
fn the_rows_of_a_deleted_user_stay() {
    let database = plain_database();
    let (user, _) = database.register("user@example.com");
    database.psql("DELETE FROM auth.users").unwrap();
    assert_eq!(log(&database, &[("user", user)]), ["service_role register ok user"]);
}

/// The address and the user agent that are recorded of a call with these request headers and that many trusted proxies.
fn origin(database: &Database, headers: &str, trusted_proxies: u8) -> (Option<String>, Option<String>) {
    let mut admin = database.admin().unwrap();
    admin.execute("SELECT set_config('request.headers', $1, false)", &[&headers]).unwrap();
    admin.batch_execute(&format!("SET registrar.trusted_proxies = {trusted_proxies}; SET ROLE service_role")).unwrap();
    let email = new_email("origin");
    assert!(call(&mut admin, "register_user_with_token", &json!({ "p_email": email })).success, "{headers}");
    admin.batch_execute("RESET ROLE").unwrap();
    let query = "SELECT host(address), user_agent FROM registrar_private.audit_log
                 WHERE user_id = (SELECT id FROM auth.users WHERE email = $1)";
    let row = admin.query_one(query, &[&email]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn the_address_is_the_one_that_the_outermost_trusted_proxy_saw() {
    let database = plain_database();
    let address = |forwarded_for: &str, trusted_proxies| {
        origin(&database, &json!({ "x-forwarded-for": forwarded_for }).to_string(), trusted_proxies).0
    };
    let spoofed = "6.6.6.6, 198.51.100.7, 203.0.113.9";
    for (trusted_proxies, expected) in
        [(0, None), (1, Some("203.0.113.9")), (2, Some("198.51.100.7")), (3, Some("6.6.6.6")), (4, None), (16, None)]
    {
        assert_eq!(address(spoofed, trusted_proxies).as_deref(), expected, "{trusted_proxies} trusted proxies");
    }
    for (forwarded_for, expected) in [
        ("203.0.113.9", Some("203.0.113.9")),
        ("  203.0.113.9  ", Some("203.0.113.9")),
        ("evil,203.0.113.9", Some("203.0.113.9")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("::ffff:203.0.113.9", Some("::ffff:203.0.113.9")),
        ("", None),
        (",", None),
        ("203.0.113.9,", None),
        ("unknown", None),
        ("203.0.113.9/8", None),
        ("203.0.113.9'; DROP TABLE auth.users; --", None),
        ("999.0.113.9", None),
        ("0x7f.1", None),
    ] {
        assert_eq!(address(forwarded_for, 1).as_deref(), expected, "{forwarded_for:?}");
    }
    assert_eq!(address(&"6.6.6.6, ".repeat(20_000), 1), None);
    assert_eq!(address(&("6.6.6.6, ".repeat(20_000) + "203.0.113.9"), 1).as_deref(), Some("203.0.113.9"));
}

#[test]
fn odd_headers_cost_neither_the_call_nor_the_other_header() {
    let database = plain_database();
    let agent = |value: &str| {
        origin(&database, &json!({ "user-agent": value, "x-forwarded-for": "203.0.113.9" }).to_string(), 1)
    };
    for (sent, kept) in [
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
        ("a\u{0}b\r\nc\u{1b}[31md", "abc[31md"),
        ("Ünïcödé 🦀", "Ünïcödé 🦀"),
        ("'); DROP TABLE auth.users; --", "'); DROP TABLE auth.users; --"),
        ("{\"json\": true}", "{\"json\": true}"),
    ] {
        assert_eq!(agent(sent), (Some("203.0.113.9".into()), Some(kept.into())));
    }
    assert_eq!(agent(&"é".repeat(10_000)).1, Some("é".repeat(256)), "cut to 256 characters");

    for headers in ["", "{}", "null", "[]", "nonsense", "{\"user-agent\":", "{\"User-Agent\": \"x\"}"] {
        assert_eq!(origin(&database, headers, 1), (None, None), "{headers}");
    }
    let wrong_type = r#"{"user-agent": 5, "x-forwarded-for": "203.0.113.9"}"#;
    assert_eq!(origin(&database, wrong_type, 1).1, None);
    let others = r#"{"authorization": "Bearer secret", "cookie": "secret", "user-agent": "x"}"#;
    assert_eq!(origin(&database, others, 1), (None, Some("x".into())));
}

#[test]
fn a_call_from_sql_has_no_origin() {
    let database = plain_database();
    database.register("user@example.com");
    let query = "SELECT count(*) FROM registrar_private.audit_log WHERE address IS NULL AND user_agent IS NULL";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), query, &[]), 1);
}

#[test]
fn over_http_the_caller_cannot_choose_the_address() {
    let stack = Stack::shared();
    let email = new_email("http");
    let call = stack.request("register_user_with_token").key(stack.key(Role::ServiceRole));
    let call = call.json(&json!({ "p_email": email })).header("User-Agent", "browser/1");
    // The last entry is the one that the proxy before the gateway appends.
    call.header("X-Forwarded-For", "6.6.6.6, 203.0.113.9").send().unwrap().expect_success(201);
    let query = "SELECT concat_ws(' ', actor_role, host(address), user_agent) FROM registrar_private.audit_log
                 WHERE user_id = (SELECT id FROM auth.users WHERE email = $1)";
    assert_eq!(one::<String>(&mut stack.admin(), query, &[&email]), "service_role 203.0.113.9 browser/1");
}

#[test]
fn a_session_cannot_change_whose_address_is_believed() {
    let mut back_end = plain_database().connect_as(Role::ServiceRole).unwrap();
    // Before the library is loaded the setting is only a name; what it holds then must not count.
    back_end.batch_execute("SET registrar.trusted_proxies = 3; SELECT registrar.verify_email('x')").unwrap();
    assert_eq!(one::<String>(&mut back_end, "SHOW registrar.trusted_proxies", &[]), "1");
    let refused = back_end.batch_execute("SET registrar.trusted_proxies = 3").unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501");
}

#[test]
fn no_secret_stands_in_the_audit_log_the_server_log_or_any_table() {
    // Every statement is logged, without its parameters: those are the server's own business.
    let stack = Stack::builder()
        .unwrap()
        .server_setting("log_statement", "all")
        .server_setting("log_parameter_max_length", "0")
        .server_setting("log_parameter_max_length_on_error", "0")
        .start()
        .unwrap();
    let password = "correct-horse-battery-staple";
    let hash = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let key = Uuid::new_v4().to_string();
    // The first profile fails, and those that follow have a warning.
    stack.database().refuse_rows("public.user_profiles", "NEW.field_of_study = 'refused'");
    let metadata = json!({ "years_of_experience": 900, "field_of_study": "refused" });
    let parameters = json!({
        "p_email": "ada@example.com", "p_password": password, "p_idempotency_key": key, "p_metadata": metadata
    });
    let first = stack.registered(&parameters);
    let second: registrar_core::Registration = stack
        .register(&json!({ "p_email": "ada@example.com", "p_password_hash": hash, "p_metadata": metadata }))
        .data(200);
    let third = stack.resent("ada@example.com").verification.token;
    let tokens = [token_of(&first).to_owned(), token_of(&second).to_owned(), third.clone()];
    for token in &tokens {
        stack.verify(token);
    }
    stack.verify(&third).expect_failure(401, "token_invalid");
    let refused = json!({ "p_email": "nonsense", "p_password": password, "p_password_hash": "$2b$10$short" });
    stack.register(&refused).expect_failure(400, "validation_failed");
    // A statement that fails inside, so that the server logs it.
    stack.admin().batch_execute("ALTER TABLE auth.identities RENAME TO away").unwrap();
    let failing = json!({ "p_email": "bob@example.com", "p_password": password, "p_idempotency_key": key });
    stack.register(&failing).expect_failure(500, "internal");
    stack.admin().batch_execute("ALTER TABLE auth.away RENAME TO identities").unwrap();

    let mut secrets = vec![password.to_owned(), key.clone()];
    secrets.extend(tokens.iter().cloned());
    let own_tables = stack.database().script(&["--schema=registrar_private", "--schema=public", "--inserts"]);
    let audit_log = stack.database().script(&["--table=registrar_private.audit_log", "--inserts"]);
    let (server_log, gateway_log) = (stack.cluster().log().unwrap(), stack.gateway().log().unwrap());
    assert!(server_log.contains("register_user_with_token"), "the server logs statements");
    for (place, text) in [("tables", &own_tables), ("server log", &server_log), ("gateway log", &gateway_log)] {
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} stands in the {place}");
        }
    }
    for hash in ["$2b$10$", "$argon2"] {
        assert!(!audit_log.contains(hash) && !server_log.contains(hash), "a hash of a password");
    }
    let users = stack.database().script(&["--table=auth.users", "--inserts"]);
    assert!(users.contains(hash), "the hash rests where it belongs");
    assert!(!users.contains(password) && !tokens.iter().any(|token| users.contains(token)));
}

/// Registers while a trigger of the app's on `auth.users` does this; nobody may be made, and both the answer and the audit
/// log must say these words.
#[track_caller]
fn assert_refused_with(timing: &str, raise: &str, words: [&str; 2]) {
    let database = plain_database();
    let trigger = format!(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raise}; END $$;
         CREATE TRIGGER refuse {timing} INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    );
    database.psql(&trigger).unwrap();
    let envelope = registered_over_http(&database).expect_failure(500, "internal");
    assert_nothing_made(&mut database.admin().unwrap());
    assert_eq!(log(&database, &[]), ["service_role register internal nobody"]);
    let detail: String = one(&mut database.admin().unwrap(), "SELECT detail FROM registrar_private.audit_log", &[]);
    let hint = envelope.errors[0].hint.as_deref().unwrap_or_default();
    for word in words {
        assert!(hint.contains(word) && detail.contains(word), "{timing} {word}: {hint} / {detail}");
    }
}

#[test]
fn a_trigger_of_the_app_that_raises_refuses_the_registration_whole_and_says_why() {
    for timing in ["BEFORE", "AFTER"] {
        assert_refused_with(timing, "RAISE EXCEPTION 'no more users'", ["P0001", "no more users"]);
        let violation = "RAISE EXCEPTION 'too many' USING ERRCODE = 'check_violation'";
        assert_refused_with(timing, violation, ["23514", "too many"]);
    }
}

#[test]
fn a_trigger_of_the_app_that_raises_with_a_sqlstate_of_its_own_is_quoted_with_it() {
    assert_refused_with(
        "BEFORE",
        "RAISE EXCEPTION 'no more users' USING ERRCODE = 'APP42'",
        ["APP42", "no more users"],
    );
}

#[test]
fn an_export_of_all_users_is_recorded() {
    let database = plain_database();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let mut ask = |function: &str, parameters: Value| call(&mut back_end, function, &parameters);
    let ada = user_of(&ask("create_user", json!({ "p_values": { "email": "ada@example.com" } })).data.unwrap());
    ask("create_user", json!({ "p_values": { "email": "ada@example.com" } }));
    ask("update_user", json!({ "p_user_id": ada, "p_updates": { "is_verified": true } }));
    ask("update_user", json!({ "p_user_id": ada, "p_updates": { "role": "emperor" } }));
    ask("get_user", json!({ "p_user_id": ada }));
    ask("export_users", json!({}));
    ask("export_users", json!({ "p_with_hashes": true }));
    ask("delete_user", json!({ "p_user_id": ada }));
    let expected = [
        "service_role create_user ok ada",
        "service_role create_user email_exists ada",
        "service_role update_user ok ada",
        "service_role update_user invalid_role ada",
        "service_role export_users ok nobody",
        "service_role export_users forbidden nobody",
        "service_role delete_user ok ada",
    ];
    assert_eq!(log(&database, &[("ada", ada)]), expected);
}

fn registered_over_http(database: &Database) -> registrar_tests::Answer {
    let secret = JwtSecret::random();
    let gateway = Gateway::builder(database, &secret).start().unwrap();
    let call = Rpc::new(&Http::default(), &gateway.url(), "register_user_with_token");
    call.key(secret.key(Role::ServiceRole)).json(&json!({ "p_email": "user@example.com" })).send().unwrap()
}

#[track_caller]
fn assert_nothing_made(admin: &mut Client) {
    for table in ["auth.users", "auth.identities", "registrar_private.verification_tokens", "public.user_profiles"] {
        assert_eq!(one::<i64>(admin, &format!("SELECT count(*) FROM {table}"), &[]), 0, "{table}");
    }
}

#[test]
fn without_an_audit_log_nobody_registers_and_the_answer_is_clear() {
    let database = plain_database();
    database.psql("ALTER TABLE registrar_private.audit_log RENAME TO gone").unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer = call(&mut back_end, "register_user_with_token", &json!({ "p_email": "user@example.com" }));
    assert_eq!(answer.errors[0].code.as_str(), "internal");
    assert!(answer.errors[0].hint.as_deref().unwrap().contains("registrar.setup()"), "{answer:?}");
    assert_nothing_made(&mut database.admin().unwrap());
}

#[test]
fn before_setup_every_call_says_that_setup_is_missing() {
    let database = empty_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("CREATE EXTENSION registrar").unwrap();
    for (function, parameters) in [
        ("register_user_with_token", json!({ "p_email": "user@example.com" })),
        ("verify_email", json!({ "p_token": "A".repeat(64) })),
        ("resend_verification", json!({ "p_email": "user@example.com" })),
    ] {
        let answer = call(&mut admin, function, &parameters);
        assert_eq!(answer.errors[0].code.as_str(), "internal", "{function}");
        let hint = answer.errors[0].hint.as_deref().unwrap();
        assert!(hint.contains("SELECT registrar.setup();"), "{function}: {hint}");
    }
    admin.batch_execute("SELECT registrar.setup()").unwrap();
    let (_, token) = database.register("user@example.com");
    database.verify(&token);
    assert!(
        call(&mut admin, "resend_verification", &json!({ "p_email": "user@example.com" })).errors[0].code
            == registrar_core::ErrorCode::EmailExists,
        "the session that called too early works now"
    );
}
