//! The client library against a real stack: what each call returns, and each way in which it is refused.

use chrono::{TimeDelta, Utc};
use registrar_client::{Client, ClientBuilder, Error, ErrorCode, ExposeSecret, NewUser, Result, SecretString};
use registrar_core::PasswordHash;
use registrar_tests::{Role, RowCounts, Stack, new_email, new_phone};
use serde_json::json;
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

/// Waits for a call. The runtime lives no longer, since the harness has its own blocking connections.
fn wait<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
}

fn builder(stack: &Stack) -> ClientBuilder {
    Client::builder().postgrest_url(stack.url()).service_role_key(stack.key(Role::ServiceRole))
}

fn client() -> Client {
    builder(Stack::shared()).build().unwrap()
}

fn client_with_key(key: impl Into<SecretString>) -> Client {
    Client::builder().postgrest_url(Stack::shared().url()).service_role_key(key).build().unwrap()
}

fn stored_hash(id: Uuid) -> PasswordHash {
    let statement = "SELECT encrypted_password FROM auth.users WHERE id = $1";
    let hash: String = Stack::shared().admin().query_one(statement, &[&id]).unwrap().get(0);
    PasswordHash::parse(hash.into()).expect("a stored hash is valid")
}

/// Registers a user and verifies the address.
fn verified_user() -> (String, SecretString) {
    let email = new_email("verified");
    let registration = wait(client().register(NewUser::new(&email))).unwrap();
    let token = SecretString::from(registration.verification.unwrap().token);
    wait(client().verify_email(token.clone())).unwrap();
    (email, token)
}

/// A refusal of registrar by its code, with everything that a caller relies on.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, expected: ErrorCode, field: &str) -> Error {
    let error = result.unwrap_err();
    let Error::Api { code, status, message, hint, errors, request_id, retry_after } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*code, *status), (expected, expected.status()));
    assert_eq!(errors.iter().map(|error| error.field.as_deref()).collect::<Vec<_>>(), [Some(field)], "{error:?}");
    assert!(!message.is_empty() && !hint.is_empty() && request_id.is_some() && retry_after.is_none(), "{error:?}");
    assert!(!error.is_retryable() && !error.outcome_unknown(), "{error:?}");
    assert_eq!((error.code(), error.status()), (expected.as_str(), Some(expected.status())));
    error
}

#[test]
fn a_registration_returns_user_profile_and_token() {
    let (email, phone) = (new_email("ada"), new_phone());
    let user = NewUser::new(email.to_uppercase())
        .phone(&phone)
        .full_name("Ada Lovelace")
        .role("admin")
        .metadata(json!({"years_of_experience": 7, "plan": "free"}));
    let registration = wait(client().register(user)).unwrap();
    let user = &registration.user;
    assert_eq!((user.email.as_deref(), user.phone.as_deref()), (Some(email.as_str()), Some(phone.as_str())));
    assert_eq!((user.role.as_deref(), user.email_confirmed_at), (Some("admin"), None));
    assert!((Utc::now() - user.created_at).abs() < TimeDelta::seconds(10));
    let profile = registration.profile.unwrap();
    assert_eq!((&profile["user_id"], &profile["years_of_experience"]), (&json!(user.id), &json!(7)));
    let verification = registration.verification.unwrap();
    assert_eq!(verification.token.len(), 64);
    assert_eq!(verification.expires_at - user.created_at, TimeDelta::minutes(30));
    assert!(!format!("{verification:?}").contains(&verification.token));

    let row = Stack::shared().admin();
    let statement = "SELECT raw_user_meta_data FROM auth.users WHERE id = $1";
    let metadata: serde_json::Value = { row }.query_one(statement, &[&user.id]).unwrap().get(0);
    assert_eq!((&metadata["full_name"], &metadata["plan"]), (&json!("Ada Lovelace"), &json!("free")));
}

#[test]
fn a_verification_returns_the_verified_user() {
    let registration = wait(client().register(NewUser::new(new_email("verify")))).unwrap();
    let verified = wait(client().verify_email(registration.verification.unwrap().token)).unwrap();
    assert_eq!(verified.user.id, registration.user.id);
    assert!(verified.user.email_confirmed_at.is_some());
    assert_eq!(verified.profile, registration.profile);
}

#[test]
fn a_resend_returns_a_token_that_works() {
    let email = new_email("resend");
    let registration = wait(client().register(NewUser::new(&email))).unwrap();
    let resent = wait(client().resend_verification(&email)).unwrap();
    assert_eq!(resent.user.id, registration.user.id);
    let old = wait(client().verify_email(registration.verification.unwrap().token));
    assert_refused(old, ErrorCode::TokenInvalid, "token");
    wait(client().verify_email(resent.verification.token)).unwrap();
}

#[test]
fn a_password_is_hashed_in_the_client_or_in_the_database() {
    for in_database in [false, true] {
        let user = NewUser::new(new_email("password")).password(PASSWORD).hash_in_database(in_database);
        let id = wait(client().register(user)).unwrap().user.id;
        let hash = stored_hash(id);
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.verify(&PASSWORD.into()), "hashed in the database: {in_database}");
    }
}

#[test]
fn a_hash_made_elsewhere_is_stored_verbatim() {
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let user = NewUser::new(new_email("hash")).password_hash(hash);
    let id = wait(client().register(user)).unwrap().user.id;
    assert_eq!(stored_hash(id).expose(), hash);
}

#[test]
fn every_registration_sends_an_idempotency_key() {
    let email = new_email("key");
    wait(client().register(NewUser::new(&email))).unwrap();
    let expected = RowCounts { idempotency_keys: 1, ..RowCounts::ONE_UNVERIFIED };
    assert_eq!(Stack::shared().row_counts_of(&email), expected);
}

#[test]
fn under_one_key_another_process_finds_the_same_user() {
    let email = new_email("again");
    let user = || NewUser::new(&email).idempotency_key("order-4711");
    let first = wait(client().register(user())).unwrap();
    let second = wait(client().register(user())).unwrap();
    assert_eq!(second.user.id, first.user.id);
    wait(client().verify_email(second.verification.unwrap().token)).unwrap();
    let third = wait(client().register(user())).unwrap();
    assert_eq!(third.user.id, first.user.id);
    assert!(third.verification.is_none(), "the user is verified");

    let other = wait(client().register(NewUser::new(new_email("other")).idempotency_key("order-4711")));
    assert_refused(other, ErrorCode::ValidationFailed, "idempotency_key");
}

#[test]
fn conflicts_are_told_by_their_code() {
    let (email, _) = verified_user();
    assert_refused(wait(client().register(NewUser::new(&email))), ErrorCode::EmailExists, "email");
    assert_refused(wait(client().resend_verification(&email)), ErrorCode::EmailExists, "email");

    let phone = new_phone();
    wait(client().register(NewUser::new(new_email("phone")).phone(&phone))).unwrap();
    let taken = wait(client().register(NewUser::new(new_email("phone")).phone(&phone)));
    assert_refused(taken, ErrorCode::PhoneExists, "phone");
}

#[test]
fn tokens_that_are_used_unknown_or_expired_are_told_apart() {
    let (_, used) = verified_user();
    assert_refused(wait(client().verify_email(used)), ErrorCode::TokenInvalid, "token");
    assert_refused(wait(client().verify_email("A".repeat(64))), ErrorCode::TokenInvalid, "token");
    assert_refused(wait(client().verify_email("")), ErrorCode::ValidationFailed, "token");

    let registration = wait(client().register(NewUser::new(new_email("expired")))).unwrap();
    let expire = "UPDATE registrar_private.verification_tokens SET expires_at = now() WHERE user_id = $1";
    Stack::shared().admin().execute(expire, &[&registration.user.id]).unwrap();
    let expired = wait(client().verify_email(registration.verification.unwrap().token));
    assert_refused(expired, ErrorCode::TokenExpired, "token");
}

#[test]
fn bad_fields_are_told_by_their_names() {
    assert_refused(wait(client().register(NewUser::new("nonsense"))), ErrorCode::ValidationFailed, "email");
    let unknown = wait(client().resend_verification(new_email("unknown")));
    assert_refused(unknown, ErrorCode::UserNotFound, "email");
    let role = wait(client().register(NewUser::new(new_email("role")).role("nobody")));
    let error = assert_refused(role, ErrorCode::InvalidRole, "role");
    assert!(error.hint().contains("admin") && error.hint().contains("user"), "{}", error.hint());

    let error = wait(client().register(NewUser::new("nonsense").phone("12"))).unwrap_err();
    let Error::Api { errors, .. } = error else { panic!("{error:?}") };
    assert_eq!(errors.iter().map(|error| error.field.as_deref()).collect::<Vec<_>>(), [Some("email"), Some("phone")]);
}

#[test]
fn a_weak_password_is_refused_wherever_it_is_hashed() {
    for in_database in [false, true] {
        let email = new_email("weak");
        let user = NewUser::new(&email).password("7 chars").hash_in_database(in_database);
        let error = wait(client().register(user)).unwrap_err();
        assert!(matches!(error, Error::Api { code: ErrorCode::WeakPassword, status: 422, .. }), "{error:?}");
        assert_eq!(Stack::shared().row_counts_of(&email), RowCounts::NONE);
    }
}

#[test]
fn a_key_that_is_not_accepted_and_one_that_may_not_are_told_apart() {
    let stack = Stack::shared();
    let forged = registrar_tests::JwtSecret::random().key(Role::ServiceRole);
    for key in ["nonsense".to_owned(), forged, stack.secret().expired_key(Role::ServiceRole)] {
        let error = wait(client_with_key(key.as_str()).register(NewUser::new(new_email("key")))).unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains(&key), "{error:?}");
        assert!(!error.is_retryable() && error.request_id().is_some());
    }
    for role in [Role::Anon, Role::Authenticated] {
        let email = new_email("key");
        let client = client_with_key(stack.key(role));
        for error in [
            wait(client.register(NewUser::new(&email))).unwrap_err(),
            wait(client.verify_email("A".repeat(64))).unwrap_err(),
            wait(client.resend_verification(&email)).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Forbidden { .. }), "{role:?} {error:?}");
            assert!(!error.is_retryable());
        }
        assert_eq!(stack.row_counts_of(&email), RowCounts::NONE);
    }
}

#[test]
fn an_address_without_registrar_is_told() {
    let stack = Stack::shared();
    let elsewhere = Client::builder()
        .postgrest_url(format!("{}/nowhere", stack.url()))
        .service_role_key(stack.key(Role::ServiceRole))
        .build()
        .unwrap();
    let error = wait(elsewhere.register(NewUser::new(new_email("nowhere")))).unwrap_err();
    assert!(matches!(error, Error::NotExposed { status: 404, .. }), "{error:?}");
}

#[test]
fn no_secret_stands_in_what_the_client_shows_of_itself() {
    let stack = Stack::shared();
    let key = stack.key(Role::ServiceRole);
    let user = NewUser::new("user@example.com").password(PASSWORD).idempotency_key("key");
    let shown = format!("{:?} {:?} {user:?}", builder(stack), builder(stack).build().unwrap());
    assert!(!shown.contains(&key) && !shown.contains(PASSWORD), "{shown}");
    let (_, token) = verified_user();
    let error = wait(client().verify_email(token.clone())).unwrap_err();
    assert!(!format!("{error:?} {error}").contains(token.expose_secret()));
}
