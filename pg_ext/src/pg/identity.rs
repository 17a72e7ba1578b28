//! Who is calling, and on whose behalf a statement runs.

use std::ffi::{CStr, CString, c_int};

use pgrx::pg_sys::{self, Oid};

/// The role that the session has switched to (PostgREST's `SET LOCAL ROLE`), or its login role. Unlike `current_user`, it
/// is not the owner of a SECURITY DEFINER function.
pub(crate) fn outer_user_id() -> Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetOuterUserId() }
}

/// The name of [`outer_user_id`].
pub(crate) fn caller_role() -> String {
    role_name(outer_user_id())
}

/// The name of a role.
pub(crate) fn role_name(role: Oid) -> String {
    // SAFETY: returns null for an unknown role, as asked, else a NUL-terminated string.
    let name = unsafe { pg_sys::GetUserNameFromId(role, true) };
    if name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: not null, see above.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// Runs `work` with the rights of a role, as a foreign key's trigger does with those of the table's owner. Within
/// `work`, `SET ROLE` is refused. When `work` fails by a jump, the surrounding subtransaction's rollback switches back.
pub(crate) fn as_role<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    as_role_with(role, pg_sys::SECURITY_LOCAL_USERID_CHANGE, work)
}

/// The same for the owner of a table, whom its policies do not hide rows from, not even with FORCE ROW LEVEL SECURITY: also as a
/// foreign key's trigger does it.
pub(crate) fn as_table_owner<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    as_role_with(role, pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS, work)
}

fn as_role_with<T>(role: Oid, flags: u32, work: impl FnOnce() -> T) -> T {
    let (mut previous, mut context): (Oid, c_int) = (Oid::INVALID, 0);
    // SAFETY: both read and set variables of the backend; the role exists, since it owns a table or runs the session.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut previous, &raw mut context);
        pg_sys::SetUserIdAndSecContext(role, context | flags as c_int);
    }
    let result = work();
    // SAFETY: puts back what was read above.
    unsafe { pg_sys::SetUserIdAndSecContext(previous, context) };
    result
}

/// The role whose rights are in force: the caller of a function that is not SECURITY DEFINER.
pub(crate) fn current_user_id() -> Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetUserId() }
}

/// Whether a role has the rights of another, as its member or as superuser; not where there is no such other role.
pub(crate) fn has_rights_of(role: Oid, other: &CStr) -> bool {
    // SAFETY: looks both up in the system caches.
    unsafe {
        let other = pg_sys::get_role_oid(other.as_ptr(), true);
        other != Oid::INVALID && pg_sys::has_privs_of_role(role, other)
    }
}

/// Whether a role has the rights of another that is known by its id.
pub(crate) fn has_rights_of_id(role: Oid, other: Oid) -> bool {
    // SAFETY: looks the memberships up in the system caches.
    unsafe { pg_sys::has_privs_of_role(role, other) }
}

/// Whether a role may act as another: it has the rights of it, and could become it by SET ROLE. (Since PostgreSQL 16 a
/// membership may give one without the other.)
pub(crate) fn may_act_as(role: Oid, other: Oid) -> bool {
    has_rights_of_id(role, other) && may_become(role, other)
}

#[cfg(feature = "pg15")]
fn may_become(role: Oid, other: Oid) -> bool {
    // SAFETY: looks the memberships up in the system caches.
    unsafe { pg_sys::is_member_of_role(role, other) }
}

#[cfg(not(feature = "pg15"))]
fn may_become(role: Oid, other: Oid) -> bool {
    // SAFETY: looks the memberships up in the system caches.
    unsafe { pg_sys::member_can_set_role(role, other) }
}

/// Whether a role is a superuser.
pub(crate) fn is_superuser(role: Oid) -> bool {
    // SAFETY: looks the role up in the system caches.
    unsafe { pg_sys::superuser_arg(role) }
}

/// The role of that name.
pub(crate) fn role_named(name: &str) -> Option<Oid> {
    let name = CString::new(name).ok()?;
    // SAFETY: looks the name up in the system caches; gives InvalidOid where there is none, as asked.
    let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (role != Oid::INVALID).then_some(role)
}

/// Runs `work` with registrar's own rights, as a SECURITY DEFINER function does; but the caller's stay known, and what the caller
/// owns can be written as the caller.
pub(crate) fn as_registrar<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: looks the name up in the system caches; raises where the extension's role is gone.
    let registrar = unsafe { pg_sys::get_role_oid(c"registrar_owner".as_ptr(), false) };
    as_role(registrar, work)
}
