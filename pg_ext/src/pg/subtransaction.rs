//! Work that leaves no trace if it fails.

use std::convert::Infallible;
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

/// Runs `work` in a subtransaction that is undone however it ends, with the locks that it took; what it returns stays.
///
/// # Errors
/// As for [`subtransaction`].
pub(crate) fn without_trace<T, E: From<PgError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    match subtransaction::<Infallible, _>(|| Err(work().map_or_else(Ended::Failed, Ended::Done))) {
        Ok(never) => match never {},
        Err(Ended::Done(value)) => Ok(value),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// Both are an `Err` to the subtransaction, so that it is rolled back.
enum Ended<T, E> {
    Done(T),
    Failed(E),
}

impl<T, E: From<PgError>> From<PgError> for Ended<T, E> {
    fn from(error: PgError) -> Self {
        Self::Failed(error.into())
    }
}

enum Failure<E> {
    Refused(E),
    Raised(PgError),
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::subtransaction;
    use crate::pg::{PgError, TrappedStatement};

    fn count() -> i64 {
        Spi::get_one("SELECT count(*) FROM kept").unwrap().unwrap()
    }

    #[pg_test]
    fn what_succeeds_stays_and_what_is_refused_or_raised_leaves_nothing() {
        Spi::run("CREATE TEMPORARY TABLE kept (id integer PRIMARY KEY)").unwrap();
        let insert = |id: i32| {
            Spi::run(&format!("INSERT INTO kept VALUES ({id})")).unwrap();
            id
        };

        assert!(subtransaction(|| Ok::<_, PgError>(insert(1))).is_ok());
        assert_eq!(count(), 1);

        let raised = subtransaction(|| Ok::<_, PgError>((insert(2), insert(1)))).unwrap_err();
        assert_eq!(raised.sqlstate(), "23505");
        assert_eq!(count(), 1, "a caught error must undo the statements before it");

        let panicked = subtransaction(|| -> Result<(), PgError> {
            insert(3);
            panic!("a bug in Rust")
        });
        assert_eq!(panicked.unwrap_err().message, "a bug in Rust");
        assert_eq!(count(), 1);
    }

    #[pg_test]
    fn a_trapped_error_tells_its_constraint_and_table() {
        Spi::run("CREATE TEMPORARY TABLE kept (id integer CONSTRAINT positive CHECK (id > 0))").unwrap();
        let error = subtransaction(|| {
            Spi::connect_mut(|client| {
                TrappedStatement::prepare(client, "INSERT INTO kept VALUES ($1)", &[pg_sys::INT4OID])
                    .execute(client, &[(-1).into()])
            })
        })
        .unwrap_err();
        assert_eq!(error.sqlstate(), "23514");
        assert_eq!(error.constraint.as_deref(), Some("positive"));
        assert_eq!(error.table.as_deref(), Some("kept"));
        assert_eq!(count(), 0);
    }
}
