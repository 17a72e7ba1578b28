//! A registration that is repeated under one idempotency key, because its answer was lost.

use registrar_tests::{RowCounts, Stack, new_email, token_of};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A user who waits for verification, registered under a key.
const ONE_WITH_KEY: RowCounts = RowCounts { idempotency_keys: 1, ..RowCounts::ONE_UNVERIFIED };

fn new_key() -> String {
    Uuid::new_v4().to_string()
}

fn parameters(email: &str, key: &str) -> Value {
    json!({ "p_email": email, "p_idempotency_key": key })
}

/// Moves the moment in which a key was first used into the past.
fn age_key(stack: &Stack, key: &str, age: &str) {
    let statement =
        "UPDATE registrar_private.idempotency_keys SET created_at = now() - $2::text::interval WHERE key_hash = $1";
    let hash = Sha256::digest(key);
    assert_eq!(
        stack.admin().execute(statement, &[&hash.as_slice(), &age]).unwrap(),
        1,
        "the key is known by its SHA-256"
    );
}

#[test]
fn a_repetition_finds_the_same_user_and_gets_a_fresh_token() {
    let stack = Stack::shared();
    let (email, key) = (new_email("repeated"), new_key());
    let first = stack.registered(&parameters(&email, &key));
    let second = stack.registered_again(&parameters(&email, &key));
    assert_eq!(second.user.id, first.user.id);
    assert_ne!(token_of(&second), token_of(&first));
    assert_eq!(stack.row_counts_of(&email), RowCounts { pending_registrations: 1, ..ONE_WITH_KEY });
    stack.verify(token_of(&first)).expect_failure(401, "token_invalid");
    stack.verified(token_of(&second));
}

#[test]
fn a_repetition_after_the_verification_is_a_success_without_token() {
    let stack = Stack::shared();
    let (email, key) = (new_email("verified"), new_key());
    let first = stack.registered(&parameters(&email, &key));
    stack.verified(token_of(&first));
    let answer = stack.register(&parameters(&email, &key));
    assert_eq!(answer.expect_success(200).data.unwrap()["verification"], Value::Null);
    let again = answer.data::<registrar_core::Registration>(200);
    assert_eq!(again.user.id, first.user.id);
    assert!(again.user.email_confirmed_at.is_some());

    stack.register(&parameters(&email, &new_key())).expect_failure(409, "email_exists");
    stack.register(&json!({ "p_email": email })).expect_failure(409, "email_exists");
}

#[test]
fn a_key_names_one_registration_and_no_other() {
    let stack = Stack::shared();
    let (email, other, key) = (new_email("named"), new_email("other"), new_key());
    let first = stack.registered(&parameters(&email, &key));
    let refused = stack.register(&parameters(&other, &key)).expect_failure(400, "validation_failed");
    assert_eq!(refused.errors[0].field.as_deref(), Some("idempotency_key"));
    assert_eq!(stack.row_counts_of(&other), RowCounts::NONE);
    stack.verified(token_of(&first));
}

#[test]
fn a_key_of_another_user_leaves_the_token_of_a_waiting_one_alive() {
    let stack = Stack::shared();
    let (email, waiting, key) = (new_email("named"), new_email("waiting"), new_key());
    stack.registered(&parameters(&email, &key));
    let registration = stack.registered(&json!({ "p_email": waiting }));
    stack.register(&parameters(&waiting, &key)).expect_failure(400, "validation_failed");
    assert_eq!(stack.row_counts_of(&waiting), RowCounts::ONE_UNVERIFIED);
    stack.verified(token_of(&registration));
}

#[test]
fn a_key_is_free_again_after_24_hours_and_not_before() {
    let stack = Stack::shared();
    let (email, other, key) = (new_email("old"), new_email("new"), new_key());
    stack.registered(&parameters(&email, &key));
    age_key(stack, &key, "23 hours 59 minutes");
    stack.register(&parameters(&other, &key)).expect_failure(400, "validation_failed");

    age_key(stack, &key, "24 hours 1 second");
    stack.registered(&parameters(&other, &key));
    assert_eq!(stack.row_counts_of(&other), ONE_WITH_KEY);
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_UNVERIFIED, "the key names the newer registration now");
    stack.register(&parameters(&email, &key)).expect_failure(400, "validation_failed");
}

#[test]
fn after_24_hours_a_repetition_for_a_verified_user_is_a_conflict() {
    let stack = Stack::shared();
    let (email, key) = (new_email("late"), new_key());
    let first = stack.registered(&parameters(&email, &key));
    stack.verified(token_of(&first));
    age_key(stack, &key, "23 hours 59 minutes");
    stack.register(&parameters(&email, &key)).expect_success(200);
    age_key(stack, &key, "24 hours 1 second");
    stack.register(&parameters(&email, &key)).expect_failure(409, "email_exists");
}

#[test]
fn a_refused_registration_does_not_use_up_its_key() {
    let stack = Stack::shared();
    let (email, key) = (new_email("corrected"), new_key());
    let mut bad = parameters(&email, &key);
    bad["p_role"] = json!("nobody");
    stack.register(&bad).expect_failure(422, "invalid_role");
    stack.registered(&parameters(&new_email("instead"), &key));
}
