//! The key that makes a registration safe to retry.

use sha2::{Digest, Sha256};

use crate::FieldError;

/// An idempotency key as its SHA-256, which is all that is stored of it.
///
/// See draft-ietf-httpapi-idempotency-key-header: a key names one operation of one caller; a UUID serves well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey([u8; 32]);

impl IdempotencyKey {
    /// Reads a key of 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// `validation_failed` on `idempotency_key`.
    pub fn parse(key: &str) -> Result<Self, FieldError> {
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(FieldError::invalid(
                "idempotency_key",
                "The idempotency key is not 1 to 255 visible ASCII characters.",
            )
            .with_hint("Send a new UUID for each registration, and the same one when you retry it."));
        }
        Ok(Self(Sha256::digest(key).into()))
    }

    /// The SHA-256 of the key.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii() {
        assert!(IdempotencyKey::parse("0b8e5d0e-5d5c-4b6e-9a53-0d3a6f1c9f10").is_ok());
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_ok());
        for key in ["", "with space", "tab\t", "é", &"k".repeat(256)] {
            assert!(IdempotencyKey::parse(key).is_err(), "{key:?}");
        }
    }
}
