//! The portable hash of phpass, which WordPress up to 6.7, Drupal 6 and phpBB 3 write (<https://www.openwall.com/phpass/>).

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::{HashScheme, Verifier};
use crate::HashPolicy;

/// The digits of its numbers and of its base64, least first.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Dearest that is computed, as log2 of its rounds; WordPress makes 2^13.
const MAX_LOG_ROUNDS: usize = 20;

pub(super) struct PhpassHash {
    log_rounds: usize,
    salt: Vec<u8>,
    result: String,
}

impl PhpassHash {
    /// `$P$`, one digit for the rounds, eight characters of salt, 22 of result.
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$P$").or_else(|| text.strip_prefix("$H$"))?.as_bytes();
        let is_whole = rest.len() == 31 && rest.iter().all(|digit| DIGITS.contains(digit));
        let log_rounds = DIGITS.iter().position(|digit| is_whole && *digit == rest[0])?;
        (7..=30).contains(&log_rounds).then(|| Self {
            log_rounds,
            salt: rest[1..9].to_vec(),
            result: String::from_utf8_lossy(&rest[9..]).into_owned(),
        })
    }
}

impl Verifier for PhpassHash {
    fn scheme(&self) -> HashScheme {
        HashScheme::Phpass
    }

    fn is_too_costly(&self, _: &HashPolicy) -> bool {
        self.log_rounds > MAX_LOG_ROUNDS
    }

    fn verify(&self, password: &[u8]) -> bool {
        let first = Md5::new().chain_update(&self.salt).chain_update(password).finalize();
        let round = |digest, _| Md5::new().chain_update(digest).chain_update(password).finalize();
        let result = (0..1_u32 << self.log_rounds).fold(first, round);
        written(&result).as_bytes().ct_eq(self.result.as_bytes()).into()
    }
}

/// Three bytes are four digits, the least first.
fn written(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().rev().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        text.extend((0..=group.len()).map(|digit| char::from(DIGITS[(number >> (6 * digit)) & 63])));
    }
    text
}
