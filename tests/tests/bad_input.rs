//! What no honest caller sends: always a clear refusal, never a 500, never a crashed backend, never a half-made user.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use registrar_tests::{Answer, Role, Stack, call, new_email, plain_database};
use serde_json::{Value, json};

const REGISTER: &str = "register_user_with_token";
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// Lets one test at a time count rows.
fn alone(test: impl FnOnce(&Stack)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    test(Stack::shared());
}

/// Runs calls that must all be refused, and looks at what they left: no row but in the audit log, and the server that was
/// there before, in good health.
fn nothing_comes_of(calls: impl FnOnce(&Stack)) {
    alone(|stack| {
        let before = (stack.row_counts(), server_start(stack), stack.cluster().crash_signs().unwrap());
        calls(stack);
        let after = (stack.row_counts(), server_start(stack), stack.cluster().crash_signs().unwrap());
        assert_eq!(after, before);
        stack.resend(&new_email("nobody")).expect_failure(404, "user_not_found");
    });
}

/// When the server last started; a crash of any backend restarts them all, but not the server: the log tells of it.
fn server_start(stack: &Stack) -> SystemTime {
    stack.admin().query_one("SELECT pg_postmaster_start_time()", &[]).unwrap().get(0)
}

/// Holds that an answer refuses, and that a program and a person can tell why: registrar's envelope with its reasons, or
/// the gateway's code and message.
#[track_caller]
fn assert_refused(what: &str, answer: &Answer) {
    assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
    let body: Value = answer.json();
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    if body.get("success").is_some() {
        let reasons = answer.envelope().errors;
        assert!(!reasons.is_empty() && reasons.iter().all(|reason| !reason.message.is_empty()), "{what}: {body}");
        assert_eq!((&body["success"], &body["data"]), (&json!(false), &Value::Null), "{what}");
    } else {
        assert!(is_text(&body["code"]) && is_text(&body["message"]), "{what}: {body}");
    }
}

/// The fields and codes that an envelope complains of, in its order.
#[track_caller]
fn complaints(what: &str, answer: &Answer) -> Vec<(String, &'static str)> {
    assert_refused(what, answer);
    let errors = answer.envelope().errors;
    errors.into_iter().map(|error| (error.field.unwrap_or_default().into_owned(), error.code.as_str())).collect()
}

/// An otherwise good registration with one parameter set.
fn with(parameter: &str, value: impl Into<Value>) -> Value {
    let mut parameters = json!({ "p_email": new_email("bad-input") });
    parameters[parameter] = value.into();
    parameters
}

#[test]
fn addresses_that_are_none() {
    nothing_comes_of(|stack| {
        for (what, email) in [
            ("null", Value::Null),
            ("empty", json!("")),
            ("blank", json!(" \t\n")),
            ("300 characters", json!(format!("{}@example.com", "a".repeat(288)))),
            ("1 MiB", json!(format!("{}@example.com", "a".repeat(1 << 20)))),
            ("non-ASCII local part", json!("jürgen@example.com")),
            ("non-ASCII domain", json!("juergen@exämple.com")),
            ("letters that look like others", json!("аdmin@example.com")),
            ("right-to-left override", json!("\u{202e}moc.elpmaxe@a")),
            ("quote", json!("a'b'@example..com")),
            ("quote and semicolon", json!("a'; DROP TABLE auth.users; --@example.com")),
            ("semicolon", json!("a@example.com; DELETE FROM auth.users")),
            ("double quotes", json!("\"a; b\"@example.com")),
            ("backslash", json!("a\\'@example.com\\")),
            ("dollar quotes", json!("$$; SELECT 1; $$")),
            ("header injection", json!("a@example.com\r\nBcc: b@example.com")),
            ("no at", json!("nobody.example")),
            ("two", json!("a@example.com,b@example.com")),
            ("number", json!(12345)),
            ("boolean", json!(true)),
            ("array", json!(["a@example.com"])),
            ("object", json!({"address": "a@example.com"})),
        ] {
            for function in [REGISTER, "resend_verification"] {
                let answer = stack.rpc(Role::ServiceRole, function, &json!({ "p_email": email }));
                assert_eq!(complaints(what, &answer), [("email".to_owned(), "validation_failed")], "{what}");
                assert_eq!(answer.status, 400, "{what}");
                let text = email.as_str().filter(|text| text.len() > 3);
                assert!(!text.is_some_and(|text| answer.body.contains(text)), "{what} is not repeated");
            }
        }
        for function in [REGISTER, "resend_verification"] {
            let answer = stack.rpc(Role::ServiceRole, function, &json!({}));
            assert_eq!(complaints("missing", &answer), [("email".to_owned(), "validation_failed")]);
        }
    });
}

#[test]
fn every_other_field_on_its_own() {
    nothing_comes_of(|stack| {
        for (parameter, value, status, code) in [
            ("p_phone", json!("12"), 400, "validation_failed"),
            ("p_phone", json!("2024561111"), 400, "validation_failed"),
            ("p_phone", json!("+1202456111122334455"), 400, "validation_failed"),
            ("p_phone", json!("+".repeat(100_000)), 400, "validation_failed"),
            ("p_phone", json!("'; --"), 400, "validation_failed"),
            ("p_password_hash", json!(""), 400, "validation_failed"),
            ("p_password_hash", json!("5f4dcc3b5aa765d61d8327deb882cf99"), 400, "validation_failed"),
            ("p_password_hash", json!(BCRYPT[..59]), 400, "validation_failed"),
            ("p_password_hash", json!(BCRYPT.replace("$05$", "$31$")), 400, "validation_failed"),
            ("p_password_hash", json!("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ"), 400, "validation_failed"),
            ("p_password_hash", json!("$".repeat(100_000)), 400, "validation_failed"),
            ("p_password", json!("x7 Fq"), 422, "weak_password"),
            ("p_password", json!("7 chars"), 422, "weak_password"),
            ("p_password", json!("x".repeat(1025)), 400, "validation_failed"),
            ("p_password", json!("x".repeat(1 << 20)), 400, "validation_failed"),
            ("p_full_name", json!("x".repeat(201)), 400, "validation_failed"),
            ("p_full_name", json!("Ada\nBcc: b@example.com"), 400, "validation_failed"),
            ("p_full_name", json!("Ada\u{1b}[2J"), 400, "validation_failed"),
            ("p_role", json!("nobody"), 422, "invalid_role"),
            ("p_role", json!(""), 422, "invalid_role"),
            ("p_role", json!("User"), 422, "invalid_role"),
            ("p_role", json!("service_role"), 422, "invalid_role"),
            ("p_role", json!("admin' OR true --"), 422, "invalid_role"),
            ("p_role", json!("x".repeat(100_000)), 422, "invalid_role"),
            ("p_metadata", json!([]), 400, "validation_failed"),
            ("p_metadata", json!([{"plan": "free"}]), 400, "validation_failed"),
            ("p_metadata", json!("text"), 400, "validation_failed"),
            ("p_metadata", json!("{\"plan\": \"\\u0000\"}"), 400, "validation_failed"),
            ("p_metadata", json!("{\"plan\": \"free\"} {}"), 400, "validation_failed"),
            ("p_metadata", json!(json!({"text": "x".repeat(1 << 20)}).to_string()), 400, "validation_failed"),
            ("p_metadata", json!(1), 400, "validation_failed"),
            ("p_metadata", json!(true), 400, "validation_failed"),
            ("p_metadata", json!({"text": "x".repeat(1 << 20)}), 400, "validation_failed"),
            ("p_metadata", (0..100_000).map(|n| (format!("k{n}"), json!(n))).collect(), 400, "validation_failed"),
            ("p_idempotency_key", json!(""), 400, "validation_failed"),
            ("p_idempotency_key", json!("two words"), 400, "validation_failed"),
            ("p_idempotency_key", json!("k".repeat(256)), 400, "validation_failed"),
        ] {
            let shown: String = value.to_string().chars().take(60).collect();
            let what = format!("{parameter} {shown}");
            let answer = stack.register(&with(parameter, value));
            assert_eq!(complaints(&what, &answer), [(parameter[2..].to_owned(), code)], "{what}");
            assert_eq!(answer.status, status, "{what}");
        }
    });
}

#[test]
fn a_password_and_a_hash_of_it() {
    nothing_comes_of(|stack| {
        let mut both = with("p_password", "long enough, and good");
        both["p_password_hash"] = json!(BCRYPT);
        let answer = stack.register(&both);
        assert_eq!(complaints("both", &answer), [("password_hash".to_owned(), "validation_failed")]);
    });
}

#[test]
fn all_bad_fields_are_told_at_once() {
    nothing_comes_of(|stack| {
        let answer = stack.register(&json!({ "p_email": "nonsense", "p_phone": "12" }));
        let told = complaints("two", &answer);
        assert_eq!(told, [("email", "validation_failed"), ("phone", "validation_failed")].map(owned));
        assert_eq!(answer.envelope().message, "2 fields need attention.");

        let answer = stack.register(&json!({
            "p_email": "", "p_phone": "12", "p_password_hash": "x", "p_full_name": "a\nb", "p_metadata": [],
            "p_idempotency_key": "", "p_role": "nobody",
        }));
        let malformed = ["email", "phone", "password_hash", "full_name", "metadata", "idempotency_key"];
        let mut expected: Vec<_> = malformed.map(|field| owned((field, "validation_failed"))).into();
        expected.push(owned(("role", "invalid_role")));
        assert_eq!(complaints("all", &answer), expected);
        assert_eq!(answer.status, 400, "a malformed field outweighs the role");
    });
}

fn owned((field, code): (&str, &'static str)) -> (String, &'static str) {
    (field.to_owned(), code)
}

#[test]
fn nul_characters() {
    nothing_comes_of(|stack| {
        for (what, parameters) in [
            ("in the address", with("p_email", "a\0@example.com")),
            ("in the name", with("p_full_name", "Ada\0")),
            ("in the password", with("p_password", "long enough\0")),
            ("in the role", with("p_role", "user\0")),
            ("in a value of the metadata", with("p_metadata", json!({"text": "\0"}))),
            ("in a key of the metadata", with("p_metadata", json!({"\0": 1}))),
            ("deep in the metadata", with("p_metadata", json!({"a": [{"b": ["x\0y"]}]}))),
        ] {
            assert_refused(what, &stack.register(&parameters));
        }
        assert_refused("in the token", &stack.verify(&"\0".repeat(64)));
        assert_refused("in the address of a resend", &stack.resend("a\0@example.com"));
    });
}

/// Arrays or objects nested so many levels deep.
fn nested(levels: usize, open: &str, close: &str) -> String {
    format!("{{\"k\": {}1{}}}", open.repeat(levels - 1), close.repeat(levels - 1))
}

const NESTINGS: [(&str, &str); 2] = [("[", "]"), ("{\"k\": ", "}")];

#[test]
fn metadata_nested_too_deep() {
    nothing_comes_of(|stack| {
        for (open, close) in NESTINGS {
            for levels in [33, 100, 1_000, 10_000, 100_000] {
                let (email, metadata) = (new_email("deep"), nested(levels, open, close));
                let body = format!("{{\"p_email\": \"{email}\", \"p_metadata\": {metadata}}}");
                let answer = stack.request(REGISTER).key(stack.key(Role::ServiceRole)).body(body).send().unwrap();
                assert_refused(&format!("{levels} levels of {open}"), &answer);
            }
        }
    });
}

/// Some gateways refuse deep JSON by themselves, others pass it on: so the database is asked, too.
#[test]
fn metadata_nested_too_deep_where_no_gateway_stands_before_the_database() {
    let database = plain_database();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    for (open, close) in NESTINGS {
        for levels in [33, 100, 127, 128, 1_000, 5_000] {
            // As text, since this program's own JSON has a limit as well.
            let parameters = json!({ "p_email": new_email("deep"), "p_metadata": nested(levels, open, close) });
            let envelope = call(&mut back_end, REGISTER, &parameters);
            let fields: Vec<_> = envelope.errors.iter().map(|error| error.field.as_deref()).collect();
            assert_eq!(fields, [Some("metadata")], "{levels} levels of {open}");
        }
    }
}

#[test]
fn metadata_at_the_limits_is_accepted() {
    alone(|stack| {
        for (open, close) in NESTINGS {
            let (email, metadata) = (new_email("deep"), nested(32, open, close));
            let body = format!("{{\"p_email\": \"{email}\", \"p_metadata\": {metadata}}}");
            let answer = stack.request(REGISTER).key(stack.key(Role::ServiceRole)).body(body).send().unwrap();
            answer.expect_success(201);
        }
        // As PostgreSQL prints it, with a space after the colon.
        let fits = json!({"k": "x".repeat(16 * 1024 - r#"{"k": ""}"#.len())});
        stack.registered(&with("p_metadata", fits));
    });
    nothing_comes_of(|stack| {
        let too_large = json!({"k": "x".repeat(16 * 1024 + 1 - r#"{"k": ""}"#.len())});
        stack.register(&with("p_metadata", too_large)).expect_failure(400, "validation_failed");
    });
}

/// jsonb holds numbers of any size; what reads them may not.
#[test]
fn numbers_beyond_floating_point() {
    alone(|stack| {
        let before = (server_start(stack), stack.cluster().crash_signs().unwrap());
        for number in ["1e400", "-1e400", "1e-400", "1e100000", &"9".repeat(400)] {
            let email = new_email("number");
            let body = format!("{{\"p_email\": \"{email}\", \"p_metadata\": {{\"n\": {number}}}}}");
            let answer = stack.request(REGISTER).key(stack.key(Role::ServiceRole)).body(body).send().unwrap();
            let shown = &number[..number.len().min(20)];
            if answer.status == 201 {
                let statement = "SELECT raw_user_meta_data -> 'n' = $2::text::jsonb FROM auth.users WHERE email = $1";
                let row = stack.admin().query_one(statement, &[&email, &number]).unwrap();
                assert!(row.get::<_, bool>(0), "{shown} was accepted and changed");
            } else {
                assert_refused(shown, &answer);
                // 1e100000 has a hundred thousand digits as jsonb writes it.
                let reasons = ["number", "larger than 16384 bytes"];
                let told = reasons.iter().any(|reason| answer.body.contains(reason));
                assert!(told, "{shown}: the reason is that number: {}", answer.body);
            }
        }
        assert_eq!((server_start(stack), stack.cluster().crash_signs().unwrap()), before);
    });
}

#[test]
fn bodies_that_are_no_parameters() {
    nothing_comes_of(|stack| {
        let bodies: [(&str, &[u8]); 12] = [
            ("nothing", b""),
            ("text", b"not JSON"),
            ("form data", b"p_email=a@example.com"),
            ("cut off", b"{\"p_email\": \"a@exam"),
            ("trailing comma", b"{\"p_email\": \"a@example.com\",}"),
            ("two documents", b"{\"p_email\": \"a@example.com\"}{}"),
            ("not UTF-8", b"{\"p_email\": \"\xff\xfe@example.com\"}"),
            ("lone surrogate", b"{\"p_email\": \"\\ud800@example.com\"}"),
            ("array", b"[]"),
            ("null", b"null"),
            ("text in quotes", b"\"a@example.com\""),
            ("unknown parameter", b"{\"p_email\": \"a@example.com\", \"p_is_admin\": true}"),
        ];
        for (what, body) in bodies {
            for function in [REGISTER, "verify_email", "resend_verification"] {
                let answer = stack.request(function).key(stack.key(Role::ServiceRole)).body(body).send().unwrap();
                assert_refused(&format!("{function}: {what}"), &answer);
            }
        }
    });
}

#[test]
fn an_unknown_parameter_is_named() {
    nothing_comes_of(|stack| {
        let answer = stack.register(&with("p_is_admin", true));
        assert_eq!(answer.status, 404, "{}", answer.body);
        assert!(answer.body.contains("p_is_admin"), "{}", answer.body);
    });
}

#[test]
fn keys_that_open_nothing() {
    nothing_comes_of(|stack| {
        let service = stack.key(Role::ServiceRole);
        let (head, signature) = service.rsplit_once('.').unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", head.split('.').nth(1).unwrap());
        let forged = registrar_tests::JwtSecret::random().key(Role::ServiceRole);
        let no_such_role = stack.secret().sign(&json!({"role": "no_such_role"}));
        let superuser = stack.secret().sign(&json!({"role": "postgres"}));
        for (what, key, statuses) in [
            ("no key", None, [401, 401]),
            ("nonsense", Some("nonsense".to_owned()), [401, 401]),
            ("three parts of nonsense", Some("a.b.c".to_owned()), [401, 401]),
            ("signed by somebody else", Some(forged), [401, 401]),
            ("cut off", Some(head.to_owned()), [401, 401]),
            ("another payload", Some(format!("{}x.{signature}", head)), [401, 401]),
            ("unsigned", Some(unsigned), [401, 401]),
            ("expired", Some(stack.secret().expired_key(Role::ServiceRole)), [401, 401]),
            ("a role that is not there", Some(no_such_role), [400, 403]),
            ("a role that the gateway cannot become", Some(superuser), [400, 403]),
            ("anon", Some(stack.key(Role::Anon)), [401, 403]),
            ("authenticated", Some(stack.key(Role::Authenticated)), [401, 403]),
            ("a signed-in user", Some(stack.secret().user_key(uuid::Uuid::new_v4())), [401, 403]),
        ] {
            for function in [REGISTER, "verify_email", "resend_verification"] {
                let parameters = match function {
                    "verify_email" => json!({"p_token": "A".repeat(64)}),
                    _ => json!({"p_email": new_email("keyless")}),
                };
                // A gateway that refuses before it has read the body may hang up: no later call gets this connection.
                let mut call = stack.request(function).json(&parameters).header("Connection", "close");
                if let Some(key) = &key {
                    call = call.key(key);
                }
                let answer = call.send().unwrap();
                assert_refused(&format!("{function}: {what}"), &answer);
                let [from, to] = statuses;
                assert!((from..=to).contains(&answer.status), "{function}: {what}: {} {}", answer.status, answer.body);
                assert!(!answer.body.contains("success"), "registrar itself was not reached: {}", answer.body);
            }
        }
    });
}

/// Nobody's bad input, but the same promise: the caller is told, and nothing is half made.
#[test]
fn a_database_that_is_down() {
    let mut stack = Stack::builder().unwrap().gateway_setting("PGRST_DB_POOL_TIMEOUT", "1").start().unwrap();
    let email = new_email("down");
    stack.registered(&json!({ "p_email": new_email("before") }));
    let before = stack.row_counts();
    stack.cluster_mut().stop();
    for function in [REGISTER, "resend_verification"] {
        let answer = stack.rpc(Role::ServiceRole, function, &json!({ "p_email": email }));
        let body: Value = answer.json();
        // The status is the gateway's choice: 503 of PostgREST, 500 of postrust.
        assert!((500..=504).contains(&answer.status), "{} {body}", answer.status);
        assert!(body["code"].is_string() && body["message"].is_string(), "{body}");
    }
    stack.cluster_mut().start().unwrap();
    assert_eq!(stack.row_counts(), before);
}
