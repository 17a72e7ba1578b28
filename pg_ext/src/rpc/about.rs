//! What registrar says of itself: `error_codes` and `build_info`.

use pgrx::prelude::*;
use registrar_core::ErrorCode;
use serde_json::json;

#[pg_extern(immutable, parallel_safe)]
fn error_codes()
-> TableIterator<'static, (name!(code, String), name!(http_status, i32), name!(meaning, String), name!(hint, String))> {
    TableIterator::new(
        ErrorCode::ALL.iter().map(|code| {
            (code.to_string(), i32::from(code.status()), code.meaning().to_owned(), code.hint().to_owned())
        }),
    )
}

#[pg_extern(immutable, parallel_safe)]
fn build_info() -> pgrx::JsonB {
    pgrx::JsonB(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
        "postgres": pg_sys::get_pg_major_version_num(),
    }))
}
