//! The hashes of passwords: those that registrar makes, and those that users bring from elsewhere.

mod argon2;
mod bcrypt;
mod firebase_scrypt;
mod pbkdf2;
mod phpass;
mod scheme;
mod scrypt;
mod sha_crypt;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
mod weak_hash;

use ::argon2::password_hash::PasswordHasher;
use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};

use self::argon2::Argon2Hash;
use self::bcrypt::BcryptHash;
use self::firebase_scrypt::FirebaseScryptHash;
use self::pbkdf2::Pbkdf2Hash;
use self::phpass::PhpassHash;
pub use self::scheme::HashScheme;
use self::scrypt::ScryptHash;
use self::sha_crypt::ShaCryptHash;
pub use self::weak_hash::WeakHash;
use self::weak_hash::WrappedHash;
use crate::{FieldError, HashPolicy};

/// Longest hash that `auth.users.encrypted_password varchar(255)` holds.
const MAX_BYTES_WITH_USER: usize = 255;
/// Longest that is read at all: above any with the key of a Firebase project in it.
const MAX_BYTES: usize = 1024;

/// A hash that was read, ready to verify passwords with.
trait Verifier {
    fn scheme(&self) -> HashScheme;

    /// Whether computing it would take more than is allowed.
    fn is_too_costly(&self, policy: &HashPolicy) -> bool;

    /// Whether its password, once known, should be hashed anew: what registrar does not make itself is.
    fn is_outdated(&self, _: &HashPolicy) -> bool {
        true
    }

    /// Whether Supabase Auth verifies such a hash too.
    fn is_verified_by_supabase(&self) -> bool {
        false
    }

    /// How many bytes of a password it looks at.
    fn sees(&self) -> usize {
        usize::MAX
    }

    /// Whether it is the hash of that password. Costs what the hash was made to cost.
    fn verify(&self, password: &[u8]) -> bool;
}

/// How a hash is read: `None` where it is of another scheme, or not whole.
type Reader = fn(&str) -> Option<Box<dyn Verifier>>;

/// No two of them read the same text.
const READERS: [Reader; 8] = [
    |text| Some(Box::new(Argon2Hash::read(text)?)),
    |text| Some(Box::new(BcryptHash::read(text)?)),
    |text| Some(Box::new(Pbkdf2Hash::read(text)?)),
    |text| Some(Box::new(ScryptHash::read(text)?)),
    |text| Some(Box::new(FirebaseScryptHash::read(text)?)),
    |text| Some(Box::new(PhpassHash::read(text)?)),
    |text| Some(Box::new(ShaCryptHash::read(text)?)),
    |text| Some(Box::new(WrappedHash::read(text)?)),
];

fn verifier(text: &str) -> Option<Box<dyn Verifier>> {
    READERS.iter().find_map(|read| read(text))
}

/// A password hash of a known scheme, complete, and no dearer to verify than allowed. Debug shows nothing of it.
#[derive(Debug, Clone)]
pub struct PasswordHash {
    text: SecretString,
    /// What the app that made it put behind each password.
    pepper: Option<SecretString>,
}

/// Why a hash cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// It is not one of the schemes, or not whole.
    #[error("This is not a password hash of a known scheme.")]
    UnknownScheme,
    /// Verifying it would stall the server.
    #[error("The password hash is too costly to verify.")]
    TooCostly,
    /// It is above 1024 characters.
    #[error("The password hash is longer than 1024 characters.")]
    TooLong,
    /// One round of SHA-1 or MD5, and weak ones were not asked for.
    #[error("The password hash is weak: one round of {0}.")]
    Weak(HashScheme),
}

/// A hash that comes from elsewhere.
#[derive(Debug, Clone)]
pub enum ForeignHash {
    /// One to keep as it is.
    Strong(PasswordHash),
    /// One to keep only [`wrapped`](WeakHash::wrapped).
    Weak(WeakHash),
}

impl ForeignHash {
    /// Reads a hash as another system stored it. The name that Django puts before a complete hash of argon2 or bcrypt is taken off.
    ///
    /// # Errors
    /// [`HashFault::UnknownScheme`], [`HashFault::TooCostly`] or [`HashFault::TooLong`].
    pub fn read(policy: &HashPolicy, text: &str) -> Result<Self, HashFault> {
        if text.len() > MAX_BYTES {
            return Err(HashFault::TooLong);
        }
        let text = bcrypt::without_djangos_prefix(argon2::without_djangos_prefix(text));
        match verifier(text) {
            Some(verifier) if verifier.is_too_costly(policy) => Err(HashFault::TooCostly),
            Some(_) => Ok(Self::Strong(PasswordHash::trusted(text.to_owned()))),
            None => WeakHash::read(text).map(Self::Weak).ok_or(HashFault::UnknownScheme),
        }
    }

    /// How it was made.
    #[must_use]
    pub fn scheme(&self) -> HashScheme {
        match self {
            Self::Strong(hash) => hash.scheme(),
            Self::Weak(hash) => hash.scheme(),
        }
    }
}

impl PasswordHash {
    /// Checks that a string is a hash that both registrar and Supabase Auth verify: a PHC string of argon2id or argon2i (version 19), bcrypt in
    /// modular crypt format (`$2a$`, `$2b$`, `$2y$`), or Firebase's scrypt as Supabase Auth writes it; no dearer to verify than the default policy
    /// allows.
    ///
    /// # Errors
    /// As [`parse_within`](Self::parse_within).
    pub fn parse(hash: SecretString) -> Result<Self, FieldError> {
        Self::parse_within(&HashPolicy::default(), hash)
    }

    /// The same, no dearer than a policy allows (argon2, scrypt), or cost 16 (bcrypt).
    ///
    /// # Errors
    /// `validation_failed` on `password_hash`, with the accepted schemes as hint; the hash is never repeated.
    pub fn parse_within(policy: &HashPolicy, hash: SecretString) -> Result<Self, FieldError> {
        let refused = |message: String| {
            FieldError::invalid("password_hash", message).with_hint(
                "Accepted are PHC strings of argon2id and argon2i (v=19), bcrypt ($2a$, $2b$, $2y$), and $fbscrypt$.",
            )
        };
        let text = hash.expose_secret();
        if text.len() > MAX_BYTES_WITH_USER {
            return Err(refused("The password hash is longer than 255 characters.".into()));
        }
        match verifier(text).filter(|verifier| verifier.is_verified_by_supabase()) {
            None => Err(refused(HashFault::UnknownScheme.to_string())),
            Some(verifier) if verifier.is_too_costly(policy) => Err(refused(HashFault::TooCostly.to_string())),
            Some(_) => Ok(Self { text: hash, pepper: None }),
        }
    }

    /// A hash that stands in a table of registrar's own, which was read once before it was put there. `None` where the policy has become stricter
    /// since.
    #[must_use]
    pub fn stored(policy: &HashPolicy, text: SecretString, pepper: Option<SecretString>) -> Option<Self> {
        let verifier = verifier(text.expose_secret())?;
        (!verifier.is_too_costly(policy)).then_some(Self { text, pepper })
    }

    /// Hashes with argon2id and a new salt.
    ///
    /// # Panics
    /// Where the operating system has no randomness, or not as much memory.
    pub(crate) fn of(secret: &[u8], policy: &HashPolicy) -> Self {
        let hash = policy.argon2().hash_password(secret);
        Self::trusted(hash.expect("the parameters are valid, and randomness and memory are at hand").to_string())
    }

    fn trusted(text: String) -> Self {
        Self { text: text.into(), pepper: None }
    }

    /// The same for passwords behind which the app put a secret of its own, as Devise does.
    #[must_use]
    pub fn with_pepper(self, pepper: SecretString) -> Self {
        Self { pepper: Some(pepper), ..self }
    }

    /// The hash, to be stored.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// How it was made.
    ///
    /// # Panics
    /// Never: what is no hash does not become one of these.
    #[must_use]
    pub fn scheme(&self) -> HashScheme {
        self.verifier().scheme()
    }

    /// Whether it can stand in `auth.users`, where Supabase Auth verifies it too.
    #[must_use]
    pub fn is_for_auth_users(&self) -> bool {
        self.pepper.is_none() && self.expose().len() <= MAX_BYTES_WITH_USER && self.verifier().is_verified_by_supabase()
    }

    fn verifier(&self) -> Box<dyn Verifier> {
        verifier(self.expose()).expect("it was read when it was made")
    }

    /// A newer hash of a password that was verified against this one, where this one is cheaper than the policy's or not of registrar's own
    /// making: argon2id with less memory or fewer passes, bcrypt below cost 10 (OWASP Password Storage Cheat Sheet), any other scheme. bcrypt has seen
    /// the first 72 bytes only: of a longer password it is not known whether the rest is right, and it stays as it is.
    #[must_use]
    pub fn renewed(&self, policy: &HashPolicy, verified: &SecretString) -> Option<Self> {
        let verifier = self.verifier();
        let password = verified.expose_secret().as_bytes();
        let is_outdated = self.pepper.is_some() || verifier.is_outdated(policy);
        (is_outdated && password.len() <= verifier.sees()).then(|| Self::of(password, policy))
    }

    /// A hash at the cost of new ones that is nobody's, to be verified for who has none: the time shall not tell whether there is
    /// such a user.
    #[must_use]
    pub fn nobodys(policy: &HashPolicy) -> Self {
        Self::trusted(argon2::nobodys(policy))
    }

    /// Whether the password is the one that was hashed. Costs what the hash was made to cost.
    #[must_use]
    pub fn verify(&self, password: &SecretString) -> bool {
        let password = password.expose_secret().as_bytes();
        let pepper = self.pepper.as_ref().map_or("", |pepper| pepper.expose_secret()).as_bytes();
        self.verifier().verify(&[password, pepper].concat())
    }
}

/// passlib's base64 has a dot for the plus sign, and no padding.
fn from_passlib(text: &str) -> Option<Vec<u8>> {
    let alphabet = Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").ok()?;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone);
    GeneralPurpose::new(&alphabet, config).decode(text.replace('+', ".")).ok()
}
