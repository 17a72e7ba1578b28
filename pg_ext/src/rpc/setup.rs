//! `setup`: run by the owner of the database, with the owner's own rights.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use serde_json::json;

use crate::pg;
use crate::store::storage;

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn setup() -> pgrx::JsonB {
    let made = Spi::connect_mut(|client| {
        require_superuser(client, "setup()");
        storage::make(client)
    });
    match made {
        Ok(made) => pgrx::JsonB(json!({"version": env!("CARGO_PKG_VERSION"), "made": made})),
        Err(reason) => {
            let hint = "Rename or drop that schema, or have a superuser own it.";
            raise(PgSqlErrorCode::ERRCODE_DUPLICATE_SCHEMA, reason, hint)
        }
    }
}

/// Raises where the caller is no superuser.
pub(super) fn require_superuser(client: &mut SpiClient<'_>, function: &str) {
    let query = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = client.update(query, Some(1), &[]).expect("a catalogue query").first();
    if row.get_one::<bool>().ok().flatten() != Some(true) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("registrar.{function} must be run by a superuser"),
            "It grants rights on what belongs to others.",
        );
    }
}

/// Raises where `setup()` was never run.
pub(super) fn require_setup(client: &mut SpiClient<'_>) {
    // Whoever owns a profile table has no right to look into registrar_private.
    if !pg::as_registrar(|| storage::is_made(client)) {
        let hint = "Run SELECT registrar.setup(); as superuser first.";
        raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "registrar is not set up", hint);
    }
}

/// A mistake of whoever set registrar up, told as PostgreSQL tells its own.
pub(super) fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: impl Into<String>) -> ! {
    ErrorReport::new(code, message.into(), "").set_hint(hint).report(PgLogLevel::ERROR);
    unreachable!("a report at level ERROR does not return")
}
