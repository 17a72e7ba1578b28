//! Registering an address or a number that is known already.

use registrar_core::PasswordHash;
use registrar_tests::{RowCounts, Stack, new_email, new_phone, token_of};
use serde_json::{Value, json};

const FIRST: &str = "the squatter's password";
const SECOND: &str = "the owner's password";

/// The user's row in `auth.users`, as JSON.
fn auth_user(stack: &Stack, email: &str) -> Value {
    let row = stack.admin().query_one("SELECT to_jsonb(u) FROM auth.users AS u WHERE email = $1", &[&email]);
    row.unwrap_or_else(|error| panic!("{email}: {error}")).get(0)
}

/// The one of `passwords` that would be accepted for the user.
fn password_in_force<'a>(stack: &Stack, email: &str, passwords: &[&'a str]) -> Option<&'a str> {
    let user = auth_user(stack, email);
    let stored = user["encrypted_password"].as_str().filter(|hash| !hash.is_empty())?;
    let hash = PasswordHash::parse(stored.into()).expect("a stored hash is valid");
    let accepted: Vec<_> = passwords.iter().filter(|&&password| hash.verify(&password.into())).collect();
    assert_eq!(accepted.len(), 1, "one of the passwords is in force");
    accepted.first().map(|&&password| password)
}

#[test]
fn an_unverified_address_gets_a_new_token_and_its_first_one_is_dead() {
    let stack = Stack::shared();
    let email = new_email("twice");
    let first = stack.registered(&json!({ "p_email": email }));
    let second = stack.registered_again(&json!({ "p_email": email.to_uppercase() }));
    assert_eq!(second.user.id, first.user.id);
    assert_eq!(second.user.created_at, first.user.created_at);
    assert_eq!(second.profile, first.profile);
    assert_ne!(token_of(&second), token_of(&first));
    let waiting = RowCounts { pending_registrations: 1, ..RowCounts::ONE_UNVERIFIED };
    assert_eq!(stack.row_counts_of(&email), waiting);

    stack.verify(token_of(&first)).expect_failure(401, "token_invalid");
    assert_eq!(stack.row_counts_of(&email), waiting, "a dead token changes nothing");
    assert_eq!(stack.verified(token_of(&second)).user.id, first.user.id);
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_VERIFIED);
}

#[test]
fn after_verification_only_the_password_of_the_newest_registration_is_in_force() {
    let stack = Stack::shared();
    let email = new_email("squatted");
    let first = stack.registered(&json!({ "p_email": email, "p_password": FIRST }));
    let second = stack.registered_again(&json!({ "p_email": email, "p_password": SECOND }));
    let passwords = [FIRST, SECOND];
    assert_eq!(password_in_force(stack, &email, &passwords), Some(FIRST), "the second waits for its token");

    stack.verify(token_of(&first)).expect_failure(401, "token_invalid");
    assert_eq!(password_in_force(stack, &email, &passwords), Some(FIRST));
    stack.verified(token_of(&second));
    assert_eq!(password_in_force(stack, &email, &passwords), Some(SECOND));
}

#[test]
fn a_newest_registration_without_password_leaves_none_in_force() {
    let stack = Stack::shared();
    let email = new_email("cleared");
    stack.registered(&json!({ "p_email": email, "p_password": FIRST }));
    let second = stack.registered_again(&json!({ "p_email": email }));
    stack.verified(token_of(&second));
    assert_eq!(password_in_force(stack, &email, &[FIRST]), None);
}

#[test]
fn of_three_registrations_the_last_counts() {
    let stack = Stack::shared();
    let email = new_email("thrice");
    stack.registered(&json!({ "p_email": email, "p_password": FIRST }));
    stack.register(&json!({ "p_email": email })).expect_success(200);
    let last = stack.registered_again(&json!({ "p_email": email, "p_password": SECOND }));
    stack.verified(token_of(&last));
    assert_eq!(password_in_force(stack, &email, &[FIRST, SECOND]), Some(SECOND));
}

#[test]
fn a_resent_token_puts_the_newest_registration_in_force_too() {
    let stack = Stack::shared();
    let email = new_email("resent");
    stack.registered(&json!({ "p_email": email, "p_password": FIRST }));
    stack.register(&json!({ "p_email": email, "p_password": SECOND })).expect_success(200);
    let resent = stack.resent(&email);
    stack.verified(&resent.verification.token);
    assert_eq!(password_in_force(stack, &email, &[FIRST, SECOND]), Some(SECOND));
}

#[test]
fn metadata_name_role_phone_and_profile_of_the_newest_registration_take_effect_with_its_token() {
    let stack = Stack::shared();
    let (email, phone) = (new_email("renewed"), new_phone());
    stack.registered(&json!({
        "p_email": email, "p_full_name": "Mallory", "p_role": "admin",
        "p_metadata": {"invited_by": "mallory", "years_of_experience": 1},
    }));
    let second = stack.registered_again(&json!({
        "p_email": email, "p_full_name": "Alice", "p_phone": phone, "p_metadata": {"years_of_experience": 9},
    }));
    assert_eq!(auth_user(stack, &email)["raw_user_meta_data"]["full_name"], "Mallory", "it waits for its token");

    let verified = stack.verified(token_of(&second));
    assert_eq!(verified.user.phone.as_deref(), Some(phone.as_str()));
    assert_eq!(verified.user.role.as_deref(), Some("user"));
    assert_eq!(verified.profile.unwrap()["years_of_experience"], 9);
    let user = auth_user(stack, &email);
    assert_eq!(user["raw_user_meta_data"]["full_name"], "Alice");
    assert_eq!(user["raw_user_meta_data"].get("invited_by"), None, "nothing of the first is left");
    assert_eq!(user["raw_app_meta_data"]["role"], "user");
}

#[test]
fn a_verified_address_is_refused_and_nothing_of_the_user_changes() {
    let stack = Stack::shared();
    let email = new_email("verified");
    let registration = stack.registered(&json!({ "p_email": email, "p_password": FIRST }));
    stack.verified(token_of(&registration));
    let before = auth_user(stack, &email);

    for typed in [email.clone(), format!(" {} ", email.to_uppercase())] {
        let again = json!({ "p_email": typed, "p_password": SECOND, "p_metadata": {"plan": "stolen"} });
        let refused = stack.register(&again).expect_failure(409, "email_exists");
        assert_eq!(refused.errors.len(), 1);
        assert_eq!(refused.errors[0].field.as_deref(), Some("email"));
        assert!(refused.errors[0].hint.is_some());
    }
    assert_eq!(auth_user(stack, &email), before);
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_VERIFIED);
}

#[test]
fn a_taken_number_is_refused_however_it_is_typed_and_no_user_is_made() {
    let stack = Stack::shared();
    let (phone, late) = (new_phone(), new_email("late"));
    stack.registered(&json!({ "p_email": new_email("early"), "p_phone": phone }));
    for typed in [phone.clone(), format!("+1 {} {} {}", &phone[2..5], &phone[5..8], &phone[8..])] {
        let refused = stack.register(&json!({ "p_email": late, "p_phone": typed })).expect_failure(409, "phone_exists");
        assert_eq!(refused.errors[0].field.as_deref(), Some("phone"));
    }
    assert_eq!(stack.row_counts_of(&late), RowCounts::NONE);
    stack.registered(&json!({ "p_email": late }));
}

#[test]
fn a_taken_number_leaves_the_token_of_a_waiting_user_alive() {
    let stack = Stack::shared();
    let (phone, waiting) = (new_phone(), new_email("waiting"));
    stack.registered(&json!({ "p_email": new_email("early"), "p_phone": phone }));
    let registration = stack.registered(&json!({ "p_email": waiting }));
    stack.register(&json!({ "p_email": waiting, "p_phone": phone })).expect_failure(409, "phone_exists");
    assert_eq!(stack.row_counts_of(&waiting), RowCounts::ONE_UNVERIFIED);
    stack.verified(token_of(&registration));
}

#[test]
fn an_unverified_user_keeps_the_number_when_it_is_sent_again() {
    let stack = Stack::shared();
    let parameters = json!({ "p_email": new_email("same"), "p_phone": new_phone() });
    stack.registered(&parameters);
    let again = stack.registered_again(&parameters);
    assert_eq!(json!(stack.verified(token_of(&again)).user.phone), parameters["p_phone"]);
}

#[test]
fn a_number_that_somebody_took_while_a_registration_waited_stays_theirs() {
    let stack = Stack::shared();
    let (email, phone) = (new_email("waited"), new_phone());
    stack.registered(&json!({ "p_email": email }));
    let waiting = stack.registered_again(&json!({ "p_email": email, "p_phone": phone }));
    let other = stack.registered(&json!({ "p_email": new_email("quicker"), "p_phone": phone }));

    let verified = stack.verified(token_of(&waiting));
    assert_eq!(verified.user.phone, None);
    assert_eq!(other.user.phone.as_deref(), Some(phone.as_str()));
}
