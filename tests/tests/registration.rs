//! Registering a user who is not there yet, through HTTP as a trusted back end.

use chrono::{DateTime, TimeDelta, Utc};
use registrar_core::PasswordHash;
use registrar_tests::{Role, RowCounts, Stack, call, new_email, new_phone, token_of};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";
/// `U*U`, hashed with bcrypt at cost 5 by the reference implementation.
const BCRYPT_TAIL: &str = "05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
/// `password`, hashed by the reference implementation of argon2.
const ARGON2ID: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// The user's row in `auth.users`, as JSON.
fn auth_user(stack: &Stack, id: Uuid) -> Value {
    let row = stack.admin().query_one("SELECT to_jsonb(u) FROM auth.users AS u WHERE id = $1", &[&id]);
    row.unwrap_or_else(|error| panic!("user {id}: {error}")).get(0)
}

fn stored_hash(stack: &Stack, id: Uuid) -> String {
    auth_user(stack, id)["encrypted_password"].as_str().expect("the column is text, never NULL").to_owned()
}

fn is_hash_of(hash: &str, password: &str) -> bool {
    PasswordHash::parse(SecretString::from(hash)).expect("a stored hash is valid").verify(&password.into())
}

#[test]
fn a_new_user_is_answered_with_201_and_the_documented_envelope() {
    let (email, phone) = (new_email("ada"), new_phone());
    let answer = Stack::shared().register(&json!({
        "p_email": email, "p_phone": phone, "p_password": PASSWORD, "p_full_name": "Ada Lovelace", "p_role": "admin",
        "p_metadata": {"years_of_experience": 7, "skills_technologies": ["weaving", "analysis"]},
    }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let envelope: Value = answer.json();
    assert_eq!(envelope["success"], true);
    assert_eq!(envelope["message"], "User and profile created successfully");
    assert_eq!(envelope["errors"], json!([]));
    assert_eq!(envelope.as_object().unwrap().len(), 4, "{envelope}");

    let data = &envelope["data"];
    let mut parts: Vec<_> = data.as_object().unwrap().keys().collect();
    parts.sort();
    assert_eq!(parts, ["profile", "user", "verification"]);
    let user = &data["user"];
    assert_eq!((&user["email"], &user["phone"], &user["role"]), (&json!(email), &json!(phone), &json!("admin")));
    assert_eq!(user["email_confirmed_at"], Value::Null);
    assert_eq!(data["profile"]["user_id"], user["id"]);
    assert_eq!(data["profile"]["years_of_experience"], 7);
    assert_eq!(data["profile"]["skills_technologies"], json!(["weaving", "analysis"]));
    assert_eq!(data["verification"]["token"].as_str().map(str::len), Some(64));
    assert!(!answer.body.contains(PASSWORD) && !answer.body.contains("argon2"), "{}", answer.body);
}

#[test]
fn user_identity_token_profile_and_audit_row_carry_one_id() {
    let stack = Stack::shared();
    let email = new_email("one-id");
    let id = stack.registered(&json!({ "p_email": email })).user.id;
    assert_eq!(stack.row_counts_of(&email), RowCounts::ONE_UNVERIFIED);
    for (what, statement) in [
        ("user", "SELECT count(*) FROM auth.users WHERE id = $1 AND email = $2"),
        ("identity", "SELECT count(*) FROM auth.identities WHERE user_id = $1 AND email = $2"),
        ("token", "SELECT count(*) FROM registrar_private.verification_tokens WHERE user_id = $1 AND $2 <> ''"),
        ("profile", "SELECT count(*) FROM public.user_profiles WHERE user_id = $1 AND $2 <> ''"),
        (
            "audit row",
            "SELECT count(*) FROM registrar_private.audit_log
             WHERE user_id = $1 AND $2 <> '' AND action = 'register' AND outcome = 'ok' AND actor_role = 'service_role'",
        ),
    ] {
        let count: i64 = stack.admin().query_one(statement, &[&id, &email]).unwrap().get(0);
        assert_eq!(count, 1, "{what}");
    }
}

#[test]
fn every_row_is_dated_with_the_time_that_the_answer_tells() {
    let stack = Stack::shared();
    let before = Utc::now();
    let registration = stack.registered(&json!({ "p_email": new_email("dated") }));
    let created = registration.user.created_at;
    assert!(before - TimeDelta::seconds(5) <= created && created <= Utc::now() + TimeDelta::seconds(5), "{created}");
    assert_eq!(registration.user.updated_at, created);

    let times: Vec<Option<DateTime<Utc>>> = stack
        .admin()
        .query_one(
            "SELECT ARRAY[u.created_at, u.updated_at, i.created_at, i.updated_at, t.created_at]
             FROM auth.users AS u
             JOIN auth.identities AS i ON i.user_id = u.id
             JOIN registrar_private.verification_tokens AS t ON t.user_id = u.id
             WHERE u.id = $1",
            &[&registration.user.id],
        )
        .unwrap()
        .get(0);
    assert_eq!(times, vec![Some(created); 5]);
    let expires_at = registration.verification.unwrap().expires_at;
    assert_eq!(expires_at - created, TimeDelta::minutes(30));
}

#[test]
fn no_secret_is_in_a_dump_of_the_database() {
    let stack = Stack::shared();
    let (email, key) = (new_email("dumped"), Uuid::new_v4().to_string());
    let parameters = json!({ "p_email": email, "p_password": PASSWORD, "p_idempotency_key": key });
    let first = stack.registered(&parameters);
    let again = stack.registered_again(&parameters);
    let resent = stack.resent(&email);
    let output = stack.database().program("pg_dump").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump = String::from_utf8(output.stdout).unwrap();

    let newest = &resent.verification.token;
    assert!(dump.contains(&email) && dump.contains(&hex(&Sha256::digest(newest))), "the dump has the newest hash");
    for secret in [token_of(&first), token_of(&again), newest, &key, PASSWORD] {
        assert!(!dump.contains(secret), "in clear");
        assert!(!dump.contains(&hex(secret.as_bytes())), "as bytes");
    }
    // The id at the beginning of a token is public; the random rest is not, in any form.
    for token in [token_of(&first), token_of(&again), newest] {
        assert!(!dump.contains(&token[22..]), "the random part in clear");
        assert!(!dump.contains(&hex(&decoded(token)[16..])), "the random part as bytes");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decoded(token: &str) -> Vec<u8> {
    use base64::prelude::*;
    BASE64_URL_SAFE_NO_PAD.decode(token).unwrap()
}

#[test]
fn the_address_is_trimmed_and_lower_cased() {
    let stack = Stack::shared();
    let email = new_email("o'brien+list");
    let registration = stack.registered(&json!({ "p_email": format!(" \t{}\n", email.to_uppercase()) }));
    assert_eq!(registration.user.email.as_deref(), Some(email.as_str()));
    assert_eq!(auth_user(stack, registration.user.id)["email"], email);
}

#[test]
fn the_number_is_stored_in_one_form_however_it_is_typed() {
    let stack = Stack::shared();
    let phone = new_phone();
    let typed = format!("+1 ({}) {}-{}", &phone[2..5], &phone[5..8], &phone[8..]);
    let registration = stack.registered(&json!({ "p_email": new_email("phone"), "p_phone": typed }));
    assert_eq!(registration.user.phone.as_deref(), Some(phone.as_str()));
    assert_eq!(auth_user(stack, registration.user.id)["phone"], phone[1..], "as Supabase Auth stores it");
}

#[test]
fn a_plain_password_is_hashed_with_the_documented_cost() {
    let stack = Stack::shared();
    let registration = stack.registered(&json!({ "p_email": new_email("plain"), "p_password": PASSWORD }));
    let hash = stored_hash(stack, registration.user.id);
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert!(is_hash_of(&hash, PASSWORD) && !is_hash_of(&hash, "correct horse battery stapl"));
}

#[test]
fn hashes_of_every_accepted_scheme_are_stored_verbatim() {
    let stack = Stack::shared();
    let bcrypt = |version: &str| format!("$2{version}${BCRYPT_TAIL}");
    let argon2i = ARGON2ID.replace("argon2id", "argon2i");
    for hash in [bcrypt("a"), bcrypt("b"), bcrypt("y"), ARGON2ID.to_owned(), argon2i] {
        let registration = stack.registered(&json!({ "p_email": new_email("hash"), "p_password_hash": hash }));
        assert_eq!(stored_hash(stack, registration.user.id), hash);
    }
}

#[test]
fn a_user_without_password_has_none_in_force() {
    let stack = Stack::shared();
    let id = stack.registered(&json!({ "p_email": new_email("passwordless") })).user.id;
    assert_eq!(stored_hash(stack, id), "");
}

#[test]
fn metadata_and_name_are_in_the_users_own_metadata() {
    let stack = Stack::shared();
    let metadata =
        json!({ "plan": "free", "tags": ["a", {"b": null}], "full_name": "replaced", "ratio": 0.25, "größe": "ß" });
    let parameters = json!({ "p_email": new_email("meta"), "p_full_name": " Grace Hopper ", "p_metadata": metadata });
    let id = stack.registered(&parameters).user.id;
    let stored = &auth_user(stack, id)["raw_user_meta_data"];
    for key in ["plan", "tags", "ratio", "größe"] {
        assert_eq!(stored[key], metadata[key], "{stored}");
    }
    assert_eq!(stored["full_name"], "Grace Hopper");
}

#[test]
fn numbers_in_the_metadata_are_kept_to_the_last_digit() {
    let stack = Stack::shared();
    let email = new_email("digits");
    let numbers = r#"{"order": 12345678901234567890123, "share": 0.12345678901234567890123, "large": 1e30}"#;
    let body = format!(r#"{{"p_email": "{email}", "p_metadata": {numbers}}}"#);
    let call = stack.request("register_user_with_token").key(stack.key(Role::ServiceRole)).body(body);
    call.send().unwrap().expect_success(201);
    let statement =
        "SELECT raw_user_meta_data @> $1::text::jsonb, raw_user_meta_data::text FROM auth.users WHERE email = $2";
    let row = stack.admin().query_one(statement, &[&numbers, &email]).unwrap();
    assert!(row.get::<_, bool>(0), "{}", row.get::<_, String>(1));
}

#[test]
fn claims_that_only_the_server_may_make_are_not_taken_from_the_metadata() {
    let stack = Stack::shared();
    let email = new_email("claims");
    let claims = json!({
        "sub": Uuid::new_v4(), "email": "someone@else.example", "email_verified": true, "phone_verified": true, "role": "admin",
    });
    let registration = stack.registered(&json!({ "p_email": email, "p_metadata": claims }));
    let user = auth_user(stack, registration.user.id);
    let stored = &user["raw_user_meta_data"];
    assert_eq!(stored["sub"], registration.user.id.to_string());
    assert_eq!(stored["email"], email);
    assert_eq!((&stored["email_verified"], &stored["phone_verified"]), (&json!(false), &json!(false)));
    assert_eq!(user["raw_app_meta_data"]["role"], "user", "metadata gives no role in the app");
    assert_eq!(user["role"], "authenticated", "nor one in the database");
}

#[test]
fn the_row_is_one_that_supabase_auth_reads() {
    let stack = Stack::shared();
    let email = new_email("readable");
    let id = stack.registered(&json!({ "p_email": email, "p_password": PASSWORD })).user.id;
    let user = auth_user(stack, id);
    for column in [
        "confirmation_token",
        "recovery_token",
        "email_change_token_new",
        "email_change",
        "email_change_token_current",
        "phone_change",
        "phone_change_token",
        "reauthentication_token",
    ] {
        assert_eq!(user[column], "", "{column} must not be NULL");
    }
    assert_eq!(user["instance_id"], Uuid::nil().to_string());
    assert_eq!((&user["aud"], &user["role"]), (&json!("authenticated"), &json!("authenticated")));
    assert_eq!((&user["is_sso_user"], &user["is_anonymous"]), (&json!(false), &json!(false)));
    assert_eq!(user["email_change_confirm_status"], 0);
    assert_eq!((&user["email_confirmed_at"], &user["deleted_at"]), (&Value::Null, &Value::Null));
    assert_eq!(user["raw_app_meta_data"], json!({"provider": "email", "providers": ["email"], "role": "user"}));

    let statement = "SELECT to_jsonb(i) FROM auth.identities AS i WHERE user_id = $1";
    let identity: Value = stack.admin().query_one(statement, &[&id]).unwrap().get(0);
    assert_eq!((&identity["provider"], &identity["provider_id"]), (&json!("email"), &json!(id)));
    let data = json!({"sub": id, "email": email, "email_verified": false, "phone_verified": false});
    assert_eq!(identity["identity_data"], data);
}

#[test]
fn a_role_can_be_used_from_the_moment_it_is_added_and_no_longer_than_it_is_there() {
    let stack = Stack::shared();
    let mut back_end = stack.database().connect_as(Role::ServiceRole).unwrap();
    let mut register =
        || call(&mut back_end, "register_user_with_token", &json!({"p_email": new_email("role"), "p_role": "editor"}));

    let refused = register();
    assert_eq!(refused.errors[0].code.as_str(), "invalid_role");
    let hint = refused.errors[0].hint.as_deref().unwrap_or_default();
    assert!(hint.contains("admin") && hint.contains("user") && !hint.contains("editor"), "{hint}");

    let add = "INSERT INTO registrar_private.roles (name, description) VALUES ('editor', 'Edits.')";
    stack.admin().batch_execute(add).unwrap();
    let registered = register();
    assert!(registered.success, "{registered:?}");
    assert_eq!(registered.data.unwrap()["user"]["role"], "editor");
    let over_http = stack.registered(&json!({ "p_email": new_email("role"), "p_role": "editor" }));
    assert_eq!(auth_user(stack, over_http.user.id)["raw_app_meta_data"]["role"], "editor");

    stack.admin().batch_execute("DELETE FROM registrar_private.roles WHERE name = 'editor'").unwrap();
    assert!(!register().success);
}
