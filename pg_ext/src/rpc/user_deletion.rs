//! `delete_user`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError, UserDeleted};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::users::no_user;
use crate::pg::{self, Jsonb};
use crate::store::audit_log::Action;
use crate::store::sessions::{self, EndReason, Which};
use crate::store::{from_pg_uuid, user_changes, user_deletion};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn delete_user(p_user_id: default!(Option<pgrx::Uuid>, "NULL"), p_soft: default!(Option<bool>, "false")) -> Jsonb {
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::DeleteUser, |client, _| {
            caller.require_trusted()?;
            let missing = || FieldError::invalid("user_id", "A user id is required.");
            delete(client, p_user_id.map(from_pg_uuid).ok_or_else(missing)?, p_soft == Some(true))
        })
    })
}

fn delete(client: &mut SpiClient<'_>, user_id: Uuid, soft: bool) -> Result<Done<UserDeleted>, Refusal> {
    // One who was deleted softly can still be deleted wholly.
    let is_there = user_changes::lock(client, user_id).is_some() || (!soft && user_deletion::is_there(client, user_id));
    if !is_there {
        return Err(no_user().into());
    }
    if soft {
        if !user_deletion::can_be_soft(client) {
            let error = FieldError::invalid("soft", "This database deletes no user softly.");
            return Err(error.with_hint("Its auth.users has no column deleted_at; update Supabase Auth.").into());
        }
        sessions::end(client, user_id, Which::All, EndReason::User);
        user_deletion::scramble(client, user_id, pg::transaction_start())?;
    } else {
        user_deletion::delete(client, user_id).map_err(|error| match error.referring_table() {
            Some(table) => Refusal::of_user(user_id, kept_by(&table)),
            None => error.into(),
        })?;
    }
    let message = if soft { "User deleted; the row is kept without what it said" } else { "User deleted" };
    Ok(Done { status: 200, message: message.into(), user_id: Some(user_id), data: UserDeleted { user_id, soft } })
}

/// That rows of the app's refer to the user, and nothing says what becomes of them.
fn kept_by(table: &str) -> FieldError {
    let error = FieldError::new("user_id", ErrorCode::Internal, format!("Rows of {table} refer to the user."));
    error.with_hint(format!(
        "Have them deleted along: SELECT registrar.verify_and_fix_constraint('{table}', '<its column>', true); or keep them, with p_soft => true."
    ))
}
