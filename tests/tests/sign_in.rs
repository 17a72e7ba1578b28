//! Signing in with a password.

use registrar_core::{FoundSession, Refreshed, SignedIn};
use registrar_tests::{Answer, Stack, new_email, new_phone, one};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

fn sign_in(parameters: &Value) -> Answer {
    Stack::shared().back_end("sign_in_with_password", parameters)
}

fn with(email: &str, password: &str) -> Answer {
    sign_in(&json!({ "p_email": email, "p_password": password }))
}

/// A user with a confirmed address and that password hash, or [`PASSWORD`].
fn user(hash: Option<&str>) -> (Uuid, String) {
    let (stack, email) = (Stack::shared(), new_email("sign-in"));
    let parameters = match hash {
        Some(hash) => json!({ "p_email": email, "p_password_hash": hash }),
        None => json!({ "p_email": email, "p_password": PASSWORD }),
    };
    let registration = stack.registered(&parameters);
    stack.verified(&registration.verification.unwrap().token);
    (registration.user.id, email)
}

fn set(user: Uuid, assignment: &str) {
    let update = format!("UPDATE auth.users SET {assignment} WHERE id = $1");
    assert_eq!(Stack::shared().admin().execute(&update, &[&user]).unwrap(), 1);
}

fn stored(user: Uuid) -> String {
    one(&mut Stack::shared().admin(), "SELECT encrypted_password FROM auth.users WHERE id = $1", &[&user])
}

#[test]
fn a_right_password_opens_a_session() {
    let (stack, (user, email)) = (Stack::shared(), user(None));
    let call = stack.request("sign_in_with_password").key(stack.key(registrar_tests::Role::ServiceRole));
    let parameters = json!({ "p_email": format!(" {} ", email.to_uppercase()), "p_password": PASSWORD, "p_device_name": "Ada's phone" });
    let answer =
        call.json(&parameters).header("X-Forwarded-For", "192.0.2.7").header("User-Agent", "suite").send().unwrap();
    let envelope = answer.expect_success(200);
    assert_eq!(envelope.message, "Signed in; there is no access token, since set_jwt_secret was not called");
    let signed_in: SignedIn = answer.data(200);
    assert_eq!((signed_in.user.id, signed_in.user.email.as_deref()), (user, Some(email.as_str())));
    let session = &signed_in.session;
    let known = (session.device_name.as_deref(), session.address.as_deref(), session.user_agent.as_deref());
    assert_eq!(known, (Some("Ada's phone"), Some("192.0.2.7"), Some("suite")));
    let tokens = &signed_in.tokens;
    let found: FoundSession =
        stack.back_end("get_session", &json!({ "p_session_token": tokens.session_token })).data(200);
    assert_eq!(&found.session, session);
    let refreshed: Refreshed =
        stack.back_end("refresh_session", &json!({ "p_refresh_token": tokens.refresh_token })).data(200);
    assert_eq!(refreshed.session.id, session.id);
    let last: bool = one(
        &mut stack.admin(),
        "SELECT last_sign_in_at > now() - interval '1 minute' FROM auth.users WHERE id = $1",
        &[&user],
    );
    assert!(last, "Supabase Auth shows it");
    assert!(!answer.body.contains("argon2"), "no hash in the answer");
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let (_, email) = user(None);
    let wrong = with(&email, "wrong password").expect_failure(401, "invalid_credentials");
    let unknown = with(&new_email("nobody"), PASSWORD).expect_failure(401, "invalid_credentials");
    assert_eq!(wrong, unknown);
    let without_password = new_email("without");
    let registration = Stack::shared().registered(&json!({ "p_email": without_password }));
    Stack::shared().verified(&registration.verification.unwrap().token);
    for password in ["", "x", PASSWORD] {
        assert_ne!(with(&without_password, password).status, 200);
    }
    with(&email, PASSWORD).expect_success(200);
}

#[test]
fn a_phone_number_signs_in_once_it_is_confirmed() {
    let (stack, phone) = (Stack::shared(), new_phone());
    let registration =
        stack.registered(&json!({ "p_email": new_email("phone"), "p_phone": phone, "p_password": PASSWORD }));
    let by_phone = |phone: &str| sign_in(&json!({ "p_phone": phone, "p_password": PASSWORD }));
    by_phone(&phone).expect_failure(403, "not_confirmed");
    set(registration.user.id, "phone_confirmed_at = now()");
    let typed = format!("{} {}-{}", &phone[..2], &phone[2..5], &phone[5..]);
    let signed_in: SignedIn = by_phone(&typed).data(200);
    assert_eq!(signed_in.user.id, registration.user.id);
    let unknown = sign_in(&json!({ "p_phone": new_phone(), "p_password": PASSWORD }));
    assert_eq!(
        unknown.expect_failure(401, "invalid_credentials").message,
        "The phone number or the password is wrong."
    );
}

#[test]
fn why_a_user_cannot_sign_in_is_told_after_the_right_password_only() {
    let unconfirmed = new_email("unconfirmed");
    Stack::shared().registered(&json!({ "p_email": unconfirmed, "p_password": PASSWORD }));
    let (banned, deleted) = (user(None), user(None));
    set(banned.0, "banned_until = now() + interval '1 hour'");
    set(deleted.0, "deleted_at = now()");
    for (email, status, code) in
        [(&unconfirmed, 403, "not_confirmed"), (&banned.1, 403, "user_banned"), (&deleted.1, 410, "user_deleted")]
    {
        with(email, "wrong password").expect_failure(401, "invalid_credentials");
        with(email, PASSWORD).expect_failure(status, code);
    }
    set(banned.0, "banned_until = now() - interval '1 second'");
    with(&banned.1, PASSWORD).expect_success(200);
    let opened: i64 = one(
        &mut Stack::shared().admin(),
        "SELECT count(*) FROM registrar_private.sessions WHERE user_id = $1",
        &[&deleted.0],
    );
    assert_eq!(opened, 0);
}

#[test]
fn what_cannot_be_meant_is_told_all_at_once() {
    let refused =
        sign_in(&json!({ "p_email": "nonsense", "p_device_name": "a\nb" })).expect_failure(400, "validation_failed");
    let fields: Vec<_> = refused.errors.iter().filter_map(|error| error.field.as_deref()).collect();
    assert_eq!(fields, ["email", "password", "device_name"]);
    for parameters in [
        json!({}),
        json!({ "p_password": "x" }),
        json!({ "p_email": "a@example.com", "p_phone": "+12025550123", "p_password": "x" }),
        json!({ "p_phone": "12", "p_password": "x" }),
        json!({ "p_email": "a@example.com", "p_password": "" }),
        json!({ "p_email": "a@example.com", "p_password": "x".repeat(1025) }),
        json!({ "p_email": "a@example.com", "p_password": "x", "p_device_name": "x".repeat(101) }),
    ] {
        sign_in(&parameters).expect_failure(400, "validation_failed");
    }
}

#[test]
fn an_outdated_hash_is_replaced_and_another_is_kept() {
    // Of `U*U`, from bcrypt's own vectors, at cost 5; of `password`, from argon2's, with more memory than today's.
    let bcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let argon2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (hash, password, is_kept) in [(bcrypt, "U*U", false), (argon2, "password", true)] {
        let (user, email) = user(Some(hash));
        with(&email, "wrong").expect_failure(401, "invalid_credentials");
        assert_eq!(stored(user), hash, "a wrong password replaces nothing");
        with(&email, password).expect_success(200);
        assert_eq!(stored(user) == hash, is_kept);
        assert!(stored(user).starts_with("$argon2id$v=19$m="));
        with(&email, password).expect_success(200);
        with(&email, "wrong").expect_failure(401, "invalid_credentials");
    }
}

#[test]
fn what_a_hash_costs_and_may_cost_is_a_setting() {
    let database = registrar_tests::plain_database();
    let (user, token) = database.register("somebody@example.com");
    database.verify(&token);
    let mut admin = database.admin().unwrap();
    let argon2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    admin.execute("UPDATE auth.users SET encrypted_password = $2 WHERE id = $1", &[&user, &argon2]).unwrap();
    let mut signs_in = |settings: &str| {
        admin.batch_execute(settings).unwrap();
        let parameters = json!({ "p_email": "somebody@example.com", "p_password": "password" });
        let is_right = registrar_tests::call(&mut admin, "sign_in_with_password", &parameters).success;
        let stored: String = one(&mut admin, "SELECT encrypted_password FROM auth.users WHERE id = $1", &[&user]);
        (is_right, stored.split('$').nth(3).unwrap().to_owned())
    };
    let as_it_was = "m=65536,t=2,p=1".to_owned();
    assert_eq!(signs_in("SET registrar.password_hash_max_memory = '32MB'"), (false, as_it_was.clone()));
    assert_eq!(
        signs_in("RESET registrar.password_hash_max_memory; SET registrar.password_hash_max_passes = 1"),
        (true, as_it_was.clone()),
        "what is new is never too dear"
    );
    assert_eq!(signs_in("SET registrar.password_hash_passes = 1"), (false, as_it_was));
    let renewed = signs_in(
        "RESET registrar.password_hash_max_passes; SET registrar.password_hash_passes = 3; SET registrar.password_hash_memory = '1MB'",
    );
    assert_eq!(renewed, (true, "m=1024,t=3,p=1".to_owned()));
}

#[test]
fn a_stored_hash_that_would_stall_the_server_or_is_none_is_a_wrong_password() {
    let (user, email) = user(None);
    for hash in [
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=4000000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "plain",
        "",
    ] {
        set(user, &format!("encrypted_password = '{hash}'"));
        Stack::shared().admin().execute("DELETE FROM registrar_private.attempts", &[]).unwrap();
        for password in ["password", "plain", ""] {
            assert_ne!(with(&email, password).status, 200, "{hash}");
        }
        assert_eq!(stored(user), hash);
    }
}

#[test]
fn no_password_and_no_token_rests_in_log_or_tables() {
    let (stack, (_, email)) = (Stack::shared(), user(None));
    let wrong = format!("wrong {}", Uuid::new_v4());
    with(&email, &wrong).expect_failure(401, "invalid_credentials");
    let signed_in: SignedIn = with(&email, PASSWORD).data(200);
    let dump = stack.database().script(&["--inserts", "--schema=registrar_private"]);
    let log = stack.cluster().log().unwrap();
    for secret in [PASSWORD, &wrong, &signed_in.tokens.session_token, &signed_in.tokens.refresh_token] {
        assert!(!dump.contains(secret) && !log.contains(secret), "{secret}");
    }
    assert!(!dump.contains(&email.replace('@', "%")) && dump.contains(&signed_in.session.id.to_string()));
}
