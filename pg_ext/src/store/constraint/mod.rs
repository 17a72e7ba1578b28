//! The foreign key from an app's table to `auth.users`: what is there, what is right, and the way from the one to the other.
//!
//! What is to be done is one list of steps, made anew from the catalogue before each of them, so that whoever stopped half-way, or
//! calls twice, goes on from where things stand. `verify_and_fix_constraint` does them in one transaction, `fix_constraint` in one
//! each. Queries run as whoever may change the table; what runs code of the app's (its triggers) runs as the table's owner.

mod column;
mod execution;
mod foreign_keys;
mod names;
mod obstacles;
mod orphans;
mod plan;
mod probe;
mod probe_row;
mod progress;
mod quarantine;
mod report;
mod situation;
mod table;

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::Oid;
use registrar_core::{ErrorCode, FieldError};
use serde::de::DeserializeOwned;

pub(crate) use progress::{Progress, Steps};
pub(crate) use report::Report;

use crate::pg::PgError;
use crate::store::plans;
use execution::{execute, lock_all, without_long_waits};
use situation::Situation;

/// What a call is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) table: Option<&'a str>,
    pub(crate) column: Option<&'a str>,
    /// `report`, `quarantine` or `delete`.
    pub(crate) orphans: Option<&'a str>,
}

/// Why a call was not done.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// For reasons that the caller can do something about.
    Refused(Vec<FieldError>),
    /// Because PostgreSQL refused a query.
    Raised(PgError),
}

impl From<PgError> for NotDone {
    fn from(error: PgError) -> Self {
        Self::Raised(error)
    }
}

impl From<FieldError> for NotDone {
    fn from(error: FieldError) -> Self {
        Self::Refused(vec![error])
    }
}

/// What is there and what would be done; nothing is written or locked.
///
/// # Errors
/// Where the table or the column cannot have such a foreign key, or the caller is not the table's owner.
pub(crate) fn verify(request: &Request<'_>) -> Result<Report, NotDone> {
    without_long_waits(|| {
        let situation = Situation::look(request)?;
        let progress = Progress::begin(&situation)?;
        let steps = plan::steps(&situation, &progress);
        let obstacles = obstacles::all(&situation, &progress, &steps);
        Ok(Report::of_look(&situation, &progress, &steps, obstacles))
    })
}

/// Puts the right foreign key in place, in the transaction of the caller, who undoes all of it where it fails.
///
/// # Errors
/// As for [`verify`]; what is in the way; a lock that is not to be had; what PostgreSQL raises.
pub(crate) fn fix(request: &Request<'_>) -> Result<Report, NotDone> {
    without_long_waits(|| {
        let mut progress = None;
        loop {
            match advance(request, progress, Hold::UntilTheEnd)? {
                Steps::Left(so_far) => progress = Some(so_far),
                Steps::Done(report) => return Ok(*report),
            }
        }
    })
}

/// Takes the next step only, so that the caller can commit it; `progress` is what an earlier call returned.
///
/// # Errors
/// As for [`fix`]. What earlier calls did stays.
pub(crate) fn fix_step(request: &Request<'_>, progress: Option<Progress>) -> Result<Steps, NotDone> {
    let before = progress.clone();
    without_long_waits(|| advance(request, progress, Hold::ForAStep)).map_err(|not_done| match (not_done, before) {
        (NotDone::Refused(mut errors), Some(before)) => {
            errors.iter_mut().for_each(|error| before.tell_what_stays(error));
            NotDone::Refused(errors)
        }
        (not_done, _) => not_done,
    })
}

/// How long a step's locks are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    ForAStep,
    /// All are then taken before the first step, in the order in which sign-ups take theirs. Taken one by one, a later one could
    /// close a circle with a sign-up that waits for an earlier one, and PostgreSQL would end the sign-up.
    UntilTheEnd,
}

fn advance(request: &Request<'_>, progress: Option<Progress>, hold: Hold) -> Result<Steps, NotDone> {
    let situation = Situation::look(request)?;
    let Some(mut progress) = progress else {
        let progress = Progress::begin(&situation)?;
        let steps = plan::steps(&situation, &progress);
        let obstacles = obstacles::all(&situation, &progress, &steps);
        if !obstacles.is_empty() {
            return Err(NotDone::Refused(obstacles));
        }
        if hold == Hold::UntilTheEnd {
            lock_all(&steps)?;
        }
        return Ok(Steps::Left(progress));
    };
    match plan::steps(&situation, &progress).into_iter().next() {
        Some(step) => {
            progress.check_advance(&step)?;
            execute(&step, &situation, &mut progress)?;
            Ok(Steps::Left(progress))
        }
        None => {
            orphans::check_none_stayed(&situation, &progress)?;
            let tested = probe::test(&situation);
            Ok(Steps::Done(Box::new(Report::of_fix(&situation, &progress, tested))))
        }
    }
}

/// What a query returns as JSON text in its only row; `None` where it returns none.
fn facts<T: DeserializeOwned>(query: &str, types: &[Oid], arguments: &[DatumWithOid<'_>]) -> Option<T> {
    let text: Option<String> =
        Spi::connect_mut(|client| plans::run_text(client, query, types, arguments).first().get_one().ok().flatten());
    text.map(|text| serde_json::from_str(&text).expect("the query makes what the type describes"))
}

/// An error on a parameter.
fn invalid(field: &'static str, message: impl Into<String>, hint: impl Into<String>) -> FieldError {
    FieldError::invalid(field, message.into()).with_hint(hint.into())
}

fn forbidden(message: impl Into<String>, hint: impl Into<String>) -> FieldError {
    FieldError::of_call(ErrorCode::Forbidden, message.into()).with_hint(hint.into())
}

fn internal(message: impl Into<String>, hint: impl Into<String>) -> FieldError {
    FieldError::of_call(ErrorCode::Internal, message.into()).with_hint(hint.into())
}
