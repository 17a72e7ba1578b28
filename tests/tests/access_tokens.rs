//! Access tokens: accepted by the gateway, and refused at once when their session has ended.

use std::sync::OnceLock;

use postgres::Client;
use registrar_core::{LoggedOut, Refreshed, Sessions};
use registrar_tests::{Answer, OpenSession, Role, Stack, call as call_in_sql, one, open_session, plain_database};
use serde_json::{Value, json};
use uuid::Uuid;

/// A stack whose gateway asks `check_session` before each request, and whose database knows the gateway's secret.
fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let builder = Stack::builder().unwrap().gateway_setting("PGRST_DB_PRE_REQUEST", "registrar.check_session");
        let stack = builder.start().unwrap();
        let secret = stack.secret().expose();
        assert!(one::<bool>(&mut stack.admin(), "SELECT registrar.set_jwt_secret($1)", &[&secret]));
        stack
    })
}

fn signed_in() -> (OpenSession, String) {
    let session = open_session(&mut stack().admin(), stack().new_user(&json!({ "field_of_study": "maths" })));
    let refreshed: Refreshed =
        stack().back_end("refresh_session", &json!({ "p_refresh_token": session.refresh_token })).data(200);
    let session = OpenSession {
        session_token: refreshed.tokens.session_token,
        refresh_token: refreshed.tokens.refresh_token,
        ..session
    };
    (session, refreshed.tokens.access_token.expect("the secret is set"))
}

fn call(key: &str, function: &str, parameters: &Value) -> Answer {
    stack().request(function).key(key).json(parameters).send().unwrap()
}

#[test]
fn an_access_token_makes_its_user_the_caller() {
    let (session, token) = signed_in();
    let profile: Value = call(&token, "get_profile", &json!({})).data(200);
    assert_eq!(profile["user_id"], json!(session.user_id));
    assert_eq!(profile["profile"]["field_of_study"], "maths");
    let listed: Sessions = call(&token, "list_sessions", &json!({})).data(200);
    assert_eq!((listed.sessions[0].session.id, listed.sessions[0].is_current), (session.id, true));
}

#[test]
fn a_logout_ends_it_for_the_very_next_request() {
    let (session, token) = signed_in();
    let ended: LoggedOut = call(&token, "logout", &json!({})).data(200);
    assert_eq!(ended.ended, 1, "this session is the one that the token was made for");
    let refused = call(&token, "get_profile", &json!({}));
    assert_eq!(refused.status, 401, "{}", refused.body);
    let body: Value = refused.json();
    assert_eq!((&body["code"], &body["message"]), (&json!("session_expired"), &json!("The session has ended.")));
    assert_eq!(body["hint"], "Sign in again.");
    let other = open_session(&mut stack().admin(), session.user_id);
    assert_eq!(call(&token, "get_profile", &json!({})).status, 401, "another session of the user changes nothing");
    stack().back_end("get_session", &json!({ "p_session_token": other.session_token })).expect_success(200);
}

#[test]
fn tokens_of_others_are_let_pass_and_made_up_ones_are_not() {
    let user = stack().new_user(&json!({}));
    call(&stack().secret().user_key(user), "get_profile", &json!({})).expect_success(200);
    call(&stack().key(Role::ServiceRole), "get_profile", &json!({ "p_user_id": user })).expect_success(200);
    let made_up = |claims: Value| {
        let mut all = json!({ "role": "authenticated", "sub": user, "iss": "registrar", "exp": 4_000_000_000_u32 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        stack().secret().sign(&all)
    };
    for claims in [
        json!({}),
        json!({ "session_id": user }),
        json!({ "session_id": "x" }),
        json!({ "session_id": null, "sub": null }),
    ] {
        let answer = call(&made_up(claims.clone()), "get_profile", &json!({}));
        assert_eq!(answer.status, 401, "{claims}: {}", answer.body);
    }
    let of_another_issuer = made_up(json!({ "iss": "https://example.com/auth/v1", "session_id": user }));
    call(&of_another_issuer, "get_profile", &json!({})).expect_success(200);
}

#[test]
fn it_dies_with_the_user_and_says_what_the_user_is() {
    let (session, token) = signed_in();
    let update = "UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data || '{\"plan\": \"pro\"}' WHERE id = $1";
    stack().admin().execute(update, &[&session.user_id]).unwrap();
    let refreshed: Refreshed =
        stack().back_end("refresh_session", &json!({ "p_refresh_token": session.refresh_token })).data(200);
    let access_token = refreshed.tokens.access_token.unwrap();
    let payload = access_token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, payload).unwrap())
            .unwrap();
    assert_eq!((&claims["sub"], &claims["session_id"]), (&json!(session.user_id), &json!(session.id)));
    assert_eq!((&claims["role"], &claims["aud"]), (&json!("authenticated"), &json!("authenticated")));
    assert_eq!((&claims["app_metadata"]["plan"], &claims["app_metadata"]["role"]), (&json!("pro"), &json!("user")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    let email: String =
        one(&mut stack().admin(), "SELECT email::text FROM auth.users WHERE id = $1", &[&session.user_id]);
    assert_eq!(claims["email"], email);
    stack().admin().execute("DELETE FROM auth.users WHERE id = $1", &[&session.user_id]).unwrap();
    for token in [token, access_token] {
        assert_eq!(call(&token, "get_profile", &json!({})).status, 401);
    }
}

/// Whether a refresh comes with an access token.
fn has_access_token(admin: &mut Client) -> bool {
    let user: Uuid = one(admin, "SELECT id FROM auth.users LIMIT 1", &[]);
    let session = open_session(admin, user);
    let refreshed = call_in_sql(admin, "refresh_session", &json!({ "p_refresh_token": session.refresh_token }));
    refreshed.data.unwrap()["tokens"]["access_token"].is_string()
}

#[test]
fn the_secret_is_stored_or_set_and_no_other_role_and_no_script_shows_it() {
    let database = plain_database();
    database.register("somebody@example.com");
    let mut admin = database.admin().unwrap();
    assert!(!has_access_token(&mut admin));
    let secret = "a secret that is long enough for HS256";
    let set =
        |admin: &mut Client, secret: Option<&str>| admin.query_one("SELECT registrar.set_jwt_secret($1)", &[&secret]);
    set(&mut admin, Some(secret)).unwrap();
    assert!(has_access_token(&mut admin));
    let too_short = set(&mut admin, Some("a secret of 31 bytes, one short")).unwrap_err();
    assert_eq!(too_short.code().unwrap().code(), "22023");
    let script: String = one(&mut admin, "SELECT registrar.migration_sql()", &[]);
    assert!(!script.contains(secret), "{script}");
    for role in [Role::Anon, Role::Authenticated, Role::ServiceRole] {
        let mut client = database.connect_as(role).unwrap();
        for query in ["SELECT registrar.set_jwt_secret('x')", "SELECT FROM registrar_private.secrets"] {
            assert_eq!(client.execute(query, &[]).unwrap_err().code().unwrap().code(), "42501", "{role:?}: {query}");
        }
    }
    assert!(!set(&mut admin, None).unwrap().get::<_, bool>(0));
    assert!(!has_access_token(&mut admin));
    admin.batch_execute(&format!("SET registrar.jwt_secret = '{secret}'")).unwrap();
    assert!(has_access_token(&mut admin), "the setting serves as well");
    let script: String = one(&mut admin, "SELECT registrar.migration_sql()", &[]);
    assert!(!script.contains(secret), "{script}");
}
