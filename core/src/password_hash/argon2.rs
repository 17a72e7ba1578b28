//! argon2 (RFC 9106), as PHC strings.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use super::{HashScheme, Verifier};
use crate::{HashCost, HashPolicy};

/// Most lanes that are accepted.
const MAX_LANES: u32 = 16;
/// Salt and result of a hash that no password has: zeros.
const NOBODYS: &str = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    result: Vec<u8>,
}

/// Django puts the name of the algorithm before the PHC string, which is complete without it.
pub(super) fn without_djangos_prefix(text: &str) -> &str {
    text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text)
}

/// A hash at the cost of new ones that no password has.
pub(super) fn nobodys(policy: &HashPolicy) -> String {
    let argon2 = policy.argon2();
    let (memory, passes) = (argon2.params().m_cost(), argon2.params().t_cost());
    format!("$argon2id$v=19$m={memory},t={passes},p=1${NOBODYS}")
}

impl Argon2Hash {
    pub(super) fn read(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let algorithm = match hash.algorithm.as_str() {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return None,
        };
        // Strings of before version 19 may do without it.
        let version = match hash.version {
            None | Some(16) => Version::V0x10,
            Some(19) => Version::V0x13,
            Some(_) => return None,
        };
        Some(Self {
            algorithm,
            version,
            params: Params::try_from(&hash).ok()?,
            salt: hash.salt.as_ref()?.as_ref().to_vec(),
            result: hash.hash.as_ref()?.as_bytes().to_vec(),
        })
    }

    fn cost(&self) -> HashCost {
        HashCost { memory: self.params.m_cost(), passes: self.params.t_cost() }
    }
}

impl Verifier for Argon2Hash {
    fn scheme(&self) -> HashScheme {
        match self.algorithm {
            Algorithm::Argon2id => HashScheme::Argon2id,
            Algorithm::Argon2i => HashScheme::Argon2i,
            Algorithm::Argon2d => HashScheme::Argon2d,
        }
    }

    fn is_too_costly(&self, policy: &HashPolicy) -> bool {
        policy.dearest.is_below(self.cost()) || self.params.p_cost() > MAX_LANES
    }

    fn is_outdated(&self, policy: &HashPolicy) -> bool {
        self.algorithm != Algorithm::Argon2id || self.version != Version::V0x13 || self.cost().is_below(policy.new)
    }

    /// Version 19 of argon2id and argon2i only (its `internal/crypto/password.go`).
    fn is_verified_by_supabase(&self) -> bool {
        self.algorithm != Algorithm::Argon2d && self.version == Version::V0x13
    }

    fn verify(&self, password: &[u8]) -> bool {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut result = vec![0; self.result.len()];
        argon2.hash_password_into(password, &self.salt, &mut result).is_ok() && result.ct_eq(&self.result).into()
    }
}
