//! What registrar makes of its own hashes, and which it takes from callers.

use super::*;
use crate::{ErrorCode, HashCost, Password};

/// `openbsd` test vector of bcrypt: the password is `U*U`.
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
/// The argon2id vector of the reference implementation's command line: `password`, `somesalt`, -t 2 -m 16 -p 1.
const ARGON2ID: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

fn parse(hash: &str) -> Result<PasswordHash, FieldError> {
    PasswordHash::parse(hash.into())
}

#[test]
fn published_vectors_verify() {
    assert!(parse(BCRYPT).unwrap().verify(&"U*U".into()));
    assert!(!parse(BCRYPT).unwrap().verify(&"U*V".into()));
    assert!(parse(ARGON2ID).unwrap().verify(&"password".into()));
    assert!(!parse(ARGON2ID).unwrap().verify(&"Password".into()));
}

#[test]
fn a_hash_that_is_cheaper_than_todays_is_outdated() {
    assert!(
        !Password::parse("correct horse".into(), &[]).unwrap().hash().verifier().is_outdated(&HashPolicy::default())
    );
    assert!(parse(BCRYPT).unwrap().verifier().is_outdated(&HashPolicy::default()), "cost 5");
    assert!(!parse(&BCRYPT.replace("$05$", "$10$")).unwrap().verifier().is_outdated(&HashPolicy::default()));
    assert!(!parse(ARGON2ID).unwrap().verifier().is_outdated(&HashPolicy::default()));
    assert!(parse(&ARGON2ID.replace("argon2id", "argon2i")).unwrap().verifier().is_outdated(&HashPolicy::default()));
    assert!(parse(&ARGON2ID.replace("m=65536", "m=19455")).unwrap().verifier().is_outdated(&HashPolicy::default()));
    assert!(parse(&ARGON2ID.replace("t=2", "t=1")).unwrap().verifier().is_outdated(&HashPolicy::default()));
}

#[test]
fn a_newer_hash_is_made_only_of_a_password_that_was_verified_whole() {
    let cheap = |password: &str| parse(&::bcrypt::hash(password, 4).unwrap()).unwrap();
    let (short, long) = ("p".repeat(72), "p".repeat(73));
    assert!(cheap(&short).renewed(&HashPolicy::default(), &short.as_str().into()).unwrap().verify(&short.into()));
    assert!(cheap(&long).verify(&format!("{}?", &long[..72]).into()), "bcrypt does not see the last byte");
    assert!(cheap(&long).renewed(&HashPolicy::default(), &long.into()).is_none());
    assert!(parse(ARGON2ID).unwrap().renewed(&HashPolicy::default(), &"password".into()).is_none());
}

#[test]
fn nobodys_hash_costs_what_todays_does() {
    let [nobodys, todays] =
        [PasswordHash::nobodys(&HashPolicy::default()), Password::parse("correct horse".into(), &[]).unwrap().hash()];
    let begins = |hash: &PasswordHash| hash.expose().rsplitn(3, '$').last().map(str::to_owned);
    assert_eq!(begins(&nobodys), begins(&todays));
    assert_eq!(nobodys.expose().len(), todays.expose().len());
    assert!(parse(nobodys.expose()).is_ok() && !nobodys.verify(&"correct horse".into()));
}

#[test]
fn a_policy_of_other_costs_decides_what_is_cheap_and_what_too_dear() {
    let costs = |memory, passes| HashCost { memory, passes };
    let policy = HashPolicy { new: costs(32, 3), dearest: costs(64 * 1024, 3) };
    let hash = Password::parse("correct horse".into(), &[]).unwrap().hash_with(&policy);
    assert!(hash.expose().starts_with("$argon2id$v=19$m=32,t=3,p=1$") && !hash.verifier().is_outdated(&policy));
    assert!(PasswordHash::nobodys(&policy).expose().starts_with("$argon2id$v=19$m=32,t=3,p=1$"));
    let parse = |hash: String| PasswordHash::parse_within(&policy, hash.into());
    assert!(parse(ARGON2ID.to_owned()).is_ok() && parse(ARGON2ID.replace("m=65536", "m=65537")).is_err());
    assert!(parse(ARGON2ID.replace("t=2", "t=4")).is_err());
    let impossible = HashPolicy { new: costs(0, 0), ..policy };
    assert!(Password::parse("correct horse".into(), &[]).unwrap().hash_with(&impossible).expose().contains("m=8,t=1"));
}

#[test]
fn what_is_no_complete_known_hash_is_refused() {
    let truncated = &BCRYPT[..59];
    let unknown = BCRYPT.replace("$2a$", "$2z$");
    for hash in [
        "",
        "password",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        truncated,
        &format!("{BCRYPT}a"),
        &unknown,
        "$2a$05$",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$AAAAAAAA",
        "$argon2x$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$",
        "$1$salt$x",
        "pbkdf2_sha256$600000$salt$hash",
        &"$".repeat(300),
    ] {
        assert_eq!(parse(hash).unwrap_err().code, ErrorCode::ValidationFailed, "{hash}");
    }
}

#[test]
fn a_hash_that_would_stall_the_server_is_refused() {
    for hash in [
        ARGON2ID.replace("m=65536", "m=4194304"),
        ARGON2ID.replace("t=2", "t=4000000000"),
        BCRYPT.replace("$05$", "$31$"),
    ] {
        assert!(parse(&hash).unwrap_err().message.contains("costly"), "{hash}");
    }
    assert!(parse(&BCRYPT.replace("$05$", "$00$")).is_err());
    assert!(parse(&BCRYPT.replace("$05$", "$99$")).is_err());
}
