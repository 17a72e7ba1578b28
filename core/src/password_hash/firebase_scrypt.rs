//! Firebase's scrypt: the project's key, encrypted under what scrypt derives from the password.

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ctr::Ctr128BE;
use subtle::ConstantTimeEq;

use super::scrypt::ScryptCost;
use super::{HashScheme, Verifier};
use crate::HashPolicy;

/// `$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash` with everything in base64, as Supabase Auth writes it
/// (its `internal/crypto/password.go`).
pub(super) struct FirebaseScryptHash {
    cost: ScryptCost,
    /// The salt with the project's separator behind it.
    salt: Vec<u8>,
    signer_key: Vec<u8>,
    result: Vec<u8>,
}

impl FirebaseScryptHash {
    pub(super) fn read(text: &str) -> Option<Self> {
        let [options, salt, result] =
            text.strip_prefix("$fbscrypt$")?.split('$').collect::<Vec<_>>().try_into().ok()?;
        let [version, log_n, r, p, separator, signer_key] = options.split(',').collect::<Vec<_>>().try_into().ok()?;
        let number = |option: &str, name| option.strip_prefix(name)?.parse::<u32>().ok();
        let bytes = |text: &str| STANDARD.decode(text).ok();
        (version == "v=1").then_some(())?;
        let cost = ScryptCost::new(u8::try_from(number(log_n, "n=")?).ok()?, number(r, "r=")?, number(p, "p=")?)?;
        let mut salt = bytes(salt)?;
        salt.extend(bytes(separator.strip_prefix("ss=")?)?);
        let (signer_key, result) = (bytes(signer_key.strip_prefix("sk=")?)?, bytes(result)?);
        // The key is encrypted byte by byte: an empty one would be any password's.
        (result.len() >= 16 && result.len() == signer_key.len()).then_some(Self { cost, salt, signer_key, result })
    }
}

impl Verifier for FirebaseScryptHash {
    fn scheme(&self) -> HashScheme {
        HashScheme::FirebaseScrypt
    }

    fn is_too_costly(&self, policy: &HashPolicy) -> bool {
        self.cost.is_too_high(policy)
    }

    fn is_verified_by_supabase(&self) -> bool {
        true
    }

    fn verify(&self, password: &[u8]) -> bool {
        let mut key = [0; 32];
        if !self.cost.derive(password, &self.salt, &mut key) {
            return false;
        }
        let mut encrypted = self.signer_key.clone();
        Ctr128BE::<Aes256>::new(&key.into(), &[0; 16].into()).apply_keystream(&mut encrypted);
        encrypted.ct_eq(&self.result).into()
    }
}
