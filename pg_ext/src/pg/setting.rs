//! Settings in force for a piece of work, as for a function with SET.

use std::ffi::{CStr, CString};

use pgrx::{PgLogLevel, pg_sys};

/// Runs `work` with a `lock_timeout`: nobody who signs up or calls waits for a migration.
pub(crate) fn with_lock_timeout<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"lock_timeout", c"400ms", work)
}

/// Runs `work` with a `lock_timeout` of so many milliseconds, or with the session's own where that is shorter.
pub(crate) fn with_lock_timeout_of<T>(milliseconds: u32, work: impl FnOnce() -> T) -> T {
    // SAFETY: the setting exists, so that a string is returned; it is read at once.
    let session = unsafe { CStr::from_ptr(pg_sys::GetConfigOption(c"lock_timeout".as_ptr(), false, false)) };
    // Zero stands for none.
    let session = session.to_str().ok().and_then(|text| text.parse().ok()).filter(|&milliseconds| milliseconds > 0);
    let shorter = session.map_or(milliseconds, |session: u32| session.min(milliseconds));
    let value = CString::new(shorter.to_string()).expect("digits have no NUL");
    with_setting(c"lock_timeout", &value, work)
}

/// Runs `work` with all rows there are: a query that a policy would hide rows from fails in place of going without them.
pub(crate) fn with_every_row<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"row_security", c"off", work)
}

/// Runs `work` with the `search_path` of registrar's functions: for what those do with registrar's rights that have none of
/// their own.
pub(crate) fn with_search_path<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"search_path", c"pg_catalog, pg_temp", work)
}

/// Runs `work` with queries planned to read rows in an index's order rather than to sort them, where both will do.
pub(crate) fn without_sorting<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"enable_sort", c"off", work)
}

/// Runs `work` with queries planned to read an index where there is one: a plan that is kept may have been made when the table was small,
/// and would read all of it for ever.
pub(crate) fn with_indexes<T>(work: impl FnOnce() -> T) -> T {
    with_setting(c"enable_seqscan", c"off", work)
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

/// Who decides whether a setting may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingRights {
    Superuser,
    User,
}

/// Puts a setting in force until the rollback of the subtransaction that stands around it. One that may not be set now, or does not
/// exist, is left as it is.
pub(crate) fn set_until_rollback(name: &str, value: &str, rights: SettingRights) {
    let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else { return };
    let context = match rights {
        SettingRights::Superuser => pg_sys::GucContext::PGC_SUSET,
        SettingRights::User => pg_sys::GucContext::PGC_USERSET,
    };
    // SAFETY: the strings are NUL-terminated and copied. What is below ERROR is logged, not raised.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            context,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            PgLogLevel::DEBUG1 as i32,
            false,
        );
    }
}

/// A setting of a number of milliseconds.
pub(crate) fn milliseconds(name: &CStr) -> Option<u64> {
    // SAFETY: returns null for an unknown setting, as asked, else a string that lives until the setting changes.
    let value = unsafe { pg_sys::GetConfigOption(name.as_ptr(), true, false) };
    // SAFETY: not null; read at once.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }).and_then(|value| value.to_str().ok()?.parse().ok())
}
