//! What every call has in common: it is done whole or not at all, recorded, and answered in the envelope of the contract.

use std::borrow::Cow;

use pgrx::Spi;
use pgrx::spi::SpiClient;
use registrar_core::{Envelope, ErrorCode, FieldError};
use serde::Serialize;
use uuid::Uuid;

use super::caller::Caller;
use crate::pg::{self, Jsonb, PgError, subtransaction};
use crate::store::audit_log::{self, Action};
use crate::store::plans;

/// How often a call is tried where another one gets in between. Each loser of a race has waited for its winner, so that
/// the second try meets a settled row; the third is for a third party.
const MAX_TRIES: usize = 3;

/// A call that was done.
pub(super) struct Done<T> {
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
    /// The user concerned, where there is one.
    pub(super) user_id: Option<Uuid>,
    pub(super) data: T,
}

/// A call that was not done.
pub(super) enum Refusal {
    /// For reasons that the caller can do something about.
    Errors { errors: Vec<FieldError>, user_id: Option<Uuid> },
    /// The same, but what the call wrote stays: a failure that was counted, a session that was ended.
    Kept { errors: Vec<FieldError>, user_id: Option<Uuid> },
    /// Because it comes too soon: so many seconds are left to wait.
    Later { error: FieldError, seconds: i64 },
    /// Because PostgreSQL refused a statement.
    Raised(PgError),
}

impl From<PgError> for Refusal {
    fn from(error: PgError) -> Self {
        Self::Raised(error)
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::Errors { errors: vec![error], user_id: None }
    }
}

impl Refusal {
    /// A refusal that concerns a known user.
    pub(super) fn of_user(user_id: Uuid, error: FieldError) -> Self {
        Self::Errors { errors: vec![error], user_id: Some(user_id) }
    }
}

/// Runs a call and answers it. `call` learns whether it is tried again because another transaction got in between: then it
/// looks before it leaps. A refusal undoes what the call wrote, is recorded, and is returned: a raised error would
/// take its own record with it.
pub(super) fn answer<T: Serialize>(
    action: Action,
    call: impl Fn(&mut SpiClient<'_>, bool) -> Result<Done<T>, Refusal>,
) -> Jsonb {
    let (mut tries, mut raced) = (0, false);
    let outcome = loop {
        tries += 1;
        let outcome = subtransaction(|| {
            Spi::connect_mut(|client| {
                // To the subtransaction it is no failure: what was written stays.
                let done = match call(client, raced) {
                    Err(kept @ Refusal::Kept { .. }) => return Ok(Err(kept)),
                    done => done?,
                };
                audit_log::record(client, action, "ok", done.user_id, None);
                Ok(Ok(done))
            })
        });
        match outcome.flatten() {
            Err(Refusal::Raised(error)) if tries < MAX_TRIES && error.is_race() => raced = true,
            Err(Refusal::Raised(error)) if tries < MAX_TRIES && error.is_schema_change() => plans::forget_all(),
            outcome => break outcome,
        }
    };
    match outcome {
        Ok(done) => {
            if done.status != 200 {
                pg::set_response_status(done.status);
            }
            Jsonb::of(&Envelope::success(done.message, done.data))
        }
        Err(Refusal::Raised(error)) if error.is_serialization_failure() => error.raise(),
        // The winner of the race cannot be seen from this snapshot, however often it is tried.
        Err(Refusal::Raised(error)) if error.is_race() && pg::configuration::snapshot_is_fixed() => {
            PgError::serialization_failure().raise()
        }
        Err(Refusal::Raised(error)) if error.is_insufficient_privilege() && action.is_on_profiles() => {
            record_refusal(action, ErrorCode::Forbidden, None, Some(&error.message));
            refuse(vec![forbidden_by_table(&error.message)])
        }
        Err(Refusal::Raised(error)) => {
            record_refusal(action, ErrorCode::Internal, None, Some(&format!("{} {}", error.sqlstate(), error.message)));
            refuse(vec![internal(&error)])
        }
        Err(Refusal::Later { error, seconds }) => {
            // Here, since the rollback takes back every setting.
            pg::set_retry_after(seconds);
            record_refusal(action, error.code, None, None);
            refuse(vec![error])
        }
        Err(Refusal::Errors { errors, user_id } | Refusal::Kept { errors, user_id }) => {
            record_refusal(action, FieldError::outcome(&errors), user_id, None);
            refuse(errors)
        }
    }
}

/// The answer to a call that only reads: it needs neither a subtransaction nor a record of itself.
pub(super) fn found<T: Serialize>(outcome: Result<(impl Into<Cow<'static, str>>, T), FieldError>) -> Jsonb {
    match outcome {
        Ok((message, data)) => Jsonb::of(&Envelope::success(message, data)),
        Err(error) => refuse(vec![error]),
    }
}

/// The answer to a call that was not done.
pub(super) fn refuse(errors: Vec<FieldError>) -> Jsonb {
    pg::set_response_status(FieldError::outcome(&errors).status());
    Jsonb::of(&Envelope::<()>::failure(errors))
}

/// Records a refusal; where even that fails (no `setup()` yet, say) the caller still gets its answer.
fn record_refusal(action: Action, code: ErrorCode, user_id: Option<Uuid>, detail: Option<&str>) {
    let recorded = subtransaction(|| {
        Spi::connect_mut(|client| audit_log::record(client, action, code.as_str(), user_id, detail));
        Ok(())
    });
    if let Err(error) = recorded {
        let error: PgError = error;
        pgrx::warning!("registrar could not write its audit log ({}): {}", error.sqlstate(), error.message);
    }
}

/// What the caller lacks on an app's table.
pub(super) fn forbidden_by_table(message: &str) -> FieldError {
    FieldError::of_call(ErrorCode::Forbidden, format!("The profile table does not allow it: {message}."))
        .with_hint("The table's owner can GRANT the right, and with row security CREATE a POLICY for the own row.")
}

/// What the caller learns of an error of PostgreSQL: a back end its SQLSTATE and message, which name tables and constraints but no
/// values (those stand in the detail); everybody else, that there was one.
pub(super) fn internal(error: &PgError) -> FieldError {
    if !Caller::outer().is_trusted() {
        return FieldError::of_call(ErrorCode::Internal, "The database refused a statement; nothing was written.");
    }
    let (sqlstate, message) = (error.sqlstate(), &error.message);
    let hint = match sqlstate.as_str() {
        "42P01" | "3F000" if message.contains("registrar_private") || message.contains("auth.") => {
            "Run SELECT registrar.setup(); as superuser: a part of registrar is missing.".to_owned()
        }
        _ => {
            let frames = error.context.as_deref().unwrap_or_default().lines();
            let place = frames.into_iter().find(|frame| frame.starts_with("PL/pgSQL function"));
            format!(
                "PostgreSQL says {sqlstate}: {message} ({}).",
                place.unwrap_or("perhaps from a trigger on auth.users")
            )
        }
    };
    FieldError::of_call(ErrorCode::Internal, "The database refused a statement; nothing was written.").with_hint(hint)
}
