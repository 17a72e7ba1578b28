//! Signing in without a back end between, where the owner allows it.

use std::sync::Once;

use postgres::Client;
use registrar_core::{LoggedOut, PasswordChanged, Refreshed, Sessions, SignedIn};
use registrar_tests::{
    Answer, Database, Role, Stack, all, call, new_email, new_phone, one, plain_database, supabase_database, token_of,
    try_call,
};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";
const NEW_PASSWORD: &str = "another horse, another staple";

/// A function that sends messages, of an owner who has no right to anything but the own table.
const SENDER: &str = "
    CREATE ROLE app_mailer;
    CREATE SCHEMA app AUTHORIZATION app_mailer;
    CREATE TABLE app.outbox (id bigint GENERATED ALWAYS AS IDENTITY, sender name, message jsonb);
    ALTER TABLE app.outbox OWNER TO app_mailer;
    CREATE FUNCTION app.send_message(message jsonb) RETURNS void LANGUAGE sql
        AS $$ INSERT INTO app.outbox (sender, message) VALUES (current_user, message) $$;
    ALTER FUNCTION app.send_message OWNER TO app_mailer;";

fn stack() -> &'static Stack {
    static ALLOWED: Once = Once::new();
    let stack = Stack::shared();
    ALLOWED.call_once(|| {
        stack.admin().batch_execute(SENDER).unwrap();
        let allowed: Value =
            one(&mut stack.admin(), "SELECT registrar.allow_public_sign_in(true, 'app.send_message(jsonb)')", &[]);
        assert_eq!(allowed, json!({ "sign_in": true, "sender": "app.send_message" }));
        stack.reload_schema();
    });
    stack
}

fn visit(function: &str, parameters: &Value) -> Answer {
    stack().rpc(Role::Anon, function, parameters)
}

fn user() -> (Uuid, String) {
    let email = new_email("visitor");
    let registration = stack().registered(&json!({ "p_email": email, "p_password": PASSWORD }));
    stack().verified(token_of(&registration));
    (registration.user.id, email)
}

/// What was handed to the app to be sent to a user, the newest first.
fn messages(user: Uuid) -> Vec<Value> {
    let query = "SELECT message FROM app.outbox WHERE message ->> 'user_id' = $1::text ORDER BY id DESC";
    all(&mut stack().admin(), query, &[&user.to_string()])
}

#[test]
fn a_visitor_signs_in_and_out_with_what_the_sign_in_gave() {
    let (user, email) = user();
    let sign_in = json!({ "p_email": email, "p_password": PASSWORD });
    let answer = visit("sign_in_with_password", &sign_in);
    assert_eq!(answer.envelope().message, "Signed in", "no word of the server's settings");
    let signed_in: SignedIn = answer.data(200);
    let refreshed: Refreshed =
        visit("refresh_session", &json!({ "p_refresh_token": signed_in.tokens.refresh_token })).data(200);
    let own = json!({ "p_session_token": refreshed.tokens.session_token });
    visit("get_session", &own).expect_success(200);
    let listed: Sessions = visit("list_sessions", &own).data(200);
    assert_eq!((listed.sessions.len(), listed.sessions[0].is_current), (1, true));
    let other: SignedIn = visit("sign_in_with_password", &sign_in).data(200);
    let change = json!({
        "p_session_token": refreshed.tokens.session_token, "p_current_password": PASSWORD, "p_password": NEW_PASSWORD
    });
    let changed: PasswordChanged = visit("change_password", &change).data(200);
    assert_eq!((changed.user.id, changed.sessions_ended), (user, 1));
    visit("get_session", &json!({ "p_session_token": other.tokens.session_token }))
        .expect_failure(401, "session_expired");
    let ended: LoggedOut = visit("logout", &own).data(200);
    assert_eq!(ended.ended, 1);
    visit("get_session", &own).expect_failure(401, "session_expired");
}

#[test]
fn a_code_goes_to_the_app_and_never_to_the_visitor() {
    let (user, email) = user();
    let answer = visit("send_otp", &json!({ "p_email": email }));
    let sent: Value = answer.data(200);
    assert_eq!((&sent["code"], &sent["recipient"]), (&Value::Null, &json!(email)));
    let message = &messages(user)[0];
    assert_eq!((&message["kind"], &message["channel"]), (&json!("one_time_code"), &json!("email")));
    let code = message["code"].as_str().unwrap();
    assert!(!answer.body.contains(code));
    let signed_in: SignedIn = visit("verify_otp", &json!({ "p_email": email, "p_code": code })).data(200);
    assert_eq!(signed_in.user.id, user);
    let sender: String = one(&mut stack().admin(), "SELECT DISTINCT sender::text FROM app.outbox", &[]);
    assert_eq!(sender, "app_mailer", "it runs with the rights of its owner");
}

#[test]
fn a_token_to_reset_goes_to_the_app_and_never_to_the_visitor() {
    let (user, email) = user();
    let answer = visit("request_password_reset", &json!({ "p_email": email }));
    assert_eq!(answer.data::<Value>(200), json!({ "reset": null }));
    let message = &messages(user)[0];
    assert_eq!((&message["kind"], &message["recipient"]), (&json!("password_reset"), &json!(email)));
    let reset = json!({ "p_token": message["token"], "p_password": NEW_PASSWORD });
    visit("reset_password", &reset).expect_success(200);
    visit("sign_in_with_password", &json!({ "p_email": email, "p_password": NEW_PASSWORD })).expect_success(200);
}

/// An answer without what differs by the clock.
fn told(answer: &Answer) -> (u16, String, Value) {
    let envelope = answer.envelope();
    let mut data = envelope.data.unwrap_or_default();
    data.as_object_mut().into_iter().for_each(|data| {
        data.remove("expires_at");
        data.remove("recipient");
    });
    (answer.status, envelope.message.into_owned(), data)
}

#[test]
fn a_visitor_does_not_learn_who_is_a_user() {
    let ((banned, banned_email), (_, email)) = (user(), user());
    stack()
        .admin()
        .execute("UPDATE auth.users SET banned_until = now() + interval '1 hour' WHERE id = $1", &[&banned])
        .unwrap();
    for function in ["send_otp", "request_password_reset"] {
        let to = |email: &str| visit(function, &json!({ "p_email": email }));
        let nobody = new_email("nobody");
        let known = told(&to(&email));
        assert_eq!(known, told(&to(&nobody)), "{function}");
        assert_eq!(known, told(&to(&banned_email)), "{function}");
        for email in [&email, &nobody, &banned_email] {
            to(email).expect_failure(429, "rate_limited");
        }
    }
    assert_eq!(messages(banned), Vec::<Value>::new());
    for nobody in [new_email("nobody"), email] {
        let guess = visit("verify_otp", &json!({ "p_email": nobody, "p_code": "000000" }));
        guess.expect_failure(401, "invalid_credentials");
    }
}

#[test]
fn a_visitor_confirms_nothing_and_a_user_the_own_address_only() {
    let phone = new_phone();
    let email = new_email("mistyped");
    let registration = stack().registered(&json!({ "p_email": email, "p_phone": phone, "p_password": PASSWORD }));
    stack().verified(token_of(&registration));
    let (owner, (other, _)) = (registration.user.id, user());
    let send = json!({ "p_phone": phone, "p_purpose": "confirmation" });
    let verify = |code: &str| json!({ "p_phone": phone, "p_purpose": "confirmation", "p_code": code });
    visit("send_otp", &send).expect_failure(403, "forbidden");
    stack().rpc_of(other, "send_otp", &send).expect_failure(403, "forbidden");
    visit("send_otp", &json!({ "p_phone": new_phone(), "p_purpose": "confirmation" })).expect_failure(403, "forbidden");
    stack().rpc_of(owner, "send_otp", &send).expect_success(200);
    let code = messages(owner)[0]["code"].as_str().unwrap().to_owned();
    visit("verify_otp", &verify(&code)).expect_failure(403, "forbidden");
    stack().rpc_of(other, "verify_otp", &verify(&code)).expect_failure(403, "forbidden");
    let signed_in: SignedIn = stack().rpc_of(owner, "verify_otp", &verify(&code)).data(200);
    assert_eq!(signed_in.user.id, owner);
}

#[test]
fn a_message_that_is_not_sent_is_recorded_and_not_told() {
    let database = allowed_database();
    let email = "somebody@example.com";
    let (user, token) = database.register(email);
    database.verify(&token);
    database
        .psql(
            "CREATE OR REPLACE FUNCTION app.send_message(message jsonb) RETURNS void LANGUAGE plpgsql
                   AS $$ BEGIN RAISE 'the mail server is down'; END $$",
        )
        .unwrap();
    let mut visitor = visitor(&database);
    assert!(call(&mut visitor, "send_otp", &json!({ "p_email": email })).success);
    let recorded: String = one(
        &mut database.admin().unwrap(),
        "SELECT detail FROM registrar_private.audit_log WHERE user_id = $1 AND action = 'send_otp' AND outcome = 'internal'",
        &[&user],
    );
    assert_eq!(recorded, "app.send_message did not send: P0001 the mail server is down");
}

#[test]
fn a_sender_that_fails_with_the_secret_in_its_words_puts_it_in_no_record() {
    let database = allowed_database();
    let email = "somebody@example.com";
    let (user, token) = database.register(email);
    database.verify(&token);
    database
        .psql(
            "CREATE OR REPLACE FUNCTION app.send_message(message jsonb) RETURNS void LANGUAGE plpgsql
             AS $$ BEGIN RAISE 'refused: %', message USING ERRCODE = 'P0009'; END $$",
        )
        .unwrap();
    let mut visitor = visitor(&database);
    for function in ["send_otp", "request_password_reset"] {
        assert!(call(&mut visitor, function, &json!({ "p_email": email })).success);
        let recorded: String = one(
            &mut database.admin().unwrap(),
            "SELECT detail FROM registrar_private.audit_log WHERE user_id = $1 AND action = $2 AND outcome = 'internal'",
            &[&user, &function],
        );
        assert!(recorded.starts_with("app.send_message did not send: P0009 refused: {"), "{recorded}");
        let member = if function == "send_otp" { "\"code\": \"[redacted]\"" } else { "\"token\": \"[redacted]\"" };
        assert!(recorded.contains(member), "{recorded}");
    }
}

#[test]
fn a_visitor_learns_nothing_of_an_error_within() {
    let database = allowed_database();
    let (_, token) = database.register("somebody@example.com");
    database.verify(&token);
    database.psql("ALTER TABLE registrar_private.attempts ADD CONSTRAINT secret_name CHECK (false) NOT VALID").unwrap();
    let sign_in = json!({ "p_email": "somebody@example.com", "p_password": "x" });
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let told = call(&mut back_end, "sign_in_with_password", &sign_in).errors.remove(0).hint.unwrap();
    assert!(told.contains("secret_name"), "{told}");
    let told = call(&mut visitor(&database), "sign_in_with_password", &sign_in);
    assert_eq!(told.errors[0].code.as_str(), "internal");
    assert!(!format!("{told:?}").contains("secret_name"), "{told:?}");
}

fn allowed_database() -> Database {
    let database = plain_database();
    database
        .psql("CREATE SCHEMA app; CREATE FUNCTION app.send_message(message jsonb) RETURNS void LANGUAGE sql AS ''")
        .unwrap();
    database.psql("SELECT registrar.allow_public_sign_in(true, 'app.send_message(jsonb)')").unwrap();
    database
}

fn visitor(database: &Database) -> Client {
    database.connect_as(Role::Anon).unwrap()
}

/// The functions that visitors may call.
fn callable(database: &Database) -> Vec<String> {
    let query = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'registrar'::regnamespace
                 AND has_function_privilege('anon', oid, 'EXECUTE') AND has_schema_privilege('anon', 'registrar', 'USAGE') ORDER BY 1";
    all(&mut database.admin().unwrap(), query, &[])
}

const WITHOUT_SENDER: [&str; 9] = [
    "change_password",
    "check_session",
    "get_session",
    "list_sessions",
    "logout",
    "refresh_session",
    "reset_password",
    "sign_in_with_password",
    "verify_otp",
];

#[test]
fn what_is_allowed_is_allowed_until_it_is_taken_back_whatever_setup_does() {
    let database = supabase_database();
    let allow =
        |arguments: &str| database.psql(&format!("SELECT registrar.allow_public_sign_in({arguments})")).unwrap();
    assert_eq!(callable(&database), Vec::<String>::new());
    allow("");
    assert_eq!(callable(&database), WITHOUT_SENDER);
    assert_eq!(database.brief_findings(), Vec::<String>::new(), "the doctor knows that it is meant");
    let refused = try_call(&mut visitor(&database), "send_otp", &json!({ "p_email": "a@example.com" })).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501", "nobody would send the code");
    database.psql("SELECT registrar.setup()").unwrap();
    assert_eq!(callable(&database), WITHOUT_SENDER);
    database.psql("DROP EXTENSION registrar; CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
    assert_eq!(callable(&database), WITHOUT_SENDER);
    database.psql("CREATE SCHEMA app; CREATE FUNCTION app.\"Send It\"(jsonb) RETURNS void LANGUAGE sql AS ''").unwrap();
    allow("true, 'app.\"Send It\"(jsonb)'");
    assert_eq!(callable(&database).len(), WITHOUT_SENDER.len() + 2);
    let script: String = one(&mut database.admin().unwrap(), "SELECT registrar.migration_sql()", &[]);
    assert!(script.contains("SELECT registrar.allow_public_sign_in(true, 'app.\"Send It\"(jsonb)');"), "{script}");
    assert!(!script.contains("TO anon;"), "{script}");
    allow("true");
    assert_eq!(callable(&database), WITHOUT_SENDER);
    allow("false");
    assert_eq!(callable(&database), Vec::<String>::new());
    database
        .psql("GRANT EXECUTE ON FUNCTION registrar.get_session TO authenticated; SELECT registrar.setup()")
        .unwrap();
    let by_hand = "SELECT has_function_privilege('authenticated', 'registrar.get_session(text)', 'EXECUTE')";
    assert!(one::<bool>(&mut database.admin().unwrap(), by_hand, &[]), "what was granted by hand is left alone");
    let of_users = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'registrar'::regnamespace
                    AND has_function_privilege('authenticated', oid, 'EXECUTE')
                    AND proname IN ('logout', 'list_sessions', 'change_password', 'check_session')";
    assert_eq!(
        one::<i64>(&mut database.admin().unwrap(), of_users, &[]),
        4,
        "what users may do is not taken from them"
    );
}

#[test]
fn only_a_superuser_allows_it_and_only_a_function_of_one_jsonb_sends() {
    let database = plain_database();
    for role in [Role::Anon, Role::Authenticated, Role::ServiceRole] {
        let refused = database.connect_as(role).unwrap().query("SELECT registrar.allow_public_sign_in(true)", &[]);
        assert_eq!(refused.unwrap_err().code().unwrap().code(), "42501", "{role:?}");
    }
    let mut admin = database.admin().unwrap();
    for function in ["pg_catalog.now()", "pg_catalog.length(text)"] {
        let refused =
            admin.query(&format!("SELECT registrar.allow_public_sign_in(true, '{function}')"), &[]).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "22023", "{function}");
    }
    assert_eq!(callable(&database), Vec::<String>::new());
}
