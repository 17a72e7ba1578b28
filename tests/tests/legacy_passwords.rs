//! Users sign in with the passwords that another system hashed.

use std::collections::BTreeMap;

use registrar_core::{ForeignHash, HashPolicy, HashScheme};
use registrar_tests::{Answer, Stack, all, new_email, one};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Deserialize)]
struct Vector {
    scheme: HashScheme,
    password: String,
    hash: String,
    pepper: Option<String>,
}

/// Hashes by the reference libraries, one of each scheme, and one with a pepper.
fn vectors() -> impl Iterator<Item = Vector> {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../core/vectors/password_hashes.json")).expect("the vectors are JSON");
    let of_each = vectors.into_iter().map(|vector| ((vector.scheme, vector.pepper.is_some()), vector));
    BTreeMap::from_iter(of_each.filter(|(_, vector)| vector.password.is_ascii() && vector.password.len() <= 72))
        .into_values()
}

/// A confirmed user who came with a hash.
fn user(hash: &str, pepper: Option<&str>) -> (Uuid, String) {
    let (stack, email) = (Stack::shared(), new_email("legacy"));
    let registration = stack.registered(&json!({ "p_email": email }));
    stack.verified(&registration.verification.unwrap().token);
    let user = registration.user.id;
    let mut admin = stack.admin();
    let pepper_id: Option<i32> = pepper.map(|pepper| {
        let insert = "INSERT INTO registrar_private.legacy_peppers (pepper) VALUES ($1)
                      ON CONFLICT (pepper) DO UPDATE SET pepper = excluded.pepper RETURNING id";
        one(&mut admin, insert, &[&pepper])
    });
    let insert = "WITH legacy AS (
                      INSERT INTO registrar_private.legacy_passwords (user_id, reference, hash, pepper_id, created_at)
                      VALUES ($1, gen_random_uuid(), $2, $3, now()) RETURNING reference
                  )
                  UPDATE auth.users SET encrypted_password = '$registrar-legacy$' || reference FROM legacy WHERE id = $1";
    assert_eq!(admin.execute(insert, &[&user, &hash, &pepper_id]).unwrap(), 1);
    (user, email)
}

fn sign_in(email: &str, password: &str) -> Answer {
    Stack::shared().back_end("sign_in_with_password", &json!({ "p_email": email, "p_password": password }))
}

fn stored(user: Uuid) -> String {
    one(&mut Stack::shared().admin(), "SELECT encrypted_password FROM auth.users WHERE id = $1", &[&user])
}

fn legacy(user: Uuid) -> Vec<String> {
    let query = "SELECT hash FROM registrar_private.legacy_passwords WHERE user_id = $1";
    all(&mut Stack::shared().admin(), query, &[&user])
}

#[test]
fn everyone_keeps_the_password_and_has_todays_hash_after_the_first_sign_in() {
    for vector in vectors() {
        let hash = match ForeignHash::read(&HashPolicy::default(), &vector.hash).unwrap() {
            ForeignHash::Strong(hash) => hash,
            ForeignHash::Weak(hash) => hash.wrapped(&HashPolicy::default()),
        };
        let (user, email) = user(hash.expose(), vector.pepper.as_deref());
        sign_in(&email, "another password").expect_failure(401, "invalid_credentials");
        assert_eq!(legacy(user), [hash.expose()], "a wrong password changes nothing");
        let answer = sign_in(&email, &vector.password);
        assert_eq!(answer.status, 200, "{} {}: {}", vector.scheme, vector.hash, answer.body);
        assert!(stored(user).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}: {}", vector.scheme, stored(user));
        assert!(legacy(user).is_empty(), "{}: nothing is left of it", vector.scheme);
        assert_eq!(sign_in(&email, &vector.password).status, 200, "{}", vector.scheme);
        sign_in(&email, "another password").expect_failure(401, "invalid_credentials");
    }
}

fn django() -> Vector {
    Vector {
        scheme: HashScheme::Pbkdf2Sha256,
        password: "correct horse battery staple".into(),
        hash: "pbkdf2_sha256$1000$tZcHZ2To0wTZlgkCSTRQQC$nStJNHTjabKmxwrqPSa10N/1UME2qvtRDfykc1Sh/mI=".into(),
        pepper: None,
    }
}

#[test]
fn whatever_replaces_the_password_ends_the_legacy_one() {
    let (stack, vector) = (Stack::shared(), django());
    // As Supabase Auth does it, which knows nothing of registrar's table.
    let (by_supabase, email) = user(&vector.hash, None);
    let update = "UPDATE auth.users SET encrypted_password = '' WHERE id = $1";
    assert_eq!(stack.admin().execute(update, &[&by_supabase]).unwrap(), 1);
    sign_in(&email, &vector.password).expect_failure(401, "invalid_credentials");

    let (reset, email) = user(&vector.hash, None);
    let requested = stack.back_end("request_password_reset", &json!({ "p_email": email }));
    let token = requested.envelope().data.unwrap()["reset"]["token"].clone();
    let new = json!({ "p_token": token, "p_password": "an entirely new passphrase" });
    assert_eq!(stack.back_end("reset_password", &new).status, 200);
    sign_in(&email, &vector.password).expect_failure(401, "invalid_credentials");
    assert_eq!(sign_in(&email, "an entirely new passphrase").status, 200);
    assert!(legacy(reset).is_empty());

    let (changed, email) = user(&vector.hash, None);
    let parameters = |current: &str| json!({ "p_user_id": changed, "p_current_password": current, "p_password": "an entirely new passphrase" });
    stack.back_end("change_password", &parameters("wrong")).expect_failure(401, "invalid_credentials");
    assert_eq!(stack.back_end("change_password", &parameters(&vector.password)).status, 200);
    sign_in(&email, &vector.password).expect_failure(401, "invalid_credentials");
    assert!(legacy(changed).is_empty());
}

#[test]
fn a_reset_token_dies_with_the_legacy_password_that_it_was_to_replace() {
    let (stack, vector) = (Stack::shared(), django());
    let (_, email) = user(&vector.hash, None);
    let requested = stack.back_end("request_password_reset", &json!({ "p_email": email }));
    let token = requested.envelope().data.unwrap()["reset"]["token"].clone();
    assert_eq!(sign_in(&email, &vector.password).status, 200);
    let new = json!({ "p_token": token, "p_password": "an entirely new passphrase" });
    stack.back_end("reset_password", &new).expect_failure(401, "token_invalid");
}

#[test]
fn a_legacy_hash_that_would_stall_the_server_is_a_wrong_password() {
    let vector = django();
    let (user, email) = user(&vector.hash.replace("$1000$", "$4000000000$"), None);
    sign_in(&email, &vector.password).expect_failure(401, "invalid_credentials");
    assert_eq!(legacy(user).len(), 1);
}

#[test]
fn a_reference_of_somebody_elses_hash_is_no_password() {
    let vector = django();
    let (theirs, _) = user(&vector.hash, None);
    let (own, email) = user(&vector.hash, None);
    let update = "UPDATE auth.users SET encrypted_password = $2 WHERE id = $1";
    assert_eq!(Stack::shared().admin().execute(update, &[&own, &stored(theirs)]).unwrap(), 1);
    sign_in(&email, &vector.password).expect_failure(401, "invalid_credentials");
}

#[test]
fn a_hash_of_another_system_in_the_place_of_supabases_is_verified_too() {
    let vector = django();
    let (user, email) = user(&vector.hash, None);
    let update = "UPDATE auth.users SET encrypted_password = $2 WHERE id = $1";
    assert_eq!(Stack::shared().admin().execute(update, &[&user, &vector.hash]).unwrap(), 1);
    assert_eq!(sign_in(&email, &vector.password).status, 200);
    assert!(stored(user).starts_with("$argon2id$"));
}
