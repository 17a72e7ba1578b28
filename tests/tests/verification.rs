//! Verifying an address by the token that was sent to it, and asking for a new token.

use base64::prelude::*;
use chrono::{TimeDelta, Utc};
use registrar_core::{PasswordHash, Registration, Token};
use registrar_tests::{Role, RowCounts, Stack, call, new_email, plain_database, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

fn registered(name: &str) -> (String, Registration) {
    let email = new_email(name);
    let registration = Stack::shared().registered(&json!({ "p_email": email }));
    (email, registration)
}

/// The user's row in `auth.users`, as JSON.
fn auth_user(id: Uuid) -> Value {
    let statement = "SELECT to_jsonb(u) FROM auth.users AS u WHERE id = $1";
    Stack::shared().admin().query_one(statement, &[&id]).unwrap().get(0)
}

/// Moves the end of a token's life.
fn expire(id: Uuid, when: &str) {
    let statement =
        "UPDATE registrar_private.verification_tokens SET expires_at = now() + $2::text::interval WHERE user_id = $1";
    assert_eq!(Stack::shared().admin().execute(statement, &[&id, &when]).unwrap(), 1);
}

#[test]
fn the_address_is_verified_in_the_user_and_in_the_identity() {
    let stack = Stack::shared();
    let (email, registration) = registered("verified");
    let answer = stack.verify(token_of(&registration));
    assert_eq!(answer.expect_success(200).message, "Email verified successfully");
    let verified: registrar_core::Verified = answer.data(200);
    assert_eq!(verified.user.id, registration.user.id);
    assert_eq!(verified.profile, registration.profile);
    let confirmed_at = verified.user.email_confirmed_at.expect("the answer tells when");
    assert!((Utc::now() - confirmed_at).abs() < TimeDelta::seconds(10), "{confirmed_at}");
    assert_eq!(verified.user.updated_at, confirmed_at);

    let row = stack
        .admin()
        .query_one(
            "SELECT u.email_confirmed_at = $2 AND u.confirmed_at = $2 AND u.updated_at = $2 AND u.created_at < $2,
                    u.raw_user_meta_data -> 'email_verified', i.identity_data -> 'email_verified', t.used_at = $2
             FROM auth.users AS u
             JOIN auth.identities AS i ON i.user_id = u.id
             JOIN registrar_private.verification_tokens AS t ON t.user_id = u.id
             WHERE u.id = $1",
            &[&registration.user.id, &confirmed_at],
        )
        .unwrap();
    assert!(row.get::<_, bool>(0), "{}", auth_user(registration.user.id));
    assert_eq!((row.get::<_, Value>(1), row.get::<_, Value>(2)), (json!(true), json!(true)));
    assert!(row.get::<_, bool>(3), "the token is used up");
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_VERIFIED);
}

#[test]
fn a_token_works_once() {
    let stack = Stack::shared();
    let (_, registration) = registered("once");
    stack.verified(token_of(&registration));
    let after = auth_user(registration.user.id);
    let refused = stack.verify(token_of(&registration)).expect_failure(401, "token_invalid");
    assert_eq!(refused.errors[0].field.as_deref(), Some("token"));
    assert_eq!(auth_user(registration.user.id), after);
}

#[test]
fn white_space_around_a_token_is_forgiven() {
    let (_, registration) = registered("pasted");
    Stack::shared().verified(&format!(" {}\r\n", token_of(&registration)));
}

#[test]
fn an_expired_token_is_told_from_a_wrong_one_and_verifies_nothing() {
    let stack = Stack::shared();
    let (email, registration) = registered("expired");
    expire(registration.user.id, "-1 second");
    let refused = stack.verify(token_of(&registration)).expect_failure(410, "token_expired");
    assert!(refused.errors[0].hint.as_deref().unwrap_or_default().contains("resend_verification"), "{refused:?}");
    assert_eq!(auth_user(registration.user.id)["email_confirmed_at"], Value::Null);

    stack.verified(&stack.resent(&email).verification.token);
    stack.verify(token_of(&registration)).expect_failure(401, "token_invalid");
}

#[test]
fn a_token_in_the_last_minute_of_its_life_works() {
    let (_, registration) = registered("in-time");
    expire(registration.user.id, "1 minute");
    Stack::shared().verified(token_of(&registration));
}

#[test]
fn what_is_no_token_of_any_user_is_refused() {
    let stack = Stack::shared();
    let (email, registration) = registered("guessed");
    let token = token_of(&registration);
    let flipped = format!("{}{}", &token[..63], if token.ends_with('A') { "B" } else { "A" });
    let same_user = Token::generate(registration.user.id);
    let no_user = Token::generate(Uuid::new_v4());
    let nil_user = Token::generate(Uuid::nil());
    for (what, text) in [
        ("one character short", &token[..63]),
        ("one character long", &format!("{token}A")),
        ("twice", &token.repeat(2)),
        ("another last character", &flipped),
        ("another random part", same_user.expose()),
        ("of a user who is not there", no_user.expose()),
        ("of the nil user", nil_user.expose()),
        ("all zero bits", &"A".repeat(64)),
        ("not base64url", &"+".repeat(64)),
        ("not ASCII", &"é".repeat(32)),
        ("in other case", &token.to_ascii_uppercase()),
        ("the user's id", &registration.user.id.to_string()),
        ("SQL", "' OR true; --"),
        ("1 MiB", &"A".repeat(1 << 20)),
    ] {
        let answer = stack.verify(text);
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        answer.expect_failure(401, "token_invalid");
    }
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_UNVERIFIED);
    stack.verified(token);
}

#[test]
fn a_token_is_required() {
    let stack = Stack::shared();
    for parameters in [json!({}), json!({"p_token": null}), json!({"p_token": ""}), json!({"p_token": " \n"})] {
        let refused =
            stack.rpc(Role::ServiceRole, "verify_email", &parameters).expect_failure(400, "validation_failed");
        assert_eq!(refused.errors[0].field.as_deref(), Some("token"), "{parameters}");
    }
}

#[test]
fn another_users_id_before_the_own_random_part_verifies_nobody() {
    let stack = Stack::shared();
    let (own_email, own) = registered("attacker");
    let (other_email, other) = registered("victim");
    let random = &BASE64_URL_SAFE_NO_PAD.decode(token_of(&own)).unwrap()[16..];
    let spliced = BASE64_URL_SAFE_NO_PAD.encode([other.user.id.as_bytes(), random].concat());
    assert_eq!(spliced.len(), 64);
    stack.verify(&spliced).expect_failure(401, "token_invalid");
    assert_eq!(stack.row_counts_of(&other_email), RowCounts::ONE_UNVERIFIED);
    assert_eq!(stack.row_counts_of(&own_email), RowCounts::ONE_UNVERIFIED);
    assert_eq!(auth_user(other.user.id)["email_confirmed_at"], Value::Null);
    stack.verified(token_of(&own));
    stack.verified(token_of(&other));
}

#[test]
fn the_token_of_a_deleted_user_is_refused() {
    let stack = Stack::shared();
    let (_, registration) = registered("deleted");
    stack.admin().execute("DELETE FROM auth.users WHERE id = $1", &[&registration.user.id]).unwrap();
    stack.verify(token_of(&registration)).expect_failure(401, "token_invalid");
}

#[test]
fn resending_gives_a_new_token_and_the_old_one_is_dead() {
    let stack = Stack::shared();
    let (email, registration) = registered("resent");
    let answer = stack.resend(&format!(" {} ", email.to_uppercase()));
    let resent: registrar_core::Resent = answer.data(200);
    assert_eq!(resent.user.id, registration.user.id);
    let now = Utc::now();
    let life = resent.verification.expires_at - now;
    assert!(life > TimeDelta::minutes(29) && life <= TimeDelta::minutes(31), "{life}");
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_UNVERIFIED);

    stack.verify(token_of(&registration)).expect_failure(401, "token_invalid");
    assert_eq!(auth_user(registration.user.id)["email_confirmed_at"], Value::Null);
    stack.verified(&resent.verification.token);
}

#[test]
fn resending_needs_a_user_who_is_waiting() {
    let stack = Stack::shared();
    let unknown = stack.resend(&new_email("unknown")).expect_failure(404, "user_not_found");
    assert_eq!(unknown.errors[0].field.as_deref(), Some("email"));
    let (email, registration) = registered("verified");
    stack.verified(token_of(&registration));
    stack.resend(&email).expect_failure(409, "email_exists");
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_VERIFIED, "no token was made");
}

#[test]
fn the_owner_of_the_database_sets_the_life_of_a_token() {
    let database = plain_database();
    let name = database.name();
    let setting = format!("ALTER DATABASE {name} SET registrar.verification_token_lifetime = '2h'");
    database.admin().unwrap().batch_execute(&setting).unwrap();
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let email = new_email("patient");
    let envelope = call(&mut back_end, "register_user_with_token", &json!({ "p_email": email }));
    let registration: Registration = serde_json::from_value(envelope.data.unwrap()).unwrap();
    let verification = registration.verification.unwrap();
    assert_eq!(verification.expires_at - registration.user.created_at, TimeDelta::hours(2));
    let resent = call(&mut back_end, "resend_verification", &json!({ "p_email": email }));
    let resent: registrar_core::Resent = serde_json::from_value(resent.data.unwrap()).unwrap();
    assert!(resent.verification.expires_at - Utc::now() > TimeDelta::minutes(119));
}

#[test]
fn a_caller_cannot_set_the_life_of_a_token() {
    let database = plain_database();
    let set = "SET registrar.verification_token_lifetime = '7d'";
    let life = |back_end: &mut postgres::Client| {
        let envelope = call(back_end, "register_user_with_token", &json!({ "p_email": new_email("impatient") }));
        let registration: Registration = serde_json::from_value(envelope.data.unwrap()).unwrap();
        registration.verification.unwrap().expires_at - registration.user.created_at
    };
    let mut before_the_library = database.connect_as(Role::ServiceRole).unwrap();
    // A session that has not called registrar yet does not know the setting, and takes it for somebody else's.
    let _ = before_the_library.batch_execute(set);
    assert_eq!(life(&mut before_the_library), TimeDelta::minutes(30));

    let mut after_it = database.connect_as(Role::ServiceRole).unwrap();
    life(&mut after_it);
    let refused = after_it.batch_execute(set).unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{refused:?}");
}

#[test]
fn what_waits_for_a_token_is_void_once_the_address_was_confirmed_in_another_way() {
    let stack = Stack::shared();
    let (email, first, second) = (new_email("otherwise"), "the owner's password", "somebody's password");
    let parameters =
        |password: &str, plan: &str| json!({ "p_email": email, "p_password": password, "p_metadata": {"plan": plan} });
    let id = stack.registered(&parameters(first, "own")).user.id;
    let waiting: Registration = stack.registered_again(&parameters(second, "somebody's"));
    stack.admin().execute("UPDATE auth.users SET email_confirmed_at = now() WHERE id = $1", &[&id]).unwrap();
    let before = auth_user(id);

    assert_eq!(stack.verify(token_of(&waiting)).expect_success(200).message, "Email was verified before");
    assert_eq!(auth_user(id), before, "nothing of the user changes");
    let hash = PasswordHash::parse(before["encrypted_password"].as_str().unwrap().into()).unwrap();
    assert!(hash.verify(&first.into()) && !hash.verify(&second.into()));
    assert_eq!(before["raw_user_meta_data"]["plan"], "own");
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_VERIFIED, "nothing waits any more");
    stack.verify(token_of(&waiting)).expect_failure(401, "token_invalid");
}
