//! How long a statement may wait for a lock.

use pgrx::pg_sys;

/// Runs `work` with a `lock_timeout`, as a function with `SET lock_timeout` does. A failure that jumps out of `work` must
/// meet a subtransaction, whose rollback takes the setting back.
pub(crate) fn with_lock_timeout<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the level opened here is closed below, or by the rollback of the surrounding subtransaction; the strings are
    // NUL-terminated and copied.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"lock_timeout".as_ptr(),
            c"400ms".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        level
    };
    let result = work();
    // SAFETY: see above.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    result
}
