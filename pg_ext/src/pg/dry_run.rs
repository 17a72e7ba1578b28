//! A run of the app's code of which nothing is to be left.
//!
//! A rollback takes back rows, settings, cursors and temporary tables, but not what a session keeps beside its transactions. A
//! trigger that runs with few rights could leave a prepared statement under a name that the session uses, to be executed later
//! with all the rights of whoever asked for the dry run; or read on in a cursor that was opened with them. (PostgreSQL's own
//! SECURITY_RESTRICTED_OPERATION refuses the first, but deferred triggers and temporary tables too, which many a sign-up has.)

use std::cell::Cell;
use std::ffi::{CStr, c_char};

use pgrx::pg_sys::{self, NodeTag, ProcessUtility_hook_type};
use pgrx::prelude::*;

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    /// The hook that ours was put before, once it is in place.
    static NEXT: Cell<Option<ProcessUtility_hook_type>> = const { Cell::new(None) };
}

// The bare function: an error that passes through that of pgrx loses its constraint, table and context.
unsafe extern "C-unwind" {
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        text: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// Whether a dry run is under way: what it runs may ask for another one.
pub(crate) fn is_dry_run() -> bool {
    IS_RUNNING.get()
}

/// Runs `work`, whose writes the caller rolls back, and refuses meanwhile what no rollback would take back in the session.
pub(crate) fn dry_run<T>(work: impl FnOnce() -> T) -> T {
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            IS_RUNNING.set(false);
        }
    }
    watch_statements();
    IS_RUNNING.set(true);
    let _running = Running;
    work()
}

/// The name of a cursor that the session has open beside the one, if any, that is running us.
pub(crate) fn other_open_cursor(names: impl IntoIterator<Item = String>) -> Option<String> {
    // SAFETY: a portal that is running has a name, which is NUL-terminated; it is null where none is.
    let running = unsafe {
        let portal = pg_sys::ActivePortal;
        (!portal.is_null()).then(|| CStr::from_ptr((*portal).name).to_string_lossy().into_owned())
    };
    names.into_iter().find(|name| !name.is_empty() && running.as_ref() != Some(name))
}

/// Puts the hook in place for the rest of the session, where it is not yet.
fn watch_statements() {
    if NEXT.get().is_some() {
        return;
    }
    // SAFETY: a variable of this backend; the library that the hook lies in is never unloaded.
    unsafe {
        NEXT.set(Some(pg_sys::ProcessUtility_hook));
        pg_sys::ProcessUtility_hook = Some(refuse_what_would_stay);
    }
}

/// # Safety
/// Called by PostgreSQL. No value in it has a destructor, so that errors may jump over it.
unsafe extern "C-unwind" fn refuse_what_would_stay(
    statement: *mut pg_sys::PlannedStmt,
    text: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the statement is a utility statement, which PostgreSQL gives us to execute; all else is passed on as it came.
    unsafe {
        if IS_RUNNING.get() && would_stay((*(*statement).utilityStmt).type_) {
            refuse();
        }
        match NEXT.get().flatten() {
            Some(next) => {
                next(statement, text, read_only_tree, context, parameters, environment, destination, completion);
            }
            None => standard_ProcessUtility(
                statement,
                text,
                read_only_tree,
                context,
                parameters,
                environment,
                destination,
                completion,
            ),
        }
    }
}

fn would_stay(statement: NodeTag) -> bool {
    matches!(
        statement,
        NodeTag::T_PrepareStmt | NodeTag::T_DeallocateStmt | NodeTag::T_DiscardStmt | NodeTag::T_LoadStmt
    )
}

#[pg_guard]
extern "C-unwind" fn refuse() {
    pgrx::ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "PREPARE, DEALLOCATE, DISCARD and LOAD are refused in a dry run",
        "No rollback takes them back. A sign-up itself may run them."
    );
}
