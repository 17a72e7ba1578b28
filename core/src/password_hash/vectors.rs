//! Hashes that the reference libraries made; `vectors/make_password_hashes.py` tells how.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde::Deserialize;

use super::{ForeignHash, HashFault, HashScheme, PasswordHash};
use crate::{HashCost, HashPolicy};

#[derive(Deserialize)]
struct Vector {
    made_by: String,
    scheme: HashScheme,
    password: String,
    hash: String,
    pepper: Option<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../vectors/password_hashes.json")).expect("the vectors are JSON")
}

/// New hashes that take no time.
fn policy() -> HashPolicy {
    HashPolicy { new: HashCost { memory: 8, passes: 1 }, ..HashPolicy::default() }
}

/// What rests in the database for a vector.
fn kept(vector: &Vector) -> PasswordHash {
    let read = ForeignHash::read(&policy(), &vector.hash);
    let hash = match read.unwrap_or_else(|fault| panic!("{} {}: {fault}", vector.made_by, vector.hash)) {
        ForeignHash::Strong(hash) => hash,
        ForeignHash::Weak(hash) => hash.wrapped(&policy()),
    };
    match &vector.pepper {
        Some(pepper) => hash.with_pepper(pepper.as_str().into()),
        None => hash,
    }
}

#[test]
fn every_scheme_has_a_hash_of_its_reference_library() {
    let schemes: BTreeSet<&str> = vectors().iter().map(|vector| vector.scheme.as_str()).collect();
    assert_eq!(schemes.len(), 16, "{schemes:?}");
}

#[test]
fn the_hashes_of_the_reference_libraries_are_recognised_and_verified() {
    for vector in vectors() {
        let told = format!("{} {}", vector.made_by, vector.hash);
        let hash = kept(&vector);
        assert_eq!(hash.scheme(), vector.scheme, "{told}");
        assert_eq!(serde_json::to_value(vector.scheme).unwrap(), vector.scheme.as_str());
        assert!(hash.verify(&vector.password.as_str().into()), "{told}");
        assert!(!hash.verify(&format!("x{}", vector.password).into()), "{told}: another password");
        assert!(!hash.verify(&SecretString::default()), "{told}: no password");
    }
}

#[test]
fn what_was_stored_is_read_again_and_renewed_as_argon2id() {
    for vector in vectors() {
        let kept = kept(&vector);
        let pepper = vector.pepper.as_deref().map(SecretString::from);
        let stored = PasswordHash::stored(&policy(), kept.expose().into(), pepper).expect("it is read again");
        let password = SecretString::from(vector.password.as_str());
        assert!(stored.verify(&password), "{} {}", vector.made_by, vector.hash);
        let Some(newer) = stored.renewed(&policy(), &password) else {
            let is_current = stored.scheme() == HashScheme::Argon2id;
            let is_cut = vector.password.len() > 72;
            assert!(is_current || is_cut, "{} {}", vector.made_by, vector.hash);
            continue;
        };
        assert_eq!(newer.scheme(), HashScheme::Argon2id);
        assert!(newer.is_for_auth_users() && newer.verify(&password));
    }
}

#[test]
fn what_supabase_auth_verifies_is_for_auth_users_and_nothing_else_is() {
    for vector in vectors() {
        let hash = kept(&vector);
        let accepted = PasswordHash::parse(hash.expose().into()).is_ok();
        assert_eq!(hash.is_for_auth_users(), accepted && vector.pepper.is_none(), "{} {}", vector.made_by, vector.hash);
        let of_supabase = match vector.scheme {
            HashScheme::Bcrypt | HashScheme::FirebaseScrypt => true,
            HashScheme::Argon2id | HashScheme::Argon2i => hash.expose().contains("$v=19$"),
            _ => false,
        };
        assert_eq!(accepted, of_supabase, "{} {}", vector.made_by, vector.hash);
    }
}

#[test]
fn a_weak_hash_rests_only_within_another() {
    for vector in vectors() {
        let ForeignHash::Weak(weak) = ForeignHash::read(&policy(), &vector.hash).unwrap() else { continue };
        let result = vector.hash.rsplit(['$', '}']).next().unwrap();
        let stored = weak.wrapped(&policy());
        assert!(!stored.expose().contains(result), "{}", vector.hash);
        assert_ne!(stored.expose(), weak.wrapped(&policy()).expose(), "each has a salt of its own");
        assert!(!format!("{weak:?}").contains(result));
    }
}

#[test]
fn a_hash_that_is_cut_or_changed_is_another_hash_or_none() {
    for vector in vectors() {
        let password = SecretString::from(vector.password.as_str());
        for end in (0..vector.hash.len()).filter(|end| vector.hash.is_char_boundary(*end)) {
            if let Ok(ForeignHash::Strong(hash)) = ForeignHash::read(&policy(), &vector.hash[..end]) {
                assert!(!hash.verify(&password), "{} is verified when cut to {end}", vector.hash);
            }
        }
    }
}

#[test]
fn a_hash_that_would_stall_the_server_is_refused_of_every_scheme() {
    let salt = "c29tZXNhbHRzb21lc2FsdA";
    let result = "bQ2yHPZe0SMGTWP7+8RkOqUAW8VV0iJdzRrOBJcHXM0";
    let long = format!("{}==", "A".repeat(86));
    for hash in [
        format!("$argon2d$m=4194304,t=1,p=1${salt}${result}"),
        format!("$argon2id$v=19$m=2048,t=1,p=200${salt}${result}"),
        "bcrypt_sha256$$2b$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".into(),
        format!("pbkdf2_sha256$4000001$salt${result}="),
        format!("$pbkdf2-sha256$4294967295${salt}${result}"),
        format!("scrypt$33554432$salt$8$1${long}"),
        format!("scrypt$1024$salt$8$17${long}"),
        format!("$scrypt$ln=10,r=4194304,p=1${salt}${result}"),
        "$P$JIRZLVUCrNVSW9yVDKPLRK9lKDsSzl1".into(),
        format!("$5$rounds=2000001$salt${}", "a".repeat(43)),
    ] {
        let fault = ForeignHash::read(&HashPolicy::default(), &hash).expect_err(&hash);
        assert_eq!(fault, HashFault::TooCostly, "{hash}");
    }
    assert_eq!(ForeignHash::read(&policy(), &"$".repeat(1025)).unwrap_err(), HashFault::TooLong);
}

#[test]
fn what_is_no_hash_is_none() {
    for text in [
        "",
        "!",
        "!unusable",
        "password",
        "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        "pbkdf2_sha256$0$salt$bQ2yHPZe0SMGTWP7+8RkOqUAW8VV0iJdzRrOBJcHXM0=",
        "pbkdf2_sha256$1000$salt$AAAA",
        "pbkdf2_md5$1000$salt$bQ2yHPZe0SMGTWP7+8RkOqUAW8VV0iJdzRrOBJcHXM0=",
        "scrypt$1000$salt$8$1$bQ2yHPZe0SMGTWP7+8RkOqUAW8VV0iJdzRrOBJcHXM0=",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=$42xEC+ixf3L2lw==$",
        "$registrar-wrapped$sha1,salt-first,$x",
        "{SSHA}AAAA",
        "{CRYPT}x",
        "5f4dcc3b5aa765d61d8327deb882cf9",
        "$2b$04$ééééééééééééééééééééééééééé",
    ] {
        assert_eq!(ForeignHash::read(&policy(), text).unwrap_err(), HashFault::UnknownScheme, "{text}");
    }
}
