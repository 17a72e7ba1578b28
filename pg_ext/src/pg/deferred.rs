//! Deferred constraints, before they can fail at commit.

use pgrx::pg_sys::{self, Oid};

use super::trap::set_constraints_all_immediate;
use super::{PgError, as_role, outer_user_id, without_trace};

/// Checks every deferred constraint as the commit would, as the role in force, and leaves them immediate: only the rollback of
/// the subtransaction that stands around it takes that back.
pub(crate) fn settle_deferred_constraints() -> Result<(), PgError> {
    set_constraints_all_immediate()
}

/// Whether the transaction has a deferred constraint or trigger of a table still before it.
pub(crate) fn has_deferred(table: Oid) -> bool {
    // SAFETY: looks through the events that the transaction has queued.
    unsafe { pg_sys::AfterTriggerPendingOnRel(table) }
}

/// Checks every deferred constraint as the commit would, as the role that will commit, and leaves them deferred.
///
/// `SET CONSTRAINTS` lasts to the end of the transaction, and would make immediate what the app deferred on purpose. Only
/// the rollback of a subtransaction takes it back, together with the record of what was checked: so the check stands in
/// one of its own that is always rolled back, and the constraints are checked once more at commit.
pub(crate) fn check_deferred_constraints() -> Result<(), PgError> {
    without_trace(|| as_role(outer_user_id(), set_constraints_all_immediate))
}
