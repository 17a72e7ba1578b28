//! What hashing a password may cost.

use argon2::{Algorithm, Argon2, Params, Version};

/// The cost of one hash of argon2 (RFC 9106), with one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB; 8 at least.
    pub memory: u32,
    /// Passes over it; 1 at least.
    pub passes: u32,
}

/// The cost of new hashes, and of those that come from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashPolicy {
    /// What a new hash costs. A cheaper one is replaced when its password is next known.
    pub new: HashCost,
    /// The dearest hash that is computed: a hostile one must not stall the server that verifies it.
    pub dearest: HashCost,
}

impl Default for HashPolicy {
    /// New ones with 19 MiB and two passes (OWASP Password Storage Cheat Sheet), about 30 ms of one core; at most 256 MiB and ten passes.
    fn default() -> Self {
        Self {
            new: HashCost { memory: Params::DEFAULT_M_COST, passes: Params::DEFAULT_T_COST },
            dearest: HashCost { memory: 256 * 1024, passes: 10 },
        }
    }
}

impl HashCost {
    /// Whether either part is less than of another.
    pub(crate) fn is_below(self, other: Self) -> bool {
        self.memory < other.memory || self.passes < other.passes
    }
}

impl HashPolicy {
    /// What makes new hashes. Costs below what argon2 can do are raised to it.
    pub(crate) fn argon2(&self) -> Argon2<'static> {
        let HashCost { memory, passes } = self.new;
        let params = Params::new(memory.max(Params::MIN_M_COST), passes.max(Params::MIN_T_COST), 1, None);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap_or(Params::DEFAULT))
    }
}
