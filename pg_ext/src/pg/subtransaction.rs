//! Work that leaves no trace if it fails.

use std::panic::AssertUnwindSafe;

use pgrx::{PgTryBuilder, pg_sys};

use super::PgError;

/// Runs `work` in a subtransaction: its writes stay if it returns `Ok`, and are undone if it returns `Err` or if
/// PostgreSQL or Rust fails in it. A request to stop is passed on, not caught.
///
/// `work` must close the SPI connections that it opens.
pub(crate) fn subtransaction<T, E: From<PgError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // SAFETY: variables of this backend; what they point to outlives the subtransaction.
    let (context, owner) = unsafe { (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner) };
    // SAFETY: every function call is inside a transaction. The work runs in the caller's memory context and not in the
    // subtransaction's, so that what it returns survives.
    unsafe {
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::CurrentMemoryContext = context;
    }
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| work().map_err(Failure::Refused)))
        .catch_rust_panic(|caught| Err(Failure::Raised(caught.into())))
        .catch_others(|caught| Err(Failure::Raised(caught.into())))
        .execute();
    // SAFETY: ends the subtransaction begun above, whose own subtransactions have ended by the same rule; context and
    // owner are those we came with, as PL/pgSQL does it.
    unsafe {
        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::CurrentMemoryContext = context;
        pg_sys::CurrentResourceOwner = owner;
    }
    outcome.map_err(|failure| match failure {
        Failure::Refused(error) => error,
        Failure::Raised(error) if error.is_cancel() => error.raise(),
        Failure::Raised(error) => error.into(),
    })
}

enum Failure<E> {
    Refused(E),
    Raised(PgError),
}
