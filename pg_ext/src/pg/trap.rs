//! Calls into PostgreSQL whose errors are caught with every field. pgrx catches errors too, but drops constraint, table
//! and context, which are what a developer needs to mend a failing profile.

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::ptr::NonNull;

use cee_scape::{SigJmpBufFields, call_with_sigsetjmp};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, TupleDesc};
use pgrx::spi::SpiClient;

use super::PgError;

// The bare functions, since those of pgrx turn an error into a panic before we could see it.
unsafe extern "C-unwind" {
    fn SPI_execute_plan(
        plan: pg_sys::SPIPlanPtr,
        values: *mut Datum,
        nulls: *const c_char,
        read_only: bool,
        limit: c_long,
    ) -> c_int;
    fn AfterTriggerSetState(statement: *mut pg_sys::ConstraintsSetStmt);
}

/// A statement prepared once and kept for the life of the backend.
pub(crate) struct TrappedStatement(NonNull<pg_sys::_SPI_plan>);

impl TrappedStatement {
    /// Prepares a statement. One that PostgreSQL refuses fails as any call of pgrx does, not with `Err`.
    pub(crate) fn prepare(_connected: &SpiClient<'_>, sql: &str, types: &[Oid]) -> Self {
        let sql = CString::new(sql).expect("a statement has no NUL");
        let mut types = types.to_vec();
        // SAFETY: SPI is connected, as the client proves; the plan is made permanent before anything can free it.
        let plan = unsafe {
            let plan = pg_sys::SPI_prepare(sql.as_ptr(), types.len() as c_int, types.as_mut_ptr());
            pg_sys::SPI_keepplan(plan);
            plan
        };
        Self(NonNull::new(plan).expect("SPI_prepare either returns a plan or raises"))
    }

    /// Executes the statement with a snapshot of its own, and returns how many rows it wrote or returned. The caller must roll
    /// back the subtransaction it stands in when this returns `Err`.
    pub(crate) fn execute(&self, connected: &SpiClient<'_>, arguments: &[DatumWithOid<'_>]) -> Result<u64, PgError> {
        self.run(connected, arguments, false)
    }

    /// The same for a query, which sees what the caller's own query sees.
    pub(crate) fn fetch(&self, connected: &SpiClient<'_>, arguments: &[DatumWithOid<'_>]) -> Result<u64, PgError> {
        self.run(connected, arguments, true)
    }

    fn run(&self, _connected: &SpiClient<'_>, arguments: &[DatumWithOid<'_>], read_only: bool) -> Result<u64, PgError> {
        let mut values: Vec<Datum> = Vec::with_capacity(arguments.len());
        let mut nulls: Vec<c_char> = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let datum = argument.datum();
            nulls.push(if datum.is_some() { b' ' } else { b'n' } as c_char);
            values.push(datum.map_or(Datum::null(), |datum| datum.sans_lifetime()));
        }
        let (values, nulls) = (values.as_mut_ptr(), nulls.as_ptr());
        // SAFETY: SPI is connected, the plan is live, both arrays are as long as the arguments and outlive the call, and
        // nothing between here and PostgreSQL has a destructor.
        unsafe {
            trap(|| {
                SPI_execute_plan(self.0.as_ptr(), values, nulls, read_only, 0);
            })?;
            Ok(pg_sys::SPI_processed)
        }
    }
}

/// The first row that the statement just executed has returned, with its descriptor; both live as long as the connection.
pub(super) fn first_tuple(_connected: &SpiClient<'_>) -> Option<(HeapTuple, TupleDesc)> {
    // SAFETY: the result, if any, belongs to the statement just executed, and has as many rows as were processed.
    unsafe {
        let result = pg_sys::SPI_tuptable;
        (!result.is_null() && pg_sys::SPI_processed > 0).then(|| (*(*result).vals, (*result).tupdesc))
    }
}

/// The text of the first column of the first row that the statement just executed has returned, where that is not NULL.
pub(crate) fn first_returned(connected: &SpiClient<'_>) -> Option<String> {
    let (tuple, descriptor) = first_tuple(connected)?;
    // SAFETY: the tuple is of the descriptor; SPI_getvalue returns null or a C string.
    unsafe {
        let value = pg_sys::SPI_getvalue(tuple, descriptor, 1);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// The columns of the first row that the statement just executed has returned, each of the type that is said, where they lie. NULL
/// where there is no row.
pub(crate) fn returned_columns<'c, const N: usize>(
    connected: &SpiClient<'c>,
    types: [Oid; N],
) -> [DatumWithOid<'c>; N] {
    let first = first_tuple(connected);
    let mut column = 0;
    types.map(|oid| {
        column += 1;
        // SAFETY: the result belongs to the statement just executed and lives as long as the connection; its columns are of these
        // types, as the caller's query says.
        unsafe {
            let mut is_null = true;
            let mut value = Datum::null();
            if let Some((tuple, descriptor)) = first {
                value = pg_sys::SPI_getbinval(tuple, descriptor, column, &mut is_null);
            }
            super::user_row::parameter((!is_null).then_some(value), oid)
        }
    })
}

impl Drop for TrappedStatement {
    fn drop(&mut self) {
        // SAFETY: the plan was kept by `prepare`, and nobody else frees it.
        unsafe { pg_sys::SPI_freeplan(self.0.as_ptr()) };
    }
}

/// `SET CONSTRAINTS ALL IMMEDIATE`: checks now what would be checked at commit. As for [`TrappedStatement::execute`], a
/// subtransaction stands around it.
pub(super) fn set_constraints_all_immediate() -> Result<(), PgError> {
    let mut all = pg_sys::ConstraintsSetStmt {
        type_: pg_sys::NodeTag::T_ConstraintsSetStmt,
        constraints: std::ptr::null_mut(),
        deferred: false,
    };
    let statement = &raw mut all;
    // SAFETY: we are in a transaction; the node outlives the call, which only reads it.
    unsafe { trap(|| AfterTriggerSetState(statement)) }
}

/// Catches what `call` raises, but for a request to stop, which goes on as an error of pgrx.
///
/// # Safety
/// `call` must do nothing but call PostgreSQL: it is left by `siglongjmp`, which runs no destructor.
unsafe fn trap(call: impl FnOnce()) -> Result<(), PgError> {
    // SAFETY: this is PG_TRY of PostgreSQL's elog.h: the handlers are put back on both ways out, and on the second one
    // the error is taken off PostgreSQL's stack in the memory context that we came with.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let handler = pg_sys::PG_exception_stack;
        let callbacks = pg_sys::error_context_stack;
        let jumped = call_with_sigsetjmp(false, |jump_buffer: &SigJmpBufFields| {
            pg_sys::PG_exception_stack = (&raw const *jump_buffer).cast_mut().cast();
            // The error's context shall say what happened within the call, not how registrar came to it.
            pg_sys::error_context_stack = std::ptr::null_mut();
            call();
            0
        });
        pg_sys::PG_exception_stack = handler;
        pg_sys::error_context_stack = callbacks;
        if jumped == 0 {
            return Ok(());
        }
        pg_sys::CurrentMemoryContext = context;
        let error = PgError::take_current();
        if error.is_cancel() { error.raise() } else { Err(error) }
    }
}
