//! `get_user`, `list_users` and `profile_id`: what the view `registrar.users` shows.

use pgrx::prelude::*;
use registrar_core::{ErrorCode, FieldError, FoundUser, UserPage};
use uuid::Uuid;

use super::answer::found;
use super::caller::Caller;
use super::identifier::Identifier;
use super::page;
use crate::pg::{self, Jsonb};
use crate::store::user_view::{self, Wanted};
use crate::store::{from_pg_uuid, profile_tables, profiles};

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn get_user(
    p_user_id: default!(Option<pgrx::Uuid>, "NULL"),
    p_email: default!(Option<String>, "NULL"),
    p_phone: default!(Option<String>, "NULL"),
) -> Jsonb {
    let user = whom(Caller::current(), p_user_id.map(from_pg_uuid), p_email, p_phone).and_then(|user_id| {
        let user = pg::as_registrar(|| Spi::connect_mut(|client| user_view::of_id(client, user_id)));
        user.ok_or_else(no_user)
    });
    found(user.map(|user| ("User found", FoundUser { user })))
}

/// Whom a call is about: a back end may name an address or number in place of the id.
fn whom(
    caller: Caller,
    user_id: Option<Uuid>,
    email: Option<String>,
    phone: Option<String>,
) -> Result<Uuid, FieldError> {
    if email.is_none() && phone.is_none() {
        return caller.own_or_named(user_id);
    }
    caller.require_trusted()?;
    if user_id.is_some() {
        let error = FieldError::invalid("user_id", "Both an id and an address or number were sent.");
        return Err(error.with_hint("Send one of them."));
    }
    let identifier = Identifier::parse(email, phone, None)?;
    let found = pg::as_registrar(|| Spi::connect_mut(|client| identifier.credentials(client)));
    found.map(|found| found.user_id).ok_or_else(no_user)
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn list_users(
    p_after: default!(Option<pgrx::Uuid>, "NULL"),
    p_limit: default!(Option<i32>, "100"),
    p_email_prefix: default!(Option<&str>, "NULL"),
    p_role: default!(Option<&str>, "NULL"),
) -> Jsonb {
    found(Caller::current().require_trusted().and_then(|()| {
        let prefix = p_email_prefix.map(|prefix| prefix.trim().to_lowercase()).filter(|prefix| !prefix.is_empty());
        let limit = page::limit(p_limit)?;
        let wanted = Wanted {
            after: p_after.map(from_pg_uuid),
            email_prefix: prefix.as_deref(),
            role: p_role.filter(|role| !role.is_empty()),
            limit,
        };
        let users = pg::as_registrar(|| Spi::connect_mut(|client| user_view::page(client, &wanted)));
        let next = page::next(&users, limit, |user| user.id);
        Ok(("Users found", UserPage { users, next }))
    }))
}

/// The refusal where there is no user, or only a deleted one.
pub(super) fn no_user() -> FieldError {
    FieldError::of_call(ErrorCode::UserNotFound, "There is no such user.")
}

/// For the view: it could not know which table is the primary one.
#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn profile_id(p_user_id: default!(Option<pgrx::Uuid>, "NULL")) -> Option<Jsonb> {
    let user_id = p_user_id.map(from_pg_uuid)?;
    let table = profile_tables::named(None)?;
    pg::as_registrar(|| profiles::key(&table, user_id)).map(|key| Jsonb::of(&key))
}
