//! Hashes under a key, for what is too short to be hashed without one: a code of six digits, an address, a number.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// An HMAC SHA-256 (RFC 2104). Comparing two takes the same time whatever they hold.
#[derive(Debug, Clone, Copy)]
pub struct KeyedHash([u8; 32]);

impl KeyedHash {
    /// The hash of several parts, each of which counts with its length: no two lists of parts run together into the same.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn of(key: &[u8], parts: &[&[u8]]) -> Self {
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

impl PartialEq for KeyedHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyedHash {}

#[cfg(test)]
mod tests {
    use super::KeyedHash;

    #[test]
    fn key_and_parts_count_each() {
        let hash = KeyedHash::of(b"key", &[b"ab", b"c"]);
        assert_eq!(hash, KeyedHash::of(b"key", &[b"ab", b"c"]));
        for other in [
            KeyedHash::of(b"other", &[b"ab", b"c"]),
            KeyedHash::of(b"key", &[b"a", b"bc"]),
            KeyedHash::of(b"key", &[b"abc"]),
        ] {
            assert_ne!(hash, other);
        }
        assert_eq!(KeyedHash::from_stored(hash.as_bytes()), Some(hash));
        assert_eq!(KeyedHash::from_stored(b"short"), None);
    }
}
