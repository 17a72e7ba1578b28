//! Errors that leave a function with the SQLSTATE they came with. pgrx raises PostgreSQL's own codes only, and makes
//! XX000 of one that an app's RAISE chose.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

use pgrx::pg_sys;

use super::PgError;
use super::error::RAISE;

thread_local! {
    static HELD: RefCell<Option<PgError>> = const { RefCell::new(None) };
}

// The bare function: that of pgrx turns the error into a panic.
unsafe extern "C-unwind" {
    fn ThrowErrorData(error: *mut pg_sys::ErrorData);
}

/// Has the function that is about to return raise the error in place of returning; see `raising_function!`.
pub(crate) fn raise_on_return(error: PgError) {
    HELD.set(Some(error));
}

/// Raises what is held. To be called where no Rust value lives any more: PostgreSQL leaves by a jump.
pub(super) fn raise_held() {
    let Some(error) = HELD.take() else { return };
    let data = error.into_data();
    // SAFETY: the data are complete and live in PostgreSQL's memory; nothing here or above has a destructor left to run.
    unsafe { ThrowErrorData(data) }
}

impl PgError {
    /// The error in PostgreSQL's form and memory.
    fn into_data(self) -> *mut pg_sys::ErrorData {
        let text = |text: Option<&str>| {
            let text = text.map(|text| CString::new(text.replace('\0', "")).unwrap_or_default());
            // SAFETY: the string is NUL-terminated, and copied.
            text.map_or(std::ptr::null_mut::<c_char>(), |text| unsafe { pg_sys::pstrdup(text.as_ptr()) })
        };
        // SAFETY: allocates, or raises; zero is a value of every field.
        let data = unsafe { pg_sys::palloc0(size_of::<pg_sys::ErrorData>()).cast::<pg_sys::ErrorData>() };
        // SAFETY: allocated just now.
        unsafe {
            (*data).elevel = pgrx::PgLogLevel::ERROR as i32;
            (*data).sqlerrcode = self.code();
            if self.is_raised() {
                (*data).funcname = RAISE.as_ptr();
            }
            (*data).message = text(Some(&self.message));
            (*data).detail = text(self.detail.as_deref());
            (*data).hint = text(self.hint.as_deref());
            (*data).context = text(self.context.as_deref());
            (*data).schema_name = text(self.schema.as_deref());
            (*data).table_name = text(self.table.as_deref());
            (*data).column_name = text(self.column.as_deref());
            (*data).constraint_name = text(self.constraint.as_deref());
        }
        data
    }
}

/// The C function of a function: what pgrx made of `$function`, and then the error that it holds.
macro_rules! raising_function {
    ($symbol:ident, $info:ident, $function:path) => {
        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $symbol(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: PostgreSQL's own call, passed on.
            let result = unsafe { $function(call) };
            raise_held();
            result
        }

        /// What PostgreSQL asks of a library before it calls the function.
        #[unsafe(no_mangle)]
        extern "C-unwind" fn $info() -> *const pg_sys::Pg_finfo_record {
            static INFO: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &raw const INFO
        }
    };
}

raising_function!(
    registrar_handle_new_user,
    pg_finfo_registrar_handle_new_user,
    crate::trigger::handle_new_user_wrapper
);
raising_function!(
    registrar_handle_user_update,
    pg_finfo_registrar_handle_user_update,
    crate::trigger::handle_user_update_wrapper
);
raising_function!(
    registrar_check_session,
    pg_finfo_registrar_check_session,
    crate::rpc::session_check::check_session_wrapper
);
