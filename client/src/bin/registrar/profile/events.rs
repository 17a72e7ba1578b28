//! What is logged: whose profile and what became of it, never what stands in it.

use registrar_client::{Error, ErrorCode, ItemOutcome, ProfileFailure};
use tracing::field::display;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::failure::Failure;

pub(crate) fn created(user_id: Uuid) {
    info!(%user_id, "profile created");
}

pub(crate) fn updated(user_id: Uuid) {
    info!(%user_id, "profile updated");
}

/// Why a command failed; the user is the one whom it names, if it names one.
pub(crate) fn failed(user_id: Option<Uuid>, failure: &Failure) {
    let user_id = user_id.map(display);
    let Failure::Call(error) = failure else { return };
    let request_id = error.request_id().map(display);
    if let Error::Api { code: ErrorCode::ProfileExists, .. } = error {
        warn!(user_id, request_id, "profile already exists");
    } else {
        error!(user_id, code = error.code(), request_id, "profile call failed");
    }
}

/// How one row of an import ended.
pub(crate) fn imported(line: u64, item: &ItemOutcome) {
    let user_id = item.user_id.map(display);
    if item.success {
        info!(user_id, line, "profile imported");
    } else {
        let code = item.errors.first().map(|reason| reason.code.as_str());
        error!(user_id, line, code, "profile not imported");
    }
}

/// A profile that could not be repaired.
pub(crate) fn not_repaired(failure: &ProfileFailure) {
    error!(user_id = %failure.user_id, table = failure.table, sqlstate = failure.sqlstate, "profile not repaired");
}
