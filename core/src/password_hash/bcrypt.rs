//! bcrypt in its variants.

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{HashScheme, Verifier};
use crate::HashPolicy;

/// Dearest that is verified, as log2 of its rounds.
const MAX_COST: u32 = 16;
/// Cheapest that is left as it is (OWASP Password Storage Cheat Sheet).
const MIN_COST: u32 = 10;
/// How much of a password bcrypt looks at.
const KEY_BYTES: usize = 72;

pub(super) struct BcryptHash {
    cost: u32,
    salt: [u8; 16],
    result: Vec<u8>,
    variant: Variant,
}

/// What bcrypt is given for a password.
enum Variant {
    /// The password.
    Plain,
    /// The password, its bytes beyond ASCII taken for negative numbers.
    SignExtended,
    /// Django: the hexadecimal digits of its SHA-256.
    HexOfSha256,
    /// passlib up to 1.7.2: the base64 of its SHA-256.
    Base64OfSha256,
    /// passlib since: the base64 of its HMAC under the salt, in bcrypt's own spelling.
    Base64OfHmac(String),
}

/// Django puts a name before the hash, which is complete without it.
pub(super) fn without_djangos_prefix(text: &str) -> &str {
    text.strip_prefix("bcrypt$").filter(|rest| rest.starts_with("$2")).unwrap_or(text)
}

impl BcryptHash {
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(hash) = text.strip_prefix("bcrypt_sha256$") {
            return Self::of(hash, Variant::HexOfSha256);
        }
        if let Some(hash) = text.strip_prefix("$bcrypt-sha256$") {
            return Self::of_passlib(hash);
        }
        let variant = if text.starts_with("$2x$") { Variant::SignExtended } else { Variant::Plain };
        Self::of(text, variant)
    }

    fn of(hash: &str, variant: Variant) -> Option<Self> {
        let known = ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix));
        let parts: bcrypt::HashParts = hash.parse().ok().filter(|_| known)?;
        let result = GeneralPurpose::new(&BCRYPT, NO_PAD).decode(hash.get(29..)?).ok()?;
        let (cost, salt) = (parts.get_cost(), parts.get_salt_raw());
        (4..=31).contains(&cost).then_some(Self { cost, salt, result, variant })
    }

    /// `2b,12$salt$result`, or `v=2,t=2b,r=12$salt$result`.
    fn of_passlib(hash: &str) -> Option<Self> {
        let [options, salt, result] = hash.split('$').collect::<Vec<_>>().try_into().ok()?;
        let (kind, cost, variant) = match options.strip_prefix("v=2,t=") {
            Some(options) => {
                let (kind, cost) = options.split_once(",r=")?;
                (kind, cost, Variant::Base64OfHmac(salt.to_owned()))
            }
            None => {
                let (kind, cost) = options.split_once(',')?;
                (kind, cost, Variant::Base64OfSha256)
            }
        };
        let cost: u32 = cost.parse().ok()?;
        Self::of(&format!("${kind}${cost:02}${salt}{result}"), variant)
    }

    /// The bytes that bcrypt takes for a password, at most 72.
    fn key(&self, password: &[u8]) -> Vec<u8> {
        match &self.variant {
            Variant::Plain => with_end(password),
            Variant::SignExtended => sign_extended(&with_end(password)),
            Variant::HexOfSha256 => with_end(hex::encode(Sha256::digest(password)).as_bytes()),
            Variant::Base64OfSha256 => with_end(STANDARD.encode(Sha256::digest(password)).as_bytes()),
            Variant::Base64OfHmac(salt) => {
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else { return Vec::new() };
                mac.update(password);
                with_end(STANDARD.encode(mac.finalize().into_bytes()).as_bytes())
            }
        }
    }
}

/// As far as bcrypt looks: the password with the zero that ends it, or its first 72 bytes.
fn with_end(password: &[u8]) -> Vec<u8> {
    password.iter().copied().chain([0]).take(KEY_BYTES).collect()
}

/// The key that makes a right bcrypt do what `crypt_blowfish` did up to 1.0.4: its eighteen words were put together from the repeated key with
/// each byte as a signed number, so that one beyond ASCII overwrote the bytes before it in its word.
fn sign_extended(key: &[u8]) -> Vec<u8> {
    let mut bytes = key.iter().cycle();
    let word = |_| {
        bytes.by_ref().take(4).fold(0_u32, |word, byte| (word << 8) | i32::from(byte.cast_signed()).cast_unsigned())
    };
    (0..KEY_BYTES / 4).map(word).flat_map(u32::to_be_bytes).collect()
}

impl Verifier for BcryptHash {
    fn scheme(&self) -> HashScheme {
        match self.variant {
            Variant::Plain => HashScheme::Bcrypt,
            Variant::SignExtended => HashScheme::Bcrypt2x,
            Variant::HexOfSha256 | Variant::Base64OfSha256 | Variant::Base64OfHmac(_) => HashScheme::BcryptSha256,
        }
    }

    fn is_too_costly(&self, _: &HashPolicy) -> bool {
        self.cost > MAX_COST
    }

    fn is_outdated(&self, _: &HashPolicy) -> bool {
        !matches!(self.variant, Variant::Plain) || self.cost < MIN_COST
    }

    fn is_verified_by_supabase(&self) -> bool {
        matches!(self.variant, Variant::Plain)
    }

    fn sees(&self) -> usize {
        match self.variant {
            Variant::Plain | Variant::SignExtended => KEY_BYTES,
            Variant::HexOfSha256 | Variant::Base64OfSha256 | Variant::Base64OfHmac(_) => usize::MAX,
        }
    }

    fn verify(&self, password: &[u8]) -> bool {
        let result = bcrypt::bcrypt(self.cost, self.salt, &self.key(password));
        result[..self.result.len()].ct_eq(&self.result).into()
    }
}
