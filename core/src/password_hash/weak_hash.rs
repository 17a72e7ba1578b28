//! One round of SHA-1 or MD5: what no table should hold. Such a hash is itself hashed with argon2id before it is stored.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Md5;
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};

use super::argon2::Argon2Hash;
use super::{HashScheme, PasswordHash, Verifier};
use crate::HashPolicy;

/// What a wrapped hash begins with.
const WRAPPED: &str = "$registrar-wrapped$";

/// A hash of one round of SHA-1 or MD5, salted or not: Django's `sha1$salt$hex` and `md5$salt$hex`, the `{SHA}`, `{SSHA}`, `{MD5}` and `{SMD5}`
/// of LDAP (RFC 2307), and plain hexadecimal digits. Debug shows nothing of it.
#[derive(Debug, Clone)]
pub struct WeakHash {
    digest: SaltedDigest,
    result: SecretString,
}

/// How the password was digested.
#[derive(Debug, Clone)]
struct SaltedDigest {
    scheme: HashScheme,
    salt: Vec<u8>,
    /// Whether the salt stands before the password.
    salt_first: bool,
}

impl SaltedDigest {
    fn of(&self, password: &[u8]) -> String {
        let parts: [&[u8]; 2] = if self.salt_first { [&self.salt, password] } else { [password, &self.salt] };
        match self.scheme {
            HashScheme::Sha1 => hex::encode(Sha1::digest(parts.concat())),
            _ => hex::encode(Md5::digest(parts.concat())),
        }
    }
}

fn result_bytes(scheme: HashScheme) -> usize {
    if scheme == HashScheme::Sha1 { 20 } else { 16 }
}

impl WeakHash {
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::of_ldap(text).or_else(|| Self::of_django(text)).or_else(|| Self::plain(text))
    }

    fn new(scheme: HashScheme, salt: Vec<u8>, salt_first: bool, result: &[u8]) -> Option<Self> {
        (result.len() == result_bytes(scheme))
            .then(|| Self { digest: SaltedDigest { scheme, salt, salt_first }, result: hex::encode(result).into() })
    }

    fn of_ldap(text: &str) -> Option<Self> {
        let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
        let scheme = match name.to_ascii_uppercase().as_str() {
            "SHA" | "SSHA" => HashScheme::Sha1,
            "MD5" | "SMD5" => HashScheme::Md5,
            _ => return None,
        };
        let bytes = STANDARD.decode(rest).ok()?;
        let (result, salt) = bytes.split_at_checked(result_bytes(scheme))?;
        Self::new(scheme, salt.to_vec(), false, result)
    }

    fn of_django(text: &str) -> Option<Self> {
        let [name, salt, result] = text.split('$').collect::<Vec<_>>().try_into().ok()?;
        let scheme = match name {
            "sha1" => HashScheme::Sha1,
            "md5" => HashScheme::Md5,
            _ => return None,
        };
        Self::new(scheme, salt.into(), true, &hex::decode(result).ok()?)
    }

    fn plain(text: &str) -> Option<Self> {
        let result = hex::decode(text).ok()?;
        let scheme = if result.len() == result_bytes(HashScheme::Sha1) { HashScheme::Sha1 } else { HashScheme::Md5 };
        Self::new(scheme, Vec::new(), true, &result)
    }

    /// How it was made.
    #[must_use]
    pub fn scheme(&self) -> HashScheme {
        self.digest.scheme
    }

    /// The hash of this hash with argon2id and a new salt, at the cost of a policy: about 30 ms of one core. Whoever has it has to guess at
    /// that cost, whatever the hash within.
    #[must_use]
    pub fn wrapped(&self, policy: &HashPolicy) -> PasswordHash {
        let SaltedDigest { scheme, salt, salt_first } = &self.digest;
        let order = if *salt_first { "salt-first" } else { "salt-last" };
        let argon2id = PasswordHash::of(self.result.expose_secret().as_bytes(), policy);
        let salt = URL_SAFE_NO_PAD.encode(salt);
        PasswordHash::trusted(format!("{WRAPPED}{scheme},{order},{salt}{}", argon2id.expose()))
    }
}

/// A weak hash within one of argon2id.
pub(super) struct WrappedHash {
    digest: SaltedDigest,
    outer: Argon2Hash,
}

impl WrappedHash {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (inner, outer) = text.strip_prefix(WRAPPED)?.split_once('$')?;
        let [scheme, order, salt] = inner.split(',').collect::<Vec<_>>().try_into().ok()?;
        let scheme = match scheme {
            "sha1" => HashScheme::Sha1,
            "md5" => HashScheme::Md5,
            _ => return None,
        };
        let salt = URL_SAFE_NO_PAD.decode(salt).ok()?;
        let digest = SaltedDigest { scheme, salt, salt_first: order == "salt-first" };
        Some(Self { digest, outer: Argon2Hash::read(&format!("${outer}"))? })
    }
}

impl Verifier for WrappedHash {
    fn scheme(&self) -> HashScheme {
        self.digest.scheme
    }

    fn is_too_costly(&self, policy: &HashPolicy) -> bool {
        self.outer.is_too_costly(policy)
    }

    fn verify(&self, password: &[u8]) -> bool {
        self.outer.verify(self.digest.of(password).as_bytes())
    }
}
