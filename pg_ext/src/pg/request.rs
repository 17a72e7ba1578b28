//! What PostgREST tells of a request and takes for its answer (PostgREST documentation, "Transactions" → "Request and
//! response settings").

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

/// The headers of the HTTP request as a JSON object with lower-cased names; `None` where the call did not come by HTTP.
pub(crate) fn request_headers() -> Option<String> {
    setting(c"request.headers")
}

/// The claims of the caller's access token as a JSON object; `None` where there is none.
pub(crate) fn request_claims() -> Option<String> {
    setting(c"request.jwt.claims").filter(|claims| !claims.is_empty())
}

fn setting(name: &CStr) -> Option<String> {
    // SAFETY: returns null for an unknown setting, as asked, else a string that lives until the setting changes.
    let value = unsafe { pg_sys::GetConfigOption(name.as_ptr(), true, false) };
    if value.is_null() {
        return None;
    }
    // SAFETY: not null, see above; copied at once.
    Some(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
}

/// Sets the HTTP status of the answer: `set_config('response.status', …, true)`.
pub(crate) fn set_response_status(status: u16) {
    set_local(c"response.status", &status.to_string());
}

/// Tells the caller to come again in so many seconds (RFC 9110 §10.2.3).
pub(crate) fn set_retry_after(seconds: i64) {
    set_local(c"response.headers", &format!(r#"[{{"Retry-After": "{seconds}"}}]"#));
}

fn set_local(name: &CStr, value: &str) {
    let value = CString::new(value).expect("what is set has no NUL");
    // SAFETY: both strings are NUL-terminated and copied by PostgreSQL. GUC_ACTION_LOCAL is SET LOCAL.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}
