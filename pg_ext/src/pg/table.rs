//! A table of the app's, held still while it is read or written.

use std::ffi::{CString, c_int};

use pgrx::pg_sys::{self, Oid};

/// What a table is held for, the weakest lock first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockMode {
    Read,
    Write,
    /// To validate a constraint: rows are read and written meanwhile.
    Validate,
    /// To build an index: rows are read meanwhile.
    Index,
    /// To add a foreign key, on both tables: rows are read meanwhile.
    AddForeignKey,
    /// To drop one, on both tables: nobody does anything meanwhile.
    DropForeignKey,
}

/// A table that nobody can drop, rename or replace until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockedTable {
    relation: Oid,
    /// With whose rights registrar reads and writes it.
    pub(crate) owner: Oid,
}

/// Locks a table until the transaction ends; `None` where there is none of that name.
///
/// The owner must be that of the very table that a statement then finds by its name. While the lock is held nobody can drop,
/// rename or replace it; and the catalogue is read as it is now, not as an old snapshot has it.
pub(crate) fn lock_table(schema: &str, table: &str, mode: LockMode) -> Option<LockedTable> {
    let mode = match mode {
        LockMode::Read => pg_sys::AccessShareLock,
        LockMode::Write => pg_sys::RowExclusiveLock,
        LockMode::Validate => pg_sys::ShareUpdateExclusiveLock,
        LockMode::Index => pg_sys::ShareLock,
        LockMode::AddForeignKey => pg_sys::ShareRowExclusiveLock,
        LockMode::DropForeignKey => pg_sys::AccessExclusiveLock,
    } as c_int;
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
        // SAFETY: reads a variable of the backend.
        let heard = || unsafe { pg_sys::SharedInvalidMessageCounter };
        let before = heard();
        // SAFETY: an oid of whatever kind can be locked; waiting ends with the lock timeout.
        unsafe { pg_sys::LockRelationOid(relation, mode) };
        // Where nothing was heard of other sessions' changes meanwhile, the name means what it did.
        let now = if heard() == before { relation } else { find() };
        if now == relation {
            return owner(relation).map(|owner| LockedTable { relation, owner });
        }
        // Replaced while we waited.
        // SAFETY: gives back the lock taken above.
        unsafe { pg_sys::UnlockRelationOid(relation, mode) };
        relation = now;
    }
}

impl LockedTable {
    pub(crate) fn relation(self) -> Oid {
        self.relation
    }

    /// Whether a role may read the whole table.
    pub(crate) fn is_readable_by(self, role: Oid) -> bool {
        let select = pg_sys::ACL_SELECT as pg_sys::AclMode;
        // SAFETY: looks the rights up in the system caches; the relation is locked, so it exists.
        unsafe { pg_sys::pg_class_aclcheck(self.relation, role, select) == pg_sys::AclResult::ACLCHECK_OK }
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
