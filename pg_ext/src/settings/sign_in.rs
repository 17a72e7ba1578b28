//! The settings of signing in with a password.

use pgrx::guc::{GucFlags, GucSetting};

use super::Number;

/// 5: a person who does not remember gives up or resets the password by then; NIST SP 800-63B-4 §3.2.2 allows up to 100.
static MAX_FAILURES: GucSetting<i32> = GucSetting::<i32>::new(5);

/// 30 seconds, doubled with each further failure (OWASP Authentication Cheat Sheet, "exponential lockout"): a guesser loses far
/// more by it than a person.
static LOCKOUT: GucSetting<i32> = GucSetting::<i32>::new(30);

/// 15 minutes: whoever fails on purpose to lock somebody out locks them out for so long, and no longer.
static MAX_LOCKOUT: GucSetting<i32> = GucSetting::<i32>::new(15 * 60);

/// 100 in a quarter of an hour: an office or a mobile carrier behind one address has several people who mistype; one that tries the
/// same password on thousands of accounts is stopped (OWASP Credential Stuffing Prevention).
static MAX_FAILURES_PER_ADDRESS: GucSetting<i32> = GucSetting::<i32>::new(100);

pub(super) fn define() {
    let settings = [
        Number {
            name: c"registrar.sign_in_max_failures",
            meaning: c"How many wrong passwords in a row for one address or number are answered before it is locked.",
            detail: c"A right password begins anew.",
            setting: &MAX_FAILURES,
            range: 1..=100,
            unit: GucFlags::empty(),
        },
        Number {
            name: c"registrar.sign_in_lockout",
            meaning: c"How long the first lock lasts; each further failure doubles it.",
            detail: c"The setting in force when somebody tries decides.",
            setting: &LOCKOUT,
            range: 1..=3600,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.sign_in_max_lockout",
            meaning: c"How long a lock lasts at most.",
            detail: c"Somebody who fails on purpose locks the owner out for so long.",
            setting: &MAX_LOCKOUT,
            range: 1..=24 * 3600,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.sign_in_max_failures_per_address",
            meaning:
                c"How many wrong passwords from one address within 15 minutes are answered, whoever's they were to be.",
            detail: c"0 sets no limit. The address is the one that registrar.trusted_proxies vouch for.",
            setting: &MAX_FAILURES_PER_ADDRESS,
            range: 0..=1_000_000,
            unit: GucFlags::empty(),
        },
    ];
    settings.into_iter().for_each(Number::define);
}

/// The lock after so many failures in a row, in seconds; `None` where there is none yet.
pub(crate) fn sign_in_lockout(failures: i64) -> Option<i32> {
    let beyond = failures - i64::from(MAX_FAILURES.get());
    let doubled = LOCKOUT.get().saturating_mul(1_i32.checked_shl(u32::try_from(beyond).ok()?.min(30))?);
    Some(doubled.min(MAX_LOCKOUT.get()))
}

/// After how many failures in a row a lock lasts as long as any: more need not be counted.
pub(crate) fn sign_in_failures_to_longest_lockout() -> i64 {
    let first = i64::from(MAX_FAILURES.get());
    let longest = i64::from(MAX_LOCKOUT.get());
    (first..)
        .find(|&failures| sign_in_lockout(failures).is_none_or(|lockout| i64::from(lockout) >= longest))
        .unwrap_or(first)
}

/// Wrong passwords from one address; `None` where there is no limit.
pub(crate) fn sign_in_max_failures_per_address() -> Option<i64> {
    Some(MAX_FAILURES_PER_ADDRESS.get()).filter(|&limit| limit > 0).map(i64::from)
}
