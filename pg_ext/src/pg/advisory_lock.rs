//! Locks on numbers, which mean what registrar says they mean.

use pgrx::IntoDatum;
use pgrx::pg_sys;

/// Waits for the lock of a number, and holds it to the end of the transaction.
pub(crate) fn lock_number(number: i64) {
    let number = number.into_datum();
    // SAFETY: pg_advisory_xact_lock takes one int8; asked as a query it would take five times as long.
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::pg_advisory_xact_lock_int8, &[number]) };
}
