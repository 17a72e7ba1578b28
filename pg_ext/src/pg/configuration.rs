//! When what a backend remembers of registrar's configuration tables is out of date.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys::{self, Datum, Oid};

thread_local! {
    static GENERATION: Cell<u64> = const { Cell::new(0) };
}

/// A number that grows whenever another session may have changed a table: its definition, or, where
/// [`announce_change`] was called for it, its rows.
pub(crate) fn generation() -> u64 {
    GENERATION.get()
}

/// Whether what is read now may be older than the last change: under REPEATABLE READ and SERIALIZABLE a transaction keeps
/// its first snapshot. What it reads is right for it, and not to be remembered beyond it.
pub(crate) fn snapshot_is_fixed() -> bool {
    // SAFETY: a variable of this backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Tells every session, when the transaction commits, that the rows of a table have changed.
pub(crate) fn announce_change(table: Oid) {
    // SAFETY: the table exists and is locked: a trigger on it is running.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(table) };
}

/// Makes PostgreSQL refuse settings of that prefix which nobody has defined: a typing error must not pass in silence.
pub(crate) fn reserve_prefix(prefix: &'static CStr) {
    // SAFETY: the string is NUL-terminated, and copied.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) };
}

/// Begins to count changes; called once, when the library is loaded.
pub(crate) fn watch() {
    // SAFETY: the callback lives as long as the library, which PostgreSQL never unloads.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(changed), Datum::null()) };
}

/// Called by PostgreSQL at any time, also in the middle of an error: it must not fail, and does not.
unsafe extern "C-unwind" fn changed(_: Datum, _: Oid) {
    GENERATION.set(GENERATION.get().wrapping_add(1));
}
