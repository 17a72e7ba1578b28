//! SHA-256-crypt and SHA-512-crypt (<https://www.akkadia.org/drepper/SHA-crypt.txt>).

use sha_crypt::{Params, PasswordHashRef, PasswordVerifier, ShaCrypt};

use super::{HashScheme, Verifier};
use crate::HashPolicy;

/// Most rounds that are computed, about a second; passlib makes 656,000.
const MAX_ROUNDS: u32 = 2_000_000;

pub(super) struct ShaCryptHash {
    scheme: HashScheme,
    rounds: u32,
    text: String,
}

impl ShaCryptHash {
    /// `$5$rounds=5000$salt$result`, the rounds only where they are not 5000.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, rest, result_length) = match text.split_at_checked(3)? {
            ("$5$", rest) => (HashScheme::Sha256Crypt, rest, 43),
            ("$6$", rest) => (HashScheme::Sha512Crypt, rest, 86),
            _ => return None,
        };
        let rounds = match rest.strip_prefix("rounds=") {
            Some(rest) => rest.split('$').next()?.parse().ok()?,
            None => Params::RECOMMENDED_ROUNDS,
        };
        let is_whole = rest.rsplit('$').next().is_some_and(|result| result.len() == result_length);
        let is_readable = PasswordHashRef::new(text).is_ok();
        (is_whole && is_readable).then(|| Self { scheme, rounds, text: text.to_owned() })
    }
}

impl Verifier for ShaCryptHash {
    fn scheme(&self) -> HashScheme {
        self.scheme
    }

    fn is_too_costly(&self, _: &HashPolicy) -> bool {
        self.rounds > MAX_ROUNDS
    }

    fn verify(&self, password: &[u8]) -> bool {
        PasswordHashRef::new(&self.text).is_ok_and(|hash| ShaCrypt::default().verify_password(password, hash).is_ok())
    }
}
