//! A table of the app's, held still while it is written.

use std::ffi::{CString, c_int};

use pgrx::pg_sys::{self, Oid};

/// Locks a table for writing rows until the transaction ends, and returns its owner; `None` where there is no such table.
///
/// The owner must be that of the very table that a statement then finds by its name. While the lock is held nobody can drop,
/// rename or replace it; and the catalogue is read as it is now, not as an old snapshot has it.
pub(crate) fn lock_table(schema: &str, table: &str) -> Option<Oid> {
    let (schema, table) = (CString::new(schema).ok()?, CString::new(table).ok()?);
    // SAFETY: look-ups in the system caches, which give InvalidOid for what is not there.
    let find = || unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(table.as_ptr(), namespace)
    };
    let mut relation = find();
    loop {
        if relation == Oid::INVALID {
            return None;
        }
        // SAFETY: an oid of whatever kind can be locked; waiting ends with the lock timeout.
        unsafe { pg_sys::LockRelationOid(relation, pg_sys::RowExclusiveLock as c_int) };
        let now = find();
        if now == relation {
            return owner(relation);
        }
        // Replaced while we waited.
        // SAFETY: gives back the lock taken above.
        unsafe { pg_sys::UnlockRelationOid(relation, pg_sys::RowExclusiveLock as c_int) };
        relation = now;
    }
}

fn owner(relation: Oid) -> Option<Oid> {
    // SAFETY: the tuple is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as c_int, relation.into());
        if tuple.is_null() {
            return None;
        }
        let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}
