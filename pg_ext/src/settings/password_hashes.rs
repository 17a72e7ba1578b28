//! The settings of what hashing a password may cost.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use registrar_core::{HashCost, HashPolicy};

use super::Number;

/// 19 MiB: with two passes the first choice of the OWASP Password Storage Cheat Sheet; about 30 ms of one core.
static MEMORY: GucSetting<i32> = GucSetting::<i32>::new(19 * 1024);

/// 2: see the memory.
static PASSES: GucSetting<i32> = GucSetting::<i32>::new(2);

/// 256 MiB: four times what other systems' defaults ask (64 MiB of argon2-cffi and Django), and no more than a server has for a sign-in.
static MAX_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(256 * 1024);

/// 10: with 256 MiB about two seconds; other systems' defaults ask up to 4.
static MAX_PASSES: GucSetting<i32> = GucSetting::<i32>::new(10);

/// Off: hashes that leave the database are hashes that can be guessed at (OWASP Password Storage Cheat Sheet), and whoever has the back end's
/// key need not have them.
static EXPORT: GucSetting<bool> = GucSetting::<bool>::new(false);

pub(super) fn define() {
    let settings = [
        Number {
            name: c"registrar.password_hash_memory",
            meaning: c"Memory that a new hash of a password (argon2id) takes.",
            detail: c"A cheaper hash is replaced when its user next signs in. OWASP asks for 7 MiB at the very least, with 5 passes.",
            setting: &MEMORY,
            range: 8..=4 * 1024 * 1024,
            unit: GucFlags::UNIT_KB,
        },
        Number {
            name: c"registrar.password_hash_passes",
            meaning: c"How often a new hash of a password (argon2id) goes over its memory.",
            detail: c"A cheaper hash is replaced when its user next signs in.",
            setting: &PASSES,
            range: 1..=100,
            unit: GucFlags::empty(),
        },
        Number {
            name: c"registrar.password_hash_max_memory",
            meaning: c"Memory that a stored or imported hash of a password may ask for.",
            detail: c"One that asks for more is refused, and where it is stored it counts as a wrong password.",
            setting: &MAX_MEMORY,
            range: 8..=4 * 1024 * 1024,
            unit: GucFlags::UNIT_KB,
        },
        Number {
            name: c"registrar.password_hash_max_passes",
            meaning: c"Passes that a stored or imported hash of a password may ask for.",
            detail: c"One that asks for more is refused, and where it is stored it counts as a wrong password.",
            setting: &MAX_PASSES,
            range: 1..=1000,
            unit: GucFlags::empty(),
        },
    ];
    settings.into_iter().for_each(Number::define);
    GucRegistry::define_bool_guc(
        c"registrar.export_password_hashes",
        c"Whether export_users gives the hashes of passwords to a back end that asks for them.",
        c"Turn it on for a backup or a move, and off again.",
        &EXPORT,
        GucContext::Suset,
        GucFlags::empty(),
    );
}

/// Whether hashes may leave the database.
pub(crate) fn export_password_hashes() -> bool {
    EXPORT.get()
}

/// What hashes of passwords may cost. What is new is never too dear.
pub(crate) fn hash_policy() -> HashPolicy {
    let cost = |memory: &GucSetting<i32>, passes: &GucSetting<i32>| HashCost {
        memory: memory.get().unsigned_abs(),
        passes: passes.get().unsigned_abs(),
    };
    let (new, dearest) = (cost(&MEMORY, &PASSES), cost(&MAX_MEMORY, &MAX_PASSES));
    let dearest = HashCost { memory: dearest.memory.max(new.memory), passes: dearest.passes.max(new.passes) };
    HashPolicy { new, dearest }
}
