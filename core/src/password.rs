//! Plain passwords, and what a caller sends for one.

use secrecy::{ExposeSecret, SecretString};

use crate::{FieldError, HashPolicy, PasswordHash, password_policy};

/// A plain password that meets the policy. Debug shows nothing of it, and it is wiped from memory when dropped.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Most bytes of a password: above any passphrase, below what makes hashing it a burden (OWASP Password Storage).
    pub const MAX_BYTES: usize = 1024;

    /// Checks a new password by the policy. `known` are the user's address, number and name, as far as they are at hand: a password that is no
    /// more than one of them is weak.
    ///
    /// # Errors
    /// Every reason at once, on `password`: `weak_password` below 8 characters, and for one of the ten thousand most used or one that is no
    /// harder to guess; `validation_failed` above 1024 bytes.
    pub fn parse(typed: SecretString, known: &[&str]) -> Result<Self, Vec<FieldError>> {
        let reasons = password_policy::reasons(typed.expose_secret(), known);
        if reasons.is_empty() { Ok(Self(typed)) } else { Err(reasons) }
    }

    /// Hashes with argon2id and a new salt, at the default cost: 19 MiB, two passes, one lane, about 30 ms of one core.
    ///
    /// # Panics
    /// As [`hash_with`](Self::hash_with).
    #[must_use]
    pub fn hash(&self) -> PasswordHash {
        self.hash_with(&HashPolicy::default())
    }

    /// The same at the cost of a policy.
    ///
    /// # Panics
    /// Where the operating system has no randomness, or not as much memory.
    #[must_use]
    pub fn hash_with(&self, policy: &HashPolicy) -> PasswordHash {
        PasswordHash::of(self.0.expose_secret().as_bytes(), policy)
    }
}

/// What a caller sends as the user's password: the plain one, its hash, or (as `Option::None`) neither.
#[derive(Debug, Clone)]
pub enum Credential {
    /// To be hashed where it arrives.
    Password(Password),
    /// To be stored as it is.
    Hash(PasswordHash),
}

impl Credential {
    /// Reads what was sent, of which there can be one only. `known` is as in [`Password::parse`].
    ///
    /// # Errors
    /// Those of [`Password::parse`] and [`PasswordHash::parse`], and `validation_failed` where both were sent.
    pub fn parse(
        hash: Option<SecretString>,
        password: Option<SecretString>,
        known: &[&str],
        policy: &HashPolicy,
    ) -> Result<Option<Self>, Vec<FieldError>> {
        match (hash, password) {
            (None, None) => Ok(None),
            (Some(hash), None) => {
                PasswordHash::parse_within(policy, hash).map(|hash| Some(Self::Hash(hash))).map_err(|error| vec![error])
            }
            (None, Some(password)) => Password::parse(password, known).map(|password| Some(Self::Password(password))),
            (Some(_), Some(_)) => {
                let both = FieldError::invalid("password_hash", "Both a password and a password hash were sent.");
                Err(vec![both.with_hint("Send one of them.")])
            }
        }
    }

    /// The hash to store, made now where only the password is known.
    #[must_use]
    pub fn into_hash(self, policy: &HashPolicy) -> PasswordHash {
        match self {
            Self::Password(password) => password.hash_with(policy),
            Self::Hash(hash) => hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_uses_the_documented_parameters_and_verifies() {
        let hash = Password::parse("correct horse battery staple".into(), &[]).unwrap().hash();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.verify(&"correct horse battery staple".into()));
        assert!(PasswordHash::parse(hash.expose().into()).is_ok());
    }

    #[test]
    fn debug_shows_no_secret() {
        let password = Password::parse("correct horse".into(), &[]).unwrap();
        let hash = password.hash();
        let shown = format!("{password:?} {:?}", Credential::Hash(hash.clone()));
        let secret = hash.expose().rsplit('$').next().unwrap();
        assert!(!shown.contains("horse") && !shown.contains(secret), "{shown}");
    }
}
