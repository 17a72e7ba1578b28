//! Passwords: chosen anew by a token, changed, and the policy for new ones.

use std::sync::Barrier;
use std::thread;

use registrar_core::{PasswordChanged, PasswordReset, SignedIn};
use registrar_tests::{Answer, OpenSession, Stack, new_email, new_phone, one, open_session, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

const OLD: &str = "correct horse battery staple";
const NEW: &str = "another horse, another staple";
const RACERS: usize = 32;

fn call(function: &str, parameters: &Value) -> Answer {
    Stack::shared().back_end(function, parameters)
}

fn user() -> (Uuid, String) {
    let (stack, email) = (Stack::shared(), new_email("passwords"));
    let registration = stack.registered(&json!({ "p_email": email, "p_password": OLD }));
    stack.verified(token_of(&registration));
    (registration.user.id, email)
}

fn session(user: Uuid) -> OpenSession {
    open_session(&mut Stack::shared().admin(), user)
}

fn execute(statement: &str, user: Uuid) {
    assert!(Stack::shared().admin().execute(statement, &[&user]).unwrap() > 0, "{statement}");
}

fn requested(email: &str) -> PasswordReset {
    let data: Value = call("request_password_reset", &json!({ "p_email": email })).data(200);
    serde_json::from_value(data["reset"].clone()).expect("a back end sees the token")
}

fn reset(token: &str, password: &str) -> Answer {
    call("reset_password", &json!({ "p_token": token, "p_password": password }))
}

fn sign_in(email: &str, password: &str) -> Answer {
    call("sign_in_with_password", &json!({ "p_email": email, "p_password": password }))
}

fn is_live(session: &OpenSession) -> bool {
    call("get_session", &json!({ "p_session_token": session.session_token })).status == 200
}

#[test]
fn a_token_puts_a_new_password_in_force_and_ends_all_sessions() {
    let (user, email) = user();
    let sessions = [session(user), session(user)];
    let token = requested(&email.to_uppercase()).token;
    let changed: PasswordChanged = reset(&token, NEW).data(200);
    assert_eq!((changed.user.id, changed.sessions_ended), (user, 2));
    assert!(!sessions.iter().any(is_live));
    sign_in(&email, OLD).expect_failure(401, "invalid_credentials");
    sign_in(&email, NEW).expect_success(200);
    reset(&token, OLD).expect_failure(401, "token_invalid");
}

#[test]
fn a_token_dies_with_the_password_that_it_was_to_replace() {
    let (user, email) = user();
    let token = requested(&email).token;
    let of_user = json!({ "p_user_id": user, "p_current_password": OLD, "p_password": NEW });
    call("change_password", &of_user).expect_success(200);
    let refused = reset(&token, OLD).expect_failure(401, "token_invalid");
    assert_eq!(refused.message, "The password was changed since the token was made.");
    sign_in(&email, NEW).expect_success(200);
}

#[test]
fn a_newer_token_another_address_and_time_end_a_token() {
    let (user, email) = user();
    let first = requested(&email);
    let soon = call("request_password_reset", &json!({ "p_email": email }));
    soon.expect_failure(429, "rate_limited");
    execute(
        "UPDATE registrar_private.attempts SET occurred_at = occurred_at - interval '2 minutes' WHERE user_id = $1",
        user,
    );
    let second = requested(&email);
    reset(&first.token, NEW).expect_failure(401, "token_invalid");
    execute("UPDATE registrar_private.password_resets SET expires_at = now() WHERE user_id = $1", user);
    reset(&second.token, NEW).expect_failure(410, "token_expired");
    execute(
        "UPDATE registrar_private.password_resets SET expires_at = now() + interval '1 second' WHERE user_id = $1",
        user,
    );
    execute("UPDATE auth.users SET email = 'moved-' || email WHERE id = $1", user);
    reset(&second.token, NEW).expect_failure(401, "token_invalid");
    execute("UPDATE auth.users SET email = substr(email, 7) WHERE id = $1", user);
    reset(&second.token, NEW).expect_success(200);
}

#[test]
fn a_token_that_thirty_two_use_at_once_works_for_one() {
    let (_, email) = user();
    let token = requested(&email).token;
    let barrier = Barrier::new(RACERS);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racer = |number: usize| {
            let (barrier, token) = (&barrier, &token);
            scope.spawn(move || {
                barrier.wait();
                reset(token, &format!("{NEW} {number}")).status
            })
        };
        let racers: Vec<_> = (0..RACERS).map(racer).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|&&status| status == 401).count(), RACERS - 1, "{statuses:?}");
}

#[test]
fn whoever_has_the_mailbox_takes_over_what_nobody_holds_and_nothing_else() {
    let stack = Stack::shared();
    let squatted = new_email("squatted");
    let registration = stack.registered(&json!({ "p_email": squatted, "p_password": OLD }));
    reset(&requested(&squatted).token, NEW).expect_success(200);
    stack.verify(token_of(&registration)).expect_failure(401, "token_invalid");
    sign_in(&squatted, NEW).expect_success(200);
    let (held, phone) = (new_email("held"), new_phone());
    let registration = stack.registered(&json!({ "p_email": held, "p_phone": phone, "p_password": OLD }));
    execute("UPDATE auth.users SET phone_confirmed_at = now() WHERE id = $1", registration.user.id);
    call("request_password_reset", &json!({ "p_email": held })).expect_failure(403, "not_confirmed");
}

#[test]
fn nobody_else_and_no_one_banned_or_deleted_resets() {
    call("request_password_reset", &json!({ "p_email": new_email("nobody") })).expect_failure(404, "user_not_found");
    call("request_password_reset", &json!({ "p_email": "nonsense" })).expect_failure(400, "validation_failed");
    for (assignment, status, error) in
        [("banned_until = now() + interval '1 hour'", 403, "user_banned"), ("deleted_at = now()", 410, "user_deleted")]
    {
        let (user, email) = user();
        let token = requested(&email).token;
        execute(&format!("UPDATE auth.users SET {assignment} WHERE id = $1"), user);
        reset(&token, NEW).expect_failure(status, error);
        execute("DELETE FROM registrar_private.attempts WHERE user_id = $1", user);
        call("request_password_reset", &json!({ "p_email": email })).expect_failure(status, error);
    }
}

#[test]
fn a_reset_unlocks_the_address() {
    let (_, email) = user();
    for _ in 0..5 {
        sign_in(&email, "wrong").expect_failure(401, "invalid_credentials");
    }
    sign_in(&email, OLD).expect_failure(423, "locked");
    reset(&requested(&email).token, NEW).expect_success(200);
    sign_in(&email, NEW).expect_success(200);
}

#[test]
fn a_new_password_is_checked_and_every_reason_told() {
    let (user, email) = user();
    let token = requested(&email).token;
    let refused = reset(&token, "1234567").expect_failure(422, "weak_password");
    assert_eq!(refused.errors.len(), 2, "{refused:?}");
    let own_address = reset(&token, &email).expect_failure(422, "weak_password");
    assert_eq!(own_address.errors.len(), 1, "{own_address:?}");
    let nothing = call("reset_password", &json!({ "p_token": "x" })).expect_failure(400, "validation_failed");
    let fields: Vec<_> = nothing.errors.iter().filter_map(|error| error.field.as_deref()).collect();
    assert_eq!(fields, ["token", "password"]);
    let hash = registrar_core::Password::parse(NEW.into(), &[]).unwrap().hash();
    let both = json!({ "p_token": token, "p_password": NEW, "p_password_hash": hash.expose() });
    call("reset_password", &both).expect_failure(400, "validation_failed");
    let bad_hash = json!({ "p_token": token, "p_password_hash": "$1$x" });
    call("reset_password", &bad_hash).expect_failure(400, "validation_failed");
    let change = |new: &str| json!({ "p_user_id": user, "p_current_password": OLD, "p_password": new });
    for weak in ["iloveyou", "abcdefgh", &email] {
        call("change_password", &change(weak)).expect_failure(422, "weak_password");
    }
    let register = json!({ "p_email": new_email("weak"), "p_password": "iloveyou" });
    Stack::shared().register(&register).expect_failure(422, "weak_password");
    sign_in(&email, OLD).expect_success(200);
    let by_hash = json!({ "p_token": token, "p_password_hash": hash.expose() });
    call("reset_password", &by_hash).expect_success(200);
    sign_in(&email, NEW).expect_success(200);
}

#[test]
fn a_change_takes_the_current_password_and_ends_all_other_sessions() {
    let (user, email) = user();
    let (own, other) = (session(user), session(user));
    let change = |current: &str| {
        let parameters =
            json!({ "p_session_token": own.session_token, "p_current_password": current, "p_password": NEW });
        call("change_password", &parameters)
    };
    change("wrong").expect_failure(401, "invalid_credentials");
    let changed: PasswordChanged = change(OLD).data(200);
    assert_eq!(changed.sessions_ended, 1);
    assert!(is_live(&own) && !is_live(&other));
    sign_in(&email, NEW).expect_success(200);
    sign_in(&email, OLD).expect_failure(401, "invalid_credentials");
}

#[test]
fn a_fresh_session_stands_for_the_current_password_and_no_other_does() {
    let (user, email) = user();
    let own = session(user);
    let change = json!({ "p_session_token": own.session_token, "p_password": NEW });
    execute(
        "UPDATE registrar_private.sessions SET created_at = now() - interval '10 minutes' WHERE user_id = $1",
        user,
    );
    call("change_password", &change).expect_failure(403, "forbidden");
    execute("UPDATE registrar_private.sessions SET created_at = now() - interval '9 minutes' WHERE user_id = $1", user);
    call("change_password", &change).expect_success(200);
    sign_in(&email, NEW).expect_success(200);
    let by_id = json!({ "p_user_id": user, "p_password": OLD });
    call("change_password", &by_id).expect_failure(403, "forbidden");
}

#[test]
fn guesses_at_the_current_password_are_counted() {
    let (user, _) = user();
    let change = |current: &str| {
        let parameters = json!({ "p_user_id": user, "p_current_password": current, "p_password": NEW });
        call("change_password", &parameters)
    };
    for _ in 0..5 {
        change("wrong").expect_failure(401, "invalid_credentials");
    }
    let locked = change(OLD);
    locked.expect_failure(423, "locked");
    assert!(locked.header("Retry-After").is_some());
}

#[test]
fn a_signed_in_user_changes_the_own_password_only() {
    let (stack, (own, email), (other, _)) = (Stack::shared(), user(), user());
    let change = json!({ "p_current_password": OLD, "p_password": NEW });
    let of_other = json!({ "p_user_id": other, "p_current_password": OLD, "p_password": NEW });
    stack.rpc_of(own, "change_password", &of_other).expect_failure(403, "forbidden");
    let with_token = json!({ "p_session_token": session(other).session_token, "p_password": NEW });
    stack.rpc_of(own, "change_password", &with_token).expect_failure(403, "forbidden");
    stack.rpc_of(own, "change_password", &change).expect_success(200);
    let signed_in: SignedIn = sign_in(&email, NEW).data(200);
    assert_eq!(signed_in.user.id, own);
}

#[test]
fn no_password_and_no_token_rests_in_log_or_tables() {
    let (stack, (user, email)) = (Stack::shared(), user());
    let token = requested(&email).token;
    let [by_token, by_change] = [(); 2].map(|()| format!("a new password {}", Uuid::new_v4()));
    reset(&token, &by_token).expect_success(200);
    let change = json!({ "p_user_id": user, "p_current_password": by_token, "p_password": by_change });
    call("change_password", &change).expect_success(200);
    let dump = stack.database().script(&["--inserts", "--schema=registrar_private", "--schema=auth"]);
    let log = stack.cluster().log().unwrap();
    for secret in [&token, &by_token, &by_change] {
        assert!(!dump.contains(secret.as_str()) && !log.contains(secret.as_str()), "{secret}");
    }
    let purposes =
        "SELECT string_agg(DISTINCT action, ' ' ORDER BY action) FROM registrar_private.audit_log WHERE user_id = $1";
    let recorded: String = one(&mut stack.admin(), purposes, &[&user]);
    assert_eq!(recorded, "change_password register request_password_reset reset_password verify_email");
}
