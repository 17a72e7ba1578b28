//! Settings in force for a piece of work, as for a function with SET.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Runs `work` with a `lock_timeout`: nobody who signs up or calls waits for a migration.
pub(crate) fn with_lock_timeout<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"lock_timeout", c"400ms", work)
}

/// Runs `work` with the `search_path` of registrar's functions: for what those do with registrar's rights that have none of
/// their own.
pub(crate) fn with_search_path<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"search_path", c"pg_catalog, pg_temp", work)
}

/// A failure that jumps out of `work` must meet a subtransaction, or end the transaction: its rollback takes the setting back.
fn with_setting<T>(name: &CStr, value: &CStr, work: impl FnOnce() -> T) -> T {
    // SAFETY: the level opened here is closed below, or by the rollback of the surrounding subtransaction; the strings are
    // NUL-terminated and copied.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
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
