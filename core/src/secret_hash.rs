//! What rests in the database of a secret.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The 32 bytes of a SHA-256 or of an HMAC with it. Comparing two takes the same time whatever they hold.
#[derive(Debug, Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The SHA-256, for what is too long to be guessed.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The HMAC SHA-256 (RFC 2104) under a key, for what is short enough to be guessed: an address, a number, a code. Each part counts
    /// with its length: no two lists of parts run together into the same.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn keyed(key: &[u8], parts: &[&[u8]]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Self(mac.finalize().into_bytes().into())
    }

    /// A hash as it was stored; `None` where it is not 32 bytes.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

#[cfg(test)]
mod tests {
    use super::SecretHash;

    #[test]
    fn key_and_parts_count_each() {
        let hash = SecretHash::keyed(b"key", &[b"ab", b"c"]);
        assert_eq!(hash, SecretHash::keyed(b"key", &[b"ab", b"c"]));
        for other in [
            SecretHash::keyed(b"other", &[b"ab", b"c"]),
            SecretHash::keyed(b"key", &[b"a", b"bc"]),
            SecretHash::keyed(b"key", &[b"abc"]),
        ] {
            assert_ne!(hash, other);
        }
        assert_eq!(SecretHash::from_stored(hash.as_bytes()), Some(hash));
        assert_eq!(SecretHash::from_stored(b"short"), None);
    }
}
