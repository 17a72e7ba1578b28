//! A caught error of PostgreSQL, with the fields that tell a developer what to mend.

use std::ffi::{CStr, c_char};
use std::ops::Deref;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{PgLogLevel, pg_sys};
use serde_json::json;

/// A caught error; boxed, since errors are rare and every result would carry its size.
#[derive(Debug, Clone)]
pub(crate) struct PgError(Box<Report>);

impl Deref for PgError {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.0
    }
}

/// The function of PostgreSQL's that executes a RAISE of PL/pgSQL's.
pub(super) const RAISE: &CStr = c"exec_stmt_raise";

/// What PostgreSQL said of an error.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// PostgreSQL's packed form of the SQLSTATE.
    code: i32,
    /// Whether PostgreSQL raised it, or somebody's RAISE with a SQLSTATE of PostgreSQL's.
    is_own: bool,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    /// The call stack in SQL and PL/pgSQL, known where the error passed through a [`TrappedStatement`](super::TrappedStatement).
    pub(crate) context: Option<String>,
    /// The constraint that was violated, and the schema, table and column of it, likewise.
    pub(crate) constraint: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) column: Option<String>,
}

impl PgError {
    /// The five characters of the SQLSTATE (PostgreSQL documentation, appendix A).
    pub(crate) fn sqlstate(&self) -> String {
        (0..5).map(|place| char::from(b'0' + u8::try_from((self.code >> (6 * place)) & 0x3F).unwrap_or(0))).collect()
    }

    /// PostgreSQL's packed form of the SQLSTATE.
    pub(super) fn code(&self) -> i32 {
        self.code
    }

    /// Whether it is somebody's RAISE, whatever its SQLSTATE.
    pub(crate) fn is_raised(&self) -> bool {
        !self.is_own
    }

    /// Whether a lock was not to be had in time.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.sqlstate() == "55P03"
    }

    /// Whether this transaction was chosen to end a deadlock.
    pub(crate) fn is_deadlock(&self) -> bool {
        self.sqlstate() == "40P01"
    }

    /// Whether a foreign key refused a statement.
    pub(crate) fn is_foreign_key_violation(&self) -> bool {
        self.sqlstate() == "23503"
    }

    /// The table whose rows refer to what was to be deleted, with its schema.
    pub(crate) fn referring_table(&self) -> Option<String> {
        let (schema, table) = (self.schema.as_ref()?, self.table.as_ref()?);
        self.is_foreign_key_violation().then(|| format!("{schema}.{table}"))
    }

    /// Whether the transaction itself still uses the table: a deferred trigger waits, or a query is under way.
    pub(crate) fn is_object_in_use(&self) -> bool {
        self.sqlstate() == "55006"
    }

    /// Whether a value is too large for something that PostgreSQL limits: an index, most likely.
    pub(crate) fn is_limit_exceeded(&self) -> bool {
        self.sqlstate() == "54000"
    }

    /// Whether the backend was told to stop: by a cancel request, a timeout or a shutdown. Such an error is obeyed.
    pub(crate) fn is_cancel(&self) -> bool {
        self.is_own && matches!(self.sqlstate().as_str(), "57014" | "57P01" | "57P02" | "57P03" | "57P05")
    }

    /// Whether the isolation level forbids to go on: the caller must run the transaction again.
    pub(crate) fn is_serialization_failure(&self) -> bool {
        self.sqlstate() == "40001"
    }

    /// Whether another transaction got in between; the same work may succeed now.
    pub(crate) fn is_race(&self) -> bool {
        matches!(self.sqlstate().as_str(), "23505" | "40P01")
    }

    /// Whether another row keeps a row out: by a unique index or an exclusion constraint.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self.sqlstate().as_str(), "23505" | "23P01")
    }

    /// Whether one of several rows may be to blame: not where there is no room, no such object, no right or no time.
    pub(crate) fn is_of_a_row(&self) -> bool {
        let class = &self.sqlstate()[..2];
        !matches!(class, "25" | "40" | "42" | "53" | "54" | "55" | "57" | "58" | "XX") || self.is_limit_exceeded()
    }

    /// Whether a column that must have a value was left without one.
    pub(crate) fn is_not_null_violation(&self) -> bool {
        self.sqlstate() == "23502"
    }

    /// Whether the caller lacks a right.
    pub(crate) fn is_insufficient_privilege(&self) -> bool {
        self.sqlstate() == "42501"
    }

    /// Whether a value may be to blame: it is none of the column's type (class 22), violates a CHECK, or does not fit in an
    /// index.
    pub(crate) fn is_of_data(&self) -> bool {
        let sqlstate = self.sqlstate();
        sqlstate.starts_with("22") || sqlstate == "23514" || self.is_limit_exceeded()
    }

    /// The message, but for errors about a value (class 22), which quote it.
    pub(crate) fn message_without_values(&self) -> &str {
        if self.sqlstate().starts_with("22") { "a value is not one of its column's type" } else { &self.message }
    }

    /// Whether a table is not as it was when a statement was made for it; one made anew may fit.
    pub(crate) fn is_schema_change(&self) -> bool {
        matches!(self.sqlstate().as_str(), "42703" | "42P01" | "0A000")
    }

    /// The error of a statement that names a table which is not there.
    pub(crate) fn undefined_table(schema: &str, table: &str) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, format!("relation \"{schema}.{table}\" does not exist"))
    }

    /// The error of a statement that was to write a row and did not, without saying why.
    pub(crate) fn not_written() -> Self {
        let message = "no row was written: a trigger or rule on the table has suppressed it".to_owned();
        Self::new(PgSqlErrorCode::ERRCODE_TRIGGERED_ACTION_EXCEPTION, message)
    }

    /// Whether it is [`not_written`](Self::not_written).
    pub(crate) fn is_not_written(&self) -> bool {
        self.sqlstate() == "09000"
    }

    /// The error that tells the caller to run the transaction again.
    pub(crate) fn serialization_failure() -> Self {
        let message = "another transaction registered the same e-mail address or phone number".to_owned();
        Self::new(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE, message)
    }

    /// An error that PostgREST answers with that status and these words (its documentation, "Errors" → "RAISE errors with HTTP
    /// status").
    pub(crate) fn answered_by_postgrest(status: u16, code: &str, message: &str, hint: &str) -> Self {
        let body = json!({"code": code, "message": message, "details": null, "hint": hint});
        let mut error = Self::of_code(packed(b"PGRST"), body.to_string());
        error.0.detail = Some(json!({"status": status, "headers": {}}).to_string());
        error
    }

    fn new(code: PgSqlErrorCode, message: String) -> Self {
        Self::of_code(code as i32, message)
    }

    fn of_code(code: i32, message: String) -> Self {
        Self(Box::new(Report {
            code,
            is_own: true,
            message,
            detail: None,
            hint: None,
            context: None,
            constraint: None,
            schema: None,
            table: None,
            column: None,
        }))
    }

    /// Raises the error again.
    pub(crate) fn raise(self) -> ! {
        let Report { code, message, detail, hint, .. } = *self.0;
        let mut report = ErrorReport::new(PgSqlErrorCode::from(code), message, "");
        if let Some(detail) = detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = hint {
            report = report.set_hint(hint);
        }
        report.report(PgLogLevel::ERROR);
        unreachable!("a report at level ERROR does not return")
    }

    /// The error that PostgreSQL has just jumped out of a call with.
    ///
    /// # Safety
    /// Right after `siglongjmp` into our handler, in a memory context that outlives the error's.
    pub(super) unsafe fn take_current() -> Self {
        // SAFETY: the error stack holds the error (the caller's promise); its copy is valid until freed below, and the
        // strings in it are NUL-terminated or null.
        unsafe {
            let copy = pg_sys::CopyErrorData();
            let report = Report {
                code: (*copy).sqlerrcode,
                is_own: (*copy).funcname.is_null() || CStr::from_ptr((*copy).funcname) != RAISE,
                message: text((*copy).message).unwrap_or_default(),
                detail: text((*copy).detail),
                hint: text((*copy).hint),
                context: text((*copy).context),
                constraint: text((*copy).constraint_name),
                schema: text((*copy).schema_name),
                table: text((*copy).table_name),
                column: text((*copy).column_name),
            };
            pg_sys::FreeErrorData(copy);
            pg_sys::FlushErrorState();
            Self(Box::new(report))
        }
    }
}

impl From<CaughtError> for PgError {
    fn from(caught: CaughtError) -> Self {
        let report = match &caught {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
            CaughtError::RustPanic { ereport, .. } => ereport,
        };
        Self(Box::new(Report {
            code: report.sql_error_code() as i32,
            is_own: true,
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
            context: None,
            constraint: None,
            schema: None,
            table: None,
            column: None,
        }))
    }
}

/// PostgreSQL's packed form of a SQLSTATE (MAKE_SQLSTATE of its utils/elog.h).
const fn packed(sqlstate: &[u8; 5]) -> i32 {
    let (mut code, mut place) = (0, 0);
    while place < 5 {
        code |= (((sqlstate[place] - b'0') & 0x3F) as i32) << (6 * place);
        place += 1;
    }
    code
}

/// # Safety
/// `text` is null or points to a NUL-terminated string.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
