//! Sessions: found by their token, refreshed, listed and ended.

use registrar_core::{FoundSession, LoggedOut, Refreshed, Sessions};
use registrar_tests::{Answer, OpenSession, Role, Stack, one, open_session};
use serde_json::{Value, json};
use uuid::Uuid;

fn signed_in() -> OpenSession {
    let stack = Stack::shared();
    open_session(&mut stack.admin(), stack.new_user(&json!({})))
}

fn get(token: &str) -> Answer {
    Stack::shared().back_end("get_session", &json!({ "p_session_token": token }))
}

fn refresh(token: &str) -> Answer {
    Stack::shared().back_end("refresh_session", &json!({ "p_refresh_token": token }))
}

fn logout(parameters: &Value) -> Answer {
    Stack::shared().back_end("logout", parameters)
}

/// Changes a session's row.
fn set(session: &OpenSession, assignment: &str) {
    let update = format!("UPDATE registrar_private.sessions SET {assignment} WHERE user_id = $1 AND id = $2");
    assert_eq!(Stack::shared().admin().execute(&update, &[&session.user_id, &session.id]).unwrap(), 1);
}

/// Moves the use of a session's used refresh tokens.
fn used(session: &OpenSession, when: &str) {
    let update = "UPDATE registrar_private.refresh_tokens SET used_at = now() + $2::text::interval
                  WHERE session_id = $1 AND used_at IS NOT NULL";
    Stack::shared().admin().execute(update, &[&session.id, &when]).unwrap();
}

fn end_reason(session: &OpenSession) -> Option<String> {
    let reason = "SELECT end_reason FROM registrar_private.sessions WHERE id = $1";
    one(&mut Stack::shared().admin(), reason, &[&session.id])
}

#[test]
fn a_session_is_found_by_its_token_as_long_as_it_lasts() {
    let session = signed_in();
    let found: FoundSession = get(&format!(" {}\n", session.session_token)).data(200);
    assert_eq!((found.session.id, found.session.user_id), (session.id, session.user_id));
    for (gone, message) in [
        ("token_expires_at = now()", "The session token has expired."),
        ("idle_expires_at = now()", "The session has ended."),
        ("idle_expires_at = now() + '1 day', expires_at = now()", "The session has ended."),
        ("expires_at = now() + '1 day', ended_at = now(), end_reason = 'logout'", "The session has ended."),
    ] {
        set(&session, gone);
        assert_eq!(get(&session.session_token).expect_failure(401, "session_expired").message, message);
    }
    set(&session, "ended_at = NULL, end_reason = NULL, token_expires_at = now() + '1 second'");
    get(&session.session_token).expect_success(200);
}

#[test]
fn what_is_no_token_of_a_session_is_told_apart_from_none() {
    let session = signed_in();
    for missing in [json!({}), json!({ "p_session_token": null }), json!({ "p_session_token": " " })] {
        Stack::shared().back_end("get_session", &missing).expect_failure(400, "validation_failed");
    }
    let of_another = registrar_core::Token::generate(session.user_id);
    for unknown in ["x", "'; DROP TABLE x; --", &session.refresh_token, of_another.expose(), &"é".repeat(64)] {
        get(unknown).expect_failure(401, "token_invalid");
    }
    for unknown in ["x", &session.session_token, of_another.expose()] {
        refresh(unknown).expect_failure(401, "token_invalid");
    }
    refresh(" ").expect_failure(400, "validation_failed");
    refresh(&session.refresh_token).expect_success(200);
}

#[test]
fn a_refresh_replaces_both_tokens_and_prolongs_the_session() {
    let session = signed_in();
    set(&session, "idle_expires_at = now() + '1 minute', refreshed_at = now() - '1 day'::interval");
    let refreshed: Refreshed = refresh(&session.refresh_token).data(200);
    assert_eq!((refreshed.session.id, refreshed.session.user_id), (session.id, session.user_id));
    assert!(refreshed.session.expires_at > refreshed.session.refreshed_at + chrono::TimeDelta::days(6));
    assert_eq!(refreshed.tokens.access_token, None, "there is no secret to sign one with");
    get(&session.session_token).expect_failure(401, "token_invalid");
    get(&refreshed.tokens.session_token).expect_success(200);
    refresh(&refreshed.tokens.refresh_token).expect_success(200);
    set(&session, "expires_at = now() + '1 hour'");
    let again: Refreshed = Stack::shared()
        .back_end("refresh_session", &json!({ "p_refresh_token": refreshed.tokens.refresh_token }))
        .data(200);
    assert!(again.session.expires_at < again.session.refreshed_at + chrono::TimeDelta::hours(2), "the end is the end");
}

#[test]
fn a_token_that_comes_again_later_ends_the_session() {
    let session = signed_in();
    let refreshed: Refreshed = refresh(&session.refresh_token).data(200);
    used(&session, "-11 seconds");
    let refused = refresh(&session.refresh_token).expect_failure(401, "token_invalid");
    assert_eq!(refused.message, "The refresh token was used before: its session was ended.");
    assert_eq!(end_reason(&session).as_deref(), Some("replay"));
    get(&refreshed.tokens.session_token).expect_failure(401, "session_expired");
    refresh(&refreshed.tokens.refresh_token).expect_failure(401, "session_expired");
}

#[test]
fn a_token_that_comes_again_at_once_is_let_pass_once() {
    let session = signed_in();
    let [first, second]: [Refreshed; 2] = [(); 2].map(|()| refresh(&session.refresh_token).data(200));
    let refused = refresh(&session.refresh_token).expect_failure(401, "token_invalid");
    assert_eq!(refused.message, "The refresh token was used a moment ago.");
    assert_eq!(end_reason(&session), None);
    // Either caller may go on; then the other's token is used up, too.
    let next: Refreshed = refresh(&first.tokens.refresh_token).data(200);
    used(&session, "-11 seconds");
    refresh(&second.tokens.refresh_token).expect_failure(401, "token_invalid");
    assert_eq!(end_reason(&session).as_deref(), Some("replay"));
    get(&next.tokens.session_token).expect_failure(401, "session_expired");
}

#[test]
fn who_is_banned_or_deleted_refreshes_nothing() {
    for change in ["banned_until = now() + '1 hour'", "deleted_at = now()"] {
        let (stack, session) = (Stack::shared(), signed_in());
        let other = open_session(&mut stack.admin(), session.user_id);
        let update = format!("UPDATE auth.users SET {change} WHERE id = $1");
        stack.admin().execute(&update, &[&session.user_id]).unwrap();
        refresh(&session.refresh_token).expect_failure(401, "session_expired");
        assert_eq!((end_reason(&session).as_deref(), end_reason(&other).as_deref()), (Some("user"), Some("user")));
        get(&other.session_token).expect_failure(401, "session_expired");
    }
    let (stack, session) = (Stack::shared(), signed_in());
    stack.admin().execute("DELETE FROM auth.users WHERE id = $1", &[&session.user_id]).unwrap();
    get(&session.session_token).expect_failure(401, "token_invalid");
    refresh(&session.refresh_token).expect_failure(401, "token_invalid");
}

#[test]
fn the_live_sessions_of_a_user_are_listed_the_newest_first() {
    let (stack, oldest) = (Stack::shared(), signed_in());
    let mut admin = stack.admin();
    let [ended, current] = [(); 2].map(|()| open_session(&mut admin, oldest.user_id));
    signed_in();
    set(
        &oldest,
        "created_at = now() - '1 day'::interval, device_name = 'Ada''s phone', address = '192.0.2.1', user_agent = 'curl'",
    );
    logout(&json!({ "p_session_token": ended.session_token })).expect_success(200);

    let by_token: Sessions =
        stack.back_end("list_sessions", &json!({ "p_session_token": current.session_token })).data(200);
    let listed: Vec<_> = by_token.sessions.iter().map(|listed| (listed.session.id, listed.is_current)).collect();
    assert_eq!(listed, [(current.id, true), (oldest.id, false)]);
    let session = &by_token.sessions[1].session;
    let known = (session.device_name.as_deref(), session.address.as_deref(), session.user_agent.as_deref());
    assert_eq!(known, (Some("Ada's phone"), Some("192.0.2.1"), Some("curl")));
    for parameters in [json!({}), json!({ "p_user_id": oldest.user_id })] {
        let own: Sessions = stack.rpc_of(oldest.user_id, "list_sessions", &parameters).data(200);
        assert_eq!(own.sessions.len(), 2);
        assert!(own.sessions.iter().all(|listed| !listed.is_current), "this access token was made for no session");
    }
    let of_user: Sessions = stack.back_end("list_sessions", &json!({ "p_user_id": oldest.user_id })).data(200);
    assert_eq!(of_user.sessions.len(), 2);
    stack.back_end("list_sessions", &json!({})).expect_failure(400, "validation_failed");
    let nobodys: Sessions = stack.back_end("list_sessions", &json!({ "p_user_id": Uuid::new_v4() })).data(200);
    assert!(nobodys.sessions.is_empty());
}

#[test]
fn a_logout_ends_this_session_the_others_or_all() {
    let mut admin = Stack::shared().admin();
    for (scope, ended, alive) in
        [("this", 1, [false, true, true]), ("others", 2, [true, false, false]), ("all", 3, [false; 3])]
    {
        let user = Stack::shared().new_user(&json!({}));
        let sessions = [(); 3].map(|()| open_session(&mut admin, user));
        let answer: LoggedOut =
            logout(&json!({ "p_scope": scope, "p_session_token": sessions[0].session_token })).data(200);
        assert_eq!(answer.ended, ended, "{scope}");
        let found = sessions.each_ref().map(|session| get(&session.session_token).status == 200);
        assert_eq!(found, alive, "{scope}");
        let refreshed = sessions.each_ref().map(|session| refresh(&session.refresh_token).status == 200);
        assert_eq!(refreshed, alive, "{scope}");
    }
    let session = signed_in();
    logout(&json!({ "p_scope": "some", "p_session_token": session.session_token }))
        .expect_failure(400, "validation_failed");
    logout(&json!({ "p_user_id": session.user_id })).expect_failure(400, "validation_failed");
    get(&session.session_token).expect_success(200);
    let all: LoggedOut = logout(&json!({ "p_scope": "all", "p_user_id": session.user_id })).data(200);
    assert_eq!(all.ended, 1);
    logout(&json!({ "p_session_token": session.session_token })).expect_failure(401, "session_expired");
}

#[test]
fn a_user_ends_and_sees_no_sessions_but_the_own() {
    let (stack, own, other) = (Stack::shared(), signed_in(), signed_in());
    for function in ["list_sessions", "logout"] {
        for parameters in [json!({ "p_user_id": other.user_id }), json!({ "p_session_token": other.session_token })] {
            stack.rpc_of(own.user_id, function, &parameters).expect_failure(403, "forbidden");
        }
        stack.rpc(Role::Authenticated, function, &json!({})).expect_failure(403, "forbidden");
    }
    for function in ["get_session", "refresh_session"] {
        let answer = stack.rpc_of(own.user_id, function, &json!({}));
        assert_eq!(answer.json::<Value>()["code"], "42501", "{}", answer.body);
    }
    get(&other.session_token).expect_success(200);
    let ended: LoggedOut =
        stack.rpc_of(own.user_id, "logout", &json!({ "p_session_token": own.session_token })).data(200);
    assert_eq!(ended.ended, 1);
    get(&own.session_token).expect_failure(401, "session_expired");
}

#[test]
fn no_token_rests_anywhere() {
    let (stack, session) = (Stack::shared(), signed_in());
    let refreshed: Refreshed = refresh(&session.refresh_token).data(200);
    let dump = stack.database().script(&["--inserts", "--schema=registrar_private"]);
    let log = stack.cluster().log().unwrap();
    for token in [
        &session.session_token,
        &session.refresh_token,
        &refreshed.tokens.session_token,
        &refreshed.tokens.refresh_token,
    ] {
        assert!(!dump.contains(token.as_str()) && !log.contains(token.as_str()));
    }
    assert!(dump.contains(&session.id.to_string()), "the dump has what is looked through");
}
