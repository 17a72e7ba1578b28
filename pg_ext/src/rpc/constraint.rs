//! `verify_and_fix_constraint`, and a step of the procedure `fix_constraint`: run by the owner of the table, with the owner's own
//! rights.

use std::borrow::Cow;

use pgrx::prelude::*;
use registrar_core::{Envelope, FieldError};
use serde_json::json;

use super::answer::{internal, refuse};
use crate::pg::{Jsonb, subtransaction};
use crate::store::constraint::{self, NotDone, Progress, Report, Request, Steps};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn verify_and_fix_constraint(
    p_table: Option<&str>,
    p_column: Option<&str>,
    p_fix: default!(Option<bool>, "false"),
    p_orphans: default!(Option<&str>, "'report'"),
) -> Jsonb {
    let request = Request { table: p_table, column: p_column, orphans: p_orphans };
    let call = if p_fix == Some(true) { constraint::fix } else { constraint::verify };
    subtransaction(|| call(&request)).map_or_else(not_done, |report| done(&report))
}

/// `p_so_far` is what the step before has returned; the procedure `fix_constraint` commits and passes it on.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn fix_constraint_step(
    p_table: Option<&str>,
    p_column: Option<&str>,
    p_orphans: Option<&str>,
    p_so_far: Option<Jsonb>,
) -> Jsonb {
    let request = Request { table: p_table, column: p_column, orphans: p_orphans };
    let progress: Result<Option<Progress>, _> =
        p_so_far.map(|progress| serde_json::from_str(&progress.into_text())).transpose();
    let Ok(progress) = progress else {
        let error = FieldError::invalid("so_far", "That is not what a step returned.");
        return refuse(vec![error.with_hint("CALL registrar.fix_constraint(…), which passes it on.")]);
    };
    match subtransaction(|| constraint::fix_step(&request, progress)) {
        Ok(Steps::Done(report)) => done(&report),
        Ok(Steps::Left(progress)) => Jsonb::of(&Envelope::success("There is more to do.", json!({"so_far": progress}))),
        Err(error) => not_done(error),
    }
}

fn done(report: &Report) -> Jsonb {
    Jsonb::of(&Envelope::success(Cow::Owned(report.message()), report))
}

fn not_done(reason: NotDone) -> Jsonb {
    match reason {
        NotDone::Refused(errors) => refuse(errors),
        // Only the caller can run the transaction again.
        NotDone::Raised(error) if error.is_serialization_failure() => error.raise(),
        NotDone::Raised(error) => refuse(vec![internal(&error)]),
    }
}
