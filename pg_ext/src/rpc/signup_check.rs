//! `signup_check`: run by the owner of the database, with the rights of the role that signs users up, if the owner has them.

use pgrx::prelude::*;
use pgrx::spi::{quote_identifier, quote_literal};

use super::setup::raise;
use crate::pg::{self, Name};
use crate::store::signup_check::{self, Outcome, Unfit};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn signup_check(
    p_as: default!(Option<Name>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(shape, String),
        name!(ok, bool),
        name!(statement, Option<String>),
        name!(trigger, Option<String>),
        name!(function, Option<String>),
        name!(line, Option<i32>),
        name!(table, Option<String>),
        name!(constraint, Option<String>),
        name!(sqlstate, Option<String>),
        name!(message, Option<String>),
        name!(fix, Option<String>),
    ),
> {
    let caller = pg::current_user_id();
    let role = role(p_as);
    require_rights(caller, role);
    require_fit();
    TableIterator::new(signup_check::run(role, caller).into_iter().map(|outcome| {
        let Outcome { shape, ok, statement, trigger, function, line, table, constraint, sqlstate, message, fix } =
            outcome;
        (shape.to_owned(), ok, statement, trigger, function, line, table, constraint, sqlstate, message, fix)
    }))
}

/// The role that was named, or the owner of `auth.users`.
fn role(named: Option<Name>) -> pg_sys::Oid {
    let Some(owner) = Spi::connect_mut(signup_check::owner_of_users) else {
        let hint = "Supabase Auth makes it when it first starts; on plain PostgreSQL SELECT registrar.setup(); does, as superuser.";
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, "there is no table auth.users to sign up to", hint)
    };
    let Some(Name(name)) = named else { return owner };
    pg::role_named(&name).unwrap_or_else(|| {
        let hint = "Name the role that users are signed up by; without one it is the owner of auth.users.";
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("role {} does not exist", quote_identifier(name)), hint)
    })
}

/// Acting as another role must give nobody more than they have.
fn require_rights(caller: pg_sys::Oid, role: pg_sys::Oid) {
    if pg::may_act_as(caller, role) {
        return;
    }
    let [caller, role] = [caller, role].map(pg::role_name);
    let (own, other) = (quote_identifier(&caller), quote_identifier(&role));
    raise(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("{own} may not act as {other}"),
        format!(
            "Run it as superuser; or have a superuser GRANT {other} TO {own}; or name a role that you are a member of: \
             SELECT * FROM registrar.signup_check({});",
            quote_literal(&caller)
        ),
    );
}

fn require_fit() {
    const CODE: PgSqlErrorCode = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    if pg::is_dry_run() {
        raise(CODE, "a dry run is under way", "A trigger that it runs has called signup_check again.");
    }
    match Spi::connect_mut(signup_check::require_fit) {
        Ok(()) => {}
        Err(Unfit::Deferred(table)) => raise(
            CODE,
            format!("the transaction has deferred triggers of {table} before it"),
            "They would run in the dry run. Call signup_check in a transaction of its own.",
        ),
        Err(Unfit::Cursor(name)) => raise(
            CODE,
            format!("the cursor {} is open", quote_identifier(name)),
            "What the dry run calls could read on in it. Close it, or call signup_check in another session.",
        ),
    }
}
