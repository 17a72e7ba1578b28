//! PBKDF2 (RFC 8018) as Django, passlib and Werkzeug write it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{HashScheme, Verifier, from_passlib};
use crate::HashPolicy;

/// Most rounds that are computed, a few seconds; Django 6 makes 1,200,000.
const MAX_ROUNDS: u32 = 4_000_000;
/// What Werkzeug up to 0.16 made where it wrote no number.
const WERKZEUGS_FIRST_ROUNDS: u32 = 1000;

pub(super) struct Pbkdf2Hash {
    scheme: HashScheme,
    rounds: u32,
    salt: Vec<u8>,
    result: Vec<u8>,
}

fn scheme_of(digest: &str) -> Option<HashScheme> {
    match digest {
        "sha1" => Some(HashScheme::Pbkdf2Sha1),
        "sha256" => Some(HashScheme::Pbkdf2Sha256),
        "sha512" => Some(HashScheme::Pbkdf2Sha512),
        _ => None,
    }
}

/// As many as the digest has.
fn result_bytes(scheme: HashScheme) -> usize {
    match scheme {
        HashScheme::Pbkdf2Sha1 => 20,
        HashScheme::Pbkdf2Sha512 => 64,
        _ => 32,
    }
}

impl Pbkdf2Hash {
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("pbkdf2_") {
            Self::of_django(rest)
        } else if let Some(rest) = text.strip_prefix("pbkdf2:") {
            Self::of_werkzeug(rest)
        } else {
            Self::of_passlib(text.strip_prefix("$pbkdf2")?)
        }
    }

    fn new(digest: &str, rounds: u32, salt: Vec<u8>, result: Vec<u8>) -> Option<Self> {
        let scheme = scheme_of(digest)?;
        // A part of the result verifies as well as all of it, with more passwords that are wrong.
        let is_whole = result.len() == result_bytes(scheme);
        (rounds > 0 && is_whole).then_some(Self { scheme, rounds, salt, result })
    }

    /// `sha256$rounds$salt$base64`.
    fn of_django(rest: &str) -> Option<Self> {
        let [digest, rounds, salt, result] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        Self::new(digest, rounds.parse().ok()?, salt.into(), STANDARD.decode(result).ok()?)
    }

    /// `sha256:rounds$salt$hex`.
    fn of_werkzeug(rest: &str) -> Option<Self> {
        let [method, salt, result] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        let (digest, rounds) = match method.split_once(':') {
            Some((digest, rounds)) => (digest, rounds.parse().ok()?),
            None => (method, WERKZEUGS_FIRST_ROUNDS),
        };
        Self::new(digest, rounds, salt.into(), hex::decode(result).ok()?)
    }

    /// `-sha256$rounds$salt$result`, in passlib's own base64; no digest is SHA-1.
    fn of_passlib(rest: &str) -> Option<Self> {
        let [digest, rounds, salt, result] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        let digest = if digest.is_empty() { "sha1" } else { digest.strip_prefix('-')? };
        Self::new(digest, rounds.parse().ok()?, from_passlib(salt)?, from_passlib(result)?)
    }
}

impl Verifier for Pbkdf2Hash {
    fn scheme(&self) -> HashScheme {
        self.scheme
    }

    fn is_too_costly(&self, _: &HashPolicy) -> bool {
        self.rounds > MAX_ROUNDS
    }

    fn verify(&self, password: &[u8]) -> bool {
        let mut result = vec![0; self.result.len()];
        let derive = match self.scheme {
            HashScheme::Pbkdf2Sha1 => pbkdf2_hmac::<Sha1>,
            HashScheme::Pbkdf2Sha512 => pbkdf2_hmac::<Sha512>,
            _ => pbkdf2_hmac::<Sha256>,
        };
        derive(password, &self.salt, self.rounds, &mut result);
        result.ct_eq(&self.result).into()
    }
}
