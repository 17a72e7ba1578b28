//! scrypt (RFC 7914) as Django, passlib and Werkzeug write it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use scrypt::Params;
use subtle::ConstantTimeEq;

use super::{HashScheme, Verifier, from_passlib};
use crate::HashPolicy;

/// Most parallelism that is computed, one lane after the other.
const MAX_PARALLELISM: u32 = 16;

/// What scrypt costs.
pub(super) struct ScryptCost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl ScryptCost {
    pub(super) fn new(log_n: u8, r: u32, p: u32) -> Option<Self> {
        Params::new(log_n, r, p).ok().map(|_| Self { log_n, r, p })
    }

    /// `N` is a power of two.
    fn of_n(n: &str, r: &str, p: &str) -> Option<Self> {
        let n: u64 = n.parse().ok().filter(|n: &u64| n.is_power_of_two())?;
        Self::new(u8::try_from(n.ilog2()).ok()?, r.parse().ok()?, p.parse().ok()?)
    }

    /// It takes 128·r·N bytes.
    pub(super) fn is_too_high(&self, policy: &HashPolicy) -> bool {
        let kibibytes = (u128::from(self.r) << self.log_n) / 8;
        kibibytes > u128::from(policy.dearest.memory) || self.p > MAX_PARALLELISM
    }

    pub(super) fn derive(&self, password: &[u8], salt: &[u8], result: &mut [u8]) -> bool {
        Params::new(self.log_n, self.r, self.p)
            .is_ok_and(|params| scrypt::scrypt(password, salt, &params, result).is_ok())
    }
}

pub(super) struct ScryptHash {
    cost: ScryptCost,
    salt: Vec<u8>,
    result: Vec<u8>,
}

impl ScryptHash {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (hash, result_bytes) = if let Some(rest) = text.strip_prefix("scrypt$") {
            (Self::of_django(rest)?, 64)
        } else if let Some(rest) = text.strip_prefix("scrypt:") {
            (Self::of_werkzeug(rest)?, 64)
        } else {
            (Self::of_passlib(text.strip_prefix("$scrypt$")?)?, 32)
        };
        // A part of the result verifies as well as all of it, with more passwords that are wrong.
        (hash.result.len() == result_bytes).then_some(hash)
    }

    /// `N$salt$r$p$base64`.
    fn of_django(rest: &str) -> Option<Self> {
        let [n, salt, r, p, result] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { cost: ScryptCost::of_n(n, r, p)?, salt: salt.into(), result: STANDARD.decode(result).ok()? })
    }

    /// `N:r:p$salt$hex`.
    fn of_werkzeug(rest: &str) -> Option<Self> {
        let [cost, salt, result] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        let [n, r, p] = cost.split(':').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { cost: ScryptCost::of_n(n, r, p)?, salt: salt.into(), result: hex::decode(result).ok()? })
    }

    /// `ln=16,r=8,p=1$salt$result`.
    fn of_passlib(rest: &str) -> Option<Self> {
        let [cost, salt, result] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
        let [log_n, r, p] = cost.split(',').collect::<Vec<_>>().try_into().ok()?;
        let [log_n, r, p] = [log_n.strip_prefix("ln=")?, r.strip_prefix("r=")?, p.strip_prefix("p=")?];
        let cost = ScryptCost::new(log_n.parse().ok()?, r.parse().ok()?, p.parse().ok()?)?;
        Some(Self { cost, salt: from_passlib(salt)?, result: from_passlib(result)? })
    }
}

impl Verifier for ScryptHash {
    fn scheme(&self) -> HashScheme {
        HashScheme::Scrypt
    }

    fn is_too_costly(&self, policy: &HashPolicy) -> bool {
        self.cost.is_too_high(policy)
    }

    fn verify(&self, password: &[u8]) -> bool {
        let mut result = vec![0; self.result.len()];
        self.cost.derive(password, &self.salt, &mut result) && result.ct_eq(&self.result).into()
    }
}
